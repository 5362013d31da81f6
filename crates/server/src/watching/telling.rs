//! One request of the gateway, from its head to the last byte of its answer: what is
//! told of it, be it answered, broken off or given up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use aws_wire::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, USER_AGENT};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use types::Timestamp;
use watch::line::{Answered, LEFT, cut, version};
use watch::metrics::Passed;
use watch::span::Kind;
use watch::{About, Incoming, Line, Watch, trace};

/// An answer up to this size leaves with its head: that is taken for its end.
const SMALL: u64 = 64 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// S3 has a name of its own for it.
const S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// A request that is under way. Dropped before it is answered, its client has left.
#[derive(Debug)]
pub(crate) struct Telling {
    watch: Watch,
    incoming: Incoming,
    began: Instant,
    answered: Option<Box<Answered>>,
    /// Bytes that came in, where the head does not say how many.
    came: Option<Arc<AtomicU64>>,
    state: Option<String>,
}

impl Telling {
    /// Begins with a request's head, and puts on it what its workers are to know.
    pub fn begin(watch: &Watch, head: &mut Parts) -> Self {
        let began = Instant::now();
        let time = Timestamp::now();
        let incoming = Incoming::of(watch, &head.headers, time);
        head.extensions.insert(incoming.clone());
        watch.metrics().in_flight.up();
        let headers = &head.headers;
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(&HOST).or_else(|| head.uri.host());
        let declared = text(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let state = incoming
            .begun()
            .and_then(|_| text(&HeaderName::from_static(trace::TRACESTATE)));
        let answered = Box::new(Answered {
            time,
            request_id: incoming.request_id,
            method: head.method.clone(),
            host: cut(host.unwrap_or_default()),
            path: cut(head.uri.path()),
            status: LEFT,
            bytes_in: declared.unwrap_or(0),
            bytes_out: 0,
            head_micros: 0,
            micros: 0,
            client: head.extensions.get::<SocketAddr>().map(SocketAddr::ip),
            agent: cut(text(&USER_AGENT).unwrap_or_default()),
            about: About::default(),
            trace: incoming.trace,
            version: head.version,
            tls: head.extensions.get::<Scheme>() == Some(&Scheme::HTTPS),
            complete: false,
        });
        Self {
            watch: watch.clone(),
            state: state.and_then(trace::state).map(str::to_owned),
            incoming,
            began,
            answered: Some(answered),
            came: None,
        }
    }

    /// On which the body is counted as it is read.
    pub fn count(&mut self) -> Arc<AtomicU64> {
        let came = Arc::new(AtomicU64::new(0));
        self.came = Some(came.clone());
        came
    }

    /// Takes the answer's head. A long body is followed to its end.
    pub fn answer(mut self, mut response: Response<Body>) -> Response<Body> {
        let about = response.extensions_mut().remove::<About>();
        let Some(answered) = &mut self.answered else {
            return response;
        };
        answered.status = response.status().as_u16();
        answered.head_micros = micros(self.began);
        answered.about = about.unwrap_or_default();
        // A token's subject may be as long as the token.
        if let Some(caller) = &mut answered.about.caller {
            *caller = cut(caller).into();
        }
        let headers = response.headers_mut();
        if !headers.contains_key(&REQUEST_ID) && !headers.contains_key(&S3_REQUEST_ID) {
            let id = HeaderValue::from_str(&self.incoming.request_id.to_string());
            headers.insert(REQUEST_ID, id.expect("a UUID is a valid header value"));
        }
        match response.body().size_hint().exact() {
            Some(size) if size <= SMALL => {
                answered.bytes_out = size;
                answered.complete = true;
                self.finish();
                response
            }
            _ => response.map(|body| {
                Followed {
                    body,
                    telling: self,
                }
                .boxed_unsync()
            }),
        }
    }

    fn finish(&mut self) {
        let Some(mut answered) = self.answered.take() else {
            return;
        };
        let metrics = self.watch.metrics();
        metrics.in_flight.down();
        answered.micros = micros(self.began);
        if answered.head_micros == 0 {
            answered.head_micros = answered.micros;
        }
        if let Some(came) = &self.came {
            answered.bytes_in = came.load(Ordering::Relaxed);
        }
        let passed = Passed {
            status: answered.status,
            head_micros: answered.head_micros,
            bytes_in: answered.bytes_in,
            bytes_out: answered.bytes_out,
        };
        metrics.count(&answered.method, &answered.about, passed);
        self.end_span(&answered);
        self.watch.tell(Line::Request(answered));
    }

    fn end_span(&mut self, answered: &Answered) {
        let (Some(tracer), Some(begun)) = (self.watch.tracer(), self.incoming.begun()) else {
            return;
        };
        let about = &answered.about;
        let name = match &about.route {
            Some(route) if route.contains(' ') => route.to_string(),
            Some(route) => format!("{} {route}", answered.method),
            None => answered.method.to_string(),
        };
        let mut span = begun.clone().end(Kind::Server, name);
        span.state = self.state.take();
        let mut span = span
            .with("http.request.method", answered.method.as_str())
            .with("url.path", answered.path.as_str())
            .with("url.scheme", if answered.tls { "https" } else { "http" })
            .with("server.address", answered.host.as_str())
            .with("http.response.status_code", u64::from(answered.status))
            .with("http.request.body.size", answered.bytes_in)
            .with("http.response.body.size", answered.bytes_out)
            .with("network.protocol.version", &version(answered.version)[5..])
            .with("user_agent.original", answered.agent.as_str())
            .with("squall.request_id", answered.request_id.to_string());
        if let Some(client) = answered.client {
            span = span.with("client.address", client.to_string());
        }
        if let Some(route) = &about.route {
            let path = route.split_once(' ').map_or(&**route, |(_, path)| path);
            span = span.with("http.route", path);
        }
        for (name, value) in [
            ("squall.api", about.api.as_deref()),
            ("squall.stage", about.stage.as_deref()),
            ("squall.target", about.target),
            ("squall.name", about.name.as_deref()),
            ("squall.refused", about.refused),
        ] {
            if let Some(value) = value {
                span = span.with(name, value);
            }
        }
        if answered.status >= 500 || answered.status == LEFT {
            span = span.with("error.type", answered.status.to_string());
            span.failed = Some(String::new());
        }
        tracer.end(span);
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.finish();
    }
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// An answer's body whose bytes are counted.
#[derive(Debug)]
struct Followed {
    body: Body,
    telling: Telling,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Some(answered) = &mut this.telling.answered {
            match &polled {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.data_ref().map_or(0, Bytes::len);
                    answered.bytes_out += data as u64;
                    answered.complete = this.body.is_end_stream();
                }
                Poll::Ready(None) => answered.complete = true,
                Poll::Ready(Some(Err(_))) | Poll::Pending => {}
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use aws_wire::body;
    use http::Request;
    use tokio::sync::mpsc;
    use watch::line::Line;

    use super::*;

    fn begin(watch: &Watch) -> Telling {
        let request = Request::get("/a?secret=1").header("host", "h:1");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        Telling::begin(watch, &mut head)
    }

    fn told(watch: &Watch) -> Vec<Answered> {
        let mut lines = Vec::new();
        watch.lines().unwrap().take_now(&mut lines);
        let answered = lines.into_iter().filter_map(|line| match line {
            Line::Request(answered) => Some(*answered),
            Line::Chunk(_) => None,
        });
        answered.collect()
    }

    #[tokio::test]
    async fn a_streamed_answer_is_told_at_its_end() {
        let watch = Watch::new(true, None);
        let (sender, receiver) = mpsc::channel(4);
        let response = begin(&watch).answer(Response::new(body::stream(receiver)));
        assert!(told(&watch).is_empty());
        assert_eq!(watch.metrics().in_flight.read(), 1);
        sender.send(Ok(Bytes::from("abc"))).await.unwrap();
        sender.send(Ok(Bytes::from("de"))).await.unwrap();
        drop(sender);
        let all = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(all, "abcde");
        let told = told(&watch);
        assert_eq!(
            (told.len(), told[0].bytes_out, told[0].complete),
            (1, 5, true)
        );
        assert_eq!(
            (told[0].path.as_str(), told[0].host.as_str()),
            ("/a", "h:1")
        );
        assert_eq!(watch.metrics().in_flight.read(), 0);
    }

    #[tokio::test]
    async fn an_answer_that_is_broken_off_is_told_as_such() {
        let watch = Watch::new(true, None);
        let (sender, receiver) = mpsc::channel(4);
        let response = begin(&watch).answer(Response::new(body::stream(receiver)));
        sender.send(Ok(Bytes::from("abc"))).await.unwrap();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        let told = told(&watch);
        assert_eq!(
            (told[0].status, told[0].bytes_out, told[0].complete),
            (200, 3, false)
        );
    }

    #[test]
    fn who_leaves_before_the_answer_is_told_too() {
        let watch = Watch::new(true, None);
        drop(begin(&watch));
        assert_eq!(told(&watch)[0].status, LEFT);
        assert_eq!(watch.metrics().in_flight.read(), 0);
    }

    #[test]
    fn an_answer_has_the_id_of_its_request() {
        let watch = Watch::new(true, None);
        let response = begin(&watch).answer(Response::new(body::full("x")));
        let told = told(&watch);
        let id = response.headers()["x-amzn-requestid"].to_str().unwrap();
        assert_eq!(id, told[0].request_id.to_string());
        assert_eq!((told[0].bytes_out, told[0].complete), (1, true));
    }
}
