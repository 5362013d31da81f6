//! Requests to any address of the web, unsigned: the keys of an issuer of tokens, webhooks,
//! collectors of traces. Where these are, others say: so time and size are bounded, and
//! no redirect is followed to a place that nobody named.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_wire::body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};

use crate::endpoint::{Endpoint, Origin};
use crate::error::ClientError;
use crate::pool::{Patience, Pool, Road, TransportError};
use crate::profile::Variable;
use crate::proxy::Proxy;

/// Places of which connections are kept. Settings name them, so there are few.
const PLACES: usize = 64;

/// How an answer is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// What its body may have.
    pub bytes: usize,
    /// For all of it: connecting, waiting and reading.
    pub time: Duration,
}

/// An answer that was read whole, whatever its status.
#[derive(Debug)]
pub struct Fetched {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("{url:?} is no address")]
    Address {
        url: String,
        #[source]
        source: InvalidUri,
    },
    #[error("{url:?} is no address that can be asked: {why}")]
    Unusable { url: String, why: &'static str },
    #[error("{host} gave no answer in {} s", time.as_secs())]
    Slow { host: String, time: Duration },
    #[error("{host} gave no answer")]
    Transport {
        host: String,
        #[source]
        source: TransportError,
    },
}

/// Asks addresses of the web. Clones share their connections.
#[derive(Clone, Default)]
pub struct Web(Arc<Inner>);

#[derive(Default)]
struct Inner {
    road: Road,
    pools: Mutex<BTreeMap<Endpoint, Arc<Pool>>>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").finish_non_exhaustive()
    }
}

/// Those that take the same way to the same places are the same.
impl PartialEq for Web {
    fn eq(&self, other: &Self) -> bool {
        self.0.road == other.0.road
    }
}

impl Web {
    /// With the certificates of the system, and without a proxy.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the proxy and the certificates that the environment names, as AWS's clients
    /// understand it.
    pub fn find(variable: &Variable<'_>) -> Result<Self, ClientError> {
        let road = Road {
            bundle: variable("AWS_CA_BUNDLE").map(Arc::from),
            proxy: Proxy::find(variable)?.map(Arc::new),
        };
        let pools = Mutex::default();
        Ok(Self(Arc::new(Inner { road, pools })))
    }

    pub async fn get(
        &self,
        url: &str,
        headers: HeaderMap,
        bounds: Bounds,
    ) -> Result<Fetched, WebError> {
        self.ask(Method::GET, url, headers, Bytes::new(), bounds)
            .await
    }

    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        bounds: Bounds,
    ) -> Result<Fetched, WebError> {
        self.ask(Method::POST, url, headers, body, bounds).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        body: Bytes,
        bounds: Bounds,
    ) -> Result<Fetched, WebError> {
        let (endpoint, target) = read(url)?;
        let unusable = |why| WebError::Unusable {
            url: url.to_owned(),
            why,
        };
        let host = endpoint.authority();
        let value = HeaderValue::from_str(&host).map_err(|_| unusable("its host is no name"))?;
        headers.insert(HOST, value);
        let agent = concat!("squall/", env!("CARGO_PKG_VERSION"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(agent));
        if method != Method::GET {
            headers.insert(CONTENT_LENGTH, body.len().into());
        }
        let mut request = Request::new(body::full(body));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        let pool = self.pool(endpoint);
        let answered = tokio::time::timeout(bounds.time, fetch(&pool, request, bounds)).await;
        let time = bounds.time;
        match answered {
            Ok(fetched) => fetched.map_err(|source| WebError::Transport { host, source }),
            Err(_) => Err(WebError::Slow { host, time }),
        }
    }

    fn pool(&self, endpoint: Endpoint) -> Arc<Pool> {
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&endpoint) {
            return Arc::clone(pool);
        }
        if pools.len() >= PLACES {
            // Connecting anew to those that are still asked costs little.
            pools.clear();
        }
        let made = Pool::new(endpoint.clone(), self.0.road.clone());
        pools.insert(endpoint, Arc::clone(&made));
        made
    }
}

/// Whether an address could be asked at all, for who takes one down.
pub fn check(url: &str) -> Result<(), WebError> {
    read(url).map(|_| ())
}

