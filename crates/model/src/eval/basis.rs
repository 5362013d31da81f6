//! Numbers that become several columns: polynomials and splines, as R computes them.

use crate::linalg::Pivoted;

/// R's tolerance of `qr`.
const TOLERANCE: f64 = 1e-7;

/// Columns that stand for powers or pieces of one variable.
#[derive(Debug, Clone)]
pub(crate) enum Basis {
    /// `poly(raw = TRUE)`: powers up to this one.
    Powers(usize),
    Orthogonal(Orthogonal),
    Spline(Spline),
}

/// The recurrence of orthogonal polynomials.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Orthogonal {
    pub alpha: Vec<f64>,
    /// Begins with 1.
    pub norm2: Vec<f64>,
    pub degree: usize,
}

impl Basis {
    pub fn width(&self) -> usize {
        match self {
            Self::Powers(degree) => *degree,
            Self::Orthogonal(own) => own.degree,
            Self::Spline(spline) => spline.width(),
        }
    }

    pub fn columns(&self, x: &[f64]) -> Vec<Vec<f64>> {
        match self {
            Self::Powers(degree) => (1..=*degree).map(|power| powers(x, power)).collect(),
            Self::Orthogonal(own) => own.columns(x),
            Self::Spline(spline) => spline.columns(x),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "degrees are small")]
fn powers(x: &[f64], power: usize) -> Vec<f64> {
    let power = power as f64;
    x.iter().map(|x| super::math::power(*x, power)).collect()
}

impl Orthogonal {
    /// Of data without NA: the polynomials that are orthogonal on them. None if there are
    /// too few different values.
    pub fn learn(x: &[f64], degree: usize) -> Option<Self> {
        let mut distinct = x.to_vec();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        if degree < 1 || degree >= distinct.len() {
            return None;
        }
        let mean = mean(x);
        let centred: Vec<f64> = x.iter().map(|x| x - mean).collect();
        let matrix = (0..=degree).flat_map(|power| powers(&centred, power));
        let qr = Pivoted::new(matrix.collect(), x.len(), degree + 1, TOLERANCE);
        if qr.rank < degree {
            return None;
        }
        let (mut norm2, mut alpha) = (vec![1.0], vec![]);
        for power in 0..=degree {
            let mut z = vec![0.0; x.len()];
            z[power] = qr.values[power * x.len() + power];
            qr.rotate_back(&mut z);
            let square = sum(z.iter().map(|z| z * z));
            let weighted = sum(z.iter().zip(&centred).map(|(z, x)| x * (z * z)));
            norm2.push(square);
            alpha.push(weighted / square + mean);
        }
        alpha.truncate(degree);
        Some(Self {
            alpha,
            norm2,
            degree,
        })
    }

    fn columns(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let mut columns: Vec<Vec<f64>> = vec![vec![1.0; x.len()]];
        columns.push(x.iter().map(|x| x - self.alpha[0]).collect());
        for power in 2..=self.degree {
            let (alpha, ratio) = (
                self.alpha[power - 1],
                self.norm2[power] / self.norm2[power - 1],
            );
            let (last, before) = (&columns[power - 1], &columns[power - 2]);
            let next = x.iter().zip(last.iter().zip(before));
            let next = next.map(|(x, (last, before))| (x - alpha) * last - ratio * before);
            columns.push(next.collect());
        }
        columns.remove(0);
        for (column, norm2) in columns.iter_mut().zip(&self.norm2[2..]) {
            let length = norm2.sqrt();
            for value in column.iter_mut() {
                *value /= length;
            }
        }
        columns
    }
}

/// A mean that is rounded once, as R's long doubles give it.
#[expect(clippy::cast_precision_loss, reason = "rows are fewer than 2^53")]
pub(crate) fn mean(x: &[f64]) -> f64 {
    let count = x.len() as f64;
    let (sum, lost) = sum_and_rest(x.iter().copied());
    let mean = sum / count;
    let rest = mean.mul_add(-count, sum) + lost;
    if rest.is_finite() {
        mean + rest / count
    } else {
        mean
    }
}

/// A sum with more digits than a double has, as R's long doubles give it.
pub(crate) fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, lost) = sum_and_rest(numbers);
    if lost.is_finite() { sum + lost } else { sum }
}

