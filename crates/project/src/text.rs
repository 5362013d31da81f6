//! Texts with places that only a deployment can fill, because names of buckets depend
//! on the account: `${bucket.lake}` in a function's environment.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// What a place stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `${bucket.NAME}`: the whole name of a bucket of the project.
    Bucket(String),
    /// `${function.NAME}`: the whole name of a function of the project.
    Function(String),
    /// `${project}`
    Project,
    /// `${stage}`
    Stage,
    /// `${account}`
    Account,
    /// `${region}`
    Region,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Place(Reference),
}

/// A text with places. `$${` is a plain `${`, and so is one with a colon between its
/// braces: policies have variables such as `${aws:username}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    #[error("a place that begins with ${{ has no }}")]
    Open,
    #[error(
        "${{{0}}} is none of ${{bucket.NAME}}, ${{function.NAME}}, ${{project}}, ${{stage}}, ${{account}}, ${{region}}; for a plain ${{ write $${{"
    )]
    Unknown(String),
}

impl Text {
    pub fn fill(&self, mut value: impl FnMut(&Reference) -> String) -> String {
        let parts = self.0.iter();
        parts
            .map(|part| match part {
                Part::Plain(text) => text.clone(),
                Part::Place(reference) => value(reference),
            })
            .collect()
    }

    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|part| match part {
            Part::Place(reference) => Some(reference),
            Part::Plain(_) => None,
        })
    }
}

impl FromStr for Text {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = after;
                continue;
            }
            plain.push_str(before);
            let (place, after) = after.split_once('}').ok_or(BadText::Open)?;
            rest = after;
            if place.contains(':') {
                plain.push_str("${");
                plain.push_str(place);
                plain.push('}');
                continue;
            }
            parts.extend(taken(&mut plain));
            parts.push(Part::Place(place.parse()?));
        }
        plain.push_str(rest);
        parts.extend(taken(&mut plain));
        Ok(Self(parts))
    }
}

fn taken(plain: &mut String) -> Option<Part> {
    (!plain.is_empty()).then(|| Part::Plain(std::mem::take(plain)))
}

impl FromStr for Reference {
    type Err = BadText;

    fn from_str(place: &str) -> Result<Self, BadText> {
        Ok(match (place, place.split_once('.')) {
            ("project", _) => Self::Project,
            ("stage", _) => Self::Stage,
            ("account", _) => Self::Account,
            ("region", _) => Self::Region,
            (_, Some(("bucket", name))) if !name.is_empty() => Self::Bucket(name.to_owned()),
            (_, Some(("function", name))) if !name.is_empty() => Self::Function(name.to_owned()),
            _ => return Err(BadText::Unknown(place.chars().take(100).collect())),
        })
    }
}

/// As it was written, but for places: they are what a reader of a plan wants to see.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fill(|reference| match reference {
            Reference::Bucket(name) => format!("${{bucket.{name}}}"),
            Reference::Function(name) => format!("${{function.{name}}}"),
            Reference::Project => "${project}".to_owned(),
            Reference::Stage => "${stage}".to_owned(),
            Reference::Account => "${account}".to_owned(),
            Reference::Region => "${region}".to_owned(),
        }))
    }
}

/// Fills the places of all texts in a JSON value. A text that is no [`Text`] stays as
/// it is: a project that was loaded has none.
pub fn fill_value(value: &Value, fill: &mut impl FnMut(&Reference) -> String) -> Value {
    match value {
        Value::String(text) => match text.parse::<Text>() {
            Ok(parsed) => Value::String(parsed.fill(&mut *fill)),
            Err(_) => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| fill_value(item, fill)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| (name.clone(), fill_value(value, fill)))
                .collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(text: &str) -> Result<String, BadText> {
        Ok(text.parse::<Text>()?.fill(|reference| match reference {
            Reference::Bucket(name) => format!("<{name}>"),
            Reference::Stage => "dev".to_owned(),
            other => format!("{other:?}"),
        }))
    }

    #[test]
    fn places_are_filled() {
        for (text, expected) in [
            ("", ""),
            ("plain $x {y}", "plain $x {y}"),
            ("s3://${bucket.lake}/raw-${stage}", "s3://<lake>/raw-dev"),
            ("$${bucket.lake}", "${bucket.lake}"),
            ("${aws:username}/${stage}", "${aws:username}/dev"),
            ("${account}${region}", "AccountRegion"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["${bucket", "${}", "${bucket.}", "${HOME}", "a${buckets.x}"] {
            assert!(filled(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_of_json_are_filled_and_the_rest_stays() {
        let value = serde_json::json!({"Resource": ["x/${bucket.lake}", 3, "${odd}"], "n": null});
        let found = fill_value(&value, &mut |_| "B".to_owned());
        let expected = serde_json::json!({"Resource": ["x/B", 3, "${odd}"], "n": null});
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn a_text_without_places_is_itself(text in "[^$]{0,40}") {
            prop_assert_eq!(filled(&text), Ok(text));
        }

        #[test]
        fn no_text_panics(text in "[${}a-z.]{0,20}") {
            let _ = filled(&text);
        }
    }
}
