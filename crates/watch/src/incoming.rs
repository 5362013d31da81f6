//! What is known of a request when it comes: its id, and the trace that it belongs to.

use http::{Extensions, HeaderMap};
use types::{RequestId, Timestamp};

use crate::span::{Begun, now};
use crate::trace::{self, Given, Place, SpanId, TraceId};
use crate::watch::Watch;

/// Travels in the extensions of a request, to all who work for it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Also that of the invocation that the request leads to.
    pub request_id: RequestId,
    pub trace: TraceId,
    given: Option<Given>,
    /// Set if the trace is recorded.
    begun: Option<Begun>,
    /// Whether anything is recorded here at all.
    decided: bool,
}

/// The id of a request: that which it was given when it came.
pub fn request_id(extensions: &Extensions) -> RequestId {
    let incoming = extensions.get::<Incoming>();
    incoming.map_or_else(RequestId::random, |incoming| incoming.request_id)
}

impl Incoming {
    pub fn of(watch: &Watch, headers: &HeaderMap, time: Timestamp) -> Self {
        let request_id = RequestId::random();
        let given = w3c(headers).or_else(|| Given::xray(text(headers, trace::XRAY)?));
        let trace = given.as_ref().map(|given| given.trace);
        let trace = trace.unwrap_or_else(|| TraceId::of(request_id, time));
        let sampled = given.as_ref().and_then(|given| given.sampled);
        let tracer = watch.tracer();
        let recorded = tracer.filter(|tracer| tracer.records(trace, sampled));
        let begun = recorded.map(|_| Begun {
            place: Place {
                trace,
                span: SpanId::of(request_id),
            },
            parent: given.as_ref().and_then(|given| given.parent),
            begin: now(),
        });
        Self {
            request_id,
            trace,
            given,
            begun,
            decided: tracer.is_some(),
        }
    }

    /// The span of the request, if it is recorded.
    pub fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    /// What functions get as `traceparent` in place of what the client sent. None leaves
    /// that as it is: who records nothing has no place in the trace.
    pub fn traceparent(&self) -> Option<String> {
        Some(self.begun.as_ref()?.place.traceparent())
    }

    /// What functions get as `X-Amzn-Trace-Id`.
    pub fn trace_header(&self, headers: &HeaderMap) -> String {
        let sent = text(headers, trace::XRAY);
        let mut header = match (&self.begun, &self.given, sent) {
            (Some(begun), ..) => begun.place.xray(),
            (None, Some(given), _) if given.is_w3c => {
                let root = given.trace.root();
                let parent = given.parent.map(|parent| format!(";Parent={parent}"));
                let sampled = u8::from(given.sampled == Some(true));
                format!(
                    "Root={root}{};Sampled={sampled}",
                    parent.unwrap_or_default()
                )
            }
            // AWS's own header means what it means to who sent it.
            (None, _, Some(sent)) => return sent.to_owned(),
            (None, _, None) => {
                let not_recorded = if self.decided { ";Sampled=0" } else { "" };
                return format!("Root={}{not_recorded}", self.trace.root());
            }
        };
        for field in sent.into_iter().flat_map(trace::xray_rest) {
            header.push(';');
            header.push_str(field);
        }
        header
    }
}

/// Two of them are as bad as none.
fn w3c(headers: &HeaderMap) -> Option<Given> {
    let mut all = headers.get_all(trace::TRACEPARENT).iter();
    let first = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    Given::w3c(first)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ROOT: &str = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn seen(watch: &Watch, pairs: &[(&'static str, &str)]) -> (Option<String>, String) {
        let headers = headers(pairs);
        let incoming = Incoming::of(watch, &headers, Timestamp(1_700_000_000_000));
        (incoming.traceparent(), incoming.trace_header(&headers))
    }

    #[test]
    fn who_records_nothing_passes_on_what_came() {
        let off = Watch::default();
        assert_eq!(
            seen(&off, &[("traceparent", W3C)]),
            (None, format!("{ROOT};Parent=00f067aa0ba902b7;Sampled=1"))
        );
        let odd = "Root=own;Lineage=a:1";
        assert_eq!(
            seen(&off, &[("x-amzn-trace-id", odd)]),
            (None, odd.to_owned())
        );
        let (none, header) = seen(&off, &[]);
        assert_eq!(none, None);
        assert!(header.starts_with("Root=1-6553f100-"), "{header}");
        assert_eq!(header.len(), 40);
        // A function that records its own part and calls back.
        let both = [
            ("traceparent", W3C),
            ("x-amzn-trace-id", "Root=1-a-b;Lineage=a:1"),
        ];
        let header = seen(&off, &both).1;
        assert!(header.ends_with("Sampled=1;Lineage=a:1"), "{header}");
    }

    #[test]
    fn who_records_puts_its_own_span_between() {
        let on = Watch::recording(1.0);
        for pairs in [
            vec![("traceparent", W3C)],
            vec![("x-amzn-trace-id", ROOT)],
            vec![
                ("traceparent", W3C),
                ("x-amzn-trace-id", "Root=1-a-b;Lineage=a:1"),
            ],
        ] {
            let headers = headers(&pairs);
            let incoming = Incoming::of(&on, &headers, Timestamp(0));
            let begun = incoming.begun().unwrap();
            assert_eq!(
                incoming.trace.to_string(),
                "4bf92f3577b34da6a3ce929d0e0e4736"
            );
            let header = incoming.trace_header(&headers);
            let own = format!("{ROOT};Parent={};Sampled=1", begun.place.span);
            assert!(header.starts_with(&own), "{header}");
            assert_eq!(header.contains("Lineage"), pairs.len() == 2);
            let parent = incoming.traceparent().unwrap();
            assert!(parent.contains(&begun.place.span.to_string()));
        }
        let none = Watch::recording(0.0);
        assert!(seen(&none, &[]).1.ends_with(";Sampled=0"));
        let (parent, _) = seen(&on, &[("traceparent", &W3C.replace("-01", "-00"))]);
        assert_eq!(parent, None);
    }

    #[test]
    fn two_parents_are_none() {
        let off = Watch::default();
        let header = seen(&off, &[("traceparent", W3C), ("traceparent", W3C)]).1;
        assert!(!header.contains("4bf92f35"), "{header}");
    }

    #[test]
    fn a_request_has_one_id() {
        let mut extensions = Extensions::new();
        assert_ne!(request_id(&extensions), request_id(&extensions));
        let incoming = Incoming::of(&Watch::default(), &HeaderMap::new(), Timestamp(0));
        let id = incoming.request_id;
        extensions.insert(incoming);
        assert_eq!(request_id(&extensions), id);
    }
}
