//! Expected values: R 4.2, `sprintf("%.17g", ...)`.

use super::*;

fn near(found: f64, expected: f64, bound: f64) {
    let apart = (found - expected).abs();
    assert!(
        apart <= bound * expected.abs(),
        "{found:e} and {expected:e}"
    );
}

#[test]
#[expect(
    clippy::unreadable_literal,
    clippy::excessive_precision,
    reason = "as R prints them"
)]
fn tails() {
    near(pnorm(-37.0), 5.7255712225245771e-300, 2e-16);
    near(pnorm(-8.5), 9.4795348222033192e-18, 2e-16);
    near(pnorm(-3.0), 1.3498980316300946e-3, 2e-16);
    near(pnorm(-0.5), 3.0853753872598694e-1, 2e-16);
    near(pnorm(0.1), 5.3982783727702899e-1, 2e-16);
    near(pnorm(1.2), 8.8493032977829178e-1, 2e-16);
    near(pnorm(5.5), 9.9999998101043752e-1, 2e-16);
    near(pnorm_upper(-1.0), 8.4134474606854293e-1, 2e-16);
    near(pnorm_upper(6.5), 4.0160005838591178e-11, 2e-16);
    near(pnorm_upper(30.0), 4.9067139271481872e-198, 2e-16);
    near(dnorm(0.3), 3.8138781546052414e-1, 3e-16);
    near(dnorm(5.5), 1.0769760042543276e-7, 3e-16);
    near(qnorm(1e-20), -9.2623400897984052e+0, 2e-16);
    near(qnorm(0.01), -2.3263478740408408e+0, 2e-16);
    near(qnorm(0.6), 2.5334710313579978e-1, 2e-16);
    near(pt_two_sided(0.5, 1.0), 7.0483276469913358e-1, 1e-13);
    near(pt_two_sided(2.0, 5.0), 1.0193947882985828e-1, 1e-13);
    near(pt_two_sided(12.0, 30.0), 5.5801854151992606e-13, 1e-13);
    near(pt_two_sided(40.0, 394.0), 8.2860908045472053e-141, 1e-13);
    near(pt_two_sided(3.0, 999989.0), 2.6998625421530667e-3, 1e-13);
    near(
        pt_two_sided(10000000000.0, 3.0),
        2.2053155816871531e-30,
        1e-13,
    );
    near(qt(0.025, 10.0), -2.2281388519862744e+0, 1e-13);
    near(qt(0.975, 396.0), 1.9659726084695504e+0, 1e-13);
    near(qt(0.1, 2.0), -1.8856180831641265e+0, 1e-13);
    near(pf_upper(2.0, 1.0, 10.0), 1.8766987086960302e-1, 1e-13);
    near(pf_upper(50.0, 3.0, 100.0), 7.9444246790876105e-20, 1e-13);
    near(pf_upper(100.0, 5.0, 394.0), 7.0062551200962976e-68, 1e-13);
    near(pf_upper(0.5, 2.0, 1000000.0), 6.0653081134521636e-1, 1e-13);
    near(pchisq_upper(3.0, 1.0), 8.3264516663550558e-2, 1e-13);
    near(pchisq_upper(200.0, 5.0), 2.8406228986415315e-41, 1e-13);
    near(pchisq_upper(0.1, 30.0), 9.9999999999999989e-1, 1e-13);
    near(
        ln_dbinom(3.0, 37.0, 0.05, 0.95),
        -1.7731433864769981e+0,
        1e-14,
    );
    near(ln_dpois(50.0, 3.3), -9.2081643528151304e+1, 1e-14);
    near(ln_dgamma(3.3, 0.3, 2.2), -3.6680809308580611e+0, 1e-14);
    near(ln_dgamma(3.3, 30.0, 2.2), -6.1787008192395518e+1, 1e-14);
    near(ln_gamma(10.1), 1.3027526738633238e+1, 1e-14);
}

#[test]
fn ends() {
    assert!(pnorm(f64::NAN).is_nan() && qnorm(1.5).is_nan() && pt_two_sided(1.0, 0.0).is_nan());
    near(pnorm(f64::INFINITY), 1.0, 0.0);
    near(pnorm_upper(40.0), 0.0, 0.0);
    near(pt_two_sided(0.0, 3.0), 1.0, 0.0);
    near(pt_two_sided(f64::INFINITY, 3.0), 0.0, 0.0);
    near(pf_upper(0.0, 1.0, 2.0), 1.0, 0.0);
    assert!(qnorm(0.0).is_infinite() && qt(1.0, 5.0).is_infinite());
    near(qt(0.5, 7.0), 0.0, 0.0);
    near(ln_dbinom(0.0, 0.0, 0.3, 0.7), 0.0, 0.0);
    assert!(ln_dpois(1.0, 0.0).is_infinite());
}

/// Quantiles undo what the distribution does.
#[test]
fn quantiles() {
    for df in [0.7, 1.0, 2.0, 3.5, 30.0, 1e4, 1e9, f64::INFINITY] {
        for p in [1e-12, 0.001, 0.2, 0.5, 0.9, 0.9999] {
            near(pt(qt(p, df), df), p, 1e-13);
        }
    }
    for p in [1e-300, 1e-10, 0.07, 0.5, 0.99] {
        near(pnorm(qnorm(p)), p, 1e-12);
        near(pcauchy(qcauchy(p)), p, 1e-14);
    }
}
