//! Who may call a function URL that asks for no signature: those whom the
//! function's resource policy lets in.

use engine::catalog::Statement;
use serde_json::Value;

/// Does the policy let everybody call the URL?
pub(crate) fn is_public(policy: &[Statement]) -> bool {
    let applies = |statement: &&Statement| {
        is_everybody(&statement.principal)
            && covers_action(&statement.action)
            && conditions_hold(statement)
    };
    let mut applying = policy.iter().filter(applies).peekable();
    // A denial outweighs every permission.
    applying.peek().is_some() && applying.all(|statement| statement.effect == "Allow")
}

fn is_everybody(principal: &Value) -> bool {
    match principal {
        Value::String(who) => who == "*",
        Value::Object(kinds) => kinds.get("AWS").is_some_and(is_everybody),
        Value::Array(many) => many.iter().any(is_everybody),
        _ => false,
    }
}

fn covers_action(action: &str) -> bool {
    matches!(
        action.to_ascii_lowercase().as_str(),
        "*" | "lambda:*" | "lambda:invokefunctionurl"
    )
}

/// Of an anonymous caller only these two things are known.
fn conditions_hold(statement: &Statement) -> bool {
    statement.condition.iter().all(|(operator, operands)| {
        operands.iter().all(|(key, value)| {
            match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
                ("StringEquals", "lambda:functionurlauthtype") => value == "NONE",
                ("Bool", "lambda:invokedviafunctionurl") => value.eq_ignore_ascii_case("true"),
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(effect: &str, principal: &Value, action: &str, condition: &Value) -> Statement {
        serde_json::from_value(json!({
            "Sid": "s",
            "Effect": effect,
            "Principal": principal,
            "Action": action,
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "Condition": condition,
        }))
        .unwrap()
    }

    #[test]
    fn the_policy_must_let_everybody_in() {
        let url = "lambda:InvokeFunctionUrl";
        let none = json!({ "StringEquals": { "lambda:FunctionUrlAuthType": "NONE" } });
        let public = |effect, principal: Value, action, condition: &Value| {
            is_public(&[statement(effect, &principal, action, condition)])
        };
        assert!(public("Allow", json!("*"), url, &none));
        assert!(public("Allow", json!("*"), url, &json!({})));
        assert!(public("Allow", json!({ "AWS": "*" }), url, &none));
        assert!(!public("Deny", json!("*"), url, &none));
        assert!(!public(
            "Allow",
            json!({ "Service": "s3.amazonaws.com" }),
            url,
            &none
        ));
        assert!(!public("Allow", json!("*"), "lambda:InvokeFunction", &none));
        let iam = json!({ "StringEquals": { "lambda:FunctionUrlAuthType": "AWS_IAM" } });
        assert!(!public("Allow", json!("*"), url, &iam));
        let account = json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } });
        assert!(!public("Allow", json!("*"), url, &account));
        assert!(!is_public(&[]));
    }

    #[test]
    fn a_denial_outweighs() {
        let url = "lambda:InvokeFunctionUrl";
        let allow = statement("Allow", &json!("*"), url, &json!({}));
        let deny = statement("Deny", &json!("*"), url, &json!({}));
        assert!(!is_public(&[allow.clone(), deny.clone()]));
        assert!(!is_public(&[deny, allow]));
    }
}
