//! What is said of routes: where they lead, who may call them, how they are handled.

use std::fs;

use super::{F, folder, mistakes};
use crate::Project;

const JWT: &str = "issuer = \"https://i\"\naudience = [\"a\"]\n";

/// The mistakes of a route of function `f` that says `more`, beside `rest`.
fn of_route(more: &str, rest: &str) -> String {
    mistakes(&format!(
        "{F}[[routes]]\npath = \"/a/{{id}}\"\nfunction = \"f\"\n{more}\n{rest}"
    ))
    .join("\n")
}

/// The mistakes of a route that leads elsewhere.
fn leading(to: &str, rest: &str) -> String {
    mistakes(&format!(
        "{F}[[routes]]\npath = \"/a/{{id}}\"\n{to}\n{rest}"
    ))
    .join("\n")
}

#[test]
fn what_a_route_cannot_lead_to_is_told_with_its_place() {
    let cases = [
        (
            "[[routes]]\npath = \"/\"\nmap = \"f\"\nmodel = \"b/m.rds\"",
            "3:1: routes: a route leads to one thing, not to several (it has one of function, map, model, models, redirect, site, route)",
        ),
        (
            "[[routes]]\npath = \"/\"\nmodel = \"models/m.rds\"",
            "3:1: routes.0: the project has no bucket models (a bucket comes to be by [buckets.models])",
        ),
        (
            "[[routes]]\npath = \"/\"\nmodels = []",
            "3:1: routes.models: there is no model in the list",
        ),
        (
            "[[routes]]\npath = \"/{id}\"\nmodels = [\"s3://their/a.rds\"]",
            "3:1: routes.models: /{id}/a is no path for the model a.rds (model = \"...\" serves one model at any path)",
        ),
        (
            "[[routes]]\npath = \"/\"\nmodel = \"s3://their/a.rds\"\noptions = {chunksize = 5}",
            "6:1: routes.options.chunksize: a model has no option chunksize",
        ),
        (
            "[[routes]]\npath = \"/\"\nmap = \"f\"\noptions = {threshold = 0.5}",
            "6:1: routes.options.threshold: a map has no option threshold",
        ),
        (
            "[[routes]]\npath = \"/m\"\nmodels = [\"s3://their/a.rds\", \"s3://their/2/a.rds\"]",
            "4:8: routes.0.path: another route has /m/a and its methods already",
        ),
    ];
    for (text, expected) in cases {
        let found = mistakes(&format!("{F}{text}\n"));
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn routes_lead_where_something_is() {
    let other = "[[routes]]\npath = \"/b/{x}\"\nfunction = \"f\"\n";
    assert_eq!(leading("route = \"/b/{id}\"", other), "");
    assert_eq!(leading("route = \"/b/7\"", other), "");
    for (to, rest, told) in [
        (
            "route = \"/b\"",
            other,
            "5:9: routes.0.route: the project has no route that takes /b (there is /a/{id}, /b/{x})",
        ),
        (
            "route = \"/a/{id}\"",
            "",
            "5:9: routes.0.route: the route that takes /a/{id} is itself one that leads to another (say where that leads to in the end; it says route = \"/a/{id}\")",
        ),
        (
            "route = \"/b/{x}\"",
            other,
            "5:9: routes.0.route: the path /a/{id} has no variable x (there is id)",
        ),
        (
            "redirect = \"https://example.com/{idd}\"",
            "",
            "5:12: routes.0.redirect: the path /a/{id} has no variable idd (did you mean id?)",
        ),
        (
            "site = \"pages/x\"",
            "",
            "5:8: routes.0.site: the project has no bucket pages (a bucket comes to be by [buckets.pages])",
        ),
        (
            "redirect = \"//example.com\"",
            "",
            "5:12: routes.redirect: \"//example.com\" is not right: it must be an address such as https://example.com/new, or a path such as /new",
        ),
        (
            "redirect = \"/b\"\nstream = true",
            "",
            "6:1: routes.stream: only a function has stream, and this route leads to a redirect",
        ),
        (
            "function = \"f\"\nstatus = 301",
            "",
            "6:1: routes.status: only a redirect has status, and this route leads to a function",
        ),
        (
            "redirect = \"/b\"\noptions = {retries = 1}",
            "",
            "6:1: routes.options: only a map or a model has options",
        ),
    ] {
        assert_eq!(leading(to, rest), told, "{to}");
    }
    // A bucket of the project, by its whole name.
    let bucket = "[buckets.pages]\nname = \"our-pages\"\n";
    assert_eq!(leading("site = \"s3://our-pages/x/\"", bucket), "");
}

#[test]
fn who_may_call_is_told_in_one_way() {
    let who = format!("[auth.who]\n{JWT}");
    let asks = "[auth.who]\nfunction = \"f\"\n";
    assert_eq!(of_route("auth = \"who\"\nscopes = [\"read\"]", &who), "");
    assert_eq!(of_route("auth = \"iam\"\nshare = true", ""), "");
    for (more, rest, told) in [
        (
            "auth = \"whoo\"",
            who.as_str(),
            "6:8: routes.0.auth: the project has no [auth.whoo] (did you mean who?)",
        ),
        (
            "auth = \"tokens\"",
            "",
            "6:8: routes.0.auth: the project has no [auth.tokens] (it comes to be by [auth.tokens]; iam asks for signed requests)",
        ),
        (
            "scopes = [\"read\"]",
            "",
            "6:1: routes.scopes: scopes without auth means nothing (say auth beside it)",
        ),
        (
            "auth = \"iam\"\nscopes = [\"read\"]",
            "",
            "7:10: routes.0.scopes: signed requests have no scopes; only tokens do",
        ),
        (
            "auth = \"who\"\nscopes = [\"read\"]",
            asks,
            "7:10: routes.0.scopes: who asks a function, and only tokens have scopes",
        ),
        (
            "share = true",
            "",
            "6:9: routes.0.share: there is nothing to share: everybody may call this route (a link lets in who could not call it otherwise: say key = true or auth = ... beside it)",
        ),
        (
            "allow = [\"10.0.0.0/40\"]",
            "",
            "6:10: routes.allow: \"10.0.0.0/40\" is not right: it must be an address or a range of them, such as 10.0.0.0/8 or 2001:db8::/32",
        ),
    ] {
        assert_eq!(of_route(more, rest), told, "{more}");
    }
}

#[test]
fn authorizers_take_tokens_or_ask_a_function() {
    let private = r#"{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB", "d": "AQ"}]}"#;
    let said = |text: &str| {
        let folder = folder(&format!("{F}[auth.who]\n{text}\n"));
        fs::write(folder.path().join("private.json"), private).unwrap();
        match Project::load(folder.path(), None) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(said(JWT), "");
    assert_eq!(said("function = \"f\"\nidentity = []\nttl = 0"), "");
    for (text, told) in [
        (
            "ttl = 1",
            "squall.toml:4:7: auth.who.ttl: ttl is not of tokens of an issuer",
        ),
        (
            "",
            "squall.toml:3:1: auth.who: it takes neither tokens nor asks a function",
        ),
        (
            "issuer = \"https://i\"",
            "squall.toml:3:7: auth.who.audience: without an audience, tokens for anybody would do",
        ),
        (
            "function = \"f\"\nissuer = \"https://i\"",
            "squall.toml:5:10: auth.who.issuer: issuer is not of a function that is asked",
        ),
        (
            "function = \"g\"",
            "squall.toml:4:12: auth.who.function: the project has no function g",
        ),
        (
            "function = \"f\"\nidentity = []",
            "squall.toml:5:12: auth.who.identity: without anything that tells callers apart, no answer can be kept",
        ),
        (
            &format!("{JWT}jwks = \"missing.json\""),
            "squall.toml:6:8: auth.who.jwks: missing.json is no file",
        ),
        (
            &format!("{JWT}jwks = \"private.json\""),
            "squall.toml:6:8: auth.who.jwks: private.json has a key that is not public",
        ),
        (
            &format!("{JWT}token = \"Authorization\""),
            "squall.toml:6:9: auth.who.token: \"Authorization\" is not right: it must be $request.header.NAME or $request.querystring.NAME",
        ),
    ] {
        assert_eq!(said(text), told, "{text}");
    }
    let iam = folder(&format!("{F}[auth.iam]\n{JWT}"));
    let error = Project::load(iam.path(), None).unwrap_err().to_string();
    assert!(error.contains("iam means signed requests"), "{error}");
}

#[test]
fn how_requests_are_handled_is_bounded() {
    for (more, told) in [
        (
            "timeout = 30\nbody_limit = \"2 MB\"\nrate = 1\nburst = 9",
            "",
        ),
        ("cors = [\"*\"]", ""),
        ("cors = {origins = [\"https://a\"], credentials = true}", ""),
        (
            "timeout = 31",
            "6:11: routes.timeout: 31 is not right: it must be a whole number from 1 to 30",
        ),
        (
            "body_limit = \"2 apples\"",
            "6:14: routes.body_limit: \"2 apples\" is not right: it must be a size such as 2MB, at most 5GB",
        ),
        (
            "burst = 9",
            "6:1: routes.burst: burst without rate means nothing (say rate beside it)",
        ),
        (
            "cors = {origins = [\"*\"], credentials = true}",
            "6:19: routes.0.cors.origins: with credentials, * is not allowed (name the origins whose pages may act in the name of their visitors)",
        ),
        (
            "cors = {origins = [\"https://a\"], credentials = true, headers = [\"*\"]}",
            "6:64: routes.0.cors.headers: with credentials, * is not allowed (name the headers)",
        ),
        (
            "cors = {origins = []}",
            "6:19: routes.0.cors.origins: no page of another origin is named (leave cors away if none may call it)",
        ),
        (
            "cors = {}",
            "6:1: routes.0.cors.origins: no page of another origin is named (leave cors away if none may call it)",
        ),
    ] {
        assert_eq!(of_route(more, ""), told, "{more}");
    }
    let short = F.to_owned() + "timeout = 5\n";
    let text = format!("{short}[[routes]]\npath = \"/\"\nfunction = \"f\"\ntimeout = 6");
    assert_eq!(
        mistakes(&text),
        [
            "7:11: routes.0.timeout: f is ended after 5 s, so nobody waits 6 s for it (say timeout = 5 or less here, or more in [functions.f])"
        ]
    );
}

#[test]
fn hosts_lead_to_routes() {
    let route = "[[routes]]\npath = \"/\"\nfunction = \"f\"\n";
    let said =
        |head: &str, routes: &str| mistakes(&format!("[project]\n{head}\n{F}{routes}")).join("\n");
    assert_eq!(said("hosts = [\"a.b\", \"*.b.c\"]", route), "");
    assert_eq!(
        said("hosts = [\"a.b\"]", ""),
        "2:9: project.hosts: hosts lead to routes, and the project has none (a route comes to be by [[routes]])"
    );
    assert_eq!(
        said("hosts = [\"a.b\", \"a.b\"]", route),
        "2:17: project.hosts.1: a.b is said twice"
    );
    assert_eq!(
        said(
            "certificate = \"arn:aws:acm:eu-west-1:000000000000:certificate/x\"",
            route
        ),
        "2:15: project.certificate: a certificate is for hosts, and none are named (such as hosts = [\"api.example.com\"])"
    );
    assert_eq!(
        said("hosts = [\"A.b\"]", route),
        "2:10: project.hosts: \"A.b\" is not right: it must be a host name such as api.example.com or *.example.com, in small letters and without a port"
    );
}
