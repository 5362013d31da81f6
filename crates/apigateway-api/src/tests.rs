//! Requests as clients send them, straight into the service over a real store. What is
//! served of it is tested through the gateway, with boto3, in `tests/`.

mod domains;
mod targets;
mod who;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_wire::sigv4::{Identity, Principal};
use bytes::Bytes;
use engine::api_keys::ApiKeys;
use engine::http_apis::{Entry, HttpApis, MapTarget, ModelTarget, Served};
use engine::iam::{Iam, NewRole};
use engine::usage::Usage;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{Durability, Store};
use types::Scope;

use crate::{ApigatewayApi, Parts};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

struct Service {
    api: ApigatewayApi,
    iam: Arc<Iam>,
    /// Who asks; the owner of the account if nobody is named.
    caller: Option<String>,
    _dir: tempfile::TempDir,
}

fn service() -> Service {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), Durability::Relaxed).unwrap());
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let iam = Arc::new(Iam::open(Arc::clone(&store), scope.clone()).unwrap());
    let check_map = |map: &MapTarget| match map.options.get("chunksize") {
        Some(size) if size == "0" => Err("chunksize is 0".to_owned()),
        _ => Ok(()),
    };
    let check_model = |model: &ModelTarget| match model.options.get("threshold") {
        Some(threshold) if threshold == "2" => Err("threshold is 2".to_owned()),
        _ => Ok(()),
    };
    let keys = Arc::new(ApiKeys::open(Arc::clone(&store), scope.clone()).unwrap());
    let usage = Usage::open(Arc::clone(&store), scope.clone(), Arc::clone(&keys)).unwrap();
    Service {
        api: ApigatewayApi::new(Parts {
            apis: Arc::new(HttpApis::open(store, scope).unwrap()),
            keys,
            usage: Arc::new(usage),
            iam: Arc::clone(&iam),
            endpoint: "http://{id}.execute-api.{region}.localhost:80".to_owned(),
            check_map,
            check_model,
        }),
        iam,
        caller: None,
        _dir: dir,
    }
}

impl Service {
    /// Status, code of the error if there is one, and body.
    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, String, Value) {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(body)
            .unwrap();
        let mut principal = Principal::root("123456789012".parse().unwrap());
        if let Some(arn) = &self.caller {
            principal.arn.clone_from(arn);
        }
        request.extensions_mut().insert(Identity {
            access_key: "AKID".to_owned(),
            principal,
            region: "us-east-1".to_owned(),
            service: "apigateway".to_owned(),
        });
        let (head, body) = self.api.handle(request).await.into_parts();
        let code = head.headers.get("x-amzn-errortype");
        let code = code.map_or("", |code| code.to_str().unwrap()).to_owned();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        (head.status.as_u16(), code, body)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, code, answer) = self.call(Method::POST, path, body).await;
        assert_eq!(status, 201, "{path}: {code} {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let (status, code, answer) = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {code} {answer}");
        answer
    }

    async fn refused(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let (status, code, answer) = self.call(method, path, body).await;
        assert!(!answer["message"].as_str().unwrap().is_empty(), "{path}");
        (status, code)
    }

    async fn shop(&self) {
        let new = json!({ "name": "shop", "protocolType": "HTTP" });
        self.post("/v2/apis", new).await;
    }
}

fn proxy(uri: &str) -> Value {
    json!({ "integrationType": "AWS_PROXY", "integrationUri": uri, "payloadFormatVersion": "2.0" })
}

