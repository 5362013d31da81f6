//! Loops: how often a function was invoked in one chain of requests.
//!
//! The count travels in the trace header that AWS's SDKs send on when they are
//! used inside a function: `Root=...;Lineage=1a2b3c4d:3|...`, one mark and one
//! count for each function of the chain. Whoever accepts work on a function's
//! behalf keeps the header with it, so the count survives buckets and queues.

use std::fmt::Write as _;

use types::{FunctionName, RequestId, Timestamp};
use watch::trace::Place;

/// How often one chain may invoke the same function, as on AWS.
pub(crate) const DEEPEST: u32 = 16;
/// Functions that a lineage remembers; past it those that came least go.
const REMEMBERED: usize = 32;
/// A longer header is not one of ours, nor of any SDK.
const LONGEST: usize = 2048;

/// A trace header, understood as far as loops are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// `Root`, `Parent` and so on, as they came.
    fields: Vec<String>,
    lineage: Vec<(u32, u32)>,
}

impl Trace {
    /// Reads a header; where there is none that can be read, a chain begins with
    /// this request.
    pub(crate) fn of(header: Option<&str>, request: RequestId) -> Self {
        let mut trace = Self {
            fields: Vec::new(),
            lineage: Vec::new(),
        };
        let header = header.unwrap_or_default();
        // It becomes a variable and a header again.
        let fits = header.len() <= LONGEST && header.bytes().all(|b| (b' '..=b'~').contains(&b));
        let fields = header.split(';').map(str::trim);
        for field in fields.filter(|field| fits && !field.is_empty()) {
            match field.split_once('=') {
                Some(("Lineage", text)) => trace.lineage = parse_lineage(text),
                _ => trace.fields.push(field.to_owned()),
            }
        }
        if !trace.fields.iter().any(|field| field.starts_with("Root=")) {
            trace.fields.splice(0..0, new_root(request));
        }
        trace
    }

    /// The same chain, as what is asked from a place in a trace that is recorded.
    pub(crate) fn at(mut self, place: &Place) -> Self {
        let own = ["Root=", "Parent=", "Sampled="];
        self.fields
            .retain(|field| !own.iter().any(|own| field.starts_with(own)));
        let header = place.xray();
        self.fields
            .splice(0..0, header.split(';').map(str::to_owned));
        self
    }

    /// How often the chain has invoked the function.
    pub(crate) fn depth(&self, function: &FunctionName) -> u32 {
        let mark = mark(function);
        let found = self.lineage.iter().find(|(known, _)| *known == mark);
        found.map_or(0, |(_, count)| *count)
    }

    /// The header for what the function does now that it is invoked once more.
    pub(crate) fn entered(mut self, function: &FunctionName) -> String {
        let mark = mark(function);
        match self.lineage.iter_mut().find(|(known, _)| *known == mark) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.lineage.push((mark, 1)),
        }
        while self.lineage.len() > REMEMBERED {
            let others = self.lineage.iter().enumerate();
            let others = others.filter(|(_, (known, _))| *known != mark);
            let Some((rarest, _)) = others.min_by_key(|(_, (_, count))| *count) else {
                break;
            };
            self.lineage.remove(rarest);
        }
        self.header()
    }

    /// The header as it is.
    pub(crate) fn header(&self) -> String {
        let mut header = self.fields.join(";");
        for (index, (mark, count)) in self.lineage.iter().enumerate() {
            let before = if index == 0 { ";Lineage=" } else { "|" };
            // Writing to a string does not fail.
            let _ = write!(header, "{before}{mark:08x}:{count}");
        }
        header
    }
}

/// botocore escapes the bar on its way; what cannot be read is passed over.
fn parse_lineage(text: &str) -> Vec<(u32, u32)> {
    let text = text.replace("%7C", "|").replace("%7c", "|");
    let entries = text.split('|').filter_map(|entry| {
        let (mark, count) = entry.split_once(':')?;
        Some((u32::from_str_radix(mark, 16).ok()?, count.parse().ok()?))
    });
    entries.take(REMEMBERED).collect()
}

