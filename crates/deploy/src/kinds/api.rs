//! The HTTP API of a project: one for each stage, with a route for each of the project's.
//! It is made first and gets its routes later, because functions let in an API by its
//! id, which is known only when it is made.

mod read;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use aws_wire::form;
use project::model::{Route, RouteTarget};

use super::permission::{self, Source};
use super::policy;
use crate::names::ALIAS;
use crate::site::{Site, Target as Place};
use crate::step::{Action, Phase, Step};

pub use read::read;
pub use work::Work;

const KIND: &str = "api";
const ROUTES: &str = "routes";
/// The stage without a name in its addresses.
const STAGE: &str = "$default";
/// The route of all requests that no other route takes.
const DEFAULT_ROUTE: &str = "$default";
/// The engine's own integrations, in whose place AWS has the coordinator's function.
const MAP: &str = "Squall-Map";
const MODEL: &str = "Squall-Model";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// Origins of pages that may call it. An API has one list for all routes.
    pub cors: Vec<String>,
    /// By their keys: `GET /items/{id}`.
    pub routes: BTreeMap<String, WantedRoute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRoute {
    pub target: Target,
    /// Whether calls must bring an API key.
    pub asks_key: bool,
}

/// What a route leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An alias, by its ARN.
    Function(String),
    /// Its parameters: the function, its alias, and options.
    Map(BTreeMap<String, String>),
    /// Its parameters: the object, and options.
    Model(BTreeMap<String, String>),
}

/// All APIs with our tags: more than one where the answer to a creation was lost.
pub type Found = Vec<Api>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    pub id: String,
    pub endpoint: String,
    pub cors: Vec<String>,
    /// Whether it has the stage by which it answers.
    pub has_stage: bool,
    pub routes: BTreeMap<String, FoundRoute>,
    /// By id.
    pub integrations: BTreeMap<String, Target>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRoute {
    pub id: String,
    /// An integration's id.
    pub integration: String,
    pub asks_key: bool,
}

impl Api {
    fn leads(&self, key: &str, wanted: &WantedRoute) -> bool {
        self.routes.get(key).is_some_and(|route| {
            let target = self.integrations.get(&route.integration);
            target == Some(&wanted.target) && route.asks_key == wanted.asks_key
        })
    }
}

pub fn wanted(site: &Site) -> Option<Wanted> {
    let project = &site.project;
    if project.routes.is_empty() {
        return None;
    }
    let origins = project.routes.iter().flat_map(|route| &route.cors);
    let cors: BTreeSet<String> = origins.cloned().collect();
    let mut routes = BTreeMap::new();
    for route in &project.routes {
        let wanted = wanted_route(route, site);
        routes.extend(keys(route).into_iter().map(|key| (key, wanted.clone())));
    }
    // Pages of a map's jobs, below its path. What the project says itself goes before.
    for route in &project.routes {
        let below = below(route).filter(|_| site.cloud.target == Place::Engine);
        if let Some(key) = below {
            let wanted = || wanted_route(route, site);
            routes.entry(key).or_insert_with(wanted);
        }
    }
    Some(Wanted {
        name: site.names().whole(),
        cors: cors.into_iter().collect(),
        routes,
    })
}

fn wanted_route(route: &Route, site: &Site) -> WantedRoute {
    WantedRoute {
        target: target(route, site),
        asks_key: route.key,
    }
}

fn target(route: &Route, site: &Site) -> Target {
    let names = site.names();
    match &route.target {
        RouteTarget::Function(function) => Target::Function(names.alias_arn(function)),
        RouteTarget::Map { function, options } => {
            let mut parameters = options.clone();
            parameters.insert("function".to_owned(), names.of(function));
            parameters.insert("qualifier".to_owned(), ALIAS.to_owned());
            Target::Map(parameters)
        }
        RouteTarget::Model { model, options } => {
            let mut parameters = options.clone();
            let bucket = policy::bucket_name(site, &model.bucket);
            parameters.insert("model".to_owned(), format!("s3://{bucket}/{}", model.key));
            Target::Model(parameters)
        }
    }
}

/// `ANY` stands for all methods.
fn keys(route: &Route) -> Vec<String> {
    let path = &route.path;
    if path == DEFAULT_ROUTE {
        return vec![DEFAULT_ROUTE.to_owned()];
    }
    if route.methods.is_empty() {
        return vec![format!("ANY {path}")];
    }
    let methods = route.methods.iter();
    methods.map(|method| format!("{method} {path}")).collect()
}

fn below(route: &Route) -> Option<String> {
    let is_map = matches!(route.target, RouteTarget::Map { .. });
    if !is_map || route.path == DEFAULT_ROUTE || route.path.contains("+}") {
        return None;
    }
    let path = route.path.trim_end_matches('/');
    Some(format!("ANY {path}/{{proxy+}}"))
}

