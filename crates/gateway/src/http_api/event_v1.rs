//! What a function sees of a request: payload format 1.0, which is that of the older
//! REST APIs as far as an HTTP API has what they have.

use std::collections::BTreeMap;

use aws_wire::form;
use bytes::Bytes;
use engine::http_apis::RouteKey;
use http::header::USER_AGENT;
use serde::Serialize;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::event::{self, Facts, RouteFacts};

type Many = BTreeMap<String, Vec<String>>;
type One = BTreeMap<String, String>;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: One,
    multi_value_headers: Many,
    query_string_parameters: Option<One>,
    multi_value_query_string_parameters: Option<Many>,
    request_context: Value,
    path_parameters: Option<&'a One>,
    stage_variables: Option<&'a One>,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// The event as JSON.
pub(super) fn build(facts: &Facts<'_>, route: &RouteFacts<'_>) -> Bytes {
    let resource = match route.key {
        RouteKey::Default => "$default",
        RouteKey::Path { path, .. } => path.as_str(),
    };
    let (body, is_base64_encoded) = event::encode_body(&facts.parts.headers, facts.body);
    let headers = headers(facts);
    let query = query(facts.parts.uri.query().unwrap_or_default());
    let event = Event {
        version: "1.0",
        resource,
        path: &route.path,
        http_method: facts.parts.method.as_str(),
        headers: last(&headers),
        multi_value_headers: headers,
        query_string_parameters: query.as_ref().map(last),
        multi_value_query_string_parameters: query,
        request_context: context(facts, route, resource),
        path_parameters: event::some(route.variables),
        stage_variables: event::some(route.stage_variables),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event)
        .expect("texts, numbers and maps of texts are valid JSON")
        .into()
}

/// The last value counts where there is room for one only.
fn last(many: &Many) -> One {
    let pairs = many.iter();
    pairs
        .filter_map(|(name, values)| Some((name.clone(), values.last()?.clone())))
        .collect()
}

fn headers(facts: &Facts<'_>) -> Many {
    let given = &facts.parts.headers;
    let mut many: Many = given
        .keys()
        .filter(|name| !event::is_secret(facts, name))
        .map(|name| {
            let values = given.get_all(name).iter().map(event::text);
            (name.as_str().to_owned(), values.collect())
        })
        .collect();
    let forwarded = |name: &'static str| {
        let values = many.get(name)?;
        Some((name, values.join(", ")))
    };
    let known = ["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"];
    let mut own: BTreeMap<&str, String> = known.into_iter().filter_map(forwarded).collect();
    event::add_own(facts, &mut own);
    many.extend(
        own.into_iter()
            .map(|(name, value)| (name.to_owned(), vec![value])),
    );
    many
}

/// None where there is none, which this format says by null.
fn query(query: &str) -> Option<Many> {
    let mut many = Many::new();
    for (name, value) in form::pairs(query) {
        many.entry(name).or_default().push(value);
    }
    Some(many).filter(|many| !many.is_empty())
}

fn context(facts: &Facts<'_>, route: &RouteFacts<'_>, resource: &str) -> Value {
    let agent = facts.parts.headers.get(USER_AGENT).map(event::text);
    let id = facts.request_id.to_string();
    let signer = facts.caller.signer();
    let principal = signer.map(|signer| &signer.principal);
    let user = principal.map(|principal| &principal.user_id);
    json!({
        "accountId": route.account,
        "apiId": facts.target.id,
        "authorizer": authorizer(facts.caller),
        "domainName": facts.target.domain,
        "domainPrefix": facts.target.id,
        "extendedRequestId": id,
        "httpMethod": facts.parts.method.as_str(),
        "identity": {
            "accessKey": signer.map(|signer| &signer.access_key),
            "accountId": principal.map(|principal| principal.account.as_str()),
            "caller": user,
            "cognitoAmr": null,
            "cognitoAuthenticationProvider": null,
            "cognitoAuthenticationType": null,
            "cognitoIdentityId": null,
            "cognitoIdentityPoolId": null,
            "principalOrgId": null,
            "sourceIp": facts.source.to_string(),
            "user": user,
            "userAgent": agent,
            "userArn": principal.map(|principal| &principal.arn),
        },
        "path": route.path,
        "protocol": event::protocol(facts.parts.version),
        "requestId": id,
        "requestTime": event::common_log_time(facts.now),
        "requestTimeEpoch": facts.now.0,
        "resourceId": route.key.to_string(),
        "resourcePath": resource,
        "stage": route.stage.as_str(),
    })
}

