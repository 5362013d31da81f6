//! What is kept of an API key: never the key itself.

use std::collections::BTreeMap;

use ring::digest;
use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::error::{ApiKeyError, NotLetIn};

/// After this moment (RFC 3339) a key lets nobody in. A tag, since AWS's keys have no
/// member for it.
pub const EXPIRES: &str = "squall:expires";
/// Paths of routes that a key is for, with blanks between; a tag like the one above.
pub const ROUTES: &str = "squall:routes";

/// Whose key it is, where several are one caller's: what belongs to the caller of one
/// belongs to that of all. A tag like those above; a key that replaces another has it.
pub const OWNER: &str = "squall:owner";
const LONGEST_OWNER: usize = 64;

/// AWS's own bounds.
const SHORTEST_VALUE: usize = 20;
const LONGEST_VALUE: usize = 128;
const LONGEST_TEXT: usize = 1024;
const MOST_TAGS: usize = 50;
/// 256 bits by chance, as 43 letters and digits.
const SECRET_BYTES: usize = 32;
const HINT: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    /// SHA-256 of the key, in hex. Keys are long and made by chance: they need no salt.
    pub(super) digest: String,
    /// Its last letters, by which its owner knows it again.
    pub hint: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// `API/STAGE` that it is for; none is all of them.
    pub stages: Vec<String>,
    pub customer_id: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// What a client wants a key to be.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    pub name: Option<String>,
    pub description: Option<String>,
    pub enabled: bool,
    /// Else it is made.
    pub value: Option<Secret>,
    pub stages: Vec<String>,
    pub customer_id: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// What is different from now on; None is what stays.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub customer_id: Option<String>,
    pub add_stages: Vec<String>,
    pub remove_stages: Vec<String>,
}

/// A key's value, which no log shows.
#[derive(Clone)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(...)")
    }
}

impl Secret {
    pub fn new(text: String) -> Result<Self, ApiKeyError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if plain && (SHORTEST_VALUE..=LONGEST_VALUE).contains(&text.len()) {
            return Ok(Self(text));
        }
        Err(ApiKeyError::Invalid(format!(
            "API Key value must be {SHORTEST_VALUE} to {LONGEST_VALUE} plain characters"
        )))
    }

    pub(super) fn random() -> Result<Self, ApiKeyError> {
        let text = letters(SECRET_BYTES, 43).map_err(ApiKeyError::Random)?;
        Ok(Self(text))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn hint(&self) -> String {
        self.0[self.0.len() - HINT..].to_owned()
    }
}

/// By which a key is found.
pub fn hash(value: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, value))
}

/// The id of a key, or of what belongs to keys.
pub(crate) fn random_id() -> Result<String, getrandom::Error> {
    letters(8, 10).map(|text| text.to_ascii_lowercase())
}

/// Random bytes as a number written in letters and digits.
fn letters(bytes: usize, length: usize) -> Result<String, getrandom::Error> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = vec![0_u8; bytes];
    getrandom::fill(&mut number)?;
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        let mut rest = 0_usize;
        for byte in &mut number {
            let value = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        text.push(char::from(ALPHABET[rest]));
    }
    Ok(text)
}

impl ApiKey {
    /// A key that nobody keeps yet, and its value, which is nowhere else.
    pub fn make(new: NewApiKey) -> Result<(Self, Secret), ApiKeyError> {
        let name = new.name.unwrap_or_default();
        let description = new.description.unwrap_or_default();
        check_text("name", &name)?;
        check_text("description", &description)?;
        check_text("customerId", new.customer_id.as_deref().unwrap_or_default())?;
        check_tags(&new.tags)?;
        new.stages.iter().try_for_each(|stage| check_stage(stage))?;
        let secret = new.value.map_or_else(Secret::random, Ok)?;
        let now = Timestamp::now();
        let key = Self {
            id: random_id().map_err(ApiKeyError::Random)?,
            name,
            description,
            enabled: new.enabled,
            digest: hash(secret.text().as_bytes()),
            hint: secret.hint(),
            created: now,
            updated: now,
            stages: new.stages,
            customer_id: new.customer_id,
            tags: new.tags,
        };
        Ok((key, secret))
    }

    /// The hash by which it is found.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it lets somebody call a route.
    pub fn check(&self, stage: &str, route: &str, now: Timestamp) -> Result<(), NotLetIn> {
        if !self.enabled {
            return Err(NotLetIn::Disabled);
        }
        if self.expires().is_some_and(|end| end <= now) {
            return Err(NotLetIn::Expired);
        }
        let in_stage = self.stages.is_empty() || self.stages.iter().any(|own| own == stage);
        let routes = self.tags.get(ROUTES);
        let in_route = routes.is_none_or(|routes| routes.split(' ').any(|own| covers(own, route)));
        if in_stage && in_route {
            Ok(())
        } else {
            Err(NotLetIn::OutOfScope)
        }
    }

    /// To whom belongs what is made with it, such as jobs.
    pub fn owner(&self) -> &str {
        self.tags.get(OWNER).unwrap_or(&self.id)
    }

    /// A text that is no moment is one that is over: a key must not live longer because
    /// of a mistake.
    pub fn expires(&self) -> Option<Timestamp> {
        let text = self.tags.get(EXPIRES)?;
        let parsed = text.parse::<jiff::Timestamp>();
        Some(Timestamp(parsed.map_or(0, jiff::Timestamp::as_millisecond)))
    }
}

