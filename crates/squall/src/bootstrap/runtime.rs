//! The conversation with Lambda, from inside: the next event, and its answer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use types::Timestamp;

const VERSION: &str = "2018-06-01";
/// Where Lambda says nothing of a deadline.
const NO_DEADLINE: Duration = Duration::from_mins(15);

/// Lambda's runtime API.
#[derive(Debug)]
pub struct Runtime {
    /// `HOST:PORT`.
    api: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// An event that came.
#[derive(Debug)]
pub struct Invoked {
    pub request_id: String,
    pub event: Bytes,
    /// By when it must be answered, in milliseconds since 1970.
    deadline: Option<i64>,
}

impl Invoked {
    pub fn time_left(&self) -> Duration {
        let Some(deadline) = self.deadline else {
            return NO_DEADLINE;
        };
        let left = u64::try_from(deadline - Timestamp::now().0);
        Duration::from_millis(left.unwrap_or(0))
    }
}

impl Runtime {
    pub fn new(api: String) -> Self {
        Self {
            api,
            connection: None,
        }
    }

    /// Waits for the next event, for as long as it takes: between two, Lambda lets
    /// the process sleep.
    pub async fn next(&mut self) -> Result<Invoked> {
        let asked = self.send(Method::GET, "invocation/next", None, Bytes::new());
        let (status, headers, event) = asked.await?;
        ensure!(
            status == StatusCode::OK,
            "asked for an event, Lambda answered {status}"
        );
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = header("lambda-runtime-aws-request-id");
        Ok(Invoked {
            request_id: request_id.context("an event has no request id")?.to_owned(),
            deadline: header("lambda-runtime-deadline-ms").and_then(|text| text.parse().ok()),
            event,
        })
    }

    pub async fn respond(&mut self, request_id: &str, answer: Vec<u8>) -> Result<()> {
        let path = format!("invocation/{request_id}/response");
        self.tell(&path, None, answer.into()).await
    }

    pub async fn fail(&mut self, request_id: &str, kind: &str, message: &str) -> Result<()> {
        let path = format!("invocation/{request_id}/error");
        self.tell(&path, Some(kind), error(kind, message)).await
    }

    /// The function cannot be served at all.
    pub async fn fail_init(&mut self, kind: &str, message: &str) -> Result<()> {
        self.tell("init/error", Some(kind), error(kind, message))
            .await
    }

    async fn tell(&mut self, path: &str, kind: Option<&str>, body: Bytes) -> Result<()> {
        let (status, _, text) = self.send(Method::POST, path, kind, body).await?;
        // An answer that is too large is refused, and Lambda has told the client.
        if !status.is_success() {
            let text = String::from_utf8_lossy(&text);
            crate::output::note(&format!("Lambda did not take an answer: {status} {text}"));
        }
        Ok(())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/{VERSION}/runtime/{path}"))
            .header(HOST, &self.api);
        if let Some(kind) = kind {
            request = request.header("lambda-runtime-function-error-type", kind);
        }
        let request = request.body(Full::new(body))?;
        let (head, body) = self.answer(request).await?.into_parts();
        let body = body.collect().await.context("Lambda's answer broke off")?;
        Ok((head.status, head.headers, body.to_bytes()))
    }

    /// Over the connection of the last time, as long as that holds.
    async fn answer(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let mut kept = self.connection.take();
        let holds = match &mut kept {
            Some(connection) => connection.ready().await.is_ok(),
            None => false,
        };
        let mut connection = match kept {
            Some(connection) if holds => connection,
            _ => self.connect().await?,
        };
        let answer = connection.send_request(request).await;
        let answer = answer.with_context(|| format!("Lambda does not answer at {}", self.api))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.api).await;
        let stream = stream.with_context(|| format!("Lambda does not answer at {}", self.api))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn error(kind: &str, message: &str) -> Bytes {
    let error = json!({ "errorType": kind, "errorMessage": message, "stackTrace": [] });
    error.to_string().into()
}
