//! Values picked by their places, and values that stand for places.

use super::{Inputs, Operator, Steps};
use crate::error::Fault;
use crate::tensor::{Data, Tensor, axis_of, count, each_kind, index_of, picked as of_places};

#[derive(Debug)]
pub(crate) struct Gather {
    pub axis: i64,
}

#[derive(Debug)]
pub(crate) struct OneHot {
    pub axis: i64,
}

/// Columns of a table, as ai.onnx.ml has it.
#[derive(Debug)]
pub(crate) struct ArrayFeatureExtractor;

fn gather(tensor: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor, Fault> {
    let mut shape = tensor.shape[..axis].to_vec();
    shape.extend(&indices.shape);
    shape.extend(&tensor.shape[axis + 1..]);
    count(&shape)?;
    let outer: usize = tensor.shape[..axis].iter().product();
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let length = tensor.shape[axis];
    let picked: Result<Vec<usize>, _> = indices
        .wholes()?
        .iter()
        .map(|index| index_of(*index, length))
        .collect();
    let picked = picked?;
    let data: Data = each_kind!(&tensor.data, values => {
        let mut made = Vec::with_capacity(outer * picked.len() * inner);
        for block in 0..outer {
            for index in &picked {
                let start = (block * length + index) * inner;
                made.extend_from_slice(&values[start..start + inner]);
            }
        }
        made
    });
    Tensor::new(shape, data)
}

impl Operator for Gather {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let axis = axis_of(self.axis, tensor.shape.len())?;
        Ok(vec![gather(tensor, axis, inputs.at(1)?)?])
    }
}

impl Operator for ArrayFeatureExtractor {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (tensor, indices) = (inputs.at(0)?, inputs.at(1)?);
        let indices = Tensor::new(vec![indices.len()], indices.data.clone())?;
        let axis = axis_of(-1, tensor.shape.len())?;
        let mut picked = gather(tensor, axis, &indices)?;
        if axis == 0 {
            picked.shape.insert(0, 1);
        }
        Ok(vec![picked])
    }
}

impl Operator for OneHot {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (indices, depth, values) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
        let depth = depth.data.doubles()?.first().copied();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is negative or too large becomes a bound, which is judged next"
        )]
        let depth = depth.ok_or(Fault::Missing)? as usize;
        if values.len() != 2 {
            return Err(Fault::Shape(values.shape.clone()));
        }
        let rank = indices.shape.len() + 1;
        let axis = axis_of(self.axis, rank)?;
        let mut shape = indices.shape.clone();
        shape.insert(axis, depth);
        let total = count(&shape)?;
        let inner: usize = indices.shape[axis..].iter().product();
        let mut hot = vec![0; total];
        for (place, index) in indices.data.doubles()?.into_iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "judged next")]
            let Ok(index) = index_of(index as i64, depth) else {
                continue;
            };
            hot[place / inner * depth * inner + index * inner + place % inner] = 1;
        }
        let data: Data = each_kind!(
            &values.data,
            values => of_places(values, &hot)
        );
        Ok(vec![Tensor::new(shape, data)?])
    }
}
