//! Policy documents: who may do what on which resource. Pure computing: a
//! document and a question go in, an answer comes out.
//!
//! Reading order: [`question`] what is asked; [`document`] what a document says
//! and how it answers; [`parse`] how its text is read; [`condition`] what a
//! statement may demand of a request; [`public`] whether it lets anyone in;
//! [`wildcard`] the patterns that all of it is written in, and [`variables`] the
//! `${...}` in them.

mod condition;
mod document;
mod parse;
mod principal;
mod public;
mod question;
mod variables;
mod wildcard;

pub use document::{Document, Effect, Verdict};
pub use parse::PolicyError;
pub use question::{Caller, Context, Question};
pub use wildcard::{matches, matches_ignoring_case};
