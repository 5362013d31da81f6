//! One line of JSON: the fields of an object that are wanted, as the text has them.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Problem;

/// What a line says, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    Null,
    Flag(&'a str),
    Number(&'a str),
    /// With its quotes.
    Text(&'a str),
    /// An object or a list.
    Nested(&'a str),
}

impl<'a> Said<'a> {
    /// Of a value that is known to be one.
    fn of(json: &'a str) -> Self {
        match json.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Flag(json),
            Some(b'"') => Self::Text(json),
            Some(b'{' | b'[') => Self::Nested(json),
            _ => Self::Number(json),
        }
    }
}

/// The text that a JSON string stands for.
pub fn unquoted(json: &str) -> std::borrow::Cow<'_, str> {
    let inner = json.get(1..json.len() - 1).unwrap_or_default();
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return inner.into();
    }
    let text = serde_json::from_str::<String>(json);
    // What is half of a surrogate pair cannot be text.
    text.unwrap_or_else(|_| json.to_owned()).into()
}

/// Whether a line is one JSON value.
pub fn check(line: &str) -> Result<(), Problem> {
    serde_json::from_str::<IgnoredAny>(line)
        .map(|_| ())
        .map_err(|error| not_json(&error))
}

/// Tells `take` of each field of an object: which of the names it has, if any, the
/// name, and what is said there.
pub fn fields<'a>(
    line: &'a str,
    names: &[String],
    take: &mut dyn FnMut(Option<usize>, &str, Said<'a>),
) -> Result<(), Problem> {
    if !line.starts_with('{') {
        check(line)?;
        return Err(Problem::NotAnObject);
    }
    let mut json = serde_json::Deserializer::from_str(line);
    let read = json.deserialize_map(Object { names, take });
    read.and_then(|()| json.end())
        .map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    let detail = said.split(" at line ").next().unwrap_or_default();
    Problem::NotJson {
        at: error.column(),
        detail: detail.to_owned(),
    }
}

struct Object<'n, 't, 'a> {
    names: &'n [String],
    take: &'t mut dyn FnMut(Option<usize>, &str, Said<'a>),
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        // Nearly always fields come in the order that they had before.
        let mut next = 0;
        let mut text = String::new();
        while map.next_key_seed(Name { text: &mut text })?.is_some() {
            let is_it = |at: &usize| self.names[*at] == text;
            let count = self.names.len();
            let found = (next..count).chain(0..next.min(count)).find(is_it);
            next = found.map_or(next, |at| at + 1);
            let json: &RawValue = map.next_value().map_err(A::Error::custom)?;
            (self.take)(found, &text, Said::of(json.get()));
        }
        Ok(())
    }
}

/// Reads a name into memory that is there already.
struct Name<'t> {
    text: &'t mut String,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.text.clear();
        self.text.push_str(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(Option<usize>, String)>, String> {
        let names = ["id".to_owned(), "value".to_owned()];
        let mut found = Vec::new();
        let mut take = |at, name: &str, said: Said| found.push((at, format!("{name} {said:?}")));
        match fields(line, &names, &mut take) {
            Ok(()) => Ok(found),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn fields_are_found_in_any_order() {
        let found = read(r#"{"value": 1.50, "x": {"id": 3}, "\u0069d": "a\"b", "n": null}"#);
        let expected = [
            (Some(1), "value Number(\"1.50\")"),
            (None, "x Nested(\"{\\\"id\\\": 3}\")"),
            (Some(0), r#"id Text("\"a\\\"b\"")"#),
            (None, "n Null"),
        ];
        assert_eq!(
            found,
            Ok(expected.map(|(at, said)| (at, said.to_owned())).to_vec())
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (line, said) in [
            ("[1]", "not an object"),
            ("{\"id\": }", "not JSON: expected value at character 8"),
            (
                "{\"id\": 1} 2",
                "not JSON: trailing characters at character 11",
            ),
            (
                "{\"id\": 1",
                "not JSON: EOF while parsing an object at character 8",
            ),
            ("{\"id\": NaN}", "not JSON: expected value at character 8"),
        ] {
            assert_eq!(read(line), Err(said.to_owned()), "{line}");
        }
    }

    #[test]
    fn quotes_and_escapes_go_away() {
        assert_eq!(unquoted(r#""plain""#), "plain");
        assert_eq!(unquoted(r#""a\n\u00e4""#), "a\n\u{e4}");
    }
}
