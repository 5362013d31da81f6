//! Targets of Squall's own, and how requests are handled.

use http::Method;
use serde_json::{Value, json};

use super::{FUNCTION, proxy, service};

const INTEGRATIONS: &str = "/v2/apis/shop/integrations";

fn own(subtype: &str, parameters: &Value) -> Value {
    json!({
        "integrationType": "AWS_PROXY",
        "integrationSubtype": subtype,
        "requestParameters": parameters,
    })
}

#[tokio::test]
async fn a_target_is_read_from_its_parameters_and_shown_in_them() {
    let service = service();
    service.shop().await;
    for (subtype, given, filled_in) in [
        (
            "Squall-Redirect",
            json!({ "location": "/new/{id}" }),
            json!({ "status": "308" }),
        ),
        (
            "Squall-Redirect",
            json!({ "location": "https://a.example/", "status": "302" }),
            json!({}),
        ),
        (
            "Squall-Site",
            json!({ "bucket": "web" }),
            json!({ "index": "index.html" }),
        ),
        (
            "Squall-Site",
            json!({ "bucket": "web", "prefix": "a/b/", "index": "i.htm", "error": "e/404.html" }),
            json!({}),
        ),
        ("Squall-Route", json!({ "path": "/v2/{id}" }), json!({})),
    ] {
        let made = service.post(INTEGRATIONS, own(subtype, &given)).await;
        let mut shown = given;
        shown
            .as_object_mut()
            .unwrap()
            .extend(filled_in.as_object().unwrap().clone());
        assert_eq!(made["requestParameters"], shown);
        assert_eq!(made["integrationSubtype"], subtype);
        let path = format!("{INTEGRATIONS}/{}", made["integrationId"].as_str().unwrap());
        assert_eq!(service.get(&path).await, made);
    }
    for (subtype, parameters) in [
        ("Squall-Redirect", json!({})),
        ("Squall-Redirect", json!({ "location": "//evil.example" })),
        (
            "Squall-Redirect",
            json!({ "location": "/", "status": "200" }),
        ),
        ("Squall-Redirect", json!({ "location": "/", "status": "x" })),
        ("Squall-Redirect", json!({ "location": "/", "to": "/" })),
        ("Squall-Site", json!({})),
        ("Squall-Site", json!({ "bucket": "We b" })),
        ("Squall-Site", json!({ "bucket": "web", "prefix": "a" })),
        ("Squall-Site", json!({ "bucket": "web", "key": "a" })),
        ("Squall-Route", json!({})),
        ("Squall-Route", json!({ "path": "v2" })),
        ("Squall-Route", json!({ "path": "/", "status": "308" })),
        ("Squall-Other", json!({})),
    ] {
        let refused = service.refused(Method::POST, INTEGRATIONS, own(subtype, &parameters));
        assert_eq!(
            refused.await,
            (400, "BadRequestException".to_owned()),
            "{subtype} {parameters}"
        );
    }
}

#[tokio::test]
async fn variables_of_a_target_are_those_of_the_routes_to_it() {
    let service = service();
    service.shop().await;
    let location = |location: &str| own("Squall-Redirect", &json!({ "location": location }));
    let made = service.post(INTEGRATIONS, location("/new/{id}")).await;
    let id = made["integrationId"].as_str().unwrap();
    let integration = format!("{INTEGRATIONS}/{id}");
    let route = |key: &str| json!({ "routeKey": key, "target": format!("integrations/{id}") });
    let routes = "/v2/apis/shop/routes";
    let bad = (400, "BadRequestException".to_owned());
    for key in ["GET /old", "GET /old/{name}", "$default"] {
        assert_eq!(
            service.refused(Method::POST, routes, route(key)).await,
            bad,
            "{key}"
        );
    }
    let made = service.post(routes, route("GET /old/{id}")).await;
    service.post(routes, route("GET /older/{id+}")).await;
    let path = format!("{routes}/{}", made["routeId"].as_str().unwrap());
    let renamed = service.refused(Method::PATCH, &path, json!({ "routeKey": "GET /old" }));
    assert_eq!(renamed.await, bad);
    let other = json!({ "requestParameters": { "location": "/{other}" } });
    assert_eq!(
        service.refused(Method::PATCH, &integration, other).await,
        bad
    );
    let plain = json!({ "requestParameters": { "location": "/plain", "status": "301" } });
    let (status, _, changed) = service
        .call(Method::PATCH, &integration, plain.clone())
        .await;
    assert_eq!(status, 200);
    assert_eq!(changed["requestParameters"], plain["requestParameters"]);
    let kind = own("Squall-Route", &json!({ "path": "/" }));
    assert_eq!(
        service.refused(Method::PATCH, &integration, kind).await,
        bad
    );
    let function = json!({ "integrationUri": FUNCTION });
    assert_eq!(
        service.refused(Method::PATCH, &integration, function).await,
        bad
    );
}

