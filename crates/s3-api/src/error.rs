//! S3's error codes: one match from what buckets refuse, one table of texts, one
//! of the statuses that the protocol crate does not know.

use buckets::BucketError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::dto::{Timestamp as WireTime, TimestampFormat};
use s3s::{S3Error, S3ErrorCode};
use types::{Timestamp, VersionId};

/// Carries what belongs into an error's document beside code and message, from
/// where the error is made to where it is written. It never leaves the crate.
pub(crate) const DETAILS: &str = "x-squall-error-details";

/// An error with the text that AWS gives its code.
pub(crate) fn fault(code: &'static str) -> S3Error {
    fault_with(code, text_of(code).unwrap_or("The request is not valid."))
}

pub(crate) fn fault_with(code: &'static str, message: impl Into<String>) -> S3Error {
    let parsed = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let known = parsed.status_code();
    let mut error = S3Error::with_message(parsed, message.into());
    error.set_status_code(status_of(code).or(known).unwrap_or(StatusCode::BAD_REQUEST));
    error
}

/// `InvalidArgument` about an argument, with its name and value.
pub(crate) fn bad_argument(name: &str, value: &str, message: impl Into<String>) -> S3Error {
    let details = [("ArgumentName", name), ("ArgumentValue", value)];
    detailed(fault_with("InvalidArgument", message), &details)
}

/// Adds elements to the error's document.
pub(crate) fn detailed(mut error: S3Error, details: &[(&str, &str)]) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in details {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&aws_wire::form::encode(value));
    }
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(HeaderName::from_static(DETAILS), value);
    }
    error.set_headers(headers);
    error
}

