//! Whether a project fits together: names that must be those of others, files that must
//! be there, lengths that names in the cloud may have, routes and triggers that must not
//! be in each other's way.

mod files;
mod routes;

use std::path::Path;

use crate::check::Report;
use crate::model::{
    BucketRef, Destination, Function, FunctionRuntime, KeepWarm, Objects, Project, Requirements,
    Trigger,
};
use crate::nearest;
use crate::text::{Reference, Text};
use crate::tree::{Table, Value};

/// What Lambda, IAM and S3 allow.
const LONGEST_FUNCTION: usize = 64;
const LONGEST_BUCKET: usize = 63;
/// `-` and twelve digits.
const ACCOUNT_SUFFIX: usize = 13;
/// A layer of the requirements comes to those that are said.
const MOST_LAYERS: usize = 5;
const MOST_ENVIRONMENT: usize = 4 * 1024;
/// Set by fields of a function, and for the wrapper.
const OURS: [&str; 7] = [
    "SQUALL_APP",
    "SQUALL_HANDLER",
    "SQUALL_REST",
    "SQUALL_REST_SHA256",
    "SQUALL_SECRETS",
    "SQUALL_SECRETS_VERSION",
    "SQUALL_START",
];

pub fn check(project: &Project, merged: &Table, report: &mut Report<'_>) {
    let mut judge = Judge {
        project,
        merged,
        report,
    };
    for (name, function) in &project.functions {
        judge.function(name, function);
        files::function(&mut judge, name, function);
    }
    for (name, bucket) in &project.buckets {
        judge.bucket(name, bucket.name.is_some());
        files::bucket(&mut judge, name, bucket);
    }
    routes::check(&mut judge);
    for (name, schedule) in &project.schedules {
        let path = ["schedules", name, "function"];
        judge.is_function(&path, &schedule.function);
    }
    judge.triggers();
}

struct Judge<'a, 'r> {
    project: &'a Project,
    merged: &'a Table,
    report: &'a mut Report<'r>,
}

impl Judge<'_, '_> {
    fn wrong(&mut self, path: &[&str], problem: impl Into<String>, hint: Option<String>) {
        self.report.of(self.merged, path, problem.into(), hint);
    }

