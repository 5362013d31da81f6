//! The issuers of tokens and their keys: given with the authorizer, at an address, or where
//! the issuer's own description says. Keys are kept, and fetched again in time, or when a
//! token names one that is not known; while an issuer is away, its last ones are believed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_client::web::{Bounds, Web, WebError};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine::http_apis::{JwtAuthorizer, PartId};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

use super::key_set::{BadKeys, KeySet, NotSigned};
use super::token::{BadToken, Token};

/// Of keys, and of what an issuer says of itself.
const BOUNDS: Bounds = Bounds {
    bytes: 256 << 10,
    time: Duration::from_secs(5),
};
/// After so long keys are fetched again, while those that are there are still used.
const FRESH: Duration = Duration::from_mins(5);
/// An issuer that did not help is not asked again for so long, whatever tokens say.
const PAUSE: Duration = Duration::from_secs(10);
/// Authorizers are few; what is not used any more goes when there are so many.
const MOST_ISSUERS: usize = 1_000;
const MOST_STATES: usize = 1_000;
/// Below an issuer's address, what it says of itself.
const DESCRIPTION: &str = "/.well-known/openid-configuration";

/// The keys of all issuers.
#[derive(Debug)]
pub(super) struct Issuers {
    web: Web,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_source: HashMap<Source, Arc<Issuer>>,
    /// By the authorizers of one state of a stage: their sources may be long, and need not
    /// be compared with each request.
    by_state: HashMap<u64, Vec<(PartId, Arc<Issuer>)>>,
}

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    /// `data:...`
    Given(String),
    At(String),
    /// Where the issuer says.
    Discovered(String),
}

