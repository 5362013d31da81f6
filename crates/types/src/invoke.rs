//! One invocation, what can come out of it, and the trait behind which the
//! engine or AWS stands.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::names::{FunctionName, Qualifier, RequestId, Version};
use crate::tally::Tally;

/// A request to run a function once and wait for its answer.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub function: FunctionName,
    pub qualifier: Option<Qualifier>,
    pub request_id: RequestId,
    pub payload: Bytes,
    /// JSON, as the client sent it (already out of base64).
    pub client_context: Option<String>,
    /// X-Ray header, handed through.
    pub trace_id: Option<String>,
    /// On which it is put what the invocation used.
    pub tally: Option<Arc<Tally>>,
}

impl Invocation {
    pub fn new(function: FunctionName, payload: impl Into<Bytes>) -> Self {
        Self {
            function,
            qualifier: None,
            request_id: RequestId::random(),
            payload: payload.into(),
            client_context: None,
            trace_id: None,
            tally: None,
        }
    }
}

/// The end of an invocation that ran. A user function that fails is a value.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub request_id: RequestId,
    /// The version that answered, after aliases and weights.
    pub version: Version,
    pub result: Result<Bytes, FunctionError>,
    /// The last 4 KB of the invocation's log.
    pub log_tail: Bytes,
}

/// How a user function failed; `payload` is the JSON object that the client gets.
#[derive(Debug, Clone)]
pub struct FunctionError {
    pub kind: FunctionErrorKind,
    pub payload: Bytes,
}

/// Who noticed. On today's Lambda both travel as `Unhandled`, but retries and
/// reports want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionErrorKind {
    /// The handler raised, and its runtime reported it.
    Raised,
    /// The runtime could not be brought up: import error, wrong handler name.
    Init,
    /// The process ended without an answer.
    Exited,
    OutOfMemory,
    TimedOut,
    ResponseTooLarge,
}

impl FunctionErrorKind {
    /// A short word for records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "error",
            Self::Init => "init-error",
            Self::Exited => "exited",
            Self::OutOfMemory => "out-of-memory",
            Self::TimedOut => "timeout",
            Self::ResponseTooLarge => "response-too-large",
        }
    }
}

/// Why an invocation did not run at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    #[error("function not found: {arn}")]
    NotFound { arn: String },
    #[error("rate exceeded")]
    Throttled { reason: ThrottleReason },
    #[error("payload of {size} bytes is over the limit of {limit} bytes")]
    PayloadTooLarge { size: u64, limit: u64 },
    #[error("could not parse request body into json: {detail}")]
    InvalidPayload { detail: String },
    #[error("the engine is shutting down")]
    ShuttingDown,
    #[error("the queue of accepted events is full")]
    QueueFull,
    /// The function was called by itself, over others or not, once too often.
    #[error("the function has been invoked {depth} times in one chain of requests")]
    Looped { depth: u32 },
    /// The way there is broken, or the other side is: it may be mended a moment later.
    #[error("the function cannot be reached: {detail}")]
    Unreachable { detail: String },
    /// The other side says no, and will say it again.
    #[error("the call was refused: {detail}")]
    Refused { detail: String },
    /// Ours to mend; the detail is in the log.
    #[error("internal error: {detail}")]
    Internal { detail: String },
}

/// The `Reason` of a `TooManyRequestsException`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleReason {
    ConcurrentInvocationLimitExceeded,
    ReservedFunctionConcurrentInvocationLimitExceeded,
    CallerRateLimitExceeded,
}

impl ThrottleReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::CallerRateLimitExceeded => "CallerRateLimitExceeded",
        }
    }
}

/// Something that can run functions: the engine in this process, or AWS.
pub trait Invoke: Send + Sync {
    fn invoke(
        &self,
        invocation: Invocation,
    ) -> impl Future<Output = Result<Outcome, InvokeError>> + Send;
}