/// As X-Ray begins a trace that is not sampled.
fn new_root(request: RequestId) -> [String; 3] {
    let id = request.to_string().replace('-', "");
    let seconds = Timestamp::now().0 / 1000;
    [
        format!("Root=1-{seconds:08x}-{}", &id[..24]),
        format!("Parent={}", &id[16..]),
        "Sampled=0".to_owned(),
    ]
}

/// FNV-1a: short, and the same after every restart.
fn mark(function: &FunctionName) -> u32 {
    let bytes = function.as_str().bytes();
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FunctionName {
        text.parse().unwrap()
    }

    fn of(header: &str) -> Trace {
        let request = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        Trace::of(Some(header), request)
    }

    #[test]
    fn each_invocation_of_a_function_is_counted() {
        let f = name("f");
        let mut header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".to_owned();
        for depth in 0..DEEPEST {
            assert_eq!(of(&header).depth(&f), depth);
            header = of(&header).entered(&f);
        }
        assert_eq!(of(&header).depth(&f), DEEPEST);
        assert_eq!(of(&header).depth(&name("g")), 0);
        assert_eq!(
            header,
            format!(
                "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage={:08x}:16",
                mark(&f)
            )
        );
    }

    #[test]
    fn functions_that_call_each_other_are_counted_apart() {
        let (f, g) = (name("f"), name("g"));
        let mut header = String::new();
        for _ in 0..3 {
            header = of(&header).entered(&f);
            // As botocore sends it.
            header = of(&header.replace('|', "%7C")).entered(&g);
        }
        assert_eq!((of(&header).depth(&f), of(&header).depth(&g)), (3, 3));
    }

    #[test]
    fn a_chain_has_a_beginning() {
        let begun = Trace::of(
            None,
            "11111111-2222-4333-8444-555555555555".parse().unwrap(),
        );
        let header = begun.header();
        assert!(header.starts_with("Root=1-"), "{header}");
        assert!(
            header.ends_with("-111111112222433384445555;Parent=8444555555555555;Sampled=0"),
            "{header}"
        );
        assert_eq!(of(&header), begun);
    }

    #[test]
    fn a_place_in_a_trace_stands_in_front_of_the_chain() {
        let header = "Self=s;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage=a:1";
        let sampled = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        let tracer = watch::Tracer::new(1.0);
        let request = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        let begun = tracer.begin(Some(sampled), request).unwrap();
        let header = of(header).at(&begun.place).header();
        assert_eq!(
            header,
            format!(
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent={};Sampled=1;Self=s;Lineage=0000000a:1",
                begun.place.span
            )
        );
    }

    #[test]
    fn what_others_put_into_the_header_does_no_harm() {
        let f = name("f");
        let long = "x".repeat(LONGEST + 1);
        for bad in [long.as_str(), "a\nb", "é", "Lineage=;;=", ";;;"] {
            assert!(of(bad).header().starts_with("Root=1-"), "{bad:?}");
            assert!(of(bad).header().is_ascii(), "{bad:?}");
        }
        let odd = format!("Root=r;Lineage=zz:1|:|{:08x}:5|1:x|2:-3", mark(&f));
        assert_eq!(of(&odd).depth(&f), 5);
        assert_eq!(of("Root=r;Self=s").header(), "Root=r;Self=s");
        let most = format!("Root=r;Lineage={:08x}:{}", mark(&f), u32::MAX);
        assert_eq!(of(&of(&most).entered(&f)).depth(&f), u32::MAX);
    }

    #[test]
    fn a_lineage_stays_short() {
        let f = name("f");
        let mut header = of("").entered(&f);
        header = of(&header).entered(&f);
        for index in 0..200 {
            header = of(&header).entered(&name(&format!("g{index}")));
            assert!(header.len() < LONGEST / 2);
        }
        assert_eq!(of(&header).depth(&f), 2);
        assert_eq!(of(&header).depth(&name("g199")), 1);
    }
}
