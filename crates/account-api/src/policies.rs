//! Policies that roles share, and their versions.

use aws_wire::form::{self, Form};
use aws_wire::xml::Xml;
use engine::iam::{FoundPolicy, IamError, NewPolicy};
use types::Timestamp;

use crate::answer::{Answer, date, truth, write_tags};
use crate::api::{AccountApi, required, tags};
use crate::error::ApiError;
use crate::page::Page;

/// The day that AWS's own policies show as theirs: any will do, but the same.
const MANAGED_SINCE: Timestamp = Timestamp(1_428_564_300_000);

impl AccountApi {
    pub(crate) async fn create_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let policy = self
            .iam
            .create_policy(NewPolicy {
                name: required(form, "PolicyName")?.to_owned(),
                path: form.get("Path").unwrap_or("/").to_owned(),
                description: form.get("Description").map(str::to_owned),
                document: required(form, "PolicyDocument")?.to_owned(),
                tags: tags(form),
            })
            .await?;
        Ok(self.show_policy(&FoundPolicy::Own(policy)))
    }

    pub(crate) fn get_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let policy = self.iam.policy(required(form, "PolicyArn")?)?;
        Ok(self.show_policy(&policy))
    }

    pub(crate) fn list_policies(&self, form: &Form) -> Result<Answer, ApiError> {
        let scope = form.get("Scope").unwrap_or("All");
        let prefix = form.get("PathPrefix").unwrap_or("/");
        let only_attached = form.get("OnlyAttached") == Some("true");
        let is_wanted = |policy: &FoundPolicy| {
            let in_scope = match policy {
                FoundPolicy::Own(_) => scope != "AWS",
                FoundPolicy::Aws(_) => scope != "Local",
            };
            in_scope
                && policy.path().starts_with(prefix)
                && (!only_attached || self.iam.attachments(&policy.arn()) > 0)
        };
        let mut policies = self.iam.policies();
        policies.retain(is_wanted);
        policies.sort_by_cached_key(FoundPolicy::arn);
        let page = Page::of(policies, FoundPolicy::arn, form)?;
        Ok(Answer::result(|xml| {
            xml.list("Policies", &page.items, |xml, policy| {
                self.write_policy(xml, policy);
            });
            page.write_end(xml);
        }))
    }

    pub(crate) async fn delete_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        self.iam.delete_policy(required(form, "PolicyArn")?).await?;
        Ok(Answer::Nothing)
    }

    pub(crate) async fn create_policy_version(&self, form: &Form) -> Result<Answer, ApiError> {
        let arn = required(form, "PolicyArn")?;
        let document = required(form, "PolicyDocument")?.to_owned();
        let set_as_default = form.get("SetAsDefault") == Some("true");
        let (number, policy) = self
            .iam
            .create_policy_version(arn, document, set_as_default)
            .await?;
        let version = find_version(&FoundPolicy::Own(policy), number)?;
        Ok(Answer::result(|xml| {
            xml.element("PolicyVersion", |xml| version.write(xml, false));
        }))
    }

    pub(crate) fn get_policy_version(&self, form: &Form) -> Result<Answer, ApiError> {
        let policy = self.iam.policy(required(form, "PolicyArn")?)?;
        let version = find_version(&policy, version_number(form)?)?;
        Ok(Answer::result(|xml| {
            xml.element("PolicyVersion", |xml| version.write(xml, true));
        }))
    }

    pub(crate) fn list_policy_versions(&self, form: &Form) -> Result<Answer, ApiError> {
        let policy = self.iam.policy(required(form, "PolicyArn")?)?;
        let numbers: Vec<u32> = match &policy {
            FoundPolicy::Own(policy) => policy.versions.keys().rev().copied().collect(),
            FoundPolicy::Aws(_) => vec![1],
        };
        let versions = numbers.into_iter().map(|n| find_version(&policy, n));
        let versions = versions.collect::<Result<Vec<_>, _>>()?;
        Ok(Answer::result(|xml| {
            xml.list("Versions", &versions, |xml, version| {
                version.write(xml, false);
            });
            xml.text("IsTruncated", "false");
        }))
    }

    pub(crate) async fn set_default_policy_version(&self, form: &Form) -> Result<Answer, ApiError> {
        let arn = required(form, "PolicyArn")?;
        self.iam
            .set_default_policy_version(arn, version_number(form)?)
            .await?;
        Ok(Answer::Nothing)
    }

    pub(crate) async fn delete_policy_version(&self, form: &Form) -> Result<Answer, ApiError> {
        let arn = required(form, "PolicyArn")?;
        self.iam
            .delete_policy_version(arn, version_number(form)?)
            .await?;
        Ok(Answer::Nothing)
    }

    pub(crate) fn list_entities_for_policy(&self, form: &Form) -> Result<Answer, ApiError> {
        let arn = required(form, "PolicyArn")?;
        self.iam.policy(arn)?;
        let mut roles = self.iam.roles("/");
        roles.retain(|role| role.attached.contains(arn));
        let page = Page::of(roles, |role| role.name.to_lowercase(), form)?;
        Ok(Answer::result(|xml| {
            xml.element("PolicyGroups", |_| {});
            xml.element("PolicyUsers", |_| {});
            xml.list("PolicyRoles", &page.items, |xml, role| {
                xml.text("RoleName", &role.name);
                xml.text("RoleId", &role.id);
            });
            page.write_end(xml);
        }))
    }

    fn show_policy(&self, policy: &FoundPolicy) -> Answer {
        Answer::result(|xml| {
            xml.element("Policy", |xml| self.write_policy(xml, policy));
        })
    }

    fn write_policy(&self, xml: &mut Xml, policy: &FoundPolicy) {
        let arn = policy.arn();
        let (id, default, created, updated) = match policy {
            FoundPolicy::Own(own) => (
                own.id.clone(),
                own.default_version,
                own.created,
                own.updated,
            ),
            FoundPolicy::Aws(aws) => (aws.id(), 1, MANAGED_SINCE, MANAGED_SINCE),
        };
        xml.text("PolicyName", policy.name());
        xml.text("PolicyId", &id);
        xml.text("Arn", &arn);
        xml.text("Path", policy.path());
        xml.text("DefaultVersionId", &format!("v{default}"));
        xml.text("AttachmentCount", &self.iam.attachments(&arn).to_string());
        xml.text("PermissionsBoundaryUsageCount", "0");
        xml.text("IsAttachable", "true");
        if let FoundPolicy::Own(own) = policy {
            if let Some(description) = &own.description {
                xml.text("Description", description);
            }
            if !own.tags.is_empty() {
                write_tags(xml, &own.tags);
            }
        }
        xml.text("CreateDate", &date(created));
        xml.text("UpdateDate", &date(updated));
    }
}

