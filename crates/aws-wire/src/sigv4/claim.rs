//! What a request says about its signature, read but not yet believed.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use jiff::civil;
use jiff::fmt::rfc2822;
use jiff::tz::Offset;
use types::Timestamp;

use super::error::AuthError;
use crate::form;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const TERMINATOR: &str = "aws4_request";

/// `ACCESS_KEY/DATE/REGION/SERVICE/aws4_request`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialScope {
    pub access_key: String,
    pub date: String,
    pub region: String,
    pub service: String,
    pub(super) terminator: String,
}

#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub scope: CredentialScope,
    pub signed_headers: Cow<'a, str>,
    pub signature: Cow<'a, str>,
    /// The time as it is signed: `20261121T023716Z`.
    pub stamp: Cow<'a, str>,
    pub at: Timestamp,
    pub token: Option<Cow<'a, str>>,
    /// How many seconds a presigned URL lives; `None` for the header form.
    pub expires: Option<u32>,
}

/// The scope that a request claims, for finding out which service it is for.
/// Nothing is checked: only `Verifier::verify` says that it is true.
pub fn credential_scope(parts: &Parts) -> Option<CredentialScope> {
    if let Some(header) = header(&parts.headers, AUTHORIZATION.as_str()) {
        return CredentialScope::parse(parameter(header, "Credential")?);
    }
    CredentialScope::parse(&query_parameter(parts.uri.query()?, "X-Amz-Credential")?)
}

impl CredentialScope {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::to_owned);
        let scope = Self {
            access_key: parts.next().filter(|key| !key.is_empty())?,
            date: parts.next()?,
            region: parts.next()?,
            service: parts.next()?,
            terminator: parts.next()?,
        };
        parts.next().is_none().then_some(scope)
    }

    /// All but the access key, as it is signed.
    pub(super) fn signed_form(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.date, self.region, self.service, self.terminator
        )
    }
}

impl<'a> Claim<'a> {
    pub(super) fn read(parts: &'a Parts) -> Result<Self, AuthError> {
        let query = parts.uri.query().unwrap_or_default();
        let presigned = has_parameter(query, "X-Amz-Algorithm");
        if parts.headers.get_all(AUTHORIZATION).iter().count() > 1 {
            return Err(incomplete("Only one 'Authorization' header is allowed."));
        }
        match (header(&parts.headers, AUTHORIZATION.as_str()), presigned) {
            (Some(_), true) => Err(incomplete(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified.",
            )),
            (Some(authorization), false) => Self::from_headers(&parts.headers, authorization),
            (None, true) => Self::from_query(query),
            (None, false) if parts.headers.contains_key(AUTHORIZATION) => {
                Err(incomplete("The 'Authorization' header is not readable."))
            }
            (None, false) => Err(AuthError::Missing),
        }
    }

    fn from_headers(headers: &'a HeaderMap, authorization: &'a str) -> Result<Self, AuthError> {
        let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
        check_algorithm(algorithm)?;
        let mut missing = String::new();
        let mut required = |name: &str| {
            let found = parameter(rest, name);
            if found.is_none() {
                missing.push_str("Authorization header requires '");
                missing.push_str(name);
                missing.push_str("' parameter. ");
            }
            found.unwrap_or_default()
        };
        let credential = required("Credential");
        let signature = required("Signature");
        let signed_headers = required("SignedHeaders");
        let stamp = match (
            header(headers, "x-amz-date"),
            header(headers, DATE.as_str()),
        ) {
            (Some(stamp), _) | (None, Some(stamp)) => stamp,
            (None, None) => {
                missing.push_str(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
                );
                ""
            }
        };
        if !missing.is_empty() {
            return Err(AuthError::Incomplete(missing.trim_end().to_owned()));
        }
        let (stamp, at) = read_stamp(stamp)?;
        Ok(Self {
            scope: scope(credential)?,
            signed_headers: signed_headers.into(),
            signature: signature.into(),
            stamp,
            at,
            token: header(headers, "x-amz-security-token").map(Cow::Borrowed),
            expires: None,
        })
    }

    fn from_query(query: &'a str) -> Result<Self, AuthError> {
        let required = |name: &str| {
            if count(query, name) > 1 {
                return Err(AuthError::Incomplete(format!(
                    "AWS query-string parameters must not be repeated: '{name}'."
                )));
            }
            query_parameter(query, name).ok_or_else(|| {
                AuthError::Incomplete(format!(
                    "AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
                ))
            })
        };
        check_algorithm(&required("X-Amz-Algorithm")?)?;
        let (stamp, at) = match required("X-Amz-Date")? {
            Cow::Borrowed(stamp) => read_stamp(stamp)?,
            Cow::Owned(stamp) => {
                let (stamp, at) = read_stamp(&stamp)?;
                (Cow::Owned(stamp.into_owned()), at)
            }
        };
        let expires = required("X-Amz-Expires")?;
        let expires = expires
            .parse()
            .ok()
            .filter(|seconds| (1..=7 * 24 * 3600).contains(seconds))
            .ok_or_else(|| {
                incomplete("X-Amz-Expires must be between 1 and 604800 seconds (7 days).")
            })?;
        Ok(Self {
            scope: scope(&required("X-Amz-Credential")?)?,
            signed_headers: required("X-Amz-SignedHeaders")?,
            signature: required("X-Amz-Signature")?,
            stamp,
            at,
            token: query_parameter(query, "X-Amz-Security-Token"),
            expires: Some(expires),
        })
    }
}

/// `20261121T023716Z`
pub(super) fn stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or_default()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

/// Reads the basic ISO form; the `Date` header may also be in that of mail and HTTP.
fn read_stamp(text: &str) -> Result<(Cow<'_, str>, Timestamp), AuthError> {
    if let Some(at) = read_basic(text) {
        return Ok((text.into(), at));
    }
    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text);
    match parsed {
        Ok(at) => {
            let at = Timestamp(at.as_millisecond());
            Ok((stamp(at).into(), at))
        }
        Err(_) => Err(AuthError::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
            text.chars().take(64).collect::<String>()
        ))),
    }
}

fn read_basic(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_i16, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + i16::from(byte - b'0'))
        })
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let civil = civil::DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(9)?,
        small(11)?,
        small(13)?,
        0,
    )
    .ok()?;
    let at = Offset::UTC.to_timestamp(civil).ok()?;
    Some(Timestamp(at.as_millisecond()))
}

fn scope(text: &str) -> Result<CredentialScope, AuthError> {
    CredentialScope::parse(text).ok_or_else(|| {
        AuthError::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            text.chars().take(200).collect::<String>()
        ))
    })
}

fn check_algorithm(algorithm: &str) -> Result<(), AuthError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(AuthError::Incomplete(format!(
        "Unsupported AWS 'algorithm': '{}'.",
        algorithm.chars().take(64).collect::<String>()
    )))
}

fn incomplete(message: &str) -> AuthError {
    AuthError::Incomplete(message.to_owned())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `name=value` in the comma-separated list of an Authorization header.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split([',', ' ']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key == name).then_some(value)
    })
}

fn query_parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form::decode(key) == name).then(|| form::decode(value))
    })
}

fn has_parameter(query: &str, name: &str) -> bool {
    count(query, name) > 0
}

fn count(query: &str, name: &str) -> usize {
    query
        .split('&')
        .filter(|pair| form::decode(pair.split('=').next().unwrap_or_default()) == name)
        .count()
}
