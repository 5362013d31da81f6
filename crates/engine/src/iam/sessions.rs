//! Temporary keys: what AssumeRole and GetSessionToken hand out, and what
//! functions find in their environment. They live in memory; after a restart
//! clients ask for new ones, as they do when keys end, and functions start anew.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use parking_lot::Mutex;
use policy::{Caller, Context, Document, Question, Verdict};
use types::{FunctionName, Scope, Timestamp};

use super::Iam;
use super::authorize::Ask;
use super::error::IamError;
use super::model::{Role, check_name, new_id, random};

/// Keys alive at once; past it the one that ends first goes.
const KEPT: usize = 10_000;
/// Role sessions may be of any length that the role grants, but not shorter.
const SHORTEST_SECONDS: u32 = 900;

/// A temporary key and whom it stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub access_key: String,
    pub secret: String,
    pub token: String,
    /// `None` for the keys of functions, which end with their instances.
    pub expires: Option<Timestamp>,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, or the account's root.
    pub arn: String,
    /// `AROA...:SESSION`, or the account.
    pub user_id: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs.
        f.debug_struct("Session")
            .field("access_key", &self.access_key)
            .field("arn", &self.arn)
            .finish_non_exhaustive()
    }
}

/// The keys of a function's instances, which are good as long as this lives.
#[derive(Debug)]
pub(crate) struct FunctionSession {
    sessions: Arc<Sessions>,
    session: Session,
}

impl FunctionSession {
    /// The variables in which AWS's SDKs look for keys.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let Session {
            access_key,
            secret,
            token,
            ..
        } = &self.session;
        [
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .into()
    }
}

impl Drop for FunctionSession {
    fn drop(&mut self) {
        self.sessions
            .functions
            .lock()
            .remove(&self.session.access_key);
    }
}

/// All keys that are good besides the account's own, by access key.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    temporary: Mutex<HashMap<String, Session>>,
    /// Apart, so that no crowd of others can push out what runs.
    functions: Mutex<HashMap<String, Session>>,
}

impl Iam {
    /// The session of a temporary access key, expired or not: who is told that
    /// a key expired asks for another.
    pub fn session(&self, access_key: &str) -> Option<Session> {
        let of_function = self.sessions.functions.lock().get(access_key).cloned();
        of_function.or_else(|| self.sessions.temporary.lock().get(access_key).cloned())
    }

    /// Keys for the instances of a function, which act as its role. The role need
    /// not be recorded: where only functions are tried out, any ARN will do.
    pub(crate) fn function_session(
        &self,
        role_arn: &str,
        function: &FunctionName,
    ) -> FunctionSession {
        let role = role_arn.rsplit('/').next().unwrap_or_default();
        // By the name that the role was given: policies that name it do so by the
        // letter, while it is found in any case.
        let (id, role) = match self.role(role) {
            Ok(role) => (role.id.clone(), role.name.clone()),
            Err(_) => (new_id("AROA"), role.to_owned()),
        };
        let session = make_session(
            session_arn(&self.scope, &role, function.as_str()),
            format!("{id}:{function}"),
            None,
        );
        let access_key = session.access_key.clone();
        let functions = &self.sessions.functions;
        functions.lock().insert(access_key, session.clone());
        FunctionSession {
            sessions: Arc::clone(&self.sessions),
            session,
        }
    }

    /// A key for a role of this account, by the role's ARN. Who may everything
    /// gets it for any role; who is held to policies needs one that allows it,
    /// and the trust of the role that it wants to be.
    pub fn assume_role(
        &self,
        caller_arn: &str,
        arn: &str,
        session_name: &str,
        seconds: u32,
    ) -> Result<Session, IamError> {
        check_name("roleSessionName", session_name, 64)?;
        let denied = || {
            IamError::Denied(format!(
                "User: {caller_arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            ))
        };
        let name = arn.rsplit('/').next().unwrap_or_default();
        let role = self.role(name).map_err(|_| denied())?;
        if self.role_arn(&role) != arn {
            return Err(denied());
        }
        if self.is_held(caller_arn) && !self.trusts(&role, caller_arn, arn) {
            return Err(denied());
        }
        if seconds > role.max_session_seconds {
            return Err(IamError::Validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                    .to_owned(),
            ));
        }
        let arn = session_arn(&self.scope, &role.name, session_name);
        self.new_session(arn, format!("{}:{session_name}", role.id), seconds)
    }

    /// May a caller, itself in a role, become this role?
    fn trusts(&self, role: &Role, caller_arn: &str, arn: &str) -> bool {
        let context = Context::new();
        // What cannot be read trusts nobody.
        let Ok(trust) = Document::parse(&role.trust) else {
            return false;
        };
        let question = Question {
            action: "sts:AssumeRole",
            resource: arn,
            caller: &Caller::Aws {
                arn: caller_arn.to_owned(),
            },
            context: &context,
        };
        // Elsewhere a role's own policy is enough; here both must agree, unless
        // the trust names the caller itself.
        let named = matches!(trust.judge(&question), Verdict::Allow | Verdict::Delegate);
        let ask = Ask {
            principal_arn: caller_arn,
            action: question.action,
            resource: arn,
            resource_policy: Some(&trust),
            context: &context,
        };
        named && self.authorize(&ask).is_ok()
    }

    /// Ends what was handed out for a role that is no more: its keys would else
    /// be those of a role that nothing is known of, which may everything.
    pub(super) fn end_sessions(&self, role: &Role) {
        let prefix = format!("{}:", role.id);
        for sessions in [&self.sessions.temporary, &self.sessions.functions] {
            let mut sessions = sessions.lock();
            sessions.retain(|_, session| !session.user_id.starts_with(&prefix));
        }
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
        let expires = Timestamp::now().plus_millis(i64::from(seconds) * 1000);
        let session = make_session(arn, user_id, Some(expires));
        self.sessions.keep(session.clone());
        Ok(session)
    }
}

fn make_session(arn: String, user_id: String, expires: Option<Timestamp>) -> Session {
    Session {
        access_key: new_id("ASIA"),
        secret: BASE64_STANDARD.encode(random::<30>()),
        token: BASE64_STANDARD.encode(random::<96>()),
        expires,
        arn,
        user_id,
    }
}

pub(super) fn session_arn(scope: &Scope, role: &str, session: &str) -> String {
    format!(
        "arn:aws:sts::{}:assumed-role/{role}/{session}",
        scope.account
    )
}

impl Sessions {
    fn keep(&self, session: Session) {
        let mut sessions = self.temporary.lock();
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
