//! What the routes of a project want of its API.

use std::collections::{BTreeMap, BTreeSet};

use project::Project;
use project::model::{Auth, Authorizer, Cors, Route, RouteTarget, Who};

use super::integration::{Integration, canonical_cors, cors_document};
use super::{Guard, NO_DOCS, Wanted, WantedRoute, authorizer};
use crate::kinds::permission::{self, Source};
use crate::site::{Site, Target as Place};

/// The route of all requests that no other route takes.
const DEFAULT_ROUTE: &str = "$default";
/// All methods but that of preflights.
const CALLS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

pub fn wanted(site: &Site) -> Option<Wanted> {
    let project = &site.project;
    if project.routes.is_empty() {
        return None;
    }
    let mut wanted = Wanted {
        name: site.names().whole(),
        cors: None,
        docs: None,
        routes: BTreeMap::new(),
        rates: BTreeMap::new(),
    };
    match site.cloud.target {
        Place::Engine => wanted.docs = docs(site),
        Place::Aws => wanted.cors = common_cors(&project.routes),
    }
    for route in &project.routes {
        let has_cors = wanted.cors.is_some();
        let keys = preflighted(route, project, has_cors).unwrap_or_else(|| keys(route));
        for key in keys {
            wanted.put(key, route, site);
        }
    }
    // What is below a map or a site. What the project says itself goes before.
    for route in &project.routes {
        let below = below(route).filter(|_| site.cloud.target == Place::Engine);
        for key in below.into_iter().flatten() {
            if !wanted.routes.contains_key(&key) {
                wanted.put(key, route, site);
            }
        }
    }
    Some(wanted)
}

impl Wanted {
    fn put(&mut self, key: String, route: &Route, site: &Site) {
        if let Some(rate) = route.handling.rate {
            self.rates.insert(key.clone(), rate);
        }
        let wanted = WantedRoute {
            integration: Integration::wanted(site, route),
            guard: guard(&route.who, site),
        };
        self.routes.insert(key, wanted);
    }
}

