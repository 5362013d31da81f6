//! Certificates of the user's own: one pair of files, or a folder of pairs.

use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys};

use super::TlsError;

/// The most pairs that are read of a folder.
const MOST_PAIRS: usize = 1000;

/// Where the pairs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Pair {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// With `NAME.pem` or `NAME.crt` beside `NAME.key`.
    Folder(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Pair {
            certificate: path, ..
        }
        | Self::Folder(path)) = self;
        write!(f, "{}", path.display())
    }
}

/// By which a change is seen: path, time, length and number of each file.
pub(crate) type Stamp = Vec<(PathBuf, Option<(SystemTime, u64, u64)>)>;

/// The pairs as they were read.
#[derive(Debug)]
pub(crate) struct Given {
    pairs: Vec<Arc<CertifiedKey>>,
    pub stamp: Stamp,
}

impl Source {
    pub fn read(&self) -> Result<Given, TlsError> {
        // Before the files: what changes while they are read is seen as a change.
        let stamp = self.stamp();
        let pairs = self.pairs()?;
        let pairs = pairs
            .iter()
            .map(|(certificate, key)| pair(certificate, key));
        Ok(Given {
            pairs: pairs.collect::<Result<_, _>>()?,
            stamp,
        })
    }

    pub fn stamp(&self) -> Stamp {
        let pairs = self.pairs().unwrap_or_default();
        let files = pairs
            .into_iter()
            .flat_map(|(certificate, key)| [certificate, key]);
        files
            .map(|path| {
                let stamp = fs::metadata(&path)
                    .ok()
                    .and_then(|found| Some((found.modified().ok()?, found.len(), found.ino())));
                (path, stamp)
            })
            .collect()
    }

    fn pairs(&self) -> Result<Vec<(PathBuf, PathBuf)>, TlsError> {
        let folder = match self {
            Self::Pair { certificate, key } => return Ok(vec![(certificate.clone(), key.clone())]),
            Self::Folder(folder) => folder,
        };
        let unreadable = |source| TlsError::Unreadable {
            path: folder.clone(),
            source,
        };
        let mut pairs = Vec::new();
        for entry in fs::read_dir(folder)
            .map_err(unreadable)?
            .take(MOST_PAIRS * 2)
        {
            let path = entry.map_err(unreadable)?.path();
            let is_certificate = path
                .extension()
                .is_some_and(|end| end == "pem" || end == "crt");
            let key = path.with_extension("key");
            if is_certificate && key.exists() {
                pairs.push((path, key));
            }
        }
        pairs.sort();
        if pairs.is_empty() {
            return Err(TlsError::NoPairs {
                path: folder.clone(),
            });
        }
        Ok(pairs)
    }
}

impl Given {
    /// The first that is good for the name, else the first.
    pub fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let fits = |pair: &&Arc<CertifiedKey>| {
            let certificate = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
            let Some(name) = &name else {
                return false;
            };
            certificate.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
        };
        let found = if self.pairs.len() > 1 {
            self.pairs.iter().find(fits)
        } else {
            None
        };
        found.or(self.pairs.first()).cloned()
    }
}

fn pair(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::Lacks {
            path: certificate.into(),
            what: "certificate",
        });
    }
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| TlsError::Lacks {
        path: key.into(),
        what: "private key",
    })?;
    if fs::metadata(key).is_ok_and(|found| found.permissions().mode() & 0o044 != 0) {
        tracing::warn!(key = %key.display(), "other users of this machine can read this key; chmod 600 it");
    }
    let pair = CertifiedKey::from_der(chain, secret, &ring::default_provider());
    pair.map(Arc::new).map_err(|source| match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::NotAPair {
            certificate: certificate.into(),
            key: key.into(),
        },
        rustls::Error::InvalidCertificate(_) => TlsError::Unusable {
            path: certificate.into(),
            source,
        },
        _ => TlsError::Unusable {
            path: key.into(),
            source,
        },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.into(),
        source,
    })
}
