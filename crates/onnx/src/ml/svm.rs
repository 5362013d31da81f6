//! SVMClassifier and SVMRegressor, as libsvm reckons.

use super::labels::{Classes, Transform, largest, scores};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::ops::unary::sigmoid;
use crate::ops::{Inputs, Operator, Steps};
use crate::tensor::{Tensor, count};

#[derive(Debug, Clone, Copy)]
enum Kernel {
    Linear,
    Poly { gamma: f64, coef: f64, degree: f64 },
    Rbf { gamma: f64 },
    Sigmoid { gamma: f64, coef: f64 },
}

/// Vectors that rows are compared with.
#[derive(Debug)]
struct Vectors {
    kernel: Kernel,
    values: Vec<f64>,
    count: usize,
    width: usize,
}

#[derive(Debug)]
pub(crate) struct Regressor {
    /// `None`: the coefficients are those of the columns.
    vectors: Option<Vectors>,
    coefficients: Vec<f64>,
    rho: f64,
    transform: Transform,
    one_class: bool,
}

#[derive(Debug)]
pub(crate) struct Classifier {
    vectors: Option<Vectors>,
    /// Of each class's vectors, where they begin; at the end their number.
    starts: Vec<usize>,
    coefficients: Vec<f64>,
    rho: Vec<f64>,
    /// Of Platt's sigmoid for each pair of classes; empty without probabilities.
    sigmoids: Vec<(f64, f64)>,
    classes: Classes,
    transform: Transform,
}

impl Kernel {
    fn of(attributes: &Attributes) -> Result<Self, Fault> {
        let params = attributes.floats("kernel_params")?;
        let param = |at: usize| params.get(at).map_or(0.0, |n| f64::from(*n));
        let (gamma, coef, degree) = (param(0), param(1), param(2));
        let value = attributes.text("kernel_type", "LINEAR")?;
        Ok(match &*value {
            "LINEAR" => Self::Linear,
            "POLY" => Self::Poly {
                gamma,
                coef,
                degree,
            },
            "RBF" => Self::Rbf { gamma },
            "SIGMOID" => Self::Sigmoid { gamma, coef },
            other => {
                return Err(Fault::Choice {
                    name: "kernel_type",
                    value: other.to_owned(),
                });
            }
        })
    }

    fn between(self, a: &[f64], b: &[f64]) -> f64 {
        let dot = || a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match self {
            Self::Linear => dot(),
            Self::Poly {
                gamma,
                coef,
                degree,
            } => (gamma * dot() + coef).powf(degree),
            Self::Rbf { gamma } => {
                let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
                (-gamma * squares.sum::<f64>()).exp()
            }
            Self::Sigmoid { gamma, coef } => (gamma * dot() + coef).tanh(),
        }
    }
}

fn numbers(attributes: &Attributes, name: &'static str) -> Result<Vec<f64>, Fault> {
    let numbers = attributes.floats(name)?;
    Ok(numbers.iter().map(|n| f64::from(*n)).collect())
}

impl Vectors {
    fn new(attributes: &Attributes, count: usize) -> Result<Option<Self>, Fault> {
        if count == 0 {
            return Ok(None);
        }
        let values = numbers(attributes, "support_vectors")?;
        if !values.len().is_multiple_of(count) {
            return Err(Fault::Attribute("support_vectors"));
        }
        Ok(Some(Self {
            kernel: Kernel::of(attributes)?,
            width: values.len() / count,
            values,
            count,
        }))
    }

    fn against(&self, row: &[f64], into: &mut Vec<f64>) {
        into.clear();
        into.extend((0..self.count).map(|at| {
            let own = &self.values[at * self.width..(at + 1) * self.width];
            self.kernel.between(row, own)
        }));
    }
}

/// The numbers of a table's rows, if they are as wide as they must be.
fn rows(tensor: &Tensor, width: usize) -> Result<(usize, Vec<f64>), Fault> {
    let (rows, own) = tensor.table()?;
    if own == width {
        Ok((rows, tensor.data.doubles()?))
    } else {
        Err(Fault::Shape(tensor.shape.clone()))
    }
}

