//! May who asks do this? Only what roles sign is asked about: the owner of the
//! account may everything. What functions print is written by the engine, and
//! not by way of here.
//!
//! An operation that is not in the table does not exist, so none can be added
//! without its permission.

use aws_wire::sigv4::Identity;
use bytes::Bytes;
use engine::iam::{Ask, request_context};
use http::Request;
use serde_json::Value;

use crate::api::LogsApi;
use crate::error::ApiError;

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// All log groups.
    Groups,
    Group,
    Stream,
    /// A group by its ARN alone, as AWS wants it where tags are concerned.
    Tagged,
}

/// The table: actions have the names of their operations.
fn needed(operation: &str) -> Option<On> {
    Some(match operation {
        "DescribeLogGroups" => On::Groups,
        "CreateLogGroup"
        | "DeleteLogGroup"
        | "PutRetentionPolicy"
        | "DeleteRetentionPolicy"
        | "DescribeLogStreams"
        | "FilterLogEvents"
        | "ListTagsLogGroup"
        | "TagLogGroup"
        | "UntagLogGroup"
        | "DescribeSubscriptionFilters"
        | "DescribeMetricFilters" => On::Group,
        "CreateLogStream" | "DeleteLogStream" | "PutLogEvents" | "GetLogEvents" => On::Stream,
        "ListTagsForResource" | "TagResource" | "UntagResource" => On::Tagged,
        _ => return None,
    })
}

impl LogsApi {
    pub(crate) fn permit(&self, operation: &str, request: &Request<Bytes>) -> Result<(), ApiError> {
        let on = needed(operation).ok_or(ApiError::UnknownOperation)?;
        let identity = request.extensions().get::<Identity>();
        let (Some(iam), Some(identity)) = (&self.iam, identity) else {
            return Ok(());
        };
        let principal_arn = identity.principal.arn.as_str();
        if iam.is_root(principal_arn) {
            return Ok(());
        }
        // What cannot be read is refused by the operation itself.
        let input = serde_json::from_slice(request.body()).unwrap_or_default();
        for resource in self.resources(on, &input) {
            let ask = Ask {
                principal_arn,
                action: &format!("logs:{operation}"),
                resource: &resource,
                resource_policy: None,
                context: &request_context(request.extensions()),
            };
            let answer = iam.authorize(&ask);
            answer.map_err(|denied| ApiError::Denied(denied.to_string()))?;
        }
        Ok(())
    }

    /// By ARN. A group may be named in two ways, of which operations take one or
    /// both, so the caller must be allowed what is named in either.
    fn resources(&self, on: On, input: &Value) -> Vec<String> {
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let arn = |group: &str| self.scope.log_group_arn(group);
        let of_group = |group: &str| match on {
            On::Tagged => arn(group),
            On::Stream => {
                let stream = text("logStreamName").unwrap_or_default();
                format!("{}:log-stream:{stream}", arn(group))
            }
            // AWS asks so for all that is in the group: policies end in `:*`.
            On::Groups | On::Group => format!("{}:log-stream:", arn(group)),
        };
        let names = match on {
            On::Groups => [None, None],
            On::Group | On::Stream => [text("logGroupName"), text("logGroupIdentifier")],
            On::Tagged => [text("resourceArn"), None],
        };
        let named = names.into_iter().flatten().map(|name| {
            let own = self.name_in_arn(name);
            of_group(own.as_deref().unwrap_or(name))
        });
        let resources: Vec<String> = named.collect();
        if resources.is_empty() {
            // No group in particular: who may not all may not this.
            return vec![of_group("")];
        }
        resources
    }
}
