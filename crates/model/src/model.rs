//! A fitted model: all that predictions and summaries need.

use std::sync::Arc;

use crate::expr::Expr;
use crate::terms::Terms;

#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub kind: Kind,
    /// The call as R prints it, `glm(formula = admit ~ ., family = binomial)`.
    pub call: Arc<str>,
    pub terms: Terms,
    /// Of each factor and text among the variables: its levels.
    pub levels: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// Of each factor: how its levels become columns.
    pub contrasts: Vec<(Arc<str>, Contrast)>,
    /// By columns of the model matrix; more than one response only for `Kind::Mlm`.
    pub coefficients: Coefficients,
    /// Places of columns in the order in which they were taken; those behind `rank`
    /// have no coefficient.
    pub pivot: Vec<usize>,
    pub rank: usize,
    /// The triangle R of the decomposition of the weighted model matrix, `rank` by
    /// `rank`, column by column: what standard errors need. Without it there are none.
    pub triangle: Option<Vec<f64>>,
    /// What the call gave as `offset`, beside the offsets of the formula.
    pub offset: Option<Expr>,
    /// Of the columns of the model matrix that the model was fitted to: what predictions
    /// of single terms are centred by.
    pub means: Option<Vec<f64>>,
    /// Whether the call gave weights.
    pub weighted: bool,
    pub fit: Fit,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Lm,
    /// Several responses.
    Mlm,
    Aov,
    Glm {
        family: Family,
        link: Link,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Family {
    Gaussian,
    Binomial,
    Poisson,
    Gamma,
    InverseGaussian,
    Quasi(Variance),
    QuasiBinomial,
    QuasiPoisson,
    /// With its theta.
    NegativeBinomial(f64),
    /// Not known here; its link is.
    Other,
}

/// Of `quasi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    Constant,
    MuOneMinusMu,
    Mu,
    MuSquared,
    MuCubed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Link {
    Identity,
    Log,
    Logit,
    Probit,
    Cauchit,
    CLogLog,
    Inverse,
    /// `1/mu^2`
    InverseSquare,
    Sqrt,
    Power(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Coefficients {
    /// Of the columns of the model matrix.
    pub names: Vec<Arc<str>>,
    /// Of the responses; empty names where there is only one.
    pub responses: Vec<Arc<str>>,
    /// For each response one for each column; NA where the column is aliased.
    pub values: Vec<Vec<f64>>,
}

/// A matrix with a row for each level.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// `contr.treatment`, where it is known.
    pub kind: Option<Arc<str>>,
    /// Names of the columns, put behind the variable's: `2` of `rank2`, `.L` of `dose.L`.
    pub columns: Vec<Arc<str>>,
    /// Column by column.
    pub values: Vec<f64>,
}

/// What is known of how the model was fitted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fit {
    /// Rows that were used, those without weight left out.
    pub rows: usize,
    pub rows_dropped: usize,
    pub df_residual: f64,
    pub df_null: f64,
    /// Of residuals: sigma squared for `lm`, what `summary` says of a `glm`.
    pub dispersion: f64,
    pub deviance: f64,
    pub null_deviance: f64,
    pub aic: f64,
    pub iterations: u32,
    pub converged: bool,
    /// Least, quartiles and largest of the residuals that `summary` prints.
    pub residual_quantiles: Option<[f64; 5]>,
    /// All residuals, where so few degrees of freedom are left that `summary` prints them.
    pub few_residuals: Vec<(Arc<str>, f64)>,
    /// Whether not all prior weights are the same.
    pub weights_vary: bool,
    /// Of an `lm`, for R squared: sums of squares of fit and residuals, with weights.
    pub sums: Option<Sums>,
    pub warnings: Vec<String>,
    /// The rows, if the fit was asked to keep them.
    pub kept: Option<Arc<Kept>>,
}

/// The rows that a model was fitted to, as numbers: what R's own objects hold of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Which rows of the data these are; the others were omitted.
    pub places: Vec<usize>,
    /// Of the model matrix.
    pub columns: Vec<Vec<f64>>,
    /// As the fit has it: a proportion where the data have counts.
    pub response: Vec<f64>,
    pub offset: Option<Vec<f64>>,
    /// Of an `lm` empty if there are none.
    pub prior_weights: Vec<f64>,
    /// Of the last step of a `glm`; of an `lm` the prior weights.
    pub weights: Vec<f64>,
    /// Working responses of the last step of a `glm`, without the offset.
    pub working: Vec<f64>,
    /// Working residuals of a `glm`, plain ones of an `lm`.
    pub residuals: Vec<f64>,
    pub fitted: Vec<f64>,
    /// Linear predictors.
    pub linear: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub model: f64,
    pub residual: f64,
}
