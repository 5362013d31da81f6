//! Who brings an API key, as the function that an HTTP API of AWS asks: its authorizer. What
//! is known of a key lies in a bucket under its hash, so nothing is kept here that could be
//! out of date: API Gateway itself believes each answer for a while.

use std::collections::BTreeMap;

use anyhow::anyhow;
use engine::api_keys::{ApiKey, NotLetIn, hash};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use super::functions::Remote;
use crate::place;
use crate::s3::{S3, S3Error};

const HEADER: &str = "x-api-key";
/// More than is ever kept of a key.
const MOST_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub struct Doorkeeper {
    s3: S3,
    bucket: String,
}

/// What API Gateway asks, in its second format.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    route_key: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Asked {
    fn read(event: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(event)
            .map_err(|error| format!("this is no question about a caller: {error}"))
    }

    /// The key as it came; two come as one text, which is no key.
    fn key(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(HEADER));
        found.map(|(_, key)| key.as_str())
    }

    /// `/admission` of `GET /admission`.
    fn route(&self) -> &str {
        let key = &self.route_key;
        key.split_once(' ').map_or(key.as_str(), |(_, path)| path)
    }
}

impl Doorkeeper {
    pub fn new(address: &str) -> anyhow::Result<Self> {
        let place = place::Remote::parse(address);
        let place = place.map_err(|failure| anyhow!(failure.message()))?;
        let (bucket, _) = place.pair();
        Ok(Self {
            s3: S3::new(Remote::client()?, 1),
            bucket: bucket.to_owned(),
        })
    }

    /// An error lets nobody in: API Gateway answers 500.
    pub async fn answer(&self, event: &[u8]) -> Result<Vec<u8>, String> {
        let asked = Asked::read(event)?;
        let known = match asked.key() {
            Some(key) => self.find(&hash(key.as_bytes())).await?,
            None => None,
        };
        let verdict = verdict(known.as_ref(), asked.route(), Timestamp::now());
        Ok(verdict.to_string().into_bytes())
    }

    /// What is known of the key with this hash. A look by hash tells by its time nothing that
    /// would lead to a key.
    async fn find(&self, digest: &str) -> Result<Option<ApiKey>, String> {
        let unreadable = |error: S3Error| format!("the keys cannot be read: {}", error.line());
        let mut reply = match self.s3.get(&self.bucket, digest, None).await {
            Ok(reply) => reply,
            Err(S3Error::Answered { status, code, .. })
                if status == StatusCode::NOT_FOUND && code == "NoSuchKey" =>
            {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(error)),
        };
        let bytes = reply.whole(MOST_BYTES).await;
        let bytes = bytes.map_err(|error| unreadable(error.into()))?;
        let key: ApiKey = serde_json::from_slice(&bytes)
            .map_err(|error| format!("what is kept of the key {digest} is no key: {error}"))?;
        if key.digest() != digest {
            return Err(format!(
                "what is kept of the key {digest} is of another one"
            ));
        }
        Ok(Some(key))
    }
}

/// The simple form of an answer. Functions behind the route see whose key it was.
fn verdict(known: Option<&ApiKey>, route: &str, now: Timestamp) -> Value {
    // Keys in the bucket are of one stage of one project.
    let let_in = known.ok_or(NotLetIn::Unknown).and_then(|key| {
        key.check("", route, now)?;
        Ok(key)
    });
    match let_in {
        Ok(key) => json!({
            "isAuthorized": true,
            "context": { "apiKeyId": key.id, "apiKeyName": key.name },
        }),
        Err(why) => {
            if let Some(key) = known {
                crate::output::note(&format!("the key {} does not open {route}: {why}", key.id));
            }
            json!({ "isAuthorized": false })
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::api_keys::{EXPIRES, NewApiKey, ROUTES};

    use super::*;

    fn key(tags: &[(&str, &str)]) -> ApiKey {
        let tags = tags.iter();
        let new = NewApiKey {
            name: Some("page".to_owned()),
            enabled: true,
            tags: tags
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..NewApiKey::default()
        };
        ApiKey::make(new).unwrap().0
    }

    #[test]
    fn a_key_and_a_route_are_read_from_what_is_asked() {
        let read = |event: Value| Asked::read(event.to_string().as_bytes());
        let asked = read(json!({
            "version": "2.0",
            "type": "REQUEST",
            "routeKey": "GET /a/{id}",
            "identitySource": ["GET /a/{id}", "k"],
            "headers": { "X-Api-Key": "k", "host": "h" },
        }));
        let asked = asked.unwrap();
        assert_eq!((asked.key(), asked.route()), (Some("k"), "/a/{id}"));
        let other = read(json!({ "routeKey": "$default" })).unwrap();
        assert_eq!((other.key(), other.route()), (None, "$default"));
        assert!(read(json!({ "rawPath": "/" })).is_err());
    }

    #[test]
    fn only_a_key_that_is_good_for_the_route_opens_it() {
        let now = Timestamp(1_000_000);
        let opens = |key: &ApiKey| verdict(Some(key), "/a", now)["isAuthorized"].clone();
        assert_eq!(opens(&key(&[])), true);
        assert_eq!(opens(&key(&[(ROUTES, "/b /a")])), true);
        assert_eq!(opens(&key(&[(ROUTES, "/b")])), false);
        assert_eq!(opens(&key(&[(EXPIRES, "1970-01-01T00:16:41Z")])), true);
        assert_eq!(opens(&key(&[(EXPIRES, "1970-01-01T00:16:40Z")])), false);
        assert_eq!(verdict(None, "/a", now), json!({ "isAuthorized": false }));
        let answer = verdict(Some(&key(&[])), "/a", now);
        assert_eq!(answer["context"]["apiKeyName"], "page");
    }
}
