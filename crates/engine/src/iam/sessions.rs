//! Temporary keys: what AssumeRole and GetSessionToken hand out. They live in
//! memory; after a restart clients ask for new ones, as they do when keys end.

use std::collections::HashMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use parking_lot::Mutex;
use types::{Scope, Timestamp};

use super::Iam;
use super::error::IamError;
use super::model::{check_name, new_id, random};

/// Keys alive at once; past it the one that ends first goes.
const KEPT: usize = 10_000;
/// Role sessions may be of any length that the role grants, but not shorter.
const SHORTEST_SECONDS: u32 = 900;

/// A temporary key and whom it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub access_key: String,
    pub secret: String,
    pub token: String,
    pub expires: Timestamp,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, or the account's root.
    pub arn: String,
    /// `AROA...:SESSION`, or the account.
    pub user_id: String,
}

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Iam {
    /// The session of a temporary access key, expired or not: who is told that
    /// a key expired asks for another.
    pub fn session(&self, access_key: &str) -> Option<Session> {
        self.sessions.0.lock().get(access_key).cloned()
    }

    /// A key for a role of this account, by the role's ARN.
    pub fn assume_role(
        &self,
        arn: &str,
        session_name: &str,
        seconds: u32,
    ) -> Result<Session, IamError> {
        check_name("roleSessionName", session_name, 64)?;
        let denied = || {
            IamError::Denied(format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                root_arn(&self.scope)
            ))
        };
        let name = arn.rsplit('/').next().unwrap_or_default();
        let role = self.role(name).map_err(|_| denied())?;
        if self.role_arn(&role) != arn {
            return Err(denied());
        }
        if seconds > role.max_session_seconds {
            return Err(IamError::Validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                    .to_owned(),
            ));
        }
        let session_arn = format!(
            "arn:aws:sts::{}:assumed-role/{}/{session_name}",
            self.scope.account, role.name
        );
        self.new_session(session_arn, format!("{}:{session_name}", role.id), seconds)
    }

    /// A temporary key of the account itself.
    pub fn session_token(&self, seconds: u32) -> Result<Session, IamError> {
        let arn = root_arn(&self.scope);
        self.new_session(arn, self.scope.account.to_string(), seconds)
    }

    fn new_session(&self, arn: String, user_id: String, seconds: u32) -> Result<Session, IamError> {
        if seconds < SHORTEST_SECONDS {
            return Err(IamError::Validation(format!(
                "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to {SHORTEST_SECONDS}"
            )));
        }
        let session = Session {
            access_key: new_id("ASIA"),
            secret: BASE64_STANDARD.encode(random::<30>()),
            token: BASE64_STANDARD.encode(random::<96>()),
            expires: Timestamp::now().plus_millis(i64::from(seconds) * 1000),
            arn,
            user_id,
        };
        self.sessions.keep(session.clone());
        Ok(session)
    }
}

impl Sessions {
    fn keep(&self, session: Session) {
        let mut sessions = self.0.lock();
        if sessions.len() >= KEPT {
            let first = sessions.values().min_by_key(|session| session.expires);
            let first = first.map(|session| session.access_key.clone());
            if let Some(first) = first {
                sessions.remove(&first);
            }
        }
        sessions.insert(session.access_key.clone(), session);
    }
}

fn root_arn(scope: &Scope) -> String {
    format!("arn:aws:iam::{}:root", scope.account)
}
