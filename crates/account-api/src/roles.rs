//! Roles and what is attached to them.

use aws_wire::form::{self, Form};
use aws_wire::sigv4::Principal;
use aws_wire::xml::Xml;
use engine::iam::{IamError, NewRole, Role, RolePatch};

use crate::answer::{Answer, date, write_tags};
use crate::api::{AccountApi, number, required, tags};
use crate::error::ApiError;
use crate::page::Page;

const DEFAULT_SESSION_SECONDS: u32 = 3600;

/// How much of a role an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Lists leave out tags, boundary and last use.
    InList,
    Whole,
}

impl AccountApi {
    pub(crate) async fn create_role(&self, form: &Form) -> Result<Answer, ApiError> {
        let role = self
            .iam
            .create_role(NewRole {
                name: required(form, "RoleName")?.to_owned(),
                path: form.get("Path").unwrap_or("/").to_owned(),
                description: optional(form, "Description"),
                trust: required(form, "AssumeRolePolicyDocument")?.to_owned(),
                max_session_seconds: number(form, "MaxSessionDuration")?
                    .unwrap_or(DEFAULT_SESSION_SECONDS),
                permissions_boundary: optional(form, "PermissionsBoundary"),
                tags: tags(form),
            })
            .await?;
        Ok(self.show_role(&role))
    }

    pub(crate) fn get_role(&self, form: &Form) -> Result<Answer, ApiError> {
        let role = self.iam.role(required(form, "RoleName")?)?;
        Ok(self.show_role(&role))
    }

    pub(crate) fn list_roles(&self, form: &Form) -> Result<Answer, ApiError> {
        let roles = self.iam.roles(form.get("PathPrefix").unwrap_or("/"));
        let page = Page::of(roles, |role| role.name.to_lowercase(), form)?;
        Ok(Answer::result(|xml| {
            xml.list("Roles", &page.items, |xml, role| {
                self.write_role(xml, role, Shown::InList);
            });
            page.write_end(xml);
        }))
    }

    pub(crate) async fn update_role(&self, form: &Form) -> Result<Answer, ApiError> {
        let patch = RolePatch {
            description: form.get("Description").map(str::to_owned),
            max_session_seconds: number(form, "MaxSessionDuration")?,
        };
        self.iam
            .update_role(required(form, "RoleName")?, patch)
            .await?;
        Ok(Answer::result(|_| {}))
    }

    pub(crate) async fn update_role_description(&self, form: &Form) -> Result<Answer, ApiError> {
        let patch = RolePatch {
            description: Some(required(form, "Description")?.to_owned()),
            max_session_seconds: None,
        };
        let role = self
            .iam
            .update_role(required(form, "RoleName")?, patch)
            .await?;
        Ok(self.show_role(&role))
    }

