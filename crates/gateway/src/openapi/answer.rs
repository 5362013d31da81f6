//! Answers with an API's document and its page. A document is made once for a state of
//! what is served, and again when a model behind a route is another one.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_wire::{Body, body};
use bytes::Bytes;
use engine::http_apis::{Api, ApiId, Endpoint, IntegrationTarget, PartId, Served, StageName};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::RwLock;
use serde_json::{Value, json};
use types::Region;

use super::document::{self, Facts};
use super::page::TryPage;
use super::security::Schemes;
use crate::model_routes::EngineModels;
use crate::model_service::{Current, ModelRoute};

/// Documents that are kept; past it all are made anew.
const KEPT: usize = 256;
/// How long a document waits for models that are not in memory yet. It tells less of
/// those that are late, and is made again with the next question.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer hosts are none.
const LONGEST_HOST: usize = 300;

/// A page that the gateway itself has for every API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The document.
    Document,
    /// The page to try calls.
    Try,
    /// Leads to the page to try calls, which is at the relative address.
    ToTry(&'static str),
}

impl Page {
    /// A page that stands before all routes. `below` is the path below the stage.
    pub fn reserved(below: &str) -> Option<Self> {
        match below.strip_prefix("/_squall/")? {
            "openapi.json" => Some(Self::Document),
            "docs" => Some(Self::Try),
            "docs/" => Some(Self::ToTry("../docs")),
            _ => None,
        }
    }

    /// A page for who asks where no route is, under whatever method.
    pub fn unrouted(below: &str) -> Option<Self> {
        match below {
            "/openapi.json" => Some(Self::Document),
            "/docs" => Some(Self::ToTry("_squall/docs")),
            "/docs/" => Some(Self::ToTry("../_squall/docs")),
            _ => None,
        }
    }
}

/// Makes and keeps the documents of APIs. A clone is another handle.
#[derive(Clone)]
pub struct Documents {
    inner: Arc<Inner>,
}

struct Inner {
    models: EngineModels,
    region: Region,
    made: RwLock<HashMap<(ApiId, StageName), Arc<Made>>>,
    page: TryPage,
}

/// A document without the address at which it is asked for.
struct Made {
    of: Weak<Served>,
    mark: u64,
    /// Without the brace that opens it.
    rest: Bytes,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

/// The models behind routes, by the integrations that lead to them.
pub(super) type Models = HashMap<PartId, Current>;

impl Documents {
    pub fn new(models: EngineModels, region: Region) -> Self {
        Self {
            inner: Arc::new(Inner {
                models,
                region,
                made: RwLock::default(),
                page: TryPage::new(),
            }),
        }
    }

    /// An answer to who may have it. `below` is the path below the stage, as it came.
    pub(crate) async fn answer(
        &self,
        page: Page,
        parts: &Parts,
        api: &Api,
        served: &Arc<Served>,
        below: &str,
    ) -> Response<Body> {
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return only_read();
        }
        let mut response = match page {
            Page::Document => {
                let document = self.document(api, served, &address(parts, below)).await;
                let tag = tag_of(&document);
                respond(parts, "application/json", &tag, document)
            }
            Page::Try => {
                let page = &self.inner.page;
                let html = "text/html; charset=utf-8";
                let mut response = respond(parts, html, page.tag(), page.bytes());
                page.guard(response.headers_mut());
                response
            }
            Page::ToTry(place) => {
                let mut response = Response::new(body::empty());
                *response.status_mut() = StatusCode::FOUND;
                let place = HeaderValue::from_static(place);
                response.headers_mut().insert(LOCATION, place);
                response
            }
        };
        if parts.method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        response
    }

    /// What the document asks of its readers, in the words in which it tells what routes
    /// ask for.
    pub(crate) fn asks(&self, endpoint: &Endpoint) -> Value {
        let mut schemes = Schemes::default();
        let security = schemes.wanted_by_all(endpoint, &[], &self.inner.region);
        json!({ "security": security, "components": { "securitySchemes": schemes.finish() } })
    }

    /// The document of a stage for clients that reach it at `address`; None if the API's
    /// owner wants none. It need not be one that is served, so nothing is kept of it.
    pub async fn export(&self, api: &Api, served: &Served, address: &str) -> Option<Bytes> {
        if served.docs.is_off() {
            return None;
        }
        let models = self.models(served).await;
        Some(whole(address, &self.make(api, served, &models)))
    }

