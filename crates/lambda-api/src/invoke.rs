//! Invocations: synchronous, by event, dry, streamed, and the legacy form. This
//! is the hot path: the payload is looked at once and never copied.

use aws_wire::{Body, body};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use serde::de::IgnoredAny;
use types::{Invocation, Invoke as _, InvokeError, Outcome, Qualifier, RequestId, Version};

use crate::error::{ApiError, unparsable};
use crate::request::{Answer, Call, json};
use crate::stream;
use crate::validate::Faults;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// What AWS lets a client context grow to, in base64.
const CLIENT_CONTEXT_BYTES: usize = 3_583;

/// What a function gets when the client sent nothing.
const NO_PAYLOAD: Bytes = Bytes::from_static(b"{}");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
            Self::DryRun => "DryRun",
        }
    }
}

pub(crate) async fn invoke(mut call: Call<'_>, name: &str) -> Answer {
    let kind = kind(&call)?;
    let tail = wants_log(&call)?;
    let invocation = invocation(&mut call, name, kind)?;
    let request_id = invocation.request_id;
    let engine = &call.api.engine;
    match kind {
        Kind::RequestResponse => {
            let target = Asked::of(&invocation);
            let outcome = engine.invoke(invocation).await;
            Ok(answer(outcome.map_err(|e| target.explain(&call, e))?, tail))
        }
        Kind::Event => {
            let target = Asked::of(&invocation);
            let accepted = engine.invoke_async(invocation).await;
            accepted.map_err(|e| target.explain(&call, e))?;
            Ok(bare(StatusCode::ACCEPTED, request_id))
        }
        Kind::DryRun => {
            let target = Asked::of(&invocation);
            let version = engine.dry_run(&invocation);
            version.map_err(|e| target.explain(&call, e))?;
            Ok(bare(StatusCode::NO_CONTENT, request_id))
        }
    }
}

/// `POST /2014-11-13/functions/NAME/invoke-async/`, which old tools still send.
pub(crate) async fn legacy_async(mut call: Call<'_>, name: &str) -> Answer {
    let invocation = invocation(&mut call, name, Kind::Event)?;
    let target = Asked::of(&invocation);
    let accepted = call.api.engine.invoke_async(invocation).await;
    accepted.map_err(|e| target.explain(&call, e))?;
    json(StatusCode::ACCEPTED, &serde_json::json!({ "Status": 202 }))
}

pub(crate) async fn streaming(mut call: Call<'_>, name: &str) -> Answer {
    let kind = kind(&call)?;
    let tail = wants_log(&call)?;
    let invocation = invocation(&mut call, name, kind)?;
    let target = Asked::of(&invocation);
    let engine = &call.api.engine;
    match kind {
        Kind::RequestResponse => {
            let stream = engine.invoke_streaming(invocation).await;
            let stream = stream.map_err(|e| target.explain(&call, e))?;
            Ok(stream::answer(stream, tail))
        }
        Kind::DryRun => {
            let request_id = invocation.request_id;
            let version = engine.dry_run(&invocation);
            version.map_err(|e| target.explain(&call, e))?;
            Ok(bare(StatusCode::NO_CONTENT, request_id))
        }
        Kind::Event => {
            let mut faults = Faults::default();
            let all = [("RequestResponse", ()), ("DryRun", ())];
            faults.one_of("Event", "invocationType", &all);
            faults.none()?;
            Err(ApiError::UnknownOperation)
        }
    }
}

fn kind(call: &Call<'_>) -> Result<Kind, ApiError> {
    let Some(text) = call.header("x-amz-invocation-type") else {
        return Ok(Kind::RequestResponse);
    };
    let all = [Kind::Event, Kind::RequestResponse, Kind::DryRun].map(|kind| (kind.as_str(), kind));
    let mut faults = Faults::default();
    let kind = faults.one_of(text, "invocationType", &all);
    faults.none()?;
    Ok(kind.unwrap_or(Kind::RequestResponse))
}

fn wants_log(call: &Call<'_>) -> Result<bool, ApiError> {
    let Some(text) = call.header("x-amz-log-type") else {
        return Ok(false);
    };
    let mut faults = Faults::default();
    let tail = faults.one_of(text, "logType", &[("None", false), ("Tail", true)]);
    faults.none()?;
    Ok(tail.unwrap_or(false))
}

