//! Linear models: one pass to decompose, one for the residuals.

use super::FitError;
use super::model::Traits;
use super::rows::{Batch, Matrix, Rows, Worker};
use super::step::{add_columns, merge_columns};
use super::sum::Sum;
use crate::linalg::{self, PANEL_ROWS, Pivoted, Triangle};

/// What `lm` gives to the decomposition.
pub const TOLERANCE: f64 = 1e-7;

#[derive(Debug)]
pub struct Solved {
    /// For each response, by columns of the model matrix; 0 for those that are aliased.
    pub coefficients: Vec<Vec<f64>>,
    pub decomposed: Pivoted,
    pub rows: usize,
    pub with_weight: usize,
    /// Sums of the columns of the model matrix.
    pub columns: Vec<Sum>,
    /// The weighted mean of each response.
    pub means: Vec<f64>,
    pub weights_vary: bool,
    /// Residuals of the rows with weight, if these are few: times the roots of the weights.
    exact: Vec<Vec<f64>>,
}

#[derive(Debug)]
struct Decompose {
    triangle: Triangle,
    panel: Vec<f64>,
    roots: Vec<f64>,
    rows: usize,
    with_weight: usize,
    columns: Vec<Sum>,
    weights: Sum,
    least: f64,
    largest: f64,
    responses: Vec<Sum>,
}

impl Worker for Decompose {
    fn work(&mut self, batch: &Batch<'_>) -> Result<(), FitError> {
        self.rows += batch.count;
        add_columns(&mut self.columns, batch);
        self.roots.clear();
        match batch.weights {
            None => {
                self.with_weight += batch.count;
                self.weights.add(count(batch.count));
            }
            Some(weights) => {
                if weights
                    .iter()
                    .any(|weight| weight.is_nan() || *weight < 0.0)
                {
                    return Err(FitError::Weights);
                }
                self.with_weight += weights.iter().filter(|weight| **weight > 0.0).count();
                self.weights.add_all(weights);
                self.least = weights.iter().copied().fold(self.least, f64::min);
                self.largest = weights.iter().copied().fold(self.largest, f64::max);
                self.roots
                    .extend(weights.iter().map(|weight| weight.sqrt()));
            }
        }
        for (sum, response) in self.responses.iter_mut().zip(&batch.responses) {
            match batch.weights {
                None => sum.add_all(response),
                Some(weights) => {
                    let rows = response.iter().zip(weights);
                    rows.for_each(|(value, weight)| sum.add(value * weight));
                }
            }
            if !sum.total().is_finite() {
                return Err(FitError::NotFinite("y"));
            }
        }
        if self.columns.iter().any(|sum| !sum.total().is_finite()) {
            return Err(FitError::NotFinite("x"));
        }
        for from in (0..batch.count).step_by(PANEL_ROWS) {
            self.panel(batch, from..(from + PANEL_ROWS).min(batch.count));
        }
        Ok(())
    }
}

impl Decompose {
    fn panel(&mut self, batch: &Batch<'_>, range: std::ops::Range<usize>) {
        let offset = batch.offset.map(|offset| &offset[range.clone()]);
        self.panel.clear();
        for column in &batch.columns {
            self.panel.extend_from_slice(&column[range.clone()]);
        }
        for response in &batch.responses {
            let begin = self.panel.len();
            self.panel.extend_from_slice(&response[range.clone()]);
            if let Some(offset) = offset {
                linalg::add(&mut self.panel[begin..], -1.0, offset);
            }
        }
        if batch.weights.is_some() {
            let roots = &self.roots[range.clone()];
            for column in self.panel.chunks_exact_mut(range.len()) {
                for (value, root) in column.iter_mut().zip(roots) {
                    // What has no weight need not be finite.
                    *value = if *root > 0.0 { *value * root } else { 0.0 };
                }
            }
        }
        self.triangle.add(&mut self.panel, range.len());
    }
}

#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
pub fn count(rows: usize) -> f64 {
    rows as f64
}

pub fn solve(rows: &Rows<'_>) -> Result<Solved, FitError> {
    let (predictors, responses) = (rows.columns(), rows.responses());
    let make = || Decompose {
        triangle: Triangle::new(predictors, responses),
        panel: vec![],
        roots: vec![],
        rows: 0,
        with_weight: 0,
        columns: vec![],
        weights: Sum::default(),
        least: f64::INFINITY,
        largest: f64::NEG_INFINITY,
        responses: vec![Sum::default(); responses],
    };
    let mut all = make();
    rows.pass(&make, &mut |part: Decompose| {
        all.triangle.merge(&part.triangle);
        all.rows += part.rows;
        all.with_weight += part.with_weight;
        all.weights.merge(&part.weights);
        all.least = all.least.min(part.least);
        all.largest = all.largest.max(part.largest);
        merge_columns(&mut all.columns, &part.columns);
        merge_columns(&mut all.responses, &part.responses);
    })?;
    if all.rows == 0 {
        return Err(FitError::NoRows);
    }
    let (decomposed, rotated) = match rows {
        Rows::Matrix(matrix) if rows.few() => whole(matrix),
        _ => {
            let (own, mut rotated) = Pivoted::of(&all.triangle, all.with_weight, TOLERANCE);
            for response in &mut rotated {
                own.rotate(response);
            }
            (own, rotated)
        }
    };
    let coefficients = rotated.iter().map(|rotated| {
        let mut all = vec![0.0; predictors];
        let solution = decomposed.solve(rotated);
        for (coefficient, column) in solution.into_iter().zip(&decomposed.pivot) {
            all[*column] = coefficient;
        }
        all
    });
    let coefficients = coefficients.collect();
    let exact = rotated.into_iter().map(|mut rest| {
        rest[..decomposed.rank].fill(0.0);
        decomposed.rotate_back(&mut rest);
        rest
    });
    let exact = if rows.few() { exact.collect() } else { vec![] };
    let whole = all.weights.total();
    Ok(Solved {
        coefficients,
        exact,
        rows: all.rows,
        with_weight: all.with_weight,
        columns: all.columns,
        means: all
            .responses
            .iter()
            .map(|sum| sum.total() / whole)
            .collect(),
        weights_vary: all.least < all.largest,
        decomposed,
    })
}

