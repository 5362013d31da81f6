//! Whose signatures are taken: the key pair of the data directory, and the
//! temporary keys that roles hand out.

use std::fmt;
use std::sync::Arc;

use aws_wire::sigv4::{Credentials, Key, KeySource, Principal};
use engine::iam::Iam;
use types::AccountId;

pub(crate) struct Keys {
    own: String,
    own_key: Key,
    account: AccountId,
    iam: Arc<Iam>,
}

impl Keys {
    pub fn new(credentials: &Credentials, account: AccountId, iam: Arc<Iam>) -> Self {
        Self {
            own: credentials.access_key.clone(),
            own_key: Key {
                secret: credentials.secret.clone(),
                session_token: None,
                expires: None,
                principal: Principal::root(account.clone()),
            },
            account,
            iam,
        }
    }
}

impl KeySource for Keys {
    fn find(&self, access_key: &str) -> Option<Key> {
        if access_key == self.own {
            return Some(self.own_key.clone());
        }
        let session = self.iam.session(access_key)?;
        Some(Key {
            secret: session.secret,
            session_token: Some(session.token),
            expires: session.expires,
            principal: Principal {
                account: self.account.clone(),
                arn: session.arn,
                user_id: session.user_id,
            },
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs.
        f.debug_struct("Keys")
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}
