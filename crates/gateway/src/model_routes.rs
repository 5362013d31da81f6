//! Routes of type model over the buckets of the engine in this process: which models
//! are in memory, and whether a page of another origin may ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::{Body, body};
use buckets::Buckets;
use bytes::Bytes;
use engine::catalog::Cors;
use http::{Method, Response};
use parking_lot::RwLock;
use types::{BucketName, ObjectKey};

use crate::cors;
use crate::map_routes::GivenUp;
use crate::model_service::{
    BucketObject, Current, Freshness, ModelCall, ModelRoute, Refusal, ServedModel, serve_model,
};

/// Models that are held at one time. Past it all are let go, and those that are still
/// asked for are read again.
const HELD: usize = 256;

/// To look at an object is one look into the database.
const FRESHNESS: Freshness = Freshness {
    every: Duration::from_millis(200),
    patience: Duration::from_millis(100),
    first: Duration::from_secs(20),
};

type Place = (BucketName, ObjectKey);

/// Serves models of buckets. A clone is another handle.
#[derive(Debug, Clone)]
pub struct EngineModels {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    buckets: Buckets,
    held: RwLock<HashMap<Place, Arc<ServedModel<BucketObject>>>>,
}

impl EngineModels {
    pub fn new(buckets: Buckets) -> Self {
        Self {
            inner: Arc::new(Inner {
                buckets,
                held: RwLock::default(),
            }),
        }
    }

    /// Where models lie.
    pub(crate) fn buckets(&self) -> &Buckets {
        &self.inner.buckets
    }

    fn served(&self, route: &ModelRoute) -> Arc<ServedModel<BucketObject>> {
        let place = (route.bucket.clone(), route.key.clone());
        if let Some(served) = self.inner.held.read().get(&place) {
            return Arc::clone(served);
        }
        let mut held = self.inner.held.write();
        if held.len() >= HELD {
            held.clear();
        }
        let (bucket, key) = place.clone();
        let made = || {
            let object = BucketObject::new(self.inner.buckets.clone(), bucket, key);
            Arc::new(ServedModel::new(object, FRESHNESS))
        };
        Arc::clone(held.entry(place).or_insert_with(made))
    }

    /// The model of a route as it is now, for who describes it.
    pub(crate) async fn current(&self, route: &ModelRoute) -> Option<Current> {
        self.served(route).current().await.ok()
    }

    /// Answers a request to a route, whose body came or did not come.
    pub(crate) async fn handle(
        &self,
        call: &ModelCall<'_>,
        cors: Option<&Cors>,
        below: &str,
        body: Result<Bytes, GivenUp>,
    ) -> Response<Body> {
        let mut response = match body {
            _ if cors::is_stranger(cors, call.parts) => Refusal::Stranger.respond(call.request_id),
            _ if !is_rows(&call.parts.method, below) => {
                let path = call.parts.uri.path().to_owned();
                Refusal::NoSuchPath { path }.respond(call.request_id)
            }
            Err(why) => Refusal::from(why).respond(call.request_id),
            Ok(body) => serve_model(&self.served(call.route), call, body).await,
        };
        if call.parts.method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        response
    }
}

/// Whether the request is to the model itself. `curl -T data.csv ADDRESS/` puts the name
/// of the file behind the address.
fn is_rows(method: &Method, below: &str) -> bool {
    below.is_empty() || (method == Method::PUT && !below.contains('/'))
}
