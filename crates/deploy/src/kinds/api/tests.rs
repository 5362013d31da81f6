//! Plans of APIs.

use project::model::{Handling, Route, RouteTarget, Who};
use serde_json::json;

use super::*;

pub(super) fn route(path: &str, methods: &[&str], target: RouteTarget) -> Route {
    Route {
        place: 0,
        path: path.to_owned(),
        methods: methods.iter().map(|it| (*it).to_owned()).collect(),
        target,
        who: Who::default(),
        cors: None,
        handling: Handling::default(),
    }
}

fn function(name: &str) -> Integration {
    to(Target::Function(format!(
        "arn:aws:lambda:us-east-1:1:function:{name}:live"
    )))
}

fn to(target: Target) -> Integration {
    Integration {
        target,
        timeout_ms: None,
        handling: BTreeMap::new(),
    }
}

fn wanted(routes: &[(&str, &str)]) -> Wanted {
    let routes = routes.iter().map(|(key, name)| {
        let route = WantedRoute {
            integration: function(name),
            guard: Guard::default(),
        };
        ((*key).to_owned(), route)
    });
    Wanted {
        name: "p-dev".to_owned(),
        cors: None,
        docs: None,
        routes: routes.collect(),
        rates: BTreeMap::new(),
    }
}

/// The same, with something changed in each route.
fn all_with(mut wanted: Wanted, change: impl Fn(&mut WantedRoute)) -> Wanted {
    wanted.routes.values_mut().for_each(change);
    wanted
}

pub(super) fn api(id: &str, routes: &[(&str, &str)]) -> Api {
    let mut api = Api {
        id: id.to_owned(),
        endpoint: format!("https://{id}"),
        cors: None,
        docs: None,
        has_stage: true,
        routes: BTreeMap::new(),
        integrations: BTreeMap::new(),
        authorizers: BTreeMap::new(),
        twins: vec![],
        rates: BTreeMap::new(),
    };
    for (number, (key, name)) in routes.iter().enumerate() {
        let integration = format!("i{number}");
        let route = FoundRoute {
            id: format!("r{number}"),
            integration: integration.clone(),
            guard: Guard::default(),
        };
        api.routes.insert((*key).to_owned(), route);
        api.integrations.insert(integration, function(name));
    }
    api
}

fn steps(wanted: Option<&Wanted>, found: &Found) -> Vec<Step> {
    plan(wanted, &BTreeMap::new(), found)
}

fn details(wanted: &Wanted, found: Api) -> Vec<String> {
    let steps = steps(Some(wanted), &vec![found]);
    steps.into_iter().flat_map(|step| step.details).collect()
}

#[test]
fn routes_as_they_should_be_need_nothing() {
    let routes = [("GET /a", "f"), ("ANY /{proxy+}", "g")];
    let found = vec![api("x", &routes)];
    assert_eq!(steps(Some(&wanted(&routes)), &found), []);
    assert_eq!(steps(None, &vec![]), []);
}

#[test]
fn a_new_api_gets_its_routes_after_its_id_is_known() {
    let steps = steps(Some(&wanted(&[("GET /a", "p-dev-f")])), &vec![]);
    assert_eq!(steps.len(), 2);
    assert!(steps[0].phase < Phase::Permission && steps[1].phase > Phase::Permission);
    assert_eq!(steps[1].details, ["GET /a -> p-dev-f"]);
}

#[test]
fn changes_of_routes_are_told() {
    let found = api("x", &[("GET /a", "f"), ("GET /b", "f")]);
    let changed = wanted(&[("GET /a", "g"), ("GET /c", "f")]);
    assert_eq!(
        details(&changed, found),
        ["GET /a -> g", "GET /c -> f", "no more GET /b"]
    );
}

#[test]
fn a_route_that_asks_for_more_is_changed() {
    let routes = [("GET /a", "f")];
    let by = |scopes: &[&str]| Auth::By {
        name: "who".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
    };
    for (auth, asks_key, told) in [
        (Auth::Open, true, "GET /a -> f, with a key"),
        (Auth::Iam, false, "GET /a -> f, signed"),
        (
            by(&["read"]),
            true,
            "GET /a -> f, with a key, let in by who for read",
        ),
    ] {
        let asks = all_with(wanted(&routes), |route| {
            route.guard = Guard {
                asks_key,
                auth: auth.clone(),
            };
        });
        assert_eq!(details(&asks, api("x", &routes)), [told]);
    }
    // And what is as it should be, is left.
    let asks = all_with(wanted(&routes), |route| route.guard.auth = by(&["a"]));
    let mut there = api("x", &routes);
    for route in there.routes.values_mut() {
        route.guard.auth = by(&["a"]);
    }
    assert!(details(&asks, there.clone()).is_empty());
    // One whose authorizer is not known any more is not taken for it.
    for route in there.routes.values_mut() {
        route.guard.auth = Auth::By {
            name: String::new(),
            scopes: vec!["a".to_owned()],
        };
    }
    assert_eq!(details(&asks, there).len(), 1);
}

#[test]
fn what_asks_most_is_changed_first() {
    let of = |auth: Auth, asks_key: bool, handling: &[(&str, &str)]| {
        let handling = handling.iter();
        let handling = handling.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let route = WantedRoute {
            integration: Integration {
                handling: handling.collect(),
                ..function("f")
            },
            guard: Guard { asks_key, auth },
        };
        route.openness()
    };
    assert_eq!(of(Auth::Iam, false, &[]), 0);
    assert_eq!(of(Auth::Open, true, &[]), 1);
    assert_eq!(of(Auth::Open, false, &[("squall:allow", "10.0.0.0/8")]), 1);
    assert_eq!(of(Auth::Open, false, &[("squall:compress", "true")]), 2);
}