/// The place, and what is asked of it.
fn read(url: &str) -> Result<(Endpoint, Uri), WebError> {
    let uri: Uri = url.parse().map_err(|source| WebError::Address {
        url: shown(url),
        source,
    })?;
    let unusable = |why| WebError::Unusable {
        url: shown(url),
        why,
    };
    let (tls, usual) = match uri.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(unusable("it must begin with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| unusable("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(unusable("names and passwords have no place in it"));
    }
    if authority.host().is_empty() {
        return Err(unusable("it has no host"));
    }
    let endpoint = Endpoint {
        host: authority.host().to_owned(),
        port: uri.port_u16().unwrap_or(usual),
        tls,
        origin: Origin::User,
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let target = target.parse().map_err(|source| WebError::Address {
        url: shown(url),
        source,
    })?;
    Ok((endpoint, target))
}

/// What stands in messages: neither endless nor with a password.
fn shown(url: &str) -> String {
    let url = match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://...{}", &url[..scheme], &url[at..])
        }
        _ => url.to_owned(),
    };
    url.chars().take(200).collect()
}

async fn fetch(
    pool: &Arc<Pool>,
    request: Request<aws_wire::Body>,
    bounds: Bounds,
) -> Result<Fetched, TransportError> {
    let patience = Patience {
        answer: bounds.time,
        piece: bounds.time,
    };
    let mut reply = pool.send(request, patience).await?;
    let body = reply.whole(bounds.bytes).await?;
    Ok(Fetched {
        status: reply.status,
        headers: std::mem::take(&mut reply.headers),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Does, Endpoint as Faulty};

    const BOUNDS: Bounds = Bounds {
        bytes: 8,
        time: Duration::from_secs(5),
    };

    #[tokio::test]
    async fn an_address_is_asked_within_its_bounds() {
        let script = &[
            Does::Answers(200, "eight by"),
            Does::Answers(302, ""),
            Does::Answers(200, "nine byte"),
            Does::Breaks,
        ];
        let place = Faulty::start(script).await;
        let web = Web::new();
        let url = format!("{}/a/b?c=d", place.url);
        let fetched = web.get(&url, HeaderMap::new(), BOUNDS).await.unwrap();
        assert_eq!(
            (fetched.status, &fetched.body[..]),
            (StatusCode::OK, &b"eight by"[..])
        );
        let body = Bytes::from_static(b"posted");
        let moved = web.post(&url, HeaderMap::new(), body, BOUNDS).await;
        assert_eq!(moved.unwrap().status, StatusCode::FOUND);
        let error = web.get(&url, HeaderMap::new(), BOUNDS).await.unwrap_err();
        let WebError::Transport { source, .. } = error else {
            panic!("{error}");
        };
        assert!(
            matches!(source, TransportError::TooLong { most: 8 }),
            "{source}"
        );
        let error = web.get(&url, HeaderMap::new(), BOUNDS).await.unwrap_err();
        assert!(matches!(error, WebError::Transport { .. }), "{error}");
        let asked = place.asked();
        assert!(asked[0].starts_with("GET /a/b?c=d HTTP/1.1"), "{asked:?}");
        assert!(asked[1].contains("content-length: 6"), "{asked:?}");
        assert!(asked[1].ends_with("posted"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_silent_place_is_not_waited_for() {
        let place = Faulty::start(&[Does::Hangs]).await;
        let bounds = Bounds {
            time: Duration::from_millis(50),
            ..BOUNDS
        };
        let error = Web::new()
            .get(&place.url, HeaderMap::new(), bounds)
            .await
            .unwrap_err();
        let silent = matches!(
            &error,
            WebError::Slow { .. }
                | WebError::Transport {
                    source: TransportError::Silent,
                    ..
                }
        );
        assert!(silent, "{error}");
    }

    #[test]
    fn addresses_that_cannot_be_asked_are_refused() {
        assert!(check("https://issuer.example/.well-known/jwks.json").is_ok());
        assert!(check("http://[::1]:8080/keys?x=y").is_ok());
        for bad in [
            "",
            "/keys",
            "ftp://x/y",
            "file:///etc/passwd",
            "http://",
            "http://me:secret@x/y",
            "http://a b/",
        ] {
            let error = check(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
