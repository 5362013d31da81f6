//! What is reckoned along one axis, for each place of the others.

use super::{Inputs, Operator, Steps};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::tensor::{Data, Tensor, axis_of, each_kind, index_of, picked as of_places};

#[derive(Debug)]
pub(crate) struct Softmax {
    pub axis: i64,
    pub log: bool,
    /// Before version 13 everything from the axis on is one lane.
    pub rest: bool,
}

#[derive(Debug)]
pub(crate) struct LpNormalization {
    pub axis: i64,
    pub p: i64,
}

/// ArgMax and ArgMin.
#[derive(Debug)]
pub(crate) struct Arg {
    pub max: bool,
    axis: i64,
    keep: bool,
    last: bool,
}

#[derive(Debug)]
pub(crate) struct TopK {
    /// As early versions have it; later ones have an input.
    k: Option<i64>,
    axis: i64,
    largest: bool,
}

#[derive(Debug)]
pub(crate) struct CumSum {
    pub exclusive: bool,
    pub reverse: bool,
}

/// The places of each lane of a tensor.
fn lanes(
    (outer, length, inner): (usize, usize, usize),
) -> impl Iterator<Item = impl Iterator<Item = usize> + Clone> {
    (0..outer * inner).map(move |lane| {
        let start = lane / inner * length * inner + lane % inner;
        (0..length).map(move |n| start + n * inner)
    })
}

/// Each lane is changed as a whole.
fn change(
    tensor: &Tensor,
    around: (usize, usize, usize),
    mut change: impl FnMut(&mut [f64]),
) -> Result<Vec<Tensor>, Fault> {
    let mut values = tensor.data.doubles()?;
    let mut lane = vec![];
    for places in lanes(around) {
        lane.clear();
        lane.extend(places.clone().map(|at| values[at]));
        change(&mut lane);
        for (at, value) in places.zip(&lane) {
            values[at] = *value;
        }
    }
    let data = Data::of_doubles(values, tensor.data.kind())?;
    Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
}

pub(crate) fn softmax(lane: &mut [f64]) {
    let max = lane.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in &mut *lane {
        *value = (*value - max).exp();
        sum += *value;
    }
    for value in lane {
        *value /= sum;
    }
}

impl Operator for Softmax {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let (outer, length, inner) = tensor.around(self.axis)?;
        let around = if self.rest {
            (outer, length * inner, 1)
        } else {
            (outer, length, inner)
        };
        change(tensor, around, |lane| {
            if self.log {
                let max = lane.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = lane.iter().map(|value| (value - max).exp()).sum();
                for value in lane {
                    *value -= max + sum.ln();
                }
            } else {
                softmax(lane);
            }
        })
    }
}

impl Operator for LpNormalization {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        change(tensor, tensor.around(self.axis)?, |lane| {
            let norm = if self.p == 1 {
                lane.iter().map(|x| x.abs()).sum()
            } else {
                lane.iter().map(|x| x * x).sum::<f64>().sqrt()
            };
            // Zeros stay zeros.
            for value in lane.iter_mut().filter(|_| norm != 0.0) {
                *value /= norm;
            }
        })
    }
}

impl Operator for CumSum {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let axis = inputs.at(1)?.wholes()?.first().ok_or(Fault::Missing)?;
        change(tensor, tensor.around(*axis)?, |lane| {
            if self.reverse {
                lane.reverse();
            }
            let mut sum = 0.0;
            for value in &mut *lane {
                let own = *value;
                let before = sum;
                sum += own;
                *value = if self.exclusive { before } else { sum };
            }
            if self.reverse {
                lane.reverse();
            }
        })
    }
}

impl Arg {
    pub(crate) fn new(max: bool, attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self {
            max,
            axis: attributes.int_or("axis", 0)?,
            keep: attributes.flag("keepdims", true)?,
            last: attributes.flag("select_last_index", false)?,
        })
    }

    #[expect(clippy::float_cmp, reason = "of equal values one is chosen")]
    fn better(&self, new: f64, best: f64) -> bool {
        let strictly = if self.max { new > best } else { new < best };
        strictly || (new.is_nan() && !best.is_nan()) || (self.last && new == best)
    }
}

