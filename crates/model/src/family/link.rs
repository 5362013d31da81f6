//! Links: bit by bit what R computes, so that fits take the same steps.

#![expect(clippy::float_cmp, reason = "R asks for 2 itself")]

use crate::distribution::{dnorm, pcauchy, pnorm, qcauchy, qnorm};
use crate::model::Link;

const EPSILON: f64 = f64::EPSILON;
/// Where R cuts the logit.
const FAR: f64 = 30.0;

/// R's `pmax`: not a number stays so.
fn at_least(value: f64, least: f64) -> f64 {
    if value < least { least } else { value }
}

fn at_most(value: f64, most: f64) -> f64 {
    if value > most { most } else { value }
}

/// R squares by multiplication, and has `pow` for the rest.
pub(super) fn power(base: f64, exponent: f64) -> f64 {
    if exponent == 2.0 {
        base * base
    } else {
        base.powf(exponent)
    }
}

impl Link {
    /// The linear predictor of a mean.
    pub fn of_mean(self, mean: f64) -> f64 {
        match self {
            Self::Identity => mean,
            Self::Log => mean.ln(),
            Self::Logit => (mean / (1.0 - mean)).ln(),
            Self::Probit => qnorm(mean),
            Self::Cauchit => qcauchy(mean),
            Self::CLogLog => (-(1.0 - mean).ln()).ln(),
            Self::Inverse => 1.0 / mean,
            Self::InverseSquare => 1.0 / (mean * mean),
            Self::Sqrt => mean.sqrt(),
            Self::Power(lambda) => power(mean, lambda),
        }
    }

    /// The mean of a linear predictor.
    pub fn inverse(self, eta: f64) -> f64 {
        match self {
            Self::Identity => eta,
            Self::Log => at_least(eta.exp(), EPSILON),
            Self::Logit => logit_parts(eta).0,
            Self::Probit => {
                let far = -qnorm(EPSILON);
                pnorm(at_most(at_least(eta, -far), far))
            }
            Self::Cauchit => {
                let far = -qcauchy(EPSILON);
                pcauchy(at_most(at_least(eta, -far), far))
            }
            Self::CLogLog => {
                let mean = -(-eta.exp()).exp_m1();
                at_least(at_most(mean, 1.0 - EPSILON), EPSILON)
            }
            Self::Inverse => 1.0 / eta,
            Self::InverseSquare => 1.0 / eta.sqrt(),
            Self::Sqrt => eta * eta,
            Self::Power(lambda) => at_least(power(eta, 1.0 / lambda), EPSILON),
        }
    }

    /// The derivative of the mean by the linear predictor.
    pub fn mu_eta(self, eta: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Log => at_least(eta.exp(), EPSILON),
            Self::Logit => logit_parts(eta).1,
            Self::Probit => at_least(dnorm(eta), EPSILON),
            Self::Cauchit => {
                let density = 1.0 / (std::f64::consts::PI * (1.0 + eta * eta));
                at_least(density, EPSILON)
            }
            Self::CLogLog => {
                let rate = at_most(eta, 700.0).exp();
                at_least(rate * (-rate).exp(), EPSILON)
            }
            Self::Inverse => -1.0 / (eta * eta),
            Self::InverseSquare => -1.0 / (2.0 * eta.powf(1.5)),
            Self::Sqrt => 2.0 * eta,
            Self::Power(lambda) => {
                let inverse = 1.0 / lambda;
                at_least(inverse * power(eta, inverse - 1.0), EPSILON)
            }
        }
    }

    /// Whether R lets this be a linear predictor.
    pub fn allows(self, eta: f64) -> bool {
        match self {
            Self::Sqrt | Self::InverseSquare | Self::Power(_) => eta.is_finite() && eta > 0.0,
            Self::Inverse => eta.is_finite() && eta != 0.0,
            _ => true,
        }
    }

    /// Means and slopes of many; the logit and the logarithm share their exponential.
    pub(crate) fn fill(self, etas: &[f64], means: &mut [f64], slopes: &mut [f64]) {
        let places = means.iter_mut().zip(slopes);
        match self {
            Self::Logit => {
                for (&eta, (mean, slope)) in etas.iter().zip(places) {
                    (*mean, *slope) = logit_parts(eta);
                }
            }
            Self::Log => {
                for (&eta, (mean, slope)) in etas.iter().zip(places) {
                    *mean = at_least(eta.exp(), EPSILON);
                    *slope = *mean;
                }
            }
            Self::Probit => {
                let far = -qnorm(EPSILON);
                for (&eta, (mean, slope)) in etas.iter().zip(places) {
                    *mean = pnorm(at_most(at_least(eta, -far), far));
                    *slope = at_least(dnorm(eta), EPSILON);
                }
            }
            _ => {
                for (&eta, (mean, slope)) in etas.iter().zip(places) {
                    *mean = self.inverse(eta);
                    *slope = self.mu_eta(eta);
                }
            }
        }
    }
}

fn logit_parts(eta: f64) -> (f64, f64) {
    if eta > FAR {
        let odds = 1.0 / EPSILON;
        return (odds / (1.0 + odds), EPSILON);
    }
    if eta < -FAR {
        return (EPSILON / (1.0 + EPSILON), EPSILON);
    }
    let odds = eta.exp();
    let whole = 1.0 + odds;
    (odds / whole, odds / (whole * whole))
}
