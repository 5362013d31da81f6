//! The check itself. It must be cheap: every request passes through it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, Mac};
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use sha2::{Digest, Sha256};
use types::{Region, Timestamp};

use super::canonical::{self, CONTENT_SHA256, UNSIGNED};
use super::claim::{ALGORITHM, Claim, CredentialScope, TERMINATOR, stamp};
use super::error::AuthError;
use super::key::{Identity, Key, KeySource};

type HmacSha256 = Hmac<Sha256>;

/// How far the clocks of client and engine may be apart.
const SKEW_MILLIS: i64 = 5 * 60 * 1000;
/// Signing keys kept; a client needs one per service and day.
const CACHED_KEYS: usize = 1024;

/// Checks signatures for one region. Made once; shared by all connections.
pub struct Verifier {
    keys: Arc<dyn KeySource>,
    region: Region,
    signing_keys: Mutex<HashMap<CredentialScope, CachedKey>>,
}

/// What the signature says of a body that is yet to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// It may be any.
    Unsigned,
    /// Its SHA-256 in hexadecimal.
    Digest(String),
}

impl Payload {
    /// Whether a body has to be looked at.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Digest(_))
    }

    pub fn check(&self, body: &[u8]) -> Result<(), AuthError> {
        match self {
            Self::Digest(digest) if *digest != hex::encode(Sha256::digest(body)) => {
                Err(AuthError::PayloadMismatch)
            }
            Self::Digest(_) | Self::Unsigned => Ok(()),
        }
    }
}

struct CachedKey {
    /// A key that was replaced under the same name must not be found.
    secret: String,
    key: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    pub fn new(keys: Arc<dyn KeySource>, region: Region) -> Self {
        Self {
            keys,
            region,
            signing_keys: Mutex::default(),
        }
    }

    /// Who sent this request. `services` are the names under which the receiving
    /// service may be signed for, such as `["lambda"]`.
    pub fn verify(
        &self,
        parts: &Parts,
        payload: &[u8],
        services: &[&str],
        now: Timestamp,
    ) -> Result<Identity, AuthError> {
        let (claim, key) = self.believe(parts, services, now)?;
        let payload = payload_hash(parts, &claim, payload)?;
        self.finish(parts, claim, key, &payload)
    }

    /// Who sent this request, whose body is not there yet: what its head says of the body
    /// is believed for now. [`Payload::check`] says later whether it was true. Where the
    /// head says nothing, nothing is known but that it is worth reading the body.
    pub fn verify_head(
        &self,
        parts: &Parts,
        services: &[&str],
        now: Timestamp,
    ) -> Result<Option<(Identity, Payload)>, AuthError> {
        let (claim, key) = self.believe(parts, services, now)?;
        let payload = match declared(parts)? {
            Some(UNSIGNED) => Payload::Unsigned,
            Some(digest) => Payload::Digest(digest.to_owned()),
            None if is_bodiless(parts) => Payload::Digest(hex::encode(Sha256::digest(b""))),
            None => return Ok(None),
        };
        let hash = match &payload {
            Payload::Unsigned => UNSIGNED,
            Payload::Digest(digest) => digest,
        };
        let identity = self.finish(parts, claim, key, hash)?;
        Ok(Some((identity, payload)))
    }

    /// All that can be looked at before the signature is computed.
    fn believe<'a>(
        &self,
        parts: &'a Parts,
        services: &[&str],
        now: Timestamp,
    ) -> Result<(Claim<'a>, Key), AuthError> {
        let claim = Claim::read(parts)?;
        self.check_scope(&claim, services)?;
        let key = self
            .keys
            .find(&claim.scope.access_key)
            .ok_or(AuthError::UnknownKey)?;
        check_session(&claim, &key, now)?;
        check_time(&claim, now)?;
        let signed_headers: Vec<&str> = claim.signed_headers.split(';').collect();
        check_signed_headers(parts, &signed_headers, claim.expires.is_some())?;
        Ok((claim, key))
    }

    fn finish(
        &self,
        parts: &Parts,
        claim: Claim<'_>,
        key: Key,
        payload: &str,
    ) -> Result<Identity, AuthError> {
        let signed_headers: Vec<&str> = claim.signed_headers.split(';').collect();
        let hash = canonical::hash(parts, &claim.scope.service, &signed_headers, payload)?;
        let text = string_to_sign(&claim.stamp, &claim.scope, &hash);
        let given = hex::decode(claim.signature.as_bytes()).map_err(|_| AuthError::Mismatch)?;
        let mut mac = keyed(&self.signing_key(&key.secret, &claim.scope));
        mac.update(text.as_bytes());
        // In constant time: the answer's delay must not tell how much was right.
        mac.verify_slice(&given).map_err(|_| AuthError::Mismatch)?;
        Ok(Identity {
            access_key: claim.scope.access_key,
            principal: key.principal,
            region: claim.scope.region,
            service: claim.scope.service,
        })
    }

    fn check_scope(&self, claim: &Claim<'_>, services: &[&str]) -> Result<(), AuthError> {
        let scope = &claim.scope;
        let refuse = |message: String| Err(AuthError::Scope(message));
        if scope.terminator != TERMINATOR {
            return refuse(format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'.",
                scope.terminator
            ));
        }
        if !services.contains(&scope.service.as_str()) {
            return refuse(format!(
                "Credential should be scoped to correct service: '{}'.",
                services.first().copied().unwrap_or_default()
            ));
        }
        // IAM and STS are global: their clients may sign for us-east-1 wherever they are.
        let is_global = matches!(scope.service.as_str(), "iam" | "sts");
        if scope.region != self.region.as_str() && !(is_global && scope.region == "us-east-1") {
            return refuse(format!(
                "Credential should be scoped to a valid region, not '{}'.",
                scope.region
            ));
        }
        let day = &claim.stamp[..8];
        if scope.date != day {
            return refuse(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from '{}'.",
                scope.date, claim.stamp
            ));
        }
        Ok(())
    }

    fn signing_key(&self, secret: &str, scope: &CredentialScope) -> [u8; 32] {
        // A panic elsewhere cannot leave the map half changed.
        let mut cache = self
            .signing_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache.get(scope)
            && cached.secret == secret
        {
            return cached.key;
        }
        let key = derive(secret, &scope.date, &scope.region, &scope.service);
        if cache.len() >= CACHED_KEYS {
            // Yesterday's keys go with the rest; refilling costs microseconds.
            cache.clear();
        }
        let secret = secret.to_owned();
        cache.insert(scope.clone(), CachedKey { secret, key });
        key
    }
}

