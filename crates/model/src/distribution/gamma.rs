//! The incomplete gamma function: chi squared.

#![expect(clippy::float_cmp, reason = "the ends of what is possible are exact")]

use super::loader::{ln_dpois, stirling_error};

/// How often a series or fraction is carried on; enough for millions of degrees of freedom.
const STEPS: usize = 200_000;
const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// For x > 0.
pub fn ln_gamma(x: f64) -> f64 {
    if x == 1.0 || x == 2.0 {
        return 0.0;
    }
    stirling_error(x) + LN_SQRT_2PI - 0.5 * x.ln() + x * x.ln() - x
}

/// P(X > x) of chi squared.
pub fn pchisq_upper(x: f64, df: f64) -> f64 {
    if x.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    upper(df / 2.0, x / 2.0)
}

/// Q(a, x).
#[expect(clippy::many_single_char_names, reason = "as books have them")]
fn upper(a: f64, x: f64) -> f64 {
    // x^a e^-x / gamma(a + 1)
    let front = ln_dpois(a, x).exp();
    if x < a + 1.0 {
        let mut term = 1.0;
        let mut sum = 1.0;
        let mut n = a;
        for _ in 0..STEPS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * f64::EPSILON / 4.0 {
                break;
            }
        }
        return 1.0 - front * sum;
    }
    let mut b = x + 1.0 - a;
    let mut c = f64::INFINITY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    let mut i = 0.0;
    for _ in 0..STEPS {
        i += 1.0;
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    front * a * fraction
}
