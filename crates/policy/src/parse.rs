//! How the text of a document is read. What AWS calls malformed is refused here,
//! so that whatever asks a document later can rely on its form.

use serde_json::{Map, Value};

use crate::condition::{self, Condition};
use crate::document::{Choice, Document, Effect, Statement};
use crate::principal::{Principal, Principals};

/// Larger than any document that AWS takes; those who keep documents have
/// narrower limits of their own.
const LONGEST: usize = 64 << 10;
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
const FIELDS: [&str; 9] = [
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "NotPrincipal",
    "Condition",
];

/// Why a text is not a policy document. The texts are those of AWS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("Policies must be valid JSON and the first byte must be '{{'")]
    NotJson,
    #[error("Policy exceeds the maximum allowed document size.")]
    TooLong,
    #[error("The policy must contain a valid version string")]
    BadVersion,
    #[error("Missing required field {0}")]
    Missing(&'static str),
    #[error("Unknown field {0}")]
    UnknownField(String),
    #[error("Statement can not have both {0} and {1}")]
    Both(&'static str, &'static str),
    #[error("Invalid effect: {0}")]
    BadEffect(String),
    #[error("Policy has invalid action")]
    BadAction,
    #[error("Policy has invalid resource")]
    BadResource,
    #[error("Invalid principal in policy")]
    BadPrincipal,
    #[error("Invalid Condition type : {0}")]
    BadOperator(String),
    #[error("Invalid value {value} for condition key {key}")]
    BadValue { key: String, value: String },
    #[error("Syntax errors in policy.")]
    Syntax,
}

/// Values nest as deep as `serde_json` lets them; all that is looked into has a
/// fixed depth.
pub(crate) fn document(text: &str) -> Result<Document, PolicyError> {
    if text.len() > LONGEST {
        return Err(PolicyError::TooLong);
    }
    let Ok(Value::Object(document)) = serde_json::from_str(text) else {
        return Err(PolicyError::NotJson);
    };
    for name in document.keys() {
        if !["Version", "Id", "Statement"].contains(&name.as_str()) {
            return Err(PolicyError::UnknownField(short(name)));
        }
    }
    if let Some(version) = document.get("Version")
        && !VERSIONS.iter().any(|known| version == known)
    {
        return Err(PolicyError::BadVersion);
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => {
            statements.iter().map(statement).collect::<Result<_, _>>()?
        }
        Some(one @ Value::Object(_)) => vec![statement(one)?],
        Some(Value::Array(_)) | None => return Err(PolicyError::Missing("Statement")),
        Some(_) => return Err(PolicyError::Syntax),
    };
    Ok(Document { statements })
}

fn statement(value: &Value) -> Result<Statement, PolicyError> {
    let Value::Object(fields) = value else {
        return Err(PolicyError::Syntax);
    };
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(PolicyError::UnknownField(short(unknown)));
    }
    if fields.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return Err(PolicyError::Syntax);
    }
    let effect = match fields.get("Effect") {
        Some(Value::String(effect)) if effect == "Allow" => Effect::Allow,
        Some(Value::String(effect)) if effect == "Deny" => Effect::Deny,
        Some(Value::String(other)) => return Err(PolicyError::BadEffect(short(other))),
        Some(_) => return Err(PolicyError::Syntax),
        None => return Err(PolicyError::Missing("Effect")),
    };
    let actions = choice(fields, "Action", "NotAction")?.ok_or(PolicyError::Missing("Action"))?;
    if !actions.patterns.iter().all(|action| is_action(action)) {
        return Err(PolicyError::BadAction);
    }
    let resources = choice(fields, "Resource", "NotResource")?;
    if let Some(resources) = &resources
        && !resources.patterns.iter().all(|resource| is_arn(resource))
    {
        return Err(PolicyError::BadResource);
    }
    let principals = principals(fields)?;
    if resources.is_none() && principals.is_none() {
        return Err(PolicyError::Missing("Resource"));
    }
    let conditions = match fields.get("Condition") {
        Some(Value::Object(operators)) => conditions(operators)?,
        Some(_) => return Err(PolicyError::Syntax),
        None => Vec::new(),
    };
    Ok(Statement {
        effect,
        actions,
        resources,
        principals,
        conditions,
    })
}

