//! Events of function URLs, HTTP APIs and REST APIs as the requests that they stand
//! for, and responses as the answers that these take.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_wire::{Body, form};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use types::RequestId;

/// What Lambda lets an answer have, less what stands around the body.
const MOST_ANSWER: usize = 6 * 1024 * 1024 - 16 * 1024;

/// A request that came as an event.
#[derive(Debug)]
pub struct Event {
    pub parts: Parts,
    pub body: Bytes,
    /// Where it came from, as API Gateway saw it.
    pub source: Option<IpAddr>,
    /// The path of the route that it came by, such as `/pages/{proxy+}`; a function URL
    /// has none.
    pub template: Option<String>,
    /// What stood for variables of that path, decoded.
    pub variables: BTreeMap<String, String>,
}

/// Of all forms of events together: each fills its own part.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxied {
    // Version 2: function URLs and HTTP APIs.
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    request_context: Option<Context>,
    route_key: Option<String>,
    path_parameters: Option<BTreeMap<String, String>>,
    // Version 1: REST APIs.
    http_method: Option<String>,
    path: Option<String>,
    multi_value_query_string_parameters: Option<Map<String, Value>>,
    query_string_parameters: Option<Map<String, Value>>,
    multi_value_headers: Option<Map<String, Value>>,
    // Both.
    headers: Option<Map<String, Value>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct Context {
    http: Option<Http>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    source_ip: Option<String>,
}

impl Event {
    pub fn read(event: &[u8]) -> Result<Self, String> {
        let event: Proxied = serde_json::from_slice(event)
            .map_err(|error| format!("the event is no HTTP request: {error}"))?;
        let http = event.request_context.and_then(|context| context.http);
        let source = http.as_ref().and_then(|http| http.source_ip.as_deref());
        let source = source.and_then(|address| address.parse().ok());
        let template = event.route_key.as_deref();
        let template = template.map(|key| key.split_once(' ').map_or(key, |(_, path)| path));
        let template = template.map(str::to_owned);
        let method = http.map(|http| http.method).or(event.http_method);
        let method = method.ok_or_else(|| {
            "the event is no HTTP request: it has no method; this function serves a function URL \
             or API Gateway"
                .to_owned()
        })?;
        let path = event
            .raw_path
            .or(event.path)
            .unwrap_or_else(|| "/".to_owned());
        let query = event.raw_query_string.unwrap_or_else(|| {
            let several = event.multi_value_query_string_parameters;
            query(
                several
                    .or(event.query_string_parameters)
                    .unwrap_or_default(),
            )
        });
        let path = quoted(&path);
        let uri = if query.is_empty() {
            path
        } else {
            format!("{path}?{query}")
        };
        let request = Request::builder().method(method.as_str()).uri(uri);
        let request = request.body(());
        let request = request.map_err(|error| format!("the event is no HTTP request: {error}"))?;
        let (mut parts, ()) = request.into_parts();
        let headers = event.multi_value_headers.or(event.headers);
        for (name, value) in headers.unwrap_or_default() {
            for value in texts(value) {
                let name = HeaderName::from_bytes(name.as_bytes());
                // What cannot be a header says nothing to us either.
                if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                    parts.headers.append(name, value);
                }
            }
        }
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            let decoded = STANDARD.decode(body);
            decoded.map_err(|error| format!("the body is not base64: {error}"))?
        } else {
            body.into_bytes()
        };
        Ok(Self {
            parts,
            body: body.into(),
            source,
            template,
            variables: event.path_parameters.unwrap_or_default(),
        })
    }

    /// The response as Lambda takes it.
    pub async fn answer(
        &self,
        response: Response<Body>,
        request_id: RequestId,
    ) -> Result<Vec<u8>, String> {
        let (head, body) = response.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        let body = body.to_bytes();
        let answer = described(head.status.as_u16(), &head.headers, &body);
        if answer.len() <= MOST_ANSWER {
            return Ok(answer);
        }
        let error = json!({
            "errorType": "AnswerTooLarge",
            "message": format!(
                "the table has {} bytes, and Lambda passes on {MOST_ANSWER} of an answer in all; \
                 ask for a smaller form (Accept: application/vnd.apache.parquet), or send fewer \
                 items at once",
                body.len()
            ),
            "httpStatus": 413,
            "request_id": request_id.to_string(),
        });
        Ok(json!({
            "statusCode": 413,
            "headers": { "content-type": "application/json" },
            "body": error.to_string(),
            "isBase64Encoded": false,
        })
        .to_string()
        .into_bytes())
    }
}

