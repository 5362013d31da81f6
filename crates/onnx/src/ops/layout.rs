//! The same values in another shape or order, several tensors as one, and tensors out
//! of shapes.

use super::compare::spread_over;
use super::{Inputs, Operator, Steps};
use crate::attributes::{Attribute, Attributes};
use crate::error::Fault;
use crate::tensor::{Data, Tensor, axis_of, broadcast, count, each_kind, picked, strided, strides};

/// A shape from an attribute of early versions, or an input of later ones.
#[derive(Debug)]
pub(crate) struct Reshape {
    shape: Vec<i64>,
    zero_is_zero: bool,
}

#[derive(Debug)]
pub(crate) struct Flatten(pub i64);

#[derive(Debug)]
pub(crate) struct Transpose(Vec<i64>);

#[derive(Debug)]
pub(crate) struct Squeeze(pub Vec<i64>);

#[derive(Debug)]
pub(crate) struct Unsqueeze(pub Vec<i64>);

#[derive(Debug)]
pub(crate) struct Slice {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Vec<i64>,
}

#[derive(Debug)]
pub(crate) struct Split {
    pub axis: i64,
    pub sizes: Vec<i64>,
    pub outputs: usize,
}

#[derive(Debug)]
pub(crate) struct Concat(pub i64);

#[derive(Debug)]
pub(crate) struct Expand;

#[derive(Debug)]
pub(crate) struct Tile;

#[derive(Debug)]
pub(crate) struct Shape {
    pub start: i64,
    pub end: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Size;

#[derive(Debug)]
pub(crate) struct Constant(pub Tensor);

#[derive(Debug)]
pub(crate) struct ConstantOfShape(Data);

#[derive(Debug)]
pub(crate) struct Range;

fn sized(sizes: &[i64]) -> Result<Vec<usize>, Fault> {
    let sizes: Result<Vec<usize>, Fault> = sizes
        .iter()
        .map(|size| usize::try_from(*size).map_err(|_| Fault::Index(*size)))
        .collect();
    let sizes = sizes?;
    count(&sizes)?;
    Ok(sizes)
}

fn whole(size: usize) -> Result<i64, Fault> {
    i64::try_from(size).map_err(|_| Fault::TooLarge)
}

fn only(tensor: Result<Tensor, Fault>) -> Result<Vec<Tensor>, Fault> {
    Ok(vec![tensor?])
}

impl Reshape {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self {
            shape: attributes.ints("shape")?.to_vec(),
            zero_is_zero: attributes.flag("allowzero", false)?,
        })
    }
}

impl Operator for Reshape {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let given = inputs.maybe(1).map(Tensor::wholes).transpose()?;
        let wanted = given.unwrap_or(&self.shape);
        let mut shape = vec![];
        let mut open = None;
        for (axis, size) in wanted.iter().enumerate() {
            shape.push(match *size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if !self.zero_is_zero => {
                    let kept = tensor.shape.get(axis);
                    *kept.ok_or_else(|| Fault::Shape(tensor.shape.clone()))?
                }
                size => usize::try_from(size).map_err(|_| Fault::Index(size))?,
            });
        }
        let known = count(&shape)?;
        if let Some(axis) = open {
            // Nothing at all is as many as wanted of nothing.
            shape[axis] = tensor.len().checked_div(known).unwrap_or(0);
        }
        only(Tensor::new(shape, tensor.data.clone()))
    }
}

impl Operator for Flatten {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let rank = tensor.shape.len();
        let axis = if self.0 == whole(rank)? {
            rank
        } else {
            axis_of(self.0, rank.max(1))?
        };
        let (rows, columns) = tensor.shape.split_at(axis);
        let shape = vec![rows.iter().product(), columns.iter().product()];
        only(Tensor::new(shape, tensor.data.clone()))
    }
}

impl Transpose {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self(attributes.ints("perm")?.to_vec()))
    }
}

impl Operator for Transpose {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let rank = tensor.shape.len();
        let order: Vec<usize> = if self.0.is_empty() {
            (0..rank).rev().collect()
        } else {
            let order: Result<_, _> = self.0.iter().map(|axis| axis_of(*axis, rank)).collect();
            order?
        };
        let mut seen = order.clone();
        seen.sort_unstable();
        if !seen.into_iter().eq(0..rank) {
            return Err(Fault::Malformed("an axis comes twice or is missing"));
        }
        let own = strides(&tensor.shape);
        let shape: Vec<usize> = order.iter().map(|axis| tensor.shape[*axis]).collect();
        let steps: Vec<isize> = order.iter().map(|axis| own[*axis]).collect();
        let data = each_kind!(&tensor.data, values => strided(values, &shape, 0, &steps));
        only(Tensor::new(shape, data))
    }
}

