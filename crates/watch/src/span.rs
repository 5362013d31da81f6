//! What is recorded of a trace, and whether it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use types::{RequestId, Timestamp};

use crate::queue::Queue;
use crate::trace::{Given, Place, SpanId, TraceId};

/// Spans that wait to be sent. At some 500 bytes each they take 10 MB.
const WAITING: usize = 20_000;

/// Whose part of a call a span is, by OpenTelemetry's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Text(String),
    Number(i64),
    Flag(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub place: Place,
    pub parent: Option<SpanId>,
    /// As it came from who called.
    pub state: Option<String>,
    pub name: String,
    pub kind: Kind,
    /// Since 1970.
    pub begin: Duration,
    pub end: Duration,
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why it went wrong, if it did.
    pub failed: Option<String>,
}

/// A span that is under way.
#[derive(Debug, Clone)]
pub struct Begun {
    pub place: Place,
    pub parent: Option<SpanId>,
    pub begin: Duration,
}

/// Decides what is recorded, and holds it until it is sent.
#[derive(Debug)]
pub struct Tracer {
    ratio: f64,
    pub spans: Queue<Span>,
    /// Spans that a collector has taken.
    sent: AtomicU64,
}

/// The time since 1970, as spans want it.
pub fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Attribute {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl Begun {
    /// A span below one that is under way.
    #[must_use]
    pub fn below(&self) -> Self {
        Self {
            place: Place {
                trace: self.place.trace,
                span: SpanId::random(),
            },
            parent: Some(self.place.span),
            begin: now(),
        }
    }

    pub fn end(self, kind: Kind, name: String) -> Span {
        Span {
            place: self.place,
            parent: self.parent,
            state: None,
            name,
            kind,
            begin: self.begin,
            end: now(),
            attributes: Vec::new(),
            failed: None,
        }
    }
}

impl Span {
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

impl Tracer {
    /// Of traces that begin here, this part is recorded.
    pub fn new(ratio: f64) -> Self {
        Self {
            ratio,
            spans: Queue::new(WAITING),
            sent: AtomicU64::new(0),
        }
    }

    /// Who called has decided, or else the trace's own number does.
    pub fn records(&self, trace: TraceId, sampled: Option<bool>) -> bool {
        sampled.unwrap_or_else(|| trace.chance() < self.ratio)
    }

    /// Begins a span for what a request asks for, if its trace is recorded. Without a
    /// header a trace begins.
    pub fn begin(&self, header: Option<&str>, request: RequestId) -> Option<Begun> {
        let (trace, parent, sampled) = match header {
            Some(header) => {
                let given = Given::xray(header)?;
                (given.trace, given.parent, given.sampled)
            }
            None => (TraceId::of(request, Timestamp::now()), None, None),
        };
        self.records(trace, sampled).then(|| Begun {
            place: Place {
                trace,
                span: SpanId::random(),
            },
            parent,
            begin: now(),
        })
    }

    /// The header for what will be asked later on behalf of a request without one.
    pub fn first_header(&self, request: RequestId) -> String {
        let trace = TraceId::of(request, Timestamp::now());
        let sampled = u8::from(self.records(trace, None));
        format!("Root={};Sampled={sampled}", trace.root())
    }

    pub fn end(&self, span: Span) {
        self.spans.push(span);
    }

    pub fn count_sent(&self, spans: usize) {
        self.sent.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_called_decides_and_else_a_part_is_recorded() {
        let all = Tracer::new(1.0);
        let none = Tracer::new(0.0);
        let sampled = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=00f067aa0ba902b7;Sampled=1";
        let request = RequestId::random();
        let begun = none.begin(Some(sampled), request).unwrap();
        assert_eq!(begun.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_ne!(Some(begun.place.span), begun.parent);
        assert!(
            all.begin(Some(&sampled.replace("led=1", "led=0")), request)
                .is_none()
        );
        assert!(all.begin(None, request).unwrap().parent.is_none());
        assert!(none.begin(None, request).is_none());
        assert!(all.begin(Some("Root=none"), request).is_none());
        let half = Tracer::new(0.5);
        let recorded = (0..1000).filter(|_| half.begin(None, RequestId::random()).is_some());
        let recorded = recorded.count();
        assert!((300..700).contains(&recorded), "{recorded}");
    }

    #[test]
    fn a_first_header_is_followed_by_all_who_get_it() {
        let all = Tracer::new(1.0);
        let header = all.first_header(RequestId::random());
        let first = all.begin(Some(&header), RequestId::random()).unwrap();
        let second = all.begin(Some(&header), RequestId::random()).unwrap();
        assert_eq!(first.place.trace, second.place.trace);
        assert!(
            Tracer::new(0.0)
                .first_header(RequestId::random())
                .ends_with("Sampled=0")
        );
    }
}