fn described(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Vec<u8> {
    let headers: Map<String, Value> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
        .collect();
    let (body, encoded) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(body), true),
    };
    json!({
        "statusCode": status,
        "headers": headers,
        "body": body,
        "isBase64Encoded": encoded,
    })
    .to_string()
    .into_bytes()
}

/// Paths of events are decoded; one of a request is not, and has neither blanks nor signs
/// of its own.
fn quoted(path: &str) -> String {
    let parts = path.split('/').map(form::encode);
    parts.collect::<Vec<_>>().join("/")
}

/// REST APIs hand over what they have decoded.
fn query(parameters: Map<String, Value>) -> String {
    let pairs = parameters.into_iter().flat_map(|(name, value)| {
        let texts = texts(value).into_iter();
        texts.map(move |text| format!("{}={}", form::encode(&name), form::encode(&text)))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// One text or several.
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.into_iter().flat_map(texts).collect(),
        Value::Null => vec![],
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use aws_wire::body;

    use super::*;

    fn read(event: &Value) -> Result<Event, String> {
        Event::read(event.to_string().as_bytes())
    }

    #[test]
    fn each_form_of_an_event_is_the_same_request() {
        let second = json!({
            "version": "2.0",
            "rawPath": "/",
            "rawQueryString": "id_column=a%20b&chunksize=5",
            "headers": { "content-type": "text/csv", "accept": "text/csv,application/json" },
            "requestContext": { "http": { "method": "PUT", "path": "/" } },
            "body": "aWQ=",
            "isBase64Encoded": true,
        });
        let first = json!({
            "httpMethod": "PUT",
            "path": "/",
            "queryStringParameters": { "id_column": "a b", "chunksize": "5" },
            "multiValueQueryStringParameters": { "id_column": ["a b"], "chunksize": ["5"] },
            "headers": { "Content-Type": "text/csv" },
            "multiValueHeaders": { "Content-Type": ["text/csv"], "Accept": ["text/csv", "application/json"] },
            "body": "id",
            "isBase64Encoded": false,
            "requestContext": { "stage": "prod" },
        });
        for event in [second, first] {
            let event = read(&event).unwrap();
            assert_eq!(
                (event.parts.method.as_str(), event.parts.uri.path()),
                ("PUT", "/")
            );
            let mut options: Vec<_> = form::pairs(event.parts.uri.query().unwrap()).collect();
            options.sort();
            assert_eq!(options[0], ("chunksize".to_owned(), "5".to_owned()));
            assert_eq!(options[1], ("id_column".to_owned(), "a b".to_owned()));
            assert_eq!(event.parts.headers["content-type"], "text/csv");
            assert!(event.parts.headers.contains_key("accept"));
            assert_eq!(event.body, "id");
        }
    }

    #[test]
    fn what_is_no_request_is_told_so() {
        for (event, word) in [
            (json!({ "key": "value" }), "no method"),
            (json!([1]), "no HTTP request"),
            (json!({ "httpMethod": "PU T" }), "no HTTP request"),
            (
                json!({ "httpMethod": "PUT", "body": "?", "isBase64Encoded": true }),
                "not base64",
            ),
        ] {
            let said = read(&event).unwrap_err();
            assert!(said.contains(word), "{event}: {said}");
        }
    }

    #[tokio::test]
    async fn answers_are_text_where_they_can_be() {
        let event = read(&json!({ "httpMethod": "PUT" })).unwrap();
        let id = RequestId::random();
        let answer = async |bytes: Vec<u8>| -> Value {
            let mut response = Response::new(body::full(bytes));
            let kind = HeaderValue::from_static("text/csv");
            response.headers_mut().insert("content-type", kind);
            serde_json::from_slice(&event.answer(response, id).await.unwrap()).unwrap()
        };
        let text = answer(b"id,value\n".to_vec()).await;
        assert_eq!(text["statusCode"], 200);
        assert_eq!(
            (&text["body"], &text["isBase64Encoded"]),
            (&json!("id,value\n"), &json!(false))
        );
        assert_eq!(text["headers"]["content-type"], "text/csv");
        let binary = answer(vec![0xff, 0]).await;
        assert_eq!(
            (&binary["body"], &binary["isBase64Encoded"]),
            (&json!("/wA="), &json!(true))
        );
        let large = answer(vec![0xff; 5 << 20]).await;
        assert_eq!(large["statusCode"], 413);
        assert!(large["body"].as_str().unwrap().contains("AnswerTooLarge"));
    }
}
