//! Why a request gets no table, and how that is said: JSON with the kind of error, a
//! sentence, the status once more, and whatever helps to mend it.

use aws_wire::{Body, body};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use map::payload::ItemError;
use serde_json::{Map, Value, json};
use types::RequestId;

use super::accept::Kind;
use super::asked::{Pairs, shortened};

/// Methods that a route of this type takes.
pub(crate) const ALLOWED: &str = "PUT, POST, OPTIONS";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{method} is not for this path; it takes {allowed}")]
    Method {
        method: String,
        allowed: &'static str,
    },
    #[error("pages of other sites may not call this route; --cors lets an origin in")]
    Stranger,
    #[error("there is nothing at {path}; a table goes to the route itself")]
    NoSuchPath { path: String },
    #[error("there is no option {name:?}; there are {}", there.join(", "))]
    UnknownOption {
        name: String,
        there: &'static [&'static str],
    },
    #[error("the option {name} is {given:?}; it may be {may_be}")]
    BadOption {
        name: &'static str,
        given: String,
        may_be: String,
    },
    #[error("the option {name} is given twice")]
    OptionTwice { name: String },
    #[error("none of what Accept asks for can be made; there are {}", Kind::list())]
    NotAcceptable,
    #[error(
        "a body of {given:?} cannot be read; there are text/csv, application/x-ndjson, application/vnd.apache.parquet and application/vnd.apache.arrow.file"
    )]
    MediaType { given: String },
    /// Its form does not hold what the function wants.
    #[error("{message}")]
    MediaTypeOf { message: String },
    #[error("a body in the encoding {given:?} cannot be read; there are gzip and zstd")]
    Encoding { given: String },
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the body is empty: there is not even a header")]
    Empty,
    #[error("there is no column {}; there are {}", list(missing), list(there))]
    Columns {
        missing: Vec<String>,
        there: Vec<String>,
    },
    /// `row` counts from 1, without the header.
    #[error("{message}")]
    Data {
        message: String,
        row: Option<u64>,
        column: Option<String>,
    },
    #[error("{message}")]
    DataTooLarge { message: String },
    #[error("the body did not come to its end")]
    Broken,
    #[error("the body brought nothing for too long")]
    Stalled,
    /// The function is not there, or may not be run.
    #[error("{message}")]
    NoFunction { message: String },
    /// It cannot have items of this kind.
    #[error("the function may not be run: {detail}")]
    ItemKind { detail: String },
    /// The function cannot be brought up: its own error.
    #[error("{}: {}", .0.error_type, .0.error_message)]
    Function(ItemError),
    #[error("{message}")]
    Items {
        message: String,
        failed: usize,
        failures: Value,
    },
    /// What the function answered is no table.
    #[error("{message}")]
    Results { message: String },
    #[error("the function is throttled: its concurrency is used up by others")]
    Throttled,
    #[error("as many requests as may run at once are running")]
    Busy,
    #[error("the function's endpoint cannot be reached: {detail}")]
    Unreachable { detail: String },
    #[error("not all items were done within {seconds} seconds; {done} of {items} were")]
    OutOfTime { seconds: u64, items: u64, done: u64 },
    #[error("the time was over before all of the body was read")]
    LongData,
    #[error("the job was cancelled")]
    Cancelled,
    #[error("there is no job {id}")]
    NoJob { id: String },
    #[error("the job {id} was taken away, and its result with it")]
    JobGone { id: String },
    #[error("the job {id} is {state}; its result is not there yet")]
    NotFinished { id: String, state: String },
    #[error("there is no room for one more job: {waiting} wait")]
    QueueFull { waiting: usize },
    #[error("there is no room on the disk for this data set")]
    NoRoom,
    #[error("something went wrong here; the log of the service says what")]
    Internal,
}

