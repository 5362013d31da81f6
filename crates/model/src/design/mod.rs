//! What a formula makes of data: its variables, and the columns of the model matrix.
//!
//! Reading order: `algebra` multiplies formulas out, `contrast` turns levels into
//! columns, `plan` says what the columns are and `columns` computes them. `inputs` checks
//! what the data bring for a prediction, `learn` finds levels and knots in the data of a
//! fit, `rows` gives its numbers.

pub(crate) mod algebra;
mod columns;
pub(crate) mod contrast;
pub(crate) mod inputs;
mod knots;
mod learn;
mod levels;
pub(crate) mod plan;
mod rows;

use std::sync::Arc;

pub use learn::{Asked, Learner, Seen};
pub use rows::{Rows, Scratch};

use crate::error::DataError;
use crate::eval::{Node, Wanted};
use crate::model::Contrast;
use crate::needs_r::NeedsR;
use crate::terms::Terms;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DesignError {
    #[error("{}", .0.reason)]
    NeedsR(#[from] NeedsR),
    #[error(transparent)]
    Data(#[from] DataError),
}

/// A formula, learned from data: what it takes to make the model matrix of any rows.
#[derive(Debug, Clone)]
pub struct Design {
    /// With what was learned in the expressions of the variables.
    pub terms: Terms,
    pub levels: Vec<(Arc<str>, Vec<Arc<str>>)>,
    pub contrasts: Vec<(Arc<str>, Contrast)>,
    /// Names of the columns of the model matrix.
    pub columns: Vec<Arc<str>>,
    /// The term of each column, counted from 1; 0 is the intercept.
    pub assign: Vec<usize>,
    pub response: Option<ResponseKind>,
    plan: plan::Plan,
    inputs: Vec<Wanted>,
    answer: Option<Node>,
    /// Of the formula and of the request.
    offsets: Vec<Node>,
    weights: Option<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseKind {
    Number,
    /// 0 and 1.
    Logical,
    /// The first level is 0, all others are 1.
    Factor(Vec<Arc<str>>),
    /// `cbind(...)`, so many columns.
    Matrix(usize),
}

impl ResponseKind {
    pub fn columns(&self) -> usize {
        match self {
            Self::Matrix(columns) => *columns,
            _ => 1,
        }
    }
}
