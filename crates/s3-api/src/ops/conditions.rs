//! What must hold of an object for a request to be carried out.

use http::HeaderMap;
use jiff::fmt::rfc2822;
use s3s::{S3Error, S3Result};
use store::{MatchRule, Precondition};
use types::Timestamp;

use crate::error::{detailed, fault, fault_with, http_date, with_header_map};

/// The conditions of a read; for a copy, those on its source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    matches: Option<String>,
    matches_none: Option<String>,
    modified_since: Option<i64>,
    unmodified_since: Option<i64>,
}

/// What the conditions say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Hold,
    NotModified,
    Fail(&'static str),
}

impl Conditions {
    /// `prefix` is empty, or `x-amz-copy-source-`.
    pub fn read(headers: &HeaderMap, prefix: &str) -> Self {
        let text = |name: &str| {
            let value = headers.get(format!("{prefix}{name}"))?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        let seconds = |name: &str| {
            let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text(name)?);
            parsed.ok().map(jiff::Timestamp::as_second)
        };
        Self {
            matches: text("if-match"),
            matches_none: text("if-none-match"),
            modified_since: seconds("if-modified-since"),
            unmodified_since: seconds("if-unmodified-since"),
        }
    }

    /// Entity tags outweigh dates, each its own: RFC 9110, section 13.2.2.
    fn judge(&self, etag: &str, modified: Timestamp) -> Verdict {
        // Dates of HTTP have seconds.
        let modified = modified.0.div_euclid(1000);
        match (&self.matches, self.unmodified_since) {
            (Some(list), _) if !names(list, etag) => return Verdict::Fail("If-Match"),
            (None, Some(since)) if modified > since => {
                return Verdict::Fail("If-Unmodified-Since");
            }
            _ => {}
        }
        match (&self.matches_none, self.modified_since) {
            (Some(list), _) if names(list, etag) => Verdict::NotModified,
            (None, Some(since)) if modified <= since => Verdict::NotModified,
            _ => Verdict::Hold,
        }
    }

    /// For a read: `304` tells clients that what they have is still good.
    pub fn check(&self, etag: &str, modified: Timestamp, told: HeaderMap) -> S3Result {
        match self.judge(etag, modified) {
            Verdict::Hold => Ok(()),
            Verdict::Fail(condition) => Err(failed(condition)),
            Verdict::NotModified => {
                let mut headers = told;
                for (name, value) in [
                    (http::header::ETAG, format!("\"{etag}\"")),
                    (http::header::LAST_MODIFIED, http_date(modified)),
                ] {
                    if let Ok(value) = value.parse() {
                        headers.insert(name, value);
                    }
                }
                Err(with_header_map(fault("NotModified"), headers))
            }
        }
    }

    /// For the source of a copy.
    pub fn check_source(&self, etag: &str, modified: Timestamp) -> S3Result {
        match self.judge(etag, modified) {
            Verdict::Hold => Ok(()),
            Verdict::NotModified if self.matches_none.is_some() => {
                Err(failed("x-amz-copy-source-If-None-Match"))
            }
            Verdict::NotModified => Err(failed("x-amz-copy-source-If-Modified-Since")),
            Verdict::Fail("If-Match") => Err(failed("x-amz-copy-source-If-Match")),
            Verdict::Fail(_) => Err(failed("x-amz-copy-source-If-Unmodified-Since")),
        }
    }
}

/// The conditions of a write, which the store checks as it commits.
pub(crate) fn of_write(headers: &HeaderMap) -> S3Result<Precondition> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let if_match = text("if-match").map(|value| match value.trim() {
        "*" => MatchRule::Any,
        etag => MatchRule::Etag(unquoted(etag).to_owned()),
    });
    let if_none_match = match text("if-none-match").map(str::trim) {
        None => None,
        Some("*") => Some(MatchRule::Any),
        // As on AWS, where a write can ask for nothing but that there is none.
        Some(_) => {
            let error = fault("NotImplemented");
            let details = [
                ("Header", "If-None-Match"),
                (
                    "additionalMessage",
                    "We don't accept the provided value of If-None-Match header for this API",
                ),
            ];
            return Err(detailed(error, &details));
        }
    };
    if if_match.is_some() && if_none_match.is_some() {
        return Err(fault_with(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        ));
    }
    Ok(Precondition {
        if_match,
        if_none_match,
    })
}

pub(crate) fn failed(condition: &'static str) -> S3Error {
    detailed(fault("PreconditionFailed"), &[("Condition", condition)])
}

/// Is the tag in the list? Weakness makes no difference, as tags here are strong.
fn names(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|item| item == "*" || unquoted(item) == etag)
}

fn unquoted(etag: &str) -> &str {
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    etag.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_239_960_500);
    const SAME: &str = "Sat, 21 Nov 2026 05:46:00 GMT";
    const BEFORE: &str = "Sat, 21 Nov 2026 05:45:59 GMT";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    fn judge(pairs: &[(&'static str, &str)]) -> Verdict {
        Conditions::read(&headers(pairs), "").judge("abc", AT)
    }

    #[test]
    fn each_condition_alone() {
        use Verdict::{Fail, Hold, NotModified};
        for (name, value, verdict) in [
            ("if-match", "\"abc\"", Hold),
            ("if-match", "\"x\", \"abc\"", Hold),
            ("if-match", "*", Hold),
            ("if-match", "\"x\"", Fail("If-Match")),
            ("if-none-match", "W/\"abc\"", NotModified),
            ("if-none-match", "abc", NotModified),
            ("if-none-match", "\"x\"", Hold),
            ("if-modified-since", SAME, NotModified),
            ("if-modified-since", BEFORE, Hold),
            ("if-modified-since", "yesterday", Hold),
            ("if-unmodified-since", SAME, Hold),
            ("if-unmodified-since", BEFORE, Fail("If-Unmodified-Since")),
        ] {
            assert_eq!(judge(&[(name, value)]), verdict, "{name}: {value}");
        }
        assert_eq!(judge(&[]), Hold);
    }

    #[test]
    fn tags_outweigh_dates() {
        let tag = ("if-match", "\"abc\"");
        assert_eq!(
            judge(&[tag, ("if-unmodified-since", BEFORE)]),
            Verdict::Hold
        );
        let none = ("if-none-match", "\"x\"");
        assert_eq!(judge(&[none, ("if-modified-since", SAME)]), Verdict::Hold);
        let same = ("if-none-match", "\"abc\"");
        let since = ("if-modified-since", BEFORE);
        assert_eq!(judge(&[same, since]), Verdict::NotModified);
        assert_eq!(
            judge(&[("if-match", "\"x\""), same]),
            Verdict::Fail("If-Match")
        );
    }

    #[test]
    fn conditions_of_writes() {
        let read = |pairs: &[(&'static str, &str)]| of_write(&headers(pairs));
        let rule = read(&[("if-match", "\"abc\"")]).unwrap().if_match;
        assert_eq!(rule, Some(MatchRule::Etag("abc".to_owned())));
        let rule = read(&[("if-none-match", "*")]).unwrap().if_none_match;
        assert_eq!(rule, Some(MatchRule::Any));
        let error = read(&[("if-none-match", "\"abc\"")]).unwrap_err();
        assert_eq!(error.code().as_str(), "NotImplemented");
    }
}
