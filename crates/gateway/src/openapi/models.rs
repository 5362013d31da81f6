//! Routes to models: the fields of a row as the model knows them, the options of a
//! prediction, and what an example row is answered with.

use engine::http_apis::ModelTarget;
use model::input::{Cell, Field, FieldKind};
use serde_json::{Map, Value, json};

use super::components::{Errors, reference};
use super::maps::{csv_cell, typed};
use super::operation::Draft;
use crate::map_service::Pairs;
use crate::model_service::{Current, ModelRoute, example_answer};

/// Options that the model's own fields may hide are known by this before their names.
const APART: char = '_';

/// `name` is what begins the names of the model's schemas. Without a model, because it is
/// not there yet, less is known.
pub(super) fn drafts(
    target: &ModelTarget,
    current: Option<&Current>,
    name: &str,
    schemas: &mut Map<String, Value>,
) -> Vec<Draft> {
    let fields = current.map(|current| current.loaded.model.fields());
    let coerces = target.options.get("coerce").is_some_and(|text| {
        let no = ["false", "0", "no", "off"];
        !no.contains(&text.to_ascii_lowercase().as_str())
    });
    let row = fields.map_or_else(
        || json!({ "type": "object", "description": "The model is not there yet." }),
        |fields| row(fields, coerces),
    );
    let row = put(schemas, &format!("{name}.Row"), row);
    let prediction = put(schemas, &format!("{name}.Prediction"), prediction());
    let about = put(schemas, "Model", about());
    let example = current.and_then(|current| answered(target, current, &target.options));

    let mut by_query = draft("get", "Predict a row that is in the query", target, current);
    by_query
        .description
        .push("Without a row the answer says what the model is and wants.".to_owned());
    let required = fields.is_some_and(|fields| fields.len() > 1);
    let mut parameters: Vec<Value> = fields
        .unwrap_or_default()
        .iter()
        .map(|field| in_query(field, required))
        .collect();
    parameters.append(&mut by_query.parameters);
    by_query.parameters = parameters;
    let one = json!({ "anyOf": [prediction, about] });
    by_query
        .answers
        .insert("200".to_owned(), answer(&one, example.as_ref()));

    let rows = json!({ "anyOf": [row, { "type": "array", "items": row }] });
    let predictions = json!({ "anyOf": [prediction, { "type": "array", "items": prediction }] });
    let mut all = vec![by_query];
    for method in ["post", "put"] {
        let mut by_body = draft(method, "Predict rows", target, current);
        by_body.description.push(
            "One object, a list of them, or CSV. JSON may also be an object of lists.".to_owned(),
        );
        by_body.takes_body = true;
        by_body.alike = true;
        by_body.body = Some(body(&rows, fields));
        by_body
            .answers
            .insert("200".to_owned(), answer(&predictions, example.as_ref()));
        all.push(by_body);
    }
    all
}

fn draft(method: &str, summary: &str, target: &ModelTarget, current: Option<&Current>) -> Draft {
    let mut draft = Draft::new(method, "model", summary, Errors::Service);
    draft.parameters = options(target, current);
    draft.refused = vec!["400", "403", "406", "413", "415", "501", "503"];
    draft
}

/// The name of a schema becomes a reference to it.
fn put(schemas: &mut Map<String, Value>, name: &str, schema: Value) -> Value {
    let mut own = name.to_owned();
    let mut count = 1;
    while schemas.get(&own).is_some_and(|there| *there != schema) {
        count += 1;
        own = format!("{name}-{count}");
    }
    let shown = reference("schemas", &own);
    schemas.insert(own, schema);
    shown
}

fn row(fields: &[Field], coerces: bool) -> Value {
    let properties = fields
        .iter()
        .map(|field| (field.name.to_string(), in_json(field, coerces)));
    let properties: Map<String, Value> = properties.collect();
    let required: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "examples": [example(fields)],
    })
}

