//! Domain names, their mappings, and what stages say of routes.

use http::Method;
use serde_json::{Value, json};

use super::{FUNCTION, Service, proxy, service};

const DOMAINS: &str = "/v2/domainnames";
const MAPPINGS: &str = "/v2/domainnames/api.example.com/apimappings";

async fn with_stages() -> Service {
    let service = service();
    service.shop().await;
    for stage in ["$default", "dev"] {
        let new = json!({ "stageName": stage, "autoDeploy": true });
        service.post("/v2/apis/shop/stages", new).await;
    }
    service
}

#[tokio::test]
async fn a_domain_name_is_made_shown_changed_and_deleted() {
    let service = with_stages().await;
    let new = json!({
        "domainName": "api.example.com",
        "domainNameConfigurations": [{
            "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/a",
            "endpointType": "REGIONAL",
            "securityPolicy": "TLS_1_2",
        }],
        "tags": { "a": "1" },
    });
    let made = service.post(DOMAINS, new.clone()).await;
    for (name, value) in new["domainNameConfigurations"][0].as_object().unwrap() {
        assert_eq!(&made["domainNameConfigurations"][0][name], value);
    }
    assert_eq!(
        (&made["domainName"], &made["tags"]),
        (&new["domainName"], &new["tags"])
    );
    let path = format!("{DOMAINS}/api.example.com");
    assert_eq!(service.get(&path).await, made);
    assert_eq!(service.get(DOMAINS).await, json!({ "items": [made] }));
    let again = service.refused(Method::POST, DOMAINS, new).await;
    assert_eq!(again, (400, "BadRequestException".to_owned()));

    let other = json!({ "domainNameConfigurations": [{ "certificateArn": "arn:aws:acm:b" }] });
    let (_, _, changed) = service.call(Method::PATCH, &path, other).await;
    assert_eq!(
        changed["domainNameConfigurations"][0]["certificateArn"],
        "arn:aws:acm:b"
    );
    let tags = "/v2/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fdomainnames%2Fapi.example.com";
    service.post(tags, json!({ "tags": { "b": "2" } })).await;
    assert_eq!(
        service.get(tags).await,
        json!({ "tags": { "a": "1", "b": "2" } })
    );

    let bad = (400, "BadRequestException".to_owned());
    let edge = json!([{ "endpointType": "EDGE" }]);
    let mutual = json!({ "truststoreUri": "s3://a/b" });
    for body in [
        json!({}),
        json!({ "domainName": "API.example.com" }),
        json!({ "domainName": "api.example.com:80" }),
        json!({ "domainName": "localhost" }),
        json!({ "domainName": "127.0.0.1" }),
        json!({ "domainName": "a..b" }),
        json!({ "domainName": "a.*.b" }),
        json!({ "domainName": "*" }),
        json!({ "domainName": "b.example.com", "domainNameConfigurations": edge }),
        json!({ "domainName": "b.example.com", "domainNameConfigurations": [{}, {}] }),
        json!({ "domainName": "b.example.com", "mutualTlsAuthentication": mutual }),
        json!({ "domainName": "b.example.com", "routingMode": "ROUTING_RULE_ONLY" }),
    ] {
        assert_eq!(
            service.refused(Method::POST, DOMAINS, body.clone()).await,
            bad,
            "{body}"
        );
    }
    let (status, _, _) = service.call(Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, 204);
    for method in [Method::GET, Method::DELETE] {
        let gone = service.refused(method, &path, Value::Null).await;
        assert_eq!(gone, (404, "NotFoundException".to_owned()));
    }
}