/// One of two fields, the second of which means all but what it names.
fn either<'a>(
    fields: &'a Map<String, Value>,
    plain: &'static str,
    negated: &'static str,
) -> Result<Option<(&'a Value, bool)>, PolicyError> {
    match (fields.get(plain), fields.get(negated)) {
        (Some(_), Some(_)) => Err(PolicyError::Both(plain, negated)),
        (Some(value), None) => Ok(Some((value, false))),
        (None, Some(value)) => Ok(Some((value, true))),
        (None, None) => Ok(None),
    }
}

fn choice(
    fields: &Map<String, Value>,
    plain: &'static str,
    negated: &'static str,
) -> Result<Option<Choice>, PolicyError> {
    let Some((value, negated)) = either(fields, plain, negated)? else {
        return Ok(None);
    };
    let patterns = texts(value)?;
    Ok(Some(Choice { patterns, negated }))
}

fn principals(fields: &Map<String, Value>) -> Result<Option<Principals>, PolicyError> {
    let Some((value, negated)) = either(fields, "Principal", "NotPrincipal")? else {
        return Ok(None);
    };
    let mut named = Vec::new();
    match value {
        Value::String(text) if text == "*" => named.push(Principal::Anyone),
        Value::Object(kinds) if !kinds.is_empty() => {
            for (kind, value) in kinds {
                for text in texts(value).map_err(|_| PolicyError::BadPrincipal)? {
                    named.push(principal(kind, text)?);
                }
            }
        }
        _ => return Err(PolicyError::BadPrincipal),
    }
    Ok(Some(Principals { named, negated }))
}

fn principal(kind: &str, text: String) -> Result<Principal, PolicyError> {
    match kind {
        "AWS" => Principal::aws(&text).ok_or(PolicyError::BadPrincipal),
        "Service" if text.contains('.') => Ok(Principal::Service(text)),
        "Federated" | "CanonicalUser" => Ok(Principal::Other),
        _ => Err(PolicyError::BadPrincipal),
    }
}

fn conditions(operators: &Map<String, Value>) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return Err(PolicyError::Syntax);
        };
        for (key, values) in keys {
            conditions.push(condition::read(operator, key, &scalars(values)?)?);
        }
        if keys.is_empty() {
            condition::known(operator)?;
        }
    }
    Ok(conditions)
}

/// A text, or a list of texts that is not empty.
fn texts(value: &Value) -> Result<Vec<String>, PolicyError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    };
    texts.ok_or(PolicyError::Syntax)
}

/// As [`texts`], where numbers and truth values may stand for their text.
fn scalars(value: &Value) -> Result<Vec<String>, PolicyError> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let texts = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    };
    texts.ok_or(PolicyError::Syntax)
}

/// `*`, or `SERVICE:OPERATION` where both may have wildcards.
fn is_action(text: &str) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"*?-_".contains(&b))
    };
    text == "*"
        || text
            .split_once(':')
            .is_some_and(|(service, operation)| is_word(service) && is_word(operation))
}

fn is_arn(text: &str) -> bool {
    text == "*" || (text.starts_with("arn:") && text.matches(':').count() >= 5)
        // `arn:aws:s3*` and the like: a wildcard may stand for the rest.
        || (text.starts_with("arn:") && text.contains('*'))
}

