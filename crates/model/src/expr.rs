//! Expressions of R: what formulas are made of.

use std::sync::Arc;

use rdata::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Number(f64),
    /// `5L`
    Integer(i32),
    Text(Arc<str>),
    /// `None` is NA.
    Logical(Option<bool>),
    Null,
    /// A variable: of the data, or one that was around where the model was fitted.
    Name(Arc<str>),
    Call(Box<Call>),
    /// A value that R put into the expression, such as the coefficients of `poly`.
    Value(Box<Value>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `log`, `+`, `splines::ns`.
    pub function: Arc<str>,
    pub arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: Option<Arc<str>>,
    pub value: Expr,
}
