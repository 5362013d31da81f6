//! ONNX models, which know nothing of R: they take numbers and texts, and say labels,
//! probabilities or values.

use std::sync::Arc;

use onnx::{Column, Kind, Role};
use rdata::value::{NA_INTEGER, NA_REAL};

use super::{Answer, Ask, Output, PredictError, Scale, Values};
use crate::frame::{Codes, Column as Given, Frame};
use crate::input::{Field, FieldKind};

/// An ONNX model.
#[derive(Debug)]
pub(super) struct Net(onnx::Model);

impl Net {
    pub fn read(bytes: &[u8]) -> Result<Self, onnx::Error> {
        onnx::Model::read(bytes).map(Self)
    }

    pub fn fields(&self) -> Vec<Field> {
        let field = |field: &onnx::Field| Field {
            name: field.name.as_str().into(),
            kind: match field.kind {
                Kind::Text => FieldKind::Text,
                Kind::Flag => FieldKind::Logical,
                _ => FieldKind::Number,
            },
            levels: vec![],
        };
        self.0.fields().iter().map(field).collect()
    }

    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("kind", "onnx".to_owned())];
        if let Some(classes) = self.0.classes() {
            facts.push(("classes", classes.join(", ")));
        }
        facts
    }

    pub fn predict(&self, frame: &Frame, ask: &Ask) -> Result<Answer, PredictError> {
        if ask.scale != Scale::Response || ask.se || ask.interval.is_some() {
            return Err(PredictError::new(
                "an ONNX model predicts the response alone: it has no link, terms, standard \
                 errors or intervals",
            ));
        }
        let plain = self.0.fields().iter().map(|field| plain(frame, field));
        let plain: Vec<_> = plain.collect::<Result<_, _>>()?;
        let columns: Vec<_> = plain.iter().map(Plain::as_column).collect();
        let predicted = self.0.run(&columns, frame.rows());
        let predicted = predicted.map_err(|error| PredictError::new(told(&error)))?;
        let columns = predicted.columns.into_iter().map(output);
        Ok(Answer {
            columns: columns.collect(),
        })
    }
}

/// Its causes are worth reading, too.
pub(super) fn told(error: &onnx::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        told = format!("{told}: {next}");
        cause = next.source();
    }
    told
}

/// A column as ONNX takes it.
enum Plain<'a> {
    Numbers(std::borrow::Cow<'a, [f64]>),
    Texts(Vec<&'a str>),
}

impl Plain<'_> {
    fn as_column(&self) -> Column<'_> {
        match self {
            Self::Numbers(numbers) => Column::Numbers(numbers),
            Self::Texts(texts) => Column::Texts(texts),
        }
    }
}

fn plain<'a>(frame: &'a Frame, field: &onnx::Field) -> Result<Plain<'a>, PredictError> {
    let unfit = |what: &str| {
        let name: Arc<str> = field.name.as_str().into();
        PredictError {
            field: Some(Arc::clone(&name)),
            ..PredictError::new(format!("field {name}: {what}"))
        }
    };
    let column = frame.get(&field.name);
    let is_text = field.kind == Kind::Text;
    match column.ok_or_else(|| unfit("it is missing"))? {
        Given::Number(numbers) if !is_text => Ok(Plain::Numbers(numbers.as_slice().into())),
        Given::Logical(values) if !is_text => {
            let number = |value: &i32| match *value {
                NA_INTEGER => NA_REAL,
                value => f64::from(value),
            };
            let numbers: Vec<_> = values.iter().map(number).collect();
            Ok(Plain::Numbers(numbers.into()))
        }
        Given::Text(codes) | Given::Factor { codes, .. } if is_text => {
            let text = |code: &u32| match *code {
                Codes::NA => "",
                code => &*codes.values[code as usize],
            };
            Ok(Plain::Texts(codes.of_rows.iter().map(text).collect()))
        }
        _ if is_text => Err(unfit("the model wants text")),
        _ => Err(unfit("the model wants numbers")),
    }
}

fn output(made: onnx::Made) -> Output {
    let (group, name) = match made.role {
        Role::Probability { class } => ("prob".into(), Some(class)),
        Role::Label | Role::Value => (made.name.as_str().into(), None),
    };
    let values = match made.values {
        // The shortest digits that bring a value back are fewer in single precision.
        onnx::Values::Single(values) => {
            let double = |value: &f32| value.to_string().parse().unwrap_or(f64::from(*value));
            Values::Numbers(values.iter().map(double).collect())
        }
        onnx::Values::Double(values) => Values::Numbers(values),
        onnx::Values::Whole(values) => Values::Whole(values),
        onnx::Values::Flag(values) => Values::Logicals(values.into_iter().map(Some).collect()),
        onnx::Values::Text(values) => Values::Texts(values.into_iter().map(Some).collect()),
    };
    Output {
        group,
        name,
        values,
    }
}
