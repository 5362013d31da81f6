//! A redirect that answers as a Lambda function.

use anyhow::Context;
use aws_wire::{Body, body, form};
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use types::RequestId;

use super::event::Event;
use super::guard::problem;

/// What engines put before paths of an API that has no host name of its own; it is not
/// taken from others, who would lead clients elsewhere by it.
const ENGINES_PREFIX: &str = "/execute-api/";

#[derive(Debug)]
pub struct Redirect {
    /// With variables of the path.
    location: String,
    status: StatusCode,
}

impl Redirect {
    pub fn read(location: String, status: &str) -> anyhow::Result<Self> {
        let status = status.parse().ok();
        let status = status.filter(|status: &StatusCode| status.is_redirection());
        let status = status.context("the status of a redirect is 301, 302, 303, 307 or 308")?;
        Ok(Self { location, status })
    }

    pub fn answer(&self, event: &Event, id: RequestId) -> Response<Body> {
        let location = self.location(event);
        let location = location.and_then(|text| HeaderValue::from_str(&text).ok());
        let Some(location) = location else {
            let detail = "the path has nothing for a variable of the address";
            return problem(StatusCode::NOT_FOUND, detail, id);
        };
        let mut response = Response::new(body::empty());
        *response.status_mut() = self.status;
        response.headers_mut().insert(LOCATION, location);
        response
    }

    /// The client's query follows the one that is there.
    fn location(&self, event: &Event) -> Option<String> {
        let mut location = fill(&self.location, event)?;
        if location.starts_with('/') && !location.starts_with("//") {
            location.insert_str(0, prefix(event));
        }
        let query = event.parts.uri.query().filter(|query| !query.is_empty());
        let Some(query) = query else {
            return Some(location);
        };
        let (before, mark) = match location.find('#') {
            Some(at) => location.split_at(at),
            None => (location.as_str(), ""),
        };
        let between = match before.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        Some(format!("{before}{between}{query}{mark}"))
    }
}

/// What stands before the paths of the API, as the client sees them.
pub fn prefix(event: &Event) -> &str {
    let prefix = event.parts.headers.get("x-forwarded-prefix");
    let prefix = prefix.and_then(|value| value.to_str().ok());
    let is_engines = |prefix: &&str| {
        let id = prefix.strip_prefix(ENGINES_PREFIX).unwrap_or_default();
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    prefix.filter(is_engines).unwrap_or_default()
}

/// Variables of the path as they may stand in an address: none brings a sign that means
/// something there, such as a second slash before a host.
fn fill(template: &str, event: &Event) -> Option<String> {
    let mut parts = template.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        let value = event.variables.get(name.trim_end_matches('+'))?;
        let segments: Vec<&str> = value.split('/').collect();
        let is_plain = !segments.iter().any(|it| matches!(*it, "" | "." | ".."));
        if is_plain {
            let segments: Vec<String> = segments.into_iter().map(form::encode).collect();
            filled.push_str(&segments.join("/"));
        } else {
            filled.push_str(&form::encode(value));
        }
        filled.push_str(rest);
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn to(location: &str, rest: &str, query: &str, prefix: &str) -> String {
        let event = json!({
            "rawPath": "/x",
            "rawQueryString": query,
            "headers": { "x-forwarded-prefix": prefix },
            "pathParameters": { "rest": rest },
            "requestContext": { "http": { "method": "GET" } },
        });
        let event = Event::read(event.to_string().as_bytes()).unwrap();
        let redirect = Redirect::read(location.to_owned(), "307").unwrap();
        let answer = redirect.answer(&event, RequestId::random());
        let location = answer.headers().get(LOCATION);
        let location = location.map_or("", |value| value.to_str().unwrap());
        format!("{} {location}", answer.status().as_u16())
    }

    #[test]
    fn path_and_query_come_with_it() {
        let at = |location| to(location, "a b/c", "x=1", "");
        assert_eq!(at("https://b.c/{rest}"), "307 https://b.c/a%20b/c?x=1");
        assert_eq!(at("/n/{rest}?y=2#m"), "307 /n/a%20b/c?y=2&x=1#m");
        assert_eq!(at("/{other}"), "404 ");
        assert_eq!(
            to("/n", "", "", "/execute-api/shop"),
            "307 /execute-api/shop/n"
        );
    }

    #[test]
    fn a_client_does_not_choose_the_host() {
        assert_eq!(to("/{rest}", "/evil.c", "", ""), "307 /%2Fevil.c");
        assert_eq!(to("/{rest}", "\\evil.c", "", ""), "307 /%5Cevil.c");
        assert_eq!(to("/n", "", "", "//evil.c"), "307 /n");
        assert_eq!(to("/n", "", "", "/execute-api/x/../.."), "307 /n");
        assert!(Redirect::read("/".to_owned(), "200").is_err());
    }
}
