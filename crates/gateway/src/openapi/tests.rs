//! Documents of APIs that are kept in a store as they would be by clients.

use std::collections::HashMap;
use std::sync::Arc;

use engine::http_apis::{ApiId, Entry, HttpApis};
use http::uri::Scheme;
use http::{Extensions, Request};
use serde_json::{Value, json};
use store::{Change, Durability, Store};
use types::Scope;

use super::answer::{Models, address};
use super::document::{self, Facts};
use super::{Page, maps};
use crate::map_service;
use crate::model_service::{self, Current, Loaded, Mark, testing};

/// An API whose routes are keys, each with what it leads to and what else is said of it.
async fn api(routes: &[(&str, Value, Value)], more: Value) -> (tempfile::TempDir, Arc<Entry>) {
    let mut shown = json!({
        "id": "shop", "name": "Shop </script>", "created": 0, "routes": {}, "integrations": {},
        "stages": { "$default": { "name": "$default", "created": 0, "updated": 0, "deployment": "d1" } },
    });
    for (at, (key, target, own)) in routes.iter().enumerate() {
        let (route, integration) = (format!("r{at}"), format!("i{at}"));
        shown["routes"][&route] = json!({ "id": route, "key": key, "target": integration });
        merge(&mut shown["routes"][&route], &own["route"]);
        shown["integrations"][&integration] = json!({ "id": integration, "target": target });
        merge(
            &mut shown["integrations"][&integration],
            &own["integration"],
        );
    }
    merge(&mut shown, &more);
    let snapshot = json!({
        "routes": shown["routes"],
        "integrations": shown["integrations"],
        "authorizers": shown.get("authorizers").cloned().unwrap_or_else(|| json!({})),
    });
    shown["deployments"] = json!({ "d1": { "id": "d1", "created": 0, "snapshot": snapshot } });
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
    let kept = Change {
        kind: "http-api",
        key: "shop".to_owned(),
        body: Some(shown.to_string().into_bytes()),
    };
    store.documents().commit(vec![kept]).await.unwrap();
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let apis = HttpApis::open(store, scope).unwrap();
    let id: ApiId = "shop".parse().unwrap();
    (folder, apis.find(&id).expect("it can be read"))
}

fn merge(into: &mut Value, more: &Value) {
    if let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) {
        into.extend(more.clone());
    }
}

fn made(entry: &Entry, models: &Models) -> Value {
    let (served, _) = entry.stage("/").unwrap();
    document::make(&Facts {
        api: &entry.api,
        served,
        region: &"us-east-1".parse().unwrap(),
        models,
    })
}

fn function() -> Value {
    json!({ "function": { "uri": "f", "function": "f", "payload": "2.0" } })
}

fn keys(value: &Value) -> Vec<&str> {
    let keys = value.as_object().unwrap().keys();
    keys.map(String::as_str).collect()
}