#[tokio::test]
async fn an_api_is_shown_as_it_was_made() {
    let service = service();
    let cors = json!({ "allowOrigins": ["*"], "maxAge": 5 });
    let new = json!({
        "name": "Shop",
        "protocolType": "HTTP",
        "corsConfiguration": cors,
        "tags": { "a": "1" },
    });
    let made = service.post("/v2/apis", new).await;
    assert_eq!(made["apiId"], "shop");
    assert_eq!(
        made["apiEndpoint"],
        "http://shop.execute-api.us-east-1.localhost:80"
    );
    assert_eq!(made["corsConfiguration"], cors);
    assert_eq!(service.get("/v2/apis/shop").await, made);
    assert_eq!(service.get("/v2/apis").await, json!({ "items": [made] }));
    let tags = service
        .get("/v2/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapis%2Fshop")
        .await;
    assert_eq!(tags, json!({ "tags": { "a": "1" } }));
    let gone = service.call(Method::DELETE, "/v2/apis/shop", Value::Null);
    assert_eq!(gone.await, (204, String::new(), Value::Null));
    let missing = service.refused(Method::GET, "/v2/apis/shop", Value::Null);
    assert_eq!(missing.await, (404, "NotFoundException".to_owned()));
}

#[tokio::test]
async fn a_function_is_named_in_two_ways() {
    let service = service();
    service.shop().await;
    let path = "/v2/apis/shop/integrations";
    let invoked = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}:live/invocations"
    );
    for uri in [FUNCTION, invoked.as_str()] {
        let made = service.post(path, proxy(uri)).await;
        assert_eq!(made["integrationUri"], uri);
        assert_eq!(made["timeoutInMillis"], 30_000);
    }
    let bad = (400, "BadRequestException".to_owned());
    for uri in [
        "f",
        "https://example.com",
        "arn:aws:lambda:us-east-1:999999999999:function:f",
        "arn:aws:lambda:eu-west-1:123456789012:function:f",
        "arn:aws:sqs:us-east-1:123456789012:q",
    ] {
        let refused = service.refused(Method::POST, path, proxy(uri)).await;
        assert_eq!(refused, bad, "{uri}");
    }
}

#[tokio::test]
async fn a_map_keeps_its_options_and_is_checked() {
    let service = service();
    service.shop().await;
    let path = "/v2/apis/shop/integrations";
    let map = |parameters: Value| {
        json!({
            "integrationType": "AWS_PROXY",
            "integrationSubtype": "Squall-Map",
            "requestParameters": parameters,
        })
    };
    let given = json!({ "function": format!("{FUNCTION}:live"), "chunksize": "5", "item": "" });
    let made = service.post(path, map(given)).await;
    let kept = json!({ "function": "f", "qualifier": "live", "chunksize": "5" });
    assert_eq!(made["requestParameters"], kept);
    let bad = (400, "BadRequestException".to_owned());
    for parameters in [
        json!({}),
        json!({ "function": "f", "chunksize": "0" }),
        json!({ "function": "f", "qualifier": "a b" }),
        json!({ "function": "a b" }),
    ] {
        let refused = service.refused(Method::POST, path, map(parameters.clone()));
        assert_eq!(refused.await, bad, "{parameters}");
    }
    // One of a map does not become one of a function.
    let one = format!("{path}/{}", made["integrationId"].as_str().unwrap());
    let other = json!({ "integrationUri": FUNCTION });
    assert_eq!(service.refused(Method::PATCH, &one, other).await, bad);
}

#[tokio::test]
async fn a_model_is_read_from_its_parameters() {
    let service = service();
    service.shop().await;
    let path = "/v2/apis/shop/integrations";
    let model = |parameters: Value| {
        json!({
            "integrationType": "AWS_PROXY",
            "integrationSubtype": "Squall-Model",
            "requestParameters": parameters,
        })
    };
    let given = json!({ "model": "s3://models/a/b.rds", "threshold": "0.5", "type": "" });
    let made = service.post(path, model(given)).await;
    let kept = json!({ "model": "s3://models/a/b.rds", "threshold": "0.5" });
    assert_eq!(made["requestParameters"], kept);
    assert_eq!(made["integrationSubtype"], "Squall-Model");
    let bad = (400, "BadRequestException".to_owned());
    for parameters in [
        json!({}),
        json!({ "model": "models/a.rds" }),
        json!({ "model": "s3://models" }),
        json!({ "model": "s3://Models/a.rds" }),
        json!({ "model": "s3://models/a.rds", "threshold": "2" }),
    ] {
        let refused = service.refused(Method::POST, path, model(parameters.clone()));
        assert_eq!(refused.await, bad, "{parameters}");
    }
    let one = format!("{path}/{}", made["integrationId"].as_str().unwrap());
    let other = json!({ "requestParameters": { "model": "s3://models/other.rds" } });
    let (status, _, changed) = service.call(Method::PATCH, &one, other.clone()).await;
    assert_eq!(
        (status, &changed["requestParameters"]),
        (200, &other["requestParameters"])
    );
    // One of a model becomes none of a function.
    let function = json!({ "integrationUri": FUNCTION });
    assert_eq!(service.refused(Method::PATCH, &one, function).await, bad);
    // A timeout changes alone.
    let patience = json!({ "timeoutInMillis": 100 });
    let (_, _, changed) = service.call(Method::PATCH, &one, patience).await;
    assert_eq!(changed["timeoutInMillis"], 100);
    assert_eq!(changed["requestParameters"], other["requestParameters"]);
}