impl Operator for Squeeze {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let given = inputs.maybe(1).map(Tensor::wholes).transpose()?;
        let axes = given.unwrap_or(&self.0);
        let rank = tensor.shape.len();
        let mut gone = vec![false; rank];
        for axis in axes {
            gone[axis_of(*axis, rank)?] = true;
        }
        let all = axes.is_empty();
        let kept = tensor.shape.iter().zip(gone);
        let shape = kept
            .filter(|(size, gone)| !(*gone || all && **size == 1))
            .map(|(size, _)| *size)
            .collect();
        only(Tensor::new(shape, tensor.data.clone()))
    }
}

impl Operator for Unsqueeze {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let given = inputs.maybe(1).map(Tensor::wholes).transpose()?;
        let axes = given.unwrap_or(&self.0);
        let rank = tensor.shape.len() + axes.len();
        let places: Result<Vec<usize>, _> = axes.iter().map(|axis| axis_of(*axis, rank)).collect();
        let mut places = places?;
        places.sort_unstable();
        let mut shape = tensor.shape.clone();
        for place in places {
            if place > shape.len() {
                return Err(Fault::Malformed("an axis comes twice"));
            }
            shape.insert(place, 1);
        }
        only(Tensor::new(shape, tensor.data.clone()))
    }
}

impl Slice {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self {
            starts: attributes.ints("starts")?.to_vec(),
            ends: attributes.ints("ends")?.to_vec(),
            axes: attributes.ints("axes")?.to_vec(),
        })
    }
}

/// Where a slice begins and how many places it has. Bounds beyond the ends are the
/// ends.
fn bounds(start: i64, end: i64, step: i64, size: usize) -> Result<(i64, i64), Fault> {
    let size = whole(size)?;
    let from_start = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let start = from_start(start).clamp(low.max(0).min(high), high);
    let end = from_start(end).clamp(low, high);
    let (span, step) = if step > 0 {
        (end - start, step)
    } else {
        (start - end, step.saturating_neg())
    };
    let count = if span <= 0 { 0 } else { (span - 1) / step + 1 };
    Ok((start, count))
}

impl Operator for Slice {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let given = |at: usize| inputs.maybe(at).map(Tensor::wholes).transpose();
        let starts = given(1)?.unwrap_or(&self.starts);
        let ends = given(2)?.unwrap_or(&self.ends);
        let all: Vec<i64> = (0..whole(starts.len())?).collect();
        let own = if self.axes.is_empty() {
            &all
        } else {
            &self.axes
        };
        let axes = given(3)?.unwrap_or(own);
        let ones = vec![1; starts.len()];
        let steps = given(4)?.unwrap_or(&ones);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(Fault::Malformed("bounds are of different lengths"));
        }
        let mut shape = tensor.shape.clone();
        let mut strides = strides(&shape);
        let mut offset = 0;
        for (((start, end), axis), step) in starts.iter().zip(ends).zip(axes).zip(steps) {
            let axis = axis_of(*axis, shape.len())?;
            if *step == 0 || shape[axis] != tensor.shape[axis] {
                return Err(Fault::Index(*step));
            }
            let (start, count) = bounds(*start, *end, *step, shape[axis])?;
            let narrow = |n: i64| isize::try_from(n).map_err(|_| Fault::TooLarge);
            shape[axis] = usize::try_from(count).map_err(|_| Fault::TooLarge)?;
            offset += narrow(start)? * strides[axis];
            // With one place there is no step, which may be very long.
            if shape[axis] > 1 {
                strides[axis] *= narrow(*step)?;
            }
        }
        let data = each_kind!(&tensor.data, values => strided(values, &shape, offset, &strides));
        only(Tensor::new(shape, data))
    }
}

impl Operator for Split {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let axis = axis_of(self.axis, tensor.shape.len())?;
        let length = tensor.shape[axis];
        let given = inputs.maybe(1).map(Tensor::wholes).transpose()?;
        let mut sizes = sized(given.unwrap_or(&self.sizes))?;
        if sizes.is_empty() {
            let each = length.div_ceil(self.outputs.max(1));
            let starts = (0..self.outputs).map(|n| (n * each).min(length));
            sizes = starts.map(|start| each.min(length - start)).collect();
        }
        if sizes.iter().sum::<usize>() != length || sizes.len() != self.outputs {
            return Err(Fault::Shapes(tensor.shape.clone(), sizes));
        }
        let steps = strides(&tensor.shape);
        let mut start = 0;
        let mut parts = vec![];
        for size in sizes {
            let mut shape = tensor.shape.clone();
            shape[axis] = size;
            let offset = start * steps[axis];
            let data = each_kind!(&tensor.data, values => strided(values, &shape, offset, &steps));
            parts.push(Tensor::new(shape, data)?);
            start += size.cast_signed();
        }
        Ok(parts)
    }
}

