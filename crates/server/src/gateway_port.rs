//! Function URLs, HTTP APIs, websites and routes: the gateway decides what a request
//! means, and whether it must be signed.

use std::sync::Arc;

use aws_wire::sigv4::Verifier;
use aws_wire::{Body, error};
use buckets::Buckets;
use engine::Engine;
use gateway::{BringsBody, Found, Gateway, GivenUp, HttpApiGateway, Looked, MapRoutes, Website};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use watch::About;

use crate::http::{Port, Refusal, Unread};
use crate::settings::Settings;
use crate::watching::{Telling, Watching};

#[derive(Debug)]
pub(crate) struct GatewayPort {
    gateway: Gateway,
    websites: Website,
    apis: HttpApiGateway,
    routes: MapRoutes,
    body_bytes: u64,
    watching: Arc<Watching>,
}

impl GatewayPort {
    pub fn new(
        engine: &Engine,
        buckets: Buckets,
        apis: HttpApiGateway,
        routes: MapRoutes,
        verifier: Arc<Verifier>,
        settings: &Settings,
        watching: Arc<Watching>,
    ) -> Self {
        Self {
            gateway: Gateway::new(engine.clone(), verifier),
            websites: Website::new(buckets),
            apis,
            routes,
            body_bytes: settings.config.limits.gateway_body_bytes,
            watching,
        }
    }
}

impl Port for GatewayPort {
    async fn handle(&self, mut head: Parts, body: Unread<'_>) -> Response<Body> {
        let mut telling = Telling::begin(&self.watching.watch, &mut head);
        let body = body.counted(|| telling.count());
        let response = self.serve(head, body).await;
        telling.answer(response)
    }

    fn turn_away(
        &self,
        mut head: Parts,
        why: &'static str,
        mut answer: Response<Body>,
    ) -> Response<Body> {
        let telling = Telling::begin(&self.watching.watch, &mut head);
        answer.extensions_mut().insert(About {
            refused: Some(why),
            ..About::default()
        });
        telling.answer(answer)
    }
}

impl GatewayPort {
    async fn serve(&self, mut head: Parts, body: Unread<'_>) -> Response<Body> {
        if !body.is_empty() {
            head.extensions.insert(BringsBody);
        }
        if Website::is_for(&head) && !self.apis.has_domain(&head) {
            let (_, rest) = body.pieces();
            let response = self.websites.handle(&head).await;
            return rest.settle(response, refuse).await;
        }
        if let Some(looked) = self.apis.look(&head).await {
            return self.handle_api(looked, head, body).await;
        }
        if !self.gateway.is_for(&head)
            && let Some(route) = self.routes.find(&head)
        {
            if route.is_model() {
                return self.predict(&route, head, body).await;
            }
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

    async fn predict(&self, route: &Found, head: Parts, body: Unread<'_>) -> Response<Body> {
        match body.whole(self.body_bytes).await {
            Ok(body) => {
                let response = self.routes.predict(route, &head, Ok(body.bytes)).await;
                drop(body.reserved);
                response
            }
            Err(refusal) => {
                let why = Err(give_up(refusal));
                refusal.mark(self.routes.predict(route, &head, why).await)
            }
        }
    }

    /// A request to an HTTP API, be it there or not.
    async fn handle_api(&self, looked: Looked, head: Parts, body: Unread<'_>) -> Response<Body> {
        match looked {
            Looked::Answered(response) => {
                let (_, rest) = body.pieces();
                rest.settle(response, refuse).await
            }
            Looked::Map(request) if request.needs_body() => {
                let limit = request.body_limit(self.body_bytes);
                let body = match body.whole(limit).await {
                    Ok(body) => body,
                    Err(refusal) => {
                        return refusal.mark(request.refuse(give_up(refusal), &head));
                    }
                };
                let answer = self.apis.map_whole(&request, &head, body.bytes);
                let response = Box::pin(answer).await;
                drop(body.reserved);
                response
            }
            Looked::Map(request) => {
                let (pieces, rest) = body.pieces();
                let response = Box::pin(self.apis.map(&request, &head, pieces)).await;
                rest.settle(response, |refusal| request.refuse(give_up(refusal), &head))
                    .await
            }
            Looked::Whole(request) => {
                let limit = request.body_limit(self.body_bytes);
                let body = match body.whole(limit).await {
                    Ok(body) => body,
                    Err(refusal) => {
                        return refusal.mark(request.refuse(give_up(refusal), &head));
                    }
                };
                let response = self.apis.call(&request, &head, &body.bytes).await;
                drop(body.reserved);
                response
            }
        }
    }
}

fn give_up(refusal: Refusal) -> GivenUp {
    match refusal {
        Refusal::Stalled => GivenUp::Stalled,
        Refusal::TooLarge { limit, .. } => GivenUp::TooLarge { limit },
        Refusal::Busy => GivenUp::Busy,
        Refusal::Broken => GivenUp::Broken,
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
