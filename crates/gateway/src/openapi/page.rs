//! The page on which calls are tried. It is the same for every API: it reads the document
//! beside it and writes what it finds there as text, so nothing that a project says of its
//! routes can become a part of the page itself. Its policy lets nothing run but its own
//! script, and nothing be asked but the host that it came from.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Debug)]
pub(super) struct TryPage {
    bytes: Bytes,
    tag: HeaderValue,
    policy: HeaderValue,
}

impl TryPage {
    pub fn new() -> Self {
        let html = FRAME
            .replace("/*style*/", STYLE)
            .replace("/*script*/", SCRIPT);
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            hash(SCRIPT),
            hash(STYLE),
        );
        let tag = format!("\"{}\"", &hash(&html)[7..23]);
        Self {
            bytes: html.into(),
            tag: HeaderValue::from_str(&tag).expect("letters are a valid header"),
            policy: HeaderValue::from_str(&policy).expect("a policy is plain text"),
        }
    }

    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    pub fn tag(&self) -> &HeaderValue {
        &self.tag
    }

    /// Puts on an answer what keeps the page from others.
    pub fn guard(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
}

/// As a policy names a text: `sha256-...`
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}
