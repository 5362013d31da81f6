//! Fits of linear and generalised linear models, as `lm` and `glm` do them.
//!
//! The rows come from a [`Source`], which may be larger than memory, and are gone over
//! several times ([`rows`]): [`lm`] needs two passes, [`glm`] one for each step. Both
//! keep only a triangle (`linalg`). [`finish`] makes the last pass of a `glm`.

mod call;
mod data;
mod error;
mod finish;
mod glm;
mod keep;
mod lm;
mod model;
mod quantiles;
mod rows;
mod source;
mod space;
mod step;
mod sum;

use std::sync::Arc;

use crate::expr::Expr;
use crate::model::{Family, Link, Model};

pub(crate) use call::{family_expr, in_lines};
pub use error::FitError;
pub(crate) use glm::TOLERANCE as GLM_TOLERANCE;
pub(crate) use lm::{TOLERANCE as LM_TOLERANCE, count};
pub use source::Source;
pub(crate) use sum::Sum;

/// What to fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    pub formula: Expr,
    pub weights: Option<Expr>,
    pub offset: Option<Expr>,
    /// Of which variable, and which: `contr.sum`.
    pub contrasts: Vec<(Arc<str>, Arc<str>)>,
    /// What the call says after `data =`.
    pub data: Arc<str>,
    /// Whether the rows are kept in the model, for R: see [`crate::to_r`].
    pub keep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    Lm,
    Glm { family: Family, link: Link },
}

impl Request {
    pub fn new(method: Method, formula: Expr) -> Self {
        Self {
            method,
            formula,
            weights: None,
            offset: None,
            contrasts: vec![],
            data: "data".into(),
            keep: false,
        }
    }
}

/// The most columns that a model matrix may have: triangles of them are in memory.
pub const MOST_COLUMNS: usize = 2000;

/// Fits a model.
pub fn fit(request: &Request, source: &dyn Source) -> Result<Model, FitError> {
    if let Method::Glm { family, link } = request.method {
        family.check(link)?;
    }
    let learned = data::Learned::new(request, source)?;
    let columns = learned.columns();
    if columns > MOST_COLUMNS {
        return Err(FitError::TooManyColumns {
            columns,
            limit: MOST_COLUMNS,
        });
    }
    let rows = learned.rows(source, request.keep)?;
    let fitted = match request.method {
        Method::Lm => model::lm(&rows, &learned.traits(request))?,
        Method::Glm { family, link } => model::glm(&rows, &learned.traits(request), family, link)?,
    };
    let kept = match rows {
        rows::Rows::Matrix(matrix) if request.keep => Some(keep::keep(request, &fitted, matrix)?),
        _ => None,
    };
    let call = call::text(request);
    Ok(learned.model(request, call, fitted, kept))
}

#[cfg(test)]
mod tests;