impl Regressor {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let count = usize::try_from(attributes.int_or("n_supports", 0)?);
        let count = count.map_err(|_| Fault::Attribute("n_supports"))?;
        let coefficients = numbers(attributes, "coefficients")?;
        if count != 0 && coefficients.len() != count {
            return Err(Fault::Attribute("coefficients"));
        }
        let rho = numbers(attributes, "rho")?;
        Ok(Self {
            vectors: Vectors::new(attributes, count)?,
            coefficients,
            rho: *rho.first().ok_or(Fault::Attribute("rho"))?,
            transform: Transform::of(attributes)?,
            one_class: attributes.flag("one_class", false)?,
        })
    }
}

impl Operator for Regressor {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let width = self.vectors.as_ref().map(|vectors| vectors.width);
        let width = width.unwrap_or(self.coefficients.len());
        let (rows, values) = rows(inputs.at(0)?, width)?;
        steps.take(&[rows, width, self.coefficients.len()])?;
        let mut kernels = vec![];
        let mut made = Vec::with_capacity(rows);
        for row in 0..rows {
            let row = &values[row * width..(row + 1) * width];
            let factors = match &self.vectors {
                Some(vectors) => {
                    vectors.against(row, &mut kernels);
                    &kernels
                }
                None => row,
            };
            let products = self.coefficients.iter().zip(factors).map(|(a, b)| a * b);
            let sum = products.sum::<f64>() + self.rho;
            made.push(if self.one_class {
                if sum > 0.0 { 1.0 } else { -1.0 }
            } else {
                sum
            });
        }
        for score in made.chunks_exact_mut(1) {
            self.transform.apply(score);
        }
        Ok(vec![scores(rows, 1, &made)?])
    }
}

impl Classifier {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let classes = Classes::needed(attributes)?;
        let mut starts = vec![0];
        let mut total = 0;
        for count in attributes.ints("vectors_per_class")? {
            total = usize::try_from(*count)
                .ok()
                .and_then(|count| count.checked_add(total))
                .ok_or(Fault::Attribute("vectors_per_class"))?;
            starts.push(total);
        }
        let vectors = Vectors::new(attributes, total)?;
        let coefficients = numbers(attributes, "coefficients")?;
        let rho = numbers(attributes, "rho")?;
        let (a, b) = (
            numbers(attributes, "prob_a")?,
            numbers(attributes, "prob_b")?,
        );
        let count = classes.len();
        let pairs = count.saturating_mul(count.saturating_sub(1)) / 2;
        let fits = if vectors.is_some() {
            starts.len() == count + 1
                && Some(coefficients.len()) == (count - 1).checked_mul(total)
                && rho.len() >= pairs
                && (a.is_empty() || a.len() >= pairs)
        } else {
            !rho.is_empty() && coefficients.len().is_multiple_of(count)
        };
        if !fits || a.len() != b.len() {
            return Err(Fault::Attribute("coefficients"));
        }
        Ok(Self {
            vectors,
            starts,
            coefficients,
            rho,
            sigmoids: a.into_iter().zip(b).collect(),
            classes,
            transform: Transform::of(attributes)?,
        })
    }

    /// The decision between each two classes: positive for the first.
    fn decisions(&self, kernels: &[f64], into: &mut Vec<f64>) {
        let total = kernels.len();
        let of = |row: usize, class: usize| -> f64 {
            let range = self.starts[class]..self.starts[class + 1];
            let own = &self.coefficients[row * total..][range.clone()];
            own.iter().zip(&kernels[range]).map(|(a, b)| a * b).sum()
        };
        into.clear();
        for first in 0..self.classes.len() {
            for second in first + 1..self.classes.len() {
                let rho = self.rho[into.len()];
                into.push(of(second - 1, first) + of(first, second) + rho);
            }
        }
    }

    fn votes(&self, decisions: &[f64]) -> usize {
        let count = self.classes.len();
        let mut votes = vec![0.0; count];
        let mut at = 0;
        for first in 0..count {
            for second in first + 1..count {
                votes[if decisions[at] > 0.0 { first } else { second }] += 1.0;
                at += 1;
            }
        }
        largest(&votes)
    }

    /// Probabilities of classes from those between each two of them.
    fn probabilities(&self, decisions: &[f64]) -> Vec<f64> {
        const EDGE: f64 = 1e-7;
        let count = self.classes.len();
        let mut between = vec![0.0; count * count];
        let mut at = 0;
        for first in 0..count {
            for second in first + 1..count {
                let (a, b) = self.sigmoids[at];
                let p = sigmoid(-(decisions[at] * a + b)).clamp(EDGE, 1.0 - EDGE);
                between[first * count + second] = p;
                between[second * count + first] = 1.0 - p;
                at += 1;
            }
        }
        coupled(&between, count)
    }

    fn linear(&self, row: &[f64]) -> Vec<f64> {
        let lines = self.coefficients.chunks_exact(row.len().max(1));
        lines
            .map(|own| own.iter().zip(row).map(|(a, b)| a * b).sum::<f64>() + self.rho[0])
            .collect()
    }
}

