//! Resource policies of functions.

use engine::catalog::NewPermission;
use serde::Deserialize;
use serde_json::json;

use crate::request::{Answer, Call, created, no_content, ok};
use crate::shapes;
use crate::validate::{Faults, is_word, present};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PermissionMembers {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    source_arn: Option<String>,
    source_account: Option<String>,
    event_source_token: Option<String>,
    revision_id: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    principal_org_id: Option<String>,
    function_url_auth_type: Option<String>,
    invoked_via_function_url: Option<bool>,
}

pub(crate) async fn add(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let members: PermissionMembers = call.members()?;
    let mut faults = Faults::default();
    let statement_id = faults.required(members.statement_id, "statementId");
    let action = faults.required(members.action, "action");
    let principal = faults.required(members.principal, "principal");
    if let Some(sid) = &statement_id {
        faults.max_length(sid, "statementId", 100);
        faults.pattern(sid, "statementId", is_word(sid, "-_"), "([a-zA-Z0-9-_]+)");
    }
    if let Some(action) = &action {
        let name = action.strip_prefix("lambda:").unwrap_or_default();
        let all = name.chars().all(|c| c.is_ascii_alphabetic()) && !name.is_empty();
        let fits = action == "*" || name == "*" || all;
        faults.pattern(action, "action", fits, "(lambda:[*]|lambda:[a-zA-Z]+|[*])");
    }
    if let Some(principal) = &principal {
        let fits = !principal.is_empty() && !principal.contains(char::is_whitespace);
        faults.pattern(principal, "principal", fits, r"[^\s]+");
    }
    if let Some(account) = &members.source_account {
        let fits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        faults.pattern(account, "sourceAccount", fits, r"\d{12}");
    }
    if let Some(auth) = &members.function_url_auth_type {
        let all = [("NONE", ()), ("AWS_IAM", ())];
        faults.one_of(auth, "functionUrlAuthType", &all);
    }
    faults.none()?;
    let new = NewPermission {
        statement_id: present(statement_id)?,
        action: present(action)?,
        principal: present(principal)?,
        source_arn: members.source_arn,
        source_account: members.source_account,
        event_source_token: members.event_source_token,
        principal_org_id: members.principal_org_id,
        function_url_auth_type: members.function_url_auth_type,
        invoked_via_function_url: members.invoked_via_function_url,
        revision: members.revision_id,
    };
    let catalog = call.catalog();
    let statement = catalog
        .add_permission(target.name, target.qualifier, new)
        .await?;
    created(&json!({ "Statement": shapes::text(&statement) }))
}

pub(crate) async fn remove(call: &Call<'_>, name: &str, sid: &str) -> Answer {
    let target = call.target(name)?;
    let revision = call.query("RevisionId");
    call.catalog()
        .remove_permission(target.name, target.qualifier, sid.to_owned(), revision)
        .await?;
    no_content()
}

pub(crate) fn get(call: &Call<'_>, name: &str) -> Answer {
    let target = call.target(name)?;
    let catalog = call.catalog();
    let (statements, revision) = catalog.policy(&target.name, target.qualifier.as_ref())?;
    ok(&json!({ "Policy": shapes::policy(&statements), "RevisionId": revision }))
}