#[tokio::test]
async fn paths_that_tools_cannot_tell_apart_share_a_place() {
    let none = json!({});
    let routes = [
        ("GET /pets/{id}", function(), none.clone()),
        ("ANY /pets/{proxy+}", function(), none.clone()),
        (
            "POST /a%20b",
            function(),
            json!({ "route": { "operation_name": "makeIt" } }),
        ),
        (
            "PUT /a%20b",
            function(),
            json!({ "route": { "operation_name": "makeIt" } }),
        ),
        ("$default", function(), none),
    ];
    let (_folder, entry) = api(&routes, json!({})).await;
    let document = made(&entry, &HashMap::new());
    let paths = &document["paths"];
    assert_eq!(keys(paths), ["/", "/a%20b", "/pets/{id}", "/{path}"]);
    let pets = &paths["/pets/{id}"];
    assert_eq!(
        keys(pets),
        ["delete", "get", "parameters", "patch", "post", "put"]
    );
    assert_eq!(pets["parameters"][0]["name"], "id");
    assert_eq!(paths["/{path}"]["parameters"][0]["x-squall-greedy"], true);
    // The name that was given twice is one operation's only.
    let id = |method: &str| paths["/a%20b"][method]["operationId"].as_str().unwrap();
    assert_eq!((id("post"), id("put")), ("makeIt", "put_a_20b"));
    let ids = paths.as_object().unwrap().values().flat_map(|item| {
        let operations = item.as_object().unwrap().values();
        operations.filter_map(|one| one.get("operationId")?.as_str())
    });
    let mut ids: Vec<_> = ids.collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn each_way_to_say_who_one_is_has_a_scheme() {
    let by = |id: &str, scopes: &[&str]| json!({ "route": { "authorization": { "by": { "authorizer": id, "scopes": scopes } } } });
    let key = json!({ "route": { "key_required": true, "authorization": "iam" } });
    let routes = [
        ("GET /open", function(), json!({})),
        (
            "GET /key",
            function(),
            json!({ "route": { "key_required": true } }),
        ),
        ("GET /both", function(), key),
        ("GET /token", function(), by("a1", &["read", "write"])),
        ("GET /file", function(), by("a2", &[])),
        ("GET /asked", function(), by("a3", &[])),
    ];
    let jwt = |source: &str, keys: Option<&str>| json!({ "jwt": { "source": source, "issuer": "https://i.example/", "audience": ["a"], "keys": keys } });
    let asked = json!({ "function": {
        "uri": "f", "function": "f", "payload": "2.0", "simple": true, "ttl_seconds": 0,
        "sources": ["$request.header.X-Who", "$request.querystring.who", "$context.path"],
    } });
    let authorizers = json!({ "authorizers": {
        "a1": { "id": "a1", "name": "people", "kind": jwt("$request.header.Authorization", None) },
        "a2": { "id": "a2", "name": "my tokens", "kind": jwt("$request.header.Authorization", Some("data:,x")) },
        "a3": { "id": "a3", "name": "own", "kind": asked },
    } });
    let (_folder, entry) = api(&routes, authorizers).await;
    let document = made(&entry, &HashMap::new());
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        keys(schemes),
        [
            "ApiKey",
            "Signature",
            "my_tokens",
            "own-X-Who",
            "own-who",
            "people"
        ]
    );
    assert_eq!(
        schemes["people"]["openIdConnectUrl"],
        "https://i.example/.well-known/openid-configuration"
    );
    assert_eq!(schemes["my_tokens"]["scheme"], "bearer");
    assert_eq!(
        schemes["Signature"]["x-amazon-apigateway-authtype"],
        "awsSigv4"
    );
    let of = |path: &str| &document["paths"][path]["get"]["security"];
    assert_eq!(of("/open"), &Value::Null);
    assert_eq!(of("/key"), &json!([{ "ApiKey": [] }]));
    assert_eq!(of("/both"), &json!([{ "Signature": [], "ApiKey": [] }]));
    assert_eq!(
        of("/token"),
        &json!([{ "people": ["read"] }, { "people": ["write"] }])
    );
    assert_eq!(of("/file"), &json!([{ "my_tokens": [] }]));
    assert_eq!(of("/asked"), &json!([{ "own-X-Who": [], "own-who": [] }]));
    let refused = |path: &str| keys(&document["paths"][path]["get"]["responses"]);
    assert!(!refused("/open").contains(&"403") && refused("/key").contains(&"429"));
    assert!(refused("/token").contains(&"401"));
}

#[tokio::test]
async fn a_route_that_leads_on_wants_what_all_doors_on_the_way_want() {
    let on = |path: &str| json!({ "route": { "path": path } });
    let keyed = json!({ "route": { "key_required": true } });
    let signed = json!({ "route": { "authorization": "iam" } });
    let routes = [
        ("GET /open", on("/keyed"), json!({})),
        ("GET /keyed", on("/signed"), keyed),
        ("GET /signed", function(), signed),
    ];
    let (_folder, entry) = api(&routes, json!({})).await;
    let document = made(&entry, &HashMap::new());
    let security = |path: &str| document["paths"][path]["get"]["security"].clone();
    let both = json!([{ "ApiKey": [], "Signature": [] }]);
    assert_eq!(security("/open"), both);
    assert_eq!(security("/keyed"), both);
    assert_eq!(security("/signed"), json!([{ "Signature": [] }]));
}

#[tokio::test]
async fn routes_tell_of_what_they_lead_to() {
    let routes = [
        (
            "GET /old",
            json!({ "redirect": { "location": "/new", "status": 301 } }),
            json!({}),
        ),
        (
            "GET /two",
            json!({ "route": { "path": "/one" } }),
            json!({
                "integration": { "handling": { "summary": "Two \"</script>" } },
            }),
        ),
        (
            "GET /one",
            json!({ "route": { "path": "/old" } }),
            json!({}),
        ),
        (
            "GET /circle",
            json!({ "route": { "path": "/circle" } }),
            json!({}),
        ),
    ];
    let (_folder, entry) = api(&routes, json!({})).await;
    let document = made(&entry, &HashMap::new());
    let two = &document["paths"]["/two"]["get"];
    assert_eq!(two["x-squall-target"], "redirect");
    assert_eq!(two["summary"], "Two \"</script>");
    assert_eq!(
        two["responses"]["301"]["headers"]["Location"]["required"],
        true
    );
    assert_eq!(
        document["paths"]["/circle"]["get"]["x-squall-target"],
        "nothing"
    );
}

/// A map and a model that is there, and a model that is not.
async fn told_of_options() -> Value {
    let map =
        json!({ "map": { "function": "f", "options": { "chunksize": "7", "id_column": "a,b" } } });
    let model =
        json!({ "model": { "bucket": "models", "key": "m", "options": { "threshold": "0.5" } } });
    let routes = [
        ("ANY /map", map.clone(), json!({})),
        ("ANY /map/{proxy+}", map, json!({})),
        ("ANY /model", model.clone(), json!({})),
        ("POST /late", model, json!({})),
    ];
    let (_folder, entry) = api(&routes, json!({})).await;
    let mark = Mark {
        version: "v1".into(),
        state: "v1".into(),
    };
    let loaded = Arc::new(Loaded::read(&testing::admission(0.0).into(), mark).unwrap());
    let id = "i2".parse().unwrap();
    let models = Models::from([(
        id,
        Current {
            loaded,
            trouble: None,
        },
    )]);
    made(&entry, &models)
}

