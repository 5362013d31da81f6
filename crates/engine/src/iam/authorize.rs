//! May this caller do this? Asked for what is signed with the keys of a role, by
//! the services whose actions functions commonly use, S3, Lambda, EventBridge and
//! Logs, and IAM, without which a role could give itself all of it.
//!
//! The owner of the account may do everything that no policy forbids. A role
//! that is recorded may do what its policies, or that of the resource, allow. A
//! role that is not recorded has nothing that could be enforced, and may
//! everything: functions can be tried out with any role at all. One that was
//! deleted may nothing.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;
use http::uri::Scheme;
use parking_lot::Mutex;
use policy::{Caller, Context, Document, Question, Verdict};
use types::Timestamp;

use super::Iam;
use super::managed;
use super::model::{Policy, Role};
use super::sessions::session_arn;
use super::state::State;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Of the account's root, or of a role's session.
    pub principal_arn: &'a str,
    /// Such as `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of what it is done to.
    pub resource: &'a str,
    /// The policy of the bucket or function itself.
    pub resource_policy: Option<&'a Document>,
    /// What is known of the request. What is known of the caller and the time is
    /// added here.
    pub context: &'a Context,
}

/// A request that is not permitted. Its text is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "User: {principal} is not authorized to perform: {action} on resource: {resource} {}",
    self.because()
)]
pub struct Denied {
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    NotAllowed(PolicyKind),
    Forbidden(PolicyKind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    Identity,
    Boundary,
    Resource,
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Resource => "resource-based policy",
        })
    }
}

impl Denied {
    /// The end of the text, for services that write its beginning in another way.
    pub fn because(&self) -> String {
        match self.reason {
            Reason::NotAllowed(kind) => {
                format!("because no {kind} allows the {} action", self.action)
            }
            Reason::Forbidden(PolicyKind::Identity) => {
                "with an explicit deny in an identity-based policy".to_owned()
            }
            Reason::Forbidden(kind) => format!("with an explicit deny in a {kind}"),
        }
    }
}

/// The policies of a role, read.
#[derive(Debug, Default)]
struct Permissions {
    identity: Vec<Arc<Document>>,
    boundary: Option<Arc<Document>>,
}

/// To what a caller is held that is not free to do everything.
enum Held {
    Role(Arc<Role>, Arc<Permissions>),
    /// To nothing that it may: its role was deleted.
    Gone,
}

/// What conditions may ask about any request of a client, out of its extensions.
pub fn request_context(extensions: &Extensions) -> Context {
    let is_safe = extensions.get::<Scheme>() == Some(&Scheme::HTTPS);
    let context = Context::new().with("aws:SecureTransport", is_safe.to_string());
    match extensions.get::<SocketAddr>() {
        Some(peer) => context.with("aws:SourceIp", peer.ip().to_string()),
        None => context,
    }
}

/// Policies that were read, by the name of their role. It belongs to one state
/// of the records, so it is never out of date.
#[derive(Clone, Default)]
pub(super) struct Read(Arc<Mutex<HashMap<String, Arc<Permissions>>>>);

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Read").field(&self.0.lock().len()).finish()
    }
}

impl Iam {
    /// Answers whether the caller may do what it asks for.
    pub fn authorize(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        if self.is_root(ask.principal_arn) && ask.resource_policy.is_none() {
            return Ok(());
        }
        let denied = |reason| Denied {
            principal: ask.principal_arn.to_owned(),
            action: ask.action.to_owned(),
            resource: ask.resource.to_owned(),
            reason,
        };
        let held = self.held(ask.principal_arn);
        let (role, permissions) = match &held {
            None => (None, None),
            Some(Held::Role(role, permissions)) => (Some(&**role), Some(&**permissions)),
            Some(Held::Gone) => return Err(denied(Reason::NotAllowed(PolicyKind::Identity))),
        };
        let context = self.context(ask, role);
        let caller = Caller::Aws {
            arn: ask.principal_arn.to_owned(),
        };
        let question = Question {
            action: ask.action,
            resource: ask.resource,
            caller: &caller,
            context: &context,
        };
        judge(&question, permissions, ask.resource_policy).map_err(denied)
    }

    /// Whether there are policies to which a caller is held: it is in a role that
    /// is, or was, recorded.
    pub(super) fn is_held(&self, principal_arn: &str) -> bool {
        self.held(principal_arn).is_some()
    }

    /// Whether a policy of the caller's role asks for keys of the request that
    /// begin so.
    pub fn mentions(&self, principal_arn: &str, prefix: &str) -> bool {
        let Some(Held::Role(_, permissions)) = self.held(principal_arn) else {
            return false;
        };
        let mut documents = permissions.identity.iter().chain(&permissions.boundary);
        documents.any(|document| document.mentions(prefix))
    }

