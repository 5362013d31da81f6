//! `Code.Location`: links with which a plain GET fetches a package, as the
//! presigned S3 links of AWS do. They hold for ten minutes and this process.

use std::fmt;
use std::sync::Arc;

use aws_wire::{Body, body, error as wire, form};
use engine::Engine;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Response, StatusCode, Uri};
use sha2::Sha256;
use types::Timestamp;

use crate::request::Call;

/// Where the server has to send requests to [`crate::LambdaApi::handle_code`].
const PATH: &str = "/_squall/code/";
const VALID_SECONDS: i64 = 600;

/// Makes and checks links by a secret of this process.
#[derive(Clone)]
pub(crate) struct CodeLinks {
    secret: Arc<[u8; 32]>,
}

impl fmt::Debug for CodeLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeLinks")
    }
}

impl CodeLinks {
    pub fn new() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the system has randomness once it is up");
        Self {
            secret: Arc::new(secret),
        }
    }

    fn path(&self, sha256: &str, expires: i64) -> String {
        let token = hex::encode(self.mac(sha256, expires).finalize().into_bytes());
        format!("{PATH}{sha256}?expires={expires}&token={token}")
    }

    fn admits(&self, sha256: &str, expires: i64, token: &[u8], now: i64) -> bool {
        expires > now && self.mac(sha256, expires).verify_slice(token).is_ok()
    }

    fn mac(&self, sha256: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret[..])
            .expect("HMAC takes keys of any length");
        mac.update(sha256.as_bytes());
        mac.update(&expires.to_be_bytes());
        mac
    }

    pub async fn serve(&self, engine: &Engine, uri: &Uri) -> Response<Body> {
        let query = form::Form::parse(uri.query().unwrap_or_default());
        let sha256 = uri.path().strip_prefix(PATH).unwrap_or_default();
        let expires = query.get("expires").and_then(|text| text.parse().ok());
        let token = query.get("token").and_then(|text| hex::decode(text).ok());
        let (Some(expires), Some(token)) = (expires, token) else {
            return denied();
        };
        if !self.admits(sha256, expires, &token, now()) {
            return denied();
        }
        match engine.store().blobs().read(sha256).await {
            Ok(zip) => {
                let mut response = Response::new(body::full(zip));
                let zip_type = HeaderValue::from_static("application/zip");
                response.headers_mut().insert(CONTENT_TYPE, zip_type);
                response
            }
            Err(_) => wire::s3_xml(
                StatusCode::NOT_FOUND,
                "NoSuchKey",
                "The specified key does not exist.",
                uri.path(),
            ),
        }
    }
}

impl Call<'_> {
    /// A link on the address by which the client came.
    pub fn code_location(&self, sha256: &str) -> String {
        let path = self.api.links.path(sha256, now() + VALID_SECONDS);
        let host = self.parts.headers.get(HOST);
        match host.and_then(|host| host.to_str().ok()) {
            Some(host) => format!("http://{host}{path}"),
            None => format!("{}{path}", self.api.endpoints.api),
        }
    }
}

fn now() -> i64 {
    Timestamp::now().0 / 1000
}

fn denied() -> Response<Body> {
    wire::s3_xml(
        StatusCode::FORBIDDEN,
        "AccessDenied",
        "Request has expired, or its token is not valid.",
        PATH,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_for_its_package_and_its_time() {
        let links = CodeLinks::new();
        let path = links.path("abc", 1_000);
        let token = hex::decode(path.rsplit("token=").next().unwrap()).unwrap();
        assert!(links.admits("abc", 1_000, &token, 999));
        assert!(!links.admits("abc", 1_000, &token, 1_000));
        assert!(!links.admits("abd", 1_000, &token, 999));
        assert!(!links.admits("abc", 1_001, &token, 999));
        assert!(!CodeLinks::new().admits("abc", 1_000, &token, 999));
    }
}
