//! What [`crate::spec`] says, as a JSON schema: editors complete fields, explain them and
//! underline mistakes by it. `docs/squall.schema.json` is this, written down.

use serde_json::{Map, Value, json};

use crate::spec::{self, Kind, Needed, Table};

/// The schema of `squall.toml`, with a newline at its end.
pub fn schema() -> String {
    let mut schema = table(&spec::FILE);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "squall.toml".into();
    schema["description"] = "A project of Squall: docs/project.md tells all of it.".into();
    let text = serde_json::to_string_pretty(&schema).expect("JSON can be written");
    text + "\n"
}

fn table(spec: &Table) -> Value {
    let mut properties = Map::new();
    for field in spec.fields {
        let mut value = of(&field.kind);
        let mut doc = field.doc.to_owned();
        if let Some(default) = field.default {
            doc = format!("{doc} Default: {default}");
        }
        value["description"] = doc.into();
        properties.insert(field.name.to_owned(), value);
    }
    let fields = spec.fields.iter();
    let needed: Vec<&str> = fields
        .filter(|field| field.needed == Needed::Yes)
        .map(|field| field.name)
        .collect();
    let mut value = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        value["required"] = needed.into();
    }
    value
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Text(form) => json!({"type": "string", "pattern": form.pattern}),
        Kind::Number(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Kind::OneOf(words) => json!({"enum": words}),
        Kind::OneNumberOf(numbers) => json!({"enum": numbers}),
        Kind::Truth => json!({"type": "boolean"}),
        Kind::Off => json!({"const": false}),
        Kind::Plain => json!({"type": ["string", "number", "boolean"]}),
        Kind::List(kind) => json!({"type": "array", "items": of(kind)}),
        Kind::Named(form, kind) => json!({
            "type": "object",
            "propertyNames": {"pattern": form.pattern},
            "additionalProperties": of(kind),
        }),
        Kind::Table(spec) => table(spec),
        Kind::AnyTable => json!({"type": "object"}),
        Kind::Any => json!({}),
        Kind::Either(kinds) => {
            let kinds: Vec<Value> = kinds.iter().map(of).collect();
            json!({"anyOf": kinds})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a change of `spec`: `squall init --schema > docs/squall.schema.json`.
    #[test]
    fn the_published_schema_is_this_one() {
        let published = include_str!("../../../docs/squall.schema.json");
        assert!(
            schema() == published,
            "docs/squall.schema.json is not up to date"
        );
    }

    #[test]
    fn the_documentation_names_every_field() {
        let documentation = include_str!("../../../docs/project.md");
        let mut tables = vec![&spec::FILE];
        while let Some(table) = tables.pop() {
            for field in table.fields {
                let name = format!("`{}`", field.name);
                let heading = format!("[{}", field.name);
                let example = format!(" {} = ", field.name);
                assert!(
                    [name, heading, example]
                        .iter()
                        .any(|text| documentation.contains(text)),
                    "docs/project.md does not name {} of {}",
                    field.name,
                    table.name
                );
                tables.extend(inner(&field.kind));
            }
        }
    }

    fn inner(kind: &'static Kind) -> Vec<&'static Table> {
        match kind {
            Kind::Table(table) => vec![table],
            Kind::List(kind) | Kind::Named(_, kind) => inner(kind),
            Kind::Either(kinds) => kinds.iter().flat_map(inner).collect(),
            _ => Vec::new(),
        }
    }
}