/// A route, and what lies below it: pages of a map's jobs, and those of a site, are routes
/// of their own.
pub fn covers(own: &str, route: &str) -> bool {
    let above = route.strip_suffix("/{proxy+}");
    let above = above.or_else(|| route.strip_suffix('/'));
    own == route || above.is_some_and(|above| own.trim_end_matches('/') == above)
}

pub(super) fn check_text(what: &str, text: &str) -> Result<(), ApiKeyError> {
    if text.chars().count() <= LONGEST_TEXT {
        return Ok(());
    }
    Err(ApiKeyError::Invalid(format!(
        "{what} has more than {LONGEST_TEXT} characters"
    )))
}

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ApiKeyError> {
    if tags.len() > MOST_TAGS {
        return Err(ApiKeyError::Invalid(format!(
            "an API key has at most {MOST_TAGS} tags"
        )));
    }
    if let Some(text) = tags.get(EXPIRES)
        && text.parse::<jiff::Timestamp>().is_err()
    {
        return Err(ApiKeyError::Invalid(format!(
            "the tag {EXPIRES} is no moment such as 2027-01-31T00:00:00Z"
        )));
    }
    if let Some(owner) = tags.get(OWNER) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if !(1..=LONGEST_OWNER).contains(&owner.len()) || !owner.bytes().all(plain) {
            return Err(ApiKeyError::Invalid(format!(
                "the tag {OWNER} is not 1 to {LONGEST_OWNER} letters, digits and -_.@"
            )));
        }
    }
    for (name, value) in tags {
        check_text(name, value)?;
        check_text("the name of a tag", name)?;
    }
    Ok(())
}

pub(super) fn check_stage(stage: &str) -> Result<(), ApiKeyError> {
    let parts: Vec<&str> = stage.split('/').collect();
    if parts.len() == 2 && parts.iter().all(|part| !part.is_empty()) {
        return Ok(());
    }
    let shown: String = stage.chars().take(100).collect();
    Err(ApiKeyError::Invalid(format!(
        "{shown} is no stage of an API: use API/STAGE"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ApiKey {
        ApiKey {
            id: "a".to_owned(),
            name: String::new(),
            description: String::new(),
            enabled: true,
            digest: String::new(),
            hint: String::new(),
            created: Timestamp(0),
            updated: Timestamp(0),
            stages: vec![],
            customer_id: None,
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn values_are_long_and_differ() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.text().len(), 43);
        assert!(one.text().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one.text(), other.text());
        assert!(one.text().ends_with(&one.hint()));
        assert!(!format!("{one:?}").contains(one.text()));
        assert!(Secret::new("x".repeat(19)).is_err());
        assert!(Secret::new(format!("{} ", "x".repeat(30))).is_err());
    }

    #[test]
    fn what_belongs_to_a_key_belongs_to_the_one_that_replaces_it() {
        let tags = BTreeMap::from([(OWNER.to_owned(), "a".to_owned())]);
        check_tags(&tags).unwrap();
        let newer = ApiKey {
            id: "b".to_owned(),
            tags,
            ..key()
        };
        assert_eq!((key().owner(), newer.owner()), ("a", "a"));
        for odd in ["", "a b", "a/b", &"x".repeat(65)] {
            let tags = BTreeMap::from([(OWNER.to_owned(), odd.to_owned())]);
            assert!(check_tags(&tags).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_key_lets_in_where_it_is_for() {
        let now = Timestamp(1_000_000);
        let check = |key: &ApiKey| key.check("api/dev", "/admission", now);
        assert_eq!(check(&key()), Ok(()));
        let disabled = ApiKey {
            enabled: false,
            ..key()
        };
        assert_eq!(check(&disabled), Err(NotLetIn::Disabled));
        for (stages, expected) in [
            (vec!["api/dev"], Ok(())),
            (vec!["api/prod"], Err(NotLetIn::OutOfScope)),
            (vec!["api/prod", "api/dev"], Ok(())),
        ] {
            let stages: Vec<String> = stages.into_iter().map(str::to_owned).collect();
            let scoped = ApiKey { stages, ..key() };
            assert_eq!(check(&scoped), expected);
        }
        for (name, value, expected) in [
            (EXPIRES, "1970-01-01T00:16:40.001Z", Ok(())),
            (EXPIRES, "1970-01-01T00:16:40Z", Err(NotLetIn::Expired)),
            (EXPIRES, "some day", Err(NotLetIn::Expired)),
            (ROUTES, "/other /admission", Ok(())),
            (ROUTES, "/admission/more", Err(NotLetIn::OutOfScope)),
            (ROUTES, "/adm", Err(NotLetIn::OutOfScope)),
        ] {
            let tags = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let tagged = ApiKey { tags, ..key() };
            assert_eq!(check(&tagged), expected, "{name} {value}");
        }
        for (own, route, covered) in [
            ("/maps", "/maps/{proxy+}", true),
            ("/", "/{proxy+}", true),
            ("/pages", "/pages/", true),
            ("/pages/", "/pages", false),
            ("/maps", "/{proxy+}", false),
            ("/", "/maps/{proxy+}", false),
            ("$default", "$default", true),
        ] {
            assert_eq!(covers(own, route), covered, "{own} {route}");
        }
    }
}
