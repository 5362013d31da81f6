//! The walk of one request to an HTTP API: which API, stage and route it is for, whether
//! the route's function lets API Gateway in, what the function sees of it, what the
//! client gets back.
//!
//! `door` lets in who has a key, and counts what is used; `refusal` is what the client gets of API Gateway itself; `event_v1` what a function
//! sees that wants the older format; `map` and `model` how a route leads to these.

mod door;
mod event_v1;
mod map;
mod model;
mod refusal;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::{Body, body};
use bytes::Bytes;
use engine::Engine;
use engine::api_keys::ApiKeys;
use engine::http_apis::{
    ApiId, FunctionTarget, HttpApis, IntegrationTarget, Match, PayloadFormat, RouteKey, Served,
};
use engine::iam::Ask;
use engine::usage::Usage;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use policy::Context;
use types::{Invocation, Invoke, RequestId, Tally, Timestamp};

use crate::event::{self, Facts, RouteFacts};
use crate::gateway::{source, trace_id};
use crate::map_routes::{EngineJobs, EngineMap, GivenUp};
use crate::model_routes::EngineModels;
use crate::target::{Kind, Target};
use crate::{answer, cors};

use door::{Door, Shut, Visit};
use map::MapPlace;
use refusal::ApiRefusal;

pub use map::check_map;
pub use model::check_model;

/// Who invokes functions for routes, as the policies of functions name it.
const SERVICE: &str = "apigateway.amazonaws.com";
/// The session in which a role of an integration is used.
const SESSION: &str = "apigateway";
/// In which AWS names requests here; clients of the engine know the other name.
const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");
const OWN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Serves HTTP APIs.
#[derive(Clone)]
pub struct HttpApiGateway {
    engine: Engine,
    apis: Arc<HttpApis>,
    door: Door,
    map: EngineMap,
    jobs: EngineJobs,
    models: EngineModels,
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
    /// It goes to a function or a model, which gets its body as a whole.
    Function(Box<ApiRequest>),
    /// It goes to a map, which reads its body as it comes.
    Map(Box<ApiRequest>),
}

/// A request whose route is known.
#[derive(Debug)]
pub struct ApiRequest {
    target: Target,
    served: Arc<Served>,
    found: Match,
    map: Option<MapPlace>,
    /// Of a route that asks for a key.
    visit: Option<Visit>,
    request_id: RequestId,
}

impl HttpApiGateway {
    /// Maps go to `map` and `jobs`, models to `models`, like those of other routes.
    pub fn new(
        engine: Engine,
        apis: Arc<HttpApis>,
        keys: Arc<ApiKeys>,
        usage: Arc<Usage>,
        map: EngineMap,
        jobs: EngineJobs,
        models: EngineModels,
    ) -> Self {
        Self {
            engine,
            apis,
            door: Door::new(keys, usage),
            map,
            jobs,
            models,
        }
    }

    /// Finds out from a request's head what it is for. None if neither host nor path
    /// name an API, be it there or not.
    pub async fn look(&self, parts: &Parts) -> Option<Looked> {
        let target = Target::of(parts, Kind::HttpApi, &self.engine.scope().region)?;
        Some(self.look_at(target, parts).await)
    }

    async fn look_at(&self, target: Target, parts: &Parts) -> Looked {
        let request_id = RequestId::random();
        let answered = |response| Looked::Answered(with_id(response, request_id));
        let nothing = || answered(ApiRefusal::NotFound.respond());
        let id = target.id.parse::<ApiId>().ok();
        let entry = id.and_then(|id| self.apis.find(&id));
        let Some(entry) = entry.filter(|entry| !entry.api.is_hidden) else {
            return nothing();
        };
        let Some((served, below)) = entry.stage(&target.path) else {
            return nothing();
        };
        // Browsers ask beforehand whether or not there is a route for it.
        if let Some(rules) = &served.cors
            && cors::is_preflight(parts)
        {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = cors::preflight(rules, parts);
            return answered(response);
        }
        let Some(found) = served.find(parts.method.as_str(), below) else {
            let mut response = ApiRefusal::NotFound.respond();
            decorate(served, parts, response.headers_mut());
            return answered(response);
        };
        let visit = match self.let_in(&target, served, &found, parts).await {
            Ok(visit) => visit,
            Err(why) => {
                tracing::debug!(%why, api = target.id, "a call was not let in");
                let mut response = ApiRefusal::from(&why).respond();
                decorate(served, parts, response.headers_mut());
                why.decorate(response.headers_mut());
                return answered(response);
            }
        };
        let map = MapPlace::of(&target, served, &found, below);
        let request = Box::new(ApiRequest {
            served: Arc::clone(served),
            target,
            found,
            map,
            visit,
            request_id,
        });
        if request.map.is_some() {
            Looked::Map(request)
        } else {
            Looked::Function(request)
        }
    }

    /// Lets a request in, if its route asks who is there.
    async fn let_in(
        &self,
        target: &Target,
        served: &Served,
        found: &Match,
        parts: &Parts,
    ) -> Result<Option<Visit>, Shut> {
        if !found.endpoint.route.key_required {
            return Ok(None);
        }
        let stage = format!("{}/{}", target.id, served.stage);
        let route = match &found.endpoint.route.key {
            RouteKey::Default => "$default",
            RouteKey::Path { path, .. } => path.as_str(),
        };
        self.door.open(parts, &stage, route).await.map(Some)
    }

    /// Hands a request to its function or its model.
    pub async fn call(&self, request: &ApiRequest, parts: &Parts, body: &Bytes) -> Response<Body> {
        if let Some(model) = request.model() {
            let body = Ok(body.clone());
            let response = self.predict(model, request, parts, body).await;
            return request.finish(parts, response);
        }
        let answer = self.ask(request, parts, body).await;
        let response = answer.unwrap_or_else(ApiRefusal::respond);
        request.finish(parts, response)
    }

