//! What clients get of an HTTP API where nothing behind a route answers: problems (RFC
//! 9457), with API Gateway's own words in `message`, so that its clients find them.

use aws_wire::{Body, body};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use types::{InvokeError, RequestId};

/// Nobody is told to come again later than this.
const LONGEST_PAUSE: u64 = 3600;

/// Why a request got no answer from what its route leads to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiRefusal {
    #[error("nothing is here: no API, stage or route has this host and path")]
    NotFound,
    /// `allow` is what the path takes.
    #[error("the path takes other methods: {allow}")]
    Method { allow: String },
    /// The route leads nowhere.
    #[error("the route has no target that could answer")]
    NoTarget,
    #[error("the route leads on and on: past {0} others, or back to itself")]
    Loop(usize),
    #[error("the path has what no page's name has, such as .., an empty part or a coded slash")]
    BadPath,
    #[error("the route is called more often than its rate allows; come again later")]
    TooOften { retry_after_ms: u64 },
    #[error("the route works on as many requests as it may; come again later")]
    Full,
    #[error("no policy lets the gateway invoke the route's function")]
    NotPermitted,
    #[error("there was no answer in time")]
    TooSlow,
    /// The function failed, or answered what is no HTTP response.
    #[error("the function failed, or gave no answer that is one of HTTP; its log says more")]
    BadAnswer,
    #[error("the function was not run")]
    NotRun(#[source] InvokeError),
    #[error("the page could not be read")]
    NotRead,
    #[error("the body is larger than the route takes")]
    TooLarge,
    #[error("the body did not come")]
    Stalled,
    #[error("the body broke off")]
    Broken,
    #[error("there is no room for the body now; come again later")]
    Busy,
}

/// A problem as it is written.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: String,
    message: &'a str,
}

/// An answer of the gateway itself. `message` is AWS's word for it, `detail` what is wrong.
pub(super) fn problem(
    status: StatusCode,
    message: &str,
    detail: &str,
    request_id: RequestId,
) -> Response<Body> {
    let written = serde_json::to_vec(&Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or(message),
        status: status.as_u16(),
        detail,
        request_id: request_id.to_string(),
        message,
    });
    let written = written.expect("texts and numbers are valid JSON");
    let mut response = Response::new(body::full(written));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl ApiRefusal {
    pub fn respond(&self, request_id: RequestId) -> Response<Body> {
        let (status, message) = self.status();
        let detail = match self {
            // Names and sizes of what is inside are for the log.
            Self::NotRun(error) => not_run(error).to_owned(),
            other => other.to_string(),
        };
        let mut response = problem(status, message, &detail, request_id);
        let headers = response.headers_mut();
        match self {
            Self::Method { allow } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(ALLOW, allow);
                }
            }
            Self::TooOften { retry_after_ms } => {
                let seconds = retry_after_ms.div_ceil(1000).clamp(1, LONGEST_PAUSE);
                headers.insert(RETRY_AFTER, seconds.into());
            }
            Self::Full | Self::Busy | Self::NotRun(InvokeError::Throttled { .. }) => {
                headers.insert(RETRY_AFTER, 1.into());
            }
            _ => {}
        }
        response
    }

    /// In a word or two, for who watches.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Method { .. } => "method",
            Self::NoTarget => "no target",
            Self::Loop(_) => "loop",
            Self::BadPath => "path",
            Self::TooOften { .. } => "rate",
            Self::Full => "concurrency",
            Self::NotPermitted => "not permitted",
            Self::TooSlow => "too slow",
            Self::BadAnswer => "no answer",
            Self::NotRun(_) => "not run",
            Self::NotRead => "not read",
            Self::TooLarge => "body size",
            Self::Stalled => "body stalled",
            Self::Broken => "body broken",
            Self::Busy => "no room",
        }
    }

    fn status(&self) -> (StatusCode, &'static str) {
        const FAILED: (StatusCode, &str) =
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        const UNAVAILABLE: (StatusCode, &str) =
            (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        const TOO_LARGE: (StatusCode, &str) =
            (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        match self {
            Self::NotFound | Self::BadPath => (StatusCode::NOT_FOUND, "Not Found"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
            Self::NoTarget | Self::NotPermitted | Self::BadAnswer | Self::NotRead => FAILED,
            Self::Loop(_) => (StatusCode::LOOP_DETECTED, "Loop Detected"),
            Self::TooOften { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
            Self::TooSlow | Self::Busy | Self::Full => UNAVAILABLE,
            Self::TooLarge => TOO_LARGE,
            Self::Stalled => (StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Self::Broken => (StatusCode::BAD_REQUEST, "Bad Request"),
            Self::NotRun(error) => match error {
                InvokeError::PayloadTooLarge { .. } => TOO_LARGE,
                InvokeError::Throttled { .. }
                | InvokeError::ShuttingDown
                | InvokeError::QueueFull => UNAVAILABLE,
                InvokeError::NotFound { .. } | InvokeError::Looped { .. } => FAILED,
                InvokeError::InvalidPayload { .. }
                | InvokeError::Unreachable { .. }
                | InvokeError::Refused { .. }
                | InvokeError::Internal { .. } => {
                    tracing::error!(%error, "an API's request failed");
                    FAILED
                }
            },
        }
    }
}

fn not_run(error: &InvokeError) -> &'static str {
    match error {
        InvokeError::PayloadTooLarge { .. } => "the request is larger than its function takes",
        InvokeError::Throttled { .. } => "all that may run of the function runs; come again later",
        InvokeError::ShuttingDown => "the gateway is being shut down",
        InvokeError::QueueFull => "no more work is taken now; come again later",
        InvokeError::NotFound { .. } => "the route's function is not there",
        InvokeError::Looped { .. } => "the function has called itself too often",
        InvokeError::InvalidPayload { .. }
        | InvokeError::Unreachable { .. }
        | InvokeError::Refused { .. }
        | InvokeError::Internal { .. } => "the function could not be run; the log says why",
    }
}