    /// Whether an ARN is that of the account itself, which may do everything.
    pub fn is_root(&self, principal_arn: &str) -> bool {
        let rest = principal_arn.strip_prefix("arn:aws:iam::");
        let account = rest.and_then(|rest| rest.strip_suffix(":root"));
        account == Some(self.scope.account.as_str())
    }

    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` for a role by its ARN.
    pub fn session_arn(&self, role_arn: &str, session: &str) -> String {
        let role = role_arn.rsplit('/').next().unwrap_or_default();
        session_arn(&self.scope, role, session)
    }

    /// `None` for who is not in a role, or in one that nothing is known of.
    fn held(&self, session_arn: &str) -> Option<Held> {
        let (account, rest) = session_arn
            .strip_prefix("arn:aws:sts::")?
            .split_once(":assumed-role/")?;
        if account != self.scope.account.as_str() {
            return None;
        }
        let name = rest.split('/').next()?;
        let state = self.state.read();
        let Ok(role) = state.role(name).map(Arc::clone) else {
            return state.is_gone(name).then_some(Held::Gone);
        };
        let known = state.read.0.lock().get(&role.name).cloned();
        let permissions = known.unwrap_or_else(|| {
            let permissions = Arc::new(read(&state, &role));
            let mut known = state.read.0.lock();
            known.insert(role.name.clone(), Arc::clone(&permissions));
            permissions
        });
        drop(state);
        Some(Held::Role(role, permissions))
    }

    fn context(&self, ask: &Ask<'_>, role: Option<&Role>) -> Context {
        let now = Timestamp::now();
        let mut context = ask
            .context
            .clone()
            .with("aws:CurrentTime", now.rfc3339())
            .with("aws:EpochTime", (now.0 / 1000).to_string())
            .with("aws:PrincipalAccount", self.scope.account.as_str())
            .with("aws:RequestedRegion", self.scope.region.to_string());
        let (arn, kind) = match role {
            Some(role) => (self.role_arn(role), "AssumedRole"),
            None if self.is_root(ask.principal_arn) => (ask.principal_arn.to_owned(), "Account"),
            None => (ask.principal_arn.to_owned(), "AssumedRole"),
        };
        context.add("aws:PrincipalArn", arn);
        context.add("aws:PrincipalType", kind);
        for (key, value) in role.iter().flat_map(|role| &role.tags) {
            context.add(&format!("aws:PrincipalTag/{key}"), value);
        }
        context
    }
}

/// AWS's order: what forbids goes before what allows, wherever it stands.
/// `permissions` is `None` for who may everything that nothing forbids.
fn judge(
    question: &Question<'_>,
    permissions: Option<&Permissions>,
    resource: Option<&Document>,
) -> Result<(), Reason> {
    let resource = resource.map(|document| document.judge(question));
    if resource == Some(Verdict::Deny) {
        return Err(Reason::Forbidden(PolicyKind::Resource));
    }
    let Some(permissions) = permissions else {
        return Ok(());
    };
    let boundary = permissions
        .boundary
        .as_ref()
        .map(|document| document.judge(question));
    if boundary == Some(Verdict::Deny) {
        return Err(Reason::Forbidden(PolicyKind::Boundary));
    }
    let mut allowed = false;
    for document in &permissions.identity {
        match document.judge(question) {
            Verdict::Deny => return Err(Reason::Forbidden(PolicyKind::Identity)),
            Verdict::Allow => allowed = true,
            // To name the account is to leave it to the role's own policies.
            Verdict::Delegate | Verdict::Silent => {}
        }
    }
    if resource == Some(Verdict::Allow) {
        return Ok(());
    }
    if !allowed {
        return Err(Reason::NotAllowed(PolicyKind::Identity));
    }
    if boundary.is_some_and(|verdict| verdict != Verdict::Allow) {
        return Err(Reason::NotAllowed(PolicyKind::Boundary));
    }
    Ok(())
}

fn read(state: &State, role: &Role) -> Permissions {
    let inline = role.inline.iter();
    let inline = inline.filter_map(|(name, text)| parse(role, name, text));
    let attached = role.attached.iter().filter_map(|arn| {
        let text = document(state, arn)?;
        parse(role, arn, &text)
    });
    Permissions {
        identity: inline.chain(attached).collect(),
        // One that is not recorded has nothing that could be enforced.
        boundary: role.permissions_boundary.as_ref().and_then(|arn| {
            let text = document(state, arn)?;
            parse(role, arn, &text)
        }),
    }
}

/// The text of a policy that is shared, AWS's or the account's.
fn document(state: &State, arn: &str) -> Option<String> {
    if let Some(policy) = managed::find(arn) {
        return Some(policy.document());
    }
    let policy: &Policy = state.policy(arn).ok()?;
    let version = policy.versions.get(&policy.default_version)?;
    Some(version.document.clone())
}

/// What cannot be read allows nothing.
fn parse(role: &Role, policy: &str, text: &str) -> Option<Arc<Document>> {
    Document::parse(text)
        .inspect_err(|error| {
            tracing::warn!(role = role.name, policy, %error, "a policy cannot be read, and allows nothing");
        })
        .ok()
        .map(Arc::new)
}
