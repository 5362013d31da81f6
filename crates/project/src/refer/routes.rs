//! Whether routes fit together: where they lead, who may call them, and what they say of
//! their requests.

use super::Judge;
use crate::model::{Auth, Authorizer, BucketRef, Cors, Project, Route, RouteTarget, variables};
use crate::nearest;

/// What `auth` means by itself.
const IAM: &str = "iam";

pub(super) fn check(judge: &mut Judge<'_, '_>) {
    let project = judge.project;
    for (name, authorizer) in &project.auth {
        authorizer_of(judge, name, authorizer);
    }
    for (index, route) in project.routes.iter().enumerate() {
        let at = route.place.to_string();
        target(judge, &at, route);
        who(judge, &at, route);
        handling(judge, &at, route);
        if let Some(cors) = &route.cors {
            self::cors(judge, &at, cors);
        }
        let is_taken = project.routes[..index]
            .iter()
            .any(|other| meet(other, route));
        if is_taken {
            let problem = format!("another route has {} and its methods already", route.path);
            judge.wrong(&["routes", &at, "path"], problem, None);
        }
    }
    gateway(judge, project);
}

/// Whether one request could be meant by both.
fn meet(one: &Route, other: &Route) -> bool {
    let meets = |method: &String| one.methods.contains(method);
    one.path == other.path && (one.methods == other.methods || other.methods.iter().any(meets))
}

fn target(judge: &mut Judge<'_, '_>, at: &str, route: &Route) {
    match &route.target {
        RouteTarget::Function(function) => {
            judge.is_function(&["routes", at, "function"], function);
        }
        RouteTarget::Map { function, .. } => judge.is_function(&["routes", at, "map"], function),
        RouteTarget::Model { model, .. } => {
            if let BucketRef::Project(bucket) = &model.bucket {
                judge.is_bucket(&["routes", at], bucket);
            }
        }
        RouteTarget::Site { objects, .. } => {
            if let BucketRef::Project(bucket) = &objects.bucket {
                judge.is_bucket(&["routes", at, "site"], bucket);
            }
        }
        RouteTarget::Redirect { location, .. } => {
            has_variables(judge, at, "redirect", location, route);
        }
        RouteTarget::Route { path } => {
            has_variables(judge, at, "route", path, route);
            other_route(judge, at, path);
        }
    }
}

/// Variables in `text` are filled in from the route's path.
fn has_variables(judge: &mut Judge<'_, '_>, at: &str, field: &str, text: &str, route: &Route) {
    let known = variables(&route.path);
    for name in variables(text) {
        if !known.contains(&name) {
            let problem = format!("the path {} has no variable {name}", route.path);
            let hint = nearest::meant(name, known.iter().copied());
            judge.wrong(&["routes", at, field], problem, hint);
        }
    }
}

/// One step is enough, and so none can lead back.
fn other_route(judge: &mut Judge<'_, '_>, at: &str, path: &str) {
    let project = judge.project;
    let there = project.routes_at(path);
    if there.is_empty() {
        let paths = project.routes.iter().map(|route| route.path.as_str());
        let paths: Vec<&str> = paths.filter(|path| *path != "$default").collect();
        let problem = format!("the project has no route that takes {path}");
        let hint = nearest::meant(path, paths);
        judge.wrong(&["routes", at, "route"], problem, hint);
    } else if let Some(next) = there.iter().find_map(|route| match &route.target {
        RouteTarget::Route { path } => Some(path),
        _ => None,
    }) {
        let problem = format!("the route that takes {path} is itself one that leads to another");
        let hint = format!("say where that leads to in the end; it says route = {next:?}");
        judge.wrong(&["routes", at, "route"], problem, Some(hint));
    }
}

fn who(judge: &mut Judge<'_, '_>, at: &str, route: &Route) {
    let project = judge.project;
    let who = &route.who;
    if let Auth::By { name, scopes } = &who.auth {
        is_authorizer(judge, &["routes", at, "auth"], name);
        if let Some(Authorizer::Function { .. }) = project.auth.get(name)
            && !scopes.is_empty()
        {
            let problem = format!("{name} asks a function, and only tokens have scopes");
            judge.wrong(&["routes", at, "scopes"], problem, None);
        }
    } else if judge.says_of_route(at, "scopes") && who.auth == Auth::Iam {
        let problem = "signed requests have no scopes; only tokens do";
        judge.wrong(&["routes", at, "scopes"], problem, None);
    }
    if who.share && !who.key && who.auth == Auth::Open {
        let problem = "there is nothing to share: everybody may call this route";
        let hint = "a link lets in who could not call it otherwise: say key = true or auth = ... beside it";
        judge.wrong(&["routes", at, "share"], problem, Some(hint.to_owned()));
    }
}

