//! The model file: a model as JSON, all digits kept. `docs/models.md` describes it.
//!
//! [`wire`] is what stands in the file. What comes out of a file is checked as a whole
//! before it becomes a [`Model`]: nothing that reads a model need fear its numbers.

mod check;
mod real;
mod wire;

use crate::expr::Expr;
use crate::model::Model;

/// The only version there is.
const VERSION: u64 = 1;
/// The largest file that is read.
pub const MOST_BYTES: usize = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("not a model file: it has no \"squall_model\"")]
    NoModel,
    #[error("a model file of version {0}; this program reads version {VERSION}")]
    Version(u64),
    #[error("the model file is not right")]
    Json(#[from] serde_json::Error),
    #[error("the model file has {0} bytes, at most {MOST_BYTES} are read")]
    TooLarge(usize),
    #[error("the model file is not right: {0}")]
    Wrong(String),
    #[error("`{0}` cannot be kept in a model file")]
    NotKept(String),
}

/// As JSON. The rows of a fit that were kept are left out.
pub fn write(model: &Model) -> Result<Vec<u8>, FileError> {
    let mut bytes = serde_json::to_vec_pretty(&wire::Model::new(model)?)?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub fn read(bytes: &[u8]) -> Result<Model, FileError> {
    if bytes.len() > MOST_BYTES {
        return Err(FileError::TooLarge(bytes.len()));
    }
    let version: wire::Version = serde_json::from_slice(bytes)?;
    match version.squall_model {
        None => return Err(FileError::NoModel),
        Some(VERSION) => {}
        Some(other) => return Err(FileError::Version(other)),
    }
    let wire: wire::Model = serde_json::from_slice(bytes)?;
    let model = wire.model()?;
    check::check(&model).map_err(FileError::Wrong)?;
    Ok(model)
}

/// The text of an expression, if it can be read again. (A negative number becomes a call
/// of `-` by that: the text is what must be the same.)
fn text(expr: &Expr) -> Result<String, FileError> {
    let text = expr.exact().to_string();
    match crate::formula::parse(&text) {
        Ok(again) if again.exact().to_string() == text => Ok(text),
        _ => Err(FileError::NotKept(expr.to_string())),
    }
}

fn expr(text: &str) -> Result<Expr, FileError> {
    crate::formula::parse(text).map_err(|error| FileError::Wrong(format!("`{text}`: {error}")))
}

#[cfg(test)]
mod tests;
