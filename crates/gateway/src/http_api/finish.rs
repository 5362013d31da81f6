//! An answer on its way out: what the client has already is not sent again, text goes out
//! smaller, HEAD gets no body, and everybody is told what belongs to every answer.

use aws_wire::{Body, body};
use bytes::Bytes;
use engine::catalog::Cors;
use engine::http_apis::{Endpoint, Served};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use types::RequestId;
use watch::About;

use super::door::{Shut, Visit};
use super::places::Place;
use super::refusal::ApiRefusal;
use super::{ApiRequest, kept};
use crate::answer::without_body;
use crate::map_routes::GivenUp;
use crate::{compress, cors};

/// In which AWS names requests here; clients of the engine know the other name.
const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");
const OWN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// Larger answers get no tag: it is made of all their bytes.
const LARGEST_TAGGED: u64 = 1 << 20;

impl ApiRequest {
    /// The answer to a request whose body was given up.
    pub fn refuse(&self, why: GivenUp, parts: &Parts) -> Response<Body> {
        if self.place.model.is_some() {
            return self.finish(parts, super::model::refuse(self, why));
        }
        let refusal = match why {
            GivenUp::Stalled => ApiRefusal::Stalled,
            GivenUp::Broken => ApiRefusal::Broken,
            GivenUp::TooLarge { .. } => ApiRefusal::TooLarge,
            GivenUp::Busy => ApiRefusal::Busy,
        };
        self.finish(parts, self.refused(&refusal))
    }

    pub(super) fn refused(&self, why: &ApiRefusal) -> Response<Body> {
        let mut response = why.respond(self.request_id);
        let refused = Some(why.word());
        response.extensions_mut().insert(About {
            refused,
            ..About::default()
        });
        response
    }

    /// Whether the body has to be there as a whole, whatever it goes to: somebody signed it.
    pub fn needs_body(&self) -> bool {
        self.visits.iter().any(Visit::needs_body)
    }

    /// The answer, if it is not the body that was signed.
    pub(super) fn check_body(&self, parts: &Parts, body: &Bytes) -> Option<Response<Body>> {
        let mut checked = self
            .visits
            .iter()
            .map(|visit| visit.check_body(parts, body));
        let why = checked.find_map(Result::err)?;
        tracing::debug!(%why, "a call was not let in");
        Some(self.finish(parts, shut_out(&why, self.request_id)))
    }

    /// What depends on what the client has and takes.
    pub(super) async fn dress(&self, parts: &Parts, response: Response<Body>) -> Response<Body> {
        let response = not_modified(parts, response);
        if self.compresses() {
            compress::compress(&parts.headers, response).await
        } else {
            response
        }
    }

    /// What all answers have. What the request used is counted here.
    pub(super) fn finish(&self, parts: &Parts, response: Response<Body>) -> Response<Body> {
        let mut response = without_body(&parts.method, response);
        for visit in &self.visits {
            response = visit.leave(response);
        }
        let first = self.first();
        decorate(&self.served, Some(&first.endpoint), parts, &mut response);
        let mut about = about(&mut response);
        about.api = Some(first.api.clone());
        about.stage = Some(first.stage.clone());
        about.route = Some(first.route.clone());
        about.target = Some(self.place.target);
        about.name.clone_from(&self.place.name);
        about.caller = self.identity();
        with_id(response, self.request_id, about)
    }
}

/// The answer to who is not let in.
pub(super) fn shut_out(why: &Shut, request_id: RequestId) -> Response<Body> {
    let mut response = why.respond(request_id);
    response.extensions_mut().insert(About {
        refused: Some(why.word()),
        caller: why.caller(),
        ..About::default()
    });
    response
}

/// The answer to a request that has no route, or may not in.
pub(super) fn turn_away(
    served: &Served,
    place: Option<&Place>,
    parts: &Parts,
    response: Response<Body>,
    request_id: RequestId,
) -> Response<Body> {
    let mut response = without_body(&parts.method, response);
    let endpoint = place.map(|place| &*place.endpoint);
    decorate(served, endpoint, parts, &mut response);
    let mut about = about(&mut response);
    if let Some(place) = place {
        about.api = Some(place.api.clone());
        about.stage = Some(place.stage.clone());
        about.route = Some(place.route.clone());
        about.target = Some(place.target);
        about.name.clone_from(&place.name);
    }
    with_id(response, request_id, about)
}

/// What was put into the answer by who made it.
pub(super) fn about(response: &mut Response<Body>) -> About {
    let about = response.extensions_mut().remove::<About>();
    about.unwrap_or_default()
}

