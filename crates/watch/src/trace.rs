//! Traces: which request belongs to which, told by headers. W3C's `traceparent` and AWS's
//! `X-Amzn-Trace-Id` are two forms of the same: the first 8 digits of a trace's id stand
//! for themselves in the second.

use std::fmt;

use types::{RequestId, Timestamp};

pub const TRACEPARENT: &str = "traceparent";
pub const TRACESTATE: &str = "tracestate";
pub const XRAY: &str = "x-amzn-trace-id";

/// W3C asks that at least so much is passed on; more is dropped as a whole.
const STATE_BYTES: usize = 512;
/// A longer header of AWS's is none.
const XRAY_BYTES: usize = 2048;

/// The id of a trace; never all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span; never all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// Where in which trace something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub trace: TraceId,
    pub span: SpanId,
}

/// What a request says of the trace that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub trace: TraceId,
    pub parent: Option<SpanId>,
    /// Whether who called records its part; None leaves that to us.
    pub sampled: Option<bool>,
    /// Whether it came in W3C's form.
    pub is_w3c: bool,
}

impl TraceId {
    /// For a trace that begins with a request. Its first part is the time, as X-Ray
    /// wants it; the others are as random as the id of the request.
    pub fn of(request: RequestId, now: Timestamp) -> Self {
        let mut id = request.bytes();
        let seconds = u32::try_from(now.0 / 1000).unwrap_or(u32::MAX);
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        Self(id)
    }

    fn parse(text: &str) -> Option<Self> {
        lower_hex(text).filter(|id| *id != [0; 16]).map(Self)
    }

    /// Of `1-5759e988-bd862e3fe1be46a994272793`.
    fn parse_root(text: &str) -> Option<Self> {
        let (seconds, rest) = text.strip_prefix("1-")?.split_once('-')?;
        if seconds.len() != 8 {
            return None;
        }
        Self::parse(&format!("{seconds}{rest}").to_ascii_lowercase())
    }

    /// As X-Ray names it.
    pub fn root(self) -> String {
        let text = self.to_string();
        format!("1-{}-{}", &text[..8], &text[8..])
    }

    /// A number that is the same wherever the trace goes, evenly between 0 and 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "56 bits are more than are needed"
    )]
    pub fn chance(self) -> f64 {
        let (_, last) = self.0.split_last_chunk().expect("eight of sixteen bytes");
        let bits = u64::from_be_bytes(*last) & ((1 << 56) - 1);
        bits as f64 / (1_u64 << 56) as f64
    }
}

impl SpanId {
    /// One that nobody has.
    pub fn random() -> Self {
        Self::of(RequestId::random())
    }

    /// That of a request's own span.
    pub fn of(request: RequestId) -> Self {
        let bytes = request.bytes();
        // The first half of a random UUID has a fixed digit, so it is never all zeros.
        Self(bytes[..8].try_into().expect("eight of sixteen bytes"))
    }

