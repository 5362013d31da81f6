//! Every field that may be said is read: it changes what comes of the file.

use std::fs;

use crate::Project;
use crate::spec::{self, Kind, Table};

/// For each field of a table a value that is not its default.
const SAID: [(&str, &[(&str, &str)]); 7] = [
    (
        "project",
        &[
            ("name", "\"lab\""),
            ("stage", "\"test\""),
            ("region", "\"eu-central-1\""),
            ("log_days", "1"),
            ("hosts", "[\"api.example.com\"]"),
            ("docs", "false"),
            (
                "certificate",
                "\"arn:aws:acm:us-east-1:000000000000:certificate/x\"",
            ),
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
            ("redirect", "\"/b\""),
            ("status", "307"),
            ("site", "\"b/pages\""),
            ("route", "\"/other\""),
            ("auth", "\"who\""),
            ("scopes", "[\"read\"]"),
            ("key", "true"),
            ("share", "true"),
            ("allow", "[\"10.0.0.0/8\"]"),
            ("cors", "[\"*\"]"),
            ("timeout", "5"),
            ("body_limit", "\"2MB\""),
            ("concurrency", "3"),
            ("rate", "4"),
            ("burst", "5"),
            ("cache", "6"),
            ("compress", "false"),
            ("stream", "true"),
            ("summary", "\"what it is for\""),
        ],
    ),
    (
        "auth",
        &[
            ("issuer", "\"https://other.example.com\""),
            ("audience", "[\"other\"]"),
            ("jwks", "\"https://example.com/keys\""),
            ("token", "\"$request.querystring.token\""),
            ("function", "\"f\""),
            ("identity", "[\"$request.header.X\"]"),
            ("ttl", "7"),
            ("simple", "false"),
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

/// Fields of the plain file that a field stands instead of.
fn instead(table: &str, field: &str) -> &'static [&'static str] {
    match (table, field) {
        ("functions", "app" | "build" | "packages") => &["handler"],
        (
            "routes",
            "map" | "model" | "models" | "redirect" | "site" | "route" | "options" | "status",
        ) => &["function"],
        ("auth", "function" | "identity" | "ttl" | "simple") => &["issuer", "audience"],
        _ => &[],
    }
}

/// What a field needs beside it.
fn beside(table: &str, field: &str) -> &'static str {
    match (table, field) {
        ("functions", "packages") => "handler = \"h.handler\"\n",
        ("routes", "options") => "map = \"f\"\n",
        ("routes", "status") => "redirect = \"/b\"\n",
        ("routes", "scopes") => "auth = \"who\"\n",
        ("routes", "share") => "key = true\n",
        ("routes", "burst") => "rate = 4\n",
        ("auth", "identity" | "ttl" | "simple") => "function = \"f\"\n",
        ("project", "certificate") => "hosts = [\"api.example.com\"]\n",
        _ => "",
    }
}

/// A file in which one table says one thing more than it must, and what that needs.
/// Without a value, it says only what that needs.
fn with(table: &str, field: &str, value: Option<&str>) -> String {
    let said = |name: &str, standard: &[(&str, &str)]| {
        let mut lines = Vec::new();
        for (other, value) in standard {
            let is_replaced =
                name == table && (instead(table, field).contains(other) || *other == field);
            if !is_replaced {
                lines.push(format!("{other} = {value}\n"));
            }
        }
        if name == table {
            lines.extend(value.map(|value| format!("{field} = {value}\n")));
            lines.push(beside(table, field).to_owned());
        }
        lines.concat()
    };
    format!(
        "[project]\n{}[functions.f]\n{}[functions.g]\nhandler = \"g.handler\"\n\
         [buckets.b]\n{}[buckets.c]\n[schedules.s]\n{}[auth.who]\n{}\
         [[routes]]\n{}[[routes]]\npath = \"/other\"\nfunction = \"f\"\n[[triggers]]\n{}",
        said("project", &[]),
        said("functions", &[("handler", "\"f.handler\"")]),
        said("buckets", &[]),
        said(
            "schedules",
            &[("when", "\"rate(1 day)\""), ("function", "\"f\"")]
        ),
        said(
            "auth",
            &[
                ("issuer", "\"https://example.com\""),
                ("audience", "[\"us\"]")
            ]
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
    for (table, said) in SAID {
        let mut known: Vec<&str> = said.iter().map(|(field, _)| *field).collect();
        let mut all = fields(table);
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all, "{table}");
        for (field, value) in said {
            let changed = load(with(table, field, Some(value)));
            let plain = if beside(table, field).is_empty() {
                load(with("nothing", "", None))
            } else {
                load(with(table, field, None))
            };
            assert_ne!(changed, plain, "{table}.{field}");
        }
    }
}