impl Refusal {
    /// Something of ours, which only the log is told.
    pub fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a map request failed: {what}");
        Self::Internal
    }

    /// What is wrong with the kind of items is a mistake of who asked for it: of a request,
    /// if it has chosen another one than its route.
    pub fn of_request(self, route: &Pairs, asked: &Pairs) -> Self {
        match (self, asked.get("item")) {
            (Self::ItemKind { detail }, Some(kind)) if route.get("item") != Some(kind) => {
                Self::BadOption {
                    name: "item",
                    given: shortened(kind),
                    may_be: format!("another kind, or left out: {detail}"),
                }
            }
            (other, _) => other,
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Stranger => StatusCode::FORBIDDEN,
            Self::NoSuchPath { .. } | Self::NoJob { .. } => StatusCode::NOT_FOUND,
            Self::UnknownOption { .. }
            | Self::BadOption { .. }
            | Self::OptionTwice { .. }
            | Self::Empty
            | Self::Data { .. }
            | Self::Broken => StatusCode::BAD_REQUEST,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType { .. } | Self::MediaTypeOf { .. } | Self::Encoding { .. } => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::TooLarge { .. } | Self::DataTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Columns { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::NoFunction { .. }
            | Self::ItemKind { .. }
            | Self::Function(_)
            | Self::Items { .. }
            | Self::Results { .. }
            | Self::Unreachable { .. } => StatusCode::BAD_GATEWAY,
            Self::Throttled | Self::QueueFull { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutOfTime { .. } | Self::LongData => StatusCode::GATEWAY_TIMEOUT,
            Self::Cancelled | Self::NotFinished { .. } => StatusCode::CONFLICT,
            Self::JobGone { .. } => StatusCode::GONE,
            Self::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn kind(&self) -> &str {
        match self {
            Self::Method { .. } => "MethodNotAllowed",
            Self::Stranger => "ForeignOrigin",
            Self::NoSuchPath { .. } => "NotFound",
            Self::UnknownOption { .. } | Self::BadOption { .. } | Self::OptionTwice { .. } => {
                "InvalidOption"
            }
            Self::NotAcceptable => "NotAcceptable",
            Self::MediaType { .. } | Self::MediaTypeOf { .. } => "UnsupportedMediaType",
            Self::Encoding { .. } => "UnsupportedEncoding",
            Self::TooLarge { .. } => "BodyTooLarge",
            Self::DataTooLarge { .. } => "DataTooLarge",
            Self::Empty => "EmptyBody",
            Self::Columns { .. } => "MissingColumn",
            Self::Data { .. } => "InvalidData",
            Self::Broken => "BodyIncomplete",
            Self::Stalled => "BodyStalled",
            Self::NoFunction { .. } | Self::ItemKind { .. } => "FunctionUnavailable",
            Self::Function(error) => &error.error_type,
            Self::Items { .. } => "ItemsFailed",
            Self::Results { .. } => "InvalidResults",
            Self::Throttled => "Throttled",
            Self::Busy => "Busy",
            Self::Unreachable { .. } => "FunctionUnreachable",
            Self::OutOfTime { .. } | Self::LongData => "OutOfTime",
            Self::Cancelled => "Cancelled",
            Self::NoJob { .. } => "JobNotFound",
            Self::NotFinished { .. } => "JobNotFinished",
            Self::JobGone { .. } => "JobGone",
            Self::QueueFull { .. } => "TooManyJobs",
            Self::NoRoom => "InsufficientStorage",
            Self::Internal => "InternalError",
        }
    }

    /// What a program may want to know without reading sentences.
    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Method { allowed, .. } => {
                json!({ "allowed": allowed.split(", ").collect::<Vec<_>>() })
            }
            Self::UnknownOption { name, there } => json!({ "option": name, "options": there }),
            Self::BadOption {
                name,
                given,
                may_be,
            } => {
                json!({ "option": name, "given": given, "may_be": may_be })
            }
            Self::OptionTwice { name } => json!({ "option": name }),
            Self::TooLarge { limit } => json!({ "limit": limit }),
            Self::Columns { missing, there } => {
                let there = there.iter().take(TOLD).map(|name| shortened(name));
                json!({ "missing": missing, "columns": there.collect::<Vec<_>>() })
            }
            Self::Data { row, column, .. } => {
                let mut details = Map::new();
                details.extend(row.map(|row| ("row".to_owned(), row.into())));
                let column = column.as_deref();
                details.extend(column.map(|column| ("column".to_owned(), column.into())));
                Value::Object(details)
            }
            Self::Function(error) => json!({ "stackTrace": error.stack_trace }),
            Self::Items {
                failed, failures, ..
            } => json!({ "failed": failed, "failures": failures }),
            Self::OutOfTime { items, done, .. } => json!({ "items": items, "done": done }),
            Self::NotFinished { state, .. } => json!({ "state": state }),
            _ => Value::Null,
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }

    /// Seconds after which it is worth to ask again.
    fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Throttled | Self::NotFinished { .. } => Some(1),
            Self::Busy => Some(5),
            Self::QueueFull { .. } => Some(30),
            _ => None,
        }
    }

    /// The error as an object, such as the outcome of a job holds it.
    pub fn shown(&self, request_id: RequestId) -> Value {
        let mut object = Map::new();
        object.insert("errorType".to_owned(), self.kind().into());
        object.insert("message".to_owned(), self.to_string().into());
        object.insert("httpStatus".to_owned(), self.status().as_u16().into());
        object.insert("request_id".to_owned(), request_id.to_string().into());
        object.extend(self.details());
        Value::Object(object)
    }

    pub fn respond(&self, request_id: RequestId) -> Response<Body> {
        let mut response = error_response(self.status(), &self.shown(request_id));
        let headers = response.headers_mut();
        if let Self::Method { allowed, .. } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

pub(crate) fn error_response(status: StatusCode, error: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(error.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;
/// Names that a program is told. A body may be nothing but names, and the answer must
/// not be larger than it.
const TOLD: usize = 1000;

fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED);
    let shown = shown.map(|name| format!("{:?}", shortened(name)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_to_people_and_to_programs() {
        let refusal = Refusal::Data {
            message: "row 3: column \"value\": expected a number, found \"x\"".to_owned(),
            row: Some(3),
            column: Some("value".to_owned()),
        };
        let id = RequestId::random();
        assert_eq!(
            refusal.shown(id),
            json!({
                "errorType": "InvalidData",
                "message": "row 3: column \"value\": expected a number, found \"x\"",
                "httpStatus": 400,
                "request_id": id.to_string(),
                "row": 3,
                "column": "value",
            })
        );
        let refusal = Refusal::Columns {
            missing: vec!["id".to_owned()],
            there: vec!["a".to_owned(), "b".to_owned()],
        };
        let shown = refusal.shown(id);
        assert_eq!(
            shown["message"],
            r#"there is no column "id"; there are "a", "b""#
        );
        assert_eq!(shown["missing"], json!(["id"]));
        assert_eq!(shown["httpStatus"], 422);
    }

    #[test]
    fn headers_say_what_may_be_done_instead() {
        let id = RequestId::random();
        let response = Refusal::Method {
            method: "GET".to_owned(),
            allowed: ALLOWED,
        }
        .respond(id);
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "PUT, POST, OPTIONS");
        assert_eq!(Refusal::Throttled.respond(id).headers()["retry-after"], "1");
        let function = Refusal::Function(ItemError {
            error_type: "Runtime.ImportModuleError".to_owned(),
            error_message: "No module named 'scipy'".to_owned(),
            stack_trace: vec![],
        });
        assert_eq!(function.status(), 502);
        assert_eq!(function.shown(id)["errorType"], "Runtime.ImportModuleError");
    }
}
