//! Iteratively reweighted least squares, step by step as `glm.fit`.

use super::FitError;
use super::finish::Totals;
use super::rows::Rows;
use super::space::{Setup, State};
use super::step::{Seen, StartSums, Step};
use crate::linalg::Pivoted;
use crate::model::Family;

/// `glm.control()`
const EPSILON: f64 = 1e-8;
const MOST_STEPS: u32 = 25;
/// What `glm.fit` gives to the decomposition: `min(1e-7, epsilon / 1000)`.
pub const TOLERANCE: f64 = EPSILON / 1000.0;
/// After so small a change the next one is likely to be the last: each is about the square
/// of the one before.
const LIKELY_LAST: f64 = 1e-4;

/// Where the iterations have ended.
#[derive(Debug)]
pub struct Path {
    /// Coefficients by columns of the model matrix, 0 for those that are aliased.
    pub coefficients: Vec<f64>,
    /// What the last weights were made at.
    pub before: State,
    pub decomposed: Option<Pivoted>,
    pub deviance: f64,
    pub iterations: u32,
    pub converged: bool,
    pub boundary: bool,
    pub warnings: Vec<String>,
    /// Of the first pass.
    pub rows: usize,
    pub with_weight: usize,
    pub several_trials: bool,
    pub sums: StartSums,
}

/// Fits from this start.
pub fn iterate(rows: &Rows<'_>, setup: &Setup, start: State) -> Result<Path, FitError> {
    let mut seen = look(rows, setup, &start, true)?;
    if seen.rows == 0 {
        return Err(FitError::NoRows);
    }
    let mut warnings = vec![];
    if seen.not_whole && setup.family == Family::Binomial {
        let what = if seen.counts { "counts" } else { "#successes" };
        warnings.push(format!("non-integer {what} in a binomial glm!"));
    }
    if seen.invalid {
        return Err(FitError::NoStart);
    }
    let mut path = Path {
        coefficients: vec![0.0; setup.predictors],
        before: start.clone(),
        decomposed: None,
        deviance: seen.deviance.total(),
        iterations: 0,
        converged: false,
        boundary: false,
        warnings,
        rows: seen.rows,
        with_weight: seen.weighted,
        several_trials: seen.several_trials,
        sums: std::mem::take(&mut seen.sums),
    };
    let mut state = start;
    let mut change = f64::INFINITY;
    for step in 1..=MOST_STEPS {
        path.iterations = step;
        let Some(next) = path.solve(&seen, step)? else {
            break;
        };
        path.before = state;
        let old = match &path.before {
            State::At(coefficients) => Some(coefficients.clone()),
            _ => None,
        };
        path.coefficients = next;
        let likely_last = change < LIKELY_LAST;
        seen = path.settle(rows, setup, old.as_deref(), !likely_last)?;
        state = State::At(path.coefficients.clone());
        let deviance = seen.deviance.total();
        change = (deviance - path.deviance).abs() / (0.1 + deviance.abs());
        path.deviance = deviance;
        if change < EPSILON {
            path.converged = true;
            break;
        }
        if likely_last {
            seen = look(rows, setup, &state, true)?;
        }
    }
    path.warn();
    Ok(path)
}

fn look(rows: &Rows<'_>, setup: &Setup, state: &State, decompose: bool) -> Result<Seen, FitError> {
    let mut all: Option<Seen> = None;
    rows.pass(&|| Step::new(setup, state, decompose), &mut |step: Step<
        '_,
    >| match &mut all {
        None => all = Some(step.seen),
        Some(all) => all.merge(&step.seen),
    })?;
    Ok(all.unwrap_or_else(|| Seen::new(setup)))
}