/// The API may invoke the functions of its routes. Maps and models of the engine need
/// no leave.
pub fn permissions(site: &Site) -> Vec<permission::Wanted> {
    let routes = site.project.routes.iter();
    let functions: BTreeSet<&str> = routes
        .filter_map(|route| match &route.target {
            RouteTarget::Function(function) => Some(function.as_str()),
            RouteTarget::Map { .. } | RouteTarget::Model { .. } => None,
        })
        .collect();
    let functions = functions.into_iter();
    functions
        .map(|function| permission::Wanted {
            function: site.names().of(function),
            source: Source::Api,
        })
        .collect()
}

/// Id and address of the API that stays.
pub fn known(found: &Found) -> Option<(String, String)> {
    chosen(found).map(|api| (api.id.clone(), api.endpoint.clone()))
}

/// The one that got furthest; the others were made by attempts that nobody heard of.
fn chosen(found: &Found) -> Option<&Api> {
    found.iter().min_by_key(|api| {
        let progress = api.routes.len() + api.integrations.len();
        (usize::MAX - progress, &api.id)
    })
}

pub fn plan(wanted: Option<&Wanted>, found: &Found) -> Vec<Step> {
    let chosen = chosen(found).filter(|_| wanted.is_some());
    let mut steps = Vec::new();
    if let Some(wanted) = wanted {
        steps.extend(plan_api(wanted, chosen));
        steps.extend(plan_routes(wanted, chosen));
    }
    let is_chosen = |api: &&Api| chosen.is_some_and(|chosen| chosen.id == api.id);
    for api in found.iter().filter(|api| !is_chosen(api)) {
        let step = Step::draft(Action::Remove, Phase::Api, KIND, &api.id);
        let details = api.routes.keys().cloned();
        steps.push(step.details(details).work(Work::Remove(api.id.clone())));
    }
    steps
}

fn plan_api(wanted: &Wanted, there: Option<&Api>) -> Option<Step> {
    let mut details = Vec::new();
    let origins = || match wanted.cors.as_slice() {
        [] => "no cors".to_owned(),
        origins => format!("cors {}", origins.join(" ")),
    };
    let action = match there {
        None => {
            details.extend((!wanted.cors.is_empty()).then(origins));
            Action::Create
        }
        Some(api) => {
            details.extend((api.cors != wanted.cors).then(origins));
            details.extend((!api.has_stage).then(|| "stage".to_owned()));
            if details.is_empty() {
                return None;
            }
            Action::Update
        }
    };
    let step = Step::draft(action, Phase::Api, KIND, &wanted.name).details(details);
    Some(step.work(Work::Put {
        name: wanted.name.clone(),
        cors: wanted.cors.clone(),
        id: there.map(|api| api.id.clone()),
        had_cors: there.is_some_and(|api| !api.cors.is_empty()),
    }))
}

fn plan_routes(wanted: &Wanted, there: Option<&Api>) -> Option<Step> {
    let mut details = Vec::new();
    for (key, route) in &wanted.routes {
        if !there.is_some_and(|api| api.leads(key, route)) {
            let asks = if route.asks_key { ", with a key" } else { "" };
            details.push(format!("{key} -> {}{asks}", shown(&route.target)));
        }
    }
    if let Some(api) = there {
        let old = api.routes.keys();
        let old = old.filter(|key| !wanted.routes.contains_key(*key));
        details.extend(old.map(|key| format!("no more {key}")));
        if details.is_empty() && is_littered(api) {
            details.push("integrations that no route has".to_owned());
        }
    }
    if details.is_empty() {
        return None;
    }
    let action = match there {
        Some(api) if !api.routes.is_empty() => Action::Update,
        _ => Action::Create,
    };
    let step = Step::draft(action, Phase::Route, ROUTES, &wanted.name).details(details);
    Some(step.work(Work::Routes(wanted.routes.clone())))
}

/// Whether there are integrations that no route has.
fn is_littered(api: &Api) -> bool {
    let used: BTreeSet<&String> = api.routes.values().map(|it| &it.integration).collect();
    api.integrations.keys().any(|id| !used.contains(id))
}

fn shown(target: &Target) -> String {
    match target {
        Target::Function(arn) => {
            let mut parts = arn.rsplit(':').skip(1);
            parts.next().unwrap_or(arn).to_owned()
        }
        Target::Map(parameters) => own("map", "function", parameters),
        Target::Model(parameters) => own("model", "model", parameters),
    }
}

