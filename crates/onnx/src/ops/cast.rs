//! Numbers, flags and texts into one another.

use std::sync::Arc;

use super::{Inputs, Operator, Steps};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::tensor::{Data, Kind, Tensor};

#[derive(Debug)]
pub(crate) struct Cast(Kind);

impl Cast {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let to = attributes.int("to")?.ok_or(Fault::Attribute("to"))?;
        Kind::of(to).map(Self).ok_or_else(|| Fault::Choice {
            name: "to",
            value: to.to_string(),
        })
    }
}

impl Operator for Cast {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let data = cast(&tensor.data, self.0)?;
        Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a cast says that it wants less"
)]
fn cast(data: &Data, to: Kind) -> Result<Data, Fault> {
    Ok(match (data, to) {
        (Data::Text(values), to) => return texts(values, to),
        (Data::Single(values), Kind::Text) => Data::Text(written(values)),
        (Data::Double(values), Kind::Text) => Data::Text(written(values)),
        (Data::Whole(values), Kind::Text) => Data::Text(written(values)),
        (Data::Flag(values), Kind::Text) => Data::Text(written(values)),
        (Data::Whole(values), Kind::Whole) => Data::Whole(values.clone()),
        (Data::Whole(values), Kind::Single) => {
            Data::Single(values.iter().map(|n| *n as f32).collect())
        }
        (Data::Single(values), Kind::Single) => Data::Single(values.clone()),
        (other, Kind::Flag) => Data::Flag(other.doubles()?.into_iter().map(|n| n != 0.0).collect()),
        (other, Kind::Whole) => {
            Data::Whole(other.doubles()?.into_iter().map(|n| n as i64).collect())
        }
        (other, kind) => Data::of_doubles(other.doubles()?, kind)?,
    })
}

fn written<T: ToString>(values: &[T]) -> Vec<Arc<str>> {
    values
        .iter()
        .map(|value| value.to_string().into())
        .collect()
}

fn texts(values: &[Arc<str>], to: Kind) -> Result<Data, Fault> {
    let unknown = |text: &Arc<str>| Fault::Value(text.to_string());
    Ok(match to {
        Kind::Text => Data::Text(values.to_vec()),
        Kind::Whole => {
            let numbers: Result<_, _> = values
                .iter()
                .map(|text| text.trim().parse().map_err(|_| unknown(text)))
                .collect();
            Data::Whole(numbers?)
        }
        kind => {
            let numbers: Result<_, _> = values
                .iter()
                .map(|text| text.trim().parse().map_err(|_| unknown(text)))
                .collect();
            Data::of_doubles(numbers?, kind)?
        }
    })
}