fn with_headers(mut error: S3Error, added: &[(&'static str, String)]) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    for (name, value) in added {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    error.set_headers(headers);
    error
}

/// Adds headers to those that the error's answer has.
pub(crate) fn with_header_map(mut error: S3Error, added: HeaderMap) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    headers.extend(added);
    error.set_headers(headers);
    error
}

/// What buckets refuse, in S3's words.
pub(crate) fn refused(error: BucketError) -> S3Error {
    use BucketError as E;
    let message = error.to_string();
    let plain = |code| fault_with(code, message.clone());
    match error {
        E::NoSuchBucket { .. } => plain("NoSuchBucket"),
        E::BucketAlreadyOwnedByYou { .. } => plain("BucketAlreadyOwnedByYou"),
        E::BucketNotEmpty { .. } => plain("BucketNotEmpty"),
        E::TooManyBuckets => plain("TooManyBuckets"),
        E::NoSuchKey { .. } => plain("NoSuchKey"),
        E::Deleted { version, .. } => with_headers(plain("NoSuchKey"), &marker(&version)),
        E::IsDeleteMarker {
            version, modified, ..
        } => {
            let mut headers = marker(&version).to_vec();
            headers.push(("last-modified", http_date(modified)));
            headers.push(("allow", "DELETE".to_owned()));
            let details = [("Method", "GET"), ("ResourceType", "DeleteMarker")];
            detailed(with_headers(plain("MethodNotAllowed"), &headers), &details)
        }
        E::NoSuchVersion { key, version } => {
            let details = [("Key", key.as_str()), ("VersionId", version.as_str())];
            detailed(plain("NoSuchVersion"), &details)
        }
        E::PreconditionFailed { condition } => {
            detailed(plain("PreconditionFailed"), &[("Condition", condition)])
        }
        E::Conflict => plain("ConditionalRequestConflict"),
        E::EntityTooLarge { size, limit } => too_large(size, limit),
        E::InvalidRange { size } => {
            let size = size.to_string();
            detailed(plain("InvalidRange"), &[("ActualObjectSize", &size)])
        }
        E::NoSuchUpload { id } => detailed(plain("NoSuchUpload"), &[("UploadId", &id)]),
        E::InvalidPart { number, etag } => {
            let number = number.to_string();
            let details = [("PartNumber", &*number), ("ETag", &*etag)];
            detailed(plain("InvalidPart"), &details)
        }
        E::InvalidPartOrder => plain("InvalidPartOrder"),
        E::EntityTooSmall {
            number,
            size,
            minimum,
        } => {
            let [number, size, minimum] =
                [u64::from(number), size, minimum].map(|number| number.to_string());
            let details = [
                ("ProposedSize", &*size),
                ("MinSizeAllowed", &*minimum),
                ("PartNumber", &*number),
            ];
            detailed(plain("EntityTooSmall"), &details)
        }
        E::BadChecksum { .. } => plain("BadDigest"),
        E::BadPartNumber | E::InvalidArgument { .. } => plain("InvalidArgument"),
        E::InvalidRequest { .. } => plain("InvalidRequest"),
        E::MalformedXml => plain("MalformedXML"),
        E::MalformedPolicy { .. } => plain("MalformedPolicy"),
        E::AccessDenied { .. } => plain("AccessDenied"),
        E::QueueFull => plain("SlowDown"),
        E::Store(cause) => {
            // Logged here, where it stops travelling; clients get no detail of it.
            tracing::error!(error = %cause, "the store failed an S3 request");
            plain("InternalError")
        }
    }
}

/// More bytes than there may be.
pub(crate) fn too_large(size: u64, limit: u64) -> S3Error {
    let (size, limit) = (size.to_string(), limit.to_string());
    let details = [("ProposedSize", &*size), ("MaxSizeAllowed", &*limit)];
    detailed(fault("EntityTooLarge"), &details)
}

fn marker(version: &VersionId) -> [(&'static str, String); 2] {
    [
        ("x-amz-delete-marker", "true".to_owned()),
        ("x-amz-version-id", version.to_string()),
    ]
}

/// `Sat, 21 Nov 2026 05:46:00 GMT`
pub(crate) fn http_date(at: Timestamp) -> String {
    let mut text = Vec::new();
    let written = wire_time(at).format(TimestampFormat::HttpDate, &mut text);
    match written {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// A point in time as the protocol crate has it. Times before 1970 do not occur.
pub(crate) fn wire_time(at: Timestamp) -> WireTime {
    let millis = u64::try_from(at.0).unwrap_or_default();
    (std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis)).into()
}

/// Statuses of codes that the protocol crate does not know, or knows otherwise.
fn status_of(code: &str) -> Option<StatusCode> {
    Some(match code {
        "AccessForbidden" => StatusCode::FORBIDDEN,
        "NoSuchPublicAccessBlockConfiguration"
        | "NoSuchConfiguration"
        | "ServerSideEncryptionConfigurationNotFoundError" => StatusCode::NOT_FOUND,
        "InvalidPartNumber" => StatusCode::RANGE_NOT_SATISFIABLE,
        _ => return None,
    })
}

/// AWS's text for a code, for where no better one is at hand.
pub(crate) fn text_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessControlListNotSupported" => "The bucket does not allow ACLs",
        "AccessDenied" => "Access Denied",
        "AccessForbidden" => {
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
        }
        "BadDigest" => "The Content-MD5 you specified did not match what we received.",
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed size",
        "ExpiredToken" => "The provided token has expired.",
        "IllegalLocationConstraintException" => {
            "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
        }
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header"
        }
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidAccessKeyId" => "The AWS Access Key Id you provided does not exist in our records.",
        "InvalidArgument" => "Invalid Argument",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidDigest" => "The Content-MD5 you specified was invalid.",
        "InvalidEncryptionAlgorithmError" => "The encryption method specified is not supported",
        "InvalidLocationConstraint" => "The specified location-constraint is not valid",
        "InvalidPartNumber" => "The requested partnumber is not satisfiable",
        "InvalidRange" => "The requested range is not satisfiable",
        "InvalidStorageClass" => "The storage class you specified is not valid",
        "InvalidToken" => "The provided token is malformed or otherwise invalid.",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedPOSTRequest" => {
            "The body of your POST request is not well-formed multipart/form-data."
        }
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema"
        }
        "MaxMessageLengthExceeded" => "Your request was too big.",
        "MetadataTooLarge" => "Your metadata headers exceed the maximum allowed metadata size",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "MissingRequestBodyError" => "Request Body is empty",
        "NoSuchBucket" => "The specified bucket does not exist",
        "NoSuchKey" => "The specified key does not exist.",
        "NotImplemented" => "A header you provided implies functionality that is not implemented",
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold",
        "RequestTimeTooSkewed" => {
            "The difference between the request time and the current time is too large."
        }
        "RequestTimeout" => {
            "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."
        }
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing method."
        }
        "XAmzContentSHA256Mismatch" => {
            "The provided 'x-amz-content-sha256' header does not match what was computed."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_statuses_of_aws() {
        for (code, status) in [
            ("NoSuchKey", 404),
            ("PreconditionFailed", 412),
            ("SlowDown", 503),
            ("BadDigest", 400),
            ("XAmzContentSHA256Mismatch", 400),
            ("AccessForbidden", 403),
            ("NoSuchPublicAccessBlockConfiguration", 404),
            ("ServerSideEncryptionConfigurationNotFoundError", 404),
            ("NotModified", 304),
        ] {
            let error = fault(code);
            assert_eq!(error.status_code().unwrap().as_u16(), status, "{code}");
            assert_eq!(error.code().as_str(), code);
        }
    }

    #[test]
    fn dates_are_those_of_http() {
        let at = Timestamp(1_795_239_960_000);
        assert_eq!(http_date(at), "Sat, 21 Nov 2026 05:46:00 GMT");
    }
}