/// A hostile text can be long; an error message must not be.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(value: &Value) -> String {
        document(&value.to_string()).unwrap_err().to_string()
    }

    fn with(field: &str, value: &Value) -> Value {
        let mut document = json!({ "Version": "2012-10-17", "Statement": [{
            "Sid": "x", "Effect": "Allow", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*", "Principal": "*",
        }]});
        document["Statement"][0][field] = value.clone();
        document
    }

    #[test]
    fn documents_of_clients_are_read() {
        for (field, value) in [
            ("Principal", json!({ "AWS": "*" })),
            (
                "Principal",
                json!({ "AWS": ["123456789012", "arn:aws:iam::123456789012:root"] }),
            ),
            (
                "Principal",
                json!({ "AWS": "arn:aws:iam::123456789012:role/path/r" }),
            ),
            (
                "Principal",
                json!({ "Service": "logs.us-east-1.amazonaws.com" }),
            ),
            ("Action", json!(["s3:*", "*"])),
            ("Resource", json!("*")),
            (
                "Condition",
                json!({ "Bool": { "aws:SecureTransport": false } }),
            ),
            (
                "Condition",
                json!({ "NumericLessThan": { "s3:max-keys": [10, "20"] } }),
            ),
            ("Condition", json!({})),
        ] {
            let text = with(field, &value).to_string();
            assert!(document(&text).is_ok(), "{text}");
        }
        let mut one = with("Sid", &json!("y"));
        one["Statement"] = one["Statement"][0].clone();
        one.as_object_mut().unwrap().remove("Version");
        assert!(document(&one.to_string()).is_ok());
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for (field, value, reason) in [
            ("Effect", json!("Maybe"), "Invalid effect: Maybe"),
            ("Action", json!("GetObject"), "Policy has invalid action"),
            ("Action", json!([]), "Syntax errors in policy."),
            ("Resource", json!("b/*"), "Policy has invalid resource"),
            ("Principal", json!("me"), "Invalid principal in policy"),
            (
                "Principal",
                json!({ "AWS": "me" }),
                "Invalid principal in policy",
            ),
            (
                "Principal",
                json!({ "You": "*" }),
                "Invalid principal in policy",
            ),
            (
                "Principal",
                json!({ "AWS": [] }),
                "Invalid principal in policy",
            ),
            (
                "NotPrincipal",
                json!("*"),
                "Statement can not have both Principal and NotPrincipal",
            ),
            (
                "NotAction",
                json!("s3:*"),
                "Statement can not have both Action and NotAction",
            ),
            ("Foo", json!(1), "Unknown field Foo"),
            (
                "Condition",
                json!({ "Like": { "a": "b" } }),
                "Invalid Condition type : Like",
            ),
            (
                "Condition",
                json!({ "Like": {} }),
                "Invalid Condition type : Like",
            ),
            (
                "Condition",
                json!({ "StringLike": "x" }),
                "Syntax errors in policy.",
            ),
            (
                "Condition",
                json!({ "StringLike": { "a": [{}] } }),
                "Syntax errors in policy.",
            ),
            (
                "Condition",
                json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/99" } }),
                "Invalid value 10.0.0.0/99 for condition key aws:SourceIp",
            ),
        ] {
            assert_eq!(refusal(&with(field, &value)), reason);
        }
        let not_json = "Policies must be valid JSON and the first byte must be '{'";
        assert_eq!(refusal(&json!([])), not_json);
        assert_eq!(document("").unwrap_err().to_string(), not_json);
        assert_eq!(refusal(&json!({})), "Missing required field Statement");
        assert_eq!(
            refusal(&json!({ "Version": "2020-01-01", "Statement": [] })),
            "The policy must contain a valid version string"
        );
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = "{\"Statement\":".to_owned() + &"[".repeat(30_000) + &"]".repeat(30_000) + "}";
        assert_eq!(document(&deep), Err(PolicyError::NotJson));
        assert_eq!(
            document(&" ".repeat(LONGEST + 1)),
            Err(PolicyError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in r#"[\[\]{}":,a-zA-Z*$ ]{0,80}"#) {
            let _ = document(&text);
        }

        #[test]
        fn no_condition_breaks_the_reader(
            operator in "(ForAnyValue:|ForAllValues:)?(String|Arn|Numeric|Date|Ip|)(Equals|Like|LessThan|Address|Bool|Null)(IfExists)?",
            key in "[a-zA-Z:${}]{0,12}",
            value in r"[0-9a-f.:/*?${}TZ-]{0,24}",
        ) {
            let _ = document(&with("Condition", &json!({ operator: { key: value } })).to_string());
        }
    }
}
