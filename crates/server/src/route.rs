//! Which service a request on the API port is for, and in whose words it is
//! refused. AWS has a host per service; here one port stands for all of them, so
//! the request itself must tell.

use aws_wire::sigv4::{self, AuthError};
use aws_wire::{Body, error};
use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use types::limits::Limits;

use crate::http::{CONTROL_BODY_BYTES, Refusal};
use crate::settings::base64_len;

const IAM_NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The services behind the API port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Alive or not; for everyone.
    Health,
    /// Squall's own pages under `/_squall/`.
    Own,
    /// The package behind a `Code.Location`: the link carries its own proof.
    Code,
    Lambda,
    Logs,
    Iam,
    Sts,
    /// EventBridge: rules and custom events.
    Events,
    /// EventBridge Scheduler.
    Scheduler,
    /// SSM, as far as parameters go.
    Ssm,
    /// API Gateway v2: HTTP APIs.
    ApiGateway,
    /// Services that are not built, by the protocol in which their clients expect
    /// to be told so: JSON with a target, a form answered by XML, REST JSON.
    OtherJson,
    OtherQuery,
    OtherRest,
    /// What has no sign of another service is S3: any path may be a bucket.
    S3,
}

impl Route {
    pub fn of(head: &Parts) -> Self {
        let path = head.uri.path();
        if is_s3_host(head) {
            return Self::S3;
        }
        if is_dated(path) && !is_signed_for_s3(head) {
            return Self::Lambda;
        }
        if path == "/_squall/health" {
            return Self::Health;
        }
        if path.starts_with("/_squall/code/") {
            return Self::Code;
        }
        if path.starts_with("/_squall/") {
            return Self::Own;
        }
        if let Some(target) = head.headers.get("x-amz-target") {
            return match target.as_bytes() {
                target if target.starts_with(b"Logs_20140328.") => Self::Logs,
                target if target.starts_with(b"AWSEvents.") => Self::Events,
                target if target.starts_with(b"AmazonSSM.") => Self::Ssm,
                _ => Self::OtherJson,
            };
        }
        let form = is_form(head);
        match claimed_service(head).as_deref() {
            Some("sts") => Self::Sts,
            Some("iam") => Self::Iam,
            Some("lambda") => Self::Lambda,
            Some("logs") => Self::Logs,
            Some("events") => Self::Events,
            Some("scheduler") => Self::Scheduler,
            Some("ssm") => Self::Ssm,
            Some("apigateway") => Self::ApiGateway,
            Some("s3") => Self::S3,
            Some(_) if form => Self::OtherQuery,
            Some(_) => Self::OtherRest,
            // Unsigned calls are refused anyway; this decides in which words.
            None if form => Self::Sts,
            None => Self::S3,
        }
    }

    /// Whether the request must be signed with a key of this engine. S3 looks for
    /// itself: it has more forms of proof, and what is public needs none.
    pub fn is_signed(self) -> bool {
        !matches!(self, Self::Health | Self::Code | Self::S3)
    }

    /// The name under which a signature for this service must be made; `None`
    /// takes any, where nothing can be changed.
    pub fn signing_name(self) -> Option<&'static str> {
        match self {
            Self::Lambda => Some("lambda"),
            Self::Logs => Some("logs"),
            Self::Iam => Some("iam"),
            Self::Sts => Some("sts"),
            Self::Events => Some("events"),
            Self::Scheduler => Some("scheduler"),
            Self::Ssm => Some("ssm"),
            Self::ApiGateway => Some("apigateway"),
            Self::S3
            | Self::Health
            | Self::Own
            | Self::Code
            | Self::OtherJson
            | Self::OtherQuery
            | Self::OtherRest => None,
        }
    }

    /// How large a body may be, judged before it is read.
    pub fn body_limit(self, head: &Parts, limits: &Limits) -> u64 {
        if self != Self::Lambda {
            return CONTROL_BODY_BYTES;
        }
        match operation(head) {
            Operation::Invoke => limits.sync_payload_bytes,
            Operation::InvokeEvent => limits.async_payload_bytes,
            Operation::Code(_) => base64_len(limits.zip_bytes),
            Operation::Other => CONTROL_BODY_BYTES,
        }
    }

    /// The answer to a body that was not taken.
    pub fn refuse(self, head: &Parts, refusal: Refusal) -> Response<Body> {
        let Refusal::TooLarge { limit, size, .. } = refusal else {
            return self.give_up(refusal);
        };
        let (code, message) = too_large(operation(head), limit, size);
        self.error(StatusCode::PAYLOAD_TOO_LARGE, code, &message)
    }

    /// The answer to a body that did not come as it should.
    pub fn give_up(self, refusal: Refusal) -> Response<Body> {
        let (status, code, message) = match refusal {
            Refusal::Stalled => (
                // S3 alone does not say it by the status.
                if self == Self::S3 {
                    StatusCode::BAD_REQUEST
                } else {
                    StatusCode::REQUEST_TIMEOUT
                },
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period.",
            ),
            Refusal::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceException",
                "Too many large requests at once; please try again.",
            ),
            Refusal::Broken if self == Self::S3 => (
                StatusCode::BAD_REQUEST,
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header.",
            ),
            Refusal::Broken => (
                StatusCode::BAD_REQUEST,
                "IncompleteBody",
                "The request body ended before it was complete.",
            ),
            Refusal::TooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLargeException",
                "The request is too large.",
            ),
        };
        self.error(status, code, message)
    }

    pub fn refuse_signature(self, refused: &AuthError) -> Response<Body> {
        let code = match self {
            Self::Iam | Self::Sts | Self::OtherQuery => refused.query_code(),
            _ => refused.code(),
        };
        self.error(refused.status(), code, &refused.to_string())
    }

    /// An error in the shape that clients of this service read.
    pub fn error(self, status: StatusCode, code: &str, message: &str) -> Response<Body> {
        match self {
            Self::Health
            | Self::Own
            | Self::Code
            | Self::Lambda
            | Self::Scheduler
            | Self::ApiGateway
            | Self::OtherRest => error::rest_json(status, code, message, &[]),
            Self::Logs | Self::Events | Self::Ssm | Self::OtherJson => {
                error::json11(status, code, message)
            }
            Self::Iam => error::query_xml(status, IAM_NAMESPACE, code, message),
            Self::OtherQuery => error::query_xml(status, "", code, message),
            Self::Sts => error::query_xml(status, STS_NAMESPACE, code, message),
            Self::S3 => error::s3_xml(status, code, message, ""),
        }
    }
}

