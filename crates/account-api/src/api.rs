//! Which operation is asked for, and the frame around its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_wire::Body;
use aws_wire::form::Form;
use aws_wire::sigv4::{Identity, Principal};
use bytes::Bytes;
use engine::iam::{Iam, request_context};
use http::{Request, Response};

use crate::answer::{self, Answer, Service};
use crate::error::ApiError;

/// Answers for `iam` and `sts`.
#[derive(Clone)]
pub struct AccountApi {
    pub(crate) iam: Arc<Iam>,
}

impl fmt::Debug for AccountApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountApi").finish_non_exhaustive()
    }
}

impl AccountApi {
    pub fn new(iam: Arc<Iam>) -> Self {
        Self { iam }
    }

    /// Who asks is taken from the request's extensions, where the server puts the
    /// verified [`Identity`].
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let caller = match request.extensions().get::<Identity>() {
            Some(identity) => identity.principal.clone(),
            None => Principal::root(self.iam.scope().account.clone()),
        };
        let context = request_context(request.extensions());
        let form = read_form(&request);
        let action = form.get("Action").unwrap_or_default();
        let service = Service::of_version(form.get("Version"));
        let answer = match service {
            Service::Iam => match self.permit(action, &form, &caller, context) {
                Ok(()) => self.iam_operation(action, &form, &caller).await,
                Err(refused) => Err(refused),
            },
            Service::Sts => self.sts_operation(action, &form, &caller),
        };
        match answer {
            Ok(answer) => answer::frame(service, action, &answer),
            Err(error) => error.respond(service),
        }
    }

    async fn iam_operation(
        &self,
        action: &str,
        form: &Form,
        caller: &Principal,
    ) -> Result<Answer, ApiError> {
        match action {
            "CreateRole" => self.create_role(form).await,
            "GetRole" => self.get_role(form),
            "ListRoles" => self.list_roles(form),
            "UpdateRole" => self.update_role(form).await,
            "UpdateRoleDescription" => self.update_role_description(form).await,
            "UpdateAssumeRolePolicy" => self.update_assume_role_policy(form).await,
            "DeleteRole" => self.delete_role(form).await,
            "CreateServiceLinkedRole" => self.create_service_linked_role(form).await,
            "PutRolePolicy" => self.put_role_policy(form).await,
            "GetRolePolicy" => self.get_role_policy(form),
            "ListRolePolicies" => self.list_role_policies(form),
            "DeleteRolePolicy" => self.delete_role_policy(form).await,
            "AttachRolePolicy" => self.attach_role_policy(form).await,
            "DetachRolePolicy" => self.detach_role_policy(form).await,
            "ListAttachedRolePolicies" => self.list_attached_role_policies(form),
            "TagRole" => self.tag_role(form).await,
            "UntagRole" => self.untag_role(form).await,
            "ListRoleTags" => self.list_role_tags(form),
            "ListInstanceProfilesForRole" => self.list_instance_profiles_for_role(form),
            "CreatePolicy" => self.create_policy(form).await,
            "GetPolicy" => self.get_policy(form),
            "ListPolicies" => self.list_policies(form),
            "DeletePolicy" => self.delete_policy(form).await,
            "CreatePolicyVersion" => self.create_policy_version(form).await,
            "GetPolicyVersion" => self.get_policy_version(form),
            "ListPolicyVersions" => self.list_policy_versions(form),
            "SetDefaultPolicyVersion" => self.set_default_policy_version(form).await,
            "DeletePolicyVersion" => self.delete_policy_version(form).await,
            "ListEntitiesForPolicy" => self.list_entities_for_policy(form),
            "GetUser" => Self::get_user(form, caller),
            "ListAccountAliases" => Ok(Self::list_account_aliases()),
            _ => Err(ApiError::unknown_action(action, Service::Iam)),
        }
    }

    fn sts_operation(
        &self,
        action: &str,
        form: &Form,
        caller: &Principal,
    ) -> Result<Answer, ApiError> {
        match action {
            "GetCallerIdentity" => Ok(Self::get_caller_identity(caller)),
            "AssumeRole" => self.assume_role(form, caller),
            "GetSessionToken" => self.get_session_token(form, caller),
            _ => Err(ApiError::unknown_action(action, Service::Sts)),
        }
    }
}

/// The form is in the body, or, of a GET, in the query.
fn read_form(request: &Request<Bytes>) -> Form {
    let body = String::from_utf8_lossy(request.body());
    if body.trim().is_empty() {
        Form::parse(request.uri().query().unwrap_or_default())
    } else {
        Form::parse(body.trim())
    }
}

pub(crate) fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, ApiError> {
    form.get(name).ok_or_else(|| {
        ApiError::validation(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
            lower_first(name)
        ))
    })
}

/// A parameter that is a number; `None` if it is not there.
pub(crate) fn number(form: &Form, name: &str) -> Result<Option<u32>, ApiError> {
    form.get(name)
        .map(|text| {
            text.parse().map_err(|_| {
                ApiError::validation(format!("{name} must be a number, not '{text:.32}'"))
            })
        })
        .transpose()
}

pub(crate) fn tags(form: &Form) -> BTreeMap<String, String> {
    form.tags("Tags")
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Messages spell parameters with a small first letter.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
