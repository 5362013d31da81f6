//! What comes out of the passes, put together: all of a model but its terms.

use std::sync::Arc;

use super::FitError;
use super::finish::{Ended, Finish, Totals};
use super::glm::{self, Path};
use super::lm::{self, Residuals, Squares, count};
use super::quantiles::{self, KEPT};
use super::rows::Rows;
use super::space::{Setup, State};
use crate::linalg::Pivoted;
use crate::model::{Family, Fit, Link, Sums};

/// With so few degrees of freedom, summaries show all residuals.
const FEW: f64 = 5.0;

/// What of the formula matters here.
#[derive(Debug, Clone, Copy)]
pub struct Traits {
    pub intercept: bool,
    pub offset: bool,
    pub weights: bool,
    pub rows_dropped: usize,
}

#[derive(Debug)]
pub struct Fitted {
    /// For each response; 0 where a column is aliased.
    pub coefficients: Vec<Vec<f64>>,
    pub pivot: Vec<usize>,
    pub rank: usize,
    pub triangle: Vec<f64>,
    pub means: Vec<f64>,
    pub fit: Fit,
    /// Where the last weights of a `glm` were made.
    pub before: Option<State>,
}

/// Of an `lm`.
pub fn lm(rows: &Rows<'_>, traits: &Traits) -> Result<Fitted, FitError> {
    let solved = lm::solve(rows)?;
    let rank = solved.decomposed.rank;
    let df_residual = count(solved.with_weight) - count(rank);
    let mut fits = vec![];
    for response in 0..solved.coefficients.len() {
        let mut squares = Squares::default();
        let each = |take: &mut dyn FnMut(Residuals<'_>)| {
            rows.pass(&|| Residuals::new(&solved, response, traits), &mut |part| {
                take(part);
            })
        };
        let (quantiles, few) = residuals(
            rows,
            solved.rows,
            df_residual,
            |take| each(&mut |part| take(&part.values)),
            |keep| {
                each(&mut |part| {
                    squares.merge(&part.sums);
                    keep(part.values);
                })
            },
        )?;
        let residual = squares.residual.total();
        fits.push(Fit {
            rows: solved.with_weight,
            rows_dropped: traits.rows_dropped,
            df_residual,
            df_null: count(solved.with_weight) - f64::from(u8::from(traits.intercept)),
            dispersion: residual / df_residual,
            deviance: residual,
            null_deviance: f64::NAN,
            aic: f64::NAN,
            iterations: 0,
            converged: true,
            residual_quantiles: quantiles,
            few_residuals: few,
            weights_vary: solved.weights_vary,
            sums: Some(Sums {
                model: squares.model(traits.intercept),
                residual,
            }),
            warnings: vec![],
            kept: None,
        });
    }
    let means = means(&solved.columns, solved.rows);
    Ok(put(
        solved.coefficients,
        &solved.decomposed,
        means,
        fits.swap_remove(0),
        None,
    ))
}

fn means(sums: &[super::sum::Sum], rows: usize) -> Vec<f64> {
    sums.iter().map(|sum| sum.total() / count(rows)).collect()
}

fn put(
    coefficients: Vec<Vec<f64>>,
    decomposed: &Pivoted,
    means: Vec<f64>,
    fit: Fit,
    before: Option<State>,
) -> Fitted {
    Fitted {
        coefficients,
        pivot: decomposed.pivot.clone(),
        rank: decomposed.rank,
        triangle: decomposed.triangle(),
        means,
        fit,
        before,
    }
}

type Quantiles = (Option<[f64; 5]>, Vec<(Arc<str>, f64)>);

/// Quartiles of residuals, or all of them if the degrees of freedom are few. `first` makes
/// the pass that adds up everything else, too.
fn residuals(
    rows: &Rows<'_>,
    count: usize,
    df: f64,
    mut again: impl FnMut(&mut dyn FnMut(&[f64])) -> Result<(), FitError>,
    first: impl FnOnce(&mut dyn FnMut(Vec<f64>)) -> Result<(), FitError>,
) -> Result<Quantiles, FitError> {
    let mut kept: Vec<Vec<f64>> = vec![];
    first(&mut |values| {
        if count <= KEPT {
            kept.push(values);
        }
    })?;
    // So few rows are always a matrix.
    if let (true, Rows::Matrix(matrix)) = (df <= FEW, rows) {
        let names = matrix
            .places
            .iter()
            .map(|place| (place + 1).to_string().into());
        return Ok((None, names.zip(kept.concat()).collect()));
    }
    let quantiles = if count <= KEPT {
        quantiles::quartiles(|take| {
            for values in &kept {
                take(values);
            }
            Ok::<(), FitError>(())
        })?
    } else {
        quantiles::quartiles(|take| again(take))?
    };
    Ok((quantiles, vec![]))
}

