//! Projects as they are written, and what is said of them.

use std::fs;

use crate::{Project, ProjectError};

mod routes;

/// A project with a file `f.py`, one `model.R`, and a folder `site`.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("f.py"), "def handler(e, c): ...\n").unwrap();
    fs::write(path.join("model.R"), "predict <- function(x) x\n").unwrap();
    fs::create_dir(path.join("site")).unwrap();
    fs::write(path.join("squall.toml"), text).unwrap();
    folder
}

/// The mistakes, as people read them.
fn mistakes(text: &str) -> Vec<String> {
    let folder = folder(text);
    match Project::load(folder.path(), None) {
        Ok(_) => Vec::new(),
        Err(ProjectError::Mistakes { mistakes, .. }) => mistakes
            .iter()
            .map(|mistake| {
                let hint = mistake.hint.as_ref().map(|hint| format!(" ({hint})"));
                let place = folder.path().canonicalize().unwrap();
                format!("{mistake}{}", hint.unwrap_or_default())
                    .replace(&place.display().to_string(), "ROOT")
            })
            .collect(),
        Err(other) => vec![other.to_string()],
    }
}

const F: &str = "[functions.f]\nhandler = \"f.handler\"\n";

#[test]
fn a_description_asks_for_what_there_is() {
    let of = |docs: &str| mistakes(&format!("[project]\nname = \"lab\"\ndocs = {docs}\n{F}"));
    for good in ["true", "false", "{ key = true }", "{ auth = \"iam\" }"] {
        assert_eq!(of(good), Vec::<String>::new(), "{good}");
    }
    for (docs, told) in [
        (
            "{ auth = \"login\" }",
            "3:17: project.docs.auth: the project has no [auth.login] (it comes to be by [auth.login]; iam asks for signed requests)",
        ),
        (
            "{ key = false }",
            "3:8: project.docs: docs asks for nothing of who reads it (say key = true or auth = ... in it, or docs = true)",
        ),
        ("\"key\"", "3:8: project.docs:"),
        ("{ keys = true }", "3:10: project.docs.keys:"),
    ] {
        let found = of(docs);
        assert!(
            found.len() == 1 && found[0].contains(told),
            "{docs}: {found:?}"
        );
    }
}

