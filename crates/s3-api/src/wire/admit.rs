//! What a request must hold before its signature is looked at. The protocol
//! crate checks the signature itself; this is what it leaves out.

use aws_wire::sigv4::credential_scope;
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use jiff::fmt::rfc2822;
use s3s::S3Result;
use types::{Scope, Timestamp};

use crate::error::{bad_argument, detailed, fault, fault_with};
use crate::wire::subresource;

/// How far the clocks of client and engine may be apart, as on AWS.
const SKEW_MILLIS: i64 = 15 * 60 * 1000;
/// A presigned URL lives for seven days at most.
const LONGEST_PRESIGNED: i64 = 7 * 24 * 3600;
const SHA256: &str = "x-amz-content-sha256";

/// How a request says who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Anonymous,
    Header,
    Query,
    /// Version 2, in the header or the query.
    Old,
}

/// Refuses what no signature makes good.
pub(crate) fn check(parts: &Parts, own: &Scope, now: Timestamp) -> S3Result<Form> {
    let form = form_of(parts)?;
    check_payload_header(parts, form)?;
    subresource::check(parts)?;
    match form {
        Form::Anonymous => {}
        Form::Header => {
            let scope = credential_scope(parts).ok_or_else(|| {
                malformed_header("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".", None)
            })?;
            check_scope(&scope.service, &scope.region, own, form)?;
            check_signed(parts, &header_signed(parts))?;
        }
        Form::Query => {
            let scope = credential_scope(parts).ok_or_else(|| {
                bad_query("Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".", None)
            })?;
            check_scope(&scope.service, &scope.region, own, form)?;
            check_expiry(parts)?;
            let signed = query(parts, "X-Amz-SignedHeaders").unwrap_or_default();
            check_signed(parts, &signed)?;
        }
        Form::Old => {
            check_old_query(parts)?;
            check_old_date(parts, now)?;
        }
    }
    Ok(form)
}

fn form_of(parts: &Parts) -> S3Result<Form> {
    let in_query = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"];
    let modern = in_query.iter().any(|name| query(parts, name).is_some());
    let old = query(parts, "Signature").is_some() && query(parts, "AWSAccessKeyId").is_some();
    let header = parts.headers.get(AUTHORIZATION);
    if header.is_some() && (modern || old) {
        return Err(fault_with(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
        ));
    }
    let Some(header) = header else {
        return match (modern, old) {
            (true, _) if in_query.iter().all(|name| query(parts, name).is_some()) => {
                Ok(Form::Query)
            }
            (true, _) => Err(bad_query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
                None,
            )),
            (false, true) => Ok(Form::Old),
            (false, false) => Ok(Form::Anonymous),
        };
    };
    let text = header.to_str().unwrap_or_default();
    if text.starts_with("AWS4-HMAC-SHA256") {
        let complete = ["Credential=", "SignedHeaders=", "Signature="]
            .iter()
            .all(|name| text.contains(name));
        return if complete {
            Ok(Form::Header)
        } else {
            Err(malformed_header(
                "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
                None,
            ))
        };
    }
    if text.starts_with("AWS ") {
        return Ok(Form::Old);
    }
    Err(bad_argument(
        "Authorization",
        "",
        "Unsupported Authorization Type",
    ))
}

/// What the header may say of the body's hash.
fn check_payload_header(parts: &Parts, form: Form) -> S3Result {
    let Some(declared) = header(parts, SHA256) else {
        return match form {
            Form::Header => Err(fault_with(
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            )),
            _ => Ok(()),
        };
    };
    let is_hash = declared.len() == 64 && declared.bytes().all(|b| b.is_ascii_hexdigit());
    let is_known = matches!(
        declared,
        "UNSIGNED-PAYLOAD"
            | "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
            | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
            | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    );
    if is_hash || is_known {
        return Ok(());
    }
    Err(bad_argument(
        SHA256,
        declared,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
    ))
}

/// The signature must be for this service in this region.
pub(crate) fn check_scope(service: &str, region: &str, own: &Scope, form: Form) -> S3Result {
    let expected = own.region.as_str();
    let (what, details) = if service != "s3" {
        let what = format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".");
        (what, None)
    } else if region != expected {
        let what = format!("the region '{region}' is wrong; expecting '{expected}'");
        (what, Some(expected))
    } else {
        return Ok(());
    };
    Err(match form {
        Form::Query => bad_query(
            &format!("Error parsing the X-Amz-Credential parameter; {what}"),
            details,
        ),
        _ => malformed_header(&what, details),
    })
}

