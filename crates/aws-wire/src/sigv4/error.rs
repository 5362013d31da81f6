//! Why a request is not let in, with the codes and texts of AWS.

use http::StatusCode;

/// A refused signature. The text is what the client gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("Missing Authentication Token")]
    Missing,
    /// Something of the signature's form is not there or not readable.
    #[error("{0}")]
    Incomplete(String),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// Too old, from the future, or a presigned URL past its end.
    #[error("{0}")]
    Expired(String),
    /// The credential scope, or what is signed, is not right for this request.
    #[error("{0}")]
    Scope(String),
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadMismatch,
}

impl AuthError {
    pub fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }

    /// The code in the JSON protocols.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::Mismatch | Self::Expired(_) | Self::Scope(_) | Self::PayloadMismatch => {
                "InvalidSignatureException"
            }
        }
    }

    /// The code in the query protocol.
    pub fn query_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationToken",
            Self::Incomplete(_) => "IncompleteSignature",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::ExpiredToken => "ExpiredToken",
            Self::Mismatch | Self::Expired(_) | Self::Scope(_) | Self::PayloadMismatch => {
                "SignatureDoesNotMatch"
            }
        }
    }

    /// The code of S3.
    pub fn s3_code(&self) -> &'static str {
        match self {
            Self::Missing => "AccessDenied",
            Self::Incomplete(_) | Self::Scope(_) => "AuthorizationHeaderMalformed",
            Self::UnknownKey => "InvalidAccessKeyId",
            Self::ExpiredToken => "ExpiredToken",
            Self::Mismatch => "SignatureDoesNotMatch",
            Self::Expired(_) => "RequestTimeTooSkewed",
            Self::PayloadMismatch => "XAmzContentSHA256Mismatch",
        }
    }
}
