//! Standard errors and intervals.

use super::{Ask, Interval, Predictor, Scale};
use crate::distribution::{qnorm, qt};
use crate::error::DataError;
use crate::model::{Family, Kind};

impl Predictor {
    /// Whether the model can answer at all.
    pub(super) fn may(&self, ask: &Ask) -> Result<(), DataError> {
        let refuse = |why: &str| Err(DataError::other(why));
        let several = self.betas.len() > 1;
        let wants_errors = ask.se || ask.interval.is_some();
        if several && wants_errors {
            return refuse("standard errors and intervals are for models with one response");
        }
        if several && ask.scale == Scale::Terms {
            return refuse("predictions of terms are for models with one response");
        }
        if wants_errors && self.inverse.is_none() {
            return refuse("the file has no decomposition, which standard errors need");
        }
        if ask.interval.is_some() && ask.scale == Scale::Terms {
            return refuse("intervals are not for single terms");
        }
        let is_glm = matches!(self.model.kind, Kind::Glm { .. });
        if ask.interval == Some(Interval::Prediction) && is_glm {
            return refuse("prediction intervals are for models by lm");
        }
        if ask.interval.is_some() && !(ask.level > 0.0 && ask.level < 1.0) {
            return refuse("the level of an interval is between 0 and 1");
        }
        Ok(())
    }

    /// As R takes it: 1 where the family knows it, else estimated.
    pub(super) fn residual_variance(&self) -> f64 {
        let dispersion = self.model.fit.dispersion;
        match self.model.kind {
            // R takes the root and squares it again.
            Kind::Glm { .. } => {
                let root = dispersion.sqrt();
                root * root
            }
            _ => dispersion,
        }
    }

    /// Lower and upper ends, on the scale of the linear predictor.
    pub(super) fn interval(
        &self,
        interval: Interval,
        etas: &[f64],
        variances: &[f64],
        level: f64,
    ) -> (Vec<f64>, Vec<f64>) {
        let tail = (1.0 - level) / 2.0;
        let known = matches!(
            self.model.kind,
            Kind::Glm {
                family: Family::Binomial | Family::Poisson | Family::NegativeBinomial(_),
                ..
            }
        );
        // Negative: it is the lower tail.
        let quantile = if known {
            qnorm(tail)
        } else {
            qt(tail, self.model.fit.df_residual)
        };
        let more = match interval {
            Interval::Confidence => 0.0,
            Interval::Prediction => self.residual_variance(),
        };
        let widths = variances
            .iter()
            .map(|variance| quantile * (variance + more).sqrt());
        let pairs = etas.iter().zip(widths);
        pairs.map(|(eta, width)| (eta + width, eta - width)).unzip()
    }
}
