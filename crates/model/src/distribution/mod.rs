//! Distribution functions and quantiles: the p-values of summaries and the limits of
//! intervals, accurate in relative terms far into the tails.
//!
//! [`normal`] uses the rational approximations of Cody (1969) and Wichura (1988). The
//! others are the incomplete gamma and beta functions, by series and continued
//! fractions; what stands before those is computed as Loader (2000) does it, without
//! the cancellation that logarithms of gamma functions suffer from.

mod beta;
mod gamma;
mod loader;
mod normal;

pub use beta::{pf_upper, pt, pt_two_sided, qt};
pub use gamma::{ln_gamma, pchisq_upper};
pub use loader::{ln_dbinom, ln_dgamma, ln_dpois};
pub use normal::{dnorm, pcauchy, pnorm, pnorm_upper, qcauchy, qnorm};

#[cfg(test)]
mod tests;
