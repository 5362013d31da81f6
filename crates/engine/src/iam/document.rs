//! Is a text a policy document? Checked when it is stored, so that whoever
//! enforces it later can rely on its form.

use serde_json::{Map, Value};

use super::error::IamError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What its holder may do: names resources, never principals.
    Permissions,
    /// Who may take a role: names principals, never resources.
    Trust,
}

pub(super) fn check(text: &str, kind: Kind, longest: usize) -> Result<(), IamError> {
    let bad = |message: &str| Err(IamError::MalformedDocument(message.to_owned()));
    // White space does not count against the limit.
    let size = text.chars().filter(|c| !c.is_whitespace()).count();
    if size > longest {
        let quota = match kind {
            Kind::Permissions => "PolicySize",
            Kind::Trust => "ACLSizePerRole",
        };
        return Err(IamError::LimitExceeded {
            quota,
            limit: longest,
        });
    }
    let Ok(Value::Object(document)) = serde_json::from_str(text) else {
        return bad("This policy contains invalid Json");
    };
    if let Some(version) = document.get("Version")
        && version != "2012-10-17"
        && version != "2008-10-17"
    {
        return bad("The policy must contain a valid version string.");
    }
    match document.get("Statement") {
        Some(Value::Object(statement)) => check_statement(statement, kind)?,
        Some(Value::Array(statements)) if !statements.is_empty() => {
            statements
                .iter()
                .try_for_each(|statement| match statement {
                    Value::Object(statement) => check_statement(statement, kind),
                    _ => bad("Syntax errors in policy."),
                })?;
        }
        _ => return bad("Missing required field Statement"),
    }
    match kind {
        // It is going to be enforced, so all of it must be understood.
        Kind::Permissions => policy::Document::parse(text)
            .map(drop)
            .map_err(|error| IamError::MalformedDocument(error.to_string())),
        Kind::Trust => Ok(()),
    }
}

fn check_statement(statement: &Map<String, Value>, kind: Kind) -> Result<(), IamError> {
    let bad = |message: String| Err(IamError::MalformedDocument(message));
    match statement.get("Effect") {
        Some(Value::String(effect)) if effect == "Allow" || effect == "Deny" => {}
        Some(_) => return bad("Syntax errors in policy.".to_owned()),
        None => return bad("Missing required field Effect".to_owned()),
    }
    let has_any = |names: [&str; 2]| names.iter().any(|name| statement.contains_key(*name));
    if !has_any(["Action", "NotAction"]) {
        return bad("Policy statement must contain actions.".to_owned());
    }
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        if statement.get(name).is_some_and(|value| !is_texts(value)) {
            return bad("Syntax errors in policy.".to_owned());
        }
    }
    match kind {
        Kind::Trust if has_any(["Resource", "NotResource"]) => {
            bad("Has prohibited field Resource".to_owned())
        }
        Kind::Trust if !has_any(["Principal", "NotPrincipal"]) => {
            bad("Missing required field Principal".to_owned())
        }
        Kind::Permissions if has_any(["Principal", "NotPrincipal"]) => {
            bad("Policy document should not specify a principal.".to_owned())
        }
        Kind::Permissions if !has_any(["Resource", "NotResource"]) => {
            bad("Policy statement must contain resources.".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_texts(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(values) => !values.is_empty() && values.iter().all(Value::is_string),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, kind: Kind) -> Option<String> {
        check(text, kind, 2000).err().map(|error| error.to_string())
    }

    #[test]
    fn documents_of_clients_are_taken() {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","events.amazonaws.com"]},"Action":"sts:AssumeRole"}]}"#;
        assert_eq!(message(trust, Kind::Trust), None);
        let permissions = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["logs:*"],"Resource":"arn:aws:logs:*:*:*"}}"#;
        assert_eq!(message(permissions, Kind::Permissions), None);
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        let check = |text: &str, kind| message(text, kind).unwrap();
        let invalid = "This policy contains invalid Json";
        assert_eq!(check("", Kind::Trust), invalid);
        assert_eq!(check("[]", Kind::Trust), invalid);
        assert_eq!(check(&"[".repeat(1999), Kind::Trust), invalid);
        assert_eq!(check("{}", Kind::Trust), "Missing required field Statement");
        assert_eq!(
            check(
                r#"{"Statement":[{"Effect":"Allow","Action":"a:b"}]}"#,
                Kind::Trust
            ),
            "Missing required field Principal"
        );
        assert_eq!(
            check(
                r#"{"Statement":[{"Effect":"Allow","Action":"a:b"}]}"#,
                Kind::Permissions
            ),
            "Policy statement must contain resources."
        );
        assert_eq!(
            check(
                r#"{"Statement":[{"Effect":"Maybe","Action":"a:b"}]}"#,
                Kind::Trust
            ),
            "Syntax errors in policy."
        );
        assert_eq!(
            check(&format!("\"{}\"", "x".repeat(2000)), Kind::Permissions),
            "Cannot exceed quota for PolicySize: 2000"
        );
    }
}
