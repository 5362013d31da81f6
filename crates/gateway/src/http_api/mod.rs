//! The walk of one request to an HTTP API: which API, stage and route it is for, whether
//! it may pass, what answers it, what the client gets back.
//!
//! Reading order: `address` and `routing` find the route, `places` has what is kept of it,
//! `door` lets in who may call, `limits` how often. `function`, `map`, `model`, `redirect`
//! and `folder` answer; `described` has the pages on which an API describes itself; `kept` has answers that are given again, `finish` is what all
//! answers have, `refusal` what the client gets of the gateway itself. `event_v1` is what
//! a function sees that wants the older format, `fill` puts variables into addresses.

mod address;
mod described;
mod door;
mod event_v1;
mod fill;
mod finish;
mod folder;
mod function;
mod kept;
mod limits;
mod look;
mod map;
mod model;
mod places;
mod redirect;
mod refusal;
mod routing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::Body;
use bytes::Bytes;
use engine::Engine;
use engine::http_apis::{Handling, HttpApis, IntegrationTarget, Match, Served};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Response};
use types::{RequestId, Tally};
use watch::About;

use crate::caller::Caller;
use crate::map_routes::{EngineJobs, EngineMap};
use crate::model_routes::EngineModels;
use crate::openapi::Documents;
use crate::target::Target;

use address::Located;
use door::{Door, Visit};
use folder::Pages;
use kept::{Answers, Turn};
use limits::Inside;
use look::Look;
use map::MapPlace;
use places::{Place, Stages};
use refusal::ApiRefusal;

pub use door::Keepers;
pub use map::check_map;
pub use model::check_model;

/// Serves HTTP APIs.
#[derive(Clone)]
pub struct HttpApiGateway {
    engine: Engine,
    apis: Arc<HttpApis>,
    door: Door,
    stages: Arc<Stages>,
    answers: Answers,
    pages: Arc<Pages>,
    map: EngineMap,
    jobs: EngineJobs,
    models: EngineModels,
    documents: Documents,
}

impl fmt::Debug for HttpApiGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApiGateway").finish_non_exhaustive()
    }
}

/// What a request's head says of it.
#[derive(Debug)]
pub enum Looked {
    /// The head was enough for an answer.
    Answered(Response<Body>),
    /// It goes to what gets its body as a whole.
    Whole(Box<ApiRequest>),
    /// It goes to a map, which reads its body as it comes.
    Map(Box<ApiRequest>),
}

/// A request whose route is known, and that was let in.
#[derive(Debug)]
pub struct ApiRequest {
    target: Target,
    served: Arc<Served>,
    /// The route that answers.
    found: Match,
    place: Arc<Place>,
    /// Those that led to it, the first one first.
    before: Vec<Arc<Place>>,
    /// What stands before the paths of routes, as the client sees it.
    base: String,
    /// The path below that of the route that answers.
    below: String,
    map: Option<MapPlace>,
    /// Of routes that ask who is there.
    visits: Vec<Visit>,
    /// By what the answer is kept, if it may be, and the stage that it belongs to.
    key: Option<(kept::Key, u64)>,
    /// The request's head as the target sees it, where that is another one.
    seen: Option<Box<Parts>>,
    request_id: RequestId,
}

impl HttpApiGateway {
    /// Maps go to `map` and `jobs`, models to `models`, like those of other routes.
    pub fn new(
        engine: Engine,
        apis: Arc<HttpApis>,
        keepers: Keepers,
        map: EngineMap,
        jobs: EngineJobs,
        models: EngineModels,
    ) -> Self {
        let documents = Documents::new(models.clone(), engine.scope().region.clone());
        Self {
            engine,
            apis,
            door: Door::new(keepers),
            stages: Arc::default(),
            answers: Answers::default(),
            pages: Arc::default(),
            map,
            jobs,
            models,
            documents,
        }
    }

