//! `squall model serve`: a model on an address of this machine, with the same answers as
//! a route of the gateway.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_wire::Body;
use gateway::model_service::{
    Freshness, ModelRoute, ModelSource, ServedModel, Standalone, TooLarge,
};
use http::Request;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::source::{FileSource, ObjectSource};
use crate::args::{Global, ServeArgs};
use crate::commands::session;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::place::Remote;

/// Connections at one time.
const CONNECTIONS: usize = 256;
/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(30);
const BODY_BYTES: usize = 10 * 1024 * 1024;

const OF_FILES: Freshness = Freshness {
    every: Duration::ZERO,
    patience: Duration::from_millis(100),
    first: Duration::from_mins(1),
};
const OF_OBJECTS: Freshness = Freshness {
    every: Duration::from_secs(2),
    ..OF_FILES
};

pub async fn run(global: &Global, args: ServeArgs) -> Result<(), Failure> {
    let options = args.set.iter().cloned().collect();
    let route = ModelRoute::standalone(options).map_err(Failure::mistake)?;
    if args.model.starts_with("s3://") {
        let place = Remote::parse(&args.model)?;
        let source = ObjectSource::new(session::s3(global, 1)?, place);
        return serve(global, &args, source, OF_OBJECTS, route).await;
    }
    let source = FileSource(args.model.clone().into());
    serve(global, &args, source, OF_FILES, route).await
}

async fn serve<S: ModelSource>(
    global: &Global,
    args: &ServeArgs,
    source: S,
    freshness: Freshness,
    route: ModelRoute,
) -> Result<(), Failure> {
    let served = Arc::new(ServedModel::new(source, freshness));
    // What cannot be served at all is told now, and not to the first client.
    served.ready().await.map_err(Failure::mistake)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await;
    let listener = listener
        .with_context(|| format!("cannot listen on port {}", args.port))
        .map_err(|error| Failure::new(Kind::Mistake, error).hint("another one: --port 0"))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    let url = format!("http://{address}/");
    if global.json {
        output::json(&serde_json::json!({ "event": "ready", "url": url }))?;
    } else {
        output::line(&url)?;
        output::note("GET tells what it wants; Ctrl-C ends it");
    }
    let service = Arc::new(Standalone::new(served, route, &args.cors));
    tokio::select! {
        () = accept(listener, service) => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn accept<S: ModelSource>(listener: TcpListener, service: Arc<Standalone<S>>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is free; one will be.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let service = Arc::clone(&service);
                async move { Ok::<_, Infallible>(answer(&service, request).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = served.await;
            drop(slot);
        });
    }
}

async fn answer<S: ModelSource>(
    service: &Standalone<S>,
    request: Request<Incoming>,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    if !server::Hosts::default().admit_request(&parts) {
        return misdirected();
    }
    let body = Limited::new(body, BODY_BYTES).collect().await;
    let limit = BODY_BYTES as u64;
    let body = body.map_err(|error| {
        let is_large = error.is::<http_body_util::LengthLimitError>();
        is_large.then_some(TooLarge { limit })
    });
    let body = body.map(http_body_util::Collected::to_bytes);
    service.answer(&parts, body).await
}

/// The page of another site had its own name lead here.
fn misdirected() -> http::Response<Body> {
    let text = "this host is not a name of this machine; ask 127.0.0.1 or localhost\n";
    let mut response = http::Response::new(aws_wire::body::full(text));
    *response.status_mut() = http::StatusCode::MISDIRECTED_REQUEST;
    response
}
