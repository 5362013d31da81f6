//! A small authority for machines that nobody gave a certificate: its key stays in the
//! data directory, and who trusts its certificate is served without a warning under
//! every name of ours. Certificates are made when they are first asked for, and anew
//! long before they end; they are nowhere but in memory.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::TlsError;
use crate::files;
use crate::http::Hosts;

const KEY: &str = "local-authority.json";
const CERTIFICATE: &str = "local-authority.pem";

const DAY: Duration = Duration::from_hours(24);
const AUTHORITY_DAYS: u32 = 3650;
/// An authority that ends sooner than this is made anew at the start.
const AUTHORITY_REST_DAYS: u32 = 180;
const LEAF_DAYS: u32 = 90;
/// Certificates older than this are made anew.
const LEAF_FRESH: Duration = Duration::from_hours(24 * 30);
/// Clocks differ.
const EARLIER: Duration = Duration::from_hours(24);

/// Names that have a certificate of their own at one time.
const MOST_NAMES: usize = 512;

/// What is kept: the key, and until when the certificate is good.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    since: u64,
    until: u64,
}

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
    hosts: Hosts,
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    /// One key for all: it lives no longer than this process.
    key: KeyPair,
    made: Mutex<HashMap<String, Leaf>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

struct Leaf {
    certified: Arc<CertifiedKey>,
    made: SystemTime,
}

impl Authority {
    /// The one of this data directory, made if there is none. Its certificates hold for
    /// `names` and `addresses`, and each name that `hosts` admits gets one of its own.
    pub fn open(
        data: &Path,
        hosts: Hosts,
        names: Vec<String>,
        addresses: Vec<IpAddr>,
    ) -> Result<Self, TlsError> {
        let (path, file) = (data.join(KEY), data.join(CERTIFICATE));
        let now = seconds(SystemTime::now());
        let rest = DAY.as_secs() * u64::from(AUTHORITY_REST_DAYS);
        let kept: Option<Kept> = files::read(&path)?;
        let kept = kept.filter(|kept| kept.until > now + rest && file.exists());
        let (kept, key) = match kept {
            Some(kept) => {
                files::only_for_the_owner(&path)?;
                let key = KeyPair::from_pem(&kept.key).map_err(TlsError::Make)?;
                (kept, key)
            }
            None => make(&path, &file, now)?,
        };
        let issuer = Issuer::new(params(&kept, &key), key);
        let authority = Self {
            issuer,
            file: std::path::absolute(&file).unwrap_or(file),
            hosts,
            names,
            addresses,
            key: KeyPair::generate().map_err(TlsError::Make)?,
            made: Mutex::default(),
        };
        // What is wrong with the names is told at the start.
        authority.leaf(&authority.names)?;
        Ok(authority)
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A certificate for a name of ours; for any other, the one that all have.
    pub fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
        let name = if self.hosts.admit(&name) {
            name
        } else {
            String::new()
        };
        let mut made = self.made.lock();
        let now = SystemTime::now();
        let is_fresh = |leaf: &Leaf| {
            let age = now.duration_since(leaf.made);
            age.is_ok_and(|age| age < LEAF_FRESH)
        };
        if let Some(leaf) = made.get(&name).filter(|leaf| is_fresh(leaf)) {
            return Some(leaf.certified.clone());
        }
        let mut names = self.names.clone();
        if !name.is_empty() && !names.contains(&name) {
            names.insert(0, name.clone());
        }
        let certified = match self.leaf(&names) {
            Ok(certified) => Arc::new(certified),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, name, "no certificate for this name");
                return None;
            }
        };
        if made.len() >= MOST_NAMES {
            made.clear();
        }
        let leaf = Leaf {
            certified: certified.clone(),
            made: now,
        };
        made.insert(name, leaf);
        Some(certified)
    }

    fn leaf(&self, names: &[String]) -> Result<CertifiedKey, TlsError> {
        let mut params = CertificateParams::new(names.to_vec()).map_err(TlsError::Make)?;
        let addresses = self.addresses.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Squall");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let now = SystemTime::now();
        params.not_before = OffsetDateTime::from(now - EARLIER);
        params.not_after = OffsetDateTime::from(now + DAY * LEAF_DAYS);
        let made = params.signed_by(&self.key, &self.issuer);
        let chain = vec![made.map_err(TlsError::Make)?.der().clone()];
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        CertifiedKey::from_der(chain, PrivateKeyDer::Pkcs8(key), &ring::default_provider())
            .map_err(TlsError::Setup)
    }
}

/// A new key with its certificate, both written before they are used.
fn make(path: &Path, file: &Path, now: u64) -> Result<(Kept, KeyPair), TlsError> {
    let key = KeyPair::generate().map_err(TlsError::Make)?;
    let kept = Kept {
        key: key.serialize_pem(),
        since: now - EARLIER.as_secs(),
        until: now + DAY.as_secs() * u64::from(AUTHORITY_DAYS),
    };
    let made = params(&kept, &key).self_signed(&key);
    let made = made.map_err(TlsError::Make)?;
    files::write(path, &kept)?;
    files::write_bytes(file, made.pem().as_bytes())?;
    Ok((kept, key))
}

/// The same for the same key, because issuer and certificate must go together.
fn params(kept: &Kept, key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, key.public_key_raw());
    // Machines that trust several such authorities tell them apart by name.
    let mark = hex::encode(&digest.as_ref()[..4]);
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Squall");
    name.push(DnType::CommonName, format!("Squall of this machine {mark}"));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let moment =
        |seconds: u64| OffsetDateTime::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    params.not_before = moment(kept.since);
    params.not_after = moment(kept.until);
    params
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
