//! How invocations fail, read from what AWS and our engine answer.

use aws_client::TransportError;
use http::StatusCode;
use serde_json::Value;
use types::{FunctionErrorKind, InvokeError, ThrottleReason};

/// Of a synchronous invocation on AWS, for a message that does not say it.
const PAYLOAD_BYTES: u64 = 6_291_556;
/// After so many rounds AWS ends a loop.
const LOOP_ROUNDS: u32 = 16;

/// An answer that is no success, as `status`, the code of its header, and its body.
pub fn invoke_error(
    status: StatusCode,
    header: Option<&str>,
    body: &[u8],
    payload: u64,
) -> InvokeError {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| document[*name].as_str());
        found.unwrap_or_default().to_owned()
    };
    let named = text(["__type", "code"]);
    let code = header.unwrap_or(&named);
    // Services put a namespace before it and a URL behind it.
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = text(["message", "Message"]);
    let detail = match (code, message.as_str()) {
        ("", "") => status.to_string(),
        ("", message) => message.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    match (code, status) {
        ("ResourceNotFoundException", _) => InvokeError::NotFound {
            arn: message
                .strip_prefix("Function not found: ")
                .map_or(message.clone(), str::to_owned),
        },
        ("RequestTooLargeException", _) | (_, StatusCode::PAYLOAD_TOO_LARGE) => {
            InvokeError::PayloadTooLarge {
                size: payload,
                limit: limit_in(&message).unwrap_or(PAYLOAD_BYTES),
            }
        }
        ("InvalidRequestContentException", _) => InvokeError::InvalidPayload { detail: message },
        ("RecursiveInvocationException", _) => InvokeError::Looped { depth: LOOP_ROUNDS },
        (_, StatusCode::TOO_MANY_REQUESTS) => InvokeError::Throttled {
            reason: reason(document["Reason"].as_str().unwrap_or_default()),
        },
        // A function that is being updated is there again a moment later.
        ("ResourceConflictException" | "ResourceNotReadyException" | "RequestTimeout", _) => {
            InvokeError::Unreachable { detail }
        }
        (_, status) if status.is_server_error() => InvokeError::Unreachable { detail },
        _ => InvokeError::Refused { detail },
    }
}

pub fn transport_error(error: &TransportError) -> InvokeError {
    InvokeError::Unreachable {
        detail: error.line(),
    }
}

fn reason(text: &str) -> ThrottleReason {
    match text {
        "ReservedFunctionConcurrentInvocationLimitExceeded" => {
            ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded
        }
        "ConcurrentInvocationLimitExceeded" => ThrottleReason::ConcurrentInvocationLimitExceeded,
        // There are more of them, and all are about requests per second.
        _ => ThrottleReason::CallerRateLimitExceeded,
    }
}

/// `... payload is too large for the RequestResponse invocation type (limit N bytes)`
fn limit_in(message: &str) -> Option<u64> {
    let (_, behind) = message.split_once("limit ")?;
    behind.split(' ').next()?.parse().ok()
}

