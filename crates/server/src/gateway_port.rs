//! Function URLs, websites and routes: the gateway decides what a request means, and
//! whether it must be signed.

use std::sync::Arc;

use aws_wire::sigv4::Verifier;
use aws_wire::{Body, error};
use buckets::Buckets;
use engine::Engine;
use gateway::{Gateway, GivenUp, MapRoutes, Website};
use http::request::Parts;
use http::{Request, Response, StatusCode};

use crate::http::{Port, Refusal, Unread};
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct GatewayPort {
    gateway: Gateway,
    websites: Website,
    routes: MapRoutes,
    body_bytes: u64,
}

impl GatewayPort {
    pub fn new(
        engine: &Engine,
        buckets: Buckets,
        routes: MapRoutes,
        verifier: Arc<Verifier>,
        settings: &Settings,
    ) -> Self {
        Self {
            gateway: Gateway::new(engine.clone(), verifier),
            websites: Website::new(buckets),
            routes,
            body_bytes: settings.config.limits.gateway_body_bytes,
        }
    }
}

impl Port for GatewayPort {
    async fn handle(&self, head: Parts, body: Unread<'_>) -> Response<Body> {
        if Website::is_for(&head) {
            let (_, rest) = body.pieces();
            let response = self.websites.handle(&head).await;
            return rest.settle(response, refuse).await;
        }
        if !self.gateway.is_for(&head)
            && let Some(route) = self.routes.find(&head)
        {
            // A table may be larger than memory: it is read as it comes.
            let (pieces, rest) = body.pieces();
            let response = Box::pin(self.routes.handle(&route, &head, pieces)).await;
            return rest
                .settle(response, |refusal| route.refuse(give_up(refusal)))
                .await;
        }
        let body = match body.whole(self.body_bytes).await {
            Ok(body) => body,
            Err(refusal) => return refusal.mark(refuse(refusal)),
        };
        let request = Request::from_parts(head, body.bytes);
        let response = self.gateway.handle(request).await;
        drop(body.reserved);
        response
    }
}

/// Only what is left of a body is told by the connection; what is too large is not.
fn give_up(refusal: Refusal) -> GivenUp {
    match refusal {
        Refusal::Stalled => GivenUp::Stalled,
        Refusal::TooLarge { .. } | Refusal::Busy | Refusal::Broken => GivenUp::Broken,
    }
}

fn refuse(refusal: Refusal) -> Response<Body> {
    let (status, message) = match refusal {
        Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        Refusal::Stalled => (StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Refusal::Broken => (StatusCode::BAD_REQUEST, "Bad Request"),
    };
    error::rest_json(status, "", "", &[("Message", message.into())])
}
