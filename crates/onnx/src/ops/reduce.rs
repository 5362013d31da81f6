//! All values along some axes become one.

use super::{Inputs, Operator, Steps};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::tensor::{Data, Tensor, axis_of, each_kind, strided, strides};

#[derive(Debug)]
pub(crate) struct Reduce {
    function: fn(&[f64]) -> f64,
    /// As early versions have them; later ones have an input.
    axes: Vec<i64>,
    keep: bool,
    /// Without axes nothing is reduced, rather than everything.
    nothing: bool,
}

impl Reduce {
    pub(crate) fn named(operator: &str, attributes: &Attributes) -> Result<Option<Self>, Fault> {
        let function: fn(&[f64]) -> f64 = match operator {
            "ReduceSum" => sum,
            #[expect(clippy::cast_precision_loss, reason = "tensors are smaller")]
            "ReduceMean" => |values| sum(values) / values.len() as f64,
            "ReduceMax" => |values| best(values, |new, best| new > best, f64::NEG_INFINITY),
            "ReduceMin" => |values| best(values, |new, best| new < best, f64::INFINITY),
            "ReduceProd" => |values| values.iter().product(),
            "ReduceL1" => |values| values.iter().map(|x| x.abs()).sum(),
            "ReduceL2" => |values| values.iter().map(|x| x * x).sum::<f64>().sqrt(),
            "ReduceSumSquare" => |values| values.iter().map(|x| x * x).sum(),
            "ReduceLogSum" => |values| sum(values).ln(),
            "ReduceLogSumExp" => |values| {
                let max = best(values, |new, best| new > best, f64::NEG_INFINITY);
                if max.is_infinite() {
                    return max;
                }
                values.iter().map(|x| (x - max).exp()).sum::<f64>().ln() + max
            },
            _ => return Ok(None),
        };
        Ok(Some(Self {
            function,
            axes: attributes.ints("axes")?.to_vec(),
            keep: attributes.flag("keepdims", true)?,
            nothing: attributes.flag("noop_with_empty_axes", false)?,
        }))
    }
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

/// NaN wins, as in numpy.
fn best(values: &[f64], better: fn(f64, f64) -> bool, start: f64) -> f64 {
    values.iter().fold(start, |best, new| {
        if better(*new, best) || new.is_nan() {
            *new
        } else {
            best
        }
    })
}

impl Operator for Reduce {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let rank = tensor.shape.len();
        let given = inputs.maybe(1).map(Tensor::wholes).transpose()?;
        let axes = given.unwrap_or(&self.axes);
        let mut reduced = vec![axes.is_empty(); rank];
        for axis in axes {
            reduced[axis_of(*axis, rank)?] = true;
        }
        if axes.is_empty() && self.nothing {
            return Ok(vec![tensor.clone()]);
        }
        // What stays comes first, what is reduced comes last: so each result is made
        // of values that lie beside each other.
        let order: Vec<usize> = (0..rank)
            .filter(|axis| !reduced[*axis])
            .chain((0..rank).filter(|axis| reduced[*axis]))
            .collect();
        let values = if order.is_sorted() {
            tensor.data.doubles()?
        } else {
            let shape: Vec<usize> = order.iter().map(|axis| tensor.shape[*axis]).collect();
            let own = strides(&tensor.shape);
            let steps: Vec<isize> = order.iter().map(|axis| own[*axis]).collect();
            let moved: Data =
                each_kind!(&tensor.data, values => strided(values, &shape, 0, &steps));
            moved.doubles()?
        };
        let product = |of_reduced: bool| -> usize {
            let sizes = tensor.shape.iter().zip(&reduced);
            let sizes = sizes.filter(|(_, reduced)| **reduced == of_reduced);
            sizes.map(|(size, _)| *size).product()
        };
        let length = product(true);
        let results: Vec<f64> = if length == 0 {
            vec![(self.function)(&[]); product(false)]
        } else {
            values.chunks_exact(length).map(self.function).collect()
        };
        let shape = tensor.shape.iter().zip(&reduced);
        let shape = shape
            .filter(|(_, reduced)| self.keep || !**reduced)
            .map(|(size, reduced)| if *reduced { 1 } else { *size })
            .collect();
        let data = Data::of_doubles(results, tensor.data.kind())?;
        Ok(vec![Tensor::new(shape, data)?])
    }
}