/// Whatever decides over a request must be under its signature.
fn check_signed(parts: &Parts, signed: &str) -> S3Result {
    let signed: Vec<&str> = signed.split(';').collect();
    if !signed.contains(&"host") {
        return Err(fault("SignatureDoesNotMatch"));
    }
    let names = parts.headers.keys().map(http::HeaderName::as_str);
    // These say nothing about what is done.
    let exempt = ["x-amz-user-agent", SHA256];
    let unsigned: Vec<&str> = names
        .filter(|name| name.starts_with("x-amz-") && !exempt.contains(name))
        .filter(|name| !signed.contains(name))
        .collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    let error = fault_with(
        "AccessDenied",
        "There were headers present in the request which were not signed",
    );
    Err(detailed(
        error,
        &[("HeadersNotSigned", &unsigned.join(", "))],
    ))
}

fn check_expiry(parts: &Parts) -> S3Result {
    let text = query(parts, "X-Amz-Expires").unwrap_or_default();
    let message = match text.parse::<i64>() {
        Err(_) => "X-Amz-Expires should be a number",
        Ok(..0) => "X-Amz-Expires must be non-negative",
        Ok(seconds) if seconds > LONGEST_PRESIGNED => {
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
        }
        Ok(_) => return Ok(()),
    };
    Err(bad_query(message, None))
}

/// Version 2 signs only some names of the query, and none that is repeated: whoever
/// holds a URL of it must not make another operation of it.
fn check_old_query(parts: &Parts) -> S3Result {
    const NOT_SIGNED: [&str; 9] = [
        "attributes",
        "encryption",
        "intelligent-tiering",
        "legal-hold",
        "ownershipControls",
        "policyStatus",
        "publicAccessBlock",
        "retention",
        "session",
    ];
    let query = parts.uri.query().unwrap_or_default();
    let mut names: Vec<String> = aws_wire::form::pairs(query).map(|(name, _)| name).collect();
    names.sort_unstable();
    let repeated = names.windows(2).any(|pair| pair[0] == pair[1]);
    if repeated || names.iter().any(|name| NOT_SIGNED.contains(&name.as_str())) {
        return Err(fault("SignatureDoesNotMatch"));
    }
    Ok(())
}

/// The date of version 2 is under the signature, but nobody else compares it.
fn check_old_date(parts: &Parts, now: Timestamp) -> S3Result {
    if parts.headers.get(AUTHORIZATION).is_none() {
        // In a URL there is an expiry in place of a date.
        return Ok(());
    }
    let text = header(parts, "x-amz-date").or_else(|| header(parts, DATE.as_str()));
    // A wrong weekday is no reason to call the date unreadable.
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let at = text.and_then(|text| parser.parse_timestamp(text).ok());
    let at = at.filter(|at| *at >= jiff::Timestamp::UNIX_EPOCH);
    let Some(at) = at else {
        return Err(fault_with(
            "AccessDenied",
            "AWS authentication requires a valid Date or x-amz-date header",
        ));
    };
    if (at.as_millisecond() - now.0).abs() > SKEW_MILLIS {
        return Err(fault("RequestTimeTooSkewed"));
    }
    Ok(())
}

fn malformed_header(what: &str, region: Option<&str>) -> s3s::S3Error {
    let message = format!("The authorization header is malformed; {what}");
    with_region(fault_with("AuthorizationHeaderMalformed", message), region)
}

fn bad_query(message: &str, region: Option<&str>) -> s3s::S3Error {
    with_region(
        fault_with("AuthorizationQueryParametersError", message),
        region,
    )
}

/// Clients sign anew for the region that they are told.
fn with_region(error: s3s::S3Error, region: Option<&str>) -> s3s::S3Error {
    match region {
        Some(region) => detailed(error, &[("Region", region)]),
        None => error,
    }
}

fn header_signed(parts: &Parts) -> String {
    let text = header(parts, AUTHORIZATION.as_str()).unwrap_or_default();
    let mut fields = text.split([',', ' ']);
    let found = fields.find_map(|field| field.strip_prefix("SignedHeaders="));
    found.unwrap_or_default().to_owned()
}