pub(super) struct Issuer {
    source: Source,
    web: Web,
    kept: Mutex<Kept>,
    /// Held by who fetches, so that one does it for all.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    keys: Option<Arc<KeySet>>,
    /// When they were last asked for, with or without success.
    asked: Option<Instant>,
    /// Fetches while the old keys are used. [`BOUNDS`] end it.
    behind: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("it is no data: URI that can be read")]
    Data,
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("{url} answers {status}")]
    Status { url: String, status: StatusCode },
    #[error("what the issuer says of itself cannot be read")]
    Description(#[source] serde_json::Error),
    #[error("{0} says that it is another issuer: {1:?}")]
    OtherIssuer(String, String),
    #[error("an issuer at https:// has its keys at {0:?}, which is not safe")]
    Unsafe(String),
    #[error(transparent)]
    Keys(#[from] BadKeys),
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Issuers {
    pub fn new(web: Web) -> Self {
        Self {
            web,
            known: Mutex::default(),
        }
    }

    /// The issuer of an authorizer. `state` is that of the authorizer's stage.
    pub fn issuer(&self, state: u64, id: &PartId, of: &JwtAuthorizer) -> Arc<Issuer> {
        let mut known = self.known.lock();
        let mut here = known.by_state.get(&state).into_iter().flatten();
        if let Some((_, issuer)) = here.find(|(own, _)| own == id) {
            return Arc::clone(issuer);
        }
        if known.by_state.len() >= MOST_STATES {
            known.by_state.clear();
        }
        let issuer = known.of(&self.web, Source::of(of));
        let here = known.by_state.entry(state).or_default();
        here.push((id.clone(), Arc::clone(&issuer)));
        issuer
    }
}

impl Known {
    /// One for all authorizers that have their keys from it.
    fn of(&mut self, web: &Web, source: Source) -> Arc<Issuer> {
        if let Some(issuer) = self.by_source.get(&source) {
            return Arc::clone(issuer);
        }
        if self.by_source.len() >= MOST_ISSUERS {
            self.by_source.clear();
        }
        let made = Arc::new(Issuer {
            source: source.clone(),
            web: web.clone(),
            kept: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        });
        self.by_source.insert(source, Arc::clone(&made));
        made
    }
}

fn judge(keys: &KeySet, token: &Token<'_>) -> Result<(), NotSigned> {
    let id = token.key_id.as_deref();
    keys.verify(
        token.algorithm,
        id,
        token.message.as_bytes(),
        &token.signature,
    )
}

impl Source {
    fn of(authorizer: &JwtAuthorizer) -> Self {
        match &authorizer.keys {
            None => Self::Discovered(authorizer.issuer.clone()),
            Some(keys) if keys.starts_with("data:") => Self::Given(keys.clone()),
            Some(keys) => Self::At(keys.clone()),
        }
    }

    fn is_fixed(&self) -> bool {
        matches!(self, Self::Given(_))
    }

    /// For logs: keys that are given need not stand there.
    fn shown(&self) -> &str {
        match self {
            Self::Given(_) => "data:",
            Self::At(url) | Self::Discovered(url) => url,
        }
    }
}

impl Issuer {
    /// Whether the token's signature is by a key of the issuer.
    pub async fn verify(self: &Arc<Self>, token: &Token<'_>) -> Result<(), BadToken> {
        let keys = self.keys().await.ok_or(BadToken::NoKeys)?;
        match judge(&keys, token) {
            Err(NotSigned::NoKey) => {}
            Err(NotSigned::Wrong) => return Err(BadToken::Signature),
            Ok(()) => return Ok(()),
        }
        // The issuer may have a new key since.
        let newer = self.fetch_after(&keys).await;
        let newer = newer.ok_or(BadToken::NoKey)?;
        judge(&newer, token).map_err(|why| match why {
            NotSigned::NoKey => BadToken::NoKey,
            NotSigned::Wrong => BadToken::Signature,
        })
    }

    /// The keys that are there; if there are none yet, they are waited for.
    async fn keys(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        let now = Instant::now();
        {
            let mut kept = self.kept.lock();
            if let Some(keys) = kept.keys.clone() {
                let old = kept.asked.is_none_or(|asked| now - asked >= FRESH);
                let idle = kept
                    .behind
                    .as_ref()
                    .is_none_or(AbortOnDropHandle::is_finished);
                if old && idle && !self.source.is_fixed() {
                    let issuer = Arc::clone(self);
                    let fetch = async move {
                        let _turn = issuer.turn.lock().await;
                        issuer.fetch().await;
                    };
                    kept.behind = Some(AbortOnDropHandle::new(tokio::spawn(fetch)));
                }
                return Some(keys);
            }
        }
        let _turn = self.turn.lock().await;
        let kept = self.kept();
        // Somebody may have fetched them meanwhile, or tried in vain.
        if kept.0.is_some() || !may_ask(kept.1) {
            return kept.0;
        }
        self.fetch().await
    }

    /// Other keys than those in which something was missing, if there are any.
    async fn fetch_after(&self, missed: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        if self.source.is_fixed() {
            return None;
        }
        let _turn = self.turn.lock().await;
        let (keys, asked) = self.kept();
        if keys.as_ref().is_some_and(|keys| !Arc::ptr_eq(keys, missed)) {
            return keys;
        }
        if may_ask(asked) {
            self.fetch().await
        } else {
            None
        }
    }

    fn kept(&self) -> (Option<Arc<KeySet>>, Option<Instant>) {
        let kept = self.kept.lock();
        (kept.keys.clone(), kept.asked)
    }

    /// Only for who has the turn. The last good keys stay where there are no new ones.
    async fn fetch(&self) -> Option<Arc<KeySet>> {
        {
            let mut kept = self.kept.lock();
            if kept.keys.is_some() {
                // Who hangs up while it is asked does not shorten the pause.
                kept.asked = Some(Instant::now());
            }
        }
        let found = self.find().await;
        let mut kept = self.kept.lock();
        kept.asked = Some(Instant::now());
        match found {
            Ok(keys) => {
                kept.keys = Some(Arc::new(keys));
            }
            Err(error) => {
                let has_old = kept.keys.is_some();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    source = self.source.shown(),
                    error,
                    has_old,
                    "the keys of an issuer of tokens could not be fetched"
                );
            }
        }
        kept.keys.clone()
    }

    async fn find(&self) -> Result<KeySet, NoKeys> {
        let text = match &self.source {
            Source::Given(uri) => given(uri).ok_or(NoKeys::Data)?,
            Source::At(url) => self.get(url).await?,
            Source::Discovered(issuer) => {
                let url = self.discover(issuer).await?;
                self.get(&url).await?
            }
        };
        Ok(KeySet::read(&text)?)
    }

    /// Where an issuer says that its keys are.
    async fn discover(&self, issuer: &str) -> Result<String, NoKeys> {
        #[derive(Deserialize)]
        struct Description {
            issuer: String,
            jwks_uri: String,
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let text = self.get(&format!("{base}{DESCRIPTION}")).await?;
        let said: Description = serde_json::from_slice(&text).map_err(NoKeys::Description)?;
        if said.issuer != issuer {
            let other = said.issuer.chars().take(200).collect();
            return Err(NoKeys::OtherIssuer(issuer.to_owned(), other));
        }
        if issuer.starts_with("https://") && !said.jwks_uri.starts_with("https://") {
            return Err(NoKeys::Unsafe(said.jwks_uri.chars().take(200).collect()));
        }
        Ok(said.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<Bytes, NoKeys> {
        let accept = HeaderValue::from_static("application/json, application/jwk-set+json");
        let headers = HeaderMap::from_iter([(ACCEPT, accept)]);
        let fetched = self.web.get(url, headers, BOUNDS).await?;
        if fetched.status == StatusCode::OK {
            return Ok(fetched.body);
        }
        // Neither is a redirect followed: nobody named the place to which it leads.
        Err(NoKeys::Status {
            url: url.to_owned(),
            status: fetched.status,
        })
    }
}

fn may_ask(asked: Option<Instant>) -> bool {
    asked.is_none_or(|asked| asked.elapsed() >= PAUSE)
}

/// What stands in a `data:` URI.
fn given(uri: &str) -> Option<Bytes> {
    let (kind, data) = uri.strip_prefix("data:")?.split_once(',')?;
    if kind.ends_with(";base64") {
        return BASE64_STANDARD.decode(data).ok().map(Bytes::from);
    }
    let text = percent_encoding::percent_decode_str(data);
    Some(text.collect::<Vec<u8>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_data_uris() {
        for (uri, text) in [
            ("data:application/json;base64,e30=", Some("{}")),
            ("data:application/json,%7B%7D", Some("{}")),
            ("data:,{}", Some("{}")),
            ("data:application/json;base64,e30", None),
            ("data:x", None),
            ("x,y", None),
        ] {
            let found = given(uri).map(|text| String::from_utf8(text.to_vec()).unwrap());
            assert_eq!(found.as_deref(), text, "{uri}");
        }
    }
}
