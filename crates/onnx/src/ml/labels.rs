//! The classes of a classifier, and what becomes of its scores.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::error::Fault;
use crate::ops::lanes::softmax;
use crate::ops::unary::sigmoid;
use crate::tensor::{Data, Tensor, count};

#[derive(Debug, Clone)]
pub(crate) enum Classes {
    Whole(Vec<i64>),
    Text(Vec<Arc<str>>),
}

impl Classes {
    /// `None` where a node has none.
    pub(crate) fn of(attributes: &Attributes) -> Result<Option<Self>, Fault> {
        let texts = attributes.texts("classlabels_strings")?;
        if !texts.is_empty() {
            return Ok(Some(Self::Text(texts.to_vec())));
        }
        // The same thing has two names.
        for name in ["classlabels_ints", "classlabels_int64s"] {
            let wholes = attributes.ints(name)?;
            if !wholes.is_empty() {
                return Ok(Some(Self::Whole(wholes.to_vec())));
            }
        }
        Ok(None)
    }

    pub(crate) fn needed(attributes: &Attributes) -> Result<Self, Fault> {
        Self::of(attributes)?.ok_or(Fault::Attribute("classlabels_int64s"))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(classes) => classes.len(),
            Self::Text(classes) => classes.len(),
        }
    }

    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        match self {
            Self::Whole(classes) => classes.iter().map(|n| n.to_string().into()).collect(),
            Self::Text(classes) => classes.clone(),
        }
    }

    /// The labels at `places`.
    pub(crate) fn labels(&self, places: &[usize]) -> Result<Tensor, Fault> {
        fn picked<T: Clone>(classes: &[T], places: &[usize]) -> Option<Vec<T>> {
            places.iter().map(|at| classes.get(*at).cloned()).collect()
        }
        let data = match self {
            Self::Whole(classes) => picked(classes, places).map(Data::Whole),
            Self::Text(classes) => picked(classes, places).map(Data::Text),
        };
        let data = data.ok_or(Fault::Malformed("there are more scores than classes"))?;
        Tensor::new(vec![places.len()], data)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transform {
    None,
    Softmax,
    SoftmaxZero,
    Logistic,
    Probit,
}

impl Transform {
    pub(crate) fn of(attributes: &Attributes) -> Result<Self, Fault> {
        let value = attributes.text("post_transform", "NONE")?;
        Ok(match &*value {
            "NONE" => Self::None,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "LOGISTIC" => Self::Logistic,
            "PROBIT" => Self::Probit,
            other => {
                return Err(Fault::Choice {
                    name: "post_transform",
                    value: other.to_owned(),
                });
            }
        })
    }

    pub(crate) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Softmax => softmax(scores),
            // What is zero stays zero.
            Self::SoftmaxZero => {
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mut sum = 0.0;
                for score in scores.iter_mut().filter(|score| **score != 0.0) {
                    *score = (*score - max).exp();
                    sum += *score;
                }
                for score in scores {
                    *score /= sum;
                }
            }
            Self::Logistic => {
                for score in scores {
                    *score = sigmoid(*score);
                }
            }
            Self::Probit => {
                for score in scores {
                    *score = probit(*score);
                }
            }
        }
    }
}

/// The quantile of the normal distribution by Winitzki's formula: other runtimes of the
/// format use it, so that is what a model's scores are.
fn probit(p: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * p - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (std::f64::consts::PI * A) + log / 2.0;
    let root = ((half * half - log / A).sqrt() - half).sqrt();
    std::f64::consts::SQRT_2 * root.copysign(x)
}

/// The place of the first of the largest.
pub(crate) fn largest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = at;
        }
    }
    best
}

/// Scores of rows as the format gives them: 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "narrower by intention")]
pub(crate) fn scores(rows: usize, width: usize, values: &[f64]) -> Result<Tensor, Fault> {
    let shape = vec![rows, width];
    count(&shape)?;
    Tensor::new(
        shape,
        Data::Single(values.iter().map(|n| *n as f32).collect()),
    )
}