/// Neumaier's sum: with what rounding took off.
fn sum_and_rest(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for number in numbers {
        let next = sum + number;
        lost += if sum.abs() >= number.abs() {
            (sum - next) + number
        } else {
            (number - next) + sum
        };
        sum = next;
    }
    (sum, lost)
}

/// `splines::bs` and `splines::ns`.
#[derive(Debug, Clone)]
pub(crate) struct Spline {
    order: usize,
    /// With the boundaries, each `order` times.
    knots: Vec<f64>,
    boundary: [f64; 2],
    intercept: bool,
    /// Of a natural spline: what makes its second derivatives vanish at the boundaries.
    natural: Option<Pivoted>,
}

impl Spline {
    pub fn new(
        inner: &[f64],
        mut boundary: [f64; 2],
        degree: usize,
        intercept: bool,
        natural: bool,
    ) -> Option<Self> {
        boundary.sort_by(f64::total_cmp);
        let order = degree + 1;
        let mut knots: Vec<f64> = boundary
            .iter()
            .flat_map(|end| std::iter::repeat_n(*end, order))
            .chain(inner.iter().copied())
            .collect();
        if knots.iter().any(|knot| !knot.is_finite()) || boundary[0] >= boundary[1] {
            return None;
        }
        knots.sort_by(f64::total_cmp);
        let mut spline = Self {
            order,
            knots,
            boundary,
            intercept,
            natural: None,
        };
        if natural {
            let dropped = usize::from(!intercept);
            let count = spline.pieces() - dropped;
            let mut curvature = Vec::with_capacity(2 * count);
            for end in boundary {
                let row = spline.full_row(|spline, pieces| spline.derivative(end, 2, pieces), end);
                curvature.extend_from_slice(&row[dropped..]);
            }
            spline.natural = Some(Pivoted::new(curvature, count, 2, TOLERANCE));
        }
        Some(spline)
    }

    fn pieces(&self) -> usize {
        self.knots.len() - self.order
    }

    pub fn width(&self) -> usize {
        let natural = if self.natural.is_some() { 2 } else { 0 };
        self.pieces() - usize::from(!self.intercept) - natural
    }

    fn columns(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let mut columns = vec![Vec::with_capacity(x.len()); self.width()];
        for x in x {
            if x.is_nan() {
                for column in &mut columns {
                    column.push(*x);
                }
                continue;
            }
            for (column, value) in columns.iter_mut().zip(self.row(*x)) {
                column.push(value);
            }
        }
        columns
    }

    fn row(&self, x: f64) -> Vec<f64> {
        let outside = match x {
            _ if x < self.boundary[0] => Some(0),
            _ if x > self.boundary[1] => Some(1),
            _ => None,
        };
        let mut row = match (outside, &self.natural) {
            (None, _) => self.full_row(|spline, pieces| spline.values(x, pieces), x),
            (Some(side), Some(_)) => self.straight(x, self.boundary[side]),
            (Some(side), None) => self.taylor(x, side),
        };
        if !self.intercept {
            row.remove(0);
        }
        if let Some(natural) = &self.natural {
            natural.rotate(&mut row);
            row.drain(..2);
        }
        row
    }

    /// Beyond its boundary a natural spline goes straight on.
    fn straight(&self, x: f64, end: f64) -> Vec<f64> {
        let value = self.full_row(|spline, pieces| spline.derivative(end, 0, pieces), end);
        let slope = self.full_row(|spline, pieces| spline.derivative(end, 1, pieces), end);
        let step = x - end;
        let pairs = value.iter().zip(&slope);
        pairs.map(|(value, slope)| value + step * slope).collect()
    }