/// What is known of the caller: what a token says, or what a function said, which stands
/// here with nothing around it.
fn authorizer(caller: &Caller) -> Value {
    match caller {
        Caller::Anybody | Caller::Signer(_) => json!({ "claims": null, "scopes": null }),
        Caller::Bearer(claims) => json!({ "claims": claims.texts, "scopes": claims.scopes }),
        Caller::Admitted(admitted) => {
            let mut context = admitted.context.clone();
            if let Some(principal) = &admitted.principal {
                context.insert("principalId".to_owned(), principal.as_str().into());
            }
            Value::Object(context)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use types::Timestamp;

    use super::*;
    use crate::target::Target;

    fn build_from(request: http::request::Builder, body: &'static [u8]) -> Value {
        let (parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
        let key = "ANY /pets/{id}".parse().unwrap();
        let stage = "prod".parse().unwrap();
        let one = |name: &str, value: &str| One::from([(name.to_owned(), value.to_owned())]);
        let (variables, stage_variables) = (one("id", "a b"), one("mode", "fast"));
        let route = RouteFacts {
            account: "123456789012",
            key: &key,
            stage: &stage,
            path: "/prod/pets/a b".to_owned(),
            variables: &variables,
            stage_variables: &stage_variables,
        };
        let target = Target {
            id: "api".to_owned(),
            path: "/prod/pets/a%20b".to_owned(),
            domain: "api.execute-api.us-east-1.localhost".to_owned(),
            prefix: None,
        };
        let event = build(
            &Facts {
                parts: &parts,
                body: &body,
                target: &target,
                caller: &Caller::Anybody,
                source: [127, 0, 0, 1].into(),
                request_id: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
                trace_id: "Root=1-a-b",
                now: Timestamp(1_700_000_000_042),
                route: Some(&route),
            },
            &route,
        );
        serde_json::from_slice(&event).unwrap()
    }

    #[test]
    fn a_request_becomes_an_event_of_format_1() {
        let request = Request::put("/prod/pets/a%20b?x=1&x=2&y=%26")
            .header("Host", "api.execute-api.us-east-1.localhost:8080")
            .header("X-Two", "1")
            .header("X-Two", "2")
            .header("Cookie", "a=1")
            .header("X-Forwarded-For", "10.0.0.1")
            .header("User-Agent", "test");
        let event = build_from(request, b"\x00");
        let host = "api.execute-api.us-east-1.localhost:8080";
        assert_eq!(event["version"], "1.0");
        assert_eq!(event["resource"], "/pets/{id}");
        assert_eq!(event["path"], "/prod/pets/a b");
        assert_eq!(event["httpMethod"], "PUT");
        assert_eq!(
            event["headers"],
            json!({
                "cookie": "a=1",
                "host": host,
                "user-agent": "test",
                "x-amzn-trace-id": "Root=1-a-b",
                "x-forwarded-for": "10.0.0.1, 127.0.0.1",
                "x-forwarded-port": "8080",
                "x-forwarded-proto": "http",
                "x-two": "2",
            })
        );
        assert_eq!(event["multiValueHeaders"]["x-two"], json!(["1", "2"]));
        assert_eq!(
            event["queryStringParameters"],
            json!({ "x": "2", "y": "&" })
        );
        assert_eq!(
            event["multiValueQueryStringParameters"],
            json!({ "x": ["1", "2"], "y": ["&"] })
        );
        assert_eq!(event["pathParameters"], json!({ "id": "a b" }));
        assert_eq!(event["stageVariables"], json!({ "mode": "fast" }));
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("AA=="), &json!(true))
        );
        let context = &event["requestContext"];
        assert_eq!(context["path"], "/prod/pets/a b");
        assert_eq!(context["resourcePath"], "/pets/{id}");
        assert_eq!(context["resourceId"], "ANY /pets/{id}");
        assert_eq!(context["stage"], "prod");
        assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
        assert_eq!(context["identity"]["userAgent"], "test");
    }

    #[test]
    fn what_is_not_there_is_null() {
        let event = build_from(Request::get("/"), b"");
        for name in [
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "body",
        ] {
            assert_eq!(event.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!(event["isBase64Encoded"], false);
    }
}
