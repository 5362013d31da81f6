//! Speaking over TLS, with the certificates that this machine trusts.

use std::path::Path;
use std::sync::Arc;

use rustls_native_certs::CertificateResult;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::pool::TransportError;

/// Reads the certificates: those of `AWS_CA_BUNDLE`, as other AWS clients do, else
/// those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
pub(crate) fn connector(bundle: Option<&str>) -> Result<TlsConnector, TransportError> {
    let found = match bundle {
        Some(path) => rustls_native_certs::load_certs_from_paths(Some(Path::new(path)), None),
        None => rustls_native_certs::load_native_certs(),
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs.iter().cloned());
    if roots.is_empty() {
        return Err(none_found(&found, bundle));
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring offers what the default versions need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn none_found(found: &CertificateResult, bundle: Option<&str>) -> TransportError {
    let place = bundle.unwrap_or("this machine");
    let cause = match found.errors.first() {
        Some(error) => format!(": {error}"),
        None => String::new(),
    };
    TransportError::connect(
        format!("there are no certificates to trust in {place}{cause}"),
        "install ca-certificates, or name a file of them: AWS_CA_BUNDLE or SSL_CERT_FILE",
    )
}
