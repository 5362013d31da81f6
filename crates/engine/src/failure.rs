//! The ways in which a function fails, in AWS's words.

use std::sync::Arc;

use bytes::Bytes;
use sandbox::{Exit, SandboxError};
use serde_json::{Value, json};
use types::{FunctionError, FunctionErrorKind, RequestId};

/// Why there is no answer from the handler.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The runtime reported an error of the handler; the object as it came.
    Raised(Bytes),
    /// The runtime could not load the function.
    Init(Value),
    InitTimeout {
        seconds: f64,
    },
    Exited(Exit),
    OutOfMemory,
    TimedOut {
        seconds: u32,
    },
    ResponseTooLarge {
        limit: u64,
    },
    /// Not the function's doing: the sandbox refused.
    Sandbox(String),
}

impl Failure {
    pub(crate) fn kind(&self) -> FunctionErrorKind {
        match self {
            Self::Raised(_) => FunctionErrorKind::Raised,
            Self::Init(_) | Self::InitTimeout { .. } => FunctionErrorKind::Init,
            Self::Exited(_) | Self::Sandbox(_) => FunctionErrorKind::Exited,
            Self::OutOfMemory => FunctionErrorKind::OutOfMemory,
            Self::TimedOut { .. } => FunctionErrorKind::TimedOut,
            Self::ResponseTooLarge { .. } => FunctionErrorKind::ResponseTooLarge,
        }
    }

    /// The object that the client gets, and a line for the log where the
    /// function's own runtime has not written one.
    pub(crate) fn report(&self, request_id: RequestId) -> (FunctionError, Option<String>) {
        let (payload, line) = match self {
            Self::Raised(payload) => (payload.clone(), None),
            Self::Init(error) => (init_payload(error, request_id), None),
            Self::InitTimeout { seconds } => with_line(
                "Sandbox.Timedout",
                &format!(
                    "RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds"
                ),
            ),
            Self::Exited(exit) => with_line(
                "Runtime.ExitError",
                &format!("RequestId: {request_id} Error: {}", describe(*exit)),
            ),
            Self::OutOfMemory => with_line(
                "Runtime.OutOfMemory",
                &format!(
                    "RequestId: {request_id} Error: Runtime exited with error: signal: killed"
                ),
            ),
            Self::TimedOut { seconds } => with_line(
                "Sandbox.Timedout",
                &format!(
                    "RequestId: {request_id} Error: Task timed out after {seconds}.00 seconds"
                ),
            ),
            Self::ResponseTooLarge { limit } => with_line(
                "Function.ResponseSizeTooLarge",
                &format!(
                    "Response payload size exceeded maximum allowed payload size ({limit} bytes)."
                ),
            ),
            Self::Sandbox(detail) => with_line(
                "Sandbox.Failure",
                &format!("RequestId: {request_id} Error: {detail}"),
            ),
        };
        let error = FunctionError {
            kind: self.kind(),
            payload,
        };
        (error, line)
    }
}

/// Why there is no instance, and what the function wrote before it failed.
#[derive(Debug, Clone)]
pub(crate) struct StartFailure {
    pub(crate) failure: Failure,
    pub(crate) log: Arc<[u8]>,
}

impl From<Failure> for StartFailure {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            log: Arc::default(),
        }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        use std::error::Error as _;
        let cause = error
            .source()
            .map_or(String::new(), |cause| format!(": {cause}"));
        Self::Sandbox(format!("{error}{cause}"))
    }
}

/// AWS names the request in errors that happened before there was one.
fn init_payload(error: &Value, request_id: RequestId) -> Bytes {
    let mut error = error.clone();
    if let Some(fields) = error.as_object_mut()
        && fields.get("requestId").is_some_and(|id| id == "")
    {
        fields.insert("requestId".to_owned(), json!(request_id.to_string()));
    }
    error.to_string().into()
}

fn with_line(kind: &str, message: &str) -> (Bytes, Option<String>) {
    let payload = json!({ "errorType": kind, "errorMessage": message });
    let line = if message.starts_with("RequestId") {
        format!("{message}\n{kind}")
    } else {
        format!("[ERROR] {kind}: {message}")
    };
    (payload.to_string().into(), Some(line))
}

fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => "Runtime exited without providing a reason".to_owned(),
        Exit::Code(code) => format!("Runtime exited with error: exit status {code}"),
        Exit::Signal(signal) => {
            format!(
                "Runtime exited with error: signal: {}",
                signal_words(signal)
            )
        }
        Exit::Killed => "Runtime exited with error: signal: killed".to_owned(),
    }
}

/// The words of the C library, which AWS's messages use.
fn signal_words(signal: i32) -> String {
    match signal {
        1 => "hangup".to_owned(),
        2 => "interrupt".to_owned(),
        3 => "quit".to_owned(),
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        13 => "broken pipe".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(failure: &Failure) -> Value {
        let id = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        serde_json::from_slice(&failure.report(id).0.payload).unwrap()
    }

    #[test]
    fn the_words_are_those_of_aws() {
        assert_eq!(
            payload(&Failure::TimedOut { seconds: 3 }),
            json!({
                "errorType": "Sandbox.Timedout",
                "errorMessage": "RequestId: 11111111-2222-4333-8444-555555555555 \
                                 Error: Task timed out after 3.00 seconds"
            })
        );
        assert_eq!(
            payload(&Failure::Exited(Exit::Signal(11)))["errorMessage"],
            "RequestId: 11111111-2222-4333-8444-555555555555 \
             Error: Runtime exited with error: signal: segmentation fault"
        );
    }

    #[test]
    fn an_init_error_names_the_request() {
        let error = json!({ "errorMessage": "m", "requestId": "" });
        assert_eq!(
            payload(&Failure::Init(error))["requestId"],
            "11111111-2222-4333-8444-555555555555"
        );
    }
}
