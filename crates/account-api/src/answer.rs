//! The frame of an answer, and the pieces that several answers share.

use std::collections::BTreeMap;

use aws_wire::xml::Xml;
use aws_wire::{Body, body};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use types::{RequestId, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Iam,
    Sts,
}

impl Service {
    /// The API version tells the service, even where nothing else does.
    pub fn of_version(version: Option<&str>) -> Self {
        match version {
            Some("2011-06-15") => Self::Sts,
            _ => Self::Iam,
        }
    }

    pub fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }

    pub fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }
}

#[derive(Debug)]
pub(crate) enum Answer {
    /// Operations without output have no result element.
    Nothing,
    Result(Xml),
}

impl Answer {
    pub fn result(write: impl FnOnce(&mut Xml)) -> Self {
        let mut xml = Xml::new();
        write(&mut xml);
        Self::Result(xml)
    }
}

pub(crate) fn frame(service: Service, action: &str, answer: &Answer) -> Response<Body> {
    let request_id = RequestId::random().to_string();
    let mut xml = Xml::new();
    xml.root(&format!("{action}Response"), service.namespace(), |xml| {
        if let Answer::Result(result) = answer {
            xml.element(&format!("{action}Result"), |xml| xml.nested(result));
        }
        xml.element("ResponseMetadata", |xml| xml.text("RequestId", &request_id));
    });
    let mut response = Response::new(body::full(xml.finish()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    let request_id = HeaderValue::from_str(&request_id).expect("a UUID is a valid header value");
    headers.insert("x-amzn-requestid", request_id);
    response
}

/// `2026-11-21T02:37:16Z`: IAM leaves out the milliseconds.
pub(crate) fn date(at: Timestamp) -> String {
    let text = at.rfc3339();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{seconds}Z")
}

pub(crate) fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

pub(crate) fn write_tags(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    xml.list("Tags", tags, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}
