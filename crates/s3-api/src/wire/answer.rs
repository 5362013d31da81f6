//! How answers look when they leave: error documents with what AWS puts there,
//! ids on everything, no bodies where there may be none.

use std::io;

use aws_wire::xml::Xml;
use aws_wire::{Body, body};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::S3Error;

use crate::error::{DETAILS, text_of};
use crate::ops::describe::BareTag;
use crate::ops::get::Outgoing;

/// What of a request its answer refers to.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub method: Method,
    pub bucket: Option<String>,
    pub key: Option<String>,
    pub request_id: String,
    pub host_id: String,
}

/// An error as it is told: the protocol crate's, in AWS's words.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: StatusCode,
    code: String,
    message: String,
}

pub(crate) async fn finish(response: Response<s3s::Body>, about: &About) -> Response<Body> {
    let (mut head, content) = response.into_parts();
    let outgoing = head.extensions.remove::<Outgoing>();
    let mut answer = if head.status == StatusCode::NOT_MODIFIED {
        head.headers.remove(CONTENT_TYPE);
        head.headers.remove(CONTENT_LENGTH);
        Response::from_parts(head, body::empty())
    } else if head.status.is_client_error() || head.status.is_server_error() {
        let document = content
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let text = String::from_utf8_lossy(&document.unwrap_or_default()).into_owned();
        error(head.status, head.headers, &text, about)
    } else {
        if about.method == Method::HEAD && head.headers.contains_key(CONTENT_RANGE) {
            head.status = StatusCode::PARTIAL_CONTENT;
        }
        let content = match outgoing.and_then(|outgoing| outgoing.take()) {
            Some(content) => content,
            None if head.extensions.get::<BareTag>().is_some() => bare_tag(content).await,
            None => content.map_err(io::Error::other).boxed_unsync(),
        };
        Response::from_parts(head, content)
    };
    sign(answer.headers_mut(), about);
    answer
}

async fn bare_tag(content: s3s::Body) -> Body {
    let document = content
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let text = String::from_utf8_lossy(&document.unwrap_or_default()).into_owned();
    let text = text.replace("&quot;", "\"");
    let text = text.replace("<ETag>\"", "<ETag>");
    body::full(text.replace("\"</ETag>", "</ETag>"))
}

/// An answer for an error from outside of the protocol crate.
pub(crate) async fn refuse(refusal: S3Error, about: &About) -> Response<Body> {
    match refusal.to_http_response() {
        Ok(response) => finish(response, about).await,
        Err(error) => {
            tracing::error!(%error, "an error could not be written");
            let mut answer = Response::new(body::empty());
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            sign(answer.headers_mut(), about);
            answer
        }
    }
}

