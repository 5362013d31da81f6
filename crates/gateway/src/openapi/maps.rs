//! Routes to maps: a table in, a table out, and jobs for who does not wait.

use engine::http_apis::MapTarget;
use serde_json::{Map, Value, json};

use super::components::{Errors, reference};
use super::operation::Draft;
use crate::map_service::Pairs;

/// Columns that an example has where the route names no others.
const ID: &str = "id";
const VALUE: &str = "value";

/// What a table may be answered with.
const TABLES: [&str; 5] = [
    "text/csv",
    "application/json",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
];

/// What is told of a job: a name, where it stands below the map, and its method.
pub(super) const OF_JOB: [(&str, &str, &str); 4] = [
    ("state", "/jobs/{job}", "get"),
    ("end", "/jobs/{job}", "delete"),
    ("result", "/jobs/{job}/result", "get"),
    ("failures", "/jobs/{job}/failures", "get"),
];

/// Which of a map's paths a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The map itself, to which tables go.
    Table,
    /// What is below it: its jobs.
    Jobs,
}

/// `job` is the name of the variable that stands for one.
pub(super) fn drafts(
    target: &MapTarget,
    part: Part,
    schemas: &mut Map<String, Value>,
) -> Vec<Draft> {
    for (name, schema) in shared() {
        schemas.entry(name).or_insert(schema);
    }
    match part {
        Part::Table => vec![
            table("put", &target.options),
            table("post", &target.options),
        ],
        Part::Jobs => jobs(),
    }
}

fn table(method: &str, options: &Pairs) -> Draft {
    let summary = "Send a table, get a row for each id";
    let mut draft = Draft::new(method, "map", summary, Errors::Service);
    draft.description = vec![
        "The rows are grouped by their ids, the groups go to the function, and the answer is a \
         table with a row for each id, sorted by it."
            .to_owned(),
        "The body may be packed with gzip or zstd.".to_owned(),
    ];
    draft.parameters = parameters(options);
    draft.takes_body = true;
    draft.alike = true;
    draft.body = Some(body(options));
    let count = |description: &str| json!({ "description": description, "schema": { "type": "integer", "minimum": 0 } });
    let text =
        |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let mut done = json!({
        "description": "The results.",
        "content": results(),
        "headers": {
            "squall-items": count("Items that were worked on."),
            "squall-failed": count("Items that failed, where on_error is collect."),
            "squall-invocations": count("Invocations of the function that it took."),
        },
    });
    done["headers"]["server-timing"] = text("How long it took.");
    draft.answers.insert("200".to_owned(), done);
    draft.answers.insert(
        "202".to_owned(),
        json!({
            "description": "A job was accepted, because Prefer says respond-async.",
            "content": { "application/json": { "schema": reference("schemas", "AcceptedJob") } },
            "headers": {
                "Location": text("The job."),
                "Preference-Applied": text("respond-async"),
            },
        }),
    );
    draft.refused = vec![
        "403", "406", "409", "415", "422", "429", "502", "503", "504", "507",
    ];
    draft
}

/// The media types of a table's answer.
fn results() -> Value {
    let row = json!({ "type": "object" });
    let rows = json!({ "type": "array", "items": row });
    let mut content = json!({});
    for kind in TABLES {
        content[kind] = match kind {
            "text/csv" => json!({ "schema": { "type": "string" } }),
            "application/json" => json!({ "schema": { "anyOf": [rows, {
                "type": "object",
                "description": "Where on_error is collect.",
                "required": ["results", "failures"],
                "properties": { "results": rows, "failures": reference("schemas", "Failures") },
            }] } }),
            _ => json!({}),
        };
    }
    content
}

fn column<'a>(options: &'a Pairs, option: &str, usual: &'a str) -> &'a str {
    options.get(option).map_or(usual, String::as_str)
}

/// A cell of CSV, in quotes if it must be.
pub(super) fn csv_cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn body(options: &Pairs) -> Value {
    let id = column(options, "id_column", ID);
    let value = column(options, "value_column", VALUE);
    let rows = [("a", 1, 0.5), ("a", 2, 0.75), ("b", 1, 2.0), ("b", 2, 1.5)];
    let mut csv = format!("{},time,{}\n", csv_cell(id), csv_cell(value));
    let mut lines = String::new();
    for (who, time, number) in rows {
        csv = format!("{csv}{who},{time},{number}\n");
        let line = json!({ id: who, "time": time, value: number });
        lines = format!("{lines}{line}\n");
    }
    json!({
        "required": true,
        "description": format!("A table with the columns {id} and {value}, unless options name others."),
        "content": {
            "text/csv": { "schema": { "type": "string" }, "example": csv },
            "application/x-ndjson": { "schema": { "type": "string" }, "example": lines },
            "application/vnd.apache.parquet": {},
            "application/vnd.apache.arrow.file": {},
        },
    })
}