/// What a field takes in JSON; null is a value that is missing.
fn in_json(field: &Field, coerces: bool) -> Value {
    let levels = || field.levels.iter().map(|level| Value::from(&**level));
    let typed = |kind: &str| json!({ "type": [kind, "null"] });
    match (field.kind, field.levels.is_empty()) {
        // Text that is a number is one, then, and a number is a level.
        (FieldKind::Number, _) if coerces => json!({ "anyOf": [
            { "type": ["number", "boolean", "null"] },
            { "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$" },
        ] }),
        (FieldKind::Logical, _) if coerces => {
            json!({ "enum": [true, false, null, "true", "false", "TRUE", "FALSE"] })
        }
        (FieldKind::Text, true) if coerces => {
            json!({ "type": ["number", "boolean", "string", "null"] })
        }
        (FieldKind::Number, _) => typed("number"),
        (FieldKind::Logical, _) => typed("boolean"),
        (FieldKind::Text, true) => typed("string"),
        (FieldKind::Text, false) if !coerces => {
            json!({ "enum": levels().chain([Value::Null]).collect::<Vec<_>>() })
        }
        (FieldKind::Any, true) => json!({ "type": ["number", "boolean", "string", "null"] }),
        (FieldKind::Text | FieldKind::Any, false) => {
            let numbers = field
                .levels
                .iter()
                .filter_map(|level| level.parse::<i64>().ok());
            let all = levels()
                .chain(numbers.map(Value::from))
                .chain([Value::Null]);
            json!({ "enum": all.collect::<Vec<_>>() })
        }
    }
}

fn in_query(field: &Field, required: bool) -> Value {
    let schema = match (field.kind, field.levels.is_empty()) {
        (FieldKind::Number, _) => json!({ "type": ["number", "null"] }),
        (FieldKind::Logical, _) => json!({ "type": "boolean" }),
        (FieldKind::Text | FieldKind::Any, true) => json!({ "type": "string" }),
        (FieldKind::Text | FieldKind::Any, false) => {
            json!({ "type": "string", "enum": field.levels })
        }
    };
    json!({
        "name": &*field.name,
        "in": "query",
        "required": required,
        "schema": schema,
        "example": example_of(field),
        "x-squall-field": true,
    })
}

/// A first level, or a one: what every model is tried with before it is served.
fn example_of(field: &Field) -> Value {
    match (field.kind, field.levels.first()) {
        (FieldKind::Text | FieldKind::Any, Some(level)) => Value::from(&**level),
        (FieldKind::Text, None) => "".into(),
        (FieldKind::Logical, _) => true.into(),
        (FieldKind::Number | FieldKind::Any, _) => 1.into(),
    }
}

fn example(fields: &[Field]) -> Value {
    let values = fields
        .iter()
        .map(|field| (field.name.to_string(), example_of(field)));
    Value::Object(values.collect())
}

/// What the model says of the example row if it is asked so; None if it cannot.
fn answered(target: &ModelTarget, current: &Current, options: &Pairs) -> Option<Value> {
    let (bucket, key) = (target.bucket.clone(), target.key.clone());
    let route = ModelRoute::new(bucket, key, options.clone()).ok()?;
    let cells: Vec<Cell<'_>> = current
        .loaded
        .model
        .fields()
        .iter()
        .map(|field| match (field.kind, field.levels.first()) {
            (FieldKind::Text | FieldKind::Any, Some(level)) => Cell::Text(level),
            (FieldKind::Text, None) => Cell::Text(""),
            (FieldKind::Logical, _) => Cell::Logical(true),
            (FieldKind::Number | FieldKind::Any, _) => Cell::Number(1.0),
        })
        .collect();
    let written = example_answer(&current.loaded.model, &cells, &route)?;
    serde_json::from_slice(&written).ok()
}

/// Its columns depend on the options of the request.
fn prediction() -> Value {
    json!({
        "type": "object",
        "description": "What the model says of a row; the column fit, and what options ask for beside it.",
        "minProperties": 1,
    })
}

fn about() -> Value {
    json!({
        "type": "object",
        "description": "What a model is, and what it wants.",
        "required": ["model", "version", "fields"],
        "properties": {
            "model": { "type": "string" },
            "version": { "type": "string" },
            "fields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "type"],
                    "properties": {
                        "name": { "type": "string" },
                        "type": { "type": "string" },
                        "levels": { "type": "array", "items": { "type": "string" } },
                    },
                },
            },
        },
    })
}