/// Sets the ids by which a request can be found again.
pub(crate) fn sign(headers: &mut HeaderMap, about: &About) {
    for (name, value) in [
        ("x-amz-request-id", &about.request_id),
        ("x-amz-id-2", &about.host_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

fn error(
    status: StatusCode,
    mut headers: HeaderMap,
    document: &str,
    about: &About,
) -> Response<Body> {
    let code = element(document, "Code").unwrap_or_default();
    let told = reworded(status, &code, element(document, "Message").as_deref());
    let details = headers.remove(DETAILS);
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let content = if about.method == Method::HEAD {
        body::empty()
    } else {
        let details = details.as_ref().and_then(|text| text.to_str().ok());
        body::full(written(&told, details.unwrap_or_default(), about))
    };
    let mut answer = Response::new(content);
    *answer.status_mut() = told.status;
    *answer.headers_mut() = headers;
    answer
}

fn written(told: &Told, details: &str, about: &About) -> String {
    let mut xml = Xml::with_declaration();
    xml.element("Error", |xml| {
        xml.text("Code", &told.code);
        xml.text("Message", &told.message);
        match (told.code.as_str(), &about.bucket, &about.key) {
            ("NoSuchKey", _, Some(key)) => xml.text("Key", key),
            ("MethodNotAllowed", _, key) if details.is_empty() => {
                xml.text("Method", about.method.as_str());
                let kind = if key.is_some() { "OBJECT" } else { "BUCKET" };
                xml.text("ResourceType", kind);
            }
            (code, Some(bucket), _) if names_bucket(code) => xml.text("BucketName", bucket),
            _ => {}
        }
        for (name, value) in aws_wire::form::pairs(details) {
            xml.text(&name, &value);
        }
        xml.text("RequestId", &about.request_id);
        xml.text("HostId", &about.host_id);
    });
    xml.finish()
}

/// Where AWS says which bucket is meant.
fn names_bucket(code: &str) -> bool {
    matches!(
        code,
        "NoSuchBucket"
            | "BucketAlreadyOwnedByYou"
            | "BucketAlreadyExists"
            | "BucketNotEmpty"
            | "InvalidBucketName"
            | "NoSuchBucketPolicy"
            | "NoSuchCORSConfiguration"
            | "NoSuchLifecycleConfiguration"
            | "NoSuchTagSet"
            | "NoSuchWebsiteConfiguration"
            | "NoSuchPublicAccessBlockConfiguration"
            | "OwnershipControlsNotFoundError"
            | "ReplicationConfigurationNotFoundError"
            | "ObjectLockConfigurationNotFoundError"
            | "ServerSideEncryptionConfigurationNotFoundError"
    )
}

/// The protocol crate has texts of its own for what it refuses itself.
fn reworded(status: StatusCode, code: &str, message: Option<&str>) -> Told {
    let given = message.unwrap_or_default();
    let (status, code, message) = match (code, given) {
        ("NotImplemented", "Unknown operation") => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            (status, "MethodNotAllowed", text_of("MethodNotAllowed"))
        }
        ("NotImplemented", given) if given.contains("is not implemented yet") => {
            (status, "NotImplemented", text_of("NotImplemented"))
        }
        ("InvalidArgument", given) if given.starts_with("invalid query: max-") => (
            status,
            "InvalidArgument",
            Some("Provided max-keys not an integer or within integer range"),
        ),
        ("InvalidArgument", given) if given.starts_with("invalid query: partNumber") => (
            status,
            "InvalidArgument",
            Some("Part number must be an integer between 1 and 10000, inclusive"),
        ),
        ("InvalidRequest", given) if given.starts_with("invalid header: authorization") => (
            status,
            "AuthorizationHeaderMalformed",
            Some("The authorization header that you provided is not valid."),
        ),
        ("InvalidRequest", given) if given.contains("header: x-amz-date") => (
            StatusCode::FORBIDDEN,
            "AccessDenied",
            Some("AWS authentication requires a valid Date or x-amz-date header"),
        ),
        ("RequestTimeTooSkewed", _) => (status, "RequestTimeTooSkewed", text_of(code)),
        (code, "") => (status, code, text_of(code)),
        (code, given) => (status, code, Some(given)),
    };
    Told {
        status,
        code: code.to_owned(),
        message: message.unwrap_or(code).to_owned(),
    }
}

/// The text of an element without children, where there is one.
fn element(document: &str, name: &str) -> Option<String> {
    let start = document.find(&format!("<{name}>"))? + name.len() + 2;
    let length = document[start..].find(&format!("</{name}>"))?;
    let text = &document[start..start + length];
    let plain = quick_xml::escape::unescape(text);
    Some(plain.map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use crate::error::{detailed, fault};

    use super::*;

    fn about(method: Method) -> About {
        About {
            method,
            bucket: Some("data".to_owned()),
            key: Some("a&b".to_owned()),
            request_id: "1".to_owned(),
            host_id: "2".to_owned(),
        }
    }

    async fn told(error: S3Error, method: Method) -> (StatusCode, HeaderMap, String) {
        let answer = refuse(error, &about(method)).await;
        let (head, content) = answer.into_parts();
        let bytes = content.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn errors_say_what_aws_says() {
        let (status, headers, text) = told(fault("NoSuchKey"), Method::GET).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers["x-amz-request-id"], "1");
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b</Key><RequestId>1</RequestId><HostId>2</HostId></Error>"
        );
        let error = detailed(fault("InvalidRange"), &[("ActualObjectSize", "7")]);
        let (status, headers, text) = told(error, Method::GET).await;
        assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert!(!headers.contains_key(DETAILS));
        assert!(
            text.contains("<ActualObjectSize>7</ActualObjectSize>"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn some_answers_have_no_body() {
        let (status, _, text) = told(fault("NoSuchKey"), Method::HEAD).await;
        assert_eq!((status, text.as_str()), (StatusCode::NOT_FOUND, ""));
        let (status, headers, text) = told(fault("NotModified"), Method::GET).await;
        assert_eq!((status, text.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert!(!headers.contains_key(CONTENT_TYPE));
    }

    #[test]
    fn other_words_become_those_of_aws() {
        let told = |code: &str, message: Option<&str>| {
            let told = reworded(StatusCode::BAD_REQUEST, code, message);
            (told.code, told.message)
        };
        assert_eq!(
            told("NotImplemented", Some("Unknown operation")).0,
            "MethodNotAllowed"
        );
        assert!(
            told("SignatureDoesNotMatch", None)
                .1
                .starts_with("The request signature")
        );
        assert_eq!(told("Odd", None).1, "Odd");
        assert_eq!(told("Odd", Some("text")).1, "text");
    }
}