/// Decomposes few rows as R does, and rotates their responses.
fn whole(matrix: &Matrix) -> (Pivoted, Vec<Vec<f64>>) {
    let root = |row: usize| matrix.weights.as_ref().map(|own| own[row].sqrt());
    let places = (0..matrix.rows).filter(|row| root(*row) != Some(0.0));
    let places: Vec<usize> = places.collect();
    let weighted = |row: &usize, value: f64| root(*row).map_or(value, |root| value * root);
    let values = matrix.columns.iter().flat_map(|column| {
        let rows = places.iter();
        rows.map(move |row| weighted(row, column[*row]))
    });
    let decomposed = Pivoted::new(
        values.collect(),
        places.len(),
        matrix.columns.len(),
        TOLERANCE,
    );
    let responses = matrix.responses.iter().map(|response| {
        let offset = |row: usize| matrix.offset.as_ref().map(|own| own[row]);
        let own = |row: &usize| {
            let value = response[*row];
            weighted(row, offset(*row).map_or(value, |offset| value - offset))
        };
        let mut response: Vec<f64> = places.iter().map(own).collect();
        decomposed.rotate(&mut response);
        response
    });
    let responses = responses.collect();
    (decomposed, responses)
}

/// The second pass, for one response.
#[derive(Debug)]
pub struct Residuals<'a> {
    coefficients: &'a [f64],
    response: usize,
    /// What is left of the exact residuals.
    exact: Option<&'a [f64]>,
    /// Somewhere near the mean of what is fitted.
    near: f64,
    fitted: Vec<f64>,
    pub values: Vec<f64>,
    pub sums: Squares,
}

#[derive(Debug, Default)]
pub struct Squares {
    pub residual: Sum,
    /// Of what is fitted, less the number near its mean.
    pub linear: Sum,
    pub square: Sum,
    pub weights: Sum,
}

impl<'a> Residuals<'a> {
    pub fn new(solved: &'a Solved, response: usize, traits: &Traits) -> Self {
        Self {
            coefficients: &solved.coefficients[response],
            response,
            exact: solved.exact.get(response).map(Vec::as_slice),
            near: if traits.intercept {
                solved.means[response]
            } else {
                0.0
            },
            fitted: vec![],
            values: vec![],
            sums: Squares::default(),
        }
    }
}

impl Worker for Residuals<'_> {
    fn work(&mut self, batch: &Batch<'_>) -> Result<(), FitError> {
        self.fitted.clear();
        self.fitted.resize(batch.count, 0.0);
        for (column, coefficient) in batch.columns.iter().zip(self.coefficients) {
            linalg::add(&mut self.fitted, *coefficient, column);
        }
        if let Some(offset) = batch.offset {
            linalg::add(&mut self.fitted, 1.0, offset);
        }
        for (row, fitted) in self.fitted.iter().enumerate() {
            let response = batch.responses[self.response][row];
            let weight = batch.weights.map_or(1.0, |weights| weights[row]);
            let (mut residual, mut fitted) = (response - fitted, *fitted);
            if let Some((exact, rest)) = self.exact.and_then(<[f64]>::split_first)
                && weight > 0.0
            {
                self.exact = Some(rest);
                residual = exact / weight.sqrt();
                let offset = batch.offset.map_or(0.0, |offset| offset[row]);
                fitted = (response - offset) - residual + offset;
            }
            let apart = fitted - self.near;
            self.sums.residual.add(weight * (residual * residual));
            self.sums.linear.add(weight * apart);
            self.sums.square.add(weight * (apart * apart));
            self.sums.weights.add(weight);
            self.values.push(match batch.weights {
                Some(_) => weight.sqrt() * residual,
                None => residual,
            });
        }
        Ok(())
    }
}

impl Squares {
    pub fn merge(&mut self, other: &Self) {
        self.residual.merge(&other.residual);
        self.linear.merge(&other.linear);
        self.square.merge(&other.square);
        self.weights.merge(&other.weights);
    }

    /// The sum of squares of what is fitted, around its mean if there is an intercept.
    pub fn model(&self, intercept: bool) -> f64 {
        if !intercept {
            return self.square.total();
        }
        let linear = self.linear.total();
        self.square.total() - linear * linear / self.weights.total()
    }
}
