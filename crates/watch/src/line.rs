//! Lines of the access log: one for each request of the gateway, and one for each
//! invocation that a request led to beside its own, such as the chunks of a map.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::{FunctionName, RequestId, Timestamp};

use crate::about::About;
use crate::trace::TraceId;

/// Of texts that clients choose. What is longer is cut.
const LONGEST: usize = 300;
/// A client that left before it was answered, by the number that proxies have for it.
pub const LEFT: u16 = 499;

#[derive(Debug, Clone)]
pub enum Line {
    Request(Box<Answered>),
    Chunk(Box<Chunk>),
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct Answered {
    pub time: Timestamp,
    pub request_id: RequestId,
    pub method: http::Method,
    pub host: String,
    /// Without the query: there may be secrets in it.
    pub path: String,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Until the answer's head was known.
    pub head_micros: u64,
    /// Until its last byte was taken.
    pub micros: u64,
    pub client: Option<IpAddr>,
    pub agent: String,
    pub about: About,
    pub trace: TraceId,
    pub version: http::Version,
    /// Whether it came over TLS, to us or to a proxy that may say so.
    pub tls: bool,
    /// Whether all of the answer was taken.
    pub complete: bool,
}

/// An invocation on behalf of a request.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub time: Timestamp,
    pub request_id: RequestId,
    /// The request, and its job if it does not wait for it.
    pub cause: RequestId,
    pub job: Option<Arc<str>>,
    pub function: FunctionName,
    pub status: &'static str,
    pub micros: u64,
}

/// How a request looks in the log.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    /// The first, so that who looks for a time need not read more.
    time: String,
    kind: &'static str,
    request_id: String,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    head_micros: u64,
    micros: u64,
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "str::is_empty")]
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    cached: bool,
    trace: String,
    version: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    tls: bool,
    #[serde(skip_serializing_if = "is_true")]
    complete: bool,
}

#[derive(Debug, Serialize)]
struct ShownChunk<'a> {
    time: String,
    kind: &'static str,
    request_id: String,
    cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    function: &'a str,
    status: &'a str,
    micros: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_true(flag: &bool) -> bool {
    *flag
}

/// As much of a client's text as is kept.
pub fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).collect()
}

impl Line {
    /// Adds it to a buffer, its newline included.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        let written = match self {
            Self::Request(answered) => serde_json::to_writer(&mut *buffer, &answered.shown()),
            Self::Chunk(chunk) => serde_json::to_writer(&mut *buffer, &chunk.shown()),
        };
        written.expect("texts and numbers become JSON");
        buffer.push(b'\n');
    }
}

impl Answered {
    fn shown(&self) -> Shown<'_> {
        let about = &self.about;
        Shown {
            time: self.time.rfc3339(),
            kind: "request",
            request_id: self.request_id.to_string(),
            method: self.method.as_str(),
            host: &self.host,
            path: &self.path,
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            head_micros: self.head_micros,
            micros: self.micros,
            client: self.client,
            agent: &self.agent,
            api: about.api.as_deref(),
            stage: about.stage.as_deref(),
            route: about.route.as_deref(),
            target: about.target,
            name: about.name.as_deref(),
            caller: about.caller.as_deref(),
            refused: about.refused,
            cached: about.cached,
            trace: self.trace.to_string(),
            version: version(self.version),
            tls: self.tls,
            complete: self.complete,
        }
    }
}

impl Chunk {
    fn shown(&self) -> ShownChunk<'_> {
        ShownChunk {
            time: self.time.rfc3339(),
            kind: "chunk",
            request_id: self.request_id.to_string(),
            cause: self.cause.to_string(),
            job: self.job.as_deref(),
            function: self.function.as_str(),
            status: self.status,
            micros: self.micros,
        }
    }
}

/// The version of HTTP, as it is written.
pub fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// Which lines someone wants to see.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub since: Option<Timestamp>,
    /// A whole status, such as 404, or a class of them by its first digit.
    pub status: Option<Status>,
    /// As it stands in the line, or the path of it alone.
    pub route: Option<String>,
    /// Of a request and all that was done for it, or of a job.
    pub id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Whole(u16),
    Class(u16),
}

impl std::str::FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        match (class, text.parse()) {
            (Some(digit @ 1..=5), _) => Ok(Self::Class(digit)),
            (None, Ok(whole @ 100..=599)) => Ok(Self::Whole(whole)),
            _ => Err(format!("{text:?} is no status: use one such as 404 or 5xx")),
        }
    }
}

/// What is looked at in a line; what cannot be read, such as one that a crash tore, is
/// nobody's.
#[derive(Debug, Deserialize)]
struct Looked<'a> {
    #[serde(borrow)]
    request_id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    cause: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    job: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    status: serde_json::Value,
    #[serde(borrow)]
    route: Option<std::borrow::Cow<'a, str>>,
}