/// Reads the request into an invocation; the body moves into it.
fn invocation(call: &mut Call<'_>, name: &str, kind: Kind) -> Result<Invocation, ApiError> {
    let target = call.target(name)?;
    let limits = call.api.engine.limits();
    let limit = match kind {
        Kind::Event => limits.async_payload_bytes,
        Kind::RequestResponse | Kind::DryRun => limits.sync_payload_bytes,
    };
    let size = call.body.len() as u64;
    if size > limit {
        let kind = kind.as_str();
        return Err(ApiError::PayloadTooLarge { size, limit, kind });
    }
    let client_context = call.header("x-amz-client-context");
    let client_context = client_context.map(read_client_context).transpose()?;
    let trace_id = call.header("x-amzn-trace-id").map(str::to_owned);
    let payload = match std::mem::take(&mut call.body) {
        empty if empty.is_empty() => NO_PAYLOAD,
        payload => {
            check_json(&payload)?;
            payload
        }
    };
    Ok(Invocation {
        function: target.name,
        qualifier: target.qualifier,
        request_id: RequestId::random(),
        payload,
        client_context,
        trace_id,
        tally: None,
    })
}

/// Any JSON value will do, but JSON it must be, and so UTF-8.
fn check_json(payload: &[u8]) -> Result<(), ApiError> {
    let refuse = |detail: String| ApiError::InvalidContent(unparsable(&detail));
    let text = std::str::from_utf8(payload).map_err(|e| refuse(e.to_string()))?;
    serde_json::from_str::<IgnoredAny>(text)
        .map(|_| ())
        .map_err(|e| refuse(e.to_string()))
}

fn read_client_context(text: &str) -> Result<String, ApiError> {
    let refuse = || {
        ApiError::InvalidContent(
            "Client context must be a valid Base64-encoded JSON object.".to_owned(),
        )
    };
    if text.len() > CLIENT_CONTEXT_BYTES {
        return Err(ApiError::InvalidContent(format!(
            "Client context must be no more than {CLIENT_CONTEXT_BYTES} bytes."
        )));
    }
    let bytes = STANDARD.decode(text).map_err(|_| refuse())?;
    let json = String::from_utf8(bytes).map_err(|_| refuse())?;
    let is_object = json.trim_start().starts_with('{');
    if !is_object || serde_json::from_str::<IgnoredAny>(&json).is_err() {
        return Err(refuse());
    }
    Ok(json)
}

/// What was to be invoked, to name it if it is not there.
struct Asked {
    function: types::FunctionName,
    qualifier: Option<Qualifier>,
    size: u64,
}

impl Asked {
    fn of(invocation: &Invocation) -> Self {
        Self {
            function: invocation.function.clone(),
            qualifier: invocation.qualifier.clone(),
            size: invocation.payload.len() as u64,
        }
    }

    /// AWS names the version that it looked for, `$LATEST` where none was asked for.
    fn explain(self, call: &Call<'_>, error: InvokeError) -> ApiError {
        match error {
            InvokeError::NotFound { .. } => {
                let latest = Qualifier::Version(Version::Latest);
                let qualifier = self.qualifier.unwrap_or(latest);
                let arn = call.scope().qualified_arn(&self.function, &qualifier);
                ApiError::NotFound(format!("Function not found: {arn}"))
            }
            InvokeError::PayloadTooLarge { limit, .. } => ApiError::PayloadTooLarge {
                size: self.size,
                limit,
                kind: Kind::RequestResponse.as_str(),
            },
            other => ApiError::Invoke(other),
        }
    }
}

/// The answer of an invocation that ran, whether or not the function failed.
fn answer(outcome: Outcome, tail: bool) -> Response<Body> {
    let (payload, failed) = match outcome.result {
        Ok(payload) => (payload, false),
        Err(error) => (error.payload, true),
    };
    let mut response = Response::new(body::full(payload));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REQUEST_ID, id_value(outcome.request_id));
    headers.insert(EXECUTED_VERSION, version_value(outcome.version));
    if failed {
        headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    if tail && let Ok(log) = HeaderValue::from_str(&STANDARD.encode(&outcome.log_tail)) {
        headers.insert(LOG_RESULT, log);
    }
    response
}

/// An answer without a body.
fn bare(status: StatusCode, request_id: RequestId) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(REQUEST_ID, id_value(request_id));
    response
}

pub(crate) fn id_value(id: RequestId) -> HeaderValue {
    HeaderValue::from_str(&id.to_string()).expect("a UUID is a valid header value")
}

pub(crate) fn version_value(version: Version) -> HeaderValue {
    match version {
        Version::Latest => HeaderValue::from_static("$LATEST"),
        Version::Number(number) => HeaderValue::from(number),
    }
}

/// The headers that a streamed answer shares with a buffered one.
pub(crate) fn mark(response: &mut Response<Body>, id: RequestId, version: Version) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id_value(id));
    headers.insert(EXECUTED_VERSION, version_value(version));
}
