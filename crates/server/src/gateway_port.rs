//! Function URLs: the gateway decides what a request means, and whether it must
//! be signed.

use std::sync::Arc;

use aws_wire::sigv4::Verifier;
use aws_wire::{Body, error};
use bytes::Bytes;
use engine::Engine;
use gateway::Gateway;
use http::request::Parts;
use http::{Request, Response, StatusCode};

use crate::http::{Port, Refusal};
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct GatewayPort {
    gateway: Gateway,
    body_bytes: u64,
}

impl GatewayPort {
    pub fn new(engine: &Engine, verifier: Arc<Verifier>, settings: &Settings) -> Self {
        Self {
            gateway: Gateway::new(engine.clone(), verifier),
            body_bytes: settings.config.limits.gateway_body_bytes,
        }
    }
}

impl Port for GatewayPort {
    fn body_limit(&self, _head: &Parts) -> u64 {
        self.body_bytes
    }

    fn refuse(&self, _head: &Parts, refusal: Refusal) -> Response<Body> {
        let (status, message) = match refusal {
            Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Refusal::Stalled => (StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Refusal::Broken => (StatusCode::BAD_REQUEST, "Bad Request"),
        };
        error::rest_json(status, "", "", &[("Message", message.into())])
    }

    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        self.gateway.handle(request).await
    }
}