#[tokio::test]
async fn any_integration_says_how_its_requests_are_handled() {
    let service = service();
    service.shop().await;
    let handled = json!({
        "squall:allow": "10.0.0.0/8,127.0.0.1",
        "squall:body-bytes": "2000000",
        "squall:cache-seconds": "60",
        "squall:compress": "false",
        "squall:concurrency": "4",
        "squall:cors": r#"{"AllowOrigins":["https://a.example"],"MaxAge":600}"#,
        "squall:share": "true",
        "squall:stream": "true",
        "squall:summary": "all pets, or one",
    });
    let map = own("Squall-Map", &json!({ "function": "f" }));
    let model = own("Squall-Model", &json!({ "model": "s3://models/a.rds" }));
    let site = own("Squall-Site", &json!({ "bucket": "web" }));
    for mut body in [proxy(FUNCTION), map, model, site] {
        let plain = service.post(INTEGRATIONS, body.clone()).await;
        let mut parameters = body["requestParameters"].take();
        if parameters.is_null() {
            parameters = json!({});
        }
        let mut both = parameters.clone();
        both.as_object_mut()
            .unwrap()
            .extend(handled.as_object().unwrap().clone());
        body["requestParameters"] = both;
        let made = service.post(INTEGRATIONS, body).await;
        for (name, value) in handled.as_object().unwrap() {
            assert_eq!(&made["requestParameters"][name], value);
        }
        let path = format!("{INTEGRATIONS}/{}", made["integrationId"].as_str().unwrap());
        assert_eq!(service.get(&path).await, made);
        // Something else changes alone; parameters that are given are all there are.
        let described = json!({ "description": "d" });
        let (_, _, changed) = service.call(Method::PATCH, &path, described).await;
        assert_eq!(changed["requestParameters"], made["requestParameters"]);
        let bare = json!({ "requestParameters": parameters });
        let (_, _, changed) = service.call(Method::PATCH, &path, bare).await;
        assert_eq!(
            changed.get("requestParameters"),
            plain.get("requestParameters")
        );
    }
    let mut odd = proxy(FUNCTION);
    odd["requestParameters"] = json!({ "squall:concurrency": "many" });
    let (status, _, answer) = service.call(Method::POST, INTEGRATIONS, odd).await;
    let message = answer["message"].as_str().unwrap();
    assert_eq!(status, 400);
    assert!(
        message.contains("squall:concurrency: many is no whole number"),
        "{message}"
    );
}

#[tokio::test]
async fn an_answer_may_take_as_long_as_the_gateway_waits() {
    let mut service = service();
    service.shop().await;
    let with = |millis: u32| {
        let mut body = proxy(FUNCTION);
        body["timeoutInMillis"] = millis.into();
        body
    };
    let bad = (400, "BadRequestException".to_owned());
    for millis in [49, 30_001] {
        let refused = service.refused(Method::POST, INTEGRATIONS, with(millis));
        assert_eq!(refused.await, bad, "{millis}");
    }
    service.api = service.api.clone().with_timeout(60);
    let made = service.post(INTEGRATIONS, with(60_000)).await;
    assert_eq!(made["timeoutInMillis"], 60_000);
    let refused = service.refused(Method::POST, INTEGRATIONS, with(60_001));
    assert_eq!(refused.await, bad);
    let made = service.post(INTEGRATIONS, proxy(FUNCTION)).await;
    assert_eq!(made["timeoutInMillis"], 60_000);
}
