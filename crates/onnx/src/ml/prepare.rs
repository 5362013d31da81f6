//! Numbers made ready for a model: Scaler, Imputer, Normalizer, Binarizer,
//! FeatureVectorizer.

use crate::attributes::Attributes;
use crate::error::Fault;
use crate::ops::{Inputs, Operator, Steps};
use crate::tensor::{Data, Kind, Tensor, axis_of, count};

#[derive(Debug)]
pub(crate) struct Scaler {
    offset: Vec<f64>,
    scale: Vec<f64>,
}

#[derive(Debug)]
pub(crate) enum Imputer {
    Singles { missing: f64, values: Vec<f64> },
    Wholes { missing: i64, values: Vec<i64> },
}

#[derive(Debug)]
pub(crate) enum Normalizer {
    Max,
    L1,
    L2,
}

#[derive(Debug)]
pub(crate) struct Binarizer(f64);

#[derive(Debug)]
pub(crate) struct FeatureVectorizer;

/// 64 bits stay 64 bits; all others become 32.
fn made(tensor: &Tensor, values: Vec<f64>) -> Result<Vec<Tensor>, Fault> {
    let kind = match tensor.data.kind() {
        Kind::Double => Kind::Double,
        _ => Kind::Single,
    };
    let data = Data::of_doubles(values, kind)?;
    Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
}

/// How long a row is, and that there are as many values as columns, or one for all.
fn fitting(tensor: &Tensor, values: usize) -> Result<usize, Fault> {
    let width = *tensor.shape.last().ok_or(Fault::Shape(vec![]))?;
    if values == 1 || values == width {
        Ok(width.max(1))
    } else {
        Err(Fault::Shape(tensor.shape.clone()))
    }
}

fn at<T: Copy>(values: &[T], column: usize) -> T {
    values[if values.len() == 1 { 0 } else { column }]
}

impl Scaler {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let numbers = |name| -> Result<Vec<f64>, Fault> {
            let numbers = attributes.floats(name)?;
            Ok(numbers.iter().map(|n| f64::from(*n)).collect())
        };
        let (offset, scale) = (numbers("offset")?, numbers("scale")?);
        if offset.len() != scale.len() || offset.is_empty() {
            return Err(Fault::Attribute("scale"));
        }
        Ok(Self { offset, scale })
    }
}

impl Operator for Scaler {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let width = fitting(tensor, self.offset.len())?;
        let mut values = tensor.data.doubles()?;
        for row in values.chunks_exact_mut(width) {
            for (column, value) in row.iter_mut().enumerate() {
                *value = (*value - at(&self.offset, column)) * at(&self.scale, column);
            }
        }
        let single = Data::of_doubles(values, Kind::Single)?;
        Ok(vec![Tensor::new(tensor.shape.clone(), single)?])
    }
}

impl Imputer {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let singles = attributes.floats("imputed_value_floats")?;
        if !singles.is_empty() {
            return Ok(Self::Singles {
                missing: attributes.float("replaced_value_float", 0.0)?.into(),
                values: singles.iter().map(|n| f64::from(*n)).collect(),
            });
        }
        let values = attributes.ints("imputed_value_int64s")?.to_vec();
        if values.is_empty() {
            return Err(Fault::Attribute("imputed_value_floats"));
        }
        Ok(Self::Wholes {
            missing: attributes.int_or("replaced_value_int64", 0)?,
            values,
        })
    }
}

impl Operator for Imputer {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        match self {
            Self::Singles { missing, values } => {
                let width = fitting(tensor, values.len())?;
                let mut numbers = tensor.data.doubles()?;
                #[expect(clippy::float_cmp, reason = "the format asks for it")]
                let is_missing = |n: f64| n == *missing || n.is_nan() && missing.is_nan();
                for row in numbers.chunks_exact_mut(width) {
                    for (column, number) in row.iter_mut().enumerate() {
                        if is_missing(*number) {
                            *number = at(values, column);
                        }
                    }
                }
                made(tensor, numbers)
            }
            Self::Wholes { missing, values } => {
                let width = fitting(tensor, values.len())?;
                let numbers = tensor.wholes()?.iter().enumerate();
                let numbers = numbers.map(|(place, number)| {
                    if number == missing {
                        at(values, place % width)
                    } else {
                        *number
                    }
                });
                let data = Data::Whole(numbers.collect());
                Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
            }
        }
    }
}

impl Normalizer {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let value = attributes.text("norm", "MAX")?;
        Ok(match &*value {
            "MAX" => Self::Max,
            "L1" => Self::L1,
            "L2" => Self::L2,
            other => {
                return Err(Fault::Choice {
                    name: "norm",
                    value: other.to_owned(),
                });
            }
        })
    }
}

impl Operator for Normalizer {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let (_, width) = tensor.table()?;
        let mut values = tensor.data.doubles()?;
        for row in values.chunks_exact_mut(width.max(1)) {
            let norm = match self {
                Self::Max => row.iter().fold(0.0, |max: f64, x| max.max(x.abs())),
                Self::L1 => row.iter().map(|x| x.abs()).sum(),
                Self::L2 => row.iter().map(|x| x * x).sum::<f64>().sqrt(),
            };
            // A row of zeros stays one.
            for value in row.iter_mut().filter(|_| norm != 0.0) {
                *value /= norm;
            }
        }
        let single = Data::of_doubles(values, Kind::Single)?;
        Ok(vec![Tensor::new(tensor.shape.clone(), single)?])
    }
}

impl Binarizer {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self(attributes.float("threshold", 0.0)?.into()))
    }
}

impl Operator for Binarizer {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let values = tensor.data.doubles()?.into_iter();
        let values = values.map(|n| if n > self.0 { 1.0 } else { 0.0 }).collect();
        let data = Data::of_doubles(values, tensor.data.kind())?;
        Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
    }
}

impl Operator for FeatureVectorizer {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let mut tables = vec![];
        let (mut rows, mut wide) = (None, 0);
        for tensor in inputs.all() {
            axis_of(0, tensor.shape.len())?;
            // A column without a second dimension is as wide as one.
            let (height, width) = match tensor.shape[..] {
                [height] => (height, 1),
                _ => tensor.table()?,
            };
            if rows.is_some_and(|rows| rows != height) {
                return Err(Fault::Shape(tensor.shape.clone()));
            }
            rows = Some(height);
            wide += width;
            tables.push((width, tensor.data.doubles()?));
        }
        let rows = rows.ok_or(Fault::Missing)?;
        let mut values = Vec::with_capacity(count(&[rows, wide])?);
        for row in 0..rows {
            for (width, table) in &tables {
                values.extend_from_slice(&table[row * width..(row + 1) * width]);
            }
        }
        let single = Data::of_doubles(values, Kind::Single)?;
        Ok(vec![Tensor::new(vec![rows, wide], single)?])
    }
}
