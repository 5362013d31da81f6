//! What an API tells of itself: a document in OpenAPI's form, made of the routes that are
//! served, and a page on which they can be tried.
//!
//! Reading order: [`Documents`] answers; `document` walks the routes, `operation` says
//! what all of them have in common and `security` who may call; `functions`, `maps` and
//! `models` what each kind of target takes and gives, `components` what they share, `page`
//! is the page.

mod answer;
mod components;
mod document;
mod functions;
mod maps;
mod models;
mod operation;
mod page;
mod paths;
mod security;
#[cfg(test)]
mod tests;

pub use answer::Documents;
pub(crate) use answer::Page;
