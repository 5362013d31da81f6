//! May who asks do this? Only roles are asked about: the owner of the account may
//! everything. Were this open to roles, each could give itself what its policies
//! deny it everywhere else.

use aws_wire::form::Form;
use aws_wire::sigv4::Principal;
use engine::iam::{Ask, IamError};
use policy::Context;

use crate::api::AccountApi;
use crate::error::ApiError;

impl AccountApi {
    /// Refuses an operation of IAM that no policy of the caller's role allows.
    pub(crate) fn permit(
        &self,
        action: &str,
        form: &Form,
        caller: &Principal,
        mut context: Context,
    ) -> Result<(), ApiError> {
        for (parameter, key) in [
            ("PolicyArn", "iam:PolicyARN"),
            ("PermissionsBoundary", "iam:PermissionsBoundary"),
            ("AWSServiceName", "iam:AWSServiceName"),
        ] {
            if let Some(value) = form.get(parameter) {
                context.add(key, value);
            }
        }
        let ask = Ask {
            principal_arn: &caller.arn,
            action: &format!("iam:{action}"),
            resource: &self.resource(action, form),
            resource_policy: None,
            context: &context,
        };
        let answer = self.iam.authorize(&ask);
        answer.map_err(|denied| ApiError::Iam(IamError::Denied(denied.to_string())))
    }

    /// What an operation is about, by ARN; one about no one thing asks for all.
    fn resource(&self, action: &str, form: &Form) -> String {
        let scope = self.iam.scope();
        let made = |kind: &str, name: &str| {
            let path = form.get("Path").unwrap_or("/").trim_end_matches('/');
            scope.iam_arn(&format!("{kind}{path}"), name)
        };
        match (action, form.get("RoleName"), form.get("PolicyName")) {
            ("CreateRole", Some(name), _) => made("role", name),
            ("CreatePolicy", _, Some(name)) => made("policy", name),
            (_, Some(name), _) => match self.iam.role(name) {
                Ok(role) => self.iam.role_arn(&role),
                Err(_) => scope.iam_arn("role", name),
            },
            _ => form.get("PolicyArn").unwrap_or("*").to_owned(),
        }
    }
}
