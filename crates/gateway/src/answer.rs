//! What the client gets of a function's result.
//!
//! An object with a `statusCode` describes a whole response; anything else is
//! the body of a response with status 200.

use aws_wire::Body;
use aws_wire::body;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use engine::http_apis::PayloadFormat;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// What belongs to one connection, or is decided by the bytes that are sent.
const NOT_THE_FUNCTIONS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Status and headers as a function describes them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Head {
    status_code: Value,
    headers: Option<Map<String, Value>>,
    cookies: Option<Vec<String>>,
    /// In format 1.0, where it is how a header comes twice.
    multi_value_headers: Option<Map<String, Value>>,
}

/// What a body is whose function does not say it.
const JSON: &str = "application/json";
const TEXT: &str = "text/plain;charset=UTF-8";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(flatten)]
    head: Head,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The answer of a function URL, as a whole.
pub(crate) fn translate(payload: Bytes) -> Result<Response<Body>, Refusal> {
    match described(&payload)? {
        Some(described) => described.response(JSON),
        None => Ok(undescribed(payload)),
    }
}

/// The answer of a function behind an HTTP API.
pub(crate) fn translate_for_api(
    payload: Bytes,
    format: PayloadFormat,
) -> Result<Response<Body>, Refusal> {
    match (described(&payload)?, format) {
        (Some(mut described), PayloadFormat::V2) => {
            described.head.multi_value_headers = None;
            described.response(TEXT)
        }
        (Some(mut described), PayloadFormat::V1) => {
            described.head.cookies = None;
            described.response(TEXT)
        }
        (None, PayloadFormat::V2) => Ok(undescribed(payload)),
        // Nothing but a described answer is one in this format.
        (None, PayloadFormat::V1) => Err(Refusal::BadAnswer),
    }
}