#[tokio::test]
async fn all_options_are_told_with_what_the_route_says_of_them() {
    let document = told_of_options().await;
    let names = |path: &str, method: &str| -> Vec<&str> {
        let all = document["paths"][path][method]["parameters"]
            .as_array()
            .unwrap();
        let query = all.iter().filter(|one| one["in"] == "query");
        query.map(|one| one["name"].as_str().unwrap()).collect()
    };
    assert_eq!(names("/map", "put"), map_service::OPTIONS);
    assert_eq!(names("/model", "post"), model_service::OPTIONS);
    assert_eq!(names("/model", "get")[..3], ["gre", "gpa", "rank"]);
    assert_eq!(keys(&document["paths"]["/map"]), ["post", "put"]);
    assert_eq!(
        keys(&document["paths"]["/map/jobs/{job}"]),
        ["delete", "get", "parameters"]
    );
    assert_eq!(keys(&document["paths"]["/late"]), ["post"]);
    let put = &document["paths"]["/map"]["put"];
    assert_eq!(put["parameters"][0]["schema"]["default"], 7);
    let example = &put["requestBody"]["content"]["text/csv"]["example"];
    assert!(
        example
            .as_str()
            .unwrap()
            .starts_with("\"a,b\",time,value\n")
    );
}

#[tokio::test]
async fn a_model_is_told_as_it_is_now() {
    let document = told_of_options().await;
    let row = &document["components"]["schemas"]["model.Row"];
    assert_eq!(row["required"], json!(["gre", "gpa", "rank"]));
    assert_eq!(
        row["properties"]["gre"],
        json!({ "type": ["number", "null"] })
    );
    assert_eq!(
        row["properties"]["rank"],
        json!({ "enum": ["1", "2", "3", "4", null] })
    );
    let answer = &document["paths"]["/model"]["post"]["responses"]["200"]["content"];
    assert_eq!(answer["application/json"]["example"]["decision"], false);
    // What this model cannot do is not offered; nothing is known of one that is not there.
    let schema = |path: &str, name: &str| {
        let all = document["paths"][path]["post"]["parameters"]
            .as_array()
            .unwrap();
        let found = all.iter().find(|one| one["name"] == name).unwrap();
        found["schema"].get("enum").cloned()
    };
    assert_eq!(
        schema("/model", "interval"),
        Some(json!(["none", "confidence"]))
    );
    assert_eq!(
        schema("/late", "interval"),
        Some(json!(["none", "confidence", "prediction"]))
    );
    assert_eq!(schema("/model", "coerce"), None);
    // A model that is not there takes any row.
    assert_eq!(
        document["components"]["schemas"]["late.Row"]["required"],
        Value::Null
    );
}

#[test]
fn what_an_option_says_is_of_its_type() {
    assert_eq!(maps::typed(&json!({ "type": "boolean" }), "True"), true);
    assert_eq!(maps::typed(&json!({ "type": "number" }), "0.5"), 0.5);
    assert_eq!(maps::typed(&json!({ "type": "string" }), "5"), "5");
    assert_eq!(maps::typed(&json!({ "anyOf": [] }), "auto"), "auto");
}

#[test]
fn pages_have_places_of_their_own() {
    assert_eq!(
        Page::reserved("/_squall/openapi.json"),
        Some(Page::Document)
    );
    assert_eq!(Page::reserved("/_squall/docs"), Some(Page::Try));
    for other in [
        "/_squall",
        "/_squall/",
        "/_squall/top",
        "/openapi.json",
        "/x/_squall/docs",
    ] {
        assert_eq!(Page::reserved(other), None, "{other}");
    }
    assert_eq!(Page::unrouted("/openapi.json"), Some(Page::Document));
    assert_eq!(Page::unrouted("/docs"), Some(Page::ToTry("_squall/docs")));
    assert_eq!(Page::unrouted("/"), None);
}

#[test]
fn the_address_is_the_one_that_was_asked() {
    let of = |host: &str, path: &str, scheme: Option<Scheme>| {
        let request = Request::get(path).header("host", host);
        // Anybody can write this.
        let request = request.header("x-forwarded-proto", "javascript");
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts
            .extensions
            .extend(scheme.map(with).unwrap_or_default());
        address(&parts, "/_squall/openapi.json")
    };
    let path = "/execute-api/shop/prod/_squall/openapi.json";
    assert_eq!(of("h:1", path, None), "http://h:1/execute-api/shop/prod");
    let path = "/_squall/openapi.json";
    assert_eq!(
        of("api.example.com", path, Some(Scheme::HTTPS)),
        "https://api.example.com"
    );
    // What is no host is not repeated.
    assert_eq!(of("a\"b", path, None), "/");
}

fn with(scheme: Scheme) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(scheme);
    extensions
}
