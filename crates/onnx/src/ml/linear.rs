//! LinearClassifier and LinearRegressor.

use super::labels::{Classes, Transform, largest, scores};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::ops::unary::sigmoid;
use crate::ops::{Inputs, Operator, Steps};
use crate::tensor::{Tensor, count};

#[derive(Debug)]
struct Linear {
    /// A row for each target.
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
    targets: usize,
    transform: Transform,
}

#[derive(Debug)]
pub(crate) struct Regressor(Linear);

#[derive(Debug)]
pub(crate) struct Classifier {
    linear: Linear,
    classes: Classes,
}

impl Linear {
    fn new(attributes: &Attributes, targets: usize) -> Result<Self, Fault> {
        let numbers = |name| -> Result<Vec<f64>, Fault> {
            let numbers = attributes.floats(name)?;
            Ok(numbers.iter().map(|n| f64::from(*n)).collect())
        };
        let mut intercepts = numbers("intercepts")?;
        if intercepts.is_empty() {
            count(&[targets])?;
            intercepts.resize(targets, 0.0);
        }
        let coefficients = numbers("coefficients")?;
        if intercepts.len() != targets || !coefficients.len().is_multiple_of(targets.max(1)) {
            return Err(Fault::Attribute("coefficients"));
        }
        Ok(Self {
            coefficients,
            intercepts,
            targets,
            transform: Transform::of(attributes)?,
        })
    }

    /// Scores before they are transformed, a row for each row.
    fn scores(&self, tensor: &Tensor, steps: &mut Steps) -> Result<(usize, Vec<f64>), Fault> {
        let (rows, width) = tensor.table()?;
        if width * self.targets != self.coefficients.len() {
            return Err(Fault::Shape(tensor.shape.clone()));
        }
        count(&[rows, self.targets])?;
        steps.take(&[rows, width, self.targets])?;
        let values = tensor.data.doubles()?;
        let mut made = Vec::with_capacity(rows * self.targets);
        for row in 0..rows {
            let row = &values[row * width..(row + 1) * width];
            for (target, intercept) in self.intercepts.iter().enumerate() {
                let own = &self.coefficients[target * width..(target + 1) * width];
                let sum: f64 = own.iter().zip(row).map(|(a, b)| a * b).sum();
                made.push(sum + intercept);
            }
        }
        Ok((rows, made))
    }
}

impl Regressor {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let targets = usize::try_from(attributes.int_or("targets", 1)?);
        let targets = targets.map_err(|_| Fault::Attribute("targets"))?;
        Ok(Self(Linear::new(attributes, targets)?))
    }
}

impl Operator for Regressor {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (rows, mut made) = self.0.scores(inputs.at(0)?, steps)?;
        for row in made.chunks_exact_mut(self.0.targets.max(1)) {
            self.0.transform.apply(row);
        }
        Ok(vec![scores(rows, self.0.targets, &made)?])
    }
}

impl Classifier {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let classes = Classes::needed(attributes)?;
        let intercepts = attributes.floats("intercepts")?.len();
        let targets = if intercepts == 0 {
            classes.len()
        } else {
            intercepts
        };
        Ok(Self {
            linear: Linear::new(attributes, targets)?,
            classes,
        })
    }
}

impl Operator for Classifier {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let transform = self.linear.transform;
        let (rows, mut made) = self.linear.scores(inputs.at(0)?, steps)?;
        let mut width = self.linear.targets;
        let mut places = Vec::with_capacity(rows);
        if width == 1 && self.classes.len() == 2 {
            // One score says how much there is for the second class.
            places.extend(made.iter().map(|score| usize::from(*score > 0.0)));
            let both = made.iter().flat_map(|score| match transform {
                Transform::Logistic => [sigmoid(-score), sigmoid(*score)],
                _ => [1.0 - score, *score],
            });
            made = both.collect();
            width = 2;
        } else {
            for row in made.chunks_exact_mut(width.max(1)) {
                places.push(largest(row));
                transform.apply(row);
            }
        }
        Ok(vec![
            self.classes.labels(&places)?,
            scores(rows, width, &made)?,
        ])
    }
}
