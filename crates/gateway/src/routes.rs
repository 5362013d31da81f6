//! Routes: which path of the gateway is served by what. They lie in the store until
//! someone takes them away; requests look them up in memory.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engine::catalog::Cors;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use store::{Change, Store, StoreError};
use tokio::sync::Mutex;

use crate::map_service::MapRoute;
use crate::model_service::ModelRoute;

/// Their kind among the documents of the store.
const DOCUMENTS: &str = "route";
/// More than anyone makes by hand; looking one up goes through them all.
const MOST: usize = 1000;

/// Where a route begins: `/`, or `/a/b` without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoutePath(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no path for a route: {why}")]
pub struct BadPath {
    given: String,
    why: &'static str,
}

impl FromStr for RoutePath {
    type Err = BadPath;

    fn from_str(given: &str) -> Result<Self, BadPath> {
        const LONGEST: usize = 500;
        let bad = |why| {
            Err(BadPath {
                given: given.chars().take(100).collect(),
                why,
            })
        };
        if !given.starts_with('/') {
            return bad("it begins with /");
        }
        let path = given.strip_suffix('/').unwrap_or(given);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if path.len() > LONGEST || !path.bytes().all(plain) {
            return bad("it has up to 500 letters, digits and -._~ between slashes");
        }
        let mut segments = path.split('/').skip(1);
        if segments.any(|segment| matches!(segment, "" | "." | "..")) {
            return bad("no part of it is empty, . or ..");
        }
        let taken = ["/lambda-url", "/execute-api", "/s3-website", "/_squall"];
        let under = |taken: &&str| path.strip_prefix(taken).is_some_and(is_end);
        if taken.iter().any(under) {
            return bad("function URLs, APIs, websites and /_squall have their places");
        }
        Ok(Self(if path.is_empty() { "/" } else { path }.to_owned()))
    }
}

/// Whether a prefix ended with a whole segment.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

impl RoutePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of a request's path lies below the route, without the slash between;
    /// None if the request is not for it.
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let own = self.0.strip_suffix('/').unwrap_or(&self.0);
        let rest = path.strip_prefix(own).filter(|rest| is_end(rest))?;
        Some(rest.strip_prefix('/').unwrap_or(rest))
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RoutePath {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, BadPath> {
        text.parse()
    }
}

impl From<RoutePath> for String {
    fn from(path: RoutePath) -> Self {
        path.0
    }
}

/// A path and what serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub path: RoutePath,
    #[serde(flatten)]
    pub to: RouteTo,
    /// Origins whose pages may call it from browsers; `*` is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<String>,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum RouteTo {
    Map(MapRoute),
    Model(ModelRoute),
}

#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    #[error("{0}")]
    Bad(String),
    #[error("there are {MOST} routes already")]
    TooMany,
    #[error("there is no route {0}")]
    NotFound(RoutePath),
    #[error("the route cannot be stored")]
    Store(#[from] StoreError),
}

impl Route {
    /// Reads one as it is sent, with nothing in it that means nothing.
    pub fn parse(text: &[u8]) -> Result<Self, RouteError> {
        const MAP: &[&str] = &["path", "type", "function", "qualifier", "options", "cors"];
        const MODEL: &[&str] = &["path", "type", "model", "options", "cors"];
        let bad = |error: serde_json::Error| RouteError::Bad(format!("this is no route: {error}"));
        let object: serde_json::Map<_, _> = serde_json::from_slice(text).map_err(bad)?;
        let is_model = object.get("type").is_some_and(|kind| kind == "model");
        let fields = if is_model { MODEL } else { MAP };
        if let Some(field) = object.keys().find(|key| !fields.contains(&key.as_str())) {
            let fields = fields.join(", ");
            let message = format!("a route has no field {field:?}; it has {fields}");
            return Err(RouteError::Bad(message));
        }
        let route: Self = serde_json::from_value(object.into()).map_err(bad)?;
        if let RouteTo::Map(map) = &route.to {
            map.check().map_err(RouteError::Bad)?;
        }
        Ok(route)
    }

