//! Small files in the data directory that are for the owner's eyes only: the access
//! keys, made at first start, and the address of the running engine, which clients on
//! this machine read; and the key with which secrets are sealed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_wire::sigv4::Credentials;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const CREDENTIALS: &str = "credentials.json";
const ADDRESS: &str = "engine.json";
const SEALING_KEY: &str = "secrets-key.json";
/// Of AES-256.
const SEALING_BYTES: usize = 32;

/// The letters of AWS's access key ids and secrets.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read or write {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not what the engine wrote: {detail}", path.display())]
    Garbled { path: PathBuf, detail: String },
    #[error("no randomness from the system: {0}")]
    Random(getrandom::Error),
}

/// Where a running engine listens, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub api: String,
    pub gateway: String,
    pub region: String,
    pub account: String,
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_tls: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_tls: Option<String>,
    /// The certificate that clients must trust, where it is one of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_authority: Option<String>,
    /// Where Prometheus finds what is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

impl Address {
    pub fn new(api: SocketAddr, gateway: SocketAddr, scope: &types::Scope) -> Self {
        Self {
            api: url(api),
            gateway: url(gateway),
            region: scope.region.to_string(),
            account: scope.account.to_string(),
            pid: std::process::id(),
            api_tls: None,
            gateway_tls: None,
            tls_authority: None,
            metrics: None,
        }
    }

    pub fn write(&self, data: &Path) -> Result<(), FileError> {
        write(&data.join(ADDRESS), self)
    }

    /// `None`: no engine runs on this directory, or it never has.
    pub fn read(data: &Path) -> Result<Option<Self>, FileError> {
        read(&data.join(ADDRESS))
    }

    /// At an orderly stop. That it is gone already is as good.
    pub fn remove(data: &Path) {
        let _ = fs::remove_file(data.join(ADDRESS));
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyPair {
    access_key_id: String,
    secret_access_key: String,
}

/// The key pair of this data directory, if an engine has made one.
pub fn read_credentials(data: &Path) -> Result<Option<Credentials>, FileError> {
    let pair: Option<KeyPair> = read(&data.join(CREDENTIALS))?;
    Ok(pair.map(|pair| Credentials {
        access_key: pair.access_key_id,
        secret: pair.secret_access_key,
        session_token: None,
    }))
}

/// The key pair of this data directory, made if there is none.
pub fn ensure_credentials(data: &Path) -> Result<Credentials, FileError> {
    let path = data.join(CREDENTIALS);
    if let Some(credentials) = read_credentials(data)? {
        only_for_the_owner(&path)?;
        return Ok(credentials);
    }
    let pair = KeyPair {
        access_key_id: format!("AKIA{}", random_text(BASE32, 16)?),
        secret_access_key: random_text(BASE64, 40)?,
    };
    write(&path, &pair)?;
    Ok(Credentials {
        access_key: pair.access_key_id,
        secret: pair.secret_access_key,
        session_token: None,
    })
}

#[derive(Serialize, Deserialize)]
struct SealingKey {
    key: String,
}

/// The key with which the secrets of this data directory are sealed, made if there is
/// none. Who has the directory without this file cannot read them.
pub(crate) fn ensure_sealing_key(data: &Path) -> Result<[u8; SEALING_BYTES], FileError> {
    let path = data.join(SEALING_KEY);
    let mut key = [0; SEALING_BYTES];
    if let Some(kept) = read::<SealingKey>(&path)? {
        only_for_the_owner(&path)?;
        return match hex::decode_to_slice(kept.key, &mut key) {
            Ok(()) => Ok(key),
            Err(error) => Err(FileError::Garbled {
                path,
                detail: error.to_string(),
            }),
        };
    }
    getrandom::fill(&mut key).map_err(FileError::Random)?;
    let kept = SealingKey {
        key: hex::encode(key),
    };
    write(&path, &kept)?;
    Ok(key)
}

/// Whatever brought a file here may have opened it to others.
pub(crate) fn only_for_the_owner(path: &Path) -> Result<(), FileError> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|source| FileError::Io {
        path: path.into(),
        source,
    })
}

/// The base URL of an address that clients can call: "any" becomes loopback.
pub fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

/// `count` letters of an alphabet whose size is a power of two, so that every
/// letter is equally likely.
fn random_text(alphabet: &[u8], count: usize) -> Result<String, FileError> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(FileError::Random)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]))
        .collect())
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(FileError::Io {
                path: path.into(),
                source,
            });
        }
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| FileError::Garbled {
            path: path.into(),
            detail: error.to_string(),
        })
}

pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain structs become JSON");
    text.push(b'\n');
    write_bytes(path, &text)
}

/// Whole or not at all, and never readable by others, not even for a moment.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let written = || -> io::Result<()> {
        let _ = fs::remove_file(&draft);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(|source| FileError::Io {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_only_the_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let made = ensure_credentials(folder.path()).unwrap();
        assert!(made.access_key.starts_with("AKIA") && made.access_key.len() == 20);
        assert_eq!(made.secret.len(), 40);
        let path = folder.path().join(CREDENTIALS);
        assert_eq!(mode(&path), 0o600);

        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let again = ensure_credentials(folder.path()).unwrap();
        assert_eq!(again.secret, made.secret);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn the_sealing_key_is_made_once_and_a_garbled_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let made = ensure_sealing_key(folder.path()).unwrap();
        assert_ne!(made, [0; SEALING_BYTES]);
        let path = folder.path().join(SEALING_KEY);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(ensure_sealing_key(folder.path()).unwrap(), made);
        fs::write(&path, "{\"key\": \"00\"}").unwrap();
        let error = ensure_sealing_key(folder.path()).unwrap_err();
        assert!(matches!(error, FileError::Garbled { .. }), "{error}");
        assert!(!error.to_string().contains("00"));
        assert!(path.exists(), "what it sealed needs it");
    }

    #[test]
    fn garbled_keys_are_an_error_and_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CREDENTIALS);
        fs::write(&path, "{\"access_key_id\": \"A").unwrap();
        let error = ensure_credentials(folder.path()).unwrap_err();
        assert!(matches!(error, FileError::Garbled { .. }), "{error}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("{\"access"));
    }

    #[test]
    fn the_address_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Address::read(folder.path()).unwrap(), None);
        let scope = types::Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let any = "0.0.0.0:4566".parse().unwrap();
        let address = Address::new(any, "[::1]:8080".parse().unwrap(), &scope);
        assert_eq!(address.api, "http://127.0.0.1:4566");
        assert_eq!(address.gateway, "http://[::1]:8080");
        address.write(folder.path()).unwrap();
        assert_eq!(Address::read(folder.path()).unwrap(), Some(address));
        Address::remove(folder.path());
        assert_eq!(Address::read(folder.path()).unwrap(), None);
    }
}
