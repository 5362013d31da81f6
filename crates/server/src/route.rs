//! Which service a request on the API port is for, and in whose words it is
//! refused. AWS has a host per service; here one port stands for all of them, so
//! the request itself must tell.

use aws_wire::sigv4::{self, AuthError};
use aws_wire::{Body, error};
use http::request::Parts;
use http::{Method, Response, StatusCode};
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
        if is_dated(path) {
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
            return if target.as_bytes().starts_with(b"Logs_20140328.") {
                Self::Logs
            } else {
                Self::OtherJson
            };
        }
        let form = is_form(head);
        match claimed_service(head).as_deref() {
            Some("sts") => Self::Sts,
            Some("iam") => Self::Iam,
            Some("lambda") => Self::Lambda,
            Some("logs") => Self::Logs,
            Some("s3") => Self::S3,
            Some(_) if form => Self::OtherQuery,
            Some(_) => Self::OtherRest,
            // Unsigned calls are refused anyway; this decides in which words.
            None if form => Self::Sts,
            None => Self::S3,
        }
    }

    /// Whether the request must be signed with a key of this engine.
    pub fn is_signed(self) -> bool {
        !matches!(self, Self::Health | Self::Code)
    }

    /// The name under which a signature for this service must be made; `None`
    /// takes any, where nothing can be changed.
    pub fn signing_name(self) -> Option<&'static str> {
        match self {
            Self::Lambda => Some("lambda"),
            Self::Logs => Some("logs"),
            Self::Iam => Some("iam"),
            Self::Sts => Some("sts"),
            Self::S3 => Some("s3"),
            Self::Health
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
        let (status, code, message) = match refusal {
            Refusal::TooLarge { limit, size, .. } => {
                let (code, message) = too_large(operation(head), limit, size);
                (StatusCode::PAYLOAD_TOO_LARGE, code, message)
            }
            Refusal::Stalled => (
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period.".to_owned(),
            ),
            Refusal::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceException",
                "Too many large requests at once; please try again.".to_owned(),
            ),
            Refusal::Broken => (
                StatusCode::BAD_REQUEST,
                "IncompleteBody",
                "The request body ended before it was complete.".to_owned(),
            ),
        };
        self.error(status, code, &message)
    }

    pub fn refuse_signature(self, refused: &AuthError) -> Response<Body> {
        let code = match self {
            Self::Iam | Self::Sts | Self::OtherQuery => refused.query_code(),
            Self::S3 => refused.s3_code(),
            _ => refused.code(),
        };
        self.error(refused.status(), code, &refused.to_string())
    }

    /// An error in the shape that clients of this service read.
    pub fn error(self, status: StatusCode, code: &str, message: &str) -> Response<Body> {
        match self {
            Self::Health | Self::Own | Self::Code | Self::Lambda | Self::OtherRest => {
                error::rest_json(status, code, message, &[])
            }
            Self::Logs | Self::OtherJson => error::json11(status, code, message),
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

fn is_form(head: &Parts) -> bool {
    head.method == Method::POST
        && head
            .headers
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| {
                kind.as_bytes()
                    .starts_with(b"application/x-www-form-urlencoded")
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn signed_for(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIA/20261121/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=00"
        )
    }

    #[test]
    fn each_service_is_known_by_its_marks() {
        let logs = [("x-amz-target", "Logs_20140328.FilterLogEvents")];
        let events = [("x-amz-target", "AWSEvents.PutRule")];
        let (iam, s3) = (signed_for("iam"), signed_for("s3"));
        let (stacks, schedules) = (signed_for("cloudformation"), signed_for("scheduler"));
        let form = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )];
        for (method, path, headers, expected) in [
            ("GET", "/_squall/health", &[][..], Route::Health),
            ("GET", "/_squall/ps", &[], Route::Own),
            ("GET", "/_squall/code/ab?x=1", &[], Route::Code),
            ("POST", "/2015-03-31/functions", &[], Route::Lambda),
            ("GET", "/2021-10-31/functions/f/url", &[], Route::Lambda),
            ("POST", "/", &logs, Route::Logs),
            ("POST", "/", &events, Route::OtherJson),
            ("POST", "/", &[("authorization", iam.as_str())], Route::Iam),
            ("POST", "/", &form, Route::Sts),
            (
                "POST",
                "/",
                &[form[0], ("authorization", stacks.as_str())],
                Route::OtherQuery,
            ),
            (
                "GET",
                "/schedules/s",
                &[("authorization", schedules.as_str())],
                Route::OtherRest,
            ),
            (
                "GET",
                "/bucket/key",
                &[("authorization", s3.as_str())],
                Route::S3,
            ),
            ("GET", "/2015-03-31", &[], Route::S3),
            ("GET", "/20xx-03-31/functions", &[], Route::S3),
            ("GET", "/", &[], Route::S3),
        ] {
            assert_eq!(
                Route::of(&head(method, path, headers)),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn bodies_are_bounded_by_what_the_call_may_carry() {
        let limits = Limits::default();
        let event = [("x-amz-invocation-type", "Event")];
        let invoke = "/2015-03-31/functions/f/invocations";
        for (method, path, headers, expected) in [
            ("POST", invoke, &[][..], 6 * 1024 * 1024),
            ("POST", invoke, &event, 1024 * 1024),
            ("POST", "/2015-03-31/functions", &[], 69_905_067),
            ("POST", "/2015-03-31/functions/", &[], 69_905_067),
            ("PUT", "/2015-03-31/functions/f/code", &[], 69_905_067),
            ("POST", "/2018-10-31/layers/l/versions", &[], 69_905_067),
            (
                "POST",
                "/2015-03-31/functions/f/versions",
                &[],
                CONTROL_BODY_BYTES,
            ),
        ] {
            let head = head(method, path, headers);
            let route = Route::of(&head);
            assert_eq!(
                route.body_limit(&head, &limits),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn a_refusal_speaks_the_language_of_its_service() {
        let head = head("POST", "/2015-03-31/functions/f/invocations", &[]);
        let refusal = Refusal::TooLarge {
            limit: 10,
            size: 11,
            cut_off: false,
        };
        let response = Route::Lambda.refuse(&head, refusal);
        assert_eq!(response.status(), 413);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "RequestTooLargeException"
        );
        let response = Route::S3.refuse_signature(&AuthError::Missing);
        assert_eq!(response.headers()["content-type"], "application/xml");
        assert_eq!(Route::Logs.refuse(&head, Refusal::Stalled).status(), 408);
    }
}
