//! Keys: who may sign, and with which secret.

use std::fmt;

use types::{AccountId, Timestamp};

/// An access key as a client holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key: String,
    pub secret: String,
    /// Temporary keys have one and send it along.
    pub session_token: Option<String>,
}

/// What the engine knows of an access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    pub secret: String,
    /// A temporary key must come with this token.
    pub session_token: Option<String>,
    pub expires: Option<Timestamp>,
    pub principal: Principal,
}

/// On whose behalf a request is made, as GetCallerIdentity tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub account: AccountId,
    pub arn: String,
    pub user_id: String,
}

impl Principal {
    /// The owner of the account, who may do everything.
    pub fn root(account: AccountId) -> Self {
        Self {
            arn: format!("arn:aws:iam::{account}:root"),
            user_id: account.to_string(),
            account,
        }
    }
}

/// Where access keys are looked up: the key of the data directory, and the
/// temporary keys of roles.
pub trait KeySource: Send + Sync {
    fn find(&self, access_key: &str) -> Option<Key>;
}

/// A request whose signature holds. The server puts it into the request's
/// extensions, so that handlers know who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub access_key: String,
    pub principal: Principal,
    pub region: String,
    pub service: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs.
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}