    /// Finds out from a request's head what it is for. None if neither host nor path
    /// name an API, be it there or not.
    pub async fn look(&self, parts: &Parts) -> Option<Looked> {
        let located = self.locate(parts)?;
        let request_id = watch::request_id(&parts.extensions);
        let Located::At(address) = located else {
            let response = ApiRefusal::NotFound.respond(request_id);
            let about = About {
                refused: Some(ApiRefusal::NotFound.word()),
                ..About::default()
            };
            let response = finish::with_id(response, request_id, about);
            return Some(Looked::Answered(response));
        };
        let (stage, old) = self.stages.get(&address.entry.api.id, &address.served);
        if let Some(old) = old {
            self.answers.forget(old);
        }
        let look = Look {
            gateway: self,
            stage: &stage,
            parts,
            request_id,
        };
        Some(look.at(*address).await)
    }

    /// Hands a request to what its route leads to.
    pub async fn call(&self, request: &ApiRequest, parts: &Parts, body: &Bytes) -> Response<Body> {
        if let Some(response) = request.check_body(parts, body) {
            return response;
        }
        let seen = request.seen(parts);
        let response = match request.key {
            Some((key, stage)) if body.is_empty() => {
                self.through_kept(request, seen, key, stage).await
            }
            _ => self.run(request, seen, body).await,
        };
        let response = request.dress(parts, response).await;
        request.finish(parts, response)
    }

    /// One request asks, and those that come meanwhile get the same answer.
    async fn through_kept(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        key: kept::Key,
        stage: u64,
    ) -> Response<Body> {
        let body = Bytes::new();
        loop {
            match self.answers.turn(key, stage) {
                Turn::Kept(answer) => return answer.respond(),
                Turn::First(asking) => {
                    let response = self.run(request, parts, &body).await;
                    let response = finish::tagged(response).await;
                    return asking.end(response, request.cache_time()).await;
                }
                Turn::After(mut others) => {
                    let waited = tokio::time::timeout(self.patience(request), others.changed());
                    match waited.await {
                        Err(_) => return request.refused(&ApiRefusal::TooSlow),
                        // Who asked is gone: somebody else does.
                        Ok(Err(_)) => {}
                        Ok(Ok(())) => {
                            return match self.answers.get(&key) {
                                Some(answer) => answer.respond(),
                                None => finish::tagged(self.run(request, parts, &body).await).await,
                            };
                        }
                    }
                }
            }
        }
    }

    async fn run(&self, request: &ApiRequest, parts: &Parts, body: &Bytes) -> Response<Body> {
        let inside = match request.enter() {
            Ok(inside) => inside,
            Err(why) => return request.refused(&why),
        };
        let response = match self.ask(request, parts, body).await {
            Ok(response) => response,
            Err(why) => {
                tracing::debug!(%why, route = &*request.place.route, "a request was not answered");
                request.refused(&why)
            }
        };
        limits::hold(inside, response)
    }

    async fn ask(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Body>, ApiRefusal> {
        let endpoint = &request.found.endpoint;
        let integration = endpoint.integration.as_ref();
        match &integration.ok_or(ApiRefusal::NoTarget)?.target {
            IntegrationTarget::Function(target) => self.invoke(target, request, parts, body).await,
            IntegrationTarget::Model(_) => Ok(self.predict(request, parts, Ok(body.clone())).await),
            IntegrationTarget::Redirect(target) => {
                let came = redirect::Came {
                    base: &request.base,
                    template: request.place.template(),
                    below: &request.below,
                    query: parts.uri.query(),
                };
                redirect::answer(target, &came)
            }
            IntegrationTarget::Site(target) => {
                let asked = folder::Asked {
                    parts,
                    template: request.place.template(),
                    below: &request.below,
                    has_slash: &|| request.has_slash(parts),
                };
                folder::answer(self.models.buckets(), &self.pages, target, &asked).await
            }
            // It would have been followed, or is read as it comes.
            IntegrationTarget::Route(_) | IntegrationTarget::Map(_) => Err(ApiRefusal::NoTarget),
        }
    }
}

impl ApiRequest {
    /// The largest body that its routes take, of those up to `most`.
    pub fn body_limit(&self, most: u64) -> u64 {
        let said = self.handlings().filter_map(|handling| handling.body_bytes);
        said.fold(most, u64::min)
    }