#[tokio::test]
async fn what_would_be_passed_over_is_refused() {
    let service = service();
    service.shop().await;
    let (routes, integrations) = ("/v2/apis/shop/routes", "/v2/apis/shop/integrations");
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let route = || json!({ "routeKey": "GET /" });
    for (path, body) in [
        (routes, with(route(), "authorizerId", json!("abc"))),
        (routes, with(route(), "authorizationScopes", json!(["a"]))),
        (routes, with(route(), "authorizationType", json!("COGNITO"))),
        (routes, with(route(), "requestModels", json!({ "a": "b" }))),
        (
            integrations,
            with(proxy(FUNCTION), "connectionType", json!("VPC_LINK")),
        ),
        (
            integrations,
            with(proxy(FUNCTION), "requestParameters", json!({ "a": "b" })),
        ),
        (
            integrations,
            with(proxy(FUNCTION), "responseParameters", json!({ "200": {} })),
        ),
        (
            integrations,
            with(
                proxy(FUNCTION),
                "integrationSubtype",
                json!("SQS-SendMessage"),
            ),
        ),
        (
            integrations,
            with(proxy(FUNCTION), "integrationType", json!("MOCK")),
        ),
    ] {
        let refused = service.refused(Method::POST, path, body.clone()).await;
        assert_eq!(refused, (400, "BadRequestException".to_owned()), "{body}");
    }
    for path in ["/v2/vpclinks", "/v2/apis/shop/models", "/restapis"] {
        let (status, code) = service.refused(Method::GET, path, Value::Null).await;
        assert_eq!((status, code.as_str()), (400, "UnknownOperationException"));
    }
    let torn = Request::post("/v2/apis")
        .body(Bytes::from("{\"name\":"))
        .unwrap();
    assert_eq!(service.api.handle(torn).await.status(), 400);
}

