//! Why a server did not start, and what its user can do about it.

use std::io;
use std::net::SocketAddr;

use store::{OpenError, StoreError};

use crate::files::FileError;
use crate::tls::TlsError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Files(#[from] FileError),
    #[error("cannot listen on {address} for the {what}")]
    Listen {
        what: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("functions cannot be isolated on this machine: {found}")]
    NoIsolation {
        found: String,
        advice: Option<String>,
    },
    #[error("cannot prepare the sandbox")]
    Sandbox(#[from] sandbox::SandboxError),
    #[error(transparent)]
    Engine(#[from] engine::StartError),
    #[error("cannot read the stored {what}")]
    Stored {
        what: &'static str,
        #[source]
        source: StoreError,
    },
    #[error("cannot {what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Whether the user can mend it, rather than we.
    pub fn is_users(&self) -> bool {
        match self {
            // A directory that cannot be made or written to is no fault of ours.
            Self::Store(
                OpenError::InUse { .. }
                | OpenError::TooNew { .. }
                | OpenError::Store(StoreError::Io { .. }),
            )
            | Self::Files(_)
            | Self::Tls(_)
            | Self::Listen { .. }
            | Self::NoIsolation { .. } => true,
            Self::Store(OpenError::Store(_))
            | Self::Sandbox(_)
            | Self::Engine(_)
            | Self::Stored { .. }
            | Self::Io { .. } => false,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(OpenError::InUse { .. }) => {
                Some("use that engine, stop it, or choose another directory with --data".to_owned())
            }
            Self::Listen { what, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                let flag = match *what {
                    "gateway" => "--gateway",
                    "gateway over TLS" => "--gateway-tls",
                    "AWS endpoint over TLS" => "SQUALL_API_TLS, such as",
                    _ => "--api",
                };
                Some(format!(
                    "another program listens there; choose another address: {flag} 127.0.0.1:0 takes a free one"
                ))
            }
            Self::Files(FileError::Garbled { .. }) => {
                Some("remove that file; a new one is made at the next start".to_owned())
            }
            Self::Tls(error) if error.is_of_files() => Some(
                "the settings tls_certificate and tls_key name these files; without them the engine makes certificates of its own".to_owned(),
            ),
            Self::NoIsolation { advice, .. } => advice.clone(),
            _ => None,
        }
    }
}
