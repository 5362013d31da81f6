//! A triangle that takes rows: the QR decomposition of what has been added so far.

use super::kernels::{PANEL_ROWS, dot, norm, subtract, subtract_two, two_dots};

/// The upper triangle R of `X = Q R`, and beside it `Q'z` of the responses.
#[derive(Debug, Clone, PartialEq)]
pub struct Triangle {
    predictors: usize,
    responses: usize,
    /// Column by column, each of as many numbers as there are predictors.
    values: Vec<f64>,
}

const SMALL: f64 = 1e-100;
const LARGE: f64 = 1e100;

/// One reflection of a panel: `x -= scaled (x . vector)` and so on.
struct Reflection {
    tau: f64,
    /// What the vector must be divided by so that it begins with 1.
    head: f64,
}

impl Triangle {
    pub fn new(predictors: usize, responses: usize) -> Self {
        Self {
            predictors,
            responses,
            values: vec![0.0; predictors * (predictors + responses)],
        }
    }

    pub fn predictors(&self) -> usize {
        self.predictors
    }

    pub fn responses(&self) -> usize {
        self.responses
    }

    /// Whether predictors and responses are finite.
    pub fn finite(&self) -> (bool, bool) {
        let (predictors, responses) = self.values.split_at(self.predictors * self.predictors);
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        (finite(predictors), finite(responses))
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.values[column * self.predictors + row]
    }

    fn place(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.values[column * self.predictors + row]
    }

    /// Adds the rows of a panel: its columns one behind the other, predictors first, each
    /// of `rows` numbers. The panel is used up.
    pub fn add(&mut self, panel: &mut [f64], rows: usize) {
        debug_assert_eq!(panel.len(), rows * (self.predictors + self.responses));
        let mut column = 0;
        while column < self.predictors {
            if column + 1 < self.predictors {
                self.two(panel, rows, column);
                column += 2;
            } else {
                self.one(panel, rows, column);
                column += 1;
            }
        }
    }

    /// Makes the column vanish below the triangle.
    fn reflect(&mut self, values: &mut [f64], column: usize) -> Option<Reflection> {
        let below = norm(values);
        if below == 0.0 {
            return None;
        }
        let above = self.at(column, column);
        let length = above.hypot(below);
        let now = if above > 0.0 { -length } else { length };
        *self.place(column, column) = now;
        let mut by = Reflection {
            tau: (now - above) / now,
            head: above - now,
        };
        // Products with such a vector would overflow, or vanish.
        if !(SMALL..LARGE).contains(&below) {
            for value in values.iter_mut() {
                *value /= below;
            }
            by.head /= below;
        }
        Some(by)
    }

    /// How much of the vector is taken from a column, whose product with it is known.
    fn share(&mut self, by: &Reflection, row: usize, column: usize, product: f64) -> f64 {
        let above = self.place(row, column);
        let share = by.tau * (*above + product / by.head);
        *above -= share;
        share / by.head
    }

    fn one(&mut self, panel: &mut [f64], rows: usize, column: usize) {
        let (done, rest) = panel.split_at_mut((column + 1) * rows);
        let vector = &mut done[column * rows..];
        let Some(by) = self.reflect(vector, column) else {
            return;
        };
        for (place, values) in rest.chunks_exact_mut(rows).enumerate() {
            let product = dot(vector, values);
            let share = self.share(&by, column, column + 1 + place, product);
            subtract(values, share, vector);
        }
    }

    /// Two columns at once: the others are read and written half as often.
    fn two(&mut self, panel: &mut [f64], rows: usize, column: usize) {
        let (done, rest) = panel.split_at_mut((column + 2) * rows);
        let (first, second) = done[column * rows..].split_at_mut(rows);
        let by_first = self.reflect(first, column);
        if let Some(by) = &by_first {
            let share = self.share(by, column, column + 1, dot(first, second));
            subtract(second, share, first);
        }
        let by_second = self.reflect(second, column + 1);
        let (by_first, by_second) = match (by_first, by_second) {
            (Some(one), Some(two)) => (one, two),
            (None, None) => return,
            (Some(by), None) => return self.others(&by, first, rest, column, column + 2),
            (None, Some(by)) => return self.others(&by, second, rest, column + 1, column + 2),
        };
        let between = dot(first, second);
        for (place, values) in rest.chunks_exact_mut(rows).enumerate() {
            let at = column + 2 + place;
            let (one, two) = two_dots(first, second, values);
            let from_first = self.share(&by_first, column, at, one);
            let two = two - from_first * between;
            let from_second = self.share(&by_second, column + 1, at, two);
            subtract_two(values, (from_first, from_second), first, second);
        }
    }

    fn others(&mut self, by: &Reflection, vector: &[f64], rest: &mut [f64], row: usize, at: usize) {
        for (place, values) in rest.chunks_exact_mut(vector.len()).enumerate() {
            let product = dot(vector, values);
            let share = self.share(by, row, at + place, product);
            subtract(values, share, vector);
        }
    }

    /// Adds the rows that another triangle has taken.
    pub fn merge(&mut self, other: &Self) {
        let columns = self.predictors + self.responses;
        debug_assert_eq!(other.values.len(), self.values.len());
        let mut panel = vec![];
        for from in (0..self.predictors).step_by(PANEL_ROWS) {
            let count = PANEL_ROWS.min(self.predictors - from);
            panel.clear();
            for column in 0..columns {
                let begin = column * self.predictors + from;
                panel.extend_from_slice(&other.values[begin..begin + count]);
            }
            self.add(&mut panel, count);
        }
    }
}
