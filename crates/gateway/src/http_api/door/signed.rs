//! Callers that sign as AWS's clients do (SigV4), in the head or in the address: who it is,
//! and whether policies let them invoke the route. A signed address can be given to others:
//! a route that shares lets in whoever has one, in the place of key and token.

use std::sync::Arc;

use aws_wire::form;
use aws_wire::sigv4::{AuthError, Identity, Payload, Verifier};
use bytes::Bytes;
use engine::Engine;
use engine::iam::{Ask, Denied, request_context};
use http::Method;
use http::request::Parts;
use types::Timestamp;

use super::knock::Knock;

/// The name under which requests to APIs are signed.
const SERVICE: [&str; 1] = ["execute-api"];
const ACTION: &str = "execute-api:Invoke";
/// What the parameters of a signed address begin with.
const PREFIX: &str = "X-Amz-";
const SIGNATURE: &str = "X-Amz-Signature";

/// Why a signature does not let in.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum NotSigned {
    #[error(transparent)]
    Signature(#[from] AuthError),
    #[error(transparent)]
    Denied(#[from] Denied),
}

/// What can only be said when the body is there.
#[derive(Debug)]
pub(super) enum Pending {
    /// The signature holds if the body is the one of which it speaks.
    Body(Payload),
    /// Everything; what is asked for is the ARN.
    All { arn: String },
}

/// How far a signature could be looked at.
#[derive(Debug)]
pub(super) struct Looked {
    pub signer: Option<Arc<Identity>>,
    pub pending: Option<Pending>,
}

/// Looks at signatures.
#[derive(Debug, Clone)]
pub(super) struct Signatures {
    pub engine: Engine,
    pub verifier: Arc<Verifier>,
}

impl Signatures {
    /// Before the body is there.
    pub fn look(&self, knock: &Knock<'_>) -> Result<Looked, NotSigned> {
        let parts = knock.parts;
        let arn = knock.arn(self.engine.scope());
        let head = self.verifier.verify_head(parts, &SERVICE, Timestamp::now());
        let Some((identity, payload)) = head? else {
            let pending = Some(Pending::All { arn });
            return Ok(Looked {
                signer: None,
                pending,
            });
        };
        self.permit(parts, &identity, &arn)?;
        Ok(Looked {
            signer: Some(Arc::new(identity)),
            pending: payload.is_signed().then_some(Pending::Body(payload)),
        })
    }

    /// With the body. Some if only now it is known who signed.
    pub fn check(
        &self,
        pending: &Pending,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Option<Arc<Identity>>, NotSigned> {
        match pending {
            Pending::Body(payload) => {
                payload.check(body)?;
                Ok(None)
            }
            Pending::All { arn } => {
                let now = Timestamp::now();
                let identity = self.verifier.verify(parts, body, &SERVICE, now)?;
                self.permit(parts, &identity, arn)?;
                Ok(Some(Arc::new(identity)))
            }
        }
    }

    /// Of a signed address, which is that of a GET: HEAD is asked with it as well.
    pub fn look_at_link(&self, knock: &Knock<'_>) -> Result<Arc<Identity>, NotSigned> {
        // A signature is the same for all spellings of a path, but our routes are not.
        if !is_straight(knock.parts.uri.path()) {
            return Err(AuthError::Mismatch.into());
        }
        let mut parts = knock.parts.clone();
        parts.method = Method::GET;
        let now = Timestamp::now();
        let identity = self.verifier.verify(&parts, b"", &SERVICE, now)?;
        let get = Knock {
            method: &Method::GET,
            ..*knock
        };
        self.permit(&parts, &identity, &get.arn(self.engine.scope()))?;
        Ok(Arc::new(identity))
    }

    fn permit(&self, parts: &Parts, identity: &Identity, arn: &str) -> Result<(), Denied> {
        let ask = Ask {
            principal_arn: &identity.principal.arn,
            action: ACTION,
            resource: arn,
            resource_policy: None,
            context: &request_context(&parts.extensions),
        };
        self.engine.iam().authorize(&ask)
    }
}

/// Whether a path has no parts that are left out where it is signed.
fn is_straight(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if matches!(part, "." | "..") || part.is_empty() && !is_last {
            return false;
        }
    }
    true
}

/// Whether a request is by a signed address that may be followed by others.
pub(super) fn is_link(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) && is_signed_address(parts)
}

pub(super) fn is_signed_address(parts: &Parts) -> bool {
    names(parts.uri.query().unwrap_or_default()).any(|name| name == SIGNATURE)
}

/// A query without what made it a signed address: it is none of the target's business.
pub(super) fn without_signature(query: &str) -> String {
    let own = |pair: &&str| {
        let name = form::decode(pair.split('=').next().unwrap_or_default());
        !name.starts_with(PREFIX)
    };
    query.split('&').filter(own).collect::<Vec<_>>().join("&")
}

fn names(query: &str) -> impl Iterator<Item = String> {
    query
        .split('&')
        .map(|pair| form::decode(pair.split('=').next().unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_signed_in_another_form_is_known() {
        for path in ["/", "", "/a", "/a/b/", "/a/%2e%2e/b", "/a/...", "/a/.b"] {
            assert!(is_straight(path), "{path}");
        }
        for path in [
            "//", "//a", "/a//b", "/a//", "/a/./b", "/a/..", "/a/../b", "/.",
        ] {
            assert!(!is_straight(path), "{path}");
        }
    }

    #[test]
    fn what_is_asked_is_told_from_what_signs_it() {
        for (query, rest) in [
            ("", ""),
            ("a=1&b", "a=1&b"),
            ("a=1&X-Amz-Date=x&b=2&X-Amz-Signature=y", "a=1&b=2"),
            ("X%2DAmz-Signature=y&a", "a"),
            ("X-Amz-Signature=y", ""),
        ] {
            assert_eq!(without_signature(query), rest, "{query}");
        }
    }
}
