//! The rows of a fit, kept for R.

use super::finish::working_weight;
use super::model::Fitted;
use super::rows::{Batch, Matrix, Places};
use super::space::{Setup, Space, State};
use super::{FitError, Method, Request};
use crate::linalg;
use crate::model::Kept;

pub fn keep(request: &Request, fitted: &Fitted, matrix: Matrix) -> Result<Kept, FitError> {
    let mut kept = match request.method {
        Method::Lm => linear(fitted, &matrix),
        Method::Glm { family, link } => {
            let setup = Setup {
                family,
                link,
                predictors: matrix.columns.len(),
                whole: false,
            };
            generalised(&setup, fitted, &matrix)?
        }
    };
    kept.places = matrix.places;
    kept.columns = matrix.columns;
    kept.offset = matrix.offset;
    Ok(kept)
}

fn whole(matrix: &Matrix) -> Batch<'_> {
    Batch {
        count: matrix.rows,
        columns: matrix.columns.iter().map(Vec::as_slice).collect(),
        responses: matrix.responses.iter().map(Vec::as_slice).collect(),
        offset: matrix.offset.as_deref(),
        weights: matrix.weights.as_deref(),
        places: Places::Some(&matrix.places),
    }
}

fn linear(fitted: &Fitted, matrix: &Matrix) -> Kept {
    let mut means = vec![0.0; matrix.rows];
    for (column, coefficient) in matrix.columns.iter().zip(&fitted.coefficients[0]) {
        linalg::add(&mut means, *coefficient, column);
    }
    if let Some(offset) = &matrix.offset {
        linalg::add(&mut means, 1.0, offset);
    }
    let response = matrix.responses[0].clone();
    let residuals = response.iter().zip(&means).map(|(y, f)| y - f).collect();
    Kept {
        response,
        residuals,
        linear: means.clone(),
        fitted: means,
        weights: matrix.weights.clone().unwrap_or_default(),
        prior_weights: matrix.weights.clone().unwrap_or_default(),
        ..Kept::default()
    }
}

fn generalised(setup: &Setup, fitted: &Fitted, matrix: &Matrix) -> Result<Kept, FitError> {
    let batch = whole(matrix);
    let mut space = Space::new();
    let mut before = Space::new();
    let at = State::At(fitted.coefficients[0].clone());
    space.fill(setup, &batch)?;
    space.predict(setup, &at, &batch);
    before.fill(setup, &batch)?;
    before.predict(setup, fitted.before.as_ref().unwrap_or(&at), &batch);
    let residual = |row: usize| (space.y[row] - space.mean[row]) / space.slope[row];
    let weight = |row: usize| working_weight(setup.family, &before, row);
    let offset = |row: usize| matrix.offset.as_ref().map_or(0.0, |own| own[row]);
    let working = |row: usize| {
        let step = (before.y[row] - before.mean[row]) / before.slope[row];
        (before.eta[row] - offset(row)) + step
    };
    Ok(Kept {
        residuals: (0..matrix.rows).map(residual).collect(),
        weights: (0..matrix.rows).map(weight).collect(),
        working: (0..matrix.rows).map(working).collect(),
        response: space.y,
        prior_weights: space.weight,
        fitted: space.mean,
        linear: space.eta,
        ..Kept::default()
    })
}
