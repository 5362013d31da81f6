//! What a formula means: its variables, and which of them make which terms. The same
//! that R keeps as the object `terms` of a model.

use std::sync::Arc;

use crate::expr::Expr;

#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// As it was written, `admit ~ gre + log(gpa)`.
    pub formula: Arc<str>,
    /// The response first, if there is one. Offsets are among them.
    pub variables: Vec<Variable>,
    /// Of each term, in the order of the columns of the model matrix.
    pub terms: Vec<Term>,
    pub intercept: bool,
    /// Whether the first of the variables is the response.
    pub response: bool,
    /// Places in `variables`.
    pub offsets: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// As R names it, deparsed: `log(gpa)`, `factor(rank)`.
    pub name: Arc<str>,
    /// What to compute for new data: with what was learned from the old data put in.
    pub expr: Expr,
    pub class: Class,
}

/// What a variable was in the data that the model was fitted to (R's `dataClasses`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    Numeric,
    Logical,
    Factor,
    Ordered,
    Character,
    /// So many columns, `nmatrix.2`.
    Matrix(usize),
    Other(Arc<str>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// `gre:rank`
    pub label: Arc<str>,
    /// Places in `variables`, and how each is coded, in the order of `variables`.
    pub factors: Vec<(usize, Coding)>,
}

/// The codes in R's matrix `factors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// 1: by contrasts.
    Contrasts,
    /// 2: a column for each level.
    Dummies,
}