/// Its number, what R warns of, and whether it is broken.
type Rule = (u8, &'static str, fn(&Seen) -> bool);

impl Path {
    /// The next coefficients, if there are any.
    fn solve(&mut self, seen: &Seen, step: u32) -> Result<Option<Vec<f64>>, FitError> {
        if seen.variance_missing {
            return Err(FitError::VarianceMissing);
        }
        if seen.variance_zero {
            return Err(FitError::VarianceZero);
        }
        if seen.slope_missing {
            return Err(FitError::SlopeMissing);
        }
        if seen.good == 0 {
            if self.decomposed.is_none() {
                return Err(FitError::NotInformative);
            }
            self.warnings
                .push(format!("no observations informative at iteration {step}"));
            return Ok(None);
        }
        if let Some(what) = seen.weighted_rows.not_finite() {
            return Err(FitError::NotFinite(what));
        }
        let (decomposed, rotated) = seen.weighted_rows.decompose(seen.good, TOLERANCE);
        let solution = decomposed.solve(&rotated);
        let finite = solution.iter().all(|one| one.is_finite());
        let mut next = vec![0.0; self.coefficients.len()];
        for (coefficient, column) in solution.iter().zip(&decomposed.pivot) {
            next[*column] = *coefficient;
        }
        self.decomposed = Some(decomposed);
        if !finite {
            self.warnings
                .push(format!("non-finite coefficients at iteration {step}"));
            return Ok(None);
        }
        Ok(Some(next))
    }

    /// Goes back half of the way, again and again, from where the deviance is not finite
    /// or the family does not allow what is predicted.
    fn settle(
        &mut self,
        rows: &Rows<'_>,
        setup: &Setup,
        old: Option<&[f64]>,
        decompose: bool,
    ) -> Result<Seen, FitError> {
        let at =
            |coefficients: &[f64]| look(rows, setup, &State::At(coefficients.to_vec()), decompose);
        self.boundary = false;
        let mut seen = at(&self.coefficients)?;
        let rules: [Rule; 2] = [
            (1, "step size truncated due to divergence", |seen| {
                !seen.deviance.total().is_finite()
            }),
            (2, "step size truncated: out of bounds", |seen| seen.invalid),
        ];
        for (number, says, wrong) in rules {
            if !wrong(&seen) {
                continue;
            }
            let old = old.ok_or(FitError::NoCoefficients)?;
            self.warnings.push(says.into());
            let mut tries = 1;
            while wrong(&seen) {
                if tries > MOST_STEPS {
                    return Err(FitError::Halving(number));
                }
                tries += 1;
                for (coefficient, old) in self.coefficients.iter_mut().zip(old) {
                    *coefficient = (*coefficient + old) / 2.0;
                }
                seen = at(&self.coefficients)?;
            }
            self.boundary = true;
        }
        Ok(seen)
    }

    /// R warns of probabilities and rates at the ends of what is possible.
    pub fn bounds(&mut self, totals: &Totals, family: Family) {
        if totals.near_bounds && self.iterations > 0 {
            let what = match family {
                Family::Binomial => "fitted probabilities numerically 0 or 1 occurred",
                _ => "fitted rates numerically 0 occurred",
            };
            self.warnings.push(format!("glm.fit: {what}"));
        }
    }

    fn warn(&mut self) {
        let warnings = &mut self.warnings;
        if !self.converged {
            warnings.push("glm.fit: algorithm did not converge".into());
        }
        if self.boundary {
            warnings.push("glm.fit: algorithm stopped at boundary value".into());
        }
    }
}

/// A model that has nothing to fit: its linear predictor is the offset.
pub fn without_columns(rows: &Rows<'_>, setup: &Setup) -> Result<Path, FitError> {
    let start = look(rows, setup, &State::Start, false)?;
    if start.rows == 0 {
        return Err(FitError::NoRows);
    }
    let at = State::At(vec![]);
    let seen = look(rows, setup, &at, false)?;
    if seen.invalid {
        return Err(FitError::Empty);
    }
    Ok(Path {
        coefficients: vec![],
        before: at,
        decomposed: None,
        deviance: seen.deviance.total(),
        iterations: 0,
        converged: true,
        boundary: false,
        warnings: vec![],
        rows: start.rows,
        with_weight: start.weighted,
        several_trials: start.several_trials,
        sums: start.sums,
    })
}