    fn parse(text: &str) -> Option<Self> {
        lower_hex(text).filter(|id| *id != [0; 8]).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Place {
    /// `00-TRACE-SPAN-01`: only what is recorded has a place.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }

    /// The header by which functions and AWS's clients know it.
    pub fn xray(&self) -> String {
        let (root, parent) = (self.trace.root(), self.span);
        format!("Root={root};Parent={parent};Sampled=1")
    }
}

impl Given {
    /// Reads `traceparent` as strictly as W3C wants it. A version to come may have more
    /// behind what is known.
    pub fn w3c(header: &str) -> Option<Self> {
        let bytes = header.as_bytes();
        if bytes.len() < 55 || !header.is_ascii() {
            return None;
        }
        let (known, more) = header.split_at(55);
        let mut parts = known.split('-');
        let [version]: [u8; 1] = lower_hex(parts.next()?)?;
        let trace = TraceId::parse(parts.next()?)?;
        let parent = SpanId::parse(parts.next()?)?;
        let [flags]: [u8; 1] = lower_hex(parts.next()?)?;
        let ends = match version {
            0 => more.is_empty(),
            255 => false,
            _ => more.is_empty() || more.starts_with('-'),
        };
        (ends && parts.next().is_none()).then_some(Self {
            trace,
            parent: Some(parent),
            sampled: Some(flags & 1 == 1),
            is_w3c: true,
        })
    }

    /// Reads `X-Amzn-Trace-Id`.
    pub fn xray(header: &str) -> Option<Self> {
        if header.len() > XRAY_BYTES {
            return None;
        }
        let mut given = None;
        let (mut parent, mut sampled) = (None, None);
        for field in header.split(';') {
            match field.trim().split_once('=') {
                Some(("Root", root)) => given = TraceId::parse_root(root),
                Some(("Parent", id)) => parent = SpanId::parse(&id.to_ascii_lowercase()),
                Some(("Sampled", "1")) => sampled = Some(true),
                Some(("Sampled", "0")) => sampled = Some(false),
                _ => {}
            }
        }
        Some(Self {
            trace: given?,
            parent,
            sampled,
            is_w3c: false,
        })
    }
}

/// What else a header of AWS's says, such as how often functions called each other.
pub fn xray_rest(header: &str) -> impl Iterator<Item = &str> {
    let fits = header.len() <= XRAY_BYTES;
    let fields = header.split(';').map(str::trim).filter(move |_| fits);
    fields.filter(|field| {
        let own = ["Root=", "Parent=", "Sampled="];
        !field.is_empty() && !own.iter().any(|own| field.starts_with(own))
    })
}

/// `tracestate` belongs to others: it is passed on as it is, or not at all.
pub fn state(header: &str) -> Option<&str> {
    let plain = header.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (plain && !header.is_empty() && header.len() <= STATE_BYTES).then_some(header)
}

/// W3C has digits in lower case only.
fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn traceparent_is_read_strictly() {
        let given = Given::w3c(GOOD).unwrap();
        assert_eq!(given.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(given.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_eq!(given.sampled, Some(true));
        assert_eq!(
            Given::w3c(&GOOD.replace("-01", "-02")).unwrap().sampled,
            Some(false)
        );
        assert!(Given::w3c(&GOOD.replacen("00", "cc", 1)).is_some());
        assert!(Given::w3c(&format!("{}-more", GOOD.replacen("00", "01", 1))).is_some());
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &GOOD.to_uppercase(),
            &format!("{GOOD}-more"),
            &format!("{GOOD} "),
            &GOOD.replacen("00", "ff", 1),
            &format!("{}.more", GOOD.replacen("00", "01", 1)),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &GOOD.replace("4bf9", "4bg9"),
            &GOOD.replace('-', "_"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-701",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7-01-",
        ] {
            assert_eq!(Given::w3c(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_two_forms_have_the_same_ids() {
        let given = Given::w3c(GOOD).unwrap();
        let place = Place {
            trace: given.trace,
            span: given.parent.unwrap(),
        };
        let xray = place.xray();
        assert_eq!(
            xray,
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"
        );
        let back = Given::xray(&xray).unwrap();
        assert_eq!(
            (back.trace, back.parent, back.sampled),
            (given.trace, given.parent, Some(true))
        );
        assert_eq!(place.traceparent(), GOOD);
    }

    #[test]
    fn what_else_the_header_says_is_kept() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?;Lineage=a:1|b:2; Self=s";
        assert_eq!(
            xray_rest(header).collect::<Vec<_>>(),
            ["Lineage=a:1|b:2", "Self=s"]
        );
        let given = Given::xray(header).unwrap();
        assert_eq!((given.parent, given.sampled), (None, None));
        for bad in [
            "",
            "Root=1-5-b",
            "Parent=00f067aa0ba902b7",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(Given::xray(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_of_requests_are_ids_of_traces() {
        let request = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        let trace = TraceId::of(request, Timestamp(1_700_000_000_000));
        assert_eq!(trace.root(), "1-6553f100-222243338444555555555555");
        assert_eq!(SpanId::of(request).to_string(), "1111111122224333");
        assert!((0.0..1.0).contains(&trace.chance()));
    }

    #[test]
    fn states_are_passed_on_as_they_are_or_not_at_all() {
        assert_eq!(state("a=1,b=2"), Some("a=1,b=2"));
        for bad in ["", "é", "a\u{7f}", &"x".repeat(513)] {
            assert_eq!(state(bad), None);
        }
    }

    proptest! {
        #[test]
        fn no_header_does_harm(header in ".{0,80}") {
            let _ = Given::w3c(&header);
            let _ = Given::xray(&header);
            let _ = xray_rest(&header).count();
        }
    }
}
