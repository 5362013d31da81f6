//! What a function says of a caller: yes or no, or a policy that says which routes.

use std::sync::Arc;

use policy::{Caller, Context, Document, Question, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::caller::Admitted;

const ACTION: &str = "execute-api:Invoke";
/// What is told of a caller; it is kept, and goes with each of its requests.
const LONGEST: usize = 32 << 10;

/// The answer of a function, read.
#[derive(Debug)]
pub(super) struct Answer {
    says: Says,
    admitted: Arc<Admitted>,
}

#[derive(Debug)]
enum Says {
    Simply(bool),
    /// It is asked for each route by itself.
    Policy(Document),
}

#[derive(Debug, thiserror::Error)]
pub(in super::super) enum BadAnswer {
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    #[error("it is not what an authorizer answers")]
    Form(#[from] serde_json::Error),
    #[error("its policy cannot be read")]
    Policy(#[from] policy::PolicyError),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Simple {
    is_authorized: bool,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WithPolicy {
    principal_id: Option<String>,
    policy_document: Value,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

impl Answer {
    /// `simple` says which of the two forms the authorizer has.
    pub fn read(text: &[u8], simple: bool) -> Result<Self, BadAnswer> {
        if text.len() > LONGEST {
            return Err(BadAnswer::TooLong);
        }
        let (says, principal, context) = if simple {
            let answer: Simple = serde_json::from_slice(text)?;
            (Says::Simply(answer.is_authorized), None, answer.context)
        } else {
            let answer: WithPolicy = serde_json::from_slice(text)?;
            let document = Document::parse(&answer.policy_document.to_string())?;
            (Says::Policy(document), answer.principal_id, answer.context)
        };
        let context = context.unwrap_or_default();
        let admitted = Arc::new(Admitted { principal, context });
        Ok(Self { says, admitted })
    }

    /// Whom it lets in to this route, if it does.
    pub fn judge(&self, arn: &str, context: &Context) -> Option<Arc<Admitted>> {
        let yes = match &self.says {
            Says::Simply(yes) => *yes,
            Says::Policy(document) => {
                let question = Question {
                    action: ACTION,
                    resource: arn,
                    caller: &Caller::Anonymous,
                    context,
                };
                document.judge(&question) == Verdict::Allow
            }
        };
        yes.then(|| Arc::clone(&self.admitted))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:api/dev/GET/a/b";

    fn lets_in(answer: &Value, simple: bool) -> Result<bool, BadAnswer> {
        let answer = Answer::read(answer.to_string().as_bytes(), simple)?;
        Ok(answer.judge(ARN, &Context::new()).is_some())
    }

    fn policy(effect: &str, resource: &str) -> Value {
        let statement = json!({
            "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource,
        });
        json!({
            "principalId": "me",
            "policyDocument": { "Version": "2012-10-17", "Statement": [statement] },
        })
    }

    #[test]
    fn a_policy_is_asked_for_each_route() {
        for (effect, resource, yes) in [
            ("Allow", ARN, true),
            ("Allow", "*", true),
            ("Allow", "arn:aws:execute-api:*:*:api/dev/GET/*", true),
            ("Allow", "arn:aws:execute-api:*:*:api/*/*/*", true),
            ("Allow", "arn:aws:execute-api:*:*:api/dev/POST/*", false),
            ("Allow", "arn:aws:execute-api:*:*:other/*", false),
            ("Deny", ARN, false),
        ] {
            let answer = lets_in(&policy(effect, resource), false).unwrap();
            assert_eq!(answer, yes, "{effect} {resource}");
        }
        let other = json!({ "policyDocument": { "Version": "2012-10-17", "Statement": [
            { "Action": "lambda:InvokeFunction", "Effect": "Allow", "Resource": "*" },
        ] } });
        assert!(!lets_in(&other, false).unwrap());
    }

    #[test]
    fn only_a_plain_yes_is_one() {
        assert!(lets_in(&json!({ "isAuthorized": true }), true).unwrap());
        assert!(!lets_in(&json!({ "isAuthorized": false, "context": null }), true).unwrap());
        for bad in [
            json!(true),
            json!({}),
            json!({ "isAuthorized": "true" }),
            json!({ "isAuthorized": 1 }),
            json!({ "isAuthorized": true, "context": [] }),
            policy("Allow", "*"),
        ] {
            assert!(lets_in(&bad, true).is_err(), "{bad}");
        }
        for bad in [
            json!({ "isAuthorized": true }),
            json!({ "principalId": "me" }),
            json!({ "principalId": "me", "policyDocument": {} }),
            json!({ "principalId": "me", "policyDocument": "x" }),
            policy("Perhaps", "*"),
        ] {
            assert!(lets_in(&bad, false).is_err(), "{bad}");
        }
        let long = json!({ "isAuthorized": true, "context": { "a": "x".repeat(LONGEST) } });
        assert!(matches!(lets_in(&long, true), Err(BadAnswer::TooLong)));
    }
}
