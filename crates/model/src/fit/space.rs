//! Scratch columns of a worker, and what all passes of a `glm` do first: responses and
//! weights as R's `initialize` leaves them, linear predictors, means.

use super::FitError;
use super::rows::{BATCH_ROWS, Batch};
use crate::linalg;
use crate::model::{Family, Link};

/// What is fitted.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub family: Family,
    pub link: Link,
    /// So many columns of the model matrix, from its first: all of them, or only the
    /// intercept.
    pub predictors: usize,
    /// Whether the rows are few enough to be decomposed as a whole.
    pub whole: bool,
}

/// Where the linear predictors come from.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// From the responses.
    Start,
    /// From the means of another fit, with as many columns as it has coefficients.
    Means(Vec<f64>),
    At(Vec<f64>),
}

/// Columns of a batch.
#[derive(Debug)]
pub struct Space {
    pub y: Vec<f64>,
    pub weight: Vec<f64>,
    /// Trials, for two columns of a binomial response.
    pub trials: Option<Vec<f64>>,
    pub eta: Vec<f64>,
    pub mean: Vec<f64>,
    pub slope: Vec<f64>,
    pub deviance: Vec<f64>,
    /// Whether a number of successes was none.
    pub not_whole: bool,
}

/// How far a number of successes may be from a whole number.
const WHOLE: f64 = 0.001;

impl Space {
    pub fn new() -> Self {
        let column = || Vec::with_capacity(BATCH_ROWS);
        Self {
            y: column(),
            weight: column(),
            trials: None,
            eta: column(),
            mean: column(),
            slope: column(),
            deviance: column(),
            not_whole: false,
        }
    }

    /// Responses and weights, which are looked at in the first pass.
    pub fn responses(&mut self, setup: &Setup, batch: &Batch<'_>) -> Result<(), FitError> {
        self.fill(setup, batch)?;
        if batch
            .weights
            .is_some_and(|own| own.iter().any(|weight| *weight < 0.0))
        {
            return Err(FitError::NegativeWeights);
        }
        if setup.family == Family::Binomial && batch.responses.len() == 1 {
            self.not_whole |= self.y.iter().zip(&self.weight).any(|(y, weight)| {
                let successes = weight * y;
                (successes - successes.round_ties_even()).abs() > WHOLE
            });
        }
        let mut refusals = self.y.iter().map(|y| setup.family.refuses(*y, setup.link));
        match refusals.find_map(|refusal| refusal) {
            Some(says) => Err(FitError::Response(says)),
            None => Ok(()),
        }
    }

    /// The same, as they were found to be good.
    pub fn fill(&mut self, setup: &Setup, batch: &Batch<'_>) -> Result<(), FitError> {
        self.weight.clear();
        match batch.weights {
            Some(weights) => self.weight.extend_from_slice(weights),
            None => self.weight.resize(batch.count, 1.0),
        }
        self.y.clear();
        self.y.extend_from_slice(batch.responses[0]);
        let binomial = matches!(setup.family, Family::Binomial | Family::QuasiBinomial);
        match batch.responses[..] {
            [successes, failures] if binomial => self.counts(successes, failures),
            [_] if binomial && batch.weights.is_some() => {
                for (y, weight) in self.y.iter_mut().zip(&self.weight) {
                    if *weight == 0.0 {
                        *y = 0.0;
                    }
                }
            }
            [_] => {}
            _ if binomial => return Err(FitError::BinomialColumns(setup.family.name())),
            _ => {
                let columns = batch.responses.len();
                return Err(FitError::ResponseColumns(columns, setup.family.name()));
            }
        }
        Ok(())
    }

    fn counts(&mut self, successes: &[f64], failures: &[f64]) {
        let trials = self.trials.get_or_insert_default();
        trials.clear();
        for (row, (&success, &failure)) in successes.iter().zip(failures).enumerate() {
            for count in [success, failure] {
                self.not_whole |= (count - count.round_ties_even()).abs() > WHOLE;
            }
            let all = success + failure;
            trials.push(all);
            self.y[row] = if all == 0.0 { 0.0 } else { success / all };
            self.weight[row] *= all;
        }
    }

    /// Linear predictors, their means and slopes.
    pub fn predict(&mut self, setup: &Setup, state: &State, batch: &Batch<'_>) {
        self.eta.clear();
        match state {
            State::Start => {
                // For counts R starts from the trials, without the prior weights.
                let weights = self.trials.as_ref().unwrap_or(&self.weight);
                let rows = self.y.iter().zip(weights);
                let starts = rows.map(|(y, weight)| setup.family.start(*y, *weight));
                self.eta.extend(starts.map(|mean| setup.link.of_mean(mean)));
            }
            State::Means(coefficients) => {
                linear(&mut self.eta, coefficients, batch);
                for eta in &mut self.eta {
                    *eta = setup.link.of_mean(setup.link.inverse(*eta));
                }
            }
            State::At(coefficients) => linear(&mut self.eta, coefficients, batch),
        }
        self.mean.resize(batch.count, 0.0);
        self.slope.resize(batch.count, 0.0);
        setup.link.fill(&self.eta, &mut self.mean, &mut self.slope);
    }

    /// Deviances of the rows.
    pub fn deviances(&mut self, family: Family) {
        self.deviance.resize(self.y.len(), 0.0);
        family.deviances(&self.y, &self.mean, &self.weight, &mut self.deviance);
    }
}

/// `X b + offset`, column by column as the BLAS that R uses.
fn linear(eta: &mut Vec<f64>, coefficients: &[f64], batch: &Batch<'_>) {
    eta.clear();
    eta.resize(batch.count, 0.0);
    for (column, coefficient) in batch.columns.iter().zip(coefficients) {
        linalg::add(eta, *coefficient, column);
    }
    if let Some(offset) = batch.offset {
        linalg::add(eta, 1.0, offset);
    }
}