pub(super) fn with_id(
    mut response: Response<Body>,
    request_id: RequestId,
    mut about: About,
) -> Response<Body> {
    let id = HeaderValue::from_str(&request_id.to_string());
    let id = id.expect("a UUID is a valid header value");
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(OWN_REQUEST_ID, id);
    about.request_id = Some(request_id);
    response.extensions_mut().insert(about);
    response
}

/// The rules for pages of other origins: those of the route, if it has some of its own.
pub(super) fn rules<'a>(served: &'a Served, endpoint: Option<&'a Endpoint>) -> Option<&'a Cors> {
    let integration = endpoint.and_then(|endpoint| endpoint.integration.as_ref());
    let own = integration.and_then(|integration| integration.handling.cors.as_ref());
    own.or(served.cors.as_ref())
}

/// Where there are rules for browsers, what functions say of their own counts not.
fn decorate(
    served: &Served,
    endpoint: Option<&Endpoint>,
    parts: &Parts,
    response: &mut Response<Body>,
) {
    if let Some(rules) = rules(served, endpoint) {
        cors::clear(response.headers_mut());
        cors::decorate(rules, parts, response.headers_mut());
    }
}

/// Gives an answer that may be asked for again a tag, by which it is known.
pub(super) async fn tagged(response: Response<Body>) -> Response<Body> {
    let size = response.body().size_hint().exact();
    let headers = response.headers();
    let has = |name| headers.contains_key(name);
    if response.status() != StatusCode::OK
        || size.is_none_or(|size| size > LARGEST_TAGGED)
        || has(ETAG)
        || has(CONTENT_ENCODING)
    {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(whole) = body.collect().await else {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let whole = whole.to_bytes();
    head.headers.insert(ETAG, kept::tag(&whole));
    Response::from_parts(head, body::full(whole))
}

/// What the client has already is not sent again.
fn not_modified(parts: &Parts, response: Response<Body>) -> Response<Body> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let Some(tag) = response.headers().get(ETAG).filter(|_| reads) else {
        return response;
    };
    if response.status() != StatusCode::OK || !has(&parts.headers, tag) {
        return response;
    }
    let (mut head, _) = response.into_parts();
    head.status = StatusCode::NOT_MODIFIED;
    head.headers.remove(CONTENT_TYPE);
    head.headers.remove(CONTENT_LENGTH);
    head.extensions.remove::<compress::Coded>();
    Response::from_parts(head, body::empty())
}

/// Whether a tag is among those that the client has. They are compared weakly: of what is
/// only written in another coding the client has the content.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let weakly = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let Ok(tag) = tag.to_str().map(weakly) else {
        return false;
    };
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let mut given = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    given.any(|given| {
        let given = given.trim();
        given == "*" || weakly(given) == tag
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asking(method: &str, tags: &str) -> Parts {
        let request = Request::builder().method(method).uri("/");
        let request = request.header(IF_NONE_MATCH, tags);
        request.body(()).unwrap().into_parts().0
    }

    fn answer(tag: &str) -> Response<Body> {
        let mut response = Response::new(body::full("text"));
        response.headers_mut().insert(ETAG, tag.parse().unwrap());
        let kind = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for (method, tags, tag, expected) in [
            ("GET", "\"a\"", "\"a\"", 304),
            ("HEAD", "\"a\"", "\"a\"", 304),
            ("GET", "\"b\", W/\"a\"", "\"a\"", 304),
            ("GET", "\"a\"", "W/\"a\"", 304),
            ("GET", "*", "\"a\"", 304),
            ("GET", "\"b\"", "\"a\"", 200),
            ("GET", "a", "\"a\"", 200),
            ("POST", "\"a\"", "\"a\"", 200),
        ] {
            let response = not_modified(&asking(method, tags), answer(tag));
            assert_eq!(response.status(), expected, "{method} {tags} {tag}");
            let has_kind = response.headers().contains_key(CONTENT_TYPE);
            assert_eq!(has_kind, expected == 200);
        }
    }

    #[tokio::test]
    async fn a_tag_is_made_of_the_body() {
        let plain = || Response::new(body::full("text"));
        let one = tagged(plain()).await;
        let two = tagged(plain()).await;
        let other = tagged(Response::new(body::full("other"))).await;
        assert_eq!(one.headers()[ETAG], two.headers()[ETAG]);
        assert_ne!(one.headers()[ETAG], other.headers()[ETAG]);
        assert_eq!(tagged(answer("\"own\"")).await.headers()[ETAG], "\"own\"");
        let mut failed = plain();
        *failed.status_mut() = StatusCode::NOT_FOUND;
        assert!(!tagged(failed).await.headers().contains_key(ETAG));
    }
}
