//! Why somebody is not let in, and what they are told: AWS's word for it, what is wrong in
//! one sentence, and by headers what to do about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_wire::Body;
use aws_wire::sigv4::AuthError;
use engine::api_keys::NotLetIn;
use engine::usage::NotServed;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use types::{RequestId, Timestamp};

use super::failures::Failures;
use super::functions::NotAdmitted;
use super::signed::NotSigned;
use super::token::BadToken;
use crate::http_api::refusal::problem;

#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Shut {
    #[error("the route may not be called from this address")]
    Address,
    #[error(transparent)]
    Key(#[from] NotLetIn),
    /// Whose key is good, but not for this call.
    #[error("{why}")]
    Usage {
        #[source]
        why: NotServed,
        key: Arc<str>,
    },
    /// `scopes` are those that the route asks for.
    #[error("{why}")]
    Token { why: BadToken, scopes: String },
    #[error(transparent)]
    Signature(#[from] NotSigned),
    #[error("{}", link(.0))]
    Link(#[source] NotSigned),
    #[error(transparent)]
    Function(#[from] NotAdmitted),
    /// The route's authorizer was deleted under it.
    #[error("the route's authorizer is not there")]
    NoAuthorizer,
    #[error("too many attempts of this address failed: {why}")]
    TooMany { why: Box<Self>, pause: Duration },
}

/// Of who has an address that was signed, and nothing else.
fn link(why: &NotSigned) -> String {
    match why {
        NotSigned::Signature(AuthError::Expired(_) | AuthError::ExpiredToken) => {
            "the time of this link is over: ask who gave it for a new one".to_owned()
        }
        NotSigned::Signature(AuthError::Mismatch) => {
            "this link was changed, or is for another address".to_owned()
        }
        other => other.to_string(),
    }
}

impl Shut {
    /// The answer, as a problem with the words of API Gateway in it.
    pub fn respond(&self, request_id: RequestId) -> Response<Body> {
        let (status, message) = self.status();
        let detail = match self {
            Self::Usage {
                why: NotServed::Store(error),
                ..
            } => {
                tracing::error!(%error, "what a key used cannot be read");
                "what the key used so far cannot be read".to_owned()
            }
            Self::Function(NotAdmitted::Failed(why)) => {
                let error = why as &dyn std::error::Error;
                tracing::warn!(error, "an authorizer gave no answer");
                why.to_string()
            }
            other => other.to_string(),
        };
        let mut response = problem(status, message, &detail, request_id);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(challenge) = self.challenge()
            && let Ok(challenge) = HeaderValue::from_str(&challenge)
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// Counts it, if it looks like an attempt; after too many it is another refusal.
    pub(super) fn slowed_down(self, failures: &Failures, source: IpAddr) -> Self {
        if !self.is_guess() {
            return self;
        }
        match failures.add(source, Instant::now()) {
            None => self,
            Some(pause) => Self::TooMany {
                why: Box::new(self),
                pause,
            },
        }
    }

    /// In a word or two, for who watches.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Key(NotLetIn::Missing) => "no key",
            Self::Key(_) => "key",
            Self::Usage { why, .. } => match why {
                NotServed::NoPlan => "key",
                NotServed::Throttled { .. } => "plan",
                NotServed::OverQuota { .. } => "quota",
                NotServed::Store(_) => "not metered",
            },
            Self::Token { why, .. } => match why {
                BadToken::Missing => "no token",
                BadToken::Expired => "token expired",
                BadToken::Scope => "scope",
                BadToken::NoKeys => "no keys of the issuer",
                _ => "token",
            },
            Self::Signature(NotSigned::Signature(AuthError::Missing)) => "no signature",
            Self::Signature(NotSigned::Signature(_)) => "signature",
            Self::Signature(NotSigned::Denied(_)) => "policy",
            Self::Link(_) => "link",
            Self::Function(NotAdmitted::NoIdentity) => "no identity",
            Self::Function(NotAdmitted::Unknown | NotAdmitted::Refused) => "authorizer",
            Self::Function(NotAdmitted::NotAsked { .. }) | Self::TooMany { .. } => "attempts",
            Self::Function(NotAdmitted::Failed(_)) | Self::NoAuthorizer => "authorizer failed",
        }
    }

    /// Who it was, where that is known: their key or their signature is good.
    pub fn caller(&self) -> Option<Arc<str>> {
        match self {
            Self::Usage { key, .. } => Some(Arc::clone(key)),
            Self::Signature(NotSigned::Denied(denied)) | Self::Link(NotSigned::Denied(denied)) => {
                Some(denied.principal.as_str().into())
            }
            _ => None,
        }
    }

    /// Whether it looks like somebody who tries things out. Who brings nothing, or what
    /// was good once, or is good elsewhere, does not.
    fn is_guess(&self) -> bool {
        match self {
            Self::Key(why) => *why == NotLetIn::Unknown,
            Self::Token { why, .. } => why.is_guess(),
            Self::Signature(NotSigned::Signature(why)) | Self::Link(NotSigned::Signature(why)) => {
                match why {
                    AuthError::Incomplete(_)
                    | AuthError::UnknownKey
                    | AuthError::Mismatch
                    | AuthError::Scope(_)
                    | AuthError::PayloadMismatch => true,
                    AuthError::Missing | AuthError::ExpiredToken | AuthError::Expired(_) => false,
                }
            }
            Self::Function(NotAdmitted::Unknown | NotAdmitted::Refused) => true,
            _ => false,
        }
    }

    fn status(&self) -> (StatusCode, &'static str) {
        const FORBIDDEN: (StatusCode, &str) = (StatusCode::FORBIDDEN, "Forbidden");
        const UNAUTHORIZED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "Unauthorized");
        const TOO_MANY: (StatusCode, &str) = (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        const FAILED: (StatusCode, &str) =
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        match self {
            Self::Address
            | Self::Key(_)
            | Self::Signature(_)
            | Self::Link(_)
            | Self::Function(NotAdmitted::Refused)
            | Self::Token {
                why: BadToken::Scope,
                ..
            } => FORBIDDEN,
            Self::Token { .. } | Self::Function(NotAdmitted::NoIdentity | NotAdmitted::Unknown) => {
                UNAUTHORIZED
            }
            Self::Function(NotAdmitted::NotAsked { .. }) | Self::TooMany { .. } => TOO_MANY,
            Self::Usage { why, .. } => match why {
                NotServed::NoPlan => FORBIDDEN,
                NotServed::Throttled { .. } => TOO_MANY,
                NotServed::OverQuota { .. } => (StatusCode::TOO_MANY_REQUESTS, "Limit Exceeded"),
                NotServed::Store(_) => FAILED,
            },
            Self::Function(NotAdmitted::Failed(_)) | Self::NoAuthorizer => FAILED,
        }
    }

    /// When it is worth coming again.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Usage { why, .. } => match why {
                NotServed::Throttled { retry_after_ms } => Some(retry_after_ms.div_ceil(1000)),
                NotServed::OverQuota { until } => Some(seconds_until(*until)),
                NotServed::NoPlan | NotServed::Store(_) => None,
            },
            Self::TooMany { pause, .. } | Self::Function(NotAdmitted::NotAsked { pause }) => {
                Some(pause.as_secs() + 1)
            }
            _ => None,
        }
    }

    /// What a client of tokens wants to know (RFC 6750).
    fn challenge(&self) -> Option<String> {
        let Self::Token { why, scopes } = self else {
            return None;
        };
        let scope = match scopes.as_str() {
            "" => String::new(),
            scopes => format!(" scope=\"{}\"", quoted(scopes)),
        };
        let error = match why {
            BadToken::Missing => return Some(format!("Bearer{scope}")),
            BadToken::Scope => "insufficient_scope",
            _ => "invalid_token",
        };
        let comma = if scope.is_empty() { "" } else { "," };
        Some(format!(
            "Bearer{scope}{comma} error=\"{error}\", error_description=\"{why}\""
        ))
    }
}

/// What would end a quoted text has no place in a scope.
fn quoted(text: &str) -> String {
    text.replace(['"', '\\'], "")
}

/// At least 0.
pub(super) fn seconds_until(moment: Timestamp) -> u64 {
    let millis = moment.0.saturating_sub(Timestamp::now().0);
    u64::try_from(millis).unwrap_or(0).div_ceil(1000)
}