pub(crate) fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// A query parameter, decoded.
pub(crate) fn query(parts: &Parts, name: &str) -> Option<String> {
    let mut pairs = aws_wire::form::pairs(parts.uri.query()?);
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn own() -> Scope {
        Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        }
    }

    fn checked(request: http::request::Builder) -> Result<Form, String> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, &own(), Timestamp(1_795_239_960_000))
            .map_err(|error| error.code().as_str().to_owned())
    }

    fn signed(scope: &str, names: &str) -> http::request::Builder {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AK/20261121/{scope}/aws4_request, SignedHeaders={names}, Signature=00"
        );
        Request::get("/b/k")
            .header("authorization", authorization)
            .header(SHA256, "UNSIGNED-PAYLOAD")
    }

    #[test]
    fn signatures_are_for_this_service_and_region() {
        let names = "host;x-amz-content-sha256";
        assert_eq!(checked(signed("us-east-1/s3", names)), Ok(Form::Header));
        for scope in ["eu-west-1/s3", "us-east-1/lambda"] {
            assert_eq!(
                checked(signed(scope, names)),
                Err("AuthorizationHeaderMalformed".to_owned()),
                "{scope}"
            );
        }
        let url = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20261121%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=00&X-Amz-Expires=60&X-Amz-SignedHeaders=host";
        assert_eq!(
            checked(Request::get(url)),
            Err("AuthorizationQueryParametersError".to_owned())
        );
    }

    #[test]
    fn headers_that_decide_are_signed() {
        let request = signed("us-east-1/s3", "host").header("x-amz-copy-source", "a/b");
        assert_eq!(checked(request), Err("AccessDenied".to_owned()));
        assert_eq!(
            checked(signed("us-east-1/s3", "x-amz-date")),
            Err("SignatureDoesNotMatch".to_owned())
        );
    }

    #[test]
    fn presigned_urls_end() {
        for (expires, good) in [("60", true), ("604801", false), ("x", false), ("-1", false)] {
            let url = format!(
                "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20261121%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=00&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
            );
            assert_eq!(checked(Request::get(url)).is_ok(), good, "{expires}");
        }
        assert_eq!(
            checked(Request::get("/b/k?X-Amz-Signature=00")),
            Err("AuthorizationQueryParametersError".to_owned())
        );
    }

    #[test]
    fn old_signatures_have_a_date_of_today() {
        let old = |date: &str| {
            let request = Request::get("/b/k").header("authorization", "AWS AK:c2ln");
            checked(request.header("date", date))
        };
        assert_eq!(old("Sat, 21 Nov 2026 05:50:00 GMT"), Ok(Form::Old));
        assert_eq!(
            old("Sat, 21 Nov 2026 06:50:00 GMT"),
            Err("RequestTimeTooSkewed".to_owned())
        );
        assert_eq!(
            old("Tue, 07 Jul 2010 21:53:04 GMT"),
            Err("RequestTimeTooSkewed".to_owned())
        );
        assert_eq!(
            old("Tue, 07 Jul 1950 21:53:04 GMT"),
            Err("AccessDenied".to_owned())
        );
        assert_eq!(old("today"), Err("AccessDenied".to_owned()));
    }

    /// `?tagging&tagging` was not under the signature and yet the operation.
    #[test]
    fn an_old_url_cannot_become_another_operation() {
        let url = |more: &str| {
            let query = format!("AWSAccessKeyId=AK&Expires=9&Signature=c2ln{more}");
            checked(Request::get(format!("/b/k?{query}")))
        };
        for good in ["", "&tagging", "&versionId=1", "&prefix=a&max-keys=1"] {
            assert_eq!(url(good), Ok(Form::Old), "{good}");
        }
        let refused = Err("SignatureDoesNotMatch".to_owned());
        for bad in [
            "&tagging&tagging",
            "&tagging=x&%74agging=y",
            "&versionId=1&versionId=2",
            "&retention",
            "&publicAccessBlock=",
        ] {
            assert_eq!(url(bad), refused, "{bad}");
        }
    }

    #[test]
    fn other_forms() {
        assert_eq!(checked(Request::get("/b/k")), Ok(Form::Anonymous));
        let basic = Request::get("/b/k").header("authorization", "Basic YTpi");
        assert_eq!(checked(basic), Err("InvalidArgument".to_owned()));
        let hash = Request::get("/b/k").header(SHA256, "nothing");
        assert_eq!(checked(hash), Err("InvalidArgument".to_owned()));
    }
}
