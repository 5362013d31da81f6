//! What the gateway keeps by routes while a stage is served as it is: names that are told
//! of every request, what bounds the route, what was found out once about its target.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::http_apis::{ApiId, Endpoint, Handling, IntegrationTarget, Match, RouteKey, Served};
use http::Method;
use parking_lot::{Mutex, RwLock};

use super::limits::Limits;
use crate::model_service::ModelRoute;

/// Methods for which it is kept whether a function lets the gateway in. Others are asked
/// for each time.
const MOST_METHODS: usize = 16;

/// All stages that were asked for.
#[derive(Debug, Default)]
pub(super) struct Stages {
    /// By the address of what is served, which is held and so cannot be another's.
    held: RwLock<HashMap<usize, Arc<Stage>>>,
    count: AtomicU64,
}

/// A stage as it is served from one deployment to the next.
#[derive(Debug)]
pub(super) struct Stage {
    served: Arc<Served>,
    /// No other has it.
    pub number: u64,
    pub api: Arc<str>,
    pub name: Arc<str>,
    /// By the address of their endpoints, which are held by what is served.
    places: HashMap<usize, Arc<Place>>,
    limits: AllLimits,
}

/// By route key. They outlive deployments, so that one does not let more in.
type AllLimits = Arc<Mutex<HashMap<Arc<str>, Arc<Limits>>>>;

/// A route with what is kept of it.
#[derive(Debug)]
pub(super) struct Place {
    pub endpoint: Arc<Endpoint>,
    pub api: Arc<str>,
    pub stage: Arc<str>,
    /// The key of the route, such as `GET /items/{id}`.
    pub route: Arc<str>,
    /// What stands behind it.
    pub target: &'static str,
    /// Which function, model or bucket.
    pub name: Option<Arc<str>>,
    pub limits: Arc<Limits>,
    /// Of a route to a model, with its options read.
    pub model: Option<Result<ModelRoute, String>>,
    permits: RwLock<Vec<Permit>>,
}

/// Whether a function let the gateway in, when it was as its revision says.
#[derive(Debug)]
struct Permit {
    method: Method,
    revision: String,
    permitted: bool,
}

impl Stages {
    /// What is kept of a stage, and of the one before it if it is another now; that one's
    /// number comes with it.
    pub fn get(&self, api: &ApiId, served: &Arc<Served>) -> (Arc<Stage>, Option<u64>) {
        let address = Arc::as_ptr(served) as usize;
        if let Some(stage) = self.held.read().get(&address) {
            return (Arc::clone(stage), None);
        }
        let mut held = self.held.write();
        if let Some(stage) = held.get(&address) {
            return (Arc::clone(stage), None);
        }
        let is_other =
            |stage: &Stage| &*stage.api == api.as_str() && *stage.name == *served.stage.as_str();
        let other = held.iter().find(|(_, stage)| is_other(stage));
        let other = other.map(|(address, stage)| (*address, Arc::clone(stage)));
        let limits = other.as_ref().map(|(_, stage)| Arc::clone(&stage.limits));
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let stage = Stage::new(number, api, served, limits.unwrap_or_default());
        let stage = Arc::new(stage);
        // A request that began before a deployment ends as it began, and takes nothing from
        // what is served since.
        if other
            .as_ref()
            .is_some_and(|(_, other)| other.served.made > served.made)
        {
            return (stage, None);
        }
        if let Some((address, _)) = &other {
            held.remove(address);
        }
        // Nobody else holds what is served no more.
        held.retain(|_, stage| Arc::strong_count(&stage.served) > 1);
        stage.forget_others_limits();
        held.insert(address, Arc::clone(&stage));
        (stage, other.map(|(_, other)| other.number))
    }
}

impl Stage {
    fn new(number: u64, api: &ApiId, served: &Arc<Served>, limits: AllLimits) -> Self {
        let mut stage = Self {
            served: Arc::clone(served),
            number,
            api: api.as_str().into(),
            name: served.stage.as_str().into(),
            places: HashMap::new(),
            limits,
        };
        let places = served.endpoints().map(|endpoint| {
            let place = Arc::new(Place::new(&stage, endpoint));
            (Arc::as_ptr(endpoint) as usize, place)
        });
        stage.places = places.collect();
        stage
    }

    /// Those of routes that are no more.
    fn forget_others_limits(&self) {
        let mut limits = self.limits.lock();
        limits.retain(|route, _| self.places.values().any(|place| place.route == *route));
    }

    /// None does not happen: what is found is one of the stage's own.
    pub fn place(&self, found: &Match) -> Option<&Arc<Place>> {
        let address = Arc::as_ptr(&found.endpoint) as usize;
        self.places.get(&address)
    }
}

