//! A model that was read, and has shown that it answers.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use model::any::{AnyModel, Ask, Unreadable};
use model::input::{Cell, FieldKind};
use serde_json::json;

use super::source::Mark;

/// A model in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub model: AnyModel,
    pub mark: Mark,
    pub version: HeaderValue,
}

/// Why an object is no model that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    NeedsR(String),
    Bad(String),
}

impl Unfit {
    pub fn why(&self) -> &str {
        match self {
            Self::NeedsR(why) | Self::Bad(why) => why,
        }
    }
}

impl Loaded {
    /// Reads it and predicts one row. It computes for a while: not on a thread that
    /// serves others.
    pub fn read(bytes: &Bytes, mark: Mark) -> Result<Self, Unfit> {
        let model = AnyModel::read(bytes).map_err(|error| match error {
            Unreadable::NeedsR(why) => Unfit::NeedsR(why.to_string()),
            other => Unfit::Bad(other.to_string()),
        })?;
        try_out(&model).map_err(Unfit::Bad)?;
        let version = HeaderValue::from_str(&mark.version);
        Ok(Self {
            model,
            version: version.unwrap_or(HeaderValue::from_static("unknown")),
            mark,
        })
    }

    /// What the model is and what it wants, as the answer to who asks nothing.
    pub fn describe(&self, place: &str) -> serde_json::Value {
        let field = |field: &model::input::Field| {
            let mut shown = json!({ "name": field.name, "type": field.kind.as_str() });
            if !field.levels.is_empty() {
                shown["levels"] = json!(field.levels);
            }
            shown
        };
        let fields: Vec<_> = self.model.fields().iter().map(field).collect();
        let mut shown = json!({
            "model": place,
            "version": &*self.mark.version,
            "fields": fields,
        });
        for (name, value) in self.model.facts() {
            shown[name] = value.into();
        }
        shown
    }
}

/// One row of first levels and ones: what cannot even answer this answers nothing.
fn try_out(model: &AnyModel) -> Result<(), String> {
    let row: Vec<_> = model
        .fields()
        .iter()
        .map(|field| {
            let level = field.levels.first();
            match (field.kind, level) {
                (FieldKind::Text | FieldKind::Any, Some(level)) => Cell::Text(level),
                (FieldKind::Text, None) => Cell::Text(""),
                (FieldKind::Logical, _) => Cell::Logical(true),
                (FieldKind::Number | FieldKind::Any, _) => Cell::Number(1.0),
            }
        })
        .collect();
    let tried = model.predict_row(&row, &Ask::default());
    tried
        .map(|_| ())
        .map_err(|error| format!("it does not answer a first row: {error}"))
}

/// What a request finds.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub loaded: Arc<Loaded>,
    /// What is wrong with the object that is there now, where it is not this one.
    pub trouble: Option<HeaderValue>,
}
