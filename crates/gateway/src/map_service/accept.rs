//! In which form a table goes out, as the client's `Accept` has it.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use map::format::FileFormat;

use super::refusal::Refusal;

/// The forms there are; the first is the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Csv,
    /// A list of objects; with the failures beside it where they are collected.
    Json,
    JsonLines,
    Parquet,
    Arrow,
}

const KINDS: [Kind; 5] = [
    Kind::Csv,
    Kind::Json,
    Kind::JsonLines,
    Kind::Parquet,
    Kind::Arrow,
];

impl Kind {
    /// What the client likes best: by its weights, then by the order in which it
    /// names them. Who takes anything gets `usual`.
    pub fn accepted(headers: &HeaderMap, usual: Self) -> Result<Self, Refusal> {
        Self::best(headers, usual, &KINDS).ok_or(Refusal::NotAcceptable)
    }

    /// The same of some of the forms.
    pub fn best(headers: &HeaderMap, usual: Self, there: &[Self]) -> Option<Self> {
        let mut ranges = Vec::new();
        for value in headers.get_all(ACCEPT) {
            let text = value.to_str().ok()?;
            ranges.extend(text.split(',').filter_map(Range::parse));
        }
        if ranges.is_empty() {
            return Some(usual);
        }
        // The first of those that are liked equally is taken.
        let all = std::iter::once(usual).chain(there.iter().copied());
        let weighed = all.filter_map(|kind| {
            let (place, weight) = kind.weight(&ranges)?;
            (weight > 0).then_some((kind, place, weight))
        });
        let best = weighed.min_by_key(|(_, place, weight)| (u16::MAX - weight, *place));
        best.map(|(kind, ..)| kind)
    }

    /// By the name that is kept of it.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// How the table is written; JSON is made of its lines.
    pub fn format(self) -> FileFormat {
        match self {
            Self::Csv => FileFormat::Csv,
            Self::Json | Self::JsonLines => FileFormat::JsonLines,
            Self::Parquet => FileFormat::Parquet,
            Self::Arrow => FileFormat::Arrow,
        }
    }

    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
        })
    }

    /// All there are, for a message.
    pub fn list() -> String {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.media_types()[0]).collect();
        names.join(", ")
    }

    /// The names that clients have for it, the right one first.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &["text/csv", "application/csv", "text/plain"],
            Self::Json => &["application/json", "text/json"],
            Self::JsonLines => &[
                "application/x-ndjson",
                "application/ndjson",
                "application/jsonl",
                "application/x-jsonlines",
                "application/json-lines",
            ],
            Self::Parquet => &[
                "application/vnd.apache.parquet",
                "application/parquet",
                "application/x-parquet",
            ],
            Self::Arrow => &[
                "application/vnd.apache.arrow.file",
                "application/arrow",
                "application/x-arrow",
                "application/feather",
            ],
        }
    }

    /// Place and weight of the range that says most precisely what is thought of it.
    fn weight(self, ranges: &[Range]) -> Option<(usize, u16)> {
        let fitting = ranges.iter().enumerate().filter_map(|(place, range)| {
            let precise = self.media_types().iter().map(|name| range.fits(name)).max();
            let precise = precise.flatten()?;
            Some((precise, place, range.weight))
        });
        // Of two that are equally precise the first counts.
        let best = fitting.max_by_key(|(precise, place, _)| (*precise, usize::MAX - place));
        best.map(|(_, place, weight)| (place, weight))
    }
}

/// One of the things between commas: `text/*;q=0.5`.
#[derive(Debug)]
struct Range {
    name: String,
    /// In thousandths.
    weight: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let weight = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1000), |(_, weight)| thousandths(weight.trim()));
        Some(Self {
            name: name.to_ascii_lowercase(),
            // What is no weight is taken for none.
            weight: weight.unwrap_or(1000),
        })
    }

    /// How precisely it names a media type; None if it does not.
    fn fits(&self, name: &str) -> Option<u8> {
        if self.name == name {
            return Some(2);
        }
        if self.name == "*/*" || self.name == "*" {
            return Some(0);
        }
        let (family, _) = name.split_once('/')?;
        let fits = self.name.strip_suffix("/*") == Some(family);
        fits.then_some(1)
    }
}

/// `0.25` is 250; at most three digits follow the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    Some((whole * 1000 + rest).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
        Kind::accepted(&headers, Kind::Csv).ok().map(Kind::name)
    }

    #[test]
    fn the_best_of_what_is_asked_for_is_taken() {
        let none = HeaderMap::new();
        assert_eq!(Kind::accepted(&none, Kind::Csv).unwrap(), Kind::Csv);
        let any = HeaderMap::from_iter([(ACCEPT, "*/*".parse().unwrap())]);
        assert_eq!(Kind::accepted(&any, Kind::Arrow).unwrap(), Kind::Arrow);
        for (accept, name) in [
            ("*/*", Some("csv")),
            ("", Some("csv")),
            ("text/*", Some("csv")),
            ("application/*", Some("csv")),
            ("application/json", Some("json")),
            ("application/json, text/plain, */*", Some("json")),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some("csv")),
            ("Application/X-NDJSON; charset=utf-8", Some("jsonl")),
            (
                "text/csv;q=0.5, application/vnd.apache.parquet",
                Some("parquet"),
            ),
            (
                "application/vnd.apache.arrow.file;q=0.9,*/*;q=0.1",
                Some("arrow"),
            ),
            (
                "*/*, text/csv;q=0, text/plain;q=0, application/csv;q=0",
                Some("json"),
            ),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=0.000, text/csv;q=0.001", Some("csv")),
        ] {
            assert_eq!(chosen(accept), name, "{accept}");
        }
    }

    #[test]
    fn weights_that_are_none_weigh_fully() {
        assert_eq!(
            chosen("text/csv;q=0.2, application/json;q=much"),
            Some("json")
        );
        assert_eq!(
            chosen("text/csv;q=0.2, application/json;q=0.1234"),
            Some("json")
        );
    }

    #[test]
    fn what_is_kept_of_a_kind_leads_back_to_it() {
        for kind in KINDS {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("xml"), None);
    }
}