/// `map p-dev-f item=series`: what it is, of what, and its options.
fn own(kind: &str, of: &str, parameters: &BTreeMap<String, String>) -> String {
    let what = parameters.get(of).map_or("", String::as_str);
    let is_option = |name: &&String| name.as_str() != of && name.as_str() != "qualifier";
    let options = parameters.iter().filter(|(name, _)| is_option(name));
    let options: Vec<_> = options
        .map(|(name, value)| format!("{name}={}", form::encode(value)))
        .collect();
    format!("{kind} {what} {}", options.join("&"))
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str) -> Target {
        Target::Function(format!("arn:aws:lambda:us-east-1:1:function:{name}:live"))
    }

    fn open(target: Target) -> WantedRoute {
        WantedRoute {
            target,
            asks_key: false,
        }
    }

    fn wanted(routes: &[(&str, &str)]) -> Wanted {
        let routes = routes.iter();
        Wanted {
            name: "p-dev".to_owned(),
            cors: vec![],
            routes: routes
                .map(|(key, name)| ((*key).to_owned(), open(function(name))))
                .collect(),
        }
    }

    fn api(id: &str, routes: &[(&str, &str)]) -> Api {
        let mut api = Api {
            id: id.to_owned(),
            endpoint: format!("https://{id}"),
            cors: vec![],
            has_stage: true,
            routes: BTreeMap::new(),
            integrations: BTreeMap::new(),
        };
        for (number, (key, name)) in routes.iter().enumerate() {
            let integration = format!("i{number}");
            let route = FoundRoute {
                id: format!("r{number}"),
                integration: integration.clone(),
                asks_key: false,
            };
            api.routes.insert((*key).to_owned(), route);
            api.integrations.insert(integration, function(name));
        }
        api
    }

    #[test]
    fn routes_as_they_should_be_need_nothing() {
        let routes = [("GET /a", "f"), ("ANY /{proxy+}", "g")];
        let found = vec![api("x", &routes)];
        assert_eq!(plan(Some(&wanted(&routes)), &found), []);
        assert_eq!(plan(None, &vec![]), []);
    }

    #[test]
    fn a_new_api_gets_its_routes_after_its_id_is_known() {
        let steps = plan(Some(&wanted(&[("GET /a", "p-dev-f")])), &vec![]);
        assert_eq!(steps.len(), 2);
        assert!(steps[0].phase < Phase::Permission && steps[1].phase > Phase::Permission);
        assert_eq!(steps[1].details, ["GET /a -> p-dev-f"]);
    }

    #[test]
    fn changes_of_routes_are_told() {
        let found = vec![api("x", &[("GET /a", "f"), ("GET /b", "f")])];
        let changed = wanted(&[("GET /a", "g"), ("GET /c", "f")]);
        let steps = plan(Some(&changed), &found);
        assert_eq!(
            steps[0].details,
            ["GET /a -> g", "GET /c -> f", "no more GET /b"]
        );
    }

    #[test]
    fn a_route_that_asks_for_a_key_now_is_changed() {
        let found = vec![api("x", &[("GET /a", "f")])];
        let mut asks = wanted(&[("GET /a", "f")]);
        for route in asks.routes.values_mut() {
            route.asks_key = true;
        }
        let steps = plan(Some(&asks), &found);
        assert_eq!(steps[0].details, ["GET /a -> f, with a key"]);
    }

    #[test]
    fn what_an_interrupted_deployment_left_is_finished_or_removed() {
        let routes = [("GET /a", "f")];
        let mut bare = api("x", &[]);
        bare.has_stage = false;
        let steps = plan(Some(&wanted(&routes)), &vec![bare.clone()]);
        assert_eq!(steps[0].details, ["stage"]);
        assert_eq!(steps[1].action, Action::Create);
        // Of two the one with routes stays.
        let found = vec![api("y", &routes), bare];
        assert_eq!(known(&found).unwrap().0, "y");
        let steps = plan(Some(&wanted(&routes)), &found);
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].work, Work::Remove("x".to_owned()).into());
        assert_eq!(plan(None, &found).len(), 2);
        // An integration that never got its route.
        let mut littered = api("x", &routes);
        littered.integrations.insert("i9".to_owned(), function("f"));
        let steps = plan(Some(&wanted(&routes)), &vec![littered]);
        assert_eq!(steps[0].details, ["integrations that no route has"]);
    }

    fn route(path: &str, methods: &[&str], is_map: bool) -> Route {
        let function = "f".to_owned();
        Route {
            place: 0,
            path: path.to_owned(),
            methods: methods.iter().map(|it| (*it).to_owned()).collect(),
            target: if is_map {
                RouteTarget::Map {
                    function,
                    options: BTreeMap::new(),
                }
            } else {
                RouteTarget::Function(function)
            },
            cors: vec![],
            key: false,
        }
    }

    #[test]
    fn keys_are_methods_and_paths() {
        assert_eq!(keys(&route("/", &[], false)), ["ANY /"]);
        assert_eq!(
            keys(&route("/a", &["GET", "PUT"], false)),
            ["GET /a", "PUT /a"]
        );
        assert_eq!(keys(&route("$default", &[], false)), ["$default"]);
        let below = |path, is_map| below(&route(path, &[], is_map));
        assert_eq!(below("/", true).as_deref(), Some("ANY /{proxy+}"));
        assert_eq!(below("/a", true).as_deref(), Some("ANY /a/{proxy+}"));
        assert_eq!(below("/a", false), None);
        assert_eq!(below("$default", true), None);
    }

    #[test]
    fn options_of_a_map_are_shown() {
        let parameters = [
            ("function", "p-dev-f"),
            ("qualifier", "live"),
            ("item", "series"),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            shown(&Target::Map(parameters.into())),
            "map p-dev-f item=series"
        );
        let parameters = [("model", "s3://b/m.rds"), ("threshold", "0.5")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            shown(&Target::Model(parameters.into())),
            "model s3://b/m.rds threshold=0.5"
        );
    }
}