/// What a Lambda call is, as far as the size of its body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Invoke,
    InvokeEvent,
    /// A call that may bring a zip, by its name at AWS.
    Code(&'static str),
    Other,
}

fn operation(head: &Parts) -> Operation {
    let path = head.uri.path().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    match (&head.method, last) {
        (&Method::POST, "invocations") => {
            let kind = head.headers.get("x-amz-invocation-type");
            if kind.is_some_and(|kind| kind.as_bytes() == b"Event") {
                Operation::InvokeEvent
            } else {
                Operation::Invoke
            }
        }
        (&Method::POST, "response-streaming-invocations") => Operation::Invoke,
        (&Method::POST, "invoke-async") => Operation::InvokeEvent,
        (&Method::POST, "functions") => Operation::Code("CreateFunction"),
        (&Method::PUT, "code") => Operation::Code("UpdateFunctionCode"),
        (&Method::POST, "versions") if path.contains("/layers/") => {
            Operation::Code("PublishLayerVersion")
        }
        _ => Operation::Other,
    }
}

fn too_large(operation: Operation, limit: u64, size: u64) -> (&'static str, String) {
    match operation {
        Operation::Invoke => (
            "RequestTooLargeException",
            format!("Request must be smaller than {limit} bytes for the InvokeFunction operation"),
        ),
        Operation::InvokeEvent => (
            "RequestTooLargeException",
            format!(
                "{size} byte payload is too large for the Event invocation type (limit {limit} bytes)"
            ),
        ),
        Operation::Code(name) => (
            "RequestEntityTooLargeException",
            format!("Request must be smaller than {limit} bytes for the {name} operation"),
        ),
        Operation::Other => (
            "RequestEntityTooLargeException",
            format!("Request must be smaller than {limit} bytes"),
        ),
    }
}

/// The service in the scope that a signature claims to be for.
pub fn claimed_service(head: &Parts) -> Option<String> {
    sigv4::credential_scope(head).map(|scope| scope.service)
}

/// `/2015-03-31/...`: Lambda's paths begin with the date of their version.
fn is_dated(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() > 11
        && bytes.starts_with(b"/20")
        && bytes[11] == b'/'
        && bytes[1..11].iter().enumerate().all(|(i, byte)| match i {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// A key of S3 may look like a path of Lambda's. This is asked for every
/// invocation, so it only looks.
fn is_signed_for_s3(head: &Parts) -> bool {
    const SCOPE_END: &[u8] = b"/s3/aws4_request";
    let signed = head.headers.get(header::AUTHORIZATION);
    if let Some(signed) = signed {
        let signed = signed.as_bytes();
        return signed.windows(SCOPE_END.len()).any(|end| end == SCOPE_END);
    }
    head.uri.query().is_some() && claimed_service(head).as_deref() == Some("s3")
}

/// `BUCKET.s3.localhost` and its like.
fn is_s3_host(head: &Parts) -> bool {
    let host = head.headers.get(header::HOST);
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    // Nearly all hosts are not, and to say so must cost nothing.
    let mut pairs = host.as_bytes().windows(2);
    pairs.any(|pair| pair.eq_ignore_ascii_case(b"s3")) && s3_api::is_s3_host(host)
}

fn is_form(head: &Parts) -> bool {
    head.method == Method::POST
        && head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
            kind.as_bytes()
                .starts_with(b"application/x-www-form-urlencoded")
        })
}

#[cfg(test)]
mod tests;
