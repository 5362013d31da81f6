//! A model that answers as a Lambda function, from a bucket.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use aws_wire::{Body, form};
use gateway::model_service::{Freshness, ModelRoute, ServedModel, Standalone};
use http::Response;
use types::RequestId;

use super::event::Event;
use super::functions::Remote;
use crate::commands::model::ObjectSource;
use crate::s3::S3;

/// Between two invocations the process sleeps: what is begun must be done before the
/// answer. So a request that is the first after this time waits until the object was
/// looked at.
const FRESHNESS: Freshness = Freshness {
    every: Duration::from_secs(5),
    patience: Duration::from_secs(10),
    first: Duration::from_secs(25),
};

/// The model and the options of its requests.
pub struct Predicting(Standalone<ObjectSource>);

impl Predicting {
    /// `options` as they are in a query. A model that is not there yet is no reason not
    /// to start: it may come.
    pub async fn new(address: &str, options: &str) -> anyhow::Result<Self> {
        let route = ModelRoute::at(address, form::pairs(options).collect());
        let route = route.map_err(|problem| {
            anyhow!(
                "the variables {} and {}: {problem}",
                super::MODEL,
                super::MODEL_OPTIONS
            )
        })?;
        let place = crate::place::Remote::parse(address);
        let place = place.map_err(|failure| anyhow!(failure.message()))?;
        let source = ObjectSource::new(S3::new(Remote::client()?, 1), place);
        let served = Arc::new(ServedModel::new(source, FRESHNESS));
        if let Err(why) = served.ready().await {
            crate::output::note(&why);
        }
        Ok(Self(Standalone::new(served, route, &[])))
    }

    pub async fn answer(&self, event: &Event, id: RequestId) -> Response<Body> {
        let body = Ok(event.body.clone());
        self.0.answer_as(&event.parts, body, id).await
    }
}