fn undescribed(payload: Bytes) -> Response<Body> {
    let mut response = Response::new(body::full(payload));
    let json = HeaderValue::from_static(JSON);
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// The response that a payload describes, if it describes one.
fn described(payload: &Bytes) -> Result<Option<Described>, Refusal> {
    let describes_response = payload.trim_ascii_start().first() == Some(&b'{');
    if !describes_response {
        return Ok(None);
    }
    let value = serde_json::from_slice::<Value>(payload).ok();
    let value = value.filter(|value| value.get("statusCode").is_some());
    value
        .map(|value| serde_json::from_value(value).map_err(|_| Refusal::BadAnswer))
        .transpose()
}

impl Described {
    fn response(self, kind: &'static str) -> Result<Response<Body>, Refusal> {
        let bytes = body_bytes(self.body, self.is_base64_encoded)?;
        self.head.response_as(body::full(bytes), kind)
    }
}

impl Head {
    /// Status 200 unless it says otherwise, as in the prelude of a stream.
    pub fn response(self, body: Body) -> Result<Response<Body>, Refusal> {
        self.response_as(body, JSON)
    }

    fn response_as(self, body: Body, kind: &'static str) -> Result<Response<Body>, Refusal> {
        let mut response = Response::new(body);
        *response.status_mut() = status(&self.status_code)?;
        let headers = response.headers_mut();
        let many = self.multi_value_headers.unwrap_or_default();
        for (name, value) in self.headers.unwrap_or_default() {
            // What is named in both places is said there as a whole.
            let again = many.keys().any(|other| other.eq_ignore_ascii_case(&name));
            if !again {
                add_header(headers, &name, &value)?;
            }
        }
        for (name, values) in many {
            match values {
                Value::Array(values) => values
                    .iter()
                    .try_for_each(|value| add_header(headers, &name, value))?,
                value => add_header(headers, &name, &value)?,
            }
        }
        for cookie in self.cookies.unwrap_or_default() {
            let cookie = HeaderValue::from_str(&cookie).map_err(|_| Refusal::BadAnswer)?;
            headers.append(SET_COOKIE, cookie);
        }
        if !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Ok(response)
    }
}

/// To HEAD goes what would go to GET, and the length in place of the body.
pub(crate) fn without_body(method: &Method, response: Response<Body>) -> Response<Body> {
    if *method != Method::HEAD {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let length = body.size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    head.headers.remove(TRANSFER_ENCODING);
    Response::from_parts(head, body::empty())
}

/// A number, or a text that is one.
fn status(value: &Value) -> Result<StatusCode, Refusal> {
    let number = match value {
        Value::Null => return Ok(StatusCode::OK),
        Value::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        // A status below 200 announces an answer and is none.
        .filter(|number| (200..=599).contains(number))
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or(Refusal::BadAnswer)
}

fn add_header(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), Refusal> {
    let name: HeaderName = name.parse().map_err(|_| Refusal::BadAnswer)?;
    if NOT_THE_FUNCTIONS.contains(&name.as_str()) {
        return Ok(());
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null => return Ok(()),
        Value::Array(_) | Value::Object(_) => return Err(Refusal::BadAnswer),
    };
    let value = HeaderValue::from_str(&text).map_err(|_| Refusal::BadAnswer)?;
    headers.append(name, value);
    Ok(())
}

fn body_bytes(body: Value, is_base64: bool) -> Result<Bytes, Refusal> {
    match body {
        Value::Null => Ok(Bytes::new()),
        Value::String(text) if is_base64 => BASE64_STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| Refusal::BadAnswer),
        Value::String(text) => Ok(text.into()),
        _ => Err(Refusal::BadAnswer),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    async fn answer(payload: &str) -> Option<(u16, Vec<String>, String)> {
        let response = translate(Bytes::from(payload.to_owned())).ok()?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let mut headers: Vec<String> = head
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Some((head.status.as_u16(), headers, text))
    }

    #[tokio::test]
    async fn anything_without_a_status_is_a_body() {
        for payload in [
            r#"{"a": 1}"#,
            "\"text\"",
            "null",
            "[1]",
            "3",
            "{}",
            "not json",
        ] {
            let (status, headers, text) = answer(payload).await.unwrap();
            assert_eq!((status, text.as_str()), (200, payload));
            assert_eq!(headers, ["content-type: application/json"]);
        }
    }

    #[tokio::test]
    async fn a_described_response_is_sent_as_it_is() {
        let payload = json!({
            "statusCode": 201,
            "headers": { "Content-Type": "text/html", "X-N": 5, "X-B": true, "X-None": null,
                         "Connection": "close", "Content-Length": "999", "Transfer-Encoding": "chunked" },
            "cookies": ["a=1; HttpOnly", "b=2"],
            "body": "aMOk",
            "isBase64Encoded": true,
        });
        let (status, headers, text) = answer(&payload.to_string()).await.unwrap();
        assert_eq!((status, text.as_str()), (201, "hä"));
        assert_eq!(
            headers,
            [
                "content-type: text/html",
                "set-cookie: a=1; HttpOnly",
                "set-cookie: b=2",
                "x-b: true",
                "x-n: 5"
            ]
        );
    }

    async fn answer_of_api(
        payload: &serde_json::Value,
        format: PayloadFormat,
    ) -> Option<(Vec<String>, String)> {
        let payload = Bytes::from(payload.to_string());
        let response = translate_for_api(payload, format).ok()?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut headers: Vec<String> = headers.collect();
        headers.sort();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Some((headers, String::from_utf8(bytes.to_vec()).unwrap()))
    }

    #[tokio::test]
    async fn the_formats_of_apis_differ() {
        let both = json!({
            "statusCode": 200,
            "headers": { "X-One": "gone", "X-Two": "2" },
            "multiValueHeaders": { "x-one": ["a", "b"], "Set-Cookie": ["c=1", "d=2"] },
            "cookies": ["e=3"],
            "body": "t",
        });
        let text = "content-type: text/plain;charset=UTF-8";
        let (headers, body) = answer_of_api(&both, PayloadFormat::V1).await.unwrap();
        assert_eq!(body, "t");
        assert_eq!(
            headers,
            [
                text,
                "set-cookie: c=1",
                "set-cookie: d=2",
                "x-one: a",
                "x-one: b",
                "x-two: 2"
            ]
        );
        let (headers, _) = answer_of_api(&both, PayloadFormat::V2).await.unwrap();
        assert_eq!(
            headers,
            [text, "set-cookie: e=3", "x-one: gone", "x-two: 2"]
        );
        // Only format 2.0 takes anything for a body.
        let plain = json!({ "m": 1.5 });
        assert_eq!(answer_of_api(&plain, PayloadFormat::V1).await, None);
        let (headers, body) = answer_of_api(&plain, PayloadFormat::V2).await.unwrap();
        assert_eq!(
            (headers, body.as_str()),
            (
                vec!["content-type: application/json".to_owned()],
                "{\"m\":1.5}"
            )
        );
    }

    #[tokio::test]
    async fn parts_may_be_missing() {
        let json = vec!["content-type: application/json".to_owned()];
        assert_eq!(
            answer(r#"{"statusCode":204}"#).await,
            Some((204, json.clone(), String::new()))
        );
        assert_eq!(
            answer(r#"{"statusCode":"404","body":"x"}"#).await,
            Some((404, json.clone(), "x".into()))
        );
        assert_eq!(
            answer(r#"{"statusCode":200,"body":null,"headers":null,"cookies":null}"#).await,
            Some((200, json, String::new()))
        );
    }

    #[tokio::test]
    async fn what_is_no_response_is_refused() {
        for payload in [
            json!({ "statusCode": 99 }),
            json!({ "statusCode": 100 }),
            json!({ "statusCode": 600 }),
            json!({ "statusCode": "x" }),
            json!({ "statusCode": {} }),
            json!({ "statusCode": 200.5 }),
            json!({ "statusCode": 200, "body": {} }),
            json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
            json!({ "statusCode": 200, "headers": [] }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "headers": { "a": "b\r\nc: d" } }),
            json!({ "statusCode": 200, "headers": { "a": ["b"] } }),
            json!({ "statusCode": 200, "cookies": ["a\n"] }),
            json!({ "statusCode": 200, "cookies": "a" }),
        ] {
            assert_eq!(answer(&payload.to_string()).await, None, "{payload}");
        }
    }

    #[test]
    fn head_gets_the_length_alone() {
        let response = without_body(&Method::HEAD, Response::new(body::full("text")));
        assert_eq!(response.headers()[CONTENT_LENGTH], "4");
        assert_eq!(response.body().size_hint().exact(), Some(0));
        let response = without_body(&Method::GET, Response::new(body::full("text")));
        assert_eq!(response.body().size_hint().exact(), Some(4));
    }
}
