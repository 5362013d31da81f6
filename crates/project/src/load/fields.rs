//! Every field that may be said is read: it changes what comes of the file.

use std::fs;

use crate::Project;
use crate::spec::{self, Kind, Table};

/// For each field of a table a value that is not its default.
const SAID: [(&str, &[(&str, &str)]); 6] = [
    (
        "project",
        &[
            ("name", "\"lab\""),
            ("stage", "\"test\""),
            ("region", "\"eu-central-1\""),
            ("log_days", "1"),
        ],
    ),
    (
        "functions",
        &[
            ("runtime", "\"python3.12\""),
            ("handler", "\"g.handler\""),
            ("app", "\"f:app\""),
            ("build", "\"make\""),
            ("source", "\"code\""),
            ("include", "[\"*.py\"]"),
            ("exclude", "[\"*.txt\"]"),
            ("requirements", "[\"numpy\"]"),
            ("packages", "[\"jsonlite\"]"),
            (
                "layers",
                "[\"arn:aws:lambda:us-east-1:000000000000:layer:x:1\"]",
            ),
            ("architecture", "\"arm64\""),
            ("memory", "128"),
            ("timeout", "1"),
            ("tmp", "1024"),
            ("environment", "{ AB = 1 }"),
            ("secrets", "[\"AB\"]"),
            ("concurrency", "1"),
            ("start", "\"spawn\""),
            ("keep_warm", "1"),
            ("retries", "1"),
            ("max_age", "60"),
            ("on_success", "\"f\""),
            ("on_failure", "\"arn:aws:sqs:us-east-1:000000000000:x\""),
            ("url", "true"),
            ("calls", "[\"f\"]"),
            ("reads", "[\"b\"]"),
            ("writes", "[\"b/x\"]"),
            ("permissions", "[{ Action = \"x:Y\", Resource = \"*\" }]"),
            ("item", "\"list\""),
            ("slim", "true"),
        ],
    ),
    (
        "buckets",
        &[
            ("name", "\"whole-name\""),
            ("folder", "\"site\""),
            ("prefix", "\"x/\""),
            ("site", "true"),
            ("keep", "true"),
            ("cors", "[\"*\"]"),
        ],
    ),
    (
        "schedules",
        &[
            ("when", "\"rate(2 days)\""),
            ("timezone", "\"Europe/Berlin\""),
            ("function", "\"g\""),
            ("input", "[1, { a = 2.5 }]"),
            ("enabled", "false"),
        ],
    ),
    (
        "routes",
        &[
            ("path", "\"/a/{b+}\""),
            ("methods", "[\"GET\"]"),
            ("function", "\"g\""),
            ("map", "\"f\""),
            ("model", "\"b/m.rds\""),
            ("models", "[\"b/m.rds\", \"s3://their/n.rds\"]"),
            ("options", "{ chunksize = 5 }"),
            ("cors", "[\"*\"]"),
            ("key", "true"),
        ],
    ),
    (
        "triggers",
        &[
            ("bucket", "\"c\""),
            ("events", "[\"s3:ObjectRemoved:*\"]"),
            ("prefix", "\"x/\""),
            ("suffix", "\".csv\""),
            ("function", "\"g\""),
        ],
    ),
];

/// A file in which one table says one thing more than it must.
fn with(table: &str, field: &str, value: &str) -> String {
    let said = |name: &str, standard: &[(&str, &str)]| {
        let mut lines = Vec::new();
        // These stand for each other.
        let instead = match field {
            "app" | "build" | "packages" => "handler",
            "map" | "model" | "models" | "options" => "function",
            _ => "",
        };
        for (other, value) in standard {
            if name != table || (*other != field && *other != instead) {
                lines.push(format!("{other} = {value}\n"));
            }
        }
        if name == table {
            lines.push(format!("{field} = {value}\n"));
            if field == "packages" {
                lines.push("handler = \"h.handler\"\n".to_owned());
            }
            if field == "options" {
                lines.push("map = \"f\"\n".to_owned());
            }
        }
        lines.concat()
    };
    format!(
        "[project]\n{}[functions.f]\n{}[functions.g]\nhandler = \"g.handler\"\n\
         [buckets.b]\n{}[buckets.c]\n[schedules.s]\n{}[[routes]]\n{}[[triggers]]\n{}",
        said("project", &[]),
        said("functions", &[("handler", "\"f.handler\"")]),
        said("buckets", &[]),
        said(
            "schedules",
            &[("when", "\"rate(1 day)\""), ("function", "\"f\"")]
        ),
        said("routes", &[("path", "\"/\""), ("function", "\"f\"")]),
        said("triggers", &[("bucket", "\"b\""), ("function", "\"f\"")]),
    )
}

fn fields(name: &str) -> Vec<&'static str> {
    fn table(kind: &'static Kind) -> &'static Table {
        match kind {
            Kind::Table(found) => found,
            Kind::List(kind) | Kind::Named(_, kind) => table(kind),
            _ => unreachable!("all of these are tables"),
        }
    }
    let field = spec::FILE.field(name).unwrap();
    table(&field.kind)
        .fields
        .iter()
        .map(|field| field.name)
        .collect()
}

#[test]
fn whatever_is_said_makes_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("site")).unwrap();
    fs::write(path.join("f.py"), "def handler(e, c): ...\n").unwrap();
    fs::write(path.join("g.py"), "def handler(e, c): ...\n").unwrap();
    fs::write(path.join("h.R"), "handler <- function(event) 1\n").unwrap();
    fs::create_dir(path.join("code")).unwrap();
    fs::write(path.join("code/f.py"), "def handler(e, c): ...\n").unwrap();
    let load = |text: String| {
        fs::write(path.join("squall.toml"), &text).unwrap();
        Project::load(path, None).unwrap_or_else(|error| panic!("{text}\n{error}"))
    };
    let plain = load(with("nothing", "", ""));
    for (table, said) in SAID {
        let mut known: Vec<&str> = said.iter().map(|(field, _)| *field).collect();
        let mut all = fields(table);
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all, "{table}");
        for (field, value) in said {
            let changed = load(with(table, field, value));
            assert_ne!(changed, plain, "{table}.{field}");
        }
    }
}