    pub(crate) async fn update_assume_role_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let trust = required(form, "PolicyDocument")?.to_owned();
        self.iam
            .update_trust(required(form, "RoleName")?, trust)
            .await?;
        Ok(Answer::Nothing)
    }

    pub(crate) async fn delete_role(&self, form: &Form) -> Result<Answer, ApiError> {
        self.iam.delete_role(required(form, "RoleName")?).await?;
        Ok(Answer::Nothing)
    }

    /// A role that AWS makes for one of its services.
    pub(crate) async fn create_service_linked_role(&self, form: &Form) -> Result<Answer, ApiError> {
        let service = required(form, "AWSServiceName")?;
        let first = service.split('.').next().unwrap_or_default();
        let mut name = format!("AWSServiceRoleFor{}", capitalised(first));
        if let Some(suffix) = form.get("CustomSuffix") {
            name.push('_');
            name.push_str(suffix);
        }
        let made = self
            .iam
            .create_role(NewRole {
                path: format!("/aws-service-role/{service}/"),
                description: optional(form, "Description"),
                trust: service_trust(service),
                max_session_seconds: DEFAULT_SESSION_SECONDS,
                permissions_boundary: None,
                tags: tags(form),
                name,
            })
            .await;
        match made {
            Ok(role) => Ok(self.show_role(&role)),
            // This operation says it in its own words.
            Err(IamError::AlreadyExists(_)) => Err(IamError::InvalidInput(format!(
                "Service role name AWSServiceRoleFor{} has been taken in this account, please try a different suffix.",
                capitalised(first)
            ))
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn put_role_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let document = required(form, "PolicyDocument")?.to_owned();
        let (role, policy) = (required(form, "RoleName")?, required(form, "PolicyName")?);
        self.iam.put_role_policy(role, policy, document).await?;
        Ok(Answer::Nothing)
    }

    pub(crate) fn get_role_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let (role, policy) = (required(form, "RoleName")?, required(form, "PolicyName")?);
        let document = self.iam.role_policy(role, policy)?;
        Ok(Answer::result(|xml| {
            xml.text("RoleName", role);
            xml.text("PolicyName", policy);
            xml.text("PolicyDocument", &form::encode(&document));
        }))
    }

    pub(crate) fn list_role_policies(&self, form: &Form) -> Result<Answer, ApiError> {
        let role = self.iam.role(required(form, "RoleName")?)?;
        let page = Page::of(role.inline.keys(), |name| (*name).clone(), form)?;
        Ok(Answer::result(|xml| {
            xml.element("PolicyNames", |xml| {
                for name in &page.items {
                    xml.text("member", name);
                }
            });
            page.write_end(xml);
        }))
    }

    pub(crate) async fn delete_role_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let (role, policy) = (required(form, "RoleName")?, required(form, "PolicyName")?);
        self.iam.delete_role_policy(role, policy).await?;
        Ok(Answer::Nothing)
    }

    pub(crate) async fn attach_role_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let (role, arn) = (required(form, "RoleName")?, required(form, "PolicyArn")?);
        self.iam.attach_role_policy(role, arn).await?;
        Ok(Answer::Nothing)
    }

    pub(crate) async fn detach_role_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let (role, arn) = (required(form, "RoleName")?, required(form, "PolicyArn")?);
        self.iam.detach_role_policy(role, arn).await?;
        Ok(Answer::Nothing)
    }

    pub(crate) fn list_attached_role_policies(&self, form: &Form) -> Result<Answer, ApiError> {
        let role = self.iam.role(required(form, "RoleName")?)?;
        let page = Page::of(&role.attached, |arn| (*arn).clone(), form)?;
        Ok(Answer::result(|xml| {
            xml.list("AttachedPolicies", &page.items, |xml, arn| {
                xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
                xml.text("PolicyArn", arn);
            });
            page.write_end(xml);
        }))
    }

    pub(crate) async fn tag_role(&self, form: &Form) -> Result<Answer, ApiError> {
        self.iam
            .tag_role(required(form, "RoleName")?, tags(form))
            .await?;
        Ok(Answer::Nothing)
    }

    pub(crate) async fn untag_role(&self, form: &Form) -> Result<Answer, ApiError> {
        let keys: Vec<&str> = form.list("TagKeys").collect();
        self.iam
            .untag_role(required(form, "RoleName")?, &keys)
            .await?;
        Ok(Answer::Nothing)
    }

    pub(crate) fn list_role_tags(&self, form: &Form) -> Result<Answer, ApiError> {
        let role = self.iam.role(required(form, "RoleName")?)?;
        Ok(Answer::result(|xml| {
            write_tags(xml, &role.tags);
            xml.text("IsTruncated", "false");
        }))
    }

    /// There are no instance profiles, but tools ask before they delete a role.
    pub(crate) fn list_instance_profiles_for_role(&self, form: &Form) -> Result<Answer, ApiError> {
        self.iam.role(required(form, "RoleName")?)?;
        Ok(Answer::result(|xml| {
            xml.element("InstanceProfiles", |_| {});
            xml.text("IsTruncated", "false");
        }))
    }

    /// There are no users but the one who asks.
    pub(crate) fn get_user(form: &Form, caller: &Principal) -> Result<Answer, ApiError> {
        if let Some(name) = form.get("UserName") {
            return Err(IamError::NoSuchEntity(format!(
                "The user with name {name:.128} cannot be found."
            ))
            .into());
        }
        Ok(Answer::result(|xml| {
            xml.element("User", |xml| {
                xml.text("Path", "/");
                // The account's owner has no user name of its own.
                xml.text("UserName", "root");
                xml.text("UserId", &caller.user_id);
                xml.text("Arn", &caller.arn);
                xml.text("CreateDate", "2026-01-01T00:00:00Z");
            });
        }))
    }

    pub(crate) fn list_account_aliases() -> Answer {
        Answer::result(|xml| {
            xml.element("AccountAliases", |_| {});
            xml.text("IsTruncated", "false");
        })
    }

    fn show_role(&self, role: &Role) -> Answer {
        Answer::result(|xml| {
            xml.element("Role", |xml| self.write_role(xml, role, Shown::Whole));
        })
    }

    fn write_role(&self, xml: &mut Xml, role: &Role, shown: Shown) {
        xml.text("Path", &role.path);
        xml.text("RoleName", &role.name);
        xml.text("RoleId", &role.id);
        xml.text("Arn", &self.iam.role_arn(role));
        xml.text("CreateDate", &date(role.created));
        xml.text("AssumeRolePolicyDocument", &form::encode(&role.trust));
        if let Some(description) = &role.description {
            xml.text("Description", description);
        }
        xml.text("MaxSessionDuration", &role.max_session_seconds.to_string());
        if shown == Shown::InList {
            return;
        }
        if let Some(boundary) = &role.permissions_boundary {
            xml.element("PermissionsBoundary", |xml| {
                xml.text("PermissionsBoundaryType", "Policy");
                xml.text("PermissionsBoundaryArn", boundary);
            });
        }
        if !role.tags.is_empty() {
            write_tags(xml, &role.tags);
        }
        xml.element("RoleLastUsed", |_| {});
    }
}

fn optional(form: &Form, name: &str) -> Option<String> {
    form.get(name)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn service_trust(service: &str) -> String {
    // What is not part of a host name would break out of the JSON text.
    let service: String = service
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        .collect();
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}
