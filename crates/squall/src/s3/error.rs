//! How a request to a bucket ends badly, and what may be tried again.

use std::io;

use aws_client::TransportError;
use http::StatusCode;

use crate::failure::{Failure, Kind};

#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    #[error("{code}: {message}")]
    Answered {
        status: StatusCode,
        code: String,
        message: String,
    },
    #[error("the endpoint broke the connection off")]
    Broken(#[source] hyper::Error),
    #[error("the endpoint went silent")]
    Silent,
    #[error("{}", .0.message())]
    Connect(Failure),
    #[error("what was asked cannot be sent: {0}")]
    Unsendable(String),
    #[error("the answer is not as expected: {0}")]
    Garbled(String),
    /// The bytes that arrived are not those that were stored.
    #[error("the {what} of the bytes that arrived is not that of the object")]
    Damaged { what: &'static str },
    #[error("{doing}")]
    Local {
        doing: String,
        #[source]
        source: io::Error,
    },
    #[error("{0}")]
    Refused(String),
    #[error("interrupted")]
    Cancelled,
}

impl S3Error {
    pub fn local(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Local {
            doing: doing.into(),
            source,
        }
    }

    /// Whether the same request may do better a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Answered { status, code, .. } => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || matches!(code.as_str(), "RequestTimeout" | "SlowDown")
            }
            Self::Broken(_) | Self::Silent => true,
            _ => false,
        }
    }

    /// Whether all other requests would end like this one.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Cancelled => true,
            Self::Answered { code, .. } => matches!(
                code.as_str(),
                "NoSuchBucket" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken"
            ),
            _ => false,
        }
    }

    pub fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Answered { code, .. } if code == wanted)
    }

    /// There is no such object, as a GET or a HEAD says it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Answered { code, status, .. }
            if code == "NoSuchKey" || (*status == StatusCode::NOT_FOUND && code == "NotFound"))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Answered { status, code, .. } => match status.as_u16() {
                429 | 413 => Kind::Refused,
                _ if matches!(code.as_str(), "SlowDown" | "EntityTooLarge") => Kind::Refused,
                400..=499 | 501 => Kind::Mistake,
                _ => Kind::Bug,
            },
            Self::Connect(failure) => failure.kind,
            Self::Unsendable(_) | Self::Local { .. } | Self::Refused(_) => Kind::Mistake,
            Self::Cancelled => Kind::Interrupted,
            Self::Broken(_) | Self::Silent | Self::Garbled(_) | Self::Damaged { .. } => Kind::Bug,
        }
    }

    /// With its causes, on one line.
    pub fn line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<TransportError> for S3Error {
    fn from(error: TransportError) -> Self {
        match error {
            error @ TransportError::Connect { .. } => Self::Connect(error.into()),
            TransportError::Broken(error) => Self::Broken(error),
            TransportError::Silent => Self::Silent,
            TransportError::TooLong { .. } => Self::Garbled(error.to_string()),
        }
    }
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        let error = match error {
            S3Error::Connect(failure) => return failure,
            other => other,
        };
        let hint = match &error {
            S3Error::Answered { code, .. } => hint_for(code),
            S3Error::Damaged { .. } => Some("squall store check looks for damage on the disk"),
            _ => None,
        };
        let failure = Failure::new(error.kind(), anyhow::anyhow!(error.line()));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn hint_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "NoSuchBucket" => "squall ls lists the buckets; squall mb NAME makes one",
        "NoSuchKey" | "NotFound" => "squall ls BUCKET/PREFIX lists what is there",
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
            "the keys are not this engine's: eval \"$(squall env)\" sets them"
        }
        "BucketNotEmpty" => "squall rb --force BUCKET removes what is in it, too",
        "BadDigest" => "the file was changed while it was read; try again",
        "PreconditionFailed" => "the object was replaced while it was read; try again",
        "SlowDown" => "too much waits already; try again later",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> S3Error {
        S3Error::Answered {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.to_owned(),
            message: "m".to_owned(),
        }
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        for passing in [
            answered(500, "InternalError"),
            answered(503, "SlowDown"),
            answered(400, "RequestTimeout"),
            answered(429, "TooManyRequests"),
            S3Error::Silent,
        ] {
            assert!(passing.is_passing(), "{passing}");
        }
        for lasting in [
            answered(404, "NoSuchKey"),
            answered(403, "AccessDenied"),
            answered(501, "NotImplemented"),
            answered(400, "BadDigest"),
            S3Error::Damaged { what: "MD5" },
            S3Error::Cancelled,
        ] {
            assert!(!lasting.is_passing(), "{lasting}");
        }
    }

    #[test]
    fn errors_have_exit_codes_and_hints() {
        for (error, code) in [
            (answered(404, "NoSuchBucket"), 2),
            (answered(503, "SlowDown"), 3),
            (answered(500, "InternalError"), 70),
            (S3Error::Cancelled, 130),
            (S3Error::Damaged { what: "MD5" }, 70),
        ] {
            assert_eq!(Failure::from(error).kind.code(), code);
        }
        let failure = Failure::from(answered(404, "NoSuchBucket"));
        assert_eq!(
            failure.to_string(),
            "error: NoSuchBucket: m\nhint: squall ls lists the buckets; squall mb NAME makes one"
        );
    }
}
