//! Tokens (JWT, RFC 7519): how they are read, and what they must say. Nothing of a token
//! is believed before its signature holds, but for what is needed to look at that.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engine::http_apis::JwtAuthorizer;
use serde::Deserialize;
use serde_json::{Map, Value};
use types::Timestamp;

use super::key_set::Algorithm;
use crate::caller::Claims;

/// No issuer makes longer ones, and no header takes much more.
const LONGEST: usize = 16 * 1024;
/// How far the clocks of issuer and engine may be apart.
const LEEWAY_SECONDS: f64 = 10.0;

/// Why a token lets nobody in. The texts are for who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum BadToken {
    #[error("no token came with the request")]
    Missing,
    #[error("the token is longer than {LONGEST} bytes")]
    TooLong,
    #[error("invalid number of segments")]
    Segments,
    #[error("the {0} of the token cannot be read")]
    Garbled(&'static str),
    #[error("signing method {0} is invalid")]
    Algorithm(String),
    #[error("the token asks for what is not known here (crit)")]
    Critical,
    #[error("no key of the issuer fits the token")]
    NoKey,
    #[error("the signature is invalid")]
    Signature,
    #[error("the keys of the issuer could not be fetched")]
    NoKeys,
    #[error("invalid issuer")]
    Issuer,
    #[error("invalid audience")]
    Audience,
    #[error("the token does not say when it ends (exp)")]
    Endless,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token was issued in the future")]
    FromTheFuture,
    #[error("the token has none of the scopes that the route asks for")]
    Scope,
}

/// A token taken apart.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    /// What was signed.
    pub message: &'a str,
    pub signature: Vec<u8>,
    claims: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl BadToken {
    /// Whether it looks like somebody who tries things out: a token that was good once,
    /// or is good elsewhere, does not.
    pub fn is_guess(&self) -> bool {
        match self {
            Self::TooLong
            | Self::Segments
            | Self::Garbled(_)
            | Self::Algorithm(_)
            | Self::Critical
            | Self::NoKey
            | Self::Signature => true,
            Self::Missing
            | Self::NoKeys
            | Self::Issuer
            | Self::Audience
            | Self::Endless
            | Self::Expired
            | Self::NotYet
            | Self::FromTheFuture
            | Self::Scope => false,
        }
    }
}

/// The token in the text of an identity source, which may say `Bearer` before it.
pub(super) fn bare(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => text,
    }
}

impl<'a> Token<'a> {
    pub fn read(text: &'a str) -> Result<Self, BadToken> {
        if text.is_empty() {
            return Err(BadToken::Missing);
        }
        if text.len() > LONGEST {
            return Err(BadToken::TooLong);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(BadToken::Segments)?;
        let (header, claims) = message.split_once('.').ok_or(BadToken::Segments)?;
        if claims.contains('.') {
            return Err(BadToken::Segments);
        }
        let decode = |part: &str, name| {
            let decoded = BASE64_URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_| BadToken::Garbled(name))
        };
        let header: Header = serde_json::from_slice(&decode(header, "header")?)
            .map_err(|_| BadToken::Garbled("header"))?;
        if header.crit.is_some() {
            return Err(BadToken::Critical);
        }
        let algorithm =
            Algorithm::named(&header.alg).ok_or_else(|| BadToken::Algorithm(plain(&header.alg)))?;
        let claims = serde_json::from_slice(&decode(claims, "content")?)
            .map_err(|_| BadToken::Garbled("content"))?;
        Ok(Self {
            algorithm,
            key_id: header.kid,
            message,
            signature: decode(signature, "signature")?,
            claims,
        })
    }

    /// What the token says, if that is what is asked for. Look at its signature first.
    pub fn check(
        self,
        wanted: &JwtAuthorizer,
        scopes: &[String],
        now: Timestamp,
    ) -> Result<Claims, BadToken> {
        let claims = &self.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(wanted.issuer.as_str()) {
            return Err(BadToken::Issuer);
        }
        // Access tokens of some issuers are for nobody, but of somebody.
        let audience = claims.get("aud").or_else(|| claims.get("client_id"));
        let audience = audience.map(texts).unwrap_or_default();
        if !audience
            .iter()
            .any(|one| wanted.audience.iter().any(|own| own == one))
        {
            return Err(BadToken::Audience);
        }
        check_time(claims, now)?;
        let own = scopes_of(claims);
        if !scopes.is_empty() && !own.iter().any(|own| scopes.iter().any(|one| one == own)) {
            return Err(BadToken::Scope);
        }
        let texts = claims.iter();
        Ok(Claims {
            issuer: wanted.issuer.clone(),
            subject: subject(claims),
            texts: texts
                .map(|(name, value)| (name.clone(), as_text(value)))
                .collect(),
            scopes: (!scopes.is_empty()).then(|| own.into_iter().map(str::to_owned).collect()),
        })
    }
}

/// By what its owner is known, where it says that.
fn subject(claims: &Map<String, Value>) -> Option<String> {
    let named = ["sub", "client_id"]
        .iter()
        .find_map(|name| claims.get(*name)?.as_str());
    named.filter(|name| !name.is_empty()).map(str::to_owned)
}

fn check_time(claims: &Map<String, Value>, now: Timestamp) -> Result<(), BadToken> {
    #[expect(clippy::cast_precision_loss, reason = "seconds of our times are exact")]
    let now = (now.0 / 1000) as f64;
    let date = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(BadToken::Garbled(name)),
    };
    let end = date("exp")?.ok_or(BadToken::Endless)?;
    if end <= now - LEEWAY_SECONDS {
        return Err(BadToken::Expired);
    }
    if date("nbf")?.is_some_and(|begin| begin > now + LEEWAY_SECONDS) {
        return Err(BadToken::NotYet);
    }
    if date("iat")?.is_some_and(|issued| issued > now + LEEWAY_SECONDS) {
        return Err(BadToken::FromTheFuture);
    }
    Ok(())
}

/// `scope` with blanks between, or `scp`, a list with some issuers.
fn scopes_of(claims: &Map<String, Value>) -> Vec<&str> {
    let named = ["scope", "scp"].iter().filter_map(|name| claims.get(*name));
    named
        .flat_map(texts)
        .flat_map(|text| text.split(' ').filter(|scope| !scope.is_empty()))
        .collect()
}

/// One text, or several.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// In the spelling in which API Gateway hands claims on: lists as `[a b]`, objects as
/// `map[name:value]`.
fn as_text(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::String(text) => text.clone(),
        Value::Array(many) => format!("[{}]", joined(many.iter().map(as_text).collect())),
        Value::Object(many) => {
            let pairs = many.iter();
            let pairs = pairs.map(|(name, value)| format!("{name}:{}", as_text(value)));
            format!("map[{}]", joined(pairs.collect()))
        }
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// What may stand in a header and a log.
fn plain(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    letters.take(20).collect()
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
