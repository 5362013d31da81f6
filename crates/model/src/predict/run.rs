//! The sums, in R's order.

use std::ops::Range;

use super::{Ask, Interval, Prediction, Predictor, Scale};
use crate::design::plan::Computed;
use crate::error::{DataError, Problem};
use crate::eval::{Data, Vector};
use crate::model::Kind;

/// Rows that are worked on at a time.
const BLOCK: usize = 4_096;

impl Predictor {
    pub(super) fn run(
        &self,
        columns: &[Vector<'_>],
        rows: usize,
        ask: &Ask,
    ) -> Result<Prediction, DataError> {
        self.may(ask)?;
        if ask.scale == Scale::Terms {
            return self.terms(columns, rows, ask);
        }
        let wants_variance = ask.se || ask.interval.is_some();
        let (etas, variances) = self.etas(columns, rows, wants_variance)?;
        let mut prediction = self.transformed(etas, &variances, ask);
        if self.taken.len() < self.plan.products.len() {
            let warning = "prediction from a rank-deficient fit may be misleading";
            prediction.warnings.push(warning.to_owned());
        }
        if ask.interval == Some(Interval::Prediction) && self.model.weighted {
            let warning = "Assuming constant prediction variance even though model fit is weighted";
            prediction.warnings.push(warning.to_owned());
        }
        Ok(prediction)
    }

    /// Linear predictors of each response, and the variances if they are wanted.
    fn etas(
        &self,
        columns: &[Vector<'_>],
        rows: usize,
        wants_variance: bool,
    ) -> Result<(Vec<Vec<f64>>, Vec<f64>), DataError> {
        if rows <= BLOCK {
            let mut block = Block::default();
            self.block(columns, rows, wants_variance, &mut block)?;
            return Ok((block.etas, block.variances));
        }
        let mut etas = vec![Vec::with_capacity(rows); self.betas.len()];
        let mut variances = Vec::new();
        let mut block = Block::default();
        for start in (0..rows).step_by(BLOCK) {
            let range = start..rows.min(start + BLOCK);
            let part: Vec<Vector<'_>> =
                columns.iter().map(|own| own.slice(range.clone())).collect();
            let done = self.block(&part, range.len(), wants_variance, &mut block);
            done.map_err(|error| shifted(error, &range))?;
            for (all, own) in etas.iter_mut().zip(&block.etas) {
                all.extend_from_slice(own);
            }
            variances.extend_from_slice(&block.variances);
        }
        Ok((etas, variances))
    }

    fn block(
        &self,
        columns: &[Vector<'_>],
        rows: usize,
        wants_variance: bool,
        block: &mut Block,
    ) -> Result<(), DataError> {
        let data = Data {
            inputs: columns,
            rows,
        };
        let variables = self.variables(data)?;
        block.etas.resize_with(self.betas.len(), Vec::new);
        for eta in &mut block.etas {
            eta.clear();
            eta.resize(rows, 0.0);
        }
        block.taken.clear();
        for (nth, column) in self.taken.iter().enumerate() {
            let x = self.plan.products[*column].column(&variables, rows, &mut block.buffer);
            for (response, eta) in block.etas.iter_mut().enumerate() {
                add_column(eta, self.betas[response][nth], x);
            }
            if wants_variance {
                block.taken.extend_from_slice(x);
            }
        }
        self.add_offsets(data, &mut block.etas)?;
        block.variances.clear();
        if wants_variance {
            self.variances(rows, block);
        }
        Ok(())
    }

    fn variables<'a>(&self, data: Data<'a>) -> Result<Vec<Computed<'a>>, DataError> {
        let mut variables = Vec::with_capacity(self.plan.variables.len());
        for variable in &self.plan.variables {
            variables.push(variable.compute(data)?);
        }
        Ok(variables)
    }

    fn add_offsets(&self, data: Data<'_>, etas: &mut [Vec<f64>]) -> Result<(), DataError> {
        let mut sum: Option<Vec<f64>> = None;
        for (node, field) in &self.offsets {
            let refused = |why| DataError::of_field(field, Problem::Other(String::from(why)));
            let offset = node.column(data).map_err(refused)?.into_numbers();
            let offset =
                offset.ok_or_else(|| refused("non-numeric argument to binary operator"))?;
            let sum = sum.get_or_insert_with(|| vec![0.0; data.rows]);
            for (sum, offset) in sum.iter_mut().zip(offset.iter()) {
                *sum += offset;
            }
        }
        if let Some(sum) = sum {
            for eta in etas {
                for (eta, offset) in eta.iter_mut().zip(&sum) {
                    *eta += offset;
                }
            }
        }
        Ok(())
    }

    /// Squares of the rows of `X R^-1`, summed with the residual variance.
    fn variances(&self, rows: usize, block: &mut Block) {
        let size = self.taken.len();
        let residual = self.residual_variance();
        block.variances.resize(rows, 0.0);
        let Some(inverse) = &self.inverse else {
            return;
        };
        for column in 0..size {
            let product = &mut block.buffer;
            product.clear();
            product.resize(rows, 0.0);
            for (row, factor) in inverse[column * size..=column * size + column]
                .iter()
                .enumerate()
            {
                let x = &block.taken[row * rows..(row + 1) * rows];
                for (product, x) in product.iter_mut().zip(x) {
                    *product += factor * x;
                }
            }
            for (variance, product) in block.variances.iter_mut().zip(product.iter()) {
                *variance += residual * (product * product);
            }
        }
    }

    fn terms(
        &self,
        columns: &[Vector<'_>],
        rows: usize,
        ask: &Ask,
    ) -> Result<Prediction, DataError> {
        let terms = &self.model.terms;
        let none = vec![];
        let means = match &self.model.means {
            Some(means) if means.len() == self.plan.products.len() => means,
            _ if !terms.intercept => &none,
            _ => {
                return Err(DataError::other(
                    "the file has no data to centre the terms by",
                ));
            }
        };
        let variables = self.variables(Data {
            inputs: columns,
            rows,
        })?;
        let beta = &self.betas[0];
        let count = terms.terms.len();
        let (mut fit, mut se) = (vec![vec![0.0; rows]; count], vec![vec![0.0; rows]; count]);
        let mut buffer = vec![];
        let size = self.taken.len();
        let mut product = vec![0.0; rows * if ask.se { size } else { 0 }];
        for term in 0..count {
            product.fill(0.0);
            let own = (0..self.plan.products.len()).filter(|at| self.plan.assign[*at] == term + 1);
            for column in own {
                let Some(nth) = self.taken.iter().position(|taken| *taken == column) else {
                    continue;
                };
                let mut x = self.plan.products[column]
                    .column(&variables, rows, &mut buffer)
                    .to_vec();
                if terms.intercept {
                    for x in &mut x {
                        *x -= means[column];
                    }
                }
                add_column(&mut fit[term], beta[nth], &x);
                let inverse = self.inverse.as_deref().filter(|_| ask.se);
                for (at, sums) in product.chunks_exact_mut(rows.max(1)).enumerate() {
                    let factor = inverse.map_or(0.0, |inverse| inverse[at * size + nth]);
                    add_column(sums, factor, &x);
                }
            }
            let residual = self.residual_variance();
            for sums in product.chunks_exact(rows.max(1)) {
                for (sum, value) in se[term].iter_mut().zip(sums) {
                    *sum += residual * (value * value);
                }
            }
            for value in &mut se[term] {
                *value = value.sqrt();
            }
        }
        let constant = if terms.intercept {
            let products = self.taken.iter().zip(beta);
            crate::eval::basis::sum(products.map(|(column, beta)| means[*column] * beta))
        } else {
            0.0
        };
        Ok(Prediction {
            names: terms.terms.iter().map(|term| term.label.clone()).collect(),
            fit,
            se: ask.se.then_some(se),
            constant: Some(constant),
            residual_scale: ask.se.then(|| self.residual_variance().sqrt()),
            ..Prediction::default()
        })
    }

    fn transformed(&self, etas: Vec<Vec<f64>>, variances: &[f64], ask: &Ask) -> Prediction {
        let link = match self.model.kind {
            Kind::Glm { link, .. } => Some(link),
            _ => None,
        };
        let transform = link.filter(|_| ask.scale == Scale::Response);
        let errors: Vec<f64> = variances.iter().map(|own| own.sqrt()).collect();
        let mut prediction = Prediction::default();
        if self.betas.len() > 1 {
            prediction
                .names
                .clone_from(&self.model.coefficients.responses);
        }
        if let Some(interval) = ask.interval {
            let (lower, upper) = self.interval(interval, &etas[0], variances, ask.level);
            let (lower, upper) = match transform {
                Some(link) => ordered(means(link, &lower), means(link, &upper)),
                None => (lower, upper),
            };
            prediction.lower = Some(vec![lower]);
            prediction.upper = Some(vec![upper]);
        }
        if ask.se {
            let scaled = match transform {
                Some(link) => {
                    let pairs = errors.iter().zip(&etas[0]);
                    let slope = |eta: &f64| {
                        if eta.is_nan() {
                            *eta
                        } else {
                            link.mu_eta(*eta)
                        }
                    };
                    pairs.map(|(error, eta)| error * slope(eta).abs()).collect()
                }
                None => errors,
            };
            prediction.se = Some(vec![scaled]);
            prediction.residual_scale = Some(self.residual_variance().sqrt());
        }
        prediction.fit = match transform {
            Some(link) => etas.iter().map(|etas| means(link, etas)).collect(),
            None => etas,
        };
        prediction
    }
}

#[derive(Debug, Default)]
struct Block {
    etas: Vec<Vec<f64>>,
    /// Columns of the model matrix that have coefficients, one behind the other.
    taken: Vec<f64>,
    variances: Vec<f64>,
    buffer: Vec<f64>,
}

/// Adds a column, times its coefficient, as the reference BLAS does: no fused steps.
fn add_column(sums: &mut [f64], factor: f64, column: &[f64]) {
    for (sum, x) in sums.iter_mut().zip(column) {
        *sum += factor * x;
    }
}

/// An error in a block, for the data as a whole.
fn shifted(mut error: DataError, range: &Range<usize>) -> DataError {
    if range.len() == 1 {
        error.row = error.row.or(Some(1));
    }
    error.row = error.row.map(|row| row + range.start);
    error
}

fn means(link: crate::model::Link, etas: &[f64]) -> Vec<f64> {
    let mean = |eta: &f64| {
        if eta.is_nan() {
            *eta
        } else {
            link.inverse(*eta)
        }
    };
    etas.iter().map(mean).collect()
}

/// A link that falls turns the ends around.
fn ordered(one: Vec<f64>, other: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let falls = one.iter().zip(&other).any(|(one, other)| one > other);
    if falls { (other, one) } else { (one, other) }
}
