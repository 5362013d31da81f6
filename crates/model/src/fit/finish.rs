//! The last pass of a `glm`: dispersion, AIC, null deviance and residuals, where the fit
//! has ended.

use super::FitError;
use super::rows::{Batch, Worker};
use super::space::{Setup, Space, State};
use super::sum::Sum;
use crate::distribution::{ln_dbinom, ln_dgamma, ln_dpois};
use crate::model::Family;

/// Closer than this to an end, a probability is numerically 0 or 1.
const NEAR: f64 = 10.0 * f64::EPSILON;
/// How far R lets a count be from a whole number.
const WHOLE: f64 = 1e-7;

/// What the pass has to know.
#[derive(Debug)]
pub struct Ended {
    pub setup: Setup,
    pub at: State,
    /// Where the last weights come from.
    pub before: State,
    pub several_trials: bool,
    /// The mean of the responses; without an intercept that of the offset is the null
    /// model's.
    pub null_mean: Option<f64>,
    /// Deviance by the sum of weights: of a gamma distribution.
    pub dispersion: f64,
}

#[derive(Debug)]
pub struct Finish<'a> {
    ended: &'a Ended,
    space: Space,
    before: Space,
    pub totals: Totals,
    /// Deviance residuals of these rows.
    pub residuals: Vec<f64>,
}

#[derive(Debug, Default)]
pub struct Totals {
    /// Squares of working residuals by the last weights.
    pub squares: Sum,
    pub log_likelihood: Sum,
    pub null_deviance: Sum,
    pub without_weight: usize,
    pub near_bounds: bool,
}

impl<'a> Finish<'a> {
    pub fn new(ended: &'a Ended) -> Self {
        Self {
            ended,
            space: Space::new(),
            before: Space::new(),
            totals: Totals::default(),
            residuals: vec![],
        }
    }

    fn squares(&mut self, batch: &Batch<'_>) -> Result<(), FitError> {
        let setup = &self.ended.setup;
        self.before.fill(setup, batch)?;
        self.before.predict(setup, &self.ended.before, batch);
        let (old, new) = (&self.before, &self.space);
        for row in 0..batch.count {
            let weight = working_weight(setup.family, old, row);
            if weight > 0.0 {
                let residual = (new.y[row] - new.mean[row]) / new.slope[row];
                self.totals.squares.add(weight * (residual * residual));
            }
        }
        Ok(())
    }

    fn log_likelihood(&mut self) {
        let Space {
            y,
            weight,
            mean,
            trials,
            ..
        } = &self.space;
        let several = self.ended.several_trials;
        let sum = &mut self.totals.log_likelihood;
        match self.ended.setup.family {
            Family::Binomial => {
                for row in 0..y.len() {
                    let trials = match trials {
                        Some(trials) if several => trials[row],
                        // Without several trials in any row, R takes the weights for them.
                        _ => weight[row],
                    };
                    if trials > 0.0 {
                        let p = mean[row];
                        let successes = (trials * y[row]).round_ties_even();
                        let density = ln_dbinom(successes, trials.round_ties_even(), p, 1.0 - p);
                        sum.add(weight[row] / trials * density);
                    }
                }
            }
            Family::Poisson => {
                for row in 0..y.len() {
                    let count = y[row].round_ties_even();
                    let apart = (y[row] - count).abs() > WHOLE * y[row].abs().max(1.0);
                    let density = if apart {
                        f64::NEG_INFINITY
                    } else {
                        ln_dpois(count, mean[row])
                    };
                    sum.add(density * weight[row]);
                }
            }
            Family::Gamma => {
                let dispersion = self.ended.dispersion;
                for row in 0..y.len() {
                    let scale = mean[row] * dispersion;
                    sum.add(ln_dgamma(y[row], 1.0 / dispersion, scale) * weight[row]);
                }
            }
            _ => {}
        }
    }

    fn null_deviance(&mut self, batch: &Batch<'_>) {
        let setup = &self.ended.setup;
        let offset = |row: usize| batch.offset.map_or(0.0, |offset| offset[row]);
        for row in 0..batch.count {
            let mean = self
                .ended
                .null_mean
                .unwrap_or_else(|| setup.link.inverse(offset(row)));
            let (y, weight) = (self.space.y[row], self.space.weight[row]);
            self.totals
                .null_deviance
                .add(setup.family.deviance(y, mean, weight));
        }
    }
}

/// The square of what the row was multiplied by.
pub(super) fn working_weight(family: Family, space: &Space, row: usize) -> f64 {
    let (weight, slope) = (space.weight[row], space.slope[row]);
    if weight > 0.0 && slope != 0.0 {
        let root = (weight * (slope * slope) / family.variance(space.mean[row])).sqrt();
        root * root
    } else {
        0.0
    }
}

/// `residuals(m, type = "deviance")` of a row.
pub(super) fn deviance_residual(y: f64, mean: f64, part: f64) -> f64 {
    let size = if part < 0.0 { 0.0 } else { part }.sqrt();
    if y > mean { size } else { -size }
}

impl Worker for Finish<'_> {
    fn work(&mut self, batch: &Batch<'_>) -> Result<(), FitError> {
        let setup = &self.ended.setup;
        self.space.fill(setup, batch)?;
        self.space.predict(setup, &self.ended.at, batch);
        self.space.deviances(setup.family);
        let Space {
            y,
            weight,
            mean,
            deviance,
            ..
        } = &self.space;
        let rows = y.iter().zip(mean).zip(deviance);
        self.residuals
            .extend(rows.map(|((y, mean), part)| deviance_residual(*y, *mean, *part)));
        self.totals.without_weight += weight.iter().filter(|weight| **weight == 0.0).count();
        self.totals.near_bounds |= match setup.family {
            Family::Binomial => mean.iter().any(|mean| *mean > 1.0 - NEAR || *mean < NEAR),
            Family::Poisson => mean.iter().any(|mean| *mean < NEAR),
            _ => false,
        };
        if !setup.family.known_dispersion() {
            self.squares(batch)?;
        }
        self.log_likelihood();
        self.null_deviance(batch);
        Ok(())
    }
}

impl Totals {
    pub fn merge(&mut self, other: &Self) {
        self.squares.merge(&other.squares);
        self.log_likelihood.merge(&other.log_likelihood);
        self.null_deviance.merge(&other.null_deviance);
        self.without_weight += other.without_weight;
        self.near_bounds |= other.near_bounds;
    }
}