fn answer(schema: &Value, example: Option<&Value>) -> Value {
    let mut json = json!({ "schema": schema });
    if let Some(example) = example {
        json["example"] = example.clone();
    }
    json!({
        "description": "What the model says.",
        "content": {
            "application/json": json,
            "text/csv": { "schema": { "type": "string" } },
        },
        "headers": {
            "x-squall-model-version": {
                "description": "Which state of the model has answered.",
                "schema": { "type": "string" },
            },
        },
    })
}

fn body(rows: &Value, fields: Option<&[Field]>) -> Value {
    let mut json = json!({ "schema": rows });
    let mut csv = json!({ "schema": { "type": "string" } });
    if let Some(fields) = fields {
        json["example"] = example(fields);
        csv["example"] = csv_example(fields).into();
    }
    json!({
        "required": true,
        "content": { "application/json": json, "text/csv": csv },
    })
}

fn csv_example(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| csv_cell(&field.name)).collect();
    let values = fields.iter().map(|field| match example_of(field) {
        Value::String(text) => csv_cell(&text),
        Value::Bool(true) => "TRUE".to_owned(),
        other => other.to_string(),
    });
    let values: Vec<_> = values.collect();
    format!("{}\n{}\n", names.join(","), values.join(","))
}

/// An option's name, what it may be, what it is for, and what it is if nobody says it.
type Described = (&'static str, Value, &'static str, &'static str);

fn described() -> [Described; 8] {
    let one_of = |names: &[&str]| json!({ "type": "string", "enum": names });
    let truth = || json!({ "type": "boolean" });
    [
        (
            "type",
            one_of(&["response", "link", "terms"]),
            "On which scale.",
            "response",
        ),
        (
            "se",
            truth(),
            "Whether standard errors come with it.",
            "false",
        ),
        (
            "interval",
            one_of(&["none", "confidence", "prediction"]),
            "Which interval comes with it.",
            "none",
        ),
        (
            "level",
            json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
            "How sure the interval is.",
            "0.95",
        ),
        (
            "threshold",
            json!({ "type": "number" }),
            "Above it the decision is yes; without it there is none.",
            "",
        ),
        (
            "decision",
            json!({
                "type": "string",
                "minLength": 1,
                "maxLength": 100,
                "not": { "enum": ["fit", "se_fit", "lwr", "upr"] },
            }),
            "What the decision is called.",
            "decision",
        ),
        (
            "coerce",
            truth(),
            "Whether numbers in text are numbers, and numbers are levels.",
            "false",
        ),
        (
            "max_rows",
            json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000 }),
            "More rows are refused; the route may bound it further.",
            "100000",
        ),
    ]
}

/// The options of a prediction, each with the value that the route gives it.
/// What this model cannot do is not among them.
fn options(target: &ModelTarget, current: Option<&Current>) -> Vec<Value> {
    let own = &target.options;
    let fields = current.map_or(&[][..], |current| current.loaded.model.fields());
    let can = |name: &str, value: &str| {
        let Some(current) = current else {
            return true;
        };
        let mut asked = own.clone();
        asked.insert(name.to_owned(), value.to_owned());
        answered(target, current, &asked).is_some()
    };
    let shown = described()
        .into_iter()
        .filter(|(name, ..)| *name != "se" || can(name, "true"))
        .map(|(name, mut schema, description, usual)| {
            if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                choices.retain(|choice| choice.as_str().is_none_or(|choice| can(name, choice)));
            }
            let given = own.get(name).map_or(usual, String::as_str);
            if !given.is_empty() {
                schema["default"] = typed(&schema, given);
            }
            let is_field = fields.iter().any(|field| *field.name == *name);
            let name = if is_field {
                format!("{APART}{name}")
            } else {
                name.to_owned()
            };
            json!({ "name": name, "in": "query", "description": description, "schema": schema })
        });
    shown.collect()
}
