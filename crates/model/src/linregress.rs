//! A line through points: what `scipy.stats.linregress` returns, by the same formulas.

use crate::distribution::pt_two_sided;
use crate::fit::Sum;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linregress {
    pub slope: f64,
    pub intercept: f64,
    /// Pearson's correlation.
    pub rvalue: f64,
    /// That the slope is 0, on both sides.
    pub pvalue: f64,
    /// Of the slope.
    pub stderr: f64,
    pub intercept_stderr: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinregressError {
    #[error("Inputs must not be empty.")]
    Empty,
    #[error("Cannot calculate a linear regression if all x values are identical")]
    Identical,
    #[error("x has {0} values and y {1}")]
    Lengths(usize, usize),
}

/// Keeps the test statistic finite where all points are on the line.
const TINY: f64 = 1e-20;

pub fn linregress(x: &[f64], y: &[f64]) -> Result<Linregress, LinregressError> {
    if x.is_empty() || y.is_empty() {
        return Err(LinregressError::Empty);
    }
    if x.len() != y.len() {
        return Err(LinregressError::Lengths(x.len(), y.len()));
    }
    #[expect(clippy::float_cmp, reason = "identical, not near")]
    let identical = x.iter().all(|value| *value == x[0]);
    if x.len() > 1 && identical {
        return Err(LinregressError::Identical);
    }
    let rows = crate::fit::count(x.len());
    let (x_mean, y_mean) = (mean(x, rows), mean(y, rows));
    let moment = |one: &[f64], mean: f64, other: &[f64], other_mean: f64| {
        let mut sum = Sum::default();
        for (one, other) in one.iter().zip(other) {
            sum.add((one - mean) * (other - other_mean));
        }
        sum.total() * (1.0 / rows)
    };
    let xx = moment(x, x_mean, x, x_mean);
    let xy = moment(x, x_mean, y, y_mean);
    let yy = moment(y, y_mean, y, y_mean);
    let rvalue = if xx == 0.0 || yy == 0.0 {
        if xy == 0.0 { f64::NAN } else { 0.0 }
    } else {
        (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0)
    };
    let slope = xy / xx;
    let intercept = y_mean - slope * x_mean;
    let (pvalue, stderr, intercept_stderr) = if x.len() == 2 {
        #[expect(clippy::float_cmp, reason = "the two values, not their difference")]
        let level = y[0] == y[1];
        (if level { 1.0 } else { 0.0 }, 0.0, 0.0)
    } else {
        let df = rows - 2.0;
        let t = rvalue * (df / ((1.0 - rvalue + TINY) * (1.0 + rvalue + TINY))).sqrt();
        let stderr = ((1.0 - rvalue * rvalue) * yy / xx / df).sqrt();
        let of_intercept = stderr * (xx + x_mean * x_mean).sqrt();
        (pt_two_sided(t, df), stderr, of_intercept)
    };
    Ok(Linregress {
        slope,
        intercept,
        rvalue,
        pvalue,
        stderr,
        intercept_stderr,
    })
}

/// As numpy has it: where the intercept is nearly 0, the last bits of means are all there
/// is of it.
fn mean(values: &[f64], count: f64) -> f64 {
    pairwise(values) / count
}

fn pairwise(values: &[f64]) -> f64 {
    const LANES: usize = 8;
    const BLOCK: usize = 128;
    if values.len() < LANES {
        return values.iter().fold(0.0, |sum, value| sum + value);
    }
    if values.len() > BLOCK {
        let half = values.len() / 2;
        let (first, rest) = values.split_at(half - half % LANES);
        return pairwise(first) + pairwise(rest);
    }
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] += block[lane];
        }
    }
    let two = [0, 2, 4, 6].map(|lane| sums[lane] + sums[lane + 1]);
    let whole = (two[0] + two[1]) + (two[2] + two[3]);
    rest.iter().fold(whole, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(x: &[f64], y: &[f64], expected: [f64; 6]) {
        let found = linregress(x, y).unwrap();
        let found = [
            found.slope,
            found.intercept,
            found.rvalue,
            found.pvalue,
            found.stderr,
            found.intercept_stderr,
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            #[expect(clippy::float_cmp, reason = "infinities")]
            let same = found == expected || (found.is_nan() && expected.is_nan());
            // Far out in the tail a p-value has lost as many digits as its logarithm has.
            let bound = 1e-14 * expected.abs().ln().abs().clamp(1.0, 1000.0);
            let near = (found - expected).abs() <= bound * expected.abs();
            assert!(same || near, "{found:e} instead of {expected:e}");
        }
    }

    fn waves(count: i32) -> (Vec<f64>, Vec<f64>) {
        let x = (0..count).map(|i| 0.1 * f64::from(i));
        let y = (0..count).map(|i| f64::from(i * 37 % 11) - 0.3 * f64::from(i));
        (x.collect(), y.collect())
    }

    /// Expected: `scipy.stats.linregress(x, y)`, scipy 1.17.1, printed by `repr`.
    #[rustfmt::skip]
    #[test]
    #[expect(clippy::unreadable_literal, reason = "as Python prints them")]
    fn as_scipy() {
        const NAN: f64 = f64::NAN;
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.1, 3.9, 6.2, 7.8, 10.1], [1.99, 0.05000000000000071, 0.9986517555689656, 5.941539111755929e-05, 0.059721576223897795, 0.19807406022327906]);
        check(&[1.0, 2.0], &[3.0, 5.0], [2.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        check(&[1.0, 2.0], &[4.0, 4.0], [0.0, 4.0, NAN, 1.0, 0.0, 0.0]);
        check(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], [2.0, 0.0, 1.0, 9.00316316157106e-11, 0.0, 0.0]);
        check(&[0.0, 1.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, NAN, NAN, NAN, NAN]);
        check(&[3.0], &[4.0], [NAN, NAN, NAN, NAN, NAN, NAN]);
        check(&[1.0, 2.0, NAN, 4.0], &[1.0, 2.0, 3.0, 4.0], [NAN, NAN, NAN, NAN, NAN, NAN]);
        check(&[1000000.0, 1000001.0, 1000002.0, 1000003.0, 1000004.0, 1000005.0, 1000006.0, 1000007.0], &[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0], [0.5357142857142857, -535712.2857142857, 0.4774552605594227, 0.2315198320736947, 0.40247955962802306, 402480.96830753825]);
        check(&[5.0, 3.0, 8.0, 1.0], &[1.5, 2.5, -3.0, 4.0], [-0.9813084112149533, 5.420560747663552, -0.9722639010948636, 0.027736098905136387, 0.16692122522889488, 0.830422610445975]);
        let (x, y) = waves(40);
        check(&x, &y, [-2.9136960600375232, 4.68170731707317, -0.7265521127991837, 1.1109948609752782e-07, 0.447005441638505, 1.0129383969558678]);
        let (x, y) = waves(300);
        check(&x, &y, [-2.9966644073823043, 4.940132890365447, -0.992646250129255, 2.469286595465422e-275, 0.02116922706393816, 0.36574498626402085]);
    }

    #[test]
    fn what_has_no_line() {
        assert_eq!(linregress(&[], &[]), Err(LinregressError::Empty));
        assert_eq!(
            linregress(&[2.0, 2.0, 2.0], &[1.0, 2.0, 3.0]),
            Err(LinregressError::Identical)
        );
        assert_eq!(
            linregress(&[2.0, 1.0], &[1.0]),
            Err(LinregressError::Lengths(2, 1))
        );
    }
}