/// The second method of Wu, Lin and Weng (2004), which libsvm uses: probabilities p
/// that make the sum of (r_ji p_i - r_ij p_j)^2 least.
#[expect(clippy::cast_precision_loss, reason = "classes are few")]
fn coupled(between: &[f64], count: usize) -> Vec<f64> {
    let mut q = vec![0.0; count * count];
    for i in 0..count {
        for j in (0..count).filter(|j| *j != i) {
            let (ji, ij) = (between[j * count + i], between[i * count + j]);
            q[i * count + i] += ji * ji;
            q[i * count + j] = -ji * ij;
        }
    }
    let near = 0.005 / count as f64;
    let mut p = vec![1.0 / count as f64; count];
    for _ in 0..count.max(100) {
        let mut qp: Vec<f64> = q
            .chunks_exact(count)
            .map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum())
            .collect();
        let mut pqp: f64 = qp.iter().zip(&p).map(|(qp, p)| qp * p).sum();
        if qp.iter().all(|qp| (qp - pqp).abs() < near) {
            break;
        }
        for t in 0..count {
            let own = q[t * count + t];
            let step = (pqp - qp[t]) / own;
            p[t] += step;
            pqp = (pqp + step * (step * own + 2.0 * qp[t])) / (1.0 + step) / (1.0 + step);
            for j in 0..count {
                qp[j] = (qp[j] + step * q[t * count + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

impl Operator for Classifier {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let classes = self.classes.len();
        let width = match &self.vectors {
            Some(vectors) => vectors.width,
            None => self.coefficients.len() / classes,
        };
        let (rows, values) = rows(inputs.at(0)?, width)?;
        steps.take(&[
            rows,
            width.max(classes),
            self.coefficients.len().max(classes),
        ])?;
        let (mut kernels, mut decisions, mut made, mut places) = (vec![], vec![], vec![], vec![]);
        let mut columns = 0;
        for row in 0..rows {
            let row = &values[row * width..(row + 1) * width];
            let mut own = match &self.vectors {
                None => {
                    let scores = self.linear(row);
                    places.push(largest(&scores));
                    scores
                }
                Some(vectors) => {
                    vectors.against(row, &mut kernels);
                    self.decisions(&kernels, &mut decisions);
                    places.push(self.votes(&decisions));
                    if !self.sigmoids.is_empty() {
                        self.probabilities(&decisions)
                    } else if classes == 2 {
                        match self.transform {
                            Transform::None => vec![-decisions[0], decisions[0]],
                            _ => vec![1.0 - decisions[0], decisions[0]],
                        }
                    } else {
                        decisions.clone()
                    }
                }
            };
            columns = own.len();
            if classes != 2 || self.vectors.is_none() || !self.sigmoids.is_empty() {
                self.transform.apply(&mut own);
            }
            made.extend(own);
            count(&[rows, columns])?;
        }
        Ok(vec![
            self.classes.labels(&places)?,
            scores(rows, columns, &made)?,
        ])
    }
}