    /// Beyond its boundary a B-spline follows the polynomial of its last piece.
    fn taylor(&self, x: f64, side: usize) -> Vec<f64> {
        let neighbour = match side {
            0 => self.knots[self.order],
            _ => self.knots[self.knots.len() - self.order - 1],
        };
        let from = 0.75 * self.boundary[side] + 0.25 * neighbour;
        let mut row = vec![0.0; self.pieces()];
        let (mut factorial, mut times) = (1.0, 1.0);
        for nth in 0..self.order {
            let part = self.full_row(|spline, pieces| spline.derivative(from, nth, pieces), from);
            #[expect(clippy::cast_precision_loss, reason = "orders are small")]
            let power = super::math::power(x - from, nth as f64);
            for (sum, part) in row.iter_mut().zip(part) {
                *sum += power * (part / factorial);
            }
            factorial *= times;
            times += 1.0;
        }
        row
    }

    /// What `fill` gives for the pieces that are not zero at `x`, among all pieces.
    fn full_row(&self, fill: impl Fn(&Self, Cursor) -> Vec<f64>, x: f64) -> Vec<f64> {
        let mut row = vec![0.0; self.pieces()];
        let cursor = self.cursor(x);
        let first = cursor.at - self.order;
        for (place, value) in fill(self, cursor).into_iter().enumerate() {
            row[first + place] = value;
        }
        row
    }

    /// The first knot behind `x`.
    fn cursor(&self, x: f64) -> Cursor {
        let behind = self.knots.partition_point(|knot| *knot <= x);
        let last = self.knots.len() - self.order;
        let at = behind.clamp(self.order, last);
        // At the end of the last piece, derivatives of the highest order are arbitrary.
        #[expect(clippy::float_cmp, reason = "at exactly the last knot")]
        let boundary = behind > last && x == self.knots[last];
        Cursor { at, boundary }
    }

    /// Distances from `x` to the knots behind and before it.
    fn distances(&self, x: f64, cursor: Cursor, count: usize) -> (Vec<f64>, Vec<f64>) {
        let right = (0..count).map(|place| self.knots[cursor.at + place] - x);
        let left = (0..count).map(|place| x - self.knots[cursor.at - 1 - place]);
        (right.collect(), left.collect())
    }

    /// De Boor's recurrence for all pieces at once.
    fn values(&self, x: f64, cursor: Cursor) -> Vec<f64> {
        let (right, left) = self.distances(x, cursor, self.order - 1);
        let mut values = vec![0.0; self.order];
        values[0] = 1.0;
        for degree in 1..self.order {
            let mut saved = 0.0;
            for place in 0..degree {
                let width = right[place] + left[degree - 1 - place];
                if width == 0.0 {
                    if place != 0 || right[place] != 0.0 {
                        values[place] = saved;
                    }
                    saved = 0.0;
                } else {
                    let term = values[place] / width;
                    values[place] = saved + right[place] * term;
                    saved = left[degree - 1 - place] * term;
                }
            }
            values[degree] = saved;
        }
        values
    }

    fn derivative(&self, x: f64, nth: usize, cursor: Cursor) -> Vec<f64> {
        if nth == 0 {
            return self.values(x, cursor);
        }
        (0..self.order)
            .map(|piece| self.derivative_of(piece, x, nth, cursor))
            .collect()
    }

    /// Of one piece: differences of its coefficients, then the recurrence.
    fn derivative_of(&self, piece: usize, x: f64, nth: usize, cursor: Cursor) -> f64 {
        let mut degree = self.order - 1;
        if cursor.boundary && nth == degree {
            return 0.0;
        }
        let mut values = vec![0.0; self.order];
        values[piece] = 1.0;
        for _ in 0..nth {
            #[expect(clippy::cast_precision_loss, reason = "degrees are small")]
            let times = degree as f64;
            for place in 0..degree {
                let low = cursor.at - degree + place;
                let width = self.knots[low + degree] - self.knots[low];
                values[place] = times * (values[place + 1] - values[place]) / width;
            }
            degree -= 1;
        }
        let (right, left) = self.distances(x, cursor, degree);
        for level in (0..degree).rev() {
            for place in 0..=level {
                let (before, behind) = (left[level - place], right[place]);
                values[place] =
                    (values[place + 1] * before + values[place] * behind) / (behind + before);
            }
        }
        values[0]
    }
}

#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// Place of the first knot behind.
    at: usize,
    boundary: bool,
}
