//! What is asked of a model, and what it answers.

use std::sync::Arc;

/// What predictions are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// The linear predictor.
    Link,
    /// What was measured: for a `glm`, the inverse link of the linear predictor.
    #[default]
    Response,
    /// A column for each term, centred.
    Terms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Of the mean. R has it for `lm` only; for a `glm` it is taken on the scale of the
    /// link and then transformed.
    Confidence,
    /// Of a new observation, for `lm` only.
    Prediction,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub scale: Scale,
    pub se: bool,
    pub interval: Option<Interval>,
    /// Between 0 and 1; R's default is 0.95.
    pub level: f64,
    /// Whether `"800"` may stand for a number and 4 for the level `4`. R refuses both.
    pub coerce: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            scale: Scale::Response,
            se: false,
            interval: None,
            level: 0.95,
            coerce: false,
        }
    }
}

/// For each row; NA where R gives NA.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prediction {
    /// Of the columns of `fit` where there are several: responses, or terms.
    pub names: Vec<Arc<str>>,
    pub fit: Vec<Vec<f64>>,
    /// As many columns as `fit` has.
    pub se: Option<Vec<Vec<f64>>>,
    pub lower: Option<Vec<Vec<f64>>>,
    pub upper: Option<Vec<Vec<f64>>>,
    /// Of `Scale::Terms`: what the sum of the terms lacks.
    pub constant: Option<f64>,
    /// The residuals' standard deviation, beside standard errors.
    pub residual_scale: Option<f64>,
    /// What R warns of.
    pub warnings: Vec<String>,
}

/// The same for a single row: a number for each column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowPrediction {
    pub fit: Vec<f64>,
    pub se: Option<Vec<f64>>,
    pub lower: Option<Vec<f64>>,
    pub upper: Option<Vec<f64>>,
}

impl RowPrediction {
    pub(super) fn of(prediction: Prediction) -> Self {
        let first = |columns: Vec<Vec<f64>>| -> Vec<f64> {
            columns.iter().map(|column| column[0]).collect()
        };
        Self {
            fit: first(prediction.fit),
            se: prediction.se.map(first),
            lower: prediction.lower.map(first),
            upper: prediction.upper.map(first),
        }
    }
}
