//! Rows of a request: from its query, or from its body.

use std::sync::Arc;

use aws_wire::form;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use model::any::AnyModel;
use model::input::{Cell, Field};

use super::asked::{Asked, NAMES};
use super::refusal::Refusal;
use crate::map_service::shortened;

/// What a body is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Csv,
    /// What a page's form sends without a script.
    Form,
}

/// What came in a query or a form: a value for each field of the model, if any came.
#[derive(Debug)]
pub(crate) struct Given {
    values: Vec<Option<String>>,
    any: bool,
}

impl Given {
    /// Takes names and values apart: those of fields, and options, which go over what
    /// was asked before. A name that is both is a field; `_level` is always the option.
    pub fn read(text: &str, fields: &[Field], asked: &mut Asked) -> Result<Self, Refusal> {
        let mut given = Self {
            values: vec![None; fields.len()],
            any: false,
        };
        let bound = asked.max_rows;
        for (name, value) in form::pairs(text) {
            if let Some(at) = fields.iter().position(|field| *field.name == *name) {
                if given.values[at].replace(value).is_some() {
                    return Err(Refusal::Twice {
                        name: shortened(&name),
                    });
                }
                given.any = true;
                continue;
            }
            let option = name.strip_prefix('_').unwrap_or(&name);
            if !NAMES.contains(&option) {
                return Err(unknown(&name, fields));
            }
            asked.set(option, &value)?;
        }
        // A request may ask for less than its route lets it, not for more.
        asked.max_rows = asked.max_rows.min(bound);
        Ok(given)
    }

    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// The one row that it is.
    pub fn predict(&self, model: &AnyModel, asked: &Asked) -> Result<model::any::Answer, Refusal> {
        let fields = model.fields();
        let mut values = Vec::with_capacity(fields.len());
        for (field, text) in fields.iter().zip(&self.values) {
            let Some(text) = text else {
                return Err(self.missing(fields));
            };
            values.push(field.read(text, 1)?);
        }
        let cells: Vec<Cell<'_>> = values.iter().map(|value| value.as_cell()).collect();
        Ok(model.predict_row(&cells, &asked.ask())?)
    }

    fn missing(&self, fields: &[Field]) -> Refusal {
        let missing = fields.iter().zip(&self.values);
        let missing = missing.filter(|(_, value)| value.is_none());
        Refusal::Missing {
            missing: missing.map(|(field, _)| Arc::clone(&field.name)).collect(),
            needed: fields.iter().map(|field| Arc::clone(&field.name)).collect(),
        }
    }
}

fn unknown(name: &str, fields: &[Field]) -> Refusal {
    let fields = fields.iter().map(|field| Arc::clone(&field.name));
    let fields: Vec<_> = fields.collect();
    let names = fields.iter().map(|field| &**field).chain(NAMES);
    Refusal::UnknownField {
        nearest: nearest(name, names),
        name: shortened(name),
        fields,
    }
}

/// The name that differs least, if it differs little.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let most = name.chars().count() / 2;
    let near = names.filter(|other| other.len() <= LONGEST).map(|other| {
        let distance = distance(&name.to_lowercase(), &other.to_lowercase());
        (distance, other)
    });
    let near = near.filter(|(distance, _)| *distance <= most.clamp(1, 3));
    near.min().map(|(_, other)| other.to_owned())
}

/// How many letters must be put in, taken away or changed to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (place, &there) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != there);
            corner = row[place + 1];
            row[place + 1] = changed.min(corner + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

/// What the body is: as its sender says, or, for who says nothing that is true of it, as
/// it begins.
pub(crate) fn kind_of(parts: &Parts, body: &Bytes) -> Result<BodyKind, Refusal> {
    for value in parts.headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().unwrap_or("?");
        if !text.is_empty() && !text.eq_ignore_ascii_case("identity") {
            return Err(Refusal::Encoding {
                given: shortened(text),
            });
        }
    }
    let looks = || match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => BodyKind::Json,
        _ => BodyKind::Csv,
    };
    let Some(value) = parts.headers.get(CONTENT_TYPE) else {
        return Ok(looks());
    };
    let text = value.to_str().unwrap_or("?");
    let name = text.split(';').next().unwrap_or_default().trim();
    Ok(match name.to_ascii_lowercase().as_str() {
        "application/json" | "text/json" => BodyKind::Json,
        "text/csv" | "application/csv" => BodyKind::Csv,
        // What curl says of anything, too.
        "application/x-www-form-urlencoded" => match looks() {
            BodyKind::Csv if !body.contains(&b'\n') => BodyKind::Form,
            other => other,
        },
        "" | "application/octet-stream" | "binary/octet-stream" | "text/plain" => looks(),
        _ => {
            return Err(Refusal::MediaType {
                given: shortened(text),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_known_may_be_meant_for_one_that_is() {
        let names = || ["gre", "gpa", "rank", "threshold"].into_iter();
        for (name, meant) in [
            ("GRE", Some("gre")),
            ("grade", Some("gre")),
            ("rnak", Some("rank")),
            ("treshold", Some("threshold")),
            ("x", None),
            ("gp", Some("gpa")),
        ] {
            assert_eq!(nearest(name, names()).as_deref(), meant, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(1000), names()), None);
    }

    #[test]
    fn what_a_body_is() {
        let kind = |media_type: &str, body: &'static str| {
            let request = http::Request::builder().header(CONTENT_TYPE, media_type);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            kind_of(&parts, &Bytes::from(body)).ok()
        };
        for (media_type, body, expected) in [
            ("application/json; charset=utf-8", "x", Some(BodyKind::Json)),
            ("text/csv", "{", Some(BodyKind::Csv)),
            ("", " [", Some(BodyKind::Json)),
            ("text/plain", "a,b", Some(BodyKind::Csv)),
            (
                "application/x-www-form-urlencoded",
                "gre=8&gpa=4",
                Some(BodyKind::Form),
            ),
            (
                "application/x-www-form-urlencoded",
                "{\"gre\":8}",
                Some(BodyKind::Json),
            ),
            (
                "application/x-www-form-urlencoded",
                "gre\n8\n",
                Some(BodyKind::Csv),
            ),
            ("application/xml", "<a/>", None),
        ] {
            assert_eq!(kind(media_type, body), expected, "{media_type} {body}");
        }
    }
}
