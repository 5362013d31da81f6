//! HTTP/1.1 and HTTP/2, in the clear and over TLS, the same for both ports:
//! connections are bounded, heads are of one form, bodies are taken within limits of
//! size, time and memory, every answer has a request id. What a request means, and how
//! its body is to be taken, is the port's business.

mod body;
mod connection;
mod connections;
mod heads;
mod hosts;
mod meter;
mod outgoing;
#[cfg(test)]
mod piece_tests;
mod pieces;
#[cfg(test)]
mod tests;
mod turned_away;

use std::future::Future;
use std::time::Instant;

use aws_wire::Body;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use types::RequestId;

pub use body::{BodyRules, Refusal, Unread};
pub(crate) use connection::ALPN_HTTP2;
use connection::Talk;
pub use connections::{Connections, Listening, Rules};
pub use hosts::{Hosts, check_given};
#[cfg(test)]
use pieces::Pieces;

/// Largest body of calls that carry settings and no code.
pub const CONTROL_BODY_BYTES: u64 = 2 * 1024 * 1024;

/// One of the two things we listen for: AWS calls, and what the gateway serves.
pub trait Port: Send + Sync + 'static {
    fn handle(&self, head: Parts, body: Unread<'_>) -> impl Future<Output = Response<Body>> + Send;

    /// The answer to a request that did not get so far, for `why` in a word or two.
    fn turn_away(&self, _: Parts, _why: &'static str, answer: Response<Body>) -> Response<Body> {
        answer
    }
}

/// Takes one request from head to answer.
async fn answer<P: Port>(talk: &Talk<P>, request: Request<Incoming>) -> Response<Body> {
    let started = Instant::now();
    let (mut head, body) = request.into_parts();
    let (method, uri, version) = (head.method.clone(), head.uri.clone(), head.version);
    let mut response = match heads::examine(&mut head, &talk.listening, talk.peer, talk.secure) {
        Ok(()) => {
            let body = Unread::new(body, &head, &talk.connections.rules().bodies);
            talk.port.handle(head, body).await
        }
        Err(wrong) => {
            let refused = wrong.respond(&head);
            let body = Unread::new(body, &head, &talk.connections.rules().bodies);
            let (_, rest) = body.pieces();
            // Without a host that is right nobody is believed to speak for others.
            head.extensions.insert(talk.peer);
            let refused = talk.port.turn_away(head, wrong.word(), refused);
            rest.settle_or_close(refused).await
        }
    };
    ensure_request_id(&mut response);
    if version == Version::HTTP_2 {
        // It ends streams where HTTP/1.1 ends connections.
        response.headers_mut().remove(header::CONNECTION);
        if method == Method::HEAD {
            response = without_body(response);
        }
    }
    tracing::debug!(
        target: "access",
        %method,
        path = uri.path(),
        status = response.status().as_u16(),
        micros = started.elapsed().as_micros(),
        "answered"
    );
    response
}

/// What hyper does for HTTP/1.1: nothing of the body but its length.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let length = body.size_hint().exact();
    if let Some(length) = length.filter(|_| !head.headers.contains_key(header::CONTENT_LENGTH)) {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, aws_wire::body::empty())
}

fn ensure_request_id(response: &mut Response<Body>) {
    const NAME: header::HeaderName = header::HeaderName::from_static("x-amzn-requestid");
    // S3 has a name of its own for it.
    let headers = response.headers();
    if !headers.contains_key(&NAME) && !headers.contains_key("x-amz-request-id") {
        let id = RequestId::random().to_string();
        let id = HeaderValue::from_str(&id).expect("a UUID is a valid header value");
        response.headers_mut().insert(NAME, id);
    }
}
