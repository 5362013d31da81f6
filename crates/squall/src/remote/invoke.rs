//! Functions of an engine or of AWS, invoked over the wire.

use std::sync::Arc;

use aws_client::{Client, ClientError, Patience, Pool, Reply};
use aws_wire::{body, form};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use types::{
    FunctionError, FunctionName, Invocation, Invoke, InvokeError, Outcome, Qualifier, RequestId,
    Version,
};

use super::refusal::{error_kind, invoke_error, transport_error};

const SERVICE: &str = "lambda";
/// What an answer may hold. AWS's limit is a tenth of it; an engine's can be set.
const ANSWER_BYTES: usize = 64 << 20;

/// Invokes functions and waits for them, with the end of their logs.
#[derive(Debug, Clone)]
pub struct LambdaInvoke {
    client: Client,
    pool: Arc<Pool>,
}

impl LambdaInvoke {
    pub fn new(client: Client) -> Self {
        Self {
            pool: client.pool(SERVICE),
            client,
        }
    }

    async fn request(
        &self,
        invocation: Invocation,
    ) -> Result<Request<aws_wire::Body>, InvokeError> {
        let refused = |detail: String| InvokeError::Refused { detail };
        let target = target(&invocation.function, invocation.qualifier.as_ref());
        let request = Request::builder()
            .method(Method::POST)
            .uri(target)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, invocation.payload.len())
            .header("x-amz-log-type", "Tail");
        let request = request
            .body(())
            .map_err(|error| refused(error.to_string()))?;
        let (mut parts, ()) = request.into_parts();
        if let Some(context) = &invocation.client_context {
            insert(
                &mut parts,
                "x-amz-client-context",
                &STANDARD.encode(context),
            )?;
        }
        if let Some(trace) = &invocation.trace_id {
            insert(&mut parts, "x-amzn-trace-id", trace)?;
        }
        self.client
            .sign(&mut parts, SERVICE, Some(&invocation.payload))
            .await
            .map_err(|error| unsigned(&error))?;
        Ok(Request::from_parts(parts, body::full(invocation.payload)))
    }
}

impl Invoke for LambdaInvoke {
    async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let sent = invocation.payload.len() as u64;
        let request = self.request(invocation).await?;
        let reply = self.pool.send(request, Patience::FUNCTIONS).await;
        let mut reply = reply.map_err(|error| transport_error(&error))?;
        let body = reply.whole(ANSWER_BYTES).await;
        let body = body.map_err(|error| transport_error(&error))?;
        if reply.status == StatusCode::OK {
            outcome(&reply, body)
        } else {
            let code = reply.header("x-amzn-errortype");
            Err(invoke_error(reply.status, code, &body, sent))
        }
    }
}

fn outcome(reply: &Reply, body: Bytes) -> Result<Outcome, InvokeError> {
    let log_tail = match reply.header("x-amz-log-result") {
        Some(text) => STANDARD.decode(text).unwrap_or_default(),
        None => vec![],
    };
    let id = reply
        .header("x-amzn-requestid")
        .and_then(|id| id.parse().ok());
    let version = reply.header("x-amz-executed-version");
    let version: Result<Version, _> = version.unwrap_or("$LATEST").parse();
    let version = version.map_err(|error| InvokeError::Unreachable {
        detail: format!("the answer is not one of Lambda: {error}"),
    })?;
    let result = match reply.header("x-amz-function-error") {
        None => Ok(body),
        Some(_) => Err(FunctionError {
            kind: error_kind(&body, &log_tail),
            payload: body,
        }),
    };
    Ok(Outcome {
        request_id: id.unwrap_or_else(RequestId::random),
        version,
        result,
        log_tail: log_tail.into(),
    })
}

/// Keys could not be got, which may pass, or do not fit.
fn unsigned(error: &ClientError) -> InvokeError {
    let detail = error.line();
    if error.is_unsure() {
        InvokeError::Unreachable { detail }
    } else {
        InvokeError::Refused { detail }
    }
}

fn target(function: &FunctionName, qualifier: Option<&Qualifier>) -> String {
    let mut target = format!(
        "/2015-03-31/functions/{}/invocations",
        form::encode(function.as_str())
    );
    if let Some(qualifier) = qualifier {
        target.push_str("?Qualifier=");
        target.push_str(&form::encode(&qualifier.to_string()));
    }
    target
}

fn insert(parts: &mut Parts, name: &'static str, value: &str) -> Result<(), InvokeError> {
    let value = HeaderValue::from_str(value).map_err(|error| InvokeError::Refused {
        detail: format!("{name} cannot be sent: {error}"),
    })?;
    parts.headers.insert(name, value);
    Ok(())
}