#[tokio::test]
async fn a_mapping_leads_to_a_stage_that_is_there() {
    let service = with_stages().await;
    service
        .post(DOMAINS, json!({ "domainName": "api.example.com" }))
        .await;
    let mapping =
        |key: &str, stage: &str| json!({ "apiId": "shop", "apiMappingKey": key, "stage": stage });
    let made = service
        .post(MAPPINGS, json!({ "apiId": "shop", "stage": "$default" }))
        .await;
    assert_eq!(made["apiMappingKey"], "");
    let deep = service.post(MAPPINGS, mapping("orders/v1", "dev")).await;
    let path = format!("{MAPPINGS}/{}", deep["apiMappingId"].as_str().unwrap());
    assert_eq!(service.get(&path).await, deep);
    assert_eq!(
        service.get(MAPPINGS).await["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let conflict = (409, "ConflictException".to_owned());
    let refused = service
        .refused(Method::POST, MAPPINGS, mapping("", "dev"))
        .await;
    assert_eq!(refused, conflict);
    let moved = json!({ "apiId": "shop", "apiMappingKey": "" });
    assert_eq!(service.refused(Method::PATCH, &path, moved).await, conflict);
    let same = json!({ "apiId": "shop", "apiMappingKey": "orders/v1", "stage": "$default" });
    let (status, _, changed) = service.call(Method::PATCH, &path, same).await;
    assert_eq!((status, &changed["stage"]), (200, &json!("$default")));

    let missing = (404, "NotFoundException".to_owned());
    for body in [
        json!({ "apiId": "nobody", "apiMappingKey": "y", "stage": "$default" }),
        json!({ "apiId": "shop", "apiMappingKey": "x", "stage": "prod" }),
    ] {
        assert_eq!(service.refused(Method::POST, MAPPINGS, body).await, missing);
    }
    for key in ["/a", "a/", "a//b", "a b", "a/..", "a?b", &"a".repeat(301)] {
        let refused = service
            .refused(Method::POST, MAPPINGS, mapping(key, "dev"))
            .await;
        assert_eq!(refused, (400, "BadRequestException".to_owned()), "{key}");
    }
    // What a name leads to does not vanish below it.
    let bad = (400, "BadRequestException".to_owned());
    for path in ["/v2/apis/shop", "/v2/apis/shop/stages/%24default"] {
        assert_eq!(
            service.refused(Method::DELETE, path, Value::Null).await,
            bad,
            "{path}"
        );
    }
    let (status, _, _) = service
        .call(Method::DELETE, "/v2/apis/shop/stages/dev", Value::Null)
        .await;
    assert_eq!(status, 204);
    let (status, _, _) = service.call(Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, 204);
    let elsewhere = "/v2/domainnames/other.example.com/apimappings";
    assert_eq!(
        service.refused(Method::GET, elsewhere, Value::Null).await,
        missing
    );
}

#[tokio::test]
async fn settings_of_routes_are_those_of_routes_that_are_there() {
    let service = with_stages().await;
    service
        .post("/v2/apis/shop/integrations", proxy(FUNCTION))
        .await;
    let stage = "/v2/apis/shop/stages/%24default";
    let settings = |key: &str| json!({ "routeSettings": { key: { "throttlingRateLimit": 5.5, "throttlingBurstLimit": 2 } } });
    let refused = service
        .refused(Method::PATCH, stage, settings("GET /a/{id}"))
        .await;
    assert_eq!(refused, (404, "NotFoundException".to_owned()));
    for key in ["GET /a/{id}", "GET /b"] {
        service
            .post("/v2/apis/shop/routes", json!({ "routeKey": key }))
            .await;
        let (status, _, changed) = service.call(Method::PATCH, stage, settings(key)).await;
        let own = &settings(key)["routeSettings"][key];
        assert_eq!((status, &changed["routeSettings"][key]), (200, own));
    }
    // Those of one route leave the others; they go one by one.
    let both = service.get(stage).await;
    assert_eq!(both["routeSettings"].as_object().unwrap().len(), 2);
    let path = format!("{stage}/routesettings/GET%20%2Fa%2F%7Bid%7D");
    let (status, _, _) = service.call(Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, 204);
    let left = service.get(stage).await;
    assert_eq!(left["routeSettings"], settings("GET /b")["routeSettings"]);
    let again = service.refused(Method::DELETE, &path, Value::Null).await;
    assert_eq!(again, (404, "NotFoundException".to_owned()));

    let bad = (400, "BadRequestException".to_owned());
    for body in [
        json!({ "defaultRouteSettings": { "throttlingRateLimit": -1 } }),
        json!({ "defaultRouteSettings": { "throttlingBurstLimit": -1 } }),
        json!({ "defaultRouteSettings": { "loggingLevel": "INFO" } }),
        json!({ "routeSettings": { "GET /b": { "dataTraceEnabled": true } } }),
    ] {
        assert_eq!(
            service.refused(Method::PATCH, stage, body.clone()).await,
            bad,
            "{body}"
        );
    }
    let variables = json!({ "stageVariables": { "a": "1", "b": "2" } });
    service.call(Method::PATCH, stage, variables).await;
    let fewer = json!({ "stageVariables": { "a": "", "c": "3" } });
    let (_, _, changed) = service.call(Method::PATCH, stage, fewer).await;
    assert_eq!(changed["stageVariables"], json!({ "b": "2", "c": "3" }));
    let log =
        json!({ "accessLogSettings": { "destinationArn": "arn:a", "format": "$context.path" } });
    let (_, _, changed) = service.call(Method::PATCH, stage, log.clone()).await;
    assert_eq!(changed["accessLogSettings"], log["accessLogSettings"]);
    for what in ["accesslogsettings", "cache/authorizers"] {
        let path = format!("{stage}/{what}");
        let (status, _, _) = service.call(Method::DELETE, &path, Value::Null).await;
        assert_eq!(status, 204);
    }
    assert!(service.get(stage).await.get("accessLogSettings").is_none());
}
