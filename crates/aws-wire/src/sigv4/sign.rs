//! Making signatures: for the command line and for links that a plain GET follows.

use http::header::{AUTHORIZATION, HOST, InvalidHeaderValue};
use http::request::Parts;
use http::uri::{InvalidUri, PathAndQuery};
use http::{HeaderMap, HeaderValue, Uri};
use sha2::{Digest, Sha256};
use types::Timestamp;

use super::canonical::{self, CONTENT_SHA256, UNSIGNED};
use super::claim::{ALGORITHM, CredentialScope, TERMINATOR, stamp};
use super::key::Credentials;
use super::verify::{derive, hmac, string_to_sign};
use crate::form;

/// With what, and for which service, a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    pub credentials: &'a Credentials,
    pub region: &'a str,
    pub service: &'a str,
    pub now: Timestamp,
}

/// A request that cannot be signed: what it carries cannot be sent either.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the credentials hold characters that no header can carry")]
    Header(#[from] InvalidHeaderValue),
    #[error("the URL is not valid")]
    Uri(#[from] InvalidUri),
    #[error("the URL has no host")]
    NoHost,
}

/// Adds `host`, `x-amz-date`, `x-amz-content-sha256`, the session token and
/// `authorization`. All headers that are there already get signed, too.
pub fn sign(parts: &mut Parts, payload: &[u8], signing: Signing<'_>) -> Result<(), SignError> {
    let hash = hex::encode(Sha256::digest(payload));
    sign_hash(parts, &hash, signing)
}

/// As [`sign`], for a body that is streamed and that only S3 takes unsigned. Let
/// a checksum among the headers vouch for it: that is signed.
pub fn sign_streamed(parts: &mut Parts, signing: Signing<'_>) -> Result<(), SignError> {
    sign_hash(parts, UNSIGNED, signing)
}

fn sign_hash(parts: &mut Parts, hash: &str, signing: Signing<'_>) -> Result<(), SignError> {
    let stamp = stamp(signing.now);
    set_host(&mut parts.headers, &parts.uri)?;
    parts.headers.insert("x-amz-date", stamp.parse()?);
    parts.headers.insert(CONTENT_SHA256, hash.parse()?);
    if let Some(token) = &signing.credentials.session_token {
        parts.headers.insert("x-amz-security-token", token.parse()?);
    }
    parts.headers.remove(AUTHORIZATION);
    let names = signed_names(&parts.headers);
    let scope = signing.scope(&stamp);
    let signature = signing.signature(parts, &scope, &stamp, &names, hash);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        scope.access_key,
        scope.signed_form(),
        names.join(";"),
    );
    parts.headers.insert(AUTHORIZATION, authorization.parse()?);
    Ok(())
}

/// A URL that is valid by itself for `expires` seconds. Only the host is signed
/// beside what the URL says, and an empty body.
pub fn presign(
    method: http::Method,
    uri: &Uri,
    expires: u32,
    signing: Signing<'_>,
) -> Result<Uri, SignError> {
    let stamp = stamp(signing.now);
    let scope = signing.scope(&stamp);
    let credential = format!("{}/{}", scope.access_key, scope.signed_form());
    let own_query = uri.query().map(|q| format!("{q}&")).unwrap_or_default();
    let mut query = format!(
        "{own_query}X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={stamp}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host",
        form::encode(&credential)
    );
    if let Some(token) = &signing.credentials.session_token {
        query.push_str("&X-Amz-Security-Token=");
        query.push_str(&form::encode(token));
    }
    let request = http::Request::builder()
        .method(method)
        .uri(with_query(uri, &query)?);
    let (mut parts, ()) = request
        .body(())
        .map_err(|_| SignError::NoHost)?
        .into_parts();
    set_host(&mut parts.headers, uri)?;
    let hash = if signing.service == "s3" {
        UNSIGNED.to_owned()
    } else {
        hex::encode(Sha256::digest(b""))
    };
    let signature = signing.signature(&parts, &scope, &stamp, &["host".to_owned()], &hash);
    with_query(
        uri,
        &format!("{query}&{}={signature}", canonical::SIGNATURE),
    )
}

impl Signing<'_> {
    fn scope(&self, stamp: &str) -> CredentialScope {
        CredentialScope {
            access_key: self.credentials.access_key.clone(),
            date: stamp[..8].to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
            terminator: TERMINATOR.to_owned(),
        }
    }

    fn signature(
        &self,
        parts: &Parts,
        scope: &CredentialScope,
        stamp: &str,
        names: &[String],
        payload: &str,
    ) -> String {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let hash = canonical::hash(parts, self.service, &names, payload)
            .expect("every name was taken from the headers");
        let secret = &self.credentials.secret;
        let key = derive(secret, &scope.date, self.region, self.service);
        hex::encode(hmac(&key, string_to_sign(stamp, scope, &hash).as_bytes()))
    }
}

fn set_host(headers: &mut HeaderMap, uri: &Uri) -> Result<(), SignError> {
    if !headers.contains_key(HOST) {
        let host = uri.authority().ok_or(SignError::NoHost)?.as_str();
        headers.insert(HOST, HeaderValue::from_str(host)?);
    }
    Ok(())
}

/// Sorted; without what proxies and HTTP libraries change on the way.
fn signed_names(headers: &HeaderMap) -> Vec<String> {
    let changes = [
        "connection",
        "expect",
        "transfer-encoding",
        "user-agent",
        "x-amzn-trace-id",
    ];
    let mut names: Vec<String> = headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| !changes.contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    names
}

fn with_query(uri: &Uri, query: &str) -> Result<Uri, SignError> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{query}", uri.path()))?);
    Uri::from_parts(parts).map_err(|_| SignError::NoHost)
}