impl Wanted {
    /// Whether a line is wanted; one that is torn never is.
    pub fn is(&self, line: &str) -> bool {
        if self.since.is_some_and(|since| is_before(line, since)) {
            return false;
        }
        if self.id.as_deref().is_some_and(|id| !line.contains(id)) {
            return false;
        }
        let Ok(looked) = serde_json::from_str::<Looked<'_>>(line) else {
            return false;
        };
        if let Some(id) = self.id.as_deref() {
            let ids = [
                Some(&looked.request_id),
                looked.cause.as_ref(),
                looked.job.as_ref(),
            ];
            return ids.into_iter().flatten().any(|own| own == id);
        }
        // Chunks are told to who asks for their request.
        looked.kind == "request" && self.fits(&looked)
    }

    fn fits(&self, looked: &Looked<'_>) -> bool {
        let status = looked.status.as_u64();
        let status_fits = match self.status {
            None => true,
            Some(Status::Whole(whole)) => status == Some(whole.into()),
            Some(Status::Class(class)) => status.is_some_and(|own| own / 100 == u64::from(class)),
        };
        let route_fits = self.route.as_deref().is_none_or(|wanted| {
            looked.route.as_deref().is_some_and(|own| {
                let path = own.split_once(' ').map(|(_, path)| path);
                own == wanted || path == Some(wanted)
            })
        });
        status_fits && route_fits
    }
}

/// By its first field, which all lines have in the same place.
fn is_before(line: &str, since: Timestamp) -> bool {
    let time = line
        .strip_prefix("{\"time\":\"")
        .and_then(|rest| rest.get(..24));
    time.is_none_or(|time| time < since.rfc3339().as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn answered() -> Answered {
        Answered {
            time: Timestamp(1_700_000_000_042),
            request_id: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
            method: http::Method::GET,
            host: "a.localhost".to_owned(),
            path: "/items/\u{1}\"x".to_owned(),
            status: 502,
            bytes_in: 1,
            bytes_out: 2,
            head_micros: 3,
            micros: 4,
            client: Some([127, 0, 0, 1].into()),
            agent: "curl".to_owned(),
            about: About {
                route: Some("GET /items/{id}".into()),
                ..About::default()
            },
            trace: TraceId::of(RequestId::random(), Timestamp(0)),
            version: http::Version::HTTP_11,
            tls: false,
            complete: true,
        }
    }

    fn text(line: &Line) -> String {
        let mut buffer = Vec::new();
        line.write(&mut buffer);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_line_is_one_line_of_json() {
        let line = text(&Line::Request(Box::new(answered())));
        assert!(
            line.starts_with("{\"time\":\"2023-11-14T22:13:20.042Z\","),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["path"], "/items/\u{1}\"x");
        assert_eq!(value["version"], "HTTP/1.1");
        assert!(value.get("api").is_none() && value.get("cached").is_none());
    }

    #[test]
    fn what_is_wanted_is_found() {
        let line = text(&Line::Request(Box::new(answered())));
        let wanted = |wanted: Wanted| wanted.is(line.trim_end());
        let with = |status: &str| Wanted {
            status: Some(status.parse().unwrap()),
            ..Wanted::default()
        };
        assert!(wanted(Wanted::default()));
        assert!(wanted(with("5xx")) && wanted(with("502")));
        assert!(!wanted(with("4xx")) && !wanted(with("500")));
        let of_route = |route: &str| Wanted {
            route: Some(route.to_owned()),
            ..Wanted::default()
        };
        assert!(wanted(of_route("GET /items/{id}")) && wanted(of_route("/items/{id}")));
        assert!(!wanted(of_route("/items")));
        let since = |time| Wanted {
            since: Some(Timestamp(time)),
            ..Wanted::default()
        };
        assert!(wanted(since(1_700_000_000_042)) && !wanted(since(1_700_000_000_043)));
        // As a crash leaves it.
        assert!(!Wanted::default().is(&line[..line.len() / 2]));
        for bad in ["", "6xx", "0", "abc", "5x", "1000"] {
            assert!(bad.parse::<Status>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_is_found_with_its_chunks() {
        let request = answered();
        let chunk = Line::Chunk(Box::new(Chunk {
            time: request.time,
            request_id: RequestId::random(),
            cause: request.request_id,
            job: Some("j1".into()),
            function: "f".parse().unwrap(),
            status: "ok",
            micros: 5,
        }));
        let chunk = text(&chunk);
        let of = |id: String| Wanted {
            id: Some(id),
            ..Wanted::default()
        };
        assert!(of(request.request_id.to_string()).is(&chunk));
        assert!(of("j1".to_owned()).is(&chunk));
        assert!(!of("j".to_owned()).is(&chunk));
        assert!(!Wanted::default().is(&chunk));
    }

    #[test]
    fn what_clients_choose_is_bounded() {
        assert_eq!(cut(&"ä".repeat(5000)).chars().count(), LONGEST);
        assert_eq!(cut("a"), "a");
    }
}