impl Place {
    fn new(stage: &Stage, endpoint: &Arc<Endpoint>) -> Self {
        let route: Arc<str> = endpoint.route.key.to_string().into();
        let integration = endpoint.integration.as_ref();
        let target = integration.map(|integration| &integration.target);
        let (kind, name) = target.map_or(("nothing", None), told);
        let model = match target {
            Some(IntegrationTarget::Model(model)) => Some(super::model::route(model)),
            _ => None,
        };
        let limits = Arc::clone(stage.limits.lock().entry(Arc::clone(&route)).or_default());
        Self {
            endpoint: Arc::clone(endpoint),
            api: Arc::clone(&stage.api),
            stage: Arc::clone(&stage.name),
            route,
            target: kind,
            name: name.map(Into::into),
            limits,
            model,
            permits: RwLock::default(),
        }
    }

    pub fn handling(&self) -> Option<&Handling> {
        let integration = self.endpoint.integration.as_ref()?;
        Some(&integration.handling)
    }

    /// For how long a request is worked on at most, if that is said.
    pub fn time(&self) -> Option<Duration> {
        let integration = self.endpoint.integration.as_ref()?;
        let said = integration.timeout_ms?;
        Some(Duration::from_millis(said.into()))
    }

    /// The path of its key.
    pub fn template(&self) -> &str {
        match &self.endpoint.route.key {
            RouteKey::Default => "$default",
            RouteKey::Path { path, .. } => path.as_str(),
        }
    }

    /// What `ask` says, or said of the same method and revision.
    pub fn permits(&self, method: &Method, revision: &str, ask: impl FnOnce() -> bool) -> bool {
        let known = |permit: &&Permit| permit.method == *method && permit.revision == revision;
        if let Some(permit) = self.permits.read().iter().find(known) {
            return permit.permitted;
        }
        let permitted = ask();
        let mut permits = self.permits.write();
        permits.retain(|permit| permit.method != *method);
        if permits.len() < MOST_METHODS {
            permits.push(Permit {
                method: method.clone(),
                revision: revision.to_owned(),
                permitted,
            });
        }
        permitted
    }
}

fn told(target: &IntegrationTarget) -> (&'static str, Option<String>) {
    match target {
        IntegrationTarget::Function(target) => ("function", Some(target.function.to_string())),
        IntegrationTarget::Map(target) => ("map", Some(target.function.to_string())),
        IntegrationTarget::Model(target) => ("model", Some(target.uri())),
        IntegrationTarget::Redirect(_) => ("redirect", None),
        IntegrationTarget::Site(target) => ("site", Some(target.bucket.to_string())),
        IntegrationTarget::Route(_) => ("route", None),
    }
}

#[cfg(test)]
mod tests {
    use engine::http_apis::{AuthorizationPatch, HttpApis, NewApi, NewRoute, NewStage, StagePatch};
    use store::{Durability, Store};
    use types::Scope;

    use super::*;

    async fn add_route(apis: &HttpApis, api: &ApiId, key: &str) -> Arc<Served> {
        let new = NewRoute {
            key: key.parse().unwrap(),
            target: None,
            operation_name: None,
            key_required: false,
            authorization: AuthorizationPatch::default(),
        };
        apis.create_route(api, new).await.unwrap();
        let entry = apis.find(api).unwrap();
        Arc::clone(entry.stage("/").unwrap().0)
    }

    #[tokio::test]
    async fn a_late_request_takes_nothing_from_what_is_served_since() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let apis = HttpApis::open(store, scope).unwrap();
        let new = NewApi {
            name: "a".to_owned(),
            description: None,
            version: None,
            cors: None,
            is_hidden: false,
            tags: [].into(),
            quick: None,
        };
        let api = apis.create_api(new).await.unwrap().api.id.clone();
        let patch = StagePatch {
            deploys_by_itself: Some(true),
            ..StagePatch::default()
        };
        let new = NewStage {
            name: "$default".parse().unwrap(),
            tags: [].into(),
            rest: patch,
        };
        apis.create_stage(&api, new).await.unwrap();
        let old = add_route(&apis, &api, "GET /old").await;
        let new = add_route(&apis, &api, "GET /new").await;

        let stages = Stages::default();
        let (first, before) = stages.get(&api, &old);
        assert_eq!(before, None);
        let (second, before) = stages.get(&api, &new);
        assert_eq!(before, Some(first.number));
        let limits = |stage: &Stage, served: &Served, path: &str| {
            let found = served.find("GET", path).unwrap();
            Arc::clone(&stage.place(&found).unwrap().limits)
        };
        let of_new = limits(&second, &new, "/new");

        let (late, before) = stages.get(&api, &old);
        assert_eq!(before, None);
        let (old_limits, shared) = (limits(&late, &old, "/old"), limits(&second, &new, "/old"));
        assert!(Arc::ptr_eq(&old_limits, &shared));

        let (again, before) = stages.get(&api, &new);
        assert_eq!((again.number, before), (second.number, None));
        assert!(Arc::ptr_eq(&of_new, &limits(&again, &new, "/new")));
    }
}
