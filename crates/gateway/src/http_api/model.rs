//! How a route of an API leads to a model.

use aws_wire::Body;
use bytes::Bytes;
use engine::http_apis::{IntegrationTarget, ModelTarget};
use http::Response;
use http::request::Parts;

use super::{ApiRequest, HttpApiGateway};
use crate::map_routes::GivenUp;
use crate::model_service::{ModelCall, ModelRoute, Refusal};

/// Says what is wrong with the options of a model, for who makes an integration of it.
pub fn check_model(target: &ModelTarget) -> Result<(), String> {
    route(target).map(|_| ())
}

fn route(target: &ModelTarget) -> Result<ModelRoute, String> {
    let (bucket, key) = (target.bucket.clone(), target.key.clone());
    ModelRoute::new(bucket, key, target.options.clone())
}

impl ApiRequest {
    /// The model that it goes to, if it goes to one.
    pub(super) fn model(&self) -> Option<&ModelTarget> {
        let integration = self.found.endpoint.integration.as_ref()?;
        match &integration.target {
            IntegrationTarget::Model(model) => Some(model),
            _ => None,
        }
    }
}

impl HttpApiGateway {
    /// Hands a request to its model.
    pub(super) async fn predict(
        &self,
        target: &ModelTarget,
        request: &ApiRequest,
        parts: &Parts,
        body: Result<Bytes, GivenUp>,
    ) -> Response<Body> {
        let route = match route(target) {
            Ok(route) => route,
            // It was looked at when it was made.
            Err(why) => {
                tracing::error!(model = target.uri(), why, "a model's options do not hold");
                return Refusal::Internal.respond(request.request_id);
            }
        };
        let tally = request.tally();
        let call = ModelCall {
            parts,
            route: &route,
            request_id: request.request_id,
            tally: tally.as_deref(),
        };
        let rules = request.served.cors.as_ref();
        self.models.handle(&call, rules, "", body).await
    }
}

/// The answer to a request whose body was given up.
pub(super) fn refuse(request: &ApiRequest, why: GivenUp) -> Response<Body> {
    Refusal::from(why).respond(request.request_id)
}
