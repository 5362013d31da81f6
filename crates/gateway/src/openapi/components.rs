//! What the operations of a document share: the forms of errors, and the headers.

use serde_json::{Map, Value, json};

/// How an answer that refuses may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    /// The gateway's own only.
    Gateway,
    /// Also those of a map or a model, which have a form of their own.
    Service,
    /// Also whatever a function says.
    Any,
}

pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

impl Errors {
    pub fn content(self) -> Value {
        let mut content = json!({
            "application/problem+json": { "schema": reference("schemas", "Problem") },
        });
        match self {
            Self::Gateway => {}
            Self::Service => {
                content["application/json"] = json!({ "schema": reference("schemas", "Error") });
            }
            Self::Any => content["*/*"] = json!({}),
        }
        content
    }

    /// An answer of that status.
    pub fn answer(self, status: &str) -> Value {
        let mut answer = json!({
            "description": told(status),
            "headers": { "apigw-requestid": reference("headers", "RequestId") },
            "content": self.content(),
        });
        let headers = answer["headers"].as_object_mut().expect("it is one");
        match status {
            "429" | "503" => {
                headers.insert("Retry-After".to_owned(), reference("headers", "RetryAfter"));
            }
            "401" => {
                let header = reference("headers", "Authenticate");
                headers.insert("WWW-Authenticate".to_owned(), header);
            }
            _ => {}
        }
        answer
    }
}

fn told(status: &str) -> &'static str {
    match status {
        "400" => "The request is not one that can be understood.",
        "401" => "Nobody is known by what the request brought.",
        "403" => "Who asks may not call this.",
        "404" => "There is nothing at this path.",
        "405" => "The path takes other methods; Allow says which.",
        "406" => "None of the forms that Accept names can be made.",
        "408" => "The body did not come in time.",
        "409" => "It is not finished, or was cancelled.",
        "410" => "It was there, and was taken away.",
        "412" => "What is there is not what the request's conditions name.",
        "413" => "The body, or what is in it, is too large.",
        "415" => "A body of this form cannot be read.",
        "416" => "There are no such bytes.",
        "422" => "The table lacks a column.",
        "429" => "Too many requests; Retry-After says when to come again.",
        "500" => "Something went wrong here; the log of the service says what.",
        "501" => "The model cannot be used without R.",
        "502" => "The function failed, or could not be run.",
        "503" => "Not now; it is worth coming again.",
        "504" => "The time was over before the answer was there.",
        "507" => "There is no room on the disk for this table.",
        _ => "Another refusal.",
    }
}

/// Headers of answers to who has a key, whose plan has a quota.
pub(super) fn quota_headers(headers: &mut Map<String, Value>) {
    for (name, component) in [
        ("x-ratelimit-limit", "RateLimitLimit"),
        ("x-ratelimit-remaining", "RateLimitRemaining"),
        ("x-ratelimit-reset", "RateLimitReset"),
    ] {
        headers.insert(name.to_owned(), reference("headers", component));
    }
}

pub(super) fn headers() -> Value {
    let count = |description: &str| json!({ "description": description, "schema": { "type": "integer", "minimum": 0 } });
    json!({
        "RequestId": {
            "description": "The id of the request, for the logs and for questions.",
            "schema": { "type": "string" },
        },
        "RetryAfter": count("Seconds after which it is worth coming again."),
        "RateLimitLimit": count("Calls that the key's plan grants in a day, week or month."),
        "RateLimitRemaining": count("Calls that are left of them."),
        "RateLimitReset": count("Seconds until all of them are there again."),
        "Authenticate": {
            "description": "What a request should bring.",
            "schema": { "type": "string" },
        },
    })
}

pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let mut all = Map::new();
    all.insert(
        "Problem".to_owned(),
        json!({
            "type": "object",
            "description": "An error of the gateway itself (RFC 9457).",
            "required": ["message"],
            "properties": {
                "type": text,
                "title": text,
                "status": { "type": "integer" },
                "detail": text,
                "request_id": text,
                "message": { "type": "string", "description": "In the words of API Gateway." },
            },
        }),
    );
    all.insert(
        "Error".to_owned(),
        json!({
            "type": "object",
            "description": "An error of a map or a model.",
            "required": ["errorType", "message", "httpStatus", "request_id"],
            "properties": {
                "errorType": text,
                "message": text,
                "httpStatus": { "type": "integer" },
                "request_id": text,
            },
        }),
    );
    all
}