struct Version {
    number: u32,
    is_default: bool,
    created: Timestamp,
    document: String,
}

impl Version {
    /// The document is only in the answer about one version.
    fn write(&self, xml: &mut Xml, with_document: bool) {
        if with_document {
            xml.text("Document", &form::encode(&self.document));
        }
        xml.text("VersionId", &format!("v{}", self.number));
        xml.text("IsDefaultVersion", truth(self.is_default));
        xml.text("CreateDate", &date(self.created));
    }
}

fn find_version(policy: &FoundPolicy, number: u32) -> Result<Version, ApiError> {
    let found = match policy {
        FoundPolicy::Own(own) => own.versions.get(&number).map(|version| Version {
            number,
            is_default: number == own.default_version,
            created: version.created,
            document: version.document.clone(),
        }),
        FoundPolicy::Aws(aws) => (number == 1).then(|| Version {
            number,
            is_default: true,
            created: MANAGED_SINCE,
            document: aws.document(),
        }),
    };
    found.ok_or_else(|| {
        IamError::NoSuchEntity(format!(
            "Policy {} version v{number} does not exist or is not attachable.",
            policy.arn()
        ))
        .into()
    })
}

/// `v3`
fn version_number(form: &Form) -> Result<u32, ApiError> {
    let text = required(form, "VersionId")?;
    text.strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| {
            ApiError::validation(format!(
                "1 validation error detected: Value '{text:.64}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
            ))
        })
}
