//! Origin requests these are: keys that were given, or a way to get some, and to get them
//! anew before they end.
//!
//! [`chain`] finds the way, in the order of the aws CLI. The ways: [`sts`] takes a role,
//! [`process`] asks a program, [`sso`] follows a sign-on of the aws CLI, [`metadata`] asks
//! the container or machine this runs on.

mod chain;
mod metadata;
mod process;
mod sso;
mod sts;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use aws_wire::sigv4::Credentials;
use tokio::sync::Mutex;
use types::Timestamp;

use crate::error::ClientError;

/// Keys are got anew so long before they end, or after three quarters of their life.
const EARLY_MS: i64 = 5 * 60 * 1000;

/// Keys, or the way to them.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Fixed(Arc<Credentials>),
    Renewed(Arc<Renewed>),
    /// Nothing is signed.
    Nobody,
}

/// Keys that end, and how the next ones are got.
pub(crate) struct Renewed {
    way: Way,
    held: Mutex<Option<Held>>,
}

/// How keys are got.
#[derive(Debug)]
enum Way {
    Role(sts::Role),
    WebIdentity(sts::WebIdentity),
    Process(process::Process),
    SignOn(sso::SignOn),
    Container(metadata::Container),
    Instance(metadata::Instance),
}

/// Keys as they were got.
#[derive(Debug)]
struct Fetched {
    credentials: Credentials,
    expires: Option<Timestamp>,
}

struct Held {
    credentials: Arc<Credentials>,
    renew: Option<Timestamp>,
    expires: Option<Timestamp>,
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed")
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

impl Keys {
    pub fn fixed(credentials: Credentials) -> Self {
        Self::Fixed(Arc::new(credentials))
    }

    fn by(way: Way) -> Self {
        Self::Renewed(Arc::new(Renewed {
            way,
            held: Mutex::default(),
        }))
    }

    /// The keys of now; `None` if nothing is to be signed.
    pub async fn get(&self) -> Result<Option<Arc<Credentials>>, ClientError> {
        match self {
            Self::Fixed(credentials) => Ok(Some(Arc::clone(credentials))),
            Self::Renewed(renewed) => renewed.get(Timestamp::now()).await.map(Some),
            Self::Nobody => Ok(None),
        }
    }

    /// A service says that these have ended. Whether there may be others.
    pub async fn forget(&self) -> bool {
        let Self::Renewed(renewed) = self else {
            return false;
        };
        renewed.held.lock().await.take().is_some()
    }
}

impl Renewed {
    async fn get(&self, now: Timestamp) -> Result<Arc<Credentials>, ClientError> {
        // Others wait here for the one who fetches.
        let mut held = self.held.lock().await;
        if let Some(held) = &*held
            && held.renew.is_none_or(|renew| now < renew)
        {
            return Ok(Arc::clone(&held.credentials));
        }
        match self.way.fetch().await {
            Ok(fetched) => {
                let new = Held::of(fetched, now);
                let credentials = Arc::clone(&new.credentials);
                *held = Some(new);
                Ok(credentials)
            }
            // What is held is good for a while yet; a later call tries again.
            Err(error) => match &*held {
                Some(held) if held.expires.is_none_or(|end| now < end) => {
                    Ok(Arc::clone(&held.credentials))
                }
                _ => Err(error),
            },
        }
    }
}

impl Held {
    fn of(fetched: Fetched, now: Timestamp) -> Self {
        let renew = fetched.expires.map(|expires| {
            let left = (expires.0 - now.0).max(0);
            expires.plus_millis(-EARLY_MS.min(left / 4))
        });
        Self {
            credentials: Arc::new(fetched.credentials),
            renew,
            expires: fetched.expires,
        }
    }
}

impl Way {
    /// To take a role is a call, which needs keys, which may be those of a role: hence
    /// the box.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, ClientError>> + Send + '_>> {
        Box::pin(async move {
            match self {
                Self::Role(role) => role.fetch().await,
                Self::WebIdentity(identity) => identity.fetch().await,
                Self::Process(process) => process.fetch().await,
                Self::SignOn(sign_on) => sign_on.fetch().await,
                Self::Container(container) => container.fetch().await,
                Self::Instance(instance) => instance.fetch().await,
            }
        })
    }
}

/// When keys end, as services write it.
fn end(text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| format!("{text:?} is no time at which keys could end"))?;
    Ok(Some(Timestamp(at.as_millisecond())))
}

#[cfg(test)]
mod tests;
