//! One pass of a `glm`: the deviance where the fit stands, and the decomposition that
//! says where it goes next.

use super::FitError;
use super::rows::{Batch, Worker};
use super::space::{Setup, Space, State};
use super::sum::Sum;
use crate::linalg::{self, PANEL_ROWS, Pivoted, Triangle};
use crate::model::Family;

#[derive(Debug)]
pub struct Step<'a> {
    setup: &'a Setup,
    state: &'a State,
    /// Not, where the fit is likely to end.
    decompose: bool,
    space: Space,
    panel: Vec<f64>,
    factors: Vec<f64>,
    working: Vec<f64>,
    pub seen: Seen,
}

/// What a pass has seen.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that was seen or not"
)]
pub struct Seen {
    pub weighted_rows: Weighted,
    pub deviance: Sum,
    /// Rows with weight (seen in the first pass), and those of them whose mean moves.
    pub weighted: usize,
    pub good: usize,
    pub rows: usize,
    /// A linear predictor or mean that the family does not allow.
    pub invalid: bool,
    pub variance_missing: bool,
    pub variance_zero: bool,
    pub slope_missing: bool,
    pub not_whole: bool,
    pub counts: bool,
    pub several_trials: bool,
    pub sums: StartSums,
}

/// What only the first pass adds up.
#[derive(Debug, Default)]
pub struct StartSums {
    pub weights: Sum,
    pub weighted_responses: Sum,
    pub log_weights: Sum,
    pub weighted_log_responses: Sum,
    /// Of the columns of the model matrix.
    pub columns: Vec<Sum>,
}

impl<'a> Step<'a> {
    pub fn new(setup: &'a Setup, state: &'a State, decompose: bool) -> Self {
        Self {
            setup,
            state,
            decompose,
            space: Space::new(),
            panel: Vec::new(),
            factors: Vec::new(),
            working: Vec::new(),
            seen: Seen::new(setup),
        }
    }

    /// Square roots of working weights, and working responses times them.
    fn working(&mut self, offset: Option<&[f64]>) {
        let Space {
            y,
            weight,
            eta,
            mean,
            slope,
            ..
        } = &self.space;
        self.factors.clear();
        self.working.clear();
        let family = self.setup.family;
        for row in 0..y.len() {
            if weight[row] > 0.0 {
                let variance = family.variance(mean[row]);
                self.seen.variance_missing |= variance.is_nan();
                self.seen.variance_zero |= variance == 0.0;
                self.seen.slope_missing |= slope[row].is_nan();
                if slope[row] != 0.0 {
                    let factor = (weight[row] * (slope[row] * slope[row]) / variance).sqrt();
                    let offset = offset.map_or(0.0, |offset| offset[row]);
                    let response = (eta[row] - offset) + (y[row] - mean[row]) / slope[row];
                    self.seen.good += 1;
                    self.factors.push(factor);
                    self.working.push(response * factor);
                    continue;
                }
            }
            self.factors.push(0.0);
            self.working.push(0.0);
        }
    }

    fn decompose(&mut self, batch: &Batch<'_>) {
        for from in (0..batch.count).step_by(PANEL_ROWS) {
            let range = from..(from + PANEL_ROWS).min(batch.count);
            let factors = &self.factors[range.clone()];
            self.panel.clear();
            for column in &batch.columns[..self.setup.predictors] {
                let products = column[range.clone()].iter().zip(factors);
                self.panel.extend(products.map(|(x, factor)| x * factor));
            }
            self.panel.extend_from_slice(&self.working[range.clone()]);
            match &mut self.seen.weighted_rows {
                Weighted::Triangle(triangle) => triangle.add(&mut self.panel, range.len()),
                Weighted::All(columns) => {
                    for (all, part) in columns.iter_mut().zip(self.panel.chunks(range.len())) {
                        let kept = part.iter().zip(factors).filter(|(_, own)| **own != 0.0);
                        all.extend(kept.map(|(value, _)| value));
                    }
                }
            }
        }
    }
}

/// The weighted model matrix, with the working response as its last column.
#[derive(Debug)]
pub enum Weighted {
    /// Of few rows all of it, so that the decomposition takes the same steps as R's.
    All(Vec<Vec<f64>>),
    Triangle(Triangle),
}

impl Weighted {
    fn new(setup: &Setup) -> Self {
        if setup.whole {
            Self::All(vec![vec![]; setup.predictors + 1])
        } else {
            Self::Triangle(Triangle::new(setup.predictors, 1))
        }
    }

