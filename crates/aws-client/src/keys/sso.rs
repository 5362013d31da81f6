//! A sign-on of the aws CLI (`aws sso login`), whose token is taken for keys. A token that
//! has ended is renewed as long as the sign-on holds, in the aws CLI's own file, so that
//! both go on with the same one.

use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_wire::form;
use aws_wire::sigv4::Credentials;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use super::{Fetched, end};
use crate::client::{Call, Client};
use crate::error::ClientError;

/// Where the token is, and for whose keys it is taken.
#[derive(Debug)]
pub(super) struct SignOn {
    /// In the region of the sign-on, without keys.
    pub client: Client,
    /// A file of the aws CLI.
    pub token: PathBuf,
    pub account: String,
    pub role: String,
    pub profile: String,
}

/// A token is not used that has less than this to live.
const SHORTEST_MS: i64 = 60_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedOn {
    access_token: String,
    expires_at: String,
    /// With these three a new one is asked for; older sign-ons have none.
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Anew {
    access_token: String,
    /// In seconds.
    expires_in: i64,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// In milliseconds since 1970.
    expiration: i64,
}

impl SignOn {
    pub async fn fetch(&self) -> Result<Fetched, ClientError> {
        let token = self.token().await?;
        let target = format!(
            "/federation/credentials?role_name={}&account_id={}",
            form::encode(&self.role),
            form::encode(&self.account)
        );
        let call = Call {
            service: "sso",
            method: Method::GET,
            target,
            headers: vec![("x-amz-sso_bearer_token", token)],
            body: Bytes::new(),
        };
        let answer = self.client.persist(&call, "GetRoleCredentials").await;
        let answer = answer.map_err(|error| match error.code() {
            "UnauthorizedException" => self.again("is not taken any more"),
            _ => error,
        })?;
        let answered: Answered =
            serde_json::from_slice(&answer.body).map_err(|error| ClientError::Garbled {
                call: "sso GetRoleCredentials".to_owned(),
                detail: format!("line {}", error.line()),
            })?;
        let keys = answered.role_credentials;
        Ok(Fetched {
            credentials: Credentials {
                access_key: keys.access_key_id,
                secret: keys.secret_access_key,
                session_token: keys.session_token,
            },
            expires: Some(Timestamp(keys.expiration)),
        })
    }

    async fn token(&self) -> Result<String, ClientError> {
        let text = match tokio::fs::read(&self.token).await {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(self.again("was never made"));
            }
            Err(error) => {
                let path = self.token.display();
                return Err(ClientError::config(format!("cannot read {path}: {error}")));
            }
        };
        let token: SignedOn =
            serde_json::from_slice(&text).map_err(|_| self.again("cannot be read"))?;
        // Old clients wrote the zone as three letters.
        let expires = end(&token.expires_at.replace("UTC", "Z"));
        let soon = Timestamp::now().plus_millis(SHORTEST_MS);
        match expires {
            Ok(Some(end)) if end > soon => Ok(token.access_token),
            _ => self.renew(&token, &text).await,
        }
    }

    async fn renew(&self, token: &SignedOn, text: &[u8]) -> Result<String, ClientError> {
        let (Some(refresh), Some(id), Some(secret)) =
            (&token.refresh_token, &token.client_id, &token.client_secret)
        else {
            return Err(self.again("has expired"));
        };
        let body = json!({
            "clientId": id,
            "clientSecret": secret,
            "grantType": "refresh_token",
            "refreshToken": refresh,
        });
        let call = Call {
            service: "oidc",
            method: Method::POST,
            target: "/token".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: Bytes::from(body.to_string()),
        };
        let answer = self.client.persist(&call, "CreateToken").await;
        let answer = answer.map_err(|error| match error {
            ClientError::Api { status, .. } if status < 500 => self.again("has expired"),
            other => other,
        })?;
        let anew: Anew =
            serde_json::from_slice(&answer.body).map_err(|error| ClientError::Garbled {
                call: "oidc CreateToken".to_owned(),
                detail: format!("line {}", error.line()),
            })?;
        // That it cannot be kept costs one more call the next time, and, where the old one
        // is not taken twice, a sign-on.
        let _ = keep(&self.token, text, &anew);
        Ok(anew.access_token)
    }

    fn again(&self, why: &str) -> ClientError {
        let profile = &self.profile;
        ClientError::config(format!("the sign-on of the profile {profile:?} {why}"))
            .with_hint(format!("aws sso login --profile {profile}"))
    }
}

/// Writes a token into the file of the old one, whose other fields stay. The file is
/// replaced at once, and readable by its owner alone.
fn keep(path: &Path, old: &[u8], anew: &Anew) -> io::Result<()> {
    let mut document: Value = serde_json::from_slice(old)?;
    let expires = Timestamp::now().plus_millis(anew.expires_in.saturating_mul(1000));
    let seconds = expires.rfc3339();
    let seconds = seconds.split('.').next().unwrap_or_default();
    document["accessToken"] = anew.access_token.as_str().into();
    document["expiresAt"] = format!("{seconds}Z").into();
    if let Some(refresh) = &anew.refresh_token {
        document["refreshToken"] = refresh.as_str().into();
    }
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    io::Write::write_all(&mut file, document.to_string().as_bytes())?;
    std::fs::rename(&draft, path)
}
