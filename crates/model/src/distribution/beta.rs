//! The incomplete beta function: Student's t and Fisher's F.

#![expect(clippy::float_cmp, reason = "the ends of what is possible are exact")]

use std::f64::consts::PI;

use super::gamma::ln_gamma;
use super::loader::binomial;
use super::normal::{pnorm_upper, qnorm};

const STEPS: usize = 200_000;
/// Above this, R takes t for normal.
const NORMAL_FROM: f64 = 1e20;

/// P(T <= t).
pub fn pt(t: f64, df: f64) -> f64 {
    let tail = pt_two_sided(t, df) / 2.0;
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// P(|T| > |t|).
pub fn pt_two_sided(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if t.is_infinite() {
        return 0.0;
    }
    if df.is_infinite() || df > NORMAL_FROM {
        return 2.0 * pnorm_upper(t.abs());
    }
    let square = t * t;
    if square.is_infinite() || df / square < f64::MIN_POSITIVE {
        // df / t^2 to the power of df / 2, which may still be a number
        let log = (df / 2.0) * (df.ln() - 2.0 * t.abs().ln());
        return log.exp() / (df / 2.0) / beta(df / 2.0, 0.5);
    }
    let whole = df + square;
    tails(df / 2.0, 0.5, df / whole, square / whole).0
}

/// P(F > x).
pub fn pf_upper(x: f64, df1: f64, df2: f64) -> f64 {
    if x.is_nan() || df1.is_nan() || df2.is_nan() || df1 <= 0.0 || df2 <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let whole = df1 * x + df2;
    if whole.is_infinite() {
        return tails(df1 / 2.0, df2 / 2.0, 1.0, df2 / x / df1).1;
    }
    tails(df1 / 2.0, df2 / 2.0, df1 * x / whole, df2 / whole).1
}

fn beta(a: f64, b: f64) -> f64 {
    (ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)).exp()
}

/// I_x(a, b) and 1 less that, where y = 1 - x is given because it may be tiny.
fn tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if y <= 0.0 {
        return (1.0, 0.0);
    }
    // x^a y^b / beta(a, b)
    let front = binomial(a, b, x, y).exp() * (a * b / (a + b));
    // a - (a + b) x, without the cancellation
    let apart = a * y - b * x;
    if apart > 0.0 {
        let lower = front * fraction(a, b, x, y, apart);
        (lower, 1.0 - lower)
    } else {
        let upper = front * fraction(b, a, y, x, -apart);
        (1.0 - upper, upper)
    }
}

/// The continued fraction of A. R. DiDonato and A. H. Morris, algorithm 708 (1992), by
/// Lentz's method: `1 / (b0 + a1 / (b1 + a2 / (b2 + ...)))`. It keeps its digits where x
/// is near its mean and a is large.
#[expect(clippy::many_single_char_names, reason = "as the paper has them")]
fn fraction(a: f64, b: f64, x: f64, y: f64, apart: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let denominator = |n: f64| {
        let middle = n * (b - n) * x / (a + 2.0 * n - 1.0);
        n + if n == 0.0 { 0.0 } else { middle }
            + (a + n) * (apart + 1.0 + n * (1.0 + y)) / (a + 2.0 * n + 1.0)
    };
    let mut result = away(denominator(0.0));
    let mut c = result;
    let mut d = 0.0;
    let mut n = 0.0;
    for _ in 0..STEPS {
        n += 1.0;
        let width = a + 2.0 * n - 1.0;
        let numerator = ((a + n - 1.0) / width) * ((a + b + n - 1.0) / width) * n * (b - n) * x * x;
        let below = denominator(n);
        d = 1.0 / away(below + numerator * d);
        c = away(below + numerator / c);
        let factor = c * d;
        result *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    1.0 / result
}

/// The t with P(T <= t) = p.
pub fn qt(p: f64, df: f64) -> f64 {
    if p.is_nan() || df.is_nan() || !(0.0..=1.0).contains(&p) || df <= 0.0 {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    if df > NORMAL_FROM {
        return qnorm(p);
    }
    let (tail, sign) = if p < 0.5 { (p, -1.0) } else { (1.0 - p, 1.0) };
    if tail == 0.5 {
        return 0.0;
    }
    sign * upper_quantile(2.0 * tail, df)
}

/// The t > 0 with P(|T| > t) = two: Newton's method for ln P over ln t, which is nearly
/// straight in the tail.
fn upper_quantile(two: f64, df: f64) -> f64 {
    let middle = two / 2.0;
    if (df - 1.0).abs() < f64::EPSILON {
        return 1.0 / (PI * middle).tan();
    }
    if (df - 2.0).abs() < f64::EPSILON {
        return (2.0 / (two * (2.0 - two)) - 2.0).sqrt();
    }
    let normal = -qnorm(middle);
    let mut t = normal * (1.0 + (normal * normal + 1.0) / (4.0 * df)).min(4.0);
    if t <= 0.0 || !t.is_finite() {
        t = 1.0;
    }
    let (mut least, mut largest) = (0.0_f64, f64::INFINITY);
    for _ in 0..200 {
        let now = pt_two_sided(t, df);
        if now > two {
            least = least.max(t);
        } else {
            largest = largest.min(t);
        }
        let slope = -2.0 * density(t, df) * t / now;
        let step = (now / two).ln() / slope;
        let mut next = t * (-step).exp();
        if !next.is_finite() || next <= least || next >= largest {
            next = if largest.is_finite() {
                0.5 * (least + largest)
            } else {
                t * 4.0
            };
        }
        let done = (next - t).abs() <= 4.0 * f64::EPSILON * t;
        t = next;
        if done {
            break;
        }
    }
    t
}

fn density(t: f64, df: f64) -> f64 {
    let whole = df + t * t;
    let (x, y) = (df / whole, t * t / whole);
    // d/dt of the two-sided tail is x^a y^b / beta(a, b) * 2 / t with a = df/2, b = 1/2
    let front = binomial(df / 2.0, 0.5, x, y).exp() * (df / 2.0 * 0.5 / (df / 2.0 + 0.5));
    front / t
}