    fn seen<'a>(&'a self, parts: &'a Parts) -> &'a Parts {
        self.seen.as_deref().unwrap_or(parts)
    }

    /// The route that was called.
    fn first(&self) -> &Arc<Place> {
        self.before.first().unwrap_or(&self.place)
    }

    fn places(&self) -> impl Iterator<Item = &Arc<Place>> {
        self.before.iter().chain([&self.place])
    }

    fn handlings(&self) -> impl Iterator<Item = &Handling> {
        self.places().filter_map(|place| place.handling())
    }

    fn compresses(&self) -> bool {
        self.handlings()
            .all(|handling| handling.compress != Some(false))
    }

    fn streams(&self) -> bool {
        self.place
            .handling()
            .is_some_and(|handling| handling.stream)
    }

    /// For how long its routes let it be worked on, if one of them says.
    fn time(&self) -> Option<Duration> {
        let said = self.places().filter_map(|place| place.time());
        said.min()
    }

    fn cache_time(&self) -> Duration {
        let said = self
            .handlings()
            .filter_map(|handling| handling.cache_seconds);
        Duration::from_secs(said.min().unwrap_or(0).into())
    }

    /// By what its answer is kept, if its routes want that.
    fn asked_key(&self, parts: &Parts, stage: u64) -> Option<(kept::Key, u64)> {
        let wanted = self
            .handlings()
            .any(|handling| handling.cache_seconds.is_some());
        let seen = self.seen(parts);
        if !wanted || !matches!(seen.method, Method::GET | Method::HEAD) || brings_body(parts) {
            return None;
        }
        // Who was let in without a name is not known again, nor whose body is to be seen.
        if self.needs_body() {
            return None;
        }
        let callers: Option<Vec<_>> = self.visits.iter().map(Visit::apart).collect();
        let asked = kept::Asked {
            stage,
            route: &self.first().route,
            method: seen.method.as_str(),
            path: &self.target.path,
            query: seen.uri.query().unwrap_or_default(),
            callers: &callers?,
            has_signed: self.caller().signer().is_some(),
        };
        Some((asked.key(seen), stage))
    }

    /// A place in each of its routes.
    fn enter(&self) -> Result<Vec<Inside>, ApiRefusal> {
        let mut inside = Vec::new();
        for place in self.places() {
            if let Some(most) = place.handling().and_then(|own| own.concurrency) {
                inside.push(place.limits.enter(most).ok_or(ApiRefusal::Full)?);
            }
        }
        Ok(inside)
    }

    /// Whether the same target answers at the path with a slash behind it.
    fn has_slash(&self, parts: &Parts) -> bool {
        let found = self
            .served
            .find(parts.method.as_str(), &format!("{}/", self.below));
        let integration = |found: &Match| found.endpoint.integration.as_ref().map(|i| i.id.clone());
        self.before.is_empty()
            && found.is_some_and(|found| integration(&found) == integration(&self.found))
    }

    /// On which it is put what the request uses, if somebody wants to know.
    fn tally(&self) -> Option<Arc<Tally>> {
        self.visits.iter().find_map(Visit::tally)
    }

    /// Who calls, as functions are told.
    fn caller(&self) -> &Caller {
        let callers = self.visits.iter().map(Visit::caller);
        let mut known = callers.filter(|caller| !matches!(caller, Caller::Anybody));
        known.next().unwrap_or(&Caller::Anybody)
    }

    /// Who calls, for who watches.
    fn identity(&self) -> Option<Arc<str>> {
        self.visits.iter().find_map(Visit::identity)
    }
}

/// Among the extensions of a head after which a body comes: HTTP/2 says it by no header.
#[derive(Debug, Clone, Copy)]
pub struct BringsBody;

/// Whether there is a body to come: an answer may be about it.
fn brings_body(parts: &Parts) -> bool {
    if parts.extensions.get::<BringsBody>().is_some() {
        return true;
    }
    let length = parts.headers.get(CONTENT_LENGTH);
    length.is_some_and(|length| length != "0") || parts.headers.contains_key(TRANSFER_ENCODING)
}
