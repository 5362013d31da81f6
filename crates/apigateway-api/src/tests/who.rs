//! Authorizers, and routes that ask for them.

use http::Method;
use serde_json::{Value, json};

use super::{FUNCTION, Service, service};

const AUTHORIZERS: &str = "/v2/apis/shop/authorizers";
const ROUTES: &str = "/v2/apis/shop/routes";

fn jwt(name: &str) -> Value {
    json!({
        "authorizerType": "JWT",
        "identitySource": ["$request.header.Authorization"],
        "jwtConfiguration": { "audience": ["shop"], "issuer": "https://issuer.example" },
        "name": name,
    })
}

pub(super) fn function_authorizer(name: &str) -> Value {
    json!({
        "authorizerPayloadFormatVersion": "2.0",
        "authorizerResultTtlInSeconds": 60,
        "authorizerType": "REQUEST",
        "authorizerUri": FUNCTION,
        "enableSimpleResponses": true,
        "identitySource": ["$request.header.x-who", "$context.routeKey"],
        "name": name,
    })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn without(mut body: Value, name: &str) -> Value {
    body.as_object_mut().unwrap().remove(name);
    body
}

impl Service {
    async fn authorizer(&self, body: Value) -> String {
        let made = self.post(AUTHORIZERS, body).await;
        made["authorizerId"].as_str().unwrap().to_owned()
    }

    async fn changed(&self, path: &str, body: Value) -> Value {
        let (status, code, answer) = self.call(Method::PATCH, path, body).await;
        assert_eq!(status, 200, "{path}: {code} {answer}");
        answer
    }

    /// The message of a refusal of status 400.
    async fn bad(&self, method: Method, path: &str, body: Value) -> String {
        let shown = body.to_string();
        let (status, code, answer) = self.call(method, path, body).await;
        let refused = (status, code.as_str());
        assert_eq!(refused, (400, "BadRequestException"), "{shown}: {answer}");
        answer["message"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_authorizer_is_shown_as_it_was_made() {
    let service = service();
    service.shop().await;
    let keys = "data:application/json;base64,eyJrZXlzIjpbeyJrdHkiOiJPS1AifV19";
    let by_keys = with(jwt("keys"), "authorizerUri", json!(keys));
    let by_keys = with(
        by_keys,
        "jwtConfiguration",
        json!({ "audience": [], "issuer": "me" }),
    );
    for body in [
        jwt("jwt"),
        by_keys,
        with(
            jwt("far"),
            "authorizerUri",
            json!("https://keys.example/jwks"),
        ),
        function_authorizer("function"),
    ] {
        let made = service.post(AUTHORIZERS, body.clone()).await;
        let id = made["authorizerId"].as_str().unwrap();
        assert_eq!(without(made.clone(), "authorizerId"), body);
        assert_eq!(service.get(&format!("{AUTHORIZERS}/{id}")).await, made);
    }
    let all = service.get(AUTHORIZERS).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    // What is not said is not kept for later callers.
    let bare = without(function_authorizer("bare"), "authorizerResultTtlInSeconds");
    let bare = without(bare, "enableSimpleResponses");
    let made = service
        .post(AUTHORIZERS, with(bare, "identitySource", json!([])))
        .await;
    assert_eq!(made["authorizerResultTtlInSeconds"], 0);
    assert_eq!(made["enableSimpleResponses"], false);
}

#[tokio::test]
async fn an_authorizer_that_could_not_work_is_refused() {
    let service = service();
    service.shop().await;
    let (token, function) = (jwt("a"), function_authorizer("a"));
    let config = |issuer: &str| json!({ "issuer": issuer, "audience": ["a"] });
    let data = |text: &str| json!(format!("data:application/json;base64,{text}"));
    for body in [
        without(token.clone(), "name"),
        with(token.clone(), "name", json!("")),
        with(token.clone(), "authorizerType", json!("TOKEN")),
        without(token.clone(), "authorizerType"),
        without(token.clone(), "identitySource"),
        with(token.clone(), "identitySource", json!([])),
        with(token.clone(), "identitySource", json!(["$context.a"])),
        with(token.clone(), "identitySource", json!(["$request.header."])),
        with(
            token.clone(),
            "identitySource",
            json!(["$request.header.a b"]),
        ),
        with(
            token.clone(),
            "identitySource",
            json!(["$request.header.a", "$request.header.b"]),
        ),
        without(token.clone(), "jwtConfiguration"),
        with(
            token.clone(),
            "jwtConfiguration",
            json!({ "audience": ["a"] }),
        ),
        with(token.clone(), "jwtConfiguration", config("")),
        with(token.clone(), "jwtConfiguration", config("issuer.example")),
        with(
            token.clone(),
            "jwtConfiguration",
            config("file:///etc/passwd"),
        ),
        with(token.clone(), "authorizerUri", json!("file:///etc/passwd")),
        with(token.clone(), "authorizerUri", json!("https://")),
        with(token.clone(), "authorizerUri", data("%%")),
        // No JSON, no keys, an empty set, something that is no key.
        with(token.clone(), "authorizerUri", data("e30")),
        with(token.clone(), "authorizerUri", data("e30=")),
        with(token.clone(), "authorizerUri", data("eyJrZXlzIjpbXX0=")),
        with(token.clone(), "authorizerUri", data("eyJrZXlzIjpbMV19")),
        with(token.clone(), "authorizerResultTtlInSeconds", json!(5)),
        with(token.clone(), "enableSimpleResponses", json!(true)),
        with(
            token.clone(),
            "authorizerPayloadFormatVersion",
            json!("2.0"),
        ),
        with(token.clone(), "identityValidationExpression", json!(".*")),
        without(function.clone(), "authorizerUri"),
        with(
            function.clone(),
            "authorizerUri",
            json!("https://a.example"),
        ),
        without(function.clone(), "authorizerPayloadFormatVersion"),
        with(
            function.clone(),
            "authorizerPayloadFormatVersion",
            json!("3.0"),
        ),
        with(
            function.clone(),
            "authorizerPayloadFormatVersion",
            json!("1.0"),
        ),
        with(
            function.clone(),
            "authorizerResultTtlInSeconds",
            json!(3601),
        ),
        with(function.clone(), "authorizerResultTtlInSeconds", json!(-1)),
        with(function.clone(), "identitySource", json!([])),
        with(function.clone(), "identitySource", json!(["header.a"])),
        with(
            function.clone(),
            "jwtConfiguration",
            config("https://a.example"),
        ),
    ] {
        service.bad(Method::POST, AUTHORIZERS, body).await;
    }
    assert_eq!(service.get(AUTHORIZERS).await, json!({ "items": [] }));
    for n in 0..10 {
        service.authorizer(jwt(&format!("n{n}"))).await;
    }
    service.bad(Method::POST, AUTHORIZERS, jwt("eleven")).await;
}

#[tokio::test]
async fn an_authorizer_is_changed_in_parts_and_stays_whole() {
    let service = service();
    service.shop().await;
    let token = format!("{AUTHORIZERS}/{}", service.authorizer(jwt("token")).await);
    let asking = service.authorizer(function_authorizer("asking")).await;
    let asking = format!("{AUTHORIZERS}/{asking}");

    let config = json!({ "jwtConfiguration": { "audience": ["a", "b"] } });
    let changed = service.changed(&token, config).await;
    let expected = json!({ "audience": ["a", "b"], "issuer": "https://issuer.example" });
    assert_eq!(changed["jwtConfiguration"], expected);
    let keys = json!({ "authorizerUri": "https://keys.example/jwks", "name": "other" });
    let changed = service.changed(&token, keys).await;
    assert_eq!(changed["authorizerUri"], "https://keys.example/jwks");
    let changed = service
        .changed(&token, json!({ "authorizerUri": "" }))
        .await;
    assert!(changed.get("authorizerUri").is_none(), "{changed}");
    assert_eq!(changed["name"], "other");

    let live = format!("{FUNCTION}:live");
    let more = json!({
        "authorizerCredentialsArn": "arn:aws:iam::123456789012:role/r",
        "authorizerResultTtlInSeconds": 0,
        "authorizerUri": live,
        "identitySource": [],
    });
    let changed = service.changed(&asking, more.clone()).await;
    for (name, value) in more.as_object().unwrap() {
        assert_eq!(&changed[name], value);
    }
    assert_eq!(changed["enableSimpleResponses"], true);

    for (path, body) in [
        (&token, json!({ "authorizerType": "REQUEST" })),
        (&token, json!({ "identitySource": [] })),
        (&token, json!({ "name": "asking" })),
        (
            &token,
            json!({ "jwtConfiguration": { "issuer": "nowhere" } }),
        ),
        (&asking, json!({ "jwtConfiguration": {} })),
        (&asking, json!({ "authorizerResultTtlInSeconds": 10 })),
        (&asking, json!({ "authorizerPayloadFormatVersion": "1.0" })),
        (
            &asking,
            json!({ "authorizerUri": "arn:aws:sqs:us-east-1:123456789012:q" }),
        ),
    ] {
        let before = service.get(path).await;
        service.bad(Method::PATCH, path, body).await;
        assert_eq!(service.get(path).await, before);
    }
    let (status, _, _) = service.call(Method::DELETE, &token, Value::Null).await;
    assert_eq!(status, 204);
    let gone = service.refused(Method::GET, &token, Value::Null).await;
    assert_eq!(gone, (404, "NotFoundException".to_owned()));
}

#[tokio::test]
async fn a_route_says_who_may_call_it() {
    let service = service();
    service.shop().await;
    let token = service.authorizer(jwt("token")).await;
    let asking = service.authorizer(function_authorizer("asking")).await;
    let route = |more: Value| {
        let mut body = json!({ "routeKey": "GET /" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let by = |kind: &str, id: &str| json!({ "authorizationType": kind, "authorizerId": id });

    let mut scoped = by("JWT", &token);
    scoped["authorizationScopes"] = json!(["read", "write"]);
    let made = service.post(ROUTES, route(scoped.clone())).await;
    for (name, value) in scoped.as_object().unwrap() {
        assert_eq!(&made[name], value);
    }
    let path = format!("{ROUTES}/{}", made["routeId"].as_str().unwrap());
    assert_eq!(service.get(&path).await, made);

    // Other members leave it as it is.
    let changed = service
        .changed(&path, json!({ "routeKey": "GET /a" }))
        .await;
    assert_eq!(
        changed["authorizationScopes"],
        scoped["authorizationScopes"]
    );
    let changed = service
        .changed(&path, json!({ "authorizationScopes": [] }))
        .await;
    assert!(changed.get("authorizationScopes").is_none());
    assert_eq!(changed["authorizerId"], token.as_str());
    let in_use = format!("{AUTHORIZERS}/{token}");
    let refused = service.refused(Method::DELETE, &in_use, Value::Null).await;
    assert_eq!(refused, (409, "ConflictException".to_owned()));

    let changed = service.changed(&path, by("CUSTOM", &asking)).await;
    assert_eq!(changed["authorizationType"], "CUSTOM");
    assert_eq!(changed["authorizerId"], asking.as_str());
    let changed = service
        .changed(&path, json!({ "authorizationType": "AWS_IAM" }))
        .await;
    assert_eq!(changed["authorizationType"], "AWS_IAM");
    assert!(changed.get("authorizerId").is_none());
    let open = json!({ "authorizationType": "NONE", "authorizerId": "" });
    let changed = service.changed(&path, open).await;
    assert_eq!(changed["authorizationType"], "NONE");
    let (status, _, _) = service.call(Method::DELETE, &in_use, Value::Null).await;
    assert_eq!(status, 204);
}

#[tokio::test]
async fn a_route_that_would_let_in_others_than_it_says_is_refused() {
    let service = service();
    service.shop().await;
    let token = service.authorizer(jwt("token")).await;
    let asking = service.authorizer(function_authorizer("asking")).await;
    let jwt_wanted = "requires a valid JWT authorizer";
    let custom_wanted = "requires a valid authorizer";
    for (kind, id, scopes, right) in [
        ("JWT", None, None, jwt_wanted),
        ("JWT", Some(""), None, jwt_wanted),
        ("JWT", Some("nobody"), None, jwt_wanted),
        ("JWT", Some(asking.as_str()), None, jwt_wanted),
        ("CUSTOM", None, None, custom_wanted),
        ("CUSTOM", Some(token.as_str()), None, custom_wanted),
        ("CUSTOM", Some(asking.as_str()), Some("a"), "JWT"),
        ("NONE", Some(token.as_str()), None, "JWT or CUSTOM"),
        ("AWS_IAM", Some(asking.as_str()), None, "JWT or CUSTOM"),
        ("NONE", None, Some("a"), "JWT"),
        ("AWS_IAM", None, Some("a"), "JWT"),
        ("JWT", Some(token.as_str()), Some("a b"), "without spaces"),
        ("JWT", Some(token.as_str()), Some(""), "1 to 64"),
    ] {
        let mut body = json!({ "routeKey": "GET /", "authorizationType": kind });
        if let Some(id) = id {
            body["authorizerId"] = id.into();
        }
        if let Some(scope) = scopes {
            body["authorizationScopes"] = json!([scope]);
        }
        let message = service.bad(Method::POST, ROUTES, body).await;
        assert!(
            message.contains(right),
            "{kind} {id:?} {scopes:?}: {message}"
        );
    }
    assert_eq!(service.get(ROUTES).await, json!({ "items": [] }));
    // A patch that leaves a route without anybody to ask changes nothing.
    let body = json!({ "routeKey": "GET /", "authorizationType": "JWT", "authorizerId": token });
    let made = service.post(ROUTES, body).await;
    let path = format!("{ROUTES}/{}", made["routeId"].as_str().unwrap());
    for body in [
        json!({ "authorizerId": "" }),
        json!({ "authorizerId": asking }),
        json!({ "authorizationType": "CUSTOM" }),
    ] {
        service.bad(Method::PATCH, &path, body).await;
    }
    assert_eq!(service.get(&path).await, made);
}
