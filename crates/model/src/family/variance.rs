//! What belongs to a family: variance, deviance, where fits start.

use super::link::power;
use crate::model::{Family, Link, Variance};

/// How a fit of one row starts, once R's `initialize` has looked at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub y: f64,
    pub weight: f64,
    pub mean: f64,
}

impl Family {
    /// The family whose variance, deviance and allowed means are the same.
    fn shape(self) -> Shape {
        match self {
            Self::Gaussian | Self::Quasi(Variance::Constant) => Shape::Constant,
            Self::Binomial | Self::QuasiBinomial | Self::Quasi(Variance::MuOneMinusMu) => {
                Shape::Binomial
            }
            Self::Poisson | Self::QuasiPoisson => Shape::Poisson,
            Self::Gamma => Shape::Gamma,
            Self::InverseGaussian | Self::Quasi(Variance::MuCubed) => Shape::Cubic,
            Self::Quasi(Variance::Mu) => Shape::QuasiMu,
            Self::Quasi(Variance::MuSquared) => Shape::QuasiSquare,
            Self::NegativeBinomial(theta) => Shape::NegativeBinomial(theta),
            // Its variance is not known: what is asked of it has no answer.
            Self::Other => Shape::Unknown,
        }
    }

    /// Whether the dispersion is 1 and not estimated.
    pub fn known_dispersion(self) -> bool {
        matches!(self, Self::Binomial | Self::Poisson)
    }

    pub fn variance(self, mean: f64) -> f64 {
        match self.shape() {
            Shape::Constant => 1.0,
            Shape::Binomial => mean * (1.0 - mean),
            Shape::Poisson | Shape::QuasiMu => mean,
            Shape::Gamma | Shape::QuasiSquare => mean * mean,
            Shape::Cubic => power(mean, 3.0),
            Shape::NegativeBinomial(theta) => mean + mean * mean / theta,
            Shape::Unknown => f64::NAN,
        }
    }

    /// Whether R lets this be a mean.
    pub fn allows(self, mean: f64) -> bool {
        match self {
            Self::Gaussian
            | Self::InverseGaussian
            | Self::Quasi(Variance::Constant)
            | Self::Other => true,
            Self::Binomial | Self::QuasiBinomial | Self::Quasi(Variance::MuOneMinusMu) => {
                mean > 0.0 && mean < 1.0
            }
            Self::Poisson | Self::QuasiPoisson | Self::Gamma => mean.is_finite() && mean > 0.0,
            Self::Quasi(_) | Self::NegativeBinomial(_) => mean > 0.0,
        }
    }

    /// What one row adds to the deviance.
    pub fn deviance(self, y: f64, mean: f64, weight: f64) -> f64 {
        match self.shape() {
            Shape::Constant => weight * ((y - mean) * (y - mean)),
            Shape::Binomial => binomial(y, mean, weight),
            Shape::Poisson => {
                let part = if y > 0.0 {
                    weight * (y * (y / mean).ln() - (y - mean))
                } else {
                    mean * weight
                };
                2.0 * part
            }
            Shape::Gamma => {
                let ratio = if y == 0.0 { 1.0 } else { y / mean };
                -2.0 * weight * (ratio.ln() - (y - mean) / mean)
            }
            Shape::Cubic => weight * ((y - mean) * (y - mean)) / (y * (mean * mean)),
            Shape::QuasiMu => {
                let ratio = if y == 0.0 { 1.0 } else { y / mean };
                2.0 * weight * (y * ratio.ln() - (y - mean))
            }
            Shape::QuasiSquare => {
                let ratio = if y == 0.0 { 1.0 } else { y } / mean;
                let part = -2.0 * weight * (ratio.ln() - (y - mean) / mean);
                if part < 0.0 { 0.0 } else { part }
            }
            Shape::NegativeBinomial(theta) => {
                let least = if y < 1.0 { 1.0 } else { y };
                let both = (y + theta) * ((y + theta) / (mean + theta)).ln();
                2.0 * weight * (y * (least / mean).ln() - both)
            }
            Shape::Unknown => f64::NAN,
        }
    }

    /// The mean that a fit starts from, for responses other than the binomial's.
    pub fn start(self, y: f64, weight: f64) -> f64 {
        match self {
            Self::Binomial | Self::QuasiBinomial => (weight * y + 0.5) / (weight + 1.0),
            Self::Poisson | Self::QuasiPoisson => y + 0.1,
            Self::Gamma
            | Self::InverseGaussian
            | Self::Gaussian
            | Self::Other
            | Self::Quasi(Variance::Constant) => y,
            Self::Quasi(Variance::MuOneMinusMu) => y.clamp(0.001, 0.999),
            Self::Quasi(_) => y + if y == 0.0 { 0.1 } else { 0.0 },
            Self::NegativeBinomial(_) => y + if y == 0.0 { 1.0 / 6.0 } else { 0.0 },
        }
    }

    /// What R says of a response that this family cannot have; `None` if it can.
    pub fn refuses(self, y: f64, link: Link) -> Option<&'static str> {
        let (refused, says) = match self {
            Self::Binomial | Self::QuasiBinomial => {
                (!(0.0..=1.0).contains(&y), "y values must be 0 <= y <= 1")
            }
            Self::Poisson => (
                y < 0.0,
                "negative values not allowed for the 'Poisson' family",
            ),
            Self::QuasiPoisson => (
                y < 0.0,
                "negative values not allowed for the 'quasiPoisson' family",
            ),
            Self::Gamma => (
                y <= 0.0,
                "non-positive values not allowed for the 'Gamma' family",
            ),
            Self::InverseGaussian => (
                y <= 0.0,
                "positive values only are allowed for the 'inverse.gaussian' family",
            ),
            Self::Gaussian => (
                (link == Link::Inverse && y == 0.0) || (link == Link::Log && y <= 0.0),
                "cannot find valid starting values: please specify some",
            ),
            Self::NegativeBinomial(_) => (
                y < 0.0,
                "negative values not allowed for the negative binomial family",
            ),
            Self::Quasi(_) | Self::Other => (false, ""),
        };
        refused.then_some(says)
    }

    /// Deviances of many rows at once, written to `out`.
    pub(crate) fn deviances(self, y: &[f64], means: &[f64], weights: &[f64], out: &mut [f64]) {
        let rows = y.iter().zip(means).zip(weights).zip(out);
        if matches!(self.shape(), Shape::Binomial) {
            for (((&y, &mean), &weight), out) in rows {
                *out = binomial(y, mean, weight);
            }
        } else {
            for (((&y, &mean), &weight), out) in rows {
                *out = self.deviance(y, mean, weight);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Constant,
    Binomial,
    Poisson,
    Gamma,
    Cubic,
    QuasiMu,
    QuasiSquare,
    NegativeBinomial(f64),
    Unknown,
}

fn binomial(y: f64, mean: f64, weight: f64) -> f64 {
    let part = |y: f64, mean: f64| if y == 0.0 { 0.0 } else { y * (y / mean).ln() };
    2.0 * weight * (part(y, mean) + part(1.0 - y, 1.0 - mean))
}