    /// The rules for browsers that its origins stand for.
    pub(crate) fn cors(&self) -> Option<Cors> {
        rules_of(&self.cors)
    }
}

/// The rules for browsers that some origins stand for; none, if there are none.
pub(crate) fn rules_of(origins: &[String]) -> Option<Cors> {
    let list = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    (!origins.is_empty()).then(|| Cors {
        allow_origins: Some(origins.to_vec()),
        allow_methods: list(&["PUT", "POST", "GET", "DELETE"]),
        allow_headers: list(&["*"]),
        expose_headers: list(&[
            "location",
            "preference-applied",
            "retry-after",
            "server-timing",
            "squall-failed",
            "squall-invocations",
            "squall-items",
            "x-amzn-requestid",
            "x-squall-model-error",
            "x-squall-model-version",
        ]),
        max_age: Some(600),
        allow_credentials: None,
    })
}

/// All routes.
pub struct Routes {
    store: Arc<Store>,
    /// Sorted by path.
    known: RwLock<Vec<Arc<Route>>>,
    /// One change at a time; memory follows the store.
    changing: Mutex<()>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl Routes {
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut known = Vec::new();
        for (key, body) in store.documents().load(DOCUMENTS)? {
            match serde_json::from_slice(&body) {
                Ok(route) => known.push(Arc::new(route)),
                // One route that a later version wrote must not keep the engine down.
                Err(error) => tracing::error!(%key, %error, "a stored route cannot be read"),
            }
        }
        Ok(Self {
            store,
            known: RwLock::new(known),
            changing: Mutex::new(()),
        })
    }

    /// The route that is nearest to a path, and what of the path lies below it.
    pub fn find<'a>(&self, path: &'a str) -> Option<(Arc<Route>, &'a str)> {
        let known = self.known.read();
        let fitting = known
            .iter()
            .filter_map(|route| Some((route, route.path.below(path)?)));
        let nearest = fitting.min_by_key(|(_, below)| below.len());
        nearest.map(|(route, below)| (Arc::clone(route), below))
    }

    pub fn list(&self) -> Vec<Arc<Route>> {
        self.known.read().clone()
    }

    /// Makes a route, or puts it in the place of the one on its path.
    pub async fn put(&self, route: Route) -> Result<Arc<Route>, RouteError> {
        let _turn = self.changing.lock().await;
        let place = self.place(&route.path);
        if place.is_err() && self.known.read().len() >= MOST {
            return Err(RouteError::TooMany);
        }
        let body = serde_json::to_vec(&route).expect("texts and maps of texts become JSON");
        self.commit(&route.path, Some(body)).await?;
        let route = Arc::new(route);
        let mut known = self.known.write();
        match place {
            Ok(at) => known[at] = Arc::clone(&route),
            Err(at) => known.insert(at, Arc::clone(&route)),
        }
        Ok(route)
    }

    pub async fn remove(&self, path: &RoutePath) -> Result<(), RouteError> {
        let _turn = self.changing.lock().await;
        let at = self.place(path);
        let at = at.map_err(|_| RouteError::NotFound(path.clone()))?;
        self.commit(path, None).await?;
        self.known.write().remove(at);
        Ok(())
    }

    fn place(&self, path: &RoutePath) -> Result<usize, usize> {
        let known = self.known.read();
        known.binary_search_by(|route| route.path.cmp(path))
    }

    async fn commit(&self, path: &RoutePath, body: Option<Vec<u8>>) -> Result<(), StoreError> {
        let change = Change {
            kind: DOCUMENTS,
            key: path.to_string(),
            body,
        };
        self.store.documents().commit(vec![change]).await
    }
}

#[cfg(test)]
mod tests {
    use store::Durability;

    use super::*;

