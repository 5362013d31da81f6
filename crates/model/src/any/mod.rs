//! A model of whatever kind, as those see it who serve it: what it wants of a row, and
//! what it answers.
//!
//! A file says by its first bytes what it is: what R saved, our own JSON, or ONNX.

mod answer;
mod net;
mod read;

pub use crate::predict::{Ask, Interval, Scale};
pub use answer::{Answer, Output, Values};
pub use read::{Unreadable, read_model};

use std::sync::Arc;

use rdata::value::NA_REAL;

use crate::error::DataError;
use crate::frame::{Codes, Column, Frame};
use crate::input::{Cell, Field, FieldKind};
use crate::model::Model;
use crate::predict::Predictor;
use net::Net;

/// A model that is ready for rows.
#[derive(Debug)]
pub struct AnyModel {
    fields: Vec<Field>,
    of: Of,
}

#[derive(Debug)]
enum Of {
    R(Box<Predictor>),
    Onnx(Box<Net>),
}

/// Why rows have no predictions.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct PredictError {
    /// Counted from 1.
    pub row: Option<u64>,
    pub field: Option<Arc<str>>,
    pub allowed: Vec<Arc<str>>,
    message: String,
}

impl PredictError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            row: None,
            field: None,
            allowed: vec![],
            message: message.into(),
        }
    }

    /// The same with so many rows before those in which it was found.
    #[must_use]
    pub fn behind(mut self, rows: u64) -> Self {
        if let Some(row) = &mut self.row
            && rows > 0
        {
            let there = format!("row {row}");
            *row += rows;
            let behind = format!("row {row}");
            self.message = self.message.replacen(&there, &behind, 1);
        }
        self
    }
}

impl From<DataError> for PredictError {
    fn from(error: DataError) -> Self {
        Self {
            row: error.row.map(|row| row as u64),
            field: Some(Arc::clone(&error.field)).filter(|field| !field.is_empty()),
            allowed: error.allowed().to_vec(),
            message: error.to_string(),
        }
    }
}

impl AnyModel {
    /// From a file's bytes. It may take a while.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        read::any(bytes)
    }

    /// What it wants of a row.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What is known of it as a statistical model, if it is one.
    pub fn model(&self) -> Option<&Arc<Model>> {
        match &self.of {
            Of::R(predictor) => Some(predictor.model()),
            Of::Onnx(_) => None,
        }
    }

    /// What is worth knowing of it, by name.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        match &self.of {
            Of::R(predictor) => read::facts(predictor.model()),
            Of::Onnx(net) => net.facts(),
        }
    }

    /// One prediction for each row of a frame that has a column for each field.
    pub fn predict(&self, frame: &Frame, ask: &Ask) -> Result<Answer, PredictError> {
        match &self.of {
            Of::R(predictor) => Ok(Answer::of(predictor.predict(frame, ask)?)),
            Of::Onnx(net) => net.predict(frame, ask),
        }
    }

    /// The prediction of one row that has a cell for each field.
    pub fn predict_row(&self, row: &[Cell<'_>], ask: &Ask) -> Result<Answer, PredictError> {
        match &self.of {
            Of::R(predictor) => {
                let is_one = predictor.model().coefficients.responses.len() < 2;
                if is_one && ask.scale != Scale::Terms {
                    return Ok(Answer::of_row(predictor.predict_row(row, ask)?));
                }
                // Only of frames are columns known by name.
                self.predict(&frame_of(&self.fields, row), ask)
            }
            Of::Onnx(net) => net.predict(&frame_of(&self.fields, row), ask),
        }
    }
}

/// One row.
fn frame_of(fields: &[Field], row: &[Cell<'_>]) -> Frame {
    if row.is_empty() {
        return Frame::empty(1);
    }
    let text = |values: Vec<Arc<str>>, code| {
        let of_rows = vec![code];
        Column::Text(Codes { values, of_rows })
    };
    let columns = fields.iter().zip(row).map(|(field, cell)| {
        let column = match cell {
            Cell::Missing if field.kind == FieldKind::Text => text(vec![], Codes::NA),
            Cell::Missing => Column::Number(vec![NA_REAL]),
            Cell::Number(number) => Column::Number(vec![*number]),
            Cell::Logical(value) => Column::Logical(vec![(*value).into()]),
            Cell::Text(value) => text(vec![(*value).into()], 0),
        };
        (Arc::clone(&field.name), column)
    });
    Frame::new(columns.collect())
}