    /// What has a number that is not finite: predictors or response.
    pub fn not_finite(&self) -> Option<&'static str> {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let (predictors, response) = match self {
            Self::All(columns) => {
                let (response, predictors) = columns.split_last().expect("it has a response");
                (predictors.iter().all(|own| finite(own)), finite(response))
            }
            Self::Triangle(triangle) => triangle.finite(),
        };
        match (predictors, response) {
            (false, _) => Some("x"),
            (true, false) => Some("y"),
            (true, true) => None,
        }
    }

    /// Decomposed, with the response rotated.
    pub fn decompose(&self, rows: usize, tolerance: f64) -> (Pivoted, Vec<f64>) {
        let (decomposed, mut response) = match self {
            Self::All(columns) => {
                let (response, predictors) = columns.split_last().expect("it has a response");
                let rows = response.len();
                let own = Pivoted::new(predictors.concat(), rows, predictors.len(), tolerance);
                (own, response.clone())
            }
            Self::Triangle(triangle) => {
                let (own, mut responses) = Pivoted::of(triangle, rows, tolerance);
                (own, responses.swap_remove(0))
            }
        };
        decomposed.rotate(&mut response);
        (decomposed, response)
    }

    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Triangle(own), Self::Triangle(other)) => own.merge(other),
            (Self::All(own), Self::All(other)) => {
                for (own, other) in own.iter_mut().zip(other) {
                    own.extend_from_slice(other);
                }
            }
            _ => unreachable!("both are made for the same setup"),
        }
    }
}

impl Worker for Step<'_> {
    fn work(&mut self, batch: &Batch<'_>) -> Result<(), FitError> {
        let setup = self.setup;
        let space = &mut self.space;
        if matches!(self.state, State::At(_)) {
            space.fill(setup, batch)?;
        } else {
            space.responses(setup, batch)?;
        }
        space.predict(setup, self.state, batch);
        space.deviances(setup.family);
        let seen = &mut self.seen;
        seen.rows += batch.count;
        seen.deviance.add_all(&space.deviance);
        seen.invalid |= !(space.mean.iter().all(|mean| setup.family.allows(*mean))
            && space.eta.iter().all(|eta| setup.link.allows(*eta)));
        if *self.state == State::Start {
            seen.start(setup.family, space, batch);
        }
        if self.decompose {
            self.working(batch.offset);
            self.decompose(batch);
        }
        Ok(())
    }
}

impl Seen {
    pub fn new(setup: &Setup) -> Self {
        Self {
            weighted_rows: Weighted::new(setup),
            deviance: Sum::default(),
            weighted: 0,
            good: 0,
            rows: 0,
            invalid: false,
            variance_missing: false,
            variance_zero: false,
            slope_missing: false,
            not_whole: false,
            counts: false,
            several_trials: false,
            sums: StartSums::default(),
        }
    }

    fn start(&mut self, family: Family, space: &Space, batch: &Batch<'_>) {
        self.not_whole |= space.not_whole;
        if let Some(trials) = &space.trials {
            self.counts = true;
            self.several_trials |= trials.iter().any(|trials| *trials > 1.0);
        }
        let sums = &mut self.sums;
        sums.weights.add_all(&space.weight);
        self.weighted += space.weight.iter().filter(|own| **own > 0.0).count();
        sums.weighted_responses
            .add_products(&space.y, &space.weight);
        let rows = space.y.iter().zip(&space.weight);
        if family == Family::Gaussian && batch.weights.is_some() {
            rows.for_each(|(_, weight)| sums.log_weights.add(weight.ln()));
        } else if family == Family::InverseGaussian {
            rows.for_each(|(y, weight)| sums.weighted_log_responses.add(y.ln() * weight));
        }
        add_columns(&mut sums.columns, batch);
    }

    pub fn merge(&mut self, other: &Self) {
        self.weighted_rows.merge(&other.weighted_rows);
        self.deviance.merge(&other.deviance);
        self.weighted += other.weighted;
        self.good += other.good;
        self.rows += other.rows;
        self.invalid |= other.invalid;
        self.variance_missing |= other.variance_missing;
        self.variance_zero |= other.variance_zero;
        self.slope_missing |= other.slope_missing;
        self.not_whole |= other.not_whole;
        self.counts |= other.counts;
        self.several_trials |= other.several_trials;
        let (sums, more) = (&mut self.sums, &other.sums);
        sums.weights.merge(&more.weights);
        sums.weighted_responses.merge(&more.weighted_responses);
        sums.log_weights.merge(&more.log_weights);
        sums.weighted_log_responses
            .merge(&more.weighted_log_responses);
        merge_columns(&mut sums.columns, &more.columns);
    }
}

/// Sums of the columns of the model matrix, for their means.
pub(super) fn add_columns(sums: &mut Vec<Sum>, batch: &Batch<'_>) {
    sums.resize(batch.columns.len(), Sum::default());
    for (sum, column) in sums.iter_mut().zip(&batch.columns) {
        sum.add(linalg::sum(column));
    }
}

pub(super) fn merge_columns(sums: &mut Vec<Sum>, more: &[Sum]) {
    sums.resize(sums.len().max(more.len()), Sum::default());
    for (sum, more) in sums.iter_mut().zip(more) {
        sum.merge(more);
    }
}