/// An option's name, what it may be, what it is for, and what it is if nobody says it.
type Described = (&'static str, Value, &'static str, &'static str);

fn described() -> [Described; 10] {
    let truth = || json!({ "type": "boolean" });
    let one_of = |names: &[&str]| json!({ "type": "string", "enum": names });
    let column = || json!({ "type": "string", "minLength": 1 });
    [
        (
            "chunksize",
            json!({ "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": u32::MAX },
                { "type": "string", "enum": ["auto"] },
            ] }),
            "Items in one payload.",
            "auto",
        ),
        (
            "id_column",
            column(),
            "The column by which rows are grouped.",
            ID,
        ),
        ("value_column", column(), "The column of the values.", VALUE),
        (
            "compression",
            truth(),
            "Whether payloads are packed on their way to the function.",
            "false",
        ),
        (
            "invoke_lambda",
            truth(),
            "Whether the items go to several instances at once.",
            "true",
        ),
        (
            "item",
            one_of(&["auto", "series", "array", "list", "frame", "dict", "json"]),
            "As what the function gets an item; auto is as the function says.",
            "auto",
        ),
        (
            "format",
            one_of(&["auto", "json", "zlib", "columns"]),
            "The form of payloads.",
            "auto",
        ),
        (
            "on_error",
            one_of(&["stop", "collect"]),
            "Whether the first item that fails ends all, or failures stand beside the results.",
            "stop",
        ),
        (
            "retries",
            json!({ "type": "integer", "minimum": 0, "maximum": 100 }),
            "How often an item that fails is tried again.",
            "0",
        ),
        (
            "max_time",
            json!({ "type": "integer", "minimum": 1, "maximum": 86_400 }),
            "Seconds after which it is given up.",
            "",
        ),
    ]
}

/// Each with the value that the route gives it.
fn parameters(options: &Pairs) -> Vec<Value> {
    let mut shown: Vec<Value> = described()
        .into_iter()
        .map(|(name, mut schema, description, usual)| {
            let given = options.get(name).map_or(usual, String::as_str);
            if !given.is_empty() {
                schema["default"] = typed(&schema, given);
            }
            json!({ "name": name, "in": "query", "description": description, "schema": schema })
        })
        .collect();
    // Preferences that nobody knows are passed over, so any text is good.
    shown.push(json!({
        "name": "Prefer",
        "in": "header",
        "description": "respond-async makes a job of it that nobody waits for.",
        "schema": { "type": "string", "examples": ["respond-async"] },
    }));
    shown
}

/// A value of an option as its schema has it.
pub(super) fn typed(schema: &Value, text: &str) -> Value {
    let number = || {
        text.parse::<u64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
    };
    match schema["type"].as_str() {
        Some("boolean") => {
            let yes = ["true", "1", "yes", "on"];
            yes.contains(&text.to_ascii_lowercase().as_str()).into()
        }
        Some("string") => text.into(),
        _ => number().unwrap_or_else(|_| text.into()),
    }
}

fn jobs() -> Vec<Draft> {
    let one = |method: &str, below: &'static str, summary: &str| {
        let mut draft = Draft::new(method, "map", summary, Errors::Service);
        draft.below = below;
        draft.refused = vec!["403", "404", "410"];
        draft
    };
    let json = |description: &str, schema: &str| {
        json!({
            "description": description,
            "content": { "application/json": { "schema": reference("schemas", schema) } },
        })
    };
    let mut state = one("get", "/jobs/{job}", "How far a job is");
    state
        .answers
        .insert("200".to_owned(), json("The job.", "Job"));
    let mut end = one(
        "delete",
        "/jobs/{job}",
        "Cancel a job, or forget its result",
    );
    end.answers
        .insert("204".to_owned(), json!({ "description": "It is done." }));
    let mut result = one("get", "/jobs/{job}/result", "The results of a job");
    result.answers.insert(
        "200".to_owned(),
        json!({ "description": "The results.", "content": results() }),
    );
    // A job that failed answers with the status that its request would have got.
    result.refused.extend([
        "400", "406", "408", "409", "413", "415", "422", "429", "502", "503", "504", "507",
    ]);
    let mut failures = one(
        "get",
        "/jobs/{job}/failures",
        "The items of a job that failed",
    );
    failures
        .answers
        .insert("200".to_owned(), json("The failures.", "Failures"));
    vec![state, end, result, failures]
}

fn shared() -> [(String, Value); 3] {
    let text = json!({ "type": "string" });
    let states = [
        "waiting",
        "running",
        "complete",
        "failed",
        "cancelled",
        "interrupted",
    ];
    [
        (
            "AcceptedJob".to_owned(),
            json!({
                "type": "object",
                "required": ["job", "state", "status", "result"],
                "properties": {
                    "job": text,
                    "state": { "type": "string", "enum": ["waiting"] },
                    "status": { "type": "string", "description": "The path at which it is shown." },
                    "result": { "type": "string", "description": "The path of its results." },
                },
            }),
        ),
        (
            "Job".to_owned(),
            json!({
                "type": "object",
                "required": ["job", "state"],
                "properties": {
                    "job": text,
                    "state": { "type": "string", "examples": states },
                    "function": text,
                    "items": { "type": ["integer", "null"] },
                    "failed": { "type": "integer" },
                    "result": text,
                    "error": reference("schemas", "Error"),
                },
            }),
        ),
        (
            "Failures".to_owned(),
            json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "errorType", "message"],
                    "properties": {
                        "errorType": { "type": ["string", "null"] },
                        "message": { "type": ["string", "null"] },
                        "attempts": { "type": "integer" },
                    },
                },
            }),
        ),
    ]
}
