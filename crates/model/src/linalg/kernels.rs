//! Loops over columns, written so that the compiler makes vector instructions of them.

/// Rows of a panel: with a dozen columns it stays in the first level of cache.
pub const PANEL_ROWS: usize = 256;
/// Sums that run side by side.
const LANES: usize = 8;

fn total(sums: [f64; LANES]) -> f64 {
    let four = [0, 1, 2, 3].map(|lane| sums[lane] + sums[lane + 4]);
    (four[0] + four[1]) + (four[2] + four[3])
}

pub fn dot(one: &[f64], other: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    for (a, b) in ones.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = one_rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    total(sums) + rest
}

pub fn sum(values: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (lanes, rest) = values.as_chunks::<LANES>();
    for values in lanes {
        for lane in 0..LANES {
            sums[lane] += values[lane];
        }
    }
    total(sums) + rest.iter().sum::<f64>()
}

/// Products of two columns with a third.
pub fn two_dots(first: &[f64], second: &[f64], column: &[f64]) -> (f64, f64) {
    let mut sums = [0.0; LANES];
    let mut others = [0.0; LANES];
    let (firsts, first_rest) = first.as_chunks::<LANES>();
    let (seconds, second_rest) = second.as_chunks::<LANES>();
    let (columns, column_rest) = column.as_chunks::<LANES>();
    for ((a, b), c) in firsts.iter().zip(seconds).zip(columns) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * c[lane];
            others[lane] += b[lane] * c[lane];
        }
    }
    let mut rest = (0.0, 0.0);
    for ((a, b), c) in first_rest.iter().zip(second_rest).zip(column_rest) {
        rest.0 += a * c;
        rest.1 += b * c;
    }
    (total(sums) + rest.0, total(others) + rest.1)
}

/// `column -= factor * by`
pub fn subtract(column: &mut [f64], factor: f64, by: &[f64]) {
    for (value, by) in column.iter_mut().zip(by) {
        *value -= factor * by;
    }
}

/// `column -= factors.0 * first + factors.1 * second`
pub fn subtract_two(column: &mut [f64], factors: (f64, f64), first: &[f64], second: &[f64]) {
    for ((value, a), b) in column.iter_mut().zip(first).zip(second) {
        *value = *value - factors.0 * a - factors.1 * b;
    }
}

/// `sum += factor * column`
pub fn add(sum: &mut [f64], factor: f64, column: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(column) {
        *sum += factor * value;
    }
}

/// The length of a vector; what would overflow or vanish when squared is scaled first.
pub fn norm(values: &[f64]) -> f64 {
    let square = dot(values, values);
    if square > 1e-280 && square < 1e280 {
        return square.sqrt();
    }
    let largest = values.iter().fold(0.0_f64, |most, one| most.max(one.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return if square.is_nan() { square } else { largest };
    }
    let sum: f64 = values.iter().map(|one| (one / largest).powi(2)).sum();
    largest * sum.sqrt()
}
