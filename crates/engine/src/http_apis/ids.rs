//! Ids of APIs and their parts, and names of stages. Each has one way in, `FromStr`.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::HttpApiError;

/// What is no id, or no name, of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct BadId(&'static str);

/// Declares a newtype over a shared string, valid by construction.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $reason:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // So that maps by ids can be asked with what a client sent.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(BadId($reason)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The longest label of a host name.
const LABEL: usize = 63;

id!(
    /// The id of an API. It is the first label of the API's host name.
    ApiId,
    "1 to 63 lower-case letters, digits and inner dashes",
    |text| {
        (1..=LABEL).contains(&text.len())
            && text.bytes().all(|byte| is_plain(byte) || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
);

id!(
    /// The id of a route, an integration or a deployment.
    PartId,
    "1 to 10 lower-case letters and digits",
    |text| (1..=10).contains(&text.len()) && text.bytes().all(is_plain)
);

id!(
    /// `$default`, or the first segment of the paths of a stage.
    StageName,
    "$default, or 1 to 128 letters, digits, - and _",
    |text| {
        text == StageName::DEFAULT
            || ((1..=128).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
    }
);

id!(
    /// A host name of an account's own, or `*.` and the name below which it stands.
    DomainName,
    "a host name in lower case, such as api.example.com or *.example.com",
    |text| {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let label = |label: &str| {
            (1..=LABEL).contains(&label.len())
                && label.bytes().all(|byte| is_plain(byte) || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        text.len() <= 253
            && name.split('.').all(label)
            // Neither an address nor the name under which everything else is served.
            && !last.bytes().all(|byte| byte.is_ascii_digit())
            && name != "localhost"
    }
);

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

impl StageName {
    /// The stage that is served without a segment of its own.
    pub const DEFAULT: &'static str = "$default";

    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

impl ApiId {
    pub(super) fn random() -> Result<Self, HttpApiError> {
        random(10).map(|text| Self(text.into()))
    }

    /// The name of an API as a label of a host, so that its address can be read; None
    /// if nothing is left of it.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let mut label = String::new();
        for letter in name.chars() {
            let letter = letter.to_ascii_lowercase();
            if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
                label.push(letter);
            } else if !label.is_empty() && !label.ends_with('-') {
                label.push('-');
            }
            if label.len() == LABEL {
                break;
            }
        }
        label.trim_end_matches('-').parse().ok()
    }
}

impl PartId {
    pub(super) fn random() -> Result<Self, HttpApiError> {
        random(7).map(|text| Self(text.into()))
    }
}

/// Letters and digits by chance. That some of them come a little more often does no
/// harm: they are to be different, not secret.
fn random(length: usize) -> Result<String, HttpApiError> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(HttpApiError::Random)?;
    let letters = bytes.iter().map(|byte| ALPHABET[usize::from(byte % 36)]);
    Ok(letters.take(length).map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_label_that_can_be_read() {
        let long = "x".repeat(200);
        for (name, label) in [
            ("features-dev", Some("features-dev")),
            ("My API (v2)", Some("my-api-v2")),
            ("--a__b--", Some("a-b")),
            ("ä", None),
            ("", None),
            (long.as_str(), Some(&long[..63])),
        ] {
            let id = ApiId::of_name(name);
            assert_eq!(id.as_ref().map(ApiId::as_str), label, "{name}");
        }
    }

    #[test]
    fn ids_and_names_have_one_form() {
        for text in ["a", "a-b", "0a"] {
            assert!(text.parse::<ApiId>().is_ok(), "{text}");
        }
        for text in ["", "-a", "a-", "A", "a.b", "a/b", &"a".repeat(64)] {
            assert!(text.parse::<ApiId>().is_err(), "{text}");
        }
        for text in ["$default", "prod", "Prod_1-x"] {
            assert!(text.parse::<StageName>().is_ok(), "{text}");
        }
        for text in ["", "$Default", "a/b", "a b", &"a".repeat(129)] {
            assert!(text.parse::<StageName>().is_err(), "{text}");
        }
        assert!(ApiId::random().unwrap().as_str().parse::<ApiId>().is_ok());
        assert_ne!(PartId::random().unwrap(), PartId::random().unwrap());
    }
}
