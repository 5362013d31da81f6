//! How a route of an API leads to a model.

use aws_wire::Body;
use bytes::Bytes;
use engine::http_apis::ModelTarget;
use http::Response;
use http::request::Parts;

use super::{ApiRequest, HttpApiGateway, finish};
use crate::map_routes::GivenUp;
use crate::model_service::{ModelCall, ModelRoute, Refusal};

/// Says what is wrong with the options of a model, for who makes an integration of it.
pub fn check_model(target: &ModelTarget) -> Result<(), String> {
    route(target).map(|_| ())
}

pub(super) fn route(target: &ModelTarget) -> Result<ModelRoute, String> {
    let (bucket, key) = (target.bucket.clone(), target.key.clone());
    ModelRoute::new(bucket, key, target.options.clone())
}

impl HttpApiGateway {
    /// Hands a request to its model.
    pub(super) async fn predict(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        body: Result<Bytes, GivenUp>,
    ) -> Response<Body> {
        let route = match &request.place.model {
            Some(Ok(route)) => route,
            // It was looked at when it was made.
            wrong => {
                let name = request.place.name.as_deref();
                tracing::error!(model = name, ?wrong, "a model's options do not hold");
                return Refusal::Internal.respond(request.request_id);
            }
        };
        let tally = request.tally();
        if let (Some(tally), Ok(body)) = (&tally, &body) {
            tally.add_bytes_in(body.len());
        }
        let call = ModelCall {
            parts,
            route,
            request_id: request.request_id,
            tally: tally.as_deref(),
        };
        let rules = finish::rules(&request.served, Some(&request.first().endpoint));
        self.models.handle(&call, rules, "", body).await
    }
}

/// The answer to a request whose body was given up.
pub(super) fn refuse(request: &ApiRequest, why: GivenUp) -> Response<Body> {
    Refusal::from(why).respond(request.request_id)
}
