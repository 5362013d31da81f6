//! TLS of a listener: the certificates that it was given, or such of a small authority
//! of its own that this data directory keeps.

mod authority;
mod given;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::http::{ALPN_HTTP2, Hosts};

pub(crate) use authority::Authority;
pub(crate) use given::{Given, Source};

/// Clients that agree on keys at one time. Enough that a few that do it slowly are in
/// nobody's way.
const HANDSHAKES: usize = 1024;

/// How often it is looked whether the files of certificates have changed.
const RELOAD_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has no {what} in PEM form", path.display())]
    Lacks { path: PathBuf, what: &'static str },
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    NotAPair { certificate: PathBuf, key: PathBuf },
    #[error("{} cannot be used", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("{} has no pair NAME.pem and NAME.key", path.display())]
    NoPairs { path: PathBuf },
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

impl TlsError {
    /// Whether it is about files that the settings name.
    pub fn is_of_files(&self) -> bool {
        !matches!(self, Self::Make(_) | Self::File(_) | Self::Setup(_))
    }
}

/// What agrees on keys with clients.
pub struct Tls {
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
    certificates: Arc<Certificates>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

/// Where certificates come from.
#[derive(Debug)]
enum Certificates {
    Given { source: Source, now: RwLock<Given> },
    Own(Box<Authority>),
}

impl Tls {
    /// With the certificates of these files, which are read again when they change.
    pub fn given(source: Source) -> Result<Self, TlsError> {
        let now = RwLock::new(source.read()?);
        Self::new(Certificates::Given { source, now })
    }

    /// With certificates that are made here, for `hosts` and what is in `more`.
    pub fn own(
        data: &Path,
        hosts: Hosts,
        names: Vec<String>,
        addresses: Vec<IpAddr>,
    ) -> Result<Self, TlsError> {
        let authority = Authority::open(data, hosts, names, addresses)?;
        Self::new(Certificates::Own(Box::new(authority)))
    }

    fn new(certificates: Certificates) -> Result<Self, TlsError> {
        let certificates = Arc::new(certificates);
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), b"http/1.1".to_vec()];
        // Who comes again need not agree on everything again.
        config.ticketer = ring::Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            certificates,
        })
    }

    /// The file with the certificate that clients must trust, if we made it.
    pub fn authority_file(&self) -> Option<&Path> {
        match &*self.certificates {
            Certificates::Own(authority) => Some(authority.file()),
            Certificates::Given { .. } => None,
        }
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let turn = self.handshakes.acquire().await;
        let _turn = turn.map_err(io::Error::other)?;
        self.acceptor.accept(stream).await
    }

    /// Keeps the certificates up to date, for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Self>) {
        match &*self.certificates {
            Certificates::Given { source, now } => loop {
                tokio::time::sleep(RELOAD_EVERY).await;
                let stamp = now.read().stamp.clone();
                if source.stamp() == stamp {
                    continue;
                }
                match source.read() {
                    Ok(read) => {
                        tracing::info!(%source, "certificates were read again");
                        *now.write() = read;
                    }
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "new certificates cannot be used; the old ones stay");
                        // Said once for each change.
                        now.write().stamp = source.stamp();
                    }
                }
            },
            // They are looked at when someone asks.
            Certificates::Own(_) => std::future::pending().await,
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self {
            Self::Given { now, .. } => now.read().for_name(hello.server_name()),
            Self::Own(authority) => authority.for_name(hello.server_name()),
        }
    }
}
