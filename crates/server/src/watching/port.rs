//! The port for Prometheus: one page, for who may reach the address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::{Body, body, error};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use watch::exposition::CONTENT_TYPE as TEXT;

use super::Watching;
use crate::entrances;
use crate::http::{Connections, Hosts, Listening, Port, Rules, Unread};
use crate::opening;
use crate::settings::Settings;
use crate::start_error::StartError;

/// Prometheus asks with one connection or two.
const CONNECTIONS: usize = 16;
/// How long a stop waits for who reads the page.
const PATIENCE: Duration = Duration::from_secs(1);

/// The listener, with connections of its own: it is to answer when all others are taken.
#[derive(Debug)]
pub(crate) struct MetricsListener {
    listener: Mutex<Option<TcpListener>>,
    address: SocketAddr,
    connections: Connections,
}

impl MetricsListener {
    pub fn open(settings: &Settings) -> Result<Option<Self>, StartError> {
        let Some(address) = settings.config.metrics else {
            return Ok(None);
        };
        let listener = entrances::listen("page for Prometheus", address)?;
        let rules = Rules {
            max_connections: CONNECTIONS,
            ..opening::connection_rules(settings)
        };
        Ok(Some(Self {
            address: entrances::local(&listener)?,
            listener: Mutex::new(Some(listener)),
            connections: Connections::new(rules),
        }))
    }

    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub fn serve(&self, watching: &Arc<Watching>, hosts: Hosts) {
        let Some(listener) = self.listener.lock().take() else {
            return;
        };
        let listening = Listening {
            hosts,
            ..Listening::default()
        };
        let port = Arc::new(MetricsPort(watching.clone()));
        self.connections.serve(listener, listening, port);
    }

    pub async fn close(&self) {
        self.connections.close(PATIENCE).await;
    }
}

#[derive(Debug)]
struct MetricsPort(Arc<Watching>);

impl Port for MetricsPort {
    async fn handle(&self, head: Parts, body: Unread<'_>) -> Response<Body> {
        let (_, rest) = body.pieces();
        let response = match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => page(self.0.metrics().await),
            (_, "/metrics") => {
                let mut response = say(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
                let allowed = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(ALLOW, allowed);
                response
            }
            _ => say(StatusCode::NOT_FOUND, "the page is /metrics\n"),
        };
        let refused = |_| say(StatusCode::BAD_REQUEST, "no body is expected\n");
        let mut response = rest.settle(response, refused).await;
        if head.method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        response
    }
}

/// The page as an answer.
pub(crate) fn page(text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    let kind = HeaderValue::from_static(TEXT);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn say(status: StatusCode, text: &'static str) -> Response<Body> {
    error::respond(status, "text/plain", text)
}
