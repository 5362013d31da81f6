//! An object as a page: its headers, the conditions under which a browser wants
//! it, and the range of it that is asked for.

use std::ops::Range;

use aws_wire::{Body, body};
use buckets::{Buckets, ByteRange, GetObject};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use jiff::fmt::rfc2822;
use types::Timestamp;

use super::page::ErrorPage;
use super::reading;

/// What S3 says of objects whose uploader said nothing.
const UNKNOWN_TYPE: &str = "binary/octet-stream";

/// `status` is 200, or that of the error whose document this is.
pub(crate) fn answer(
    buckets: &Buckets,
    parts: &Parts,
    object: &GetObject,
    status: u16,
) -> Response<Body> {
    let size = object.object.size;
    let facts = Facts {
        etag: format!("\"{}\"", object.etag()),
        modified: object.stored().modified,
        size,
    };
    let decided = if status == 200 {
        facts.decide(&parts.headers)
    } else {
        Decision::Whole
    };
    let range = match decided {
        Decision::NotModified => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = headers(object, &facts);
            // What describes a body that is not there.
            response.headers_mut().remove(CONTENT_TYPE);
            return response;
        }
        Decision::Failed(page) => return page.respond(),
        Decision::Whole => None,
        Decision::Part(range) => Some(range),
    };
    let mut headers = headers(object, &facts);
    let mut status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Some(range) = &range {
        status = StatusCode::PARTIAL_CONTENT;
        let said = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        set(&mut headers, CONTENT_RANGE, &said);
    }
    let range = range.unwrap_or(0..size);
    let length = range.end - range.start;
    headers.insert(CONTENT_LENGTH, length.into());
    let body = if parts.method == Method::HEAD || length == 0 {
        body::empty()
    } else {
        reading::body(buckets.read(&object.found, range), length)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn headers(object: &GetObject, facts: &Facts) -> HeaderMap {
    let attributes = &object.attributes;
    let kept = &attributes.headers;
    let mut headers = HeaderMap::new();
    let content_type = kept.content_type.as_deref().unwrap_or(UNKNOWN_TYPE);
    set(&mut headers, CONTENT_TYPE, content_type);
    for (name, value) in [
        (CONTENT_ENCODING, &kept.content_encoding),
        (CONTENT_DISPOSITION, &kept.content_disposition),
        (CONTENT_LANGUAGE, &kept.content_language),
        (CACHE_CONTROL, &kept.cache_control),
        (EXPIRES, &kept.expires),
    ] {
        if let Some(value) = value {
            set(&mut headers, name, value);
        }
    }
    set(&mut headers, ETAG, &facts.etag);
    set(&mut headers, LAST_MODIFIED, &http_date(facts.modified));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let version = &object.stored().version;
    if !version.is_null() {
        let name = HeaderName::from_static("x-amz-version-id");
        set(&mut headers, name, version.as_str());
    }
    for (name, value) in &attributes.metadata {
        if let Ok(name) = HeaderName::from_bytes(format!("x-amz-meta-{name}").as_bytes()) {
            set(&mut headers, name, value);
        }
    }
    headers
}

/// What cannot stand in a header is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// What conditions are about.
#[derive(Debug)]
struct Facts {
    /// With its quotes.
    etag: String,
    modified: Timestamp,
    size: u64,
}

#[derive(Debug)]
enum Decision {
    Whole,
    Part(Range<u64>),
    NotModified,
    Failed(ErrorPage),
}

impl Facts {
    /// In the order of RFC 9110: what must hold, what the client has, what part
    /// of it is wanted.
    fn decide(&self, headers: &HeaderMap) -> Decision {
        let asked = |name| text(headers, name);
        let holds = match (asked(IF_MATCH), asked(IF_UNMODIFIED_SINCE)) {
            (Some(tags), _) => self.is_among(tags),
            (None, Some(date)) => seconds_of(date).is_none_or(|date| self.seconds() <= date),
            (None, None) => true,
        };
        if !holds {
            return Decision::Failed(ErrorPage::new(
                StatusCode::PRECONDITION_FAILED,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            ));
        }
        let is_known = match (asked(IF_NONE_MATCH), asked(IF_MODIFIED_SINCE)) {
            (Some(tags), _) => self.is_among(tags),
            (None, Some(date)) => seconds_of(date).is_some_and(|date| self.seconds() <= date),
            (None, None) => false,
        };
        if is_known {
            return Decision::NotModified;
        }
        let is_current = asked(IF_RANGE).is_none_or(|mark| {
            mark == self.etag || seconds_of(mark).is_some_and(|date| self.seconds() == date)
        });
        // A range that is not understood is as none.
        match asked(RANGE).filter(|_| is_current).and_then(range) {
            None => Decision::Whole,
            Some(range) => range.of(self.size).map_or_else(
                |_| {
                    Decision::Failed(ErrorPage::new(
                        StatusCode::RANGE_NOT_SATISFIABLE,
                        "InvalidRange",
                        "The requested range is not satisfiable",
                    ))
                },
                Decision::Part,
            ),
        }
    }

    fn is_among(&self, tags: &str) -> bool {
        tags.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }

    /// Dates in headers have no fractions.
    fn seconds(&self) -> i64 {
        self.modified.0.div_euclid(1000)
    }
}

/// `bytes=FIRST-LAST`, `bytes=FIRST-`, `bytes=-LENGTH`; just one, as S3 has it.
fn range(header: &str) -> Option<ByteRange> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", length) => length.parse().ok().map(ByteRange::Last),
        (first, "") => first.parse().ok().map(ByteRange::From),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn seconds_of(date: &str) -> Option<i64> {
    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(date);
    parsed.ok().map(jiff::Timestamp::as_second)
}

fn http_date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(headers: &[(HeaderName, &str)]) -> String {
        let facts = Facts {
            etag: "\"abc\"".to_owned(),
            // Tue, 14 Nov 2023 22:13:20.042 GMT
            modified: Timestamp(1_700_000_000_042),
            size: 10,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().unwrap());
        }
        match facts.decide(&map) {
            Decision::Whole => "whole".to_owned(),
            Decision::Part(range) => format!("{range:?}"),
            Decision::NotModified => "304".to_owned(),
            Decision::Failed(page) => page.respond().status().as_u16().to_string(),
        }
    }

    #[test]
    fn dates_go_out_as_http_has_them() {
        let date = http_date(Timestamp(1_700_000_000_042));
        assert_eq!(date, "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(seconds_of(&date), Some(1_700_000_000));
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let same = "Tue, 14 Nov 2023 22:13:20 GMT";
        let before = "Tue, 14 Nov 2023 22:13:19 GMT";
        for (headers, expected) in [
            (vec![], "whole"),
            (vec![(IF_NONE_MATCH, "\"abc\"")], "304"),
            (vec![(IF_NONE_MATCH, "\"x\", W/\"abc\"")], "304"),
            (vec![(IF_NONE_MATCH, "\"x\"")], "whole"),
            (vec![(IF_MODIFIED_SINCE, same)], "304"),
            (vec![(IF_MODIFIED_SINCE, before)], "whole"),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], "whole"),
            // The tag says more than the date.
            (
                vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, same)],
                "whole",
            ),
            (vec![(IF_MATCH, "\"abc\"")], "whole"),
            (vec![(IF_MATCH, "\"x\"")], "412"),
            (vec![(IF_UNMODIFIED_SINCE, before)], "412"),
            (vec![(IF_UNMODIFIED_SINCE, same)], "whole"),
        ] {
            assert_eq!(decide(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_part_is_sent_where_one_is_asked_for() {
        for (value, expected) in [
            ("bytes=0-3", "0..4"),
            ("bytes=4-", "4..10"),
            ("bytes=-3", "7..10"),
            ("bytes=8-99", "8..10"),
            ("bytes=10-", "416"),
            ("bytes=-0", "416"),
            ("bytes=3-1", "whole"),
            ("bytes=0-1,3-4", "whole"),
            ("lines=0-1", "whole"),
            ("bytes=", "whole"),
        ] {
            assert_eq!(decide(&[(RANGE, value)]), expected, "{value}");
        }
        let range = (RANGE, "bytes=0-3");
        assert_eq!(decide(&[range.clone(), (IF_RANGE, "\"abc\"")]), "0..4");
        assert_eq!(decide(&[range, (IF_RANGE, "\"x\"")]), "whole");
    }
}
