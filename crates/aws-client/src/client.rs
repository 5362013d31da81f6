//! Signing and sending: what every protocol does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_wire::body;
use aws_wire::sigv4::{self, Credentials, Signing};
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use types::Timestamp;

use crate::endpoint::{Endpoint, signing_region};
use crate::error::{self, ClientError};
use crate::keys::Keys;
use crate::pool::{Patience, Pool, Reply, Road, TransportError};
use crate::retry;

/// What an answer may hold that is read whole.
const ANSWER_BYTES: usize = 64 << 20;

/// Endpoints, with what is needed to sign for them. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    region: String,
    keys: Keys,
    settings: Settings,
}

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How often a call is sent at most.
    pub attempts: u32,
    /// For how long the beginning of an answer is waited for.
    pub answer: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: retry::ATTEMPTS,
            answer: retry::ANSWER,
        }
    }
}

/// Where the services are.
#[derive(Debug)]
pub(crate) struct Places {
    /// Those of which nothing else is said; without it they are at AWS.
    all: Option<Endpoint>,
    /// By service.
    named: BTreeMap<String, Endpoint>,
    road: Road,
    pools: Mutex<BTreeMap<Endpoint, Arc<Pool>>>,
}

impl Places {
    pub fn one(endpoint: Endpoint, road: Road) -> Self {
        Self::new(Some(endpoint), BTreeMap::new(), road)
    }

    pub fn new(all: Option<Endpoint>, named: BTreeMap<String, Endpoint>, road: Road) -> Self {
        Self {
            all,
            named,
            road,
            pools: Mutex::default(),
        }
    }

    /// Whether nothing but what is named one by one goes to AWS.
    pub fn is_elsewhere(&self) -> bool {
        self.all.is_some()
    }

    fn endpoint(&self, service: &str, region: &str) -> Endpoint {
        let named = self.named.get(service).or(self.all.as_ref());
        named
            .cloned()
            .unwrap_or_else(|| Endpoint::of_aws(service, region))
    }

    fn pool(&self, service: &str, region: &str) -> Arc<Pool> {
        let endpoint = self.endpoint(service, region);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&endpoint) {
            return Arc::clone(pool);
        }
        let made = Pool::new(endpoint.clone(), self.road.clone());
        pools.insert(endpoint, Arc::clone(&made));
        made
    }
}

/// One request, before it is signed.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// By the name it is signed for.
    pub service: &'a str,
    pub method: Method,
    /// Path and query, percent-encoded.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Call<'_> {
    /// As messages call it: without the query, which may be long.
    fn shown(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {} {path}", self.service, self.method)
    }
}

/// An answer that was read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// All services at one address, with keys that do not change.
    pub fn new(url: &str, region: String, credentials: Credentials) -> Result<Self, ClientError> {
        Ok(Self::at(Endpoint::parse(url)?, region, credentials))
    }

    /// As [`Client::new`], at an endpoint that was read already.
    pub fn at(endpoint: Endpoint, region: String, credentials: Credentials) -> Self {
        let keys = Keys::fixed(credentials);
        Self::made(
            Places::one(endpoint, Road::default()),
            region,
            keys,
            Settings::default(),
        )
    }

    pub(crate) fn made(places: Places, region: String, keys: Keys, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            places,
            region,
            keys,
            settings,
        }))
    }

    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// Where a service is.
    pub fn endpoint(&self, service: &str) -> Endpoint {
        self.0.places.endpoint(service, &self.0.region)
    }

    /// Connections to a service, by the name it is signed for.
    pub fn pool(&self, service: &str) -> Arc<Pool> {
        self.0.places.pool(service, &self.0.region)
    }

    /// The keys of now. Those that end are got anew in time.
    pub async fn credentials(&self) -> Result<Option<Arc<Credentials>>, ClientError> {
        self.0.keys.get().await
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn settings(&self) -> Settings {
        self.0.settings
    }

    /// Sends a call once; any answer is good, whatever its status.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let shown = call.shown();
        let reply = self.open(call).await?;
        let read = Answer::read(reply).await;
        read.map_err(|source| ClientError::Transport {
            call: shown,
            source,
        })
    }

    /// Sends a call once and returns when the answer begins; its body is yet to come.
    pub async fn open(&self, call: Call<'_>) -> Result<Reply, ClientError> {
        self.open_within(&call, &call.shown(), Patience::WORK).await
    }

    pub(crate) async fn open_within(
        &self,
        call: &Call<'_>,
        shown: &str,
        patience: Patience,
    ) -> Result<Reply, ClientError> {
        let pool = self.pool(call.service);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.target);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(())
            .map_err(|error| ClientError::config(format!("{shown} cannot be sent: {error}")))?;
        let (mut parts, ()) = request.into_parts();
        self.sign(&mut parts, call.service, Some(&call.body))
            .await?;
        let request = Request::from_parts(parts, body::full(call.body.clone()));
        let sent = pool.send(request, patience).await;
        sent.map_err(|source| ClientError::Transport {
            call: shown.to_owned(),
            source,
        })
    }

    /// Names host and client, and signs. Without a payload the body is one that is
    /// streamed and not signed.
    pub async fn sign(
        &self,
        parts: &mut Parts,
        service: &str,
        payload: Option<&[u8]>,
    ) -> Result<(), ClientError> {
        let host = self.endpoint(service).authority();
        let host = host
            .parse()
            .map_err(|_| ClientError::config(format!("{host:?} is not the name of a host")))?;
        parts.headers.insert(HOST, host);
        let agent = concat!("squall/", env!("CARGO_PKG_VERSION"));
        parts
            .headers
            .insert(USER_AGENT, HeaderValue::from_static(agent));
        let Some(credentials) = self.credentials().await? else {
            return Ok(());
        };
        let signing = self.signing(service, &credentials);
        match payload {
            Some(payload) => sigv4::sign(parts, payload, signing),
            None => sigv4::sign_streamed(parts, signing),
        }
        .map_err(ClientError::config)
    }

    /// A URL of a service that is valid by itself for some time; `target` is path and
    /// query.
    pub async fn presign(
        &self,
        method: Method,
        service: &str,
        target: &str,
        seconds: u32,
    ) -> Result<String, ClientError> {
        let url = format!("{}{target}", self.endpoint(service).url());
        let uri: Uri = url
            .parse()
            .map_err(|_| ClientError::config(format!("{url:?} is not a URL")))?;
        let Some(credentials) = self.credentials().await? else {
            return Ok(url);
        };
        let signing = self.signing(service, &credentials);
        let signed = sigv4::presign(method, &uri, seconds, signing);
        Ok(signed.map_err(ClientError::config)?.to_string())
    }

    fn signing<'a>(&'a self, service: &'a str, credentials: &'a Credentials) -> Signing<'a> {
        Signing {
            credentials,
            region: signing_region(service, &self.0.region),
            service,
            now: Timestamp::now(),
        }
    }
}

impl Answer {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self {
            status,
            headers,
            body,
        }
    }

    /// Waits for the rest of an answer.
    pub async fn read(mut reply: Reply) -> Result<Self, TransportError> {
        let body = reply.whole(ANSWER_BYTES).await?;
        Ok(Self::new(reply.status, reply.headers, body))
    }

    /// The body as JSON, or the error that it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        if !self.status.is_success() {
            return Err(self.refusal());
        }
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Garbled {
            call: "a request".to_owned(),
            detail: error.to_string(),
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The error that this answer is.
    pub fn refusal(&self) -> ClientError {
        error::refusal("a request".to_owned(), self)
    }
}