impl Operator for Concat {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let first = inputs.at(0)?;
        let axis = axis_of(self.0, first.shape.len())?;
        let mut shape = first.shape.clone();
        shape[axis] = 0;
        for tensor in inputs.all() {
            let mut like = tensor.shape.clone();
            if like.len() != shape.len() {
                return Err(Fault::Shapes(shape, like));
            }
            shape[axis] += like[axis];
            like[axis] = shape[axis];
            if like != shape {
                return Err(Fault::Shapes(shape, like));
            }
        }
        count(&shape)?;
        let outer: usize = shape[..axis].iter().product();
        let mut data = Data::empty(first.data.kind());
        for block in 0..outer {
            for tensor in inputs.all() {
                let length = tensor.len() / outer;
                let range = block * length..(block + 1) * length;
                data.append(each_kind!(&tensor.data, values => values[range].to_vec()))?;
            }
        }
        only(Tensor::new(shape, data))
    }
}

impl Operator for Expand {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let shape = broadcast(&tensor.shape, &sized(inputs.at(1)?.wholes()?)?)?;
        let data = spread_over(tensor, &shape);
        only(Tensor::new(shape, data))
    }
}

impl Operator for Tile {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let times = sized(inputs.at(1)?.wholes()?)?;
        if times.len() != tensor.shape.len() {
            return Err(Fault::Shapes(tensor.shape.clone(), times));
        }
        // Each axis becomes two, one of which stands still.
        let own = strides(&tensor.shape);
        let (mut twice, mut steps, mut shape) = (vec![], vec![], vec![]);
        for (axis, times) in times.iter().enumerate() {
            let size = tensor.shape[axis];
            twice.extend([*times, size]);
            steps.extend([0, own[axis]]);
            shape.push(times.checked_mul(size).ok_or(Fault::TooLarge)?);
        }
        count(&shape)?;
        let data = each_kind!(&tensor.data, values => strided(values, &twice, 0, &steps));
        only(Tensor::new(shape, data))
    }
}

impl Operator for Shape {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let shape = &inputs.at(0)?.shape;
        let end = self.end.unwrap_or(i64::MAX);
        let (start, count) = bounds(self.start, end, 1, shape.len())?;
        let start = usize::try_from(start).map_err(|_| Fault::TooLarge)?;
        let count = usize::try_from(count).map_err(|_| Fault::TooLarge)?;
        let sizes: Result<Vec<i64>, _> = shape[start..start + count]
            .iter()
            .map(|size| whole(*size))
            .collect();
        only(Tensor::new(vec![count], Data::Whole(sizes?)))
    }
}

impl Operator for Size {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let size = whole(inputs.at(0)?.len())?;
        only(Tensor::new(vec![], Data::Whole(vec![size])))
    }
}

impl Constant {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let tensor = match attributes.only() {
            Some(Attribute::Tensor(tensor)) => tensor.clone(),
            Some(Attribute::Float(value)) => Tensor::new(vec![], Data::Single(vec![*value]))?,
            Some(Attribute::Int(value)) => Tensor::new(vec![], Data::Whole(vec![*value]))?,
            Some(Attribute::Text(value)) => Tensor::new(vec![], Data::Text(vec![value.clone()]))?,
            Some(Attribute::Floats(values)) => {
                Tensor::new(vec![values.len()], Data::Single(values.clone()))?
            }
            Some(Attribute::Ints(values)) => {
                Tensor::new(vec![values.len()], Data::Whole(values.clone()))?
            }
            Some(Attribute::Texts(values)) => {
                Tensor::new(vec![values.len()], Data::Text(values.clone()))?
            }
            _ => return Err(Fault::Attribute("value")),
        };
        Ok(Self(tensor))
    }
}

impl Operator for Constant {
    fn run(&self, _: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        Ok(vec![self.0.clone()])
    }
}

impl ConstantOfShape {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let zero = Data::Single(vec![0.0]);
        let value = attributes.tensor("value")?;
        let value = value.map_or(zero, |tensor| tensor.data.clone());
        if value.len() != 1 {
            return Err(Fault::Attribute("value"));
        }
        Ok(Self(value))
    }
}

impl Operator for ConstantOfShape {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let shape = sized(inputs.at(0)?.wholes()?)?;
        let total = count(&shape)?;
        let data = each_kind!(&self.0, values => picked(values, &vec![0; total]));
        only(Tensor::new(shape, data))
    }
}

impl Operator for Range {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let kind = inputs.at(0)?.data.kind();
        let mut bounds = [0.0; 3];
        for (at, bound) in bounds.iter_mut().enumerate() {
            let values = inputs.at(at)?.data.doubles()?;
            *bound = *values.first().ok_or(Fault::Missing)?;
        }
        let [start, limit, step] = bounds;
        let length = ((limit - start) / step).ceil().max(0.0);
        if step == 0.0 || length.is_nan() {
            return Err(Fault::Malformed("a range has no step"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is too large becomes a bound, which is judged next"
        )]
        let length = count(&[length as usize])?;
        let at = (0_i32..).take(length);
        let values = at.map(|n| f64::from(n).mul_add(step, start)).collect();
        only(Tensor::new(vec![length], Data::of_doubles(values, kind)?))
    }
}