    fn route(path: &str, function: &str) -> Route {
        let text = format!(r#"{{"path":"{path}","type":"map","function":"{function}"}}"#);
        Route::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn paths_are_plain() {
        for (given, path) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/v1.0/a_b~c-d", "/v1.0/a_b~c-d"),
            ("/v1.0/ab~c-d", "/v1.0/ab~c-d"),
            ("", ""),
            ("a", ""),
            ("//", ""),
            ("/a//b", ""),
            ("/a/../b", ""),
            ("/a b", ""),
            ("/a?b", ""),
            ("/lambda-url", ""),
            ("/lambda-url/x", ""),
            ("/execute-api/x", ""),
            ("/lambda-urls", "/lambda-urls"),
            ("/_squall/x", ""),
        ] {
            let read = given.parse::<RoutePath>().ok();
            let read = read.as_ref().map_or("", RoutePath::as_str);
            assert_eq!(read, path, "{given}");
        }
    }

    #[tokio::test]
    async fn the_nearest_route_is_found_and_all_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
        let store = open();
        let routes = Routes::open(Arc::clone(&store)).unwrap();
        for path in ["/", "/a/b", "/a"] {
            routes.put(route(path, "f")).await.unwrap();
        }
        routes.put(route("/a", "g")).await.unwrap();
        let found = |routes: &Routes, path| {
            let (route, below) = routes.find(path)?;
            let RouteTo::Map(map) = &route.to else {
                panic!("all are maps");
            };
            Some(format!("{} {} {below}", route.path, map.function))
        };
        let expected = [
            ("/", "/ f "),
            ("/x/y", "/ f x/y"),
            ("/a", "/a g "),
            ("/a/", "/a g "),
            ("/a/jobs/1", "/a g jobs/1"),
            ("/a/b/c", "/a/b f c"),
            ("/ab", "/ f ab"),
        ];
        for (path, there) in expected {
            assert_eq!(found(&routes, path).as_deref(), Some(there));
        }
        store.close().await;
        drop((routes, store));
        let routes = Routes::open(open()).unwrap();
        for (path, there) in expected {
            assert_eq!(found(&routes, path).as_deref(), Some(there));
        }
        routes.remove(&"/".parse().unwrap()).await.unwrap();
        assert_eq!(found(&routes, "/x"), None);
        let again = routes.remove(&"/".parse().unwrap()).await;
        assert!(matches!(again, Err(RouteError::NotFound(_))));
        assert_eq!(routes.list().len(), 2);
    }

    #[test]
    fn a_route_is_kept_as_it_was_sent() {
        for text in [
            r#"{"path":"/","type":"map","function":"f","options":{"chunksize":"5"}}"#,
            r#"{"path":"/a","type":"model","model":"s3://bucket/a/b.rds","options":{"threshold":"0.5"},"cors":["*"]}"#,
        ] {
            let route = Route::parse(text.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&route).unwrap(), text);
        }
    }

    #[test]
    fn a_route_with_a_mistake_is_refused_with_its_name() {
        for (text, word) in [
            ("[]", "no route"),
            (r#"{"path":"/"}"#, "type"),
            (r#"{"path":"/","type":"proxy","function":"f"}"#, "proxy"),
            (
                r#"{"path":"x","type":"map","function":"f"}"#,
                "begins with /",
            ),
            (r#"{"path":"/","type":"map","function":"a b"}"#, "a b"),
            (
                r#"{"path":"/","type":"map","function":"f","optoins":{}}"#,
                "optoins",
            ),
            (
                r#"{"path":"/","type":"map","function":"f","options":{"chunksize":"0"}}"#,
                "chunksize",
            ),
            (
                r#"{"path":"/","type":"map","function":"f","options":{"by":"id"}}"#,
                "\"by\"",
            ),
            (r#"{"path":"/","type":"model"}"#, "model"),
            (
                r#"{"path":"/","type":"model","model":"x.rds"}"#,
                "s3://BUCKET/KEY",
            ),
            (
                r#"{"path":"/","type":"model","model":"s3://bucket/"}"#,
                "1024 bytes",
            ),
            (
                r#"{"path":"/","type":"model","model":"s3://bucket/k","function":"f"}"#,
                "function",
            ),
            (
                r#"{"path":"/","type":"model","model":"s3://bucket/k","options":{"level":"95"}}"#,
                "between 0 and 1",
            ),
        ] {
            let said = Route::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
