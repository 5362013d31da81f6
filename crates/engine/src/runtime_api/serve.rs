//! The HTTP side: `next`, `response`, `error`, as AWS's runtime clients call them.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{HEAD_PATIENCE, PeerCheck, Said, Work};

/// An error object is small; one that is not is cut off.
const ERROR_BYTES: usize = 6 * 1024 * 1024;
/// Connections of one instance that may be open at once.
const CONNECTIONS: usize = 32;

struct Shared {
    work: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    says: mpsc::Sender<Said>,
    /// The invocation that the runtime works on.
    current: Mutex<Option<Current>>,
}

#[derive(Clone)]
struct Current {
    request_id: String,
    response_limit: u64,
}

/// Serves one instance until its listener is dropped.
pub(super) async fn accept(
    listener: TcpListener,
    check: PeerCheck,
    work: mpsc::Receiver<Work>,
    says: mpsc::Sender<Said>,
) {
    let shared = Arc::new(Shared {
        work: tokio::sync::Mutex::new(work),
        says,
        current: Mutex::new(None),
    });
    // Dropped with this future, the set ends all connections.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            continue;
        }
        let (check, shared) = (check.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            let admitted = match stream.local_addr() {
                Ok(own) => check.admits(peer, own).await,
                Err(_) => false,
            };
            if admitted {
                connection(stream, shared).await;
            } else {
                tracing::warn!(%peer, "a stranger tried an instance's runtime socket");
            }
        });
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // The default gathers small packets, which costs 40 ms an answer.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handle(request, &shared).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a runtime's connection ended");
    }
}

async fn handle(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => next(shared).await,
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) => {
            response(request, id, shared).await
        }
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "error"]) => {
            let Some(_) = shared.take_current(id) else {
                return unknown_request();
            };
            let error = error_body(request).await;
            shared.say(Said::Error(error)).await;
            accepted()
        }
        (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
            let error = error_body(request).await;
            shared.say(Said::InitError(error)).await;
            accepted()
        }
        // SnapStart's clients ask for it; there is no snapshot to restore.
        (&Method::GET, ["2018-06-01", "runtime", "restore", "next"]) => {
            status(StatusCode::OK, r#"{"status":"OK"}"#)
        }
        (&Method::POST, ["2018-06-01", "runtime", "restore", "error"]) => accepted(),
        _ => status(
            StatusCode::NOT_FOUND,
            r#"{"errorMessage":"no such operation","errorType":"NotFound"}"#,
        ),
    }
}

impl Shared {
    async fn say(&self, said: Said) {
        // The engine has let go of the instance: there is nobody to tell.
        let _ = self.says.send(said).await;
    }

    /// The invocation, if `id` names the one under way: it ends with this.
    fn take_current(&self, id: &str) -> Option<Current> {
        let mut current = self.current.lock();
        if current.as_ref()?.request_id == id {
            current.take()
        } else {
            None
        }
    }
}

async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    shared.say(Said::Polled).await;
    let work = shared.work.lock().await.recv().await;
    let Some(work) = work else {
        return status(StatusCode::GONE, "{}");
    };
    *shared.current.lock() = Some(Current {
        request_id: work.request_id.clone(),
        response_limit: work.response_limit,
    });
    let mut response = Response::new(Full::new(work.payload));
    let headers = response.headers_mut();
    let deadline = work.deadline.0.to_string();
    insert(headers, "content-type", "application/json");
    insert(headers, "lambda-runtime-aws-request-id", &work.request_id);
    insert(headers, "lambda-runtime-deadline-ms", &deadline);
    insert(headers, "lambda-runtime-invoked-function-arn", &work.arn);
    if let Some(trace) = &work.trace {
        insert(headers, "lambda-runtime-trace-id", trace);
    }
    if let Some(context) = &work.client_context {
        insert(headers, "lambda-runtime-client-context", context);
    }
    response
}

async fn response(request: Request<Incoming>, id: &str, shared: &Shared) -> Response<Full<Bytes>> {
    let Some(current) = shared.take_current(id) else {
        return unknown_request();
    };
    let streaming = request
        .headers()
        .get("lambda-runtime-function-response-mode")
        .is_some_and(|mode| mode == "streaming");
    if streaming {
        return stream(request, shared).await;
    }
    let limit = usize::try_from(current.response_limit).unwrap_or(usize::MAX);
    if let Ok(body) = Limited::new(request.into_body(), limit).collect().await {
        shared.say(Said::Response(body.to_bytes())).await;
        return accepted();
    }
    let limit = current.response_limit;
    shared.say(Said::TooLarge { limit }).await;
    status(
        StatusCode::PAYLOAD_TOO_LARGE,
        r#"{"errorMessage":"response too large","errorType":"RequestEntityTooLarge"}"#,
    )
}

/// A chunked answer, passed on as it comes; trailers may report a late error.
async fn stream(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let content_type = text(request.headers(), "content-type");
    shared.say(Said::StreamHead { content_type }).await;
    let mut body = request.into_body();
    let mut error = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            error = Some((
                "Runtime.TruncatedResponse".to_owned(),
                "the runtime broke off its answer".to_owned(),
            ));
            break;
        };
        match frame.into_data() {
            Ok(data) => shared.say(Said::StreamChunk(data)).await,
            Err(frame) => error = frame.trailers_ref().and_then(trailer_error).or(error),
        }
    }
    shared.say(Said::StreamEnd { error }).await;
    accepted()
}

fn trailer_error(trailers: &HeaderMap) -> Option<(String, String)> {
    use base64::Engine as _;
    let kind = text(trailers, "lambda-runtime-function-error-type")?;
    let body = text(trailers, "lambda-runtime-function-error-body").unwrap_or_default();
    let body = base64::prelude::BASE64_STANDARD
        .decode(body)
        .unwrap_or_default();
    let message = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|error| Some(error.get("errorMessage")?.as_str()?.to_owned()))
        .unwrap_or_default();
    Some((kind, message))
}

/// The error object; where a client sends the type only in a header, it is put in.
async fn error_body(request: Request<Incoming>) -> Bytes {
    let kind = text(request.headers(), "lambda-runtime-function-error-type");
    let body = if request.body().is_end_stream() {
        Bytes::new()
    } else {
        Limited::new(request.into_body(), ERROR_BYTES)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default()
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() {
        return body;
    }
    let message = String::from_utf8_lossy(&body);
    let kind = kind.unwrap_or_else(|| "Runtime.Unknown".to_owned());
    serde_json::json!({ "errorMessage": message, "errorType": kind })
        .to_string()
        .into()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // What a client put into its context may not be fit for a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn accepted() -> Response<Full<Bytes>> {
    status(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn unknown_request() -> Response<Full<Bytes>> {
    status(
        StatusCode::BAD_REQUEST,
        r#"{"errorMessage":"this request is not under way","errorType":"InvalidRequestID"}"#,
    )
}

fn status(code: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = code;
    insert(response.headers_mut(), "content-type", "application/json");
    response
}