    /// Whether a table of tables has one of that name, be it right or wrong.
    fn says(&self, table: &str, name: &str) -> bool {
        match self.merged.get(table).map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => table.contains_key(name),
            _ => false,
        }
    }

    /// Whether a field of a table is said as a table.
    fn says_in_table(&self, table: &str, field: &str) -> bool {
        let table = self.merged.get(table).map(|entry| &entry.node.value);
        let field = match table {
            Some(Value::Table(table)) => table.get(field),
            _ => None,
        };
        matches!(field.map(|entry| &entry.node.value), Some(Value::Table(_)))
    }

    /// Whether the route at a place of the file says a field.
    fn says_of_route(&self, place: &str, field: &str) -> bool {
        let routes = self.merged.get("routes").map(|entry| &entry.node.value);
        let place = place.parse::<usize>().ok();
        match (routes, place) {
            (Some(Value::List(items)), Some(place)) => {
                let item = items.get(place).map(|item| &item.value);
                matches!(item, Some(Value::Table(table)) if table.contains_key(field))
            }
            _ => false,
        }
    }

    fn is_function(&mut self, path: &[&str], name: &str) {
        // One that is said but wrong is told of already.
        let said = match self.merged.get("functions").map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => table.keys().collect(),
            _ => Vec::new(),
        };
        let mut known: Vec<&String> = self.project.functions.keys().chain(said).collect();
        known.sort();
        known.dedup();
        if !known.iter().any(|known| *known == name) {
            let hint = nearest::meant(name, known.iter().map(|name| name.as_str()));
            let problem = format!("the project has no function {name}");
            self.wrong(path, problem, hint);
        }
    }

    fn is_bucket(&mut self, path: &[&str], name: &str) {
        let known = &self.project.buckets;
        if !known.contains_key(name) {
            let hint = nearest::meant(name, known.keys().map(String::as_str))
                .or_else(|| Some(format!("a bucket comes to be by [buckets.{name}]")));
            let problem = format!("the project has no bucket {name}");
            self.wrong(path, problem, hint);
        }
    }

    fn function(&mut self, name: &str, function: &Function) {
        let path = ["functions", name];
        let Project {
            name: project,
            stage,
            ..
        } = self.project;
        let whole = format!("{project}-{stage}-{name}");
        if whole.len() > LONGEST_FUNCTION {
            let problem = format!(
                "{whole} has {} characters, but a name of a function has at most {LONGEST_FUNCTION}",
                whole.len()
            );
            let hint = "a shorter name of the project, the stage or the function will do";
            self.wrong(&path, problem, Some(hint.to_owned()));
        }
        let most = match (&function.runtime, &function.requirements) {
            // R itself on AWS, and its packages.
            (FunctionRuntime::R { .. }, _) => MOST_LAYERS - 2,
            (_, Requirements::None) => MOST_LAYERS,
            _ => MOST_LAYERS - 1,
        };
        if function.layers.len() > most {
            let problem = format!(
                "{} layers are more than {most}, what is left of {MOST_LAYERS} beside what it requires",
                function.layers.len()
            );
            self.wrong(&["functions", name, "layers"], problem, None);
        }
        for (field, objects) in [("reads", &function.reads), ("writes", &function.writes)] {
            for (place, Objects { bucket, .. }) in objects.iter().enumerate() {
                if let BucketRef::Project(bucket) = bucket {
                    let place = place.to_string();
                    self.is_bucket(&["functions", name, field, &place], bucket);
                }
            }
        }
        for (place, other) in function.calls.iter().enumerate() {
            let place = place.to_string();
            self.is_function(&["functions", name, "calls", &place], other);
        }
        for (field, destination) in [
            ("on_success", &function.on_success),
            ("on_failure", &function.on_failure),
        ] {
            if let Some(Destination::Function(other)) = destination {
                self.is_function(&["functions", name, field], other);
            }
        }
        self.environment(name, function);
        self.permissions(name, function);
        if let (Some(KeepWarm { instances, .. }), Some(most)) =
            (&function.keep_warm, function.concurrency)
            && *instances > most
        {
            let problem = format!("{instances} cannot be kept warm if {most} may run");
            self.wrong(&["functions", name, "keep_warm"], problem, None);
        }
    }

    fn environment(&mut self, name: &str, function: &Function) {
        let path = |variable| ["functions", name, "environment", variable];
        for (variable, text) in &function.environment {
            self.is_free(&path(variable), variable);
            self.references(&path(variable), text);
            if function.secrets.contains(variable) {
                let problem = "it is a secret as well, and can be but one of the two";
                self.wrong(&path(variable), problem, None);
            }
        }
        for (index, secret) in function.secrets.iter().enumerate() {
            let place = index.to_string();
            let path = ["functions", name, "secrets", &place];
            self.is_free(&path, secret);
            if function.secrets[..index].contains(secret) {
                self.wrong(&path, format!("{secret} is said twice"), None);
            }
        }
        let sizes = function.environment.iter();
        let size: usize = sizes
            .map(|(name, text)| name.len() + text.to_string().len())
            .sum();
        if size > MOST_ENVIRONMENT {
            let problem = format!("{size} bytes are more than the {MOST_ENVIRONMENT} that fit");
            let hint = "what is large may go into a file beside the code, or into a bucket";
            self.wrong(
                &["functions", name, "environment"],
                problem,
                Some(hint.to_owned()),
            );
        }
    }

    fn is_free(&mut self, path: &[&str], variable: &str) {
        if types::RESERVED_VARIABLES.contains(&variable) || OURS.contains(&variable) {
            let problem = format!("{variable} is set by Lambda or Squall, and cannot be set here");
            self.wrong(path, problem, None);
        }
    }

    fn references(&mut self, path: &[&str], text: &Text) {
        let references: Vec<Reference> = text.references().cloned().collect();
        for reference in references {
            match reference {
                Reference::Bucket(name) => self.is_bucket(path, &name),
                Reference::Function(name) => self.is_function(path, &name),
                _ => {}
            }
        }
    }

    /// Statements are IAM's to judge; only what is filled into them is ours.
    fn permissions(&mut self, name: &str, function: &Function) {
        for (place, statement) in function.permissions.iter().enumerate() {
            let place = place.to_string();
            let path = ["functions", name, "permissions", &place];
            if statement.get("Action").is_none() && statement.get("NotAction").is_none() {
                let hint = "such as {Action = [\"dynamodb:GetItem\"], Resource = [\"arn:...\"]}";
                let problem = "a statement needs Action and Resource";
                self.wrong(&path, problem, Some(hint.to_owned()));
            }
            for text in texts_of(statement) {
                match text.parse::<Text>() {
                    Ok(text) => self.references(&path, &text),
                    Err(problem) => self.wrong(&path, problem.to_string(), None),
                }
            }
        }
    }

    fn bucket(&mut self, name: &str, is_named: bool) {
        let Project {
            name: project,
            stage,
            ..
        } = self.project;
        let length = format!("{project}-{stage}-{name}").len() + ACCOUNT_SUFFIX;
        if !is_named && length > LONGEST_BUCKET {
            let problem = format!(
                "{project}-{stage}-{name}-ACCOUNT has {length} characters, but a name of a bucket has at most {LONGEST_BUCKET}"
            );
            let hint = "shorten one of its parts, or give the bucket its whole name by name = ...";
            self.wrong(&["buckets", name], problem, Some(hint.to_owned()));
        }
    }

    fn triggers(&mut self) {
        let triggers = &self.project.triggers;
        for (place, trigger) in triggers.iter().enumerate() {
            let at = place.to_string();
            self.is_bucket(&["triggers", &at, "bucket"], &trigger.bucket);
            self.is_function(&["triggers", &at, "function"], &trigger.function);
            if let Some(other) = triggers[..place].iter().find(|other| meet(other, trigger)) {
                let problem = format!(
                    "an object could set off both this and the trigger of {}, which S3 does not allow",
                    other.function
                );
                let hint = "let them differ in events, or in prefixes or suffixes of which none begins or ends another";
                self.wrong(&["triggers", &at], problem, Some(hint.to_owned()));
            }
        }
    }

    fn shown<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.project.root)
            .unwrap_or(path)
            .display()
    }
}

fn texts_of(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        serde_json::Value::Object(fields) => fields.values().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

/// Whether one object can be meant by both.
fn meet(one: &Trigger, other: &Trigger) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let either = |a: &Option<String>, b: &Option<String>, is_part: fn(&str, &str) -> bool| {
        let (a, b) = (text(a), text(b));
        is_part(&a, &b) || is_part(&b, &a)
    };
    one.bucket == other.bucket
        && either(&one.prefix, &other.prefix, |a, b| a.starts_with(b))
        && either(&one.suffix, &other.suffix, |a, b| a.ends_with(b))
        && one.events.iter().any(|event| {
            let mut others = other.events.iter();
            others.any(|other| is_event(event, other) || is_event(other, event))
        })
}

/// Whether an event such as `s3:ObjectCreated:*` has another in it.
fn is_event(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('*') {
        Some(start) => narrow.starts_with(start),
        None => wide == narrow,
    }
}

#[cfg(test)]
mod tests;
