//! A model that is all there is at an address: no routes, no buckets beside it.

use std::sync::Arc;

use aws_wire::{Body, body};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use types::RequestId;

use super::refusal::Refusal;
use super::route::ModelRoute;
use super::served::ServedModel;
use super::service::{ModelCall, serve_model};
use super::source::ModelSource;
use crate::cors;
use crate::routes::rules_of;

/// A model, the options of its requests, and the pages that may ask.
#[derive(Debug)]
pub struct Standalone<S> {
    served: Arc<ServedModel<S>>,
    route: ModelRoute,
    rules: Option<engine::catalog::Cors>,
}

/// A body had more bytes than this.
#[derive(Debug, Clone, Copy)]
pub struct TooLarge {
    pub limit: u64,
}

impl<S: ModelSource> Standalone<S> {
    pub fn new(served: Arc<ServedModel<S>>, route: ModelRoute, origins: &[String]) -> Self {
        Self {
            served,
            route,
            rules: rules_of(origins),
        }
    }

    /// Answers a request, whose body came, was too large, or broke off.
    pub async fn answer(
        &self,
        parts: &Parts,
        body: Result<Bytes, Option<TooLarge>>,
    ) -> Response<Body> {
        if let Some(rules) = &self.rules
            && cors::is_preflight(parts)
        {
            let mut response = Response::new(body::empty());
            *response.headers_mut() = cors::preflight(rules, parts);
            return response;
        }
        let request_id = RequestId::random();
        self.answer_as(parts, body, request_id).await
    }

    /// The same for a request that has an id already.
    pub async fn answer_as(
        &self,
        parts: &Parts,
        body: Result<Bytes, Option<TooLarge>>,
        request_id: RequestId,
    ) -> Response<Body> {
        let call = ModelCall {
            parts,
            route: &self.route,
            request_id,
            tally: None,
        };
        let mut response = match body {
            _ if self.rules.is_some() && cors::is_stranger(self.rules.as_ref(), parts) => {
                Refusal::Stranger.respond(request_id)
            }
            Err(Some(TooLarge { limit })) => Refusal::TooLarge { limit }.respond(request_id),
            Err(None) => Refusal::Broken.respond(request_id),
            Ok(body) => serve_model(&self.served, &call, body).await,
        };
        let headers = response.headers_mut();
        let id = HeaderValue::from_str(&request_id.to_string());
        let id = id.expect("a UUID is a valid header value");
        headers.insert("x-amzn-requestid", id);
        if let Some(rules) = &self.rules {
            cors::decorate(rules, parts, headers);
        }
        if parts.method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        response
    }
}