fn is_authorizer(judge: &mut Judge<'_, '_>, place: &[&str], name: &str) {
    let project = judge.project;
    if project.auth.contains_key(name) || judge.says("auth", name) {
        return;
    }
    let known = project.auth.keys().map(String::as_str).chain([IAM]);
    let hint = match nearest::nearest(name, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it comes to be by [auth.{name}]; iam asks for signed requests"),
    };
    let problem = format!("the project has no [auth.{name}]");
    judge.wrong(place, problem, Some(hint));
}

fn handling(judge: &mut Judge<'_, '_>, at: &str, route: &Route) {
    let project = judge.project;
    let (RouteTarget::Function(function), Some(waits)) = (&route.target, route.handling.timeout_s)
    else {
        return;
    };
    let ends = project.functions.get(function).map(|it| it.timeout_s);
    if let Some(ends) = ends.filter(|ends| *ends < waits) {
        let problem =
            format!("{function} is ended after {ends} s, so nobody waits {waits} s for it");
        let hint = format!("say timeout = {ends} or less here, or more in [functions.{function}]");
        judge.wrong(&["routes", at, "timeout"], problem, Some(hint));
    }
}

/// With credentials, browsers take `*` for no star, and any page of the world would act
/// in the name of whoever looks at it.
fn cors(judge: &mut Judge<'_, '_>, at: &str, cors: &Cors) {
    if cors.origins.is_empty() {
        let problem = "no page of another origin is named";
        let hint = "leave cors away if none may call it";
        judge.wrong(
            &["routes", at, "cors", "origins"],
            problem,
            Some(hint.to_owned()),
        );
    }
    if !cors.credentials {
        return;
    }
    for (field, texts, hint) in [
        (
            "origins",
            &cors.origins,
            "name the origins whose pages may act in the name of their visitors",
        ),
        ("methods", &cors.methods, "name the methods"),
        ("headers", &cors.headers, "name the headers"),
        ("expose", &cors.expose, "name the headers"),
    ] {
        if texts
            .iter()
            .any(|text| text == "*" || text.ends_with("://*"))
        {
            let problem = "with credentials, * is not allowed";
            judge.wrong(
                &["routes", at, "cors", field],
                problem,
                Some(hint.to_owned()),
            );
        }
    }
}

fn authorizer_of(judge: &mut Judge<'_, '_>, name: &str, authorizer: &Authorizer) {
    if name == IAM {
        let problem = "iam means signed requests, and cannot be the name of anything else";
        judge.wrong(&["auth", name], problem, None);
    }
    if let Authorizer::Function { function, .. } = authorizer {
        judge.is_function(&["auth", name, "function"], function);
    }
}

/// Hosts, and what they need.
fn gateway(judge: &mut Judge<'_, '_>, project: &Project) {
    let gateway = &project.gateway;
    if !gateway.hosts.is_empty() && project.routes.is_empty() {
        let problem = "hosts lead to routes, and the project has none";
        let hint = "a route comes to be by [[routes]]";
        judge.wrong(&["project", "hosts"], problem, Some(hint.to_owned()));
    }
    for (index, host) in gateway.hosts.iter().enumerate() {
        if gateway.hosts[..index].contains(host) {
            let place = index.to_string();
            judge.wrong(
                &["project", "hosts", &place],
                format!("{host} is said twice"),
                None,
            );
        }
    }
    if let Some(who) = &gateway.docs {
        if let Auth::By { name, .. } = &who.auth {
            is_authorizer(judge, &["project", "docs", "auth"], name);
        }
        let asks_nothing = !who.key && who.auth == Auth::Open;
        if asks_nothing && judge.says_in_table("project", "docs") {
            let problem = "docs asks for nothing of who reads it";
            let hint = "say key = true or auth = ... in it, or docs = true";
            judge.wrong(&["project", "docs"], problem, Some(hint.to_owned()));
        }
    }
    if gateway.certificate.is_some() && gateway.hosts.is_empty() {
        let problem = "a certificate is for hosts, and none are named";
        let hint = "such as hosts = [\"api.example.com\"]";
        judge.wrong(&["project", "certificate"], problem, Some(hint.to_owned()));
    }
}
