//! May who asks do this? Only what roles sign is asked about: the owner of the account
//! may everything.
//!
//! An operation that is not in the table does not exist, so none can be added without
//! its permission.

use aws_wire::sigv4::Principal;
use bytes::Bytes;
use engine::iam::{Ask, request_context};
use http::Request;
use serde_json::Value;

use crate::api::SsmApi;
use crate::error::ApiError;
use crate::read::own_name;

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// All parameters.
    All,
    /// One, by the field that names it.
    One(&'static str),
    /// Several, by the field that names them: each must be allowed.
    Each(&'static str),
}

/// The table: actions have the names of their operations.
fn needed(operation: &str) -> Option<On> {
    Some(match operation {
        "DescribeParameters" => On::All,
        "PutParameter" | "GetParameter" | "DeleteParameter" => On::One("Name"),
        "GetParametersByPath" => On::One("Path"),
        "AddTagsToResource" | "RemoveTagsFromResource" | "ListTagsForResource" => {
            On::One("ResourceId")
        }
        "GetParameters" | "DeleteParameters" => On::Each("Names"),
        _ => return None,
    })
}

impl SsmApi {
    pub(crate) fn permit(
        &self,
        operation: &str,
        request: &Request<Bytes>,
        caller: &Principal,
    ) -> Result<(), ApiError> {
        let on = needed(operation).ok_or(ApiError::UnknownOperation)?;
        if self.iam.is_root(&caller.arn) {
            return Ok(());
        }
        // What cannot be read is refused by the operation itself.
        let input: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        for resource in self.resources(on, &input) {
            let ask = Ask {
                principal_arn: &caller.arn,
                action: &format!("ssm:{operation}"),
                resource: &resource,
                resource_policy: None,
                context: &request_context(request.extensions()),
            };
            let answer = self.iam.authorize(&ask);
            answer.map_err(|denied| ApiError::Denied(denied.to_string()))?;
        }
        Ok(())
    }

    /// By ARN.
    fn resources(&self, on: On, input: &Value) -> Vec<String> {
        let parameters = &self.parameters;
        // Of a name that carries its version, the name alone is judged.
        let arn = |name: &Value| {
            let name = own_name(parameters, name.as_str().unwrap_or_default());
            parameters.arn(name.0)
        };
        match on {
            On::All => {
                let scope = parameters.scope();
                vec![format!("arn:aws:ssm:{}:{}:*", scope.region, scope.account)]
            }
            On::One(field) => vec![arn(&input[field])],
            On::Each(field) => match input[field].as_array() {
                Some(names) => names.iter().map(arn).collect(),
                None => vec![arn(&Value::Null)],
            },
        }
    }
}