/// What the API's tag says of who may see its description.
fn docs(site: &Site) -> Option<String> {
    let Some(who) = &site.project.gateway.docs else {
        return Some(NO_DOCS.to_owned());
    };
    let guard = guard(who, site);
    let key = guard.asks_key.then(|| "key".to_owned());
    let auth = match guard.auth {
        Auth::Open => None,
        Auth::Iam => Some("auth=iam".to_owned()),
        Auth::By { name, .. } => Some(format!("auth={name}")),
    };
    let words: Vec<String> = key.into_iter().chain(auth).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn guard(who: &Who, site: &Site) -> Guard {
    let authorizers = &site.project.auth;
    let auth = match &who.auth {
        Auth::By { name, scopes } => {
            let mut scopes = scopes.clone();
            scopes.sort();
            Auth::By {
                name: authorizers
                    .get(name)
                    .map_or_else(|| name.clone(), |kind| authorizer::cloud_name(name, kind)),
                scopes,
            }
        }
        other => other.clone(),
    };
    Guard {
        // On AWS it is an authorizer that asks for it.
        asks_key: who.key && site.cloud.target == Place::Engine,
        auth,
    }
}

/// A route that takes all methods, method by method, where AWS shall answer preflights: these
/// bring neither keys nor tokens, and it would refuse them. The engine has rules of pages by
/// route, none for the whole API, and answers itself.
fn preflighted(route: &Route, project: &Project, has_cors: bool) -> Option<Vec<String>> {
    let is_guarded = route.who.key || route.who.auth != Auth::Open;
    let takes_all = route.methods.is_empty() && route.path != DEFAULT_ROUTE;
    if !has_cors || !is_guarded || !takes_all {
        return None;
    }
    let others = project.routes.iter().filter(|it| it.path == route.path);
    let named: BTreeSet<&str> = others
        .flat_map(|other| other.methods.iter().map(String::as_str))
        .collect();
    let left = CALLS.into_iter().filter(|method| !named.contains(method));
    let left = left.map(|method| format!("{method} {}", route.path));
    Some(left.collect())
}

/// The API of AWS has one set of rules for all of its routes: what any of them allows.
fn common_cors(routes: &[Route]) -> Option<serde_json::Value> {
    let mut all = routes.iter().filter_map(|route| route.cors.as_ref());
    let mut common: Cors = all.next()?.clone();
    for cors in all {
        for (into, from) in [
            (&mut common.origins, &cors.origins),
            (&mut common.methods, &cors.methods),
            (&mut common.headers, &cors.headers),
            (&mut common.expose, &cors.expose),
        ] {
            let union: BTreeSet<String> = into.iter().chain(from).cloned().collect();
            *into = union.into_iter().collect();
        }
        common.max_age_s = common.max_age_s.min(cors.max_age_s);
    }
    for texts in [
        &mut common.origins,
        &mut common.methods,
        &mut common.headers,
        &mut common.expose,
    ] {
        if texts.iter().any(|text| text == "*") {
            *texts = vec!["*".to_owned()];
        }
    }
    Some(canonical_cors(&cors_document(&common)))
}

/// `ANY` stands for all methods.
pub fn keys(route: &Route) -> Vec<String> {
    if route.path == DEFAULT_ROUTE {
        return vec![DEFAULT_ROUTE.to_owned()];
    }
    keys_at(&route.methods, &route.path)
}

fn keys_at(methods: &[String], path: &str) -> Vec<String> {
    if methods.is_empty() {
        return vec![format!("ANY {path}")];
    }
    let methods = methods.iter();
    methods.map(|method| format!("{method} {path}")).collect()
}

/// Pages of a map's jobs, whatever the methods of the map itself, and those of a site.
pub fn below(route: &Route) -> Option<Vec<String>> {
    let methods: &[String] = match &route.target {
        RouteTarget::Map { .. } => &[],
        RouteTarget::Site { .. } => &route.methods,
        _ => return None,
    };
    let mut paths = below_paths(&route.path);
    if matches!(route.target, RouteTarget::Map { .. }) {
        paths.retain(|path| path.ends_with("+}"));
    }
    let keys = paths.iter().flat_map(|path| keys_at(methods, path));
    Some(keys.collect())
}

/// All paths below one, first that of a folder, with a slash at its end; none where it
/// has them already.
pub fn below_paths(path: &str) -> Vec<String> {
    if path == DEFAULT_ROUTE || path.contains("+}") {
        return Vec::new();
    }
    let trimmed = path.trim_end_matches('/');
    let folder = (path == trimmed).then(|| format!("{trimmed}/"));
    folder
        .into_iter()
        .chain([format!("{trimmed}/{{proxy+}}")])
        .collect()
}

/// The API may invoke the functions of its routes, and those that it asks who may call.
/// What the engine does itself needs no leave.
pub fn permissions(site: &Site) -> Vec<permission::Wanted> {
    let project = &site.project;
    if project.routes.is_empty() {
        return Vec::new();
    }
    let functions: BTreeSet<&str> = project
        .routes
        .iter()
        .filter_map(|route| match &route.target {
            RouteTarget::Function(function) => Some(function.as_str()),
            _ => None,
        })
        .collect();
    let of_routes = functions.into_iter().map(|function| permission::Wanted {
        function: site.names().of(function),
        source: Source::Api,
    });
    let asked = project.auth.iter().filter_map(|(name, kind)| match kind {
        Authorizer::Function { function, .. } => Some(permission::Wanted {
            function: site.names().of(function),
            source: Source::Authorizer(authorizer::cloud_name(name, kind)),
        }),
        Authorizer::Jwt { .. } => None,
    });
    of_routes.chain(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::tests::project;
    use crate::kinds::api::tests::route;

    #[test]
    fn keys_are_methods_and_paths() {
        let function = || RouteTarget::Function("f".to_owned());
        let map = || RouteTarget::Map {
            function: "f".to_owned(),
            options: BTreeMap::new(),
        };
        let of = |path: &str, methods: &[&str]| keys(&route(path, methods, function()));
        assert_eq!(of("/", &[]), ["ANY /"]);
        assert_eq!(of("/a", &["GET", "PUT"]), ["GET /a", "PUT /a"]);
        assert_eq!(of("$default", &[]), ["$default"]);
        let below = |path: &str, target| below(&route(path, &["PUT"], target)).unwrap_or_default();
        assert_eq!(below("/", map()), ["ANY /{proxy+}"]);
        assert_eq!(below("/a", map()), ["ANY /a/{proxy+}"]);
        assert!(below("/a", function()).is_empty());
        assert!(below("$default", map()).is_empty());
        let site = RouteTarget::Site {
            objects: project::model::Objects {
                bucket: project::model::BucketRef::Foreign("b".to_owned()),
                prefix: String::new(),
            },
            index: "index.html".to_owned(),
            error: None,
        };
        assert_eq!(
            below("/pages", site.clone()),
            ["PUT /pages/", "PUT /pages/{proxy+}"]
        );
        assert_eq!(below("/", site), ["PUT /{proxy+}"]);
    }

    #[test]
    fn preflights_are_left_to_aws() {
        let function = || RouteTarget::Function("f".to_owned());
        let keyed = |path: &str, methods: &[&str]| {
            let mut route = route(path, methods, function());
            route.who.key = true;
            route
        };
        let routes = vec![
            keyed("/a", &[]),
            keyed("/a", &["GET"]),
            route("/b", &[], function()),
            keyed("$default", &[]),
        ];
        let project = project(routes);
        let of = |at: usize, has_cors| preflighted(&project.routes[at], &project, has_cors);
        let methods = ["DELETE /a", "HEAD /a", "PATCH /a", "POST /a", "PUT /a"];
        assert_eq!(of(0, true).unwrap(), methods);
        assert_eq!(of(0, false), None);
        for at in [1, 2, 3] {
            assert_eq!(of(at, true), None, "{at}");
        }
    }

    #[test]
    fn one_set_of_rules_allows_what_any_route_does() {
        let rules = |origin: &str, methods: &[&str]| Cors {
            origins: vec![origin.to_owned()],
            methods: methods.iter().map(ToString::to_string).collect(),
            headers: vec!["*".to_owned()],
            expose: vec![],
            credentials: false,
            max_age_s: 60,
        };
        let with = |cors| Route {
            cors,
            ..route("/", &[], RouteTarget::Function("f".to_owned()))
        };
        let routes = [
            with(Some(rules("https://b", &["GET"]))),
            with(None),
            with(Some(rules("https://a", &["*", "PUT"]))),
        ];
        let common = common_cors(&routes).unwrap();
        assert_eq!(
            common["allowOrigins"],
            serde_json::json!(["https://a", "https://b"])
        );
        assert_eq!(common["allowMethods"], serde_json::json!(["*"]));
        assert!(common.get("exposeHeaders").is_none());
        assert_eq!(common_cors(&[with(None)]), None);
    }
}