    async fn ask(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Body>, ApiRefusal> {
        let integration = request.found.endpoint.integration.as_ref();
        let integration = integration.ok_or(ApiRefusal::NoTarget)?;
        let IntegrationTarget::Function(target) = &integration.target else {
            return Err(ApiRefusal::NoTarget);
        };
        self.permit(request, parts, target)?;
        let trace_id = trace_id(parts);
        let mut invocation = Invocation::new(
            target.function.clone(),
            self.event(request, parts, body, target.payload, &trace_id),
        );
        invocation.qualifier.clone_from(&target.qualifier);
        invocation.request_id = request.request_id;
        invocation.trace_id = Some(trace_id);
        invocation.tally = request.tally();
        let most = Duration::from_secs(self.engine.limits().gateway_seconds.into());
        let own = integration
            .timeout_ms
            .map(|ms| Duration::from_millis(ms.into()));
        let time = own.map_or(most, |own| own.min(most));
        // The function runs on when nobody waits for it any more, as at AWS.
        let outcome = tokio::time::timeout(time, self.engine.invoke(invocation)).await;
        let outcome = outcome.map_err(|_| ApiRefusal::TooSlow)?;
        // What went wrong is in the function's log, not for its visitors.
        let payload = outcome.map_err(ApiRefusal::NotRun)?.result;
        let payload = payload.map_err(|_| ApiRefusal::BadAnswer)?;
        answer::translate_for_api(payload, target.payload).map_err(|_| ApiRefusal::BadAnswer)
    }

    fn event(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        body: &Bytes,
        format: PayloadFormat,
        trace_id: &str,
    ) -> Bytes {
        let path = percent_encoding::percent_decode_str(&request.target.path);
        let route = RouteFacts {
            account: self.engine.scope().account.as_str(),
            key: &request.found.endpoint.route.key,
            stage: &request.served.stage,
            path: path.decode_utf8_lossy().into_owned(),
            variables: &request.found.variables,
            stage_variables: &request.served.variables,
        };
        let facts = Facts {
            parts,
            body,
            target: &request.target,
            caller: None,
            source: source(parts),
            request_id: request.request_id,
            trace_id,
            now: Timestamp::now(),
            route: Some(&route),
        };
        match format {
            PayloadFormat::V1 => event_v1::build(&facts, &route),
            PayloadFormat::V2 => event::build(&facts),
        }
    }

    /// The role of the integration must be allowed to invoke the function; without one,
    /// the function's policy must let API Gateway in for this route.
    fn permit(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        target: &FunctionTarget,
    ) -> Result<(), ApiRefusal> {
        let (catalog, iam) = (self.engine.catalog(), self.engine.iam());
        let (function, qualifier) = (&target.function, target.qualifier.as_ref());
        let Some(role) = &target.role else {
            let account = self.engine.scope().account.as_str();
            let route = self.route_arn(request, parts);
            if catalog.permits(function, qualifier, SERVICE, &route, account) {
                return Ok(());
            }
            tracing::debug!(%function, route, "no policy lets API Gateway in");
            return Err(ApiRefusal::NotPermitted);
        };
        let ask = Ask {
            principal_arn: &iam.session_arn(role, SESSION),
            action: "lambda:InvokeFunction",
            resource: &catalog.arn(function, qualifier),
            resource_policy: None,
            context: &Context::new(),
        };
        iam.authorize(&ask).map_err(|denied| {
            tracing::debug!(%denied, "the role of an integration may not invoke its function");
            ApiRefusal::NotPermitted
        })
    }

    /// On behalf of what the function is invoked:
    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`, with the path as the
    /// route has it.
    fn route_arn(&self, request: &ApiRequest, parts: &Parts) -> String {
        let scope = self.engine.scope();
        let api = format!(
            "arn:aws:execute-api:{}:{}:{}/{}",
            scope.region, scope.account, request.target.id, request.served.stage
        );
        match &request.found.endpoint.route.key {
            RouteKey::Default => format!("{api}/$default"),
            RouteKey::Path { path, .. } => format!("{api}/{}{}", parts.method, path.as_str()),
        }
    }
}

impl ApiRequest {
    /// The answer to a request whose body was given up.
    pub fn refuse(&self, why: GivenUp, parts: &Parts) -> Response<Body> {
        if self.model().is_some() {
            return self.finish(parts, model::refuse(self, why));
        }
        let refusal = match why {
            GivenUp::Stalled => ApiRefusal::Stalled,
            GivenUp::Broken => ApiRefusal::Broken,
            GivenUp::TooLarge { .. } => ApiRefusal::TooLarge,
            GivenUp::Busy => ApiRefusal::Busy,
        };
        self.finish(parts, refusal.respond())
    }

    /// On which it is put what the request uses, if somebody wants to know.
    fn tally(&self) -> Option<Arc<Tally>> {
        self.visit.as_ref().map(Visit::tally)
    }

    fn finish(&self, parts: &Parts, mut response: Response<Body>) -> Response<Body> {
        if let Some(visit) = &self.visit {
            response = visit.leave(parts, response);
        }
        decorate(&self.served, parts, response.headers_mut());
        with_id(response, self.request_id)
    }
}

/// Where an API has rules for browsers, what its functions say of their own counts not.
fn decorate(served: &Served, parts: &Parts, headers: &mut HeaderMap) {
    let Some(rules) = &served.cors else {
        return;
    };
    cors::clear(headers);
    cors::decorate(rules, parts, headers);
}

fn with_id(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    let id = HeaderValue::from_str(&id.to_string()).expect("a UUID is a valid header value");
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(OWN_REQUEST_ID, id);
    response
}
