//! Why a request gets no prediction, and how that is said: JSON with the kind of error,
//! a sentence, the status once more, and whatever helps to mend it.

use std::sync::Arc;

use aws_wire::Body;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use model::any::PredictError;
use model::input::InputError;
use serde_json::{Map, Value, json};
use types::RequestId;

use super::asked::NAMES;
use crate::map_routes::GivenUp;
use crate::map_service::error_response;

/// Methods that a route of this type takes.
pub(crate) const ALLOWED: &str = "GET, HEAD, POST, PUT, OPTIONS";

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{method} is not for this path; it takes {ALLOWED}")]
    Method { method: String },
    #[error("there is nothing at {path}; rows go to the route itself")]
    NoSuchPath { path: String },
    #[error("pages of other sites may not call this route; --cors lets an origin in")]
    Stranger,
    #[error("there is no option {name:?}; there are {}", NAMES.join(", "))]
    UnknownOption { name: String },
    #[error("{}", unknown(name, nearest.as_deref(), fields))]
    UnknownField {
        name: String,
        nearest: Option<String>,
        fields: Vec<Arc<str>>,
    },
    #[error("the option {name} is {given:?}; it may be {may_be}")]
    BadOption {
        name: &'static str,
        given: String,
        may_be: String,
    },
    #[error("{name} is given twice")]
    Twice { name: String },
    #[error(
        "there is no field {}; the model needs {}",
        list(missing),
        list(needed)
    )]
    Missing {
        missing: Vec<Arc<str>>,
        needed: Vec<Arc<str>>,
    },
    /// `row` counts from 1.
    #[error("{message}")]
    Data {
        message: String,
        row: Option<u64>,
        field: Option<Arc<str>>,
        allowed: Vec<Arc<str>>,
    },
    #[error("none of what Accept asks for can be made; there are application/json and text/csv")]
    NotAcceptable,
    #[error("a body of {given:?} cannot be read; there are application/json and text/csv")]
    MediaType { given: String },
    #[error("a body in the encoding {given:?} cannot be read; send it as it is")]
    Encoding { given: String },
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the body has more than {limit} rows")]
    TooManyRows { limit: u64 },
    #[error("the body did not come to its end")]
    Broken,
    #[error("the body brought nothing for too long")]
    Stalled,
    #[error("there is no room for the body")]
    Busy,
    #[error("there is no model at {place}")]
    NoModel { place: String },
    #[error("the model at {place} cannot be used: {why}")]
    BadModel { place: String, why: String },
    #[error("the model at {place} cannot be used without R: {why}")]
    NeedsR { place: String, why: String },
    #[error("the model at {place} cannot be fetched: {why}")]
    Unreachable { place: String, why: String },
    #[error("something went wrong here; the log of the service says what")]
    Internal,
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoSuchPath { .. } => StatusCode::NOT_FOUND,
            Self::Stranger => StatusCode::FORBIDDEN,
            Self::UnknownOption { .. }
            | Self::UnknownField { .. }
            | Self::BadOption { .. }
            | Self::Twice { .. }
            | Self::Missing { .. }
            | Self::Data { .. }
            | Self::Broken => StatusCode::BAD_REQUEST,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType { .. } | Self::Encoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::TooManyRows { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::NeedsR { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::Busy
            | Self::NoModel { .. }
            | Self::BadModel { .. }
            | Self::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Method { .. } => "MethodNotAllowed",
            Self::NoSuchPath { .. } => "NotFound",
            Self::Stranger => "Forbidden",
            Self::UnknownOption { .. }
            | Self::UnknownField { .. }
            | Self::BadOption { .. }
            | Self::Twice { .. }
            | Self::Missing { .. }
            | Self::Data { .. }
            | Self::Broken => "BadRequest",
            Self::NotAcceptable => "NotAcceptable",
            Self::MediaType { .. } | Self::Encoding { .. } => "UnsupportedMediaType",
            Self::TooLarge { .. } | Self::TooManyRows { .. } => "RequestTooLarge",
            Self::Stalled => "RequestTimeout",
            Self::Busy => "ServiceUnavailable",
            Self::NoModel { .. } => "ModelNotFound",
            Self::BadModel { .. } => "ModelUnreadable",
            Self::NeedsR { .. } => "ModelNeedsR",
            Self::Unreachable { .. } => "ModelUnreachable",
            Self::Internal => "InternalError",
        }
    }

    /// What a program may want to know without reading sentences.
    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::UnknownOption { name } => json!({ "option": name, "options": NAMES }),
            Self::UnknownField { name, fields, .. } => json!({ "field": name, "fields": fields }),
            Self::BadOption {
                name,
                given,
                may_be,
            } => json!({ "option": name, "given": given, "may_be": may_be }),
            Self::Missing { missing, needed } => json!({ "missing": missing, "fields": needed }),
            Self::Data {
                row,
                field,
                allowed,
                ..
            } => {
                let mut details = Map::new();
                details.extend(row.map(|row| ("row".to_owned(), row.into())));
                let field = field.as_deref();
                details.extend(field.map(|field| ("field".to_owned(), field.into())));
                if !allowed.is_empty() {
                    details.insert("allowed".to_owned(), json!(allowed));
                }
                Value::Object(details)
            }
            Self::TooLarge { limit } | Self::TooManyRows { limit } => json!({ "limit": limit }),
            Self::NoModel { place }
            | Self::BadModel { place, .. }
            | Self::NeedsR { place, .. }
            | Self::Unreachable { place, .. } => json!({ "model": place }),
            _ => Value::Null,
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }

    pub fn shown(&self, request_id: RequestId) -> Value {
        let mut object = Map::new();
        object.insert("errorType".to_owned(), self.kind().into());
        object.insert("httpStatus".to_owned(), self.status().as_u16().into());
        object.insert("request_id".to_owned(), request_id.to_string().into());
        object.insert("message".to_owned(), self.to_string().into());
        object.extend(self.details());
        Value::Object(object)
    }

    pub fn respond(&self, request_id: RequestId) -> Response<Body> {
        const RETRY_SECONDS: u32 = 5;
        let mut response = error_response(self.status(), &self.shown(request_id));
        let headers = response.headers_mut();
        if let Self::Method { .. } = self {
            headers.insert(ALLOW, HeaderValue::from_static(ALLOWED));
        }
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_SECONDS.into());
        }
        response
    }
}

