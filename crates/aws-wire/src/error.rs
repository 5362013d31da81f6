//! Error answers in the shapes of the AWS protocols. Every answer carries a
//! request id in the header and, where the protocol has it, in the body.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};
use types::RequestId;

use crate::body::{self, Body};
use crate::xml::Xml;

/// REST JSON (Lambda, Scheduler): the code travels in `x-amzn-ErrorType`, the
/// text as `message`. Where a shape spells it `Message`, put it into `extra`
/// under that name: then no `message` is written.
pub fn rest_json(
    status: StatusCode,
    code: &str,
    message: &str,
    extra: &[(&str, Value)],
) -> Response<Body> {
    let mut object: Map<String, Value> = extra
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    if !object.contains_key("Message") {
        object.insert("message".to_owned(), message.into());
    }
    let mut response = respond(
        status,
        "application/json",
        Value::Object(object).to_string(),
    );
    if let Ok(code) = HeaderValue::from_str(code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// JSON 1.1 (Logs, EventBridge): the code is `__type` in the body.
pub fn json11(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = serde_json::json!({ "__type": code, "message": message }).to_string();
    respond(status, "application/x-amz-json-1.1", text)
}

/// Query protocol (IAM, STS). `namespace` is that of the service, such as
/// `https://iam.amazonaws.com/doc/2010-05-08/`.
pub fn query_xml(status: StatusCode, namespace: &str, code: &str, message: &str) -> Response<Body> {
    let request_id = RequestId::random();
    let kind = if status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    };
    let mut xml = Xml::new();
    xml.root("ErrorResponse", namespace, |xml| {
        xml.element("Error", |xml| {
            xml.text("Type", kind);
            xml.text("Code", code);
            xml.text("Message", message);
        });
        xml.text("RequestId", &request_id.to_string());
    });
    with_id(
        answer(status, "text/xml", xml.finish()),
        "x-amzn-requestid",
        request_id,
    )
}

/// S3: the error is the root element.
pub fn s3_xml(status: StatusCode, code: &str, message: &str, resource: &str) -> Response<Body> {
    let request_id = RequestId::random();
    let mut xml = Xml::with_declaration();
    xml.element("Error", |xml| {
        xml.text("Code", code);
        xml.text("Message", message);
        xml.text("Resource", resource);
        xml.text("RequestId", &request_id.to_string());
    });
    with_id(
        answer(status, "application/xml", xml.finish()),
        "x-amz-request-id",
        request_id,
    )
}

/// An answer of any protocol that names its request in `x-amzn-RequestId`.
pub fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response<Body> {
    with_id(
        answer(status, content_type, body),
        "x-amzn-requestid",
        RequestId::random(),
    )
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response<Body> {
    let mut response = Response::new(body::full(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn with_id(mut response: Response<Body>, header: &'static str, id: RequestId) -> Response<Body> {
    let id = HeaderValue::from_str(&id.to_string()).expect("a UUID is a valid header value");
    response.headers_mut().insert(header, id);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn rest_json_names_the_error_in_a_header() {
        let response = rest_json(
            StatusCode::CONFLICT,
            "ResourceConflictException",
            "it \"exists\"",
            &[("Type", "User".into())],
        );
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "ResourceConflictException"
        );
        assert!(response.headers().contains_key("x-amzn-requestid"));
        assert_eq!(
            text(response).await,
            r#"{"Type":"User","message":"it \"exists\""}"#
        );
    }

    #[tokio::test]
    async fn a_capital_message_stands_alone() {
        let extra = [("Type", "User".into()), ("Message", "gone".into())];
        let response = rest_json(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            "",
            &extra,
        );
        assert_eq!(text(response).await, r#"{"Message":"gone","Type":"User"}"#);
    }

    #[tokio::test]
    async fn xml_errors_escape_what_clients_sent() {
        let response = query_xml(
            StatusCode::NOT_FOUND,
            "urn:x",
            "NoSuchEntity",
            "no <role> & co",
        );
        let text = text(response).await;
        assert!(
            text.contains("<Message>no &lt;role&gt; &amp; co</Message>"),
            "{text}"
        );
        assert!(text.contains("<Type>Sender</Type>"), "{text}");
    }
}
