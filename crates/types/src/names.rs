//! Names and ids. Each has one way in, `FromStr`, which checks what AWS checks;
//! past the edge of the process no bare `String` stands for a name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that is not a valid name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {kind}: {reason}")]
pub struct BadName {
    pub kind: &'static str,
    pub value: String,
    pub reason: &'static str,
}

impl BadName {
    pub(crate) fn new(kind: &'static str, value: &str, reason: &'static str) -> Self {
        // A hostile name can be megabytes long; an error message must not be.
        let value = value.chars().take(200).collect();
        Self {
            kind,
            value,
            reason,
        }
    }
}

/// Declares a newtype over a shared string, valid by construction.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $reason:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadName::new($kind, text, $reason))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

pub(crate) use name;

/// Letters, digits, `-` and `_`, between one and `max` of them.
fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

name!(
    /// The name of a function, without account, region or qualifier.
    FunctionName,
    "function name",
    "use 1 to 64 letters, digits, '-' and '_'",
    |text| is_word(text, 64)
);

name!(
    /// The name of an alias; all digits would be a version.
    AliasName,
    "alias name",
    "use 1 to 128 letters, digits, '-' and '_', not only digits",
    |text| is_word(text, 128) && !text.bytes().all(|b| b.is_ascii_digit())
);

name!(
    /// The name of a layer, without account or region.
    LayerName,
    "layer name",
    "use 1 to 140 letters, digits, '-' and '_'",
    |text| is_word(text, 140)
);

name!(
    /// A twelve-digit AWS account number.
    AccountId,
    "account id",
    "use 12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);

name!(
    /// A region such as `us-east-1`.
    Region,
    "region",
    "use a form such as us-east-1",
    |text| {
        let mut parts = text.rsplitn(2, '-');
        let number = parts.next().unwrap_or_default();
        let place = parts.next().unwrap_or_default();
        text.len() <= 32
            && (1..=2).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
            && place.contains('-')
            && place.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    }
);

/// `$LATEST`, or the number of a published version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Version {
    Latest,
    Number(u64),
}

impl FromStr for Version {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "$LATEST" {
            return Ok(Self::Latest);
        }
        let canonical = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if canonical => Ok(Self::Number(number)),
            _ => Err(BadName::new("version", text, "use $LATEST or a number")),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What follows the name of a function: a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Qualifier {
    Version(Version),
    Alias(AliasName),
}

impl FromStr for Qualifier {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if let Ok(version) = text.parse() {
            return Ok(Self::Version(version));
        }
        text.parse().map(Self::Alias).map_err(|_| {
            BadName::new(
                "qualifier",
                text,
                "use $LATEST, a version number or an alias name",
            )
        })
    }
}

impl TryFrom<String> for Qualifier {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Qualifier> for String {
    fn from(qualifier: Qualifier) -> String {
        qualifier.to_string()
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

/// The id of one invocation, as AWS writes request ids: a lower-case UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    pub fn bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl FromStr for RequestId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| BadName::new("request id", text, "use a UUID"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_what_aws_takes() {
        assert!("my-function_1".parse::<FunctionName>().is_ok());
        assert!("a".repeat(64).parse::<FunctionName>().is_ok());
        for bad in ["", "a b", "a/b", "ä", "..", &"a".repeat(65)] {
            assert!(bad.parse::<FunctionName>().is_err(), "{bad:?}");
        }
        assert!("123".parse::<AliasName>().is_err());
        assert!("us-east-1".parse::<Region>().is_ok());
        assert!("us-gov-west-1".parse::<Region>().is_ok());
        for bad in ["us", "us-1", "US-EAST-1", "us-east-"] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_qualifier_is_a_version_or_an_alias() {
        assert_eq!("$LATEST".parse(), Ok(Qualifier::Version(Version::Latest)));
        assert_eq!("7".parse(), Ok(Qualifier::Version(Version::Number(7))));
        assert!(matches!("live".parse(), Ok(Qualifier::Alias(_))));
        for bad in ["", "$latest", "07", "0", "a.b", "99999999999999999999999"] {
            assert!(bad.parse::<Qualifier>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_hostile_name_does_not_make_a_huge_message() {
        let error = "x/".repeat(1_000_000).parse::<FunctionName>().unwrap_err();
        assert!(error.to_string().len() < 400);
    }
}