impl Operator for Arg {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let around = tensor.around(self.axis)?;
        if around.1 == 0 {
            return Err(Fault::Shape(tensor.shape.clone()));
        }
        let values = tensor.data.doubles()?;
        let found = lanes(around).map(|places| {
            let (mut best, mut at) = (f64::NAN, 0);
            for (n, place) in (0..).zip(places) {
                if n == 0 || self.better(values[place], best) {
                    (best, at) = (values[place], n);
                }
            }
            at
        });
        let data = Data::Whole(found.collect());
        let mut shape = tensor.shape.clone();
        let axis = axis_of(self.axis, shape.len())?;
        if self.keep {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        Ok(vec![Tensor::new(shape, data)?])
    }
}

impl TopK {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self {
            k: attributes.int("k")?,
            axis: attributes.int_or("axis", -1)?,
            largest: attributes.flag("largest", true)?,
        })
    }
}

impl Operator for TopK {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let (outer, length, inner) = tensor.around(self.axis)?;
        let k = match inputs.maybe(1) {
            Some(given) => given.wholes()?.first().copied(),
            None => self.k,
        };
        let k = k.ok_or(Fault::Missing)?;
        let k = usize::try_from(k)
            .ok()
            .filter(|k| *k <= length)
            .ok_or(Fault::Index(k))?;
        steps.take(&[tensor.len(), 8])?;
        let values = tensor.data.doubles()?;
        let mut picked = vec![0; outer * k * inner];
        let mut ranks = vec![0; outer * k * inner];
        let mut order: Vec<usize> = vec![];
        for (lane, places) in lanes((outer, length, inner)).enumerate() {
            let places: Vec<usize> = places.collect();
            order.clear();
            order.extend(0..length);
            // Of equal values the first comes first.
            #[expect(clippy::float_cmp, reason = "of equal values one is chosen")]
            let by = |a: &usize, b: &usize| {
                let (left, right) = (values[places[*a]], values[places[*b]]);
                let order = left.total_cmp(&right);
                let order = if self.largest { order.reverse() } else { order };
                // Zeros are equal whatever their sign.
                if left == right { a.cmp(b) } else { order }
            };
            if k > 0 && k < length {
                order.select_nth_unstable_by(k - 1, by);
                order.truncate(k);
            }
            order.sort_unstable_by(by);
            for (n, chosen) in order.iter().take(k).enumerate() {
                let at = (lane / inner * k + n) * inner + lane % inner;
                picked[at] = places[*chosen];
                ranks[at] = i64::try_from(*chosen).map_err(|_| Fault::TooLarge)?;
            }
        }
        let mut shape = tensor.shape.clone();
        let axis = axis_of(self.axis, shape.len())?;
        shape[axis] = k;
        let best: Data = each_kind!(
            &tensor.data,
            values => of_places(values, &picked)
        );
        Ok(vec![
            Tensor::new(shape.clone(), best)?,
            Tensor::new(shape, Data::Whole(ranks))?,
        ])
    }
}

/// For each place, the value at another along one axis.
#[derive(Debug)]
pub(crate) struct GatherElements {
    pub axis: i64,
}

impl Operator for GatherElements {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (tensor, indices) = (inputs.at(0)?, inputs.at(1)?);
        let axis = axis_of(self.axis, tensor.shape.len())?;
        let fits = tensor.shape.len() == indices.shape.len()
            && (0..tensor.shape.len())
                .all(|at| at == axis || tensor.shape[at] == indices.shape[at]);
        if !fits {
            return Err(Fault::Shapes(tensor.shape.clone(), indices.shape.clone()));
        }
        let (_, length, inner) = tensor.around(self.axis)?;
        let lane = (indices.shape[axis] * inner).max(1);
        let places: Result<Vec<usize>, Fault> = indices
            .wholes()?
            .iter()
            .enumerate()
            .map(|(place, index)| {
                let index = index_of(*index, length)?;
                Ok(place / lane * length * inner + index * inner + place % inner)
            })
            .collect();
        let places = places?;
        let data: Data = each_kind!(
            &tensor.data,
            values => of_places(values, &places)
        );
        Ok(vec![Tensor::new(indices.shape.clone(), data)?])
    }
}
