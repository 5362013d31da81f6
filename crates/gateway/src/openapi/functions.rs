//! Routes whose answers are not known beforehand: functions, redirects, and files of sites.

use engine::http_apis::RedirectTarget;
use serde_json::{Value, json};

use super::components::Errors;
use super::operation::Draft;

/// The methods for which a route that takes any is shown.
pub(super) const ANY: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What a function takes and answers only its owner knows.
pub(super) fn function(methods: &[String]) -> Vec<Draft> {
    let draft = |method: &String| {
        let mut draft = Draft::new(method, "function", "Call the function", Errors::Any);
        draft.takes_body = takes_body(method);
        if draft.takes_body {
            draft.body = Some(json!({
                "content": {
                    "application/json": { "schema": {} },
                    "text/plain": { "schema": { "type": "string" } },
                    "application/octet-stream": { "schema": {} },
                },
            }));
        }
        let answer = json!({
            "description": "What the function answers.",
            "content": { "*/*": {} },
        });
        draft.answers.insert("default".to_owned(), answer);
        draft.refused = vec!["413", "500", "503"];
        if !draft.takes_body {
            draft.refused.remove(0);
        }
        draft
    };
    methods.iter().map(draft).collect()
}

fn takes_body(method: &str) -> bool {
    matches!(method, "post" | "put" | "patch")
}

pub(super) fn redirect(methods: &[String], target: &RedirectTarget) -> Vec<Draft> {
    let draft = |method: &String| {
        let summary = format!("Go to {}", target.location);
        let mut draft = Draft::new(method, "redirect", &summary, Errors::Gateway);
        draft.answers.insert(
            target.status.to_string(),
            json!({
                "description": "It is at another address.",
                "headers": {
                    "Location": {
                        "description": "Where it is.",
                        "required": true,
                        "schema": { "type": "string" },
                    },
                },
            }),
        );
        draft.refused = vec!["400"];
        draft
    };
    methods.iter().map(draft).collect()
}

/// Pages of a bucket; HEAD is like GET.
pub(super) fn site() -> Vec<Draft> {
    let mut draft = Draft::new("get", "site", "Get a file", Errors::Any);
    let file = |description: &str| -> Value {
        json!({ "description": description, "content": { "*/*": {} } })
    };
    let empty = |description: &str| json!({ "description": description });
    for (status, answer) in [
        ("200", file("The file, or the page of the folder.")),
        ("206", file("The part of the file that Range names.")),
        (
            "301",
            empty("The folder is at the address with a slash at its end."),
        ),
        (
            "302",
            empty("The folder is at the address with a slash at its end."),
        ),
        ("304", empty("It has not changed.")),
    ] {
        draft.answers.insert(status.to_owned(), answer);
    }
    draft.refused = vec!["400", "403", "404", "412", "416", "503"];
    vec![draft]
}

/// A route that leads nowhere.
pub(super) fn nowhere(methods: &[String]) -> Vec<Draft> {
    let draft = |method: &String| {
        let mut draft = Draft::new(method, "nothing", "Leads nowhere yet", Errors::Gateway);
        draft.refused = vec!["500"];
        draft
    };
    methods.iter().map(draft).collect()
}
