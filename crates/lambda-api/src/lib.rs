//! The wire of AWS Lambda: REST JSON in, the engine's operations, REST JSON out.
//!
//! Reading order: [`route`] finds the operation of a path, [`actions`] the
//! permission that it needs; [`request`] is what an
//! operation gets to read from; [`validate`] checks the shapes of members as AWS
//! does; then one module per family of operations, [`shapes`] for what they
//! answer, and [`error`] for what they refuse. [`invoke`] is the hot path.

mod account;
mod actions;
mod aliases;
mod code_link;
mod concurrency;
mod config;
mod create;
mod error;
mod event_config;
mod functions;
mod invoke;
mod layers;
mod names;
mod permissions;
mod request;
mod route;
mod shapes;
mod stream;
#[cfg(test)]
mod tests;
mod update;
mod urls;
mod validate;

use aws_wire::Body;
use bytes::Bytes;
use engine::Engine;
use http::{Request, Response};

use code_link::CodeLinks;
use request::Call;

/// Where clients find what answers point to.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The API itself, such as `http://127.0.0.1:4566`, for clients that send no
    /// `Host` header.
    pub api: String,
    /// A function URL, with `{id}` where the id of the URL belongs and, if wanted,
    /// `{region}`.
    pub function_url: String,
}

/// Answers requests of AWS Lambda clients.
#[derive(Debug, Clone)]
pub struct LambdaApi {
    engine: Engine,
    endpoints: Endpoints,
    links: CodeLinks,
}

impl LambdaApi {
    pub fn new(engine: Engine, endpoints: Endpoints) -> Self {
        Self {
            engine,
            endpoints,
            links: CodeLinks::new(),
        }
    }

    /// One request of a client whose signature was checked, from the path with
    /// the API's date on.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let call = Call {
            api: self,
            parts: &parts,
            body,
        };
        match route::dispatch(call).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        }
    }

    /// `GET /_squall/code/SHA256?...`: the package behind a `Code.Location`. The
    /// link carries its own proof, so no signature is asked for.
    pub async fn handle_code(&self, request: Request<Bytes>) -> Response<Body> {
        self.links.serve(&self.engine, request.uri()).await
    }
}
