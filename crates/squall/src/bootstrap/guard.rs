//! What an HTTP API of AWS does not look at, so that the function behind it does: from
//! where a request comes, and how large its body is.

use aws_wire::{Body, body};
use engine::http_apis::IpRange;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use types::RequestId;

use super::event::Event;

#[derive(Debug, Default)]
pub struct Guard {
    /// None is all.
    allow: Vec<IpRange>,
    body_bytes: Option<u64>,
}

impl Guard {
    /// As the variables have it. What cannot be read is an error, and lets nobody in.
    pub fn read(allow: Option<&str>, body_bytes: Option<&str>) -> anyhow::Result<Self> {
        let ranges = allow.into_iter().flat_map(|text| text.split(','));
        let allow = ranges.map(str::parse).collect::<Result<_, _>>()?;
        let body_bytes = body_bytes.map(str::parse).transpose()?;
        Ok(Self { allow, body_bytes })
    }

    /// The answer to who may not, or sends too much.
    pub fn refuse(&self, event: &Event, id: RequestId) -> Option<Response<Body>> {
        let is_allowed = |source| self.allow.iter().any(|range| range.contains(source));
        if !self.allow.is_empty() && !event.source.is_some_and(is_allowed) {
            let detail = "this address may not call it";
            return Some(problem(StatusCode::FORBIDDEN, detail, id));
        }
        let most = self.body_bytes?;
        (event.body.len() as u64 > most).then(|| {
            let detail = format!("the body has more than {most} bytes");
            problem(StatusCode::PAYLOAD_TOO_LARGE, &detail, id)
        })
    }
}

/// In the form of the gateway's own refusals.
pub fn problem(status: StatusCode, detail: &str, id: RequestId) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Error");
    let document = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "request_id": id.to_string(),
        "message": title,
    });
    let mut response = Response::new(body::full(document.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: &str, body: &str) -> Event {
        let event = json!({
            "rawPath": "/",
            "body": body,
            "requestContext": { "http": { "method": "GET", "sourceIp": source } },
        });
        Event::read(event.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn addresses_and_bodies_are_looked_at() {
        let id = RequestId::random();
        let guard = Guard::read(Some("10.0.0.0/8,::1"), Some("3")).unwrap();
        let status = |source, body| {
            let refused = guard.refuse(&event(source, body), id);
            refused.map(|response| response.status().as_u16())
        };
        assert_eq!(status("10.1.2.3", "abc"), None);
        assert_eq!(status("::1", ""), None);
        assert_eq!(status("11.1.2.3", ""), Some(403));
        // Nobody knows from where: then not from there.
        assert_eq!(status("", ""), Some(403));
        assert_eq!(status("10.1.2.3", "abcd"), Some(413));
        let open = Guard::read(None, None).unwrap();
        assert!(open.refuse(&event("1.2.3.4", "abcd"), id).is_none());
        assert!(Guard::read(Some("10.0.0.0/8,x"), None).is_err());
        assert!(Guard::read(Some(""), None).is_err());
        assert!(Guard::read(None, Some("x")).is_err());
    }
}
