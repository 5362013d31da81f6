//! C. Loader, "Fast and accurate computation of binomial probabilities" (2000): the
//! error of Stirling's formula and the deviance, of which densities are made without
//! cancellation.

#![expect(clippy::float_cmp, reason = "the ends of what is possible are exact")]

use std::f64::consts::{LN_2, PI};

use super::gamma::ln_gamma;

const LN_2PI: f64 = 1.837_877_066_409_345_3;
/// From here on the series is as exact as a double.
const SERIES_FROM: f64 = 16.0;

/// `ln(gamma(n + 1))` less what Stirling's formula says, for n > 0.
pub fn stirling_error(n: f64) -> f64 {
    let mut n = n;
    let mut below = 0.0;
    while n < SERIES_FROM {
        below += (n + 0.5) * (1.0 / n).ln_1p() - 1.0;
        n += 1.0;
    }
    // B(2k) / (2k (2k - 1)): 1/12, -1/360, 1/1260, -1/1680, 1/1188, -691/360360, 1/156
    let square = 1.0 / (n * n);
    let terms = [
        1.0 / 156.0,
        -691.0 / 360_360.0,
        1.0 / 1188.0,
        -1.0 / 1680.0,
        1.0 / 1260.0,
        -1.0 / 360.0,
        1.0 / 12.0,
    ];
    below + terms.iter().fold(0.0, |sum, term| sum * square + term) / n
}

/// `x ln(x / m) + m - x`, where `difference` is `x - m` as exactly as the caller knows it.
pub fn deviance_part(x: f64, m: f64, difference: f64) -> f64 {
    if x == 0.0 {
        return m;
    }
    if difference.abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() - difference;
    }
    // x ln(x/m) = 2 x (v + v^3/3 + v^5/5 + ...) with v = (x - m) / (x + m)
    let v = difference / (x + m);
    let square = v * v;
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    let mut odd = 3.0;
    loop {
        power *= square;
        let next = sum + power / odd;
        if next == sum || odd > 1000.0 {
            return next;
        }
        sum = next;
        odd += 2.0;
    }
}

/// Log of the binomial density; p and q are both given because one of them may be tiny.
pub fn ln_dbinom(x: f64, n: f64, p: f64, q: f64) -> f64 {
    let certain = |is| if is { 0.0 } else { f64::NEG_INFINITY };
    if p == 0.0 {
        return certain(x == 0.0);
    }
    if q == 0.0 {
        return certain(x == n);
    }
    let none_of = |p: f64, q: f64| {
        if p < 0.1 {
            -deviance_part(n, n * q, n * p) - n * p
        } else {
            n * q.ln()
        }
    };
    if x == 0.0 {
        return if n == 0.0 { 0.0 } else { none_of(p, q) };
    }
    if x == n {
        return none_of(q, p);
    }
    if x < 0.0 || x > n {
        return f64::NEG_INFINITY;
    }
    binomial(x, n - x, p, q)
}

/// The same inside: `gamma(a+b+1) / (gamma(a+1) gamma(b+1)) p^a q^b`, for real numbers.
#[expect(clippy::many_single_char_names, reason = "as the paper has them")]
pub fn binomial(a: f64, b: f64, p: f64, q: f64) -> f64 {
    let n = a + b;
    let apart = a * q - b * p;
    let errors = stirling_error(n) - stirling_error(a) - stirling_error(b);
    let parts = deviance_part(a, n * p, apart) + deviance_part(b, n * q, -apart);
    errors - parts - 0.5 * (LN_2PI + a.ln() + (b / n).ln())
}

/// Log of the density of Poisson at x, for any x >= 0.
pub fn ln_dpois(x: f64, mean: f64) -> f64 {
    if mean == 0.0 {
        return if x == 0.0 { 0.0 } else { f64::NEG_INFINITY };
    }
    if x < 0.0 || mean.is_infinite() {
        return f64::NEG_INFINITY;
    }
    if x <= mean * f64::MIN_POSITIVE {
        return -mean;
    }
    if mean < x * f64::MIN_POSITIVE {
        return -mean + x * mean.ln() - ln_gamma(x + 1.0);
    }
    let at = -0.5 * (LN_2 + PI.ln() + x.ln());
    at - stirling_error(x) - deviance_part(x, mean, x - mean)
}

/// Log of the density of the gamma distribution.
pub fn ln_dgamma(x: f64, shape: f64, scale: f64) -> f64 {
    if x < 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == 0.0 {
        return if shape < 1.0 {
            f64::INFINITY
        } else if shape > 1.0 {
            f64::NEG_INFINITY
        } else {
            -scale.ln()
        };
    }
    if shape < 1.0 {
        let ratio = shape / x;
        let log = if ratio.is_finite() {
            ratio.ln()
        } else {
            shape.ln() - x.ln()
        };
        return ln_dpois(shape, x / scale) + log;
    }
    ln_dpois(shape - 1.0, x / scale) - scale.ln()
}