#[test]
fn what_does_not_fit_together_is_told_with_its_place() {
    let cases = [
        // Names of others.
        (
            "calls = [\"g\"]",
            "3:10: functions.f.calls.0: the project has no function g (there is f)",
        ),
        (
            "on_failure = \"ff\"",
            "3:14: functions.f.on_failure: the project has no function ff (there is f)",
        ),
        (
            "reads = [\"lake/raw\"]",
            "3:10: functions.f.reads.0: the project has no bucket lake (a bucket comes to be by [buckets.lake])",
        ),
        (
            "reads = [\"laek\"]\n[buckets.lake]",
            "3:10: functions.f.reads.0: the project has no bucket laek (did you mean lake?)",
        ),
        (
            "environment = {AB = \"${bucket.x}\"}\n[buckets.xy]",
            "3:21: functions.f.environment.AB: the project has no bucket x (did you mean xy?)",
        ),
        (
            "[[routes]]\npath = \"/\"\nmap = \"g\"",
            "5:7: routes.0.map: the project has no function g (there is f)",
        ),
        (
            "[schedules.s]\nwhen = \"rate(1 day)\"\nfunction = \"g\"",
            "5:12: schedules.s.function: the project has no function g (there is f)",
        ),
        // Variables and secrets.
        (
            "environment = {KEY = \"1\"}\nsecrets = [\"KEY\"]",
            "3:22: functions.f.environment.KEY: it is a secret as well, and can be but one of the two",
        ),
        (
            "secrets = [\"KEY\", \"KEY\"]",
            "3:19: functions.f.secrets.1: KEY is said twice",
        ),
        (
            "environment = {AWS_REGION = \"x\"}",
            "3:29: functions.f.environment.AWS_REGION: AWS_REGION is set by Lambda or Squall, and cannot be set here",
        ),
        (
            "environment = {AB = \"${bucket\"}",
            "3:21: functions.f.environment.AB: a place that begins with ${ has no }",
        ),
        // What is in each other's way.
        (
            "[[routes]]\npath = \"/a\"\nfunction = \"f\"\nmethods = [\"GET\"]\n\
             [[routes]]\npath = \"/a\"\nfunction = \"f\"\nmethods = [\"PUT\", \"GET\"]",
            "8:8: routes.1.path: another route has /a and its methods already",
        ),
        (
            "keep_warm = 3\nconcurrency = 2",
            "3:13: functions.f.keep_warm: 3 cannot be kept warm if 2 may run",
        ),
        (
            "permissions = [{Effect = \"Allow\"}]",
            "3:16: functions.f.permissions.0: a statement needs Action and Resource (such as {Action = [\"dynamodb:GetItem\"], Resource = [\"arn:...\"]})",
        ),
        // What must be there or must not.
        (
            "app = \"f:app\"",
            "3:7: functions.f.app: a function has a handler or an app, not both",
        ),
        (
            "requirements = \"needs.txt\"",
            "3:16: functions.f.requirements: there is no file needs.txt",
        ),
        (
            "source = \"src\"",
            "3:10: functions.f.source: there is no folder src",
        ),
        (
            "[buckets.b]\nfolder = \"sites\"",
            "4:10: buckets.b.folder: there is no folder sites",
        ),
        (
            "[[routes]]\npath = \"/\"",
            "3:1: routes: a route needs something that it leads to, such as function = ... (it has one of function, map, model, models, redirect, site, route)",
        ),
        (
            "packages = [\"jsonlite\"]",
            "3:12: functions.f.packages: a function of python3.11 has no packages (only a function in R has them)",
        ),
        (
            "[[routes]]\npath = \"/\"\nfunction = \"f\"\ncors = \"*\"",
            "6:8: routes.cors: it must be a list (each an origin such as https://example.com, or *) or a table, not a text (a list stands in brackets: [\"*\"])",
        ),
        (
            "[[routes]]\nfunction = \"f\"",
            "3:1: routes: a route needs the field path",
        ),
        (
            "[schedules.s]\nfunction = \"f\"",
            "3:1: schedules.s: a schedule needs the field when",
        ),
    ];
    for (text, expected) in cases {
        let found = mistakes(&format!("{F}{text}\n"));
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn what_a_value_cannot_be_is_told_with_its_place() {
    let cases = [
        (
            "memroy = 1",
            "3:1: functions.f.memroy: a function has no such field (did you mean memory?)",
        ),
        (
            "memory = 64",
            "3:10: functions.f.memory: 64 is not right: it must be a whole number from 128 to 10240",
        ),
        (
            "memory = \"1 GB\"",
            "3:10: functions.f.memory: it must be a whole number from 128 to 10240, not a text",
        ),
        (
            "timeout = 1.5",
            "3:11: functions.f.timeout: it must be a whole number from 1 to 900, not a number with a fraction",
        ),
        (
            "start = \"spwan\"",
            "3:9: functions.f.start: \"spwan\" is not right: it must be auto, fork or spawn (did you mean spawn?)",
        ),
        (
            "slim = \"yes\"",
            "3:8: functions.f.slim: it must be true or false, not a text",
        ),
        (
            "runtime = \"python2.7\"",
            "3:11: functions.f.runtime: \"python2.7\" is not right: it must be python3.9 to python3.14, r, r4.0 to r4.9, or provided.al2023",
        ),
        (
            "url = 3",
            "3:7: functions.f.url: it must be true or false or a table, not a whole number",
        ),
        (
            "url = {sign = true}",
            "3:8: functions.f.url.sign: url has no such field (did you mean signed?)",
        ),
        (
            "environment = {\"A-B\" = \"x\"}",
            "3:16: functions.f.environment.A-B: a name here must be 2 to 128 letters, digits and '_', beginning with a letter",
        ),
        (
            "[functions.\"a b\"]",
            "3:12: functions.a b: a name here must be 1 to 40 letters, digits, '-' and '_'",
        ),
        (
            "[project]\nlog_days = 8",
            "4:12: project.log_days: 8 is not right: it must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653",
        ),
        (
            "[projcet]",
            "3:2: projcet: the file has no such field (did you mean project?)",
        ),
        (
            "[stages.prod.functions.f]\nmemory = 1",
            "4:10: stages.prod.functions.f.memory: 1 is not right: it must be a whole number from 128 to 10240",
        ),
        (
            "[[routes]]\npath = \"/\"\nmap = \"f\"\noptions = {chunksie = 1}",
            "6:12: routes.options.chunksie: options of a route has no such field (did you mean chunksize?)",
        ),
        (
            "layers = [\"numpy\"]",
            "3:11: functions.f.layers: \"numpy\" is not right: it must be arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION",
        ),
        (
            "memory = ",
            "3:10: string values must be quoted, expected literal string",
        ),
    ];
    for (text, expected) in cases {
        let found = mistakes(&format!("{F}{text}\n"));
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_in_order() {
    let found = mistakes("[functions.f]\nmemory = 1\nhandlr = \"f.handler\"\n[bucket.x]\n");
    let starts: Vec<&str> = found
        .iter()
        .filter_map(|one| one.split(": ").next())
        .collect();
    assert_eq!(starts, ["2:10", "3:1", "4:2"]);
}

#[test]
fn handlers_must_be_there() {
    for (text, expected) in [
        (
            "handler = \"g.handler\"",
            "2:11: functions.f.handler: there is no file g.py in ROOT (did you mean f.py?)",
        ),
        (
            "handler = \"handler\"",
            "2:11: functions.f.handler: \"handler\" is not FILE.FUNCTION (handler.main is the function main of the file handler.py)",
        ),
        (
            "app = \"web.main:app\"",
            "2:7: functions.f.app: there is no file web/main.py in ROOT",
        ),
        (
            "runtime = \"r\"\nhandler = \"mdel.predict\"",
            "3:11: functions.f.handler: there is no file mdel.R in ROOT (did you mean model.R?)",
        ),
        (
            "runtime = \"provided.al2023\"",
            "1:1: functions.f: there is no executable bootstrap in ROOT (build = \"...\" names a command that makes it)",
        ),
        (
            "source = \"site\"",
            "1:1: functions.f: no handler is said, and none was found in ROOT/site (name it: handler = \"FILE.FUNCTION\", or app = \"MODULE:OBJECT\")",
        ),
    ] {
        assert_eq!(
            mistakes(&format!("[functions.f]\n{text}\n")),
            [expected],
            "{text}"
        );
    }
}

#[test]
fn triggers_of_one_object_exclude_each_other() {
    let text = |one: &str, other: &str| {
        format!(
            "{F}[buckets.b]\n\
             [[triggers]]\nbucket = \"b\"\nfunction = \"f\"\n{one}\n\
             [[triggers]]\nbucket = \"b\"\nfunction = \"f\"\n{other}\n"
        )
    };
    for (one, other) in [
        ("prefix = \"raw/\"", "prefix = \"clean/\""),
        ("suffix = \".csv\"", "suffix = \".json\""),
        ("events = [\"s3:ObjectRemoved:*\"]", ""),
        (
            "events = [\"s3:ObjectCreated:Put\"]",
            "events = [\"s3:ObjectCreated:Copy\"]",
        ),
    ] {
        assert_eq!(mistakes(&text(one, other)), [""; 0], "{one} {other}");
    }
    for (one, other) in [
        ("", ""),
        ("prefix = \"raw/\"", ""),
        ("prefix = \"raw/\"", "prefix = \"raw/a\""),
        ("prefix = \"raw/\"", "suffix = \".csv\""),
        ("events = [\"s3:ObjectCreated:Put\"]", ""),
    ] {
        assert_eq!(mistakes(&text(one, other)).len(), 1, "{one} {other}");
    }
}

#[test]
fn names_have_to_fit_the_cloud() {
    let text = "[project]\nname = \"a-name-of-twenty-four-ab\"\n\
                [functions.a-function-with-a-rather-long-name-1234]\nhandler = \"f.handler\"\n\
                [buckets.a-bucket-with-a-long-name]\n";
    let found = mistakes(text);
    assert!(
        found[0].starts_with("3:1: functions.a-function-with-a-rather-long-name-1234: a-name"),
        "{found:?}"
    );
    assert!(found[0].contains("has 68 characters"), "{found:?}");
    assert!(
        found[1].starts_with("5:1: buckets.a-bucket-with-a-long-name: a-name"),
        "{found:?}"
    );
    assert_eq!(
        mistakes(&text.replace("long-name]", "long-name]\nname = \"short\"")).len(),
        1
    );
}