impl From<InputError> for Refusal {
    fn from(error: InputError) -> Self {
        let message = error.to_string();
        let data = |row, field| Self::Data {
            message,
            row,
            field,
            allowed: vec![],
        };
        match error {
            InputError::Missing { missing, .. } => Self::Data {
                message: error_of_columns(&missing),
                row: None,
                field: missing.into_iter().next(),
                allowed: vec![],
            },
            InputError::Cell { row, field, .. } => data(Some(row), Some(field)),
            InputError::Fields { row, missing, .. } => data(Some(row), missing.into_iter().next()),
            InputError::TooManyRows { limit } => Self::TooManyRows { limit },
            InputError::Table(science::Error::Row { row, .. }) => data(Some(row), None),
            _ => data(None, None),
        }
    }
}

fn error_of_columns(missing: &[Arc<str>]) -> String {
    format!("there is no column {}", list(missing))
}

impl From<PredictError> for Refusal {
    fn from(error: PredictError) -> Self {
        Self::Data {
            message: error.to_string(),
            row: error.row,
            field: error.field,
            allowed: error.allowed,
        }
    }
}

impl From<GivenUp> for Refusal {
    fn from(why: GivenUp) -> Self {
        match why {
            GivenUp::Stalled => Self::Stalled,
            GivenUp::Broken => Self::Broken,
            GivenUp::TooLarge { limit } => Self::TooLarge { limit },
            GivenUp::Busy => Self::Busy,
        }
    }
}

fn list(names: &[Arc<str>]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

fn unknown(name: &str, nearest: Option<&str>, fields: &[Arc<str>]) -> String {
    let meant = match nearest {
        Some(nearest) => format!(" (did you mean {nearest:?}?)"),
        None => String::new(),
    };
    format!(
        "the model has no field {name:?}{meant}; it has {}, and there are the options {}",
        list(fields),
        NAMES.join(", ")
    )
}