    async fn document(&self, api: &Api, served: &Arc<Served>, address: &str) -> Bytes {
        let made = self.made(api, served).await;
        whole(address, &made.rest)
    }

    async fn made(&self, api: &Api, served: &Arc<Served>) -> Arc<Made> {
        let models = self.models(served).await;
        let mark = mark(api, &models);
        let place = (api.id.clone(), served.stage.clone());
        let known = self.inner.made.read().get(&place).cloned();
        if let Some(made) = known
            && made.mark == mark
            && std::ptr::eq(made.of.as_ptr(), Arc::as_ptr(served))
        {
            return made;
        }
        let made = Arc::new(Made {
            of: Arc::downgrade(served),
            mark,
            rest: self.make(api, served, &models),
        });
        let mut all = self.inner.made.write();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(place, Arc::clone(&made));
        made
    }

    /// A document without its version and addresses, and without the brace that opens it.
    fn make(&self, api: &Api, served: &Served, models: &Models) -> Bytes {
        let document = document::make(&Facts {
            api,
            served,
            region: &self.inner.region,
            models,
        });
        let text = document.to_string();
        let rest = text.strip_prefix('{').expect("a document is an object");
        Bytes::copy_from_slice(rest.as_bytes())
    }

    /// The models that routes lead to, as far as they can be had in time.
    async fn models(&self, served: &Served) -> Models {
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut found = Models::new();
        for endpoint in served.endpoints() {
            let Some((id, route)) = model_of(endpoint) else {
                continue;
            };
            if found.contains_key(id) {
                continue;
            }
            let current = self.inner.models.current(&route);
            if let Ok(Some(current)) = tokio::time::timeout_at(until, current).await {
                found.insert(id.clone(), current);
            }
        }
        found
    }
}

fn whole(address: &str, rest: &Bytes) -> Bytes {
    let servers = json!([{ "url": address }]);
    let head = format!(r#"{{"openapi":"3.1.0","servers":{servers},"#);
    [head.as_bytes(), rest].concat().into()
}

fn model_of(endpoint: &Endpoint) -> Option<(&PartId, ModelRoute)> {
    let integration = endpoint.integration.as_ref()?;
    let IntegrationTarget::Model(model) = &integration.target else {
        return None;
    };
    let (bucket, key) = (model.bucket.clone(), model.key.clone());
    let route = ModelRoute::new(bucket, key, model.options.clone()).ok()?;
    Some((&integration.id, route))
}

/// Differs whenever a document would, as long as the table of routes is the same.
fn mark(api: &Api, models: &Models) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&api.name, &api.version, &api.description).hash(&mut hasher);
    let mut models: Vec<_> = models
        .iter()
        .map(|(id, current)| (id.as_str(), &*current.loaded.mark.state))
        .collect();
    models.sort_unstable();
    models.hash(&mut hasher);
    hasher.finish()
}

fn tag_of(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    HeaderValue::from_str(&tag).expect("digits are a valid header")
}

/// Where the API is for who asks: its host, and what of the path stands before its own.
pub(super) fn address(parts: &Parts, below: &str) -> String {
    let base = parts.uri.path().strip_suffix(below).unwrap_or_default();
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let host =
        host.filter(|host| (1..=LONGEST_HOST).contains(&host.len()) && host.bytes().all(plain));
    let Some(host) = host else {
        return if base.is_empty() { "/" } else { base }.to_owned();
    };
    // As the server saw it: what a client says of it in a header counts not.
    let scheme = parts.extensions.get::<Scheme>().unwrap_or(&Scheme::HTTP);
    format!("{scheme}://{host}{base}")
}

fn respond(parts: &Parts, kind: &'static str, tag: &HeaderValue, bytes: Bytes) -> Response<Body> {
    let asked = parts.headers.get_all(IF_NONE_MATCH).iter();
    let mut known = asked.filter_map(|value| value.to_str().ok());
    let own = tag.to_str().unwrap_or_default();
    let is_known = known.any(|text| {
        let mut tags = text.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == own)
    });
    let mut response = if is_known {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(body::full(bytes))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(ETAG, tag.clone());
    // What is kept is asked for again: it is whatever is served at that moment.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn only_read() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
