//! Roles, which STS hands out keys of.

use std::path::PathBuf;

use aws_wire::sigv4::Credentials;
use types::Timestamp;

use super::{Fetched, end};
use crate::client::Client;
use crate::error::ClientError;
use crate::xml::Xml;

const VERSION: &str = "2011-06-15";

/// A role that other keys may take.
#[derive(Debug)]
pub(super) struct Role {
    /// With these other keys.
    pub client: Client,
    pub arn: String,
    pub session: String,
    pub external_id: Option<String>,
    pub seconds: Option<u32>,
}

/// A role that the bearer of a token may take.
#[derive(Debug)]
pub(super) struct WebIdentity {
    /// Without keys.
    pub client: Client,
    /// Others write a new token into it in time.
    pub file: PathBuf,
    pub role: String,
    pub session: String,
}

/// One that nobody chose.
pub(super) fn session_name() -> String {
    format!("squall-{}", Timestamp::now().0)
}

impl Role {
    pub async fn fetch(&self) -> Result<Fetched, ClientError> {
        let seconds = self.seconds.map(|seconds| seconds.to_string());
        let mut parameters = vec![
            ("RoleArn", self.arn.as_str()),
            ("RoleSessionName", &self.session),
        ];
        if let Some(id) = &self.external_id {
            parameters.push(("ExternalId", id));
        }
        if let Some(seconds) = &seconds {
            parameters.push(("DurationSeconds", seconds));
        }
        let result = self
            .client
            .query("sts", VERSION, "AssumeRole", &parameters)
            .await?;
        read(&result, "AssumeRole")
    }
}

impl WebIdentity {
    pub async fn fetch(&self) -> Result<Fetched, ClientError> {
        let token = tokio::fs::read_to_string(&self.file).await;
        let token = token.map_err(|error| {
            let path = self.file.display();
            ClientError::config(format!(
                "cannot read the web identity token {path}: {error}"
            ))
        })?;
        let parameters = [
            ("RoleArn", self.role.as_str()),
            ("RoleSessionName", &self.session),
            ("WebIdentityToken", token.trim()),
        ];
        let action = "AssumeRoleWithWebIdentity";
        let result = self
            .client
            .query("sts", VERSION, action, &parameters)
            .await?;
        read(&result, action)
    }
}

fn read(result: &Xml, action: &str) -> Result<Fetched, ClientError> {
    let garbled = |detail: String| ClientError::Garbled {
        call: format!("sts {action}"),
        detail,
    };
    let text = |name: &str| result.at(&["Credentials", name]).trim();
    let (access_key, secret, token) = (
        text("AccessKeyId"),
        text("SecretAccessKey"),
        text("SessionToken"),
    );
    if access_key.is_empty() || secret.is_empty() {
        return Err(garbled("it has no keys".to_owned()));
    }
    Ok(Fetched {
        credentials: Credentials {
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
            session_token: Some(token.to_owned()).filter(|token| !token.is_empty()),
        },
        expires: end(text("Expiration")).map_err(garbled)?,
    })
}