/// What kind of failure an error object of a function stands for. `report` is the end
/// of the invocation's log.
pub fn error_kind(payload: &[u8], report: &[u8]) -> FunctionErrorKind {
    let document: Value = serde_json::from_slice(payload).unwrap_or_default();
    let name = document["errorType"].as_str().unwrap_or_default();
    let message = document["errorMessage"].as_str().unwrap_or_default();
    match name {
        "Runtime.OutOfMemory" => FunctionErrorKind::OutOfMemory,
        // Older hosts of AWS have no word of their own for it.
        "Runtime.ExitError" if message.ends_with("signal: killed") => {
            FunctionErrorKind::OutOfMemory
        }
        "Runtime.ExitError" | "Sandbox.Failure" => FunctionErrorKind::Exited,
        "Sandbox.Timedout" => FunctionErrorKind::TimedOut,
        "" if message.contains("Task timed out after") => FunctionErrorKind::TimedOut,
        "Function.ResponseSizeTooLarge" => FunctionErrorKind::ResponseTooLarge,
        "Runtime.ImportModuleError"
        | "Runtime.HandlerNotFound"
        | "Runtime.MalformedHandlerName"
        | "Runtime.UserCodeSyntaxError"
        | "Runtime.InvalidEntrypoint"
        | "Runtime.InvalidWorkingDir"
        | "Runtime.InvalidTaskConfig" => FunctionErrorKind::Init,
        _ if name.starts_with("Extension.") => FunctionErrorKind::Init,
        // The report names the errors of those that did not come to their handler.
        _ if contains(report, b"Status: error\tError Type:") => FunctionErrorKind::Init,
        _ => FunctionErrorKind::Raised,
    }
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, header: Option<&str>, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        format!("{:?}", invoke_error(status, header, body.as_bytes(), 7))
    }

    #[test]
    fn refusals_are_told_apart_by_whether_they_pass() {
        for (given, wanted) in [
            (
                error(
                    404,
                    Some("ResourceNotFoundException"),
                    r#"{"Message":"Function not found: arn:x"}"#,
                ),
                r#"NotFound { arn: "arn:x" }"#,
            ),
            (
                error(
                    429,
                    Some("TooManyRequestsException:http://x"),
                    r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}"#,
                ),
                "Throttled { reason: ReservedFunctionConcurrentInvocationLimitExceeded }",
            ),
            (
                error(
                    429,
                    None,
                    r#"{"Reason":"FunctionInvocationRateLimitExceeded"}"#,
                ),
                "Throttled { reason: CallerRateLimitExceeded }",
            ),
            (
                error(
                    413,
                    Some("RequestTooLargeException"),
                    r#"{"Message":"7 byte payload is too large (limit 5 bytes)"}"#,
                ),
                "PayloadTooLarge { size: 7, limit: 5 }",
            ),
            (
                error(413, None, ""),
                "PayloadTooLarge { size: 7, limit: 6291556 }",
            ),
            (
                error(403, Some("AccessDeniedException"), r#"{"Message":"no"}"#),
                r#"Refused { detail: "AccessDeniedException: no" }"#,
            ),
            (
                error(
                    403,
                    None,
                    r#"{"__type":"com.aws#InvalidSignatureException","message":"no"}"#,
                ),
                r#"Refused { detail: "InvalidSignatureException: no" }"#,
            ),
            (
                error(
                    409,
                    Some("ResourceConflictException"),
                    r#"{"Message":"Pending"}"#,
                ),
                r#"Unreachable { detail: "ResourceConflictException: Pending" }"#,
            ),
            (
                error(502, None, "<html>"),
                r#"Unreachable { detail: "502 Bad Gateway" }"#,
            ),
        ] {
            assert_eq!(given, wanted);
        }
    }

    #[test]
    fn kinds_are_read_from_payloads_of_aws_and_of_ours() {
        let kind = |payload: &str| error_kind(payload.as_bytes(), b"REPORT RequestId: x");
        for (payload, wanted) in [
            (
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"x"}"#,
                FunctionErrorKind::TimedOut,
            ),
            (
                r#"{"errorMessage":"2024-01-01T00:00:00.000Z 1-2 Task timed out after 3.00 seconds"}"#,
                FunctionErrorKind::TimedOut,
            ),
            (
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: signal: killed"}"#,
                FunctionErrorKind::OutOfMemory,
            ),
            (
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: exit status 1"}"#,
                FunctionErrorKind::Exited,
            ),
            (
                r#"{"errorType":"Runtime.ImportModuleError"}"#,
                FunctionErrorKind::Init,
            ),
            (
                r#"{"errorType":"Function.ResponseSizeTooLarge"}"#,
                FunctionErrorKind::ResponseTooLarge,
            ),
            // A handler may raise one of its own that says so.
            (
                r#"{"errorType":"ValueError","errorMessage":"Task timed out after 3 seconds"}"#,
                FunctionErrorKind::Raised,
            ),
            ("?", FunctionErrorKind::Raised),
        ] {
            assert_eq!(kind(payload), wanted, "{payload}");
        }
        let report = b"REPORT RequestId: x\tDuration: 1 ms\tStatus: error\tError Type: NameError\n";
        let init = error_kind(br#"{"errorType":"NameError"}"#, report);
        assert_eq!(init, FunctionErrorKind::Init);
    }
}
