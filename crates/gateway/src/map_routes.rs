//! Routes over the engine in this process: which route a request is for, whether a page
//! of another origin may ask, and, of those of type map, whether the answer is waited
//! for.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use aws_wire::{Body, body};
use bytes::Bytes;
use engine::InProcess;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use map::journal::FunctionFacts;
use map::options::Width;
use map::run::{Broken, NoExchange};
use types::{Architecture, FunctionName, FunctionVersion, Qualifier, RequestId};
use watch::About;

use crate::cors;
use crate::map_service::{Asker, Call, Facts, Functions, Jobs, MapRoute, MapService, Refusal};
use crate::model_routes::EngineModels;
use crate::model_service::ModelCall;
use crate::routes::{Route, RouteTo, Routes};

/// The service of the engine in this process, and its jobs. Nothing is handed over by
/// a bucket here: what an instance can hold can be sent to it.
pub type EngineMap = MapService<InProcess, NoExchange>;
pub type EngineJobs = Jobs<InProcess, NoExchange>;

/// Serves routes.
#[derive(Debug)]
pub struct MapRoutes {
    routes: Arc<Routes>,
    service: EngineMap,
    jobs: EngineJobs,
    models: EngineModels,
}

/// A route that a request is for.
#[derive(Debug)]
pub struct Found {
    route: Arc<Route>,
    /// The path below the route.
    below: String,
    request_id: RequestId,
}

/// Why a body did not come to its end.
#[derive(Debug, Clone, Copy)]
pub enum GivenUp {
    Stalled,
    Broken,
    TooLarge {
        limit: u64,
    },
    /// There was no memory for it.
    Busy,
}

impl Found {
    /// Whether its body is taken as a whole, and handed to [`MapRoutes::predict`].
    pub fn is_model(&self) -> bool {
        matches!(self.route.to, RouteTo::Model(_))
    }

    /// What every answer has.
    fn finish(&self, parts: &Parts, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        let id = self.request_id.to_string();
        let id = HeaderValue::from_str(&id).expect("a UUID is a valid header value");
        headers.insert("x-amzn-requestid", id);
        if let Some(rules) = &self.route.cors() {
            cors::decorate(rules, parts, headers);
        }
        if parts.method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        let (target, name) = match &self.route.to {
            RouteTo::Map(map) => ("map", Some(map.function.as_str().into())),
            RouteTo::Model(_) => ("model", None),
        };
        response.extensions_mut().insert(About {
            request_id: Some(self.request_id),
            route: Some(self.route.path.as_str().into()),
            target: Some(target),
            name,
            ..About::default()
        });
        response
    }

    fn preflight(&self, parts: &Parts) -> Option<Response<Body>> {
        let rules = self.route.cors()?;
        cors::is_preflight(parts).then(|| {
            let mut response = Response::new(body::empty());
            *response.headers_mut() = cors::preflight(&rules, parts);
            response
        })
    }

    /// The answer to a request whose body was given up.
    pub fn refuse(&self, why: GivenUp) -> Response<Body> {
        let refusal = match why {
            GivenUp::Stalled => Refusal::Stalled,
            // A body that is read as it comes is never more than there is room for.
            GivenUp::Broken | GivenUp::TooLarge { .. } | GivenUp::Busy => Refusal::Broken,
        };
        refusal.respond(self.request_id)
    }
}

impl MapRoutes {
    pub fn new(
        routes: Arc<Routes>,
        service: EngineMap,
        jobs: EngineJobs,
        models: EngineModels,
    ) -> Self {
        Self {
            routes,
            service,
            jobs,
            models,
        }
    }

    /// The route for a request, if there is one.
    pub fn find(&self, parts: &Parts) -> Option<Found> {
        let (route, below) = self.routes.find(parts.uri.path())?;
        Some(Found {
            route,
            below: below.to_owned(),
            request_id: watch::request_id(&parts.extensions),
        })
    }

    /// Hands a request to the model of its route.
    pub async fn predict(
        &self,
        found: &Found,
        parts: &Parts,
        body: Result<Bytes, GivenUp>,
    ) -> Response<Body> {
        let RouteTo::Model(route) = &found.route.to else {
            return found.refuse(GivenUp::Broken);
        };
        if let Some(response) = found.preflight(parts) {
            return response;
        }
        let call = ModelCall {
            parts,
            route,
            request_id: found.request_id,
            tally: None,
        };
        let rules = found.route.cors();
        let answer = self
            .models
            .handle(&call, rules.as_ref(), &found.below, body);
        found.finish(parts, answer.await)
    }

    /// Hands a request to the map of its route.
    pub async fn handle<B>(&self, found: &Found, parts: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Send + Unpin,
    {
        let RouteTo::Map(route) = &found.route.to else {
            return found.refuse(GivenUp::Broken);
        };
        if let Some(response) = found.preflight(parts) {
            return response;
        }
        self.map(found, route, parts, body).await
    }

    async fn map<B>(
        &self,
        found: &Found,
        route: &MapRoute,
        parts: &Parts,
        body: B,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Send + Unpin,
    {
        if cors::is_stranger(found.route.cors().as_ref(), parts) {
            return Refusal::Stranger.respond(found.request_id);
        }
        let call = Call {
            parts,
            route,
            base: found.route.path.as_str(),
            place: found.route.path.as_str(),
            request_id: found.request_id,
            time: None,
            tally: None,
            meter: None,
            asker: Asker::Anyone,
        };
        let answer = serve(&self.service, &self.jobs, &call, &found.below, body);
        found.finish(parts, answer.await)
    }
}

/// Answers a request to a map, or to something below it.
pub(crate) async fn serve<B>(
    service: &EngineMap,
    jobs: &EngineJobs,
    call: &Call<'_>,
    below: &str,
    body: B,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error = io::Error> + Send + Unpin,
{
    if !is_table(&call.parts.method, below) {
        jobs.show(call, below).await
    } else if jobs.is_for(call.parts) {
        jobs.accept(call, body).await
    } else {
        service.handle(call, body).await
    }
}

/// Whether the request is to the map itself. `curl -T data.csv ADDRESS/` puts the name
/// of the file behind the address: what is put below the route under one name is a table.
fn is_table(method: &Method, below: &str) -> bool {
    let is_name = !below.contains('/') && below != "jobs";
    below.is_empty() || (method == Method::PUT && is_name)
}

impl Functions for InProcess {
    async fn facts(
        &self,
        function: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Facts, Broken> {
        let catalog = self.engine().catalog();
        let version = catalog.resolve(function, qualifier);
        let version = version.ok_or_else(|| Broken::NotFound {
            arn: catalog.arn(function, qualifier),
        })?;
        let granted = usize::try_from(self.granted(function)).unwrap_or(usize::MAX);
        let granted = NonZeroUsize::new(granted).ok_or(Broken::Throttled)?;
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Facts {
            memory_mb: version.memory_mb,
            arm: version.architecture == Architecture::Arm64,
            width: Width::Learned {
                cores: cores.min(granted),
                most: granted,
            },
            most_payload: Self::MOST_BYTES,
            revision: version.revision_id.clone(),
            identity: identity(&version),
        })
    }
}

fn identity(version: &FunctionVersion) -> FunctionFacts {
    FunctionFacts {
        code_sha256: version.code.sha256.clone(),
        handler: version.handler.clone(),
        runtime: version.runtime.to_string(),
        architecture: format!("{:?}", version.architecture),
        layers: version
            .layers
            .iter()
            .map(|layer| layer.arn.to_string())
            .collect(),
        environment: version.environment.clone(),
    }
}