pub(super) fn derive(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let first = format!("AWS4{secret}");
    let key = hmac(first.as_bytes(), date.as_bytes());
    let key = hmac(&key, region.as_bytes());
    let key = hmac(&key, service.as_bytes());
    hmac(&key, TERMINATOR.as_bytes())
}

pub(super) fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub(super) fn string_to_sign(stamp: &str, scope: &CredentialScope, hash: &str) -> String {
    format!("{ALGORITHM}\n{stamp}\n{}\n{hash}", scope.signed_form())
}

fn keyed(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn check_session(claim: &Claim<'_>, key: &Key, now: Timestamp) -> Result<(), AuthError> {
    let same = match (&claim.token, &key.session_token) {
        (None, None) => true,
        // Comparing digests takes the same time wherever the texts differ.
        (Some(given), Some(kept)) => {
            Sha256::digest(given.as_bytes()) == Sha256::digest(kept.as_bytes())
        }
        _ => false,
    };
    if !same {
        return Err(AuthError::UnknownKey);
    }
    match key.expires {
        Some(end) if end <= now => Err(AuthError::ExpiredToken),
        _ => Ok(()),
    }
}

fn check_time(claim: &Claim<'_>, now: Timestamp) -> Result<(), AuthError> {
    let latest = now.plus_millis(SKEW_MILLIS);
    if claim.at > latest {
        return Err(AuthError::Expired(format!(
            "Signature not yet current: {} is still later than {} ({} + 5 min.)",
            claim.stamp,
            stamp(latest),
            stamp(now)
        )));
    }
    match claim.expires {
        None => {
            let earliest = now.plus_millis(-SKEW_MILLIS);
            if claim.at < earliest {
                return Err(AuthError::Expired(format!(
                    "Signature expired: {} is now earlier than {} ({} - 5 min.)",
                    claim.stamp,
                    stamp(earliest),
                    stamp(now)
                )));
            }
        }
        Some(seconds) => {
            let end = claim.at.plus_millis(i64::from(seconds) * 1000);
            if end < now {
                return Err(AuthError::Expired(format!(
                    "Signature expired: {} is now earlier than {}",
                    stamp(end),
                    stamp(now)
                )));
            }
        }
    }
    Ok(())
}

/// What decides over a request must be under its signature: the host, and the
/// `x-amz-` headers, which name the operation and how it is carried out.
fn check_signed_headers(parts: &Parts, signed: &[&str], presigned: bool) -> Result<(), AuthError> {
    let unsigned = |name: &str| {
        Err(AuthError::Scope(format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        )))
    };
    if !signed.contains(&"host") {
        return unsigned("Host");
    }
    let is_plain = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
    };
    if !signed.iter().all(is_plain) || !signed.is_sorted() {
        return Err(AuthError::Mismatch);
    }
    for name in parts.headers.keys().map(http::HeaderName::as_str) {
        // SDKs leave these out where they are free to.
        let exempt = name == "x-amz-user-agent" || (presigned && name == CONTENT_SHA256);
        if name.starts_with("x-amz-") && !exempt && !signed.contains(&name) {
            return unsigned(name);
        }
    }
    Ok(())
}

/// What a request's head says of its body.
fn declared(parts: &Parts) -> Result<Option<&str>, AuthError> {
    match parts.headers.get(CONTENT_SHA256) {
        Some(value) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(AuthError::PayloadMismatch),
        },
        None => Ok(None),
    }
}

/// Whether the head says that no body follows. In HTTP/2 one may follow that it does not
/// mention.
fn is_bodiless(parts: &Parts) -> bool {
    match parts.headers.get(CONTENT_LENGTH) {
        Some(length) => length == "0",
        None => parts.version < Version::HTTP_2 && !parts.headers.contains_key(TRANSFER_ENCODING),
    }
}

/// The last line of the canonical request.
fn payload_hash<'a>(
    parts: &'a Parts,
    claim: &Claim<'_>,
    payload: &[u8],
) -> Result<Cow<'a, str>, AuthError> {
    let declared = declared(parts)?;
    let is_presigned = claim.expires.is_some();
    match declared {
        Some(UNSIGNED) => return Ok(UNSIGNED.into()),
        None if is_presigned && claim.scope.service == "s3" => return Ok(UNSIGNED.into()),
        _ => {}
    }
    let computed = hex::encode(Sha256::digest(payload));
    match declared {
        Some(declared) if declared != computed => Err(AuthError::PayloadMismatch),
        _ => Ok(computed.into()),
    }
}
