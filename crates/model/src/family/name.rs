//! What R calls families and links.

use std::str::FromStr;

use crate::model::{Family, Link, Variance};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnknownFamily {
    #[error(
        "unknown family {0:?}; families are binomial, quasibinomial, poisson, quasipoisson, \
         Gamma, inverse.gaussian, gaussian and quasi"
    )]
    Family(String),
    #[error("unknown link {0:?}")]
    Link(String),
    #[error("link \"{link}\" not available for {family} family; available links are {allowed}")]
    Pair {
        family: &'static str,
        link: String,
        allowed: String,
    },
    #[error(
        "'variance' \"{0}\" is invalid: possible values are \"mu(1-mu)\", \"mu\", \"mu^2\", \
         \"mu^3\" and \"constant\""
    )]
    Variance(String),
}

impl Family {
    /// `binomial`
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Binomial => "binomial",
            Self::Poisson => "poisson",
            Self::Gamma => "Gamma",
            Self::InverseGaussian => "inverse.gaussian",
            Self::Quasi(_) => "quasi",
            Self::QuasiBinomial => "quasibinomial",
            Self::QuasiPoisson => "quasipoisson",
            Self::NegativeBinomial(_) => "Negative Binomial",
            Self::Other => "other",
        }
    }

    pub fn default_link(self) -> Link {
        match self {
            Self::Gaussian | Self::Quasi(_) | Self::Other => Link::Identity,
            Self::Binomial | Self::QuasiBinomial => Link::Logit,
            Self::Poisson | Self::QuasiPoisson | Self::NegativeBinomial(_) => Link::Log,
            Self::Gamma => Link::Inverse,
            Self::InverseGaussian => Link::InverseSquare,
        }
    }

    /// The links that R takes by name for this family. `quasi` takes all.
    fn links(self) -> Option<&'static [Link]> {
        match self {
            Self::Binomial | Self::QuasiBinomial => Some(&[
                Link::Logit,
                Link::Probit,
                Link::CLogLog,
                Link::Cauchit,
                Link::Log,
            ]),
            Self::Poisson | Self::QuasiPoisson => Some(&[Link::Log, Link::Identity, Link::Sqrt]),
            Self::Gamma | Self::Gaussian => Some(&[Link::Inverse, Link::Log, Link::Identity]),
            Self::InverseGaussian => Some(&[
                Link::Inverse,
                Link::Log,
                Link::Identity,
                Link::InverseSquare,
            ]),
            Self::Quasi(_) | Self::NegativeBinomial(_) | Self::Other => None,
        }
    }

    /// Whether R fits this family with this link. `power(...)` goes with every family.
    pub fn check(self, link: Link) -> Result<(), UnknownFamily> {
        let Some(links) = self.links() else {
            return Ok(());
        };
        if links.contains(&link) || matches!(link, Link::Power(_)) {
            return Ok(());
        }
        let quoted = links
            .iter()
            .map(|link| format!("\u{2018}{}\u{2019}", link.name()));
        Err(UnknownFamily::Pair {
            family: self.name(),
            link: link.name(),
            allowed: quoted.collect::<Vec<_>>().join(", "),
        })
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, UnknownFamily> {
        Ok(match name {
            "gaussian" => Self::Gaussian,
            "binomial" => Self::Binomial,
            "poisson" => Self::Poisson,
            "Gamma" | "gamma" => Self::Gamma,
            "inverse.gaussian" => Self::InverseGaussian,
            "quasi" => Self::Quasi(Variance::Constant),
            "quasibinomial" => Self::QuasiBinomial,
            "quasipoisson" => Self::QuasiPoisson,
            _ => return Err(UnknownFamily::Family(name.into())),
        })
    }
}

impl Link {
    /// `logit`, `1/mu^2`, `mu^0.333`.
    pub fn name(self) -> String {
        match self {
            Self::Identity => "identity".into(),
            Self::Log => "log".into(),
            Self::Logit => "logit".into(),
            Self::Probit => "probit".into(),
            Self::Cauchit => "cauchit".into(),
            Self::CLogLog => "cloglog".into(),
            Self::Inverse => "inverse".into(),
            Self::InverseSquare => "1/mu^2".into(),
            Self::Sqrt => "sqrt".into(),
            Self::Power(lambda) => format!("mu^{}", (lambda * 1000.0).round() / 1000.0),
        }
    }
}

impl FromStr for Link {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, UnknownFamily> {
        let unknown = || UnknownFamily::Link(name.into());
        Ok(match name {
            "identity" => Self::Identity,
            "log" => Self::Log,
            "logit" => Self::Logit,
            "probit" => Self::Probit,
            "cauchit" => Self::Cauchit,
            "cloglog" => Self::CLogLog,
            "inverse" => Self::Inverse,
            "1/mu^2" => Self::InverseSquare,
            "sqrt" => Self::Sqrt,
            _ => {
                let inner = name
                    .strip_prefix("power(")
                    .and_then(|rest| rest.strip_suffix(')'))
                    .or_else(|| name.strip_prefix("mu^"))
                    .ok_or_else(unknown)?;
                let number = |text: &str| text.trim().parse::<f64>().map_err(|_| unknown());
                let lambda = match inner.split_once('/') {
                    Some((above, below)) => number(above)? / number(below)?,
                    None => number(inner)?,
                };
                if !lambda.is_finite() {
                    return Err(unknown());
                }
                Self::power(lambda)
            }
        })
    }
}

impl Link {
    /// R's `power(lambda)`.
    pub fn power(lambda: f64) -> Self {
        if lambda <= 0.0 {
            Self::Log
        } else if (lambda - 1.0).abs() < f64::EPSILON {
            Self::Identity
        } else {
            Self::Power(lambda)
        }
    }
}

impl Variance {
    /// As `quasi` is told of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::MuOneMinusMu => "mu(1-mu)",
            Self::Mu => "mu",
            Self::MuSquared => "mu^2",
            Self::MuCubed => "mu^3",
        }
    }
}

impl FromStr for Variance {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, UnknownFamily> {
        let packed: String = name.chars().filter(|c| *c != ' ').collect();
        let all = [
            Self::Constant,
            Self::MuOneMinusMu,
            Self::Mu,
            Self::MuSquared,
            Self::MuCubed,
        ];
        let found = all.into_iter().find(|variance| variance.name() == packed);
        found.ok_or(UnknownFamily::Variance(packed))
    }
}
