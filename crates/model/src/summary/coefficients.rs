//! The table of coefficients: what is in it, and how `printCoefmat` writes it.

use std::sync::Arc;

use super::numbers::{floor, format, format_p, round};
use super::page::matrix;
use crate::distribution::{pnorm_upper, pt_two_sided};
use crate::linalg;
use crate::model::{Kind, Model};

#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    pub name: Arc<str>,
    /// None of them, if the column is aliased.
    pub values: Option<Estimate>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub estimate: f64,
    pub error: f64,
    /// z or t.
    pub statistic: f64,
    /// Of the statistic, on both sides.
    pub p: f64,
}

/// Whether the statistics are z, because the dispersion is known.
pub fn known_dispersion(model: &Model) -> bool {
    matches!(model.kind, Kind::Glm { family, .. } if family.known_dispersion())
}

/// One for each column of the model matrix; for the first response, if there are several.
pub fn coefficients(model: &Model) -> Vec<Coefficient> {
    let values = model.coefficients.values.first();
    let values = values.map(Vec::as_slice).unwrap_or_default();
    let mut rows: Vec<Coefficient> = model
        .coefficients
        .names
        .iter()
        .map(|name| Coefficient {
            name: name.clone(),
            values: None,
        })
        .collect();
    let unscaled = match &model.triangle {
        Some(triangle) if triangle.len() == model.rank * model.rank => {
            linalg::variances(triangle, model.rank)
        }
        _ => vec![f64::NAN; model.rank],
    };
    let (df, dispersion) = (model.fit.df_residual, model.fit.dispersion);
    let known = known_dispersion(model);
    for (variance, column) in unscaled.into_iter().zip(&model.pivot) {
        let (Some(row), Some(&estimate)) = (rows.get_mut(*column), values.get(*column)) else {
            continue;
        };
        let error = (variance * dispersion).sqrt();
        let statistic = estimate / error;
        let p = if known {
            2.0 * pnorm_upper(statistic.abs())
        } else {
            pt_two_sided(statistic, df)
        };
        let nothing_left = !known && matches!(model.kind, Kind::Glm { .. }) && df <= 0.0;
        row.values = Some(if nothing_left {
            Estimate {
                estimate,
                error: f64::NAN,
                statistic: f64::NAN,
                p: f64::NAN,
            }
        } else {
            Estimate {
                estimate,
                error,
                statistic,
                p,
            }
        });
    }
    rows
}

/// Digits of the test statistic and of p.
const TEST_DIGITS: i32 = 3;
const TEST_WIDTH: usize = 3;
const LEGEND: &str = "---\nSignif. codes:  0 \u{2018}***\u{2019} 0.001 \u{2018}**\u{2019} 0.01 \
                      \u{2018}*\u{2019} 0.05 \u{2018}.\u{2019} 0.1 \u{2018} \u{2019} 1\n";

/// As `printCoefmat` prints it, with the legend of the stars.
pub fn table(model: &Model, digits: usize) -> String {
    let rows = coefficients(model);
    let letter = if known_dispersion(model) { "z" } else { "t" };
    let names: Vec<&str> = rows.iter().map(|row| &*row.name).collect();
    let head = [
        "Estimate".into(),
        "Std. Error".into(),
        format!("{letter} value"),
        format!("Pr(>|{letter}|)"),
    ];
    let column = |get: fn(&Estimate) -> f64| -> Vec<f64> {
        let values = rows.iter().map(|row| row.values.as_ref());
        values
            .map(|values| values.map_or(rdata::value::NA_REAL, get))
            .collect()
    };
    let estimates = column(|own| own.estimate);
    let errors = column(|own| own.error);
    let statistics = column(|own| own.statistic);
    let p = column(|own| own.p);

    let mut cells = estimates_and_errors(&estimates, &errors, digits);
    let rounded: Vec<f64> = statistics
        .iter()
        .map(|own| round(*own, TEST_DIGITS))
        .collect();
    cells.push(format(&rounded, digits));
    let known: Vec<f64> = p.iter().copied().filter(|p| !p.is_nan()).collect();
    let mut formatted = format_p(&known, TEST_WIDTH).into_iter();
    let p_cells = p.iter().map(|p| {
        if p.is_nan() {
            return String::new();
        }
        formatted.next().expect("one for each that is known")
    });
    cells.push(p_cells.collect());
    for (cells, values) in cells.iter_mut().zip([&estimates, &errors, &statistics, &p]) {
        for (cell, value) in cells.iter_mut().zip(values.iter()) {
            if value.is_nan() {
                let missing = rdata::value::is_na(*value);
                *cell = if missing { "NA" } else { "NaN" }.into();
            }
        }
    }
    let mut head = head.to_vec();
    let starred = known.iter().any(|p| *p < 0.1);
    if starred {
        head.push(String::new());
        cells.push(p.iter().map(|p| format!("{:<3}", stars(*p))).collect());
        shorten(cells.last_mut().expect("it was pushed"));
    }
    let mut text = matrix(&names, &head, &cells);
    if starred {
        text.push_str(LEGEND);
    }
    text
}

fn stars(p: f64) -> &'static str {
    match p {
        p if p.is_nan() => "",
        p if p <= 0.001 => "***",
        p if p <= 0.01 => "**",
        p if p <= 0.05 => "*",
        p if p <= 0.1 => ".",
        _ => " ",
    }
}

/// Stars are as wide as the widest of them.
fn shorten(cells: &mut [String]) {
    let widest = cells.iter().map(|cell| cell.trim_end().len()).max();
    let widest = widest.unwrap_or(0).max(1);
    for cell in cells {
        cell.truncate(widest);
    }
}

/// These two columns are formatted together.
fn estimates_and_errors(estimates: &[f64], errors: &[f64], digits: usize) -> Vec<Vec<String>> {
    let rows = estimates.len();
    let both: Vec<f64> = estimates.iter().chain(errors).copied().collect();
    let sizes = both.iter().map(|own| own.abs());
    let sizes: Vec<f64> = sizes.filter(|own| own.is_finite()).collect();
    if sizes.is_empty() {
        return vec![vec![String::new(); rows]; 2];
    }
    let wanted = i32::try_from(digits).expect("few digits");
    let least = sizes.iter().copied().filter(|own| *own != 0.0);
    let least = least.fold(f64::INFINITY, f64::min);
    let power = if least.is_finite() {
        1 + floor(least.log10())
    } else {
        1
    };
    let decimals = (wanted - power).max(1);
    let rounded: Vec<f64> = both.iter().map(|own| round(*own, decimals)).collect();
    let mut cells = format(&rounded, digits);
    // What would look like 0 and is not is written with a digit less, but for itself.
    let vanished: Vec<usize> = (0..both.len())
        .filter(|at| !both[*at].is_nan())
        .filter(|at| {
            let written: f64 = cells[*at].trim().parse().unwrap_or(f64::NAN);
            (both[*at] == 0.0) != (written == 0.0)
        })
        .collect();
    let again: Vec<f64> = vanished.iter().map(|at| both[*at]).collect();
    for (at, text) in vanished.iter().zip(format(&again, digits.max(2) - 1)) {
        cells[*at] = text;
    }
    let errors = cells.split_off(rows);
    vec![cells, errors]
}
