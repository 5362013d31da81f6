//! The decomposition that `lm` and `glm` use: columns keep their order, except that one
//! which says nothing new goes to the end.
//!
//! Sums run from the first to the last element, as in the reference BLAS: small matrices
//! (contrasts, polynomials) come out equal to R's bit by bit.

use super::accumulate::Triangle;
use super::kernels::{norm, subtract};

/// Above this part of its square, a column's length is updated and not computed anew.
const RECOMPUTE_BELOW: f64 = 1e-6;

/// `X[, pivot] = Q R`, with Q as reflections below the diagonal.
#[derive(Debug, Clone)]
pub struct Pivoted {
    pub rows: usize,
    pub columns: usize,
    /// Column by column.
    pub values: Vec<f64>,
    /// What else the reflections need (R's `qraux`).
    pub heads: Vec<f64>,
    pub pivot: Vec<usize>,
    pub rank: usize,
}

impl Pivoted {
    /// The matrix is given column by column.
    pub fn new(values: Vec<f64>, rows: usize, columns: usize, tolerance: f64) -> Self {
        debug_assert_eq!(values.len(), rows * columns);
        let mut new = Self {
            rows,
            columns,
            values,
            heads: vec![0.0; columns],
            pivot: (0..columns).collect(),
            rank: 0,
        };
        new.decompose(tolerance);
        new
    }

    /// Of a triangle that has taken `rows` rows; its responses come beside it.
    pub fn of(triangle: &Triangle, rows: usize, tolerance: f64) -> (Self, Vec<Vec<f64>>) {
        let columns = triangle.predictors();
        let rows = columns.min(rows);
        let mut values = Vec::with_capacity(rows * columns);
        for column in 0..columns {
            values.extend((0..rows).map(|row| {
                let below = row > column;
                if below { 0.0 } else { triangle.at(row, column) }
            }));
        }
        let response = |at| {
            (0..rows)
                .map(|row| triangle.at(row, columns + at))
                .collect()
        };
        let responses = (0..triangle.responses()).map(response).collect();
        (Self::new(values, rows, columns, tolerance), responses)
    }

    fn column(&self, at: usize) -> &[f64] {
        &self.values[at * self.rows..(at + 1) * self.rows]
    }

    fn decompose(&mut self, tolerance: f64) {
        let mut lengths: Vec<f64> = (0..self.columns)
            .map(|at| length(self.column(at)))
            .collect();
        let mut originals: Vec<f64> = lengths
            .iter()
            .map(|own| if *own == 0.0 { 1.0 } else { *own })
            .collect();
        self.heads.clone_from(&lengths);
        let mut usable = self.columns;
        for step in 0..self.rows.min(self.columns) {
            while step < usable && lengths[step] < originals[step] * tolerance {
                self.values[step * self.rows..].rotate_left(self.rows);
                lengths[step..].rotate_left(1);
                originals[step..].rotate_left(1);
                self.pivot[step..].rotate_left(1);
                usable -= 1;
            }
            if step + 1 < self.rows {
                self.reflect(step, &mut lengths);
            }
        }
        self.heads.clone_from(&lengths);
        self.rank = usable.min(self.rows);
    }

    /// LINPACK's reflection; `lengths` become those of the rest of the columns, and that
    /// of the column itself becomes the head of the vector.
    fn reflect(&mut self, step: usize, lengths: &mut [f64]) {
        let rows = self.rows;
        let (done, rest) = self.values.split_at_mut((step + 1) * rows);
        let vector = &mut done[step * rows + step..];
        let mut whole = length(vector);
        if whole == 0.0 {
            return;
        }
        if vector[0] != 0.0 {
            whole = whole.copysign(vector[0]);
        }
        for value in vector.iter_mut() {
            *value *= 1.0 / whole;
        }
        vector[0] += 1.0;
        for (place, column) in rest.chunks_exact_mut(rows).enumerate() {
            let column = &mut column[step..];
            let share = ordered(0.0, vector, column) / vector[0];
            subtract(column, share, vector);
            let left = &mut lengths[step + 1 + place];
            if *left == 0.0 {
                continue;
            }
            let part = (1.0 - (column[0].abs() / *left).powi(2)).max(0.0);
            *left = if part >= RECOMPUTE_BELOW {
                *left * part.sqrt()
            } else {
                length(&column[1..])
            };
        }
        lengths[step] = vector[0];
        vector[0] = -whole;
    }

    /// `Q'z` in the place of z.
    pub fn rotate(&self, response: &mut [f64]) {
        for step in 0..self.reflections() {
            self.mirror(step, response);
        }
    }

    /// `Qz` in the place of z.
    pub fn rotate_back(&self, response: &mut [f64]) {
        for step in (0..self.reflections()).rev() {
            self.mirror(step, response);
        }
    }

    fn reflections(&self) -> usize {
        self.rank.min(self.rows.saturating_sub(1))
    }

    fn mirror(&self, step: usize, response: &mut [f64]) {
        let head = self.heads[step];
        if head == 0.0 {
            return;
        }
        let below = &self.column(step)[step + 1..];
        let (own, rest) = response[step..].split_at_mut(1);
        let share = ordered(head * own[0], below, rest) / head;
        own[0] -= share * head;
        subtract(rest, share, below);
    }

    /// The coefficients for `Q'z`, in the order of the pivot: `rank` of them.
    pub fn solve(&self, rotated: &[f64]) -> Vec<f64> {
        let mut solution = rotated[..self.rank].to_vec();
        for at in (0..self.rank).rev() {
            solution[at] /= self.column(at)[at];
            let (above, own) = solution.split_at_mut(at);
            subtract(above, own[0], &self.column(at)[..at]);
        }
        solution
    }

    /// R, as far as the rank goes: column by column, `rank` by `rank`.
    pub fn triangle(&self) -> Vec<f64> {
        let mut triangle = vec![0.0; self.rank * self.rank];
        for column in 0..self.rank {
            let begin = column * self.rank;
            triangle[begin..=begin + column].copy_from_slice(&self.column(column)[..=column]);
        }
        triangle
    }
}

fn ordered(from: f64, one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).fold(from, |sum, (a, b)| sum + a * b)
}

fn length(values: &[f64]) -> f64 {
    let square = ordered(0.0, values, values);
    if square > 1e-280 && square < 1e280 {
        return square.sqrt();
    }
    norm(values)
}

/// The diagonal of `(R'R)^-1`: variances of coefficients for a dispersion of 1.
pub fn variances(triangle: &[f64], size: usize) -> Vec<f64> {
    let mut sums = vec![0.0; size];
    // Columns of the inverse of R, one by one; each row's squares are summed.
    let mut inverse = vec![0.0; size];
    for column in 0..size {
        inverse[..=column].fill(0.0);
        inverse[column] = 1.0;
        for at in (0..=column).rev() {
            inverse[at] /= triangle[at * size + at];
            let factor = inverse[at];
            subtract(
                &mut inverse[..at],
                factor,
                &triangle[at * size..at * size + at],
            );
        }
        for (sum, value) in sums[..=column].iter_mut().zip(&inverse) {
            *sum += value * value;
        }
    }
    sums
}
