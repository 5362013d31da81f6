//! What a file is, and what is in it.

use std::sync::Arc;

use super::net::{Net, told};
use super::{AnyModel, Of};
use crate::model::{Kind, Model};
use crate::needs_r::NeedsR;
use crate::predict::Predictor;
use crate::{file, from_r};

/// Why a file is no model that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    NeedsR(#[from] NeedsR),
    #[error("this is neither what R's saveRDS writes, nor a model file of Squall, nor ONNX")]
    Unknown,
    /// What R's `save` writes has names and may hold anything.
    #[error("this was written by R's save(); a model is read from what saveRDS() writes")]
    Image,
    #[error("{0}")]
    Rds(#[from] rdata::ReadError),
    #[error("{}", with_cause(.0))]
    File(#[from] file::FileError),
    #[error("{0}")]
    Onnx(String),
    #[error("it is an ONNX model, and not one of R")]
    NotStatistical,
}

fn with_cause(error: &file::FileError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// By their first bytes.
enum Format {
    Json,
    Rds,
    Onnx,
}

fn format(bytes: &[u8]) -> Result<Format, Unreadable> {
    let packed: [&[u8]; 3] = [&[0x1f, 0x8b], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z']];
    let streams: [&[u8]; 4] = [b"X\n", b"A\n", b"B\n", b"A\r\n"];
    let begins = |all: &[&[u8]]| all.iter().any(|start| bytes.starts_with(start));
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins(&[b"RDX", b"RDA", b"RDB"]) {
        return Err(Unreadable::Image);
    }
    if begins(&packed) || begins(&streams) {
        return Ok(Format::Rds);
    }
    if first == Some(&b'{') {
        return Ok(Format::Json);
    }
    if onnx::Model::looks_like_one(bytes) {
        return Ok(Format::Onnx);
    }
    Err(Unreadable::Unknown)
}

pub(super) fn any(bytes: &[u8]) -> Result<AnyModel, Unreadable> {
    if let Format::Onnx = format(bytes)? {
        let net = Net::read(bytes).map_err(|error| Unreadable::Onnx(told(&error)))?;
        return Ok(AnyModel {
            fields: net.fields(),
            of: Of::Onnx(Box::new(net)),
        });
    }
    let predictor = Predictor::new(read_model(bytes)?)?;
    Ok(AnyModel {
        fields: predictor.inputs().to_vec(),
        of: Of::R(Box::new(predictor)),
    })
}

/// A statistical model, which has coefficients and a summary.
pub fn read_model(bytes: &[u8]) -> Result<Model, Unreadable> {
    match format(bytes)? {
        Format::Rds => {
            let value = rdata::read(bytes, &limits(bytes.len()))?;
            Ok(from_r::model(&value)?)
        }
        Format::Json => Ok(file::read(bytes)?),
        Format::Onnx => Err(Unreadable::NotStatistical),
    }
}

/// A file that becomes more than a hundred times its size is no model, but meant to take
/// memory.
fn limits(file: usize) -> rdata::Limits {
    const LEAST: u64 = 64 << 20;
    let limits = rdata::Limits::default();
    let unpacked = (file as u64).saturating_mul(100).max(LEAST);
    rdata::Limits {
        unpacked: unpacked.min(limits.unpacked),
        ..limits
    }
}

/// For people and programs that ask what is served.
pub(super) fn facts(model: &Arc<Model>) -> Vec<(&'static str, String)> {
    let (kind, family) = match &model.kind {
        Kind::Lm => ("lm", None),
        Kind::Mlm => ("mlm", None),
        Kind::Aov => ("aov", None),
        Kind::Glm { family, link } => ("glm", Some((family.name(), link.name()))),
    };
    let mut facts = vec![
        ("kind", kind.to_owned()),
        ("formula", model.terms.formula.to_string()),
    ];
    if let Some((family, link)) = family {
        facts.push(("family", family.to_owned()));
        facts.push(("link", link));
    }
    facts
}