/// Of a `glm`.
pub fn glm(
    rows: &Rows<'_>,
    traits: &Traits,
    family: Family,
    link: Link,
) -> Result<Fitted, FitError> {
    let setup = Setup {
        family,
        link,
        predictors: rows.columns(),
        whole: rows.few(),
    };
    let mut path = if setup.predictors == 0 {
        glm::without_columns(rows, &setup)?
    } else {
        glm::iterate(rows, &setup, State::Start)?
    };
    let weights = path.sums.weights.total();
    let ended = Ended {
        setup,
        at: State::At(path.coefficients.clone()),
        before: path.before.clone(),
        several_trials: path.several_trials,
        null_mean: traits
            .intercept
            .then(|| path.sums.weighted_responses.total() / weights),
        dispersion: path.deviance / weights,
    };
    let mut totals = Totals::default();
    let each = |take: &mut dyn FnMut(Finish<'_>)| {
        rows.pass(&|| Finish::new(&ended), &mut |part| take(part))
    };
    let rank = path.decomposed.as_ref().map_or(0, |own| own.rank);
    // Rows without weight can only make it fewer: few enough is found out below.
    let least = count(path.with_weight) - count(rank);
    let (quantiles, few) = residuals(
        rows,
        path.rows,
        least,
        |take| each(&mut |part| take(&part.residuals)),
        |keep| {
            each(&mut |part| {
                totals.merge(&part.totals);
                keep(part.residuals);
            })
        },
    )?;
    path.bounds(&totals, family);
    let null_deviance = null_deviance(rows, traits, &setup, &mut path, &totals)?;
    let fit = glm_fit(
        &path,
        traits,
        &setup,
        &totals,
        null_deviance,
        (quantiles, few),
    );
    let means = means(&path.sums.columns, path.rows);
    let decomposed = path.decomposed.take();
    let decomposed = decomposed.unwrap_or_else(|| Pivoted::new(vec![], 0, 0, glm::TOLERANCE));
    let coefficients = vec![path.coefficients];
    Ok(put(
        coefficients,
        &decomposed,
        means,
        fit,
        Some(path.before),
    ))
}

/// With an intercept and an offset it is that of another fit.
fn null_deviance(
    rows: &Rows<'_>,
    traits: &Traits,
    setup: &Setup,
    path: &mut Path,
    totals: &Totals,
) -> Result<f64, FitError> {
    if !(traits.offset && traits.intercept) {
        return Ok(totals.null_deviance.total());
    }
    let only = Setup {
        predictors: 1,
        ..*setup
    };
    let null = glm::iterate(rows, &only, State::Means(path.coefficients.clone()))?;
    path.warnings.extend(null.warnings);
    if !null.converged {
        let says = "fitting to calculate the null deviance did not converge -- increase 'maxit'?";
        path.warnings.push(says.into());
    }
    Ok(null.deviance)
}

fn glm_fit(
    path: &Path,
    traits: &Traits,
    setup: &Setup,
    totals: &Totals,
    null_deviance: f64,
    (residual_quantiles, few_residuals): Quantiles,
) -> Fit {
    let rank = count(path.decomposed.as_ref().map_or(0, |own| own.rank));
    let with_weight = path.rows - totals.without_weight;
    let df_residual = count(with_weight) - rank;
    let dispersion = if setup.family.known_dispersion() {
        1.0
    } else if df_residual > 0.0 {
        totals.squares.total() / df_residual
    } else {
        f64::NAN
    };
    Fit {
        rows: with_weight,
        rows_dropped: traits.rows_dropped,
        df_residual,
        df_null: count(with_weight) - f64::from(u8::from(traits.intercept)),
        dispersion,
        deviance: path.deviance,
        null_deviance,
        aic: aic(path, setup.family, totals) + 2.0 * rank,
        iterations: path.iterations,
        converged: path.converged,
        residual_quantiles,
        few_residuals: if df_residual > 0.0 {
            few_residuals
        } else {
            let names = few_residuals.into_iter().map(|(name, _)| name);
            names.map(|name| (name, 0.0)).collect()
        },
        weights_vary: traits.weights,
        sums: None,
        warnings: path.warnings.clone(),
        kept: None,
    }
}

/// What R's family says, without twice the rank.
fn aic(path: &Path, family: Family, totals: &Totals) -> f64 {
    let two_pi = 2.0 * std::f64::consts::PI;
    let (deviance, sums) = (path.deviance, &path.sums);
    match family {
        Family::Gaussian => {
            let rows = count(path.rows);
            let rough = rows * ((deviance / rows * two_pi).ln() + 1.0) + 2.0;
            rough - sums.log_weights.total()
        }
        Family::Binomial | Family::Poisson => -2.0 * totals.log_likelihood.total(),
        Family::Gamma => -2.0 * totals.log_likelihood.total() + 2.0,
        Family::InverseGaussian => {
            let weights = sums.weights.total();
            let spread = 1.0 + (deviance / weights * 2.0 * std::f64::consts::PI).ln();
            weights * spread + 3.0 * sums.weighted_log_responses.total() + 2.0
        }
        _ => rdata::value::NA_REAL,
    }
}
