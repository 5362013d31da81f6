//! Whom a statement speaks of.

use crate::question::Caller;

/// `Principal` or `NotPrincipal` of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principals {
    pub named: Vec<Principal>,
    /// `NotPrincipal`.
    pub negated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// `"*"` or `{"AWS": "*"}`: anyone, with or without a signature.
    Anyone,
    /// An account, by its number or the ARN of its root: all that is in it.
    Account(String),
    /// A role or user, or a role's session.
    Arn(String),
    Service(String),
    /// Kinds that do not call here, such as `Federated`.
    Other,
}

/// How a statement speaks of a caller; the later means more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Inclusion {
    None,
    /// Only through the account that the caller is in.
    Account,
    Named,
}

impl Principals {
    pub fn include(&self, caller: &Caller) -> Inclusion {
        let found = self
            .named
            .iter()
            .map(|principal| principal.is(caller))
            .max();
        match (found.unwrap_or(Inclusion::None), self.negated) {
            (found, false) => found,
            (Inclusion::Named, true) => Inclusion::None,
            // Naming an account does not spare those who are in it.
            (_, true) => Inclusion::Named,
        }
    }
}

impl Principal {
    /// Reads an entry under `AWS`; `None` is not a principal.
    pub fn aws(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Anyone);
        }
        if is_account(text) {
            return Some(Self::Account(text.to_owned()));
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", _, "iam", "", account, "root"] if is_account(account) => {
                Some(Self::Account((*account).to_owned()))
            }
            ["arn", _, "iam" | "sts", "", account, name]
                // A wildcard within an ARN of a principal is not a pattern on AWS.
                if is_account(account) && name.contains('/') && !name.contains('*') =>
            {
                Some(Self::Arn(text.to_owned()))
            }
            _ => None,
        }
    }

    fn is(&self, caller: &Caller) -> Inclusion {
        let named = match (self, caller) {
            (Self::Anyone, _) => true,
            (Self::Account(account), Caller::Aws { arn }) if account_of(arn) == Some(account) => {
                // The root is its account; others are only in it.
                if !arn.ends_with(":root") {
                    return Inclusion::Account;
                }
                true
            }
            (Self::Arn(named), Caller::Aws { arn }) => named == arn || is_session_of(named, arn),
            (Self::Service(named), Caller::Service { name }) => named == name,
            _ => false,
        };
        if named {
            Inclusion::Named
        } else {
            Inclusion::None
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

/// `arn:aws:sts::A:assumed-role/ROLE/SESSION` is a session of
/// `arn:aws:iam::A:role/PATH/ROLE`.
fn is_session_of(role: &str, session: &str) -> bool {
    let role_name = role
        .split_once(":role/")
        .and_then(|(_, path)| path.rsplit('/').next());
    let session_role = session
        .split_once(":assumed-role/")
        .and_then(|(_, rest)| rest.split('/').next());
    role_name.is_some() && role_name == session_role && account_of(role) == account_of(session)
}
