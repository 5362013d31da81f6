//! Which operation is asked for.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use aws_wire::error::respond;
use aws_wire::{Body, body, form};
use bytes::Bytes;
use engine::api_keys::ApiKeys;
use engine::http_apis::{Entry, HttpApis, MapTarget, ModelTarget, Served};
use engine::iam::Iam;
use engine::usage::Usage;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

use crate::error::ApiError;
use crate::{
    apis, authorizers, deployments, domains, exports, integrations, keys, plans, routes, stages,
    tags,
};

/// What an operation answers: its status, and its members if it has any.
pub(crate) type Answer = Result<(StatusCode, Value), ApiError>;

/// Describes an API in a document of `OpenAPI`; None: its owner wants none. Only the
/// gateway, which serves it, knows all that it answers.
pub type Export = Arc<
    dyn Fn(Arc<Entry>, Arc<Served>) -> Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>
        + Send
        + Sync,
>;
/// AWS's, in milliseconds.
const MOST_TIMEOUT: u32 = 30_000;

/// Says what is wrong with the options of a map. Only the gateway, which serves maps,
/// knows them.
pub type MapCheck = fn(&MapTarget) -> Result<(), String>;
/// The same of a model.
pub type ModelCheck = fn(&ModelTarget) -> Result<(), String>;

/// What the service stands on.
#[derive(Debug)]
pub struct Parts {
    pub apis: Arc<HttpApis>,
    pub keys: Arc<ApiKeys>,
    pub usage: Arc<Usage>,
    /// Who may what.
    pub iam: Arc<Iam>,
    /// Where APIs are served, with `{id}` and `{region}` for what differs.
    pub endpoint: String,
    pub check_map: MapCheck,
    pub check_model: ModelCheck,
}

/// Answers for `apigateway`.
#[derive(Clone)]
pub struct ApigatewayApi {
    pub(crate) parts: Arc<Parts>,
    export: Option<Export>,
    /// How long integrations may have for their answers, in milliseconds.
    most_timeout: u32,
}

impl fmt::Debug for ApigatewayApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApigatewayApi").finish_non_exhaustive()
    }
}

impl ApigatewayApi {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            export: None,
            most_timeout: MOST_TIMEOUT,
        }
    }

    /// Where the gateway waits longer for answers than AWS's does, clients may say so.
    #[must_use]
    pub fn with_timeout(self, seconds: u32) -> Self {
        Self {
            most_timeout: seconds.saturating_mul(1000),
            ..self
        }
    }

    /// Without it there are no exports.
    #[must_use]
    pub fn with_export(self, export: Export) -> Self {
        Self {
            export: Some(export),
            ..self
        }
    }

    /// One request of a client whose signature was checked.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let answer = match self.permit(&request) {
            Ok(()) => self.operation(&request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok((StatusCode::NO_CONTENT, _)) => {
                let mut response = Response::new(body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Ok((status, answer)) => respond(status, "application/json", answer.to_string()),
            Err(error) => error.respond(),
        }
    }

    async fn operation(&self, request: &Request<Bytes>) -> Answer {
        let segments = segments(request.uri().path());
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let call = Call {
            parts: &self.parts,
            export: self.export.as_ref(),
            most_timeout: self.most_timeout,
            query: request.uri().query().unwrap_or_default(),
            body: request.body(),
        };
        let method = request.method();
        match segments.as_slice() {
            ["apikeys", rest @ ..] => keys::operation(&call, method, rest).await,
            ["usageplans", rest @ ..] => plans::operation(&call, method, rest).await,
            ["tags", arn @ ..] if !arn.is_empty() => {
                keys::tags(&call, method, &arn.join("/")).await
            }
            ["v2", "apis"] => apis::all(&call, method).await,
            ["v2", "apis", api] => apis::one(&call, method, api).await,
            ["v2", "apis", api, "cors"] if method == Method::DELETE => {
                apis::delete_cors(&call, api).await
            }
            ["v2", "apis", api, "routes", rest @ ..] => {
                routes::operation(&call, method, api, rest).await
            }
            ["v2", "apis", api, "integrations", rest @ ..] => {
                integrations::operation(&call, method, api, rest).await
            }
            ["v2", "apis", api, "exports", specification] if method == Method::GET => {
                exports::operation(&call, api, specification).await
            }
            ["v2", "apis", api, "authorizers", rest @ ..] => {
                authorizers::operation(&call, method, api, rest).await
            }
            ["v2", "domainnames", rest @ ..] => domains::operation(&call, method, rest).await,
            ["v2", "apis", api, "stages", rest @ ..] => {
                stages::operation(&call, method, api, rest).await
            }
            ["v2", "apis", api, "deployments", rest @ ..] => {
                deployments::operation(&call, method, api, rest).await
            }
            // Some clients leave the slashes of an ARN as they are.
            ["v2", "tags", arn @ ..] if !arn.is_empty() => {
                tags::operation(&call, method, &arn.join("/")).await
            }
            _ => not_built(method, request.uri().path()),
        }
    }
}

/// One request, as far as its operation needs it.
pub(crate) struct Call<'a> {
    pub parts: &'a Parts,
    pub export: Option<&'a Export>,
    pub most_timeout: u32,
    pub query: &'a str,
    pub body: &'a Bytes,
}

impl<'a> Call<'a> {
    pub fn apis(&self) -> &'a HttpApis {
        &self.parts.apis
    }

    pub fn usage(&self) -> &'a Usage {
        &self.parts.usage
    }

    pub fn keys(&self) -> &'a ApiKeys {
        &self.parts.keys
    }

    /// All values of one name in the query.
    pub fn query<'b>(&'b self, name: &'b str) -> impl Iterator<Item = String> + 'b {
        form::pairs(self.query)
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

/// What is not built, by its address.
pub(crate) fn not_built(method: &Method, path: &str) -> Answer {
    let path: String = path.chars().take(100).collect();
    Err(ApiError::NotBuilt(format!("{method} {path}")))
}

/// The parts of a path, decoded.
pub(crate) fn segments(path: &str) -> Vec<Cow<'_, str>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(form::decode).collect()
}