#[tokio::test]
async fn a_role_is_held_to_its_policies() {
    let mut service = service();
    service.shop().await;
    let role = NewRole {
        name: "r".to_owned(),
        path: "/".to_owned(),
        description: None,
        trust: json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }],
        })
        .to_string(),
        max_session_seconds: 3600,
        permissions_boundary: None,
        tags: BTreeMap::new(),
    };
    service.iam.create_role(role).await.unwrap();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "apigateway:*",
            "Resource": "arn:aws:apigateway:us-east-1::/apis/shop/*",
        }],
    });
    let put = service.iam.put_role_policy("r", "p", policy.to_string());
    put.await.unwrap();
    service.caller = Some("arn:aws:sts::123456789012:assumed-role/r/session".to_owned());
    service.get("/v2/apis/shop/routes").await;
    service
        .post("/v2/apis/shop/integrations", proxy(FUNCTION))
        .await;
    let mut passed = proxy(FUNCTION);
    passed["credentialsArn"] = "arn:aws:iam::123456789012:role/other".into();
    let mapped = json!({
        "integrationType": "AWS_PROXY",
        "integrationSubtype": "Squall-Map",
        "requestParameters": { "function": "f" },
    });
    let predicted = json!({
        "integrationType": "AWS_PROXY",
        "integrationSubtype": "Squall-Model",
        "requestParameters": { "model": "s3://secret/m.rds" },
    });
    let site = json!({
        "integrationType": "AWS_PROXY",
        "integrationSubtype": "Squall-Site",
        "requestParameters": { "bucket": "secret", "prefix": "web/" },
    });
    let mut asking = who::function_authorizer("a");
    asking["authorizerCredentialsArn"] = "arn:aws:iam::123456789012:role/other".into();
    for (method, path, body) in [
        (Method::GET, "/v2/apis", Value::Null),
        (Method::DELETE, "/v2/apis/shop", Value::Null),
        // A path that is written in another way is the same path.
        (Method::DELETE, "/v2/apis/sho%70", Value::Null),
        (Method::POST, "/v2/apis/shop/integrations", passed),
        (Method::POST, "/v2/apis/shop/integrations", mapped),
        (Method::POST, "/v2/apis/shop/integrations", predicted),
        (Method::POST, "/v2/apis/shop/integrations", site.clone()),
        (Method::POST, "/v2/apis/shop/authorizers", asking),
        (
            Method::POST,
            "/v2/domainnames",
            json!({ "domainName": "a.example.com" }),
        ),
    ] {
        let refused = service.refused(method, path, body).await;
        assert_eq!(refused, (403, "AccessDeniedException".to_owned()), "{path}");
    }
    // Who may read all of a site's folder may show it.
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::secret/web/*",
        }],
    });
    let put = service.iam.put_role_policy("r", "s", policy.to_string());
    put.await.unwrap();
    service
        .post("/v2/apis/shop/integrations", site.clone())
        .await;
    let mut above = site;
    above["requestParameters"]["prefix"] = "".into();
    let refused = service.refused(Method::POST, "/v2/apis/shop/integrations", above);
    assert_eq!(refused.await, (403, "AccessDeniedException".to_owned()));
}

#[tokio::test]
async fn an_api_is_described_by_who_serves_it() {
    let mut service = service();
    service.shop().await;
    let path = |query: &str| format!("/v2/apis/shop/exports/OAS30?{query}");
    let json = path("outputType=JSON");
    let (status, code) = service.refused(Method::GET, &json, Value::Null).await;
    assert_eq!((status, code.as_str()), (400, "UnknownOperationException"));

    let export = |entry: Arc<Entry>, served: Arc<Served>| {
        let routes: Vec<String> = served
            .endpoints()
            .map(|endpoint| endpoint.route.key.to_string())
            .collect();
        let document = json!({ "api": entry.api.id, "stage": served.stage, "routes": routes });
        let document = (!served.docs.is_off()).then(|| Bytes::from(document.to_string()));
        let answer: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async { document });
        answer
    };
    service.api = service.api.clone().with_export(Arc::new(export));
    let route = json!({ "routeKey": "GET /a" });
    service.post("/v2/apis/shop/routes", route).await;
    let dev = json!({ "stageName": "dev" });
    service.post("/v2/apis/shop/stages", dev).await;
    // What is not deployed anywhere is described all the same, unless a stage is named.
    let expected = json!({ "api": "shop", "stage": "$default", "routes": ["GET /a"] });
    assert_eq!(service.get(&json).await, expected);
    let of_stage = path("outputType=JSON&stageName=dev");
    let missing = (404, "NotFoundException".to_owned());
    assert_eq!(
        service.refused(Method::GET, &of_stage, Value::Null).await,
        missing
    );
    let deployed = json!({ "stageName": "dev" });
    service.post("/v2/apis/shop/deployments", deployed).await;
    let expected = json!({ "api": "shop", "stage": "dev", "routes": ["GET /a"] });
    assert_eq!(service.get(&of_stage).await, expected);
    for query in ["", "outputType=YAML"] {
        let refused = service
            .refused(Method::GET, &path(query), Value::Null)
            .await;
        assert_eq!(refused, (400, "BadRequestException".to_owned()));
    }
    let tags = "/v2/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapis%2Fshop";
    service
        .post(tags, json!({ "tags": { "squall:docs": "off" } }))
        .await;
    let refused = service.refused(Method::GET, &json, Value::Null).await;
    assert_eq!(refused, (400, "BadRequestException".to_owned()));
}