#[test]
fn how_often_a_route_may_be_called_is_set_and_forgotten() {
    let routes = [("GET /a", "f"), ("GET /b", "f")];
    let rate = |per_second| Rate {
        per_second,
        burst: 2,
    };
    let mut limited = wanted(&routes);
    limited.rates.insert("GET /a".to_owned(), rate(5));
    assert_eq!(
        details(&limited, api("x", &routes)),
        ["GET /a 5 a second, 2 at once"]
    );
    let mut there = api("x", &routes);
    there.rates = [
        ("GET /a".to_owned(), rate(5)),
        ("GET /b".to_owned(), rate(1)),
    ]
    .into();
    assert_eq!(
        details(&limited, there.clone()),
        ["GET /b as often as one likes"]
    );
    there.rates.remove("GET /b");
    assert!(details(&limited, there).is_empty());
    // After the routes: a stage knows no settings of others.
    let steps = steps(Some(&limited), &vec![]);
    assert!(steps[2].phase > Phase::Route, "{steps:?}");
}

#[test]
fn rules_of_all_routes_go_when_each_has_its_own() {
    let routes = [("GET /a", "f")];
    let rules = json!({ "allowOrigins": ["https://a"], "allowMethods": ["*"] });
    let mut there = api("x", &routes);
    there.cors = Some(rules.clone());
    assert_eq!(
        details(&wanted(&routes), there.clone()),
        ["no cors for all routes"]
    );
    let all = Wanted {
        cors: Some(rules),
        ..wanted(&routes)
    };
    assert!(details(&all, there).is_empty());
    assert_eq!(details(&all, api("x", &routes)), ["cors https://a"]);
    let with_docs = |said: Option<&str>| Wanted {
        docs: said.map(str::to_owned),
        ..wanted(&routes)
    };
    for (said, told) in [
        ("off", "not described"),
        ("key auth=login", "described for key auth=login"),
    ] {
        let mut there = api("x", &routes);
        assert_eq!(details(&with_docs(Some(said)), there.clone()), [told]);
        there.docs = Some(said.to_owned());
        assert!(details(&with_docs(Some(said)), there.clone()).is_empty());
        assert_eq!(details(&with_docs(None), there), ["described"]);
    }
}

#[test]
fn what_an_interrupted_deployment_left_is_finished_or_removed() {
    let routes = [("GET /a", "f")];
    let mut bare = api("x", &[]);
    bare.has_stage = false;
    let finishing = steps(Some(&wanted(&routes)), &vec![bare.clone()]);
    assert_eq!(finishing[0].details, ["stage"]);
    assert_eq!(finishing[1].action, Action::Create);
    // Of two the one with routes stays.
    let found = vec![api("y", &routes), bare];
    let mut later = Known::default();
    known(&found, &mut later);
    assert_eq!(later.api.unwrap().0, "y");
    let removing = steps(Some(&wanted(&routes)), &found);
    assert_eq!(removing.len(), 1);
    assert_eq!(removing[0].work, Work::Remove("x".to_owned()).into());
    assert_eq!(steps(None, &found).len(), 2);
    // An integration that never got its route.
    let mut littered = api("x", &routes);
    littered.integrations.insert("i9".to_owned(), function("f"));
    assert_eq!(
        details(&wanted(&routes), littered),
        ["integrations that no route has"]
    );
}

#[test]
fn what_is_sent_is_what_is_read_back() {
    let own = |kind, parameters: &[(&str, &str)]| Target::Own {
        kind,
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let handled = |target, told: &str| {
        let handling = [("squall:allow", "10.0.0.0/8"), ("squall:stream", "true")];
        let handling = handling.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let integration = Integration {
            target,
            timeout_ms: Some(5_000),
            handling: handling.into(),
        };
        assert_eq!(Integration::read(&integration.body()), integration);
        assert_eq!(
            integration.told(),
            format!("{told}, timeout 5 s, only from 10.0.0.0/8, streamed")
        );
    };
    handled(function("p-dev-f").target, "p-dev-f");
    handled(
        own(
            Own::Map,
            &[
                ("function", "p-dev-f"),
                ("qualifier", "live"),
                ("item", "series"),
            ],
        ),
        "map p-dev-f item=series",
    );
    handled(
        own(
            Own::Model,
            &[("model", "s3://b/m.rds"), ("threshold", "0.5")],
        ),
        "model s3://b/m.rds threshold=0.5",
    );
    handled(
        own(Own::Redirect, &[("location", "/x"), ("status", "308")]),
        "redirect /x status=308",
    );
    handled(own(Own::Site, &[("bucket", "b")]), "site b");
    handled(own(Own::Route, &[("path", "/x")]), "route /x");
}

#[test]
fn the_same_rules_in_other_words_are_the_same() {
    let mut one = function("f");
    let rules = r#"{"allowOrigins":["https://B","https://a"],"allowCredentials":false,"maxAge":1}"#;
    one.handling
        .insert("squall:cors".to_owned(), rules.to_owned());
    let mut shown = one.body();
    shown["timeoutInMillis"] = 30_000.into();
    let read = Integration::read(&shown);
    shown["requestParameters"]["squall:cors"] =
        r#"{"AllowHeaders":[],"AllowOrigins":["https://a","https://b"],"MaxAge":1}"#.into();
    assert_eq!(Integration::read(&shown), read);
    assert_eq!(read.timeout_ms, None);
    assert_eq!(read.told(), "f, cors https://a https://b");
}
