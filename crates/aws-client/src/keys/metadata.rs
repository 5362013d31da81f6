//! Keys of the container or machine this runs on, which hand them out over HTTP.

use std::time::Duration;

use aws_wire::body;
use aws_wire::sigv4::Credentials;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, StatusCode, Uri};
use serde::Deserialize;

use super::{Fetched, chain, end};
use crate::endpoint::{Endpoint, Origin};
use crate::error::ClientError;
use crate::pool::{Patience, Pool, Road};
use crate::profile::Variable;

const CONTAINER_HOST: &str = "http://169.254.170.2";
const INSTANCE_HOST: &str = "http://169.254.169.254";
/// It is next door, or not there at all.
const PATIENCE: Duration = Duration::from_secs(1);
const CONTAINER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a token is good for, in seconds: the most there is.
const TOKEN_SECONDS: &str = "21600";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The agent of a container: of ECS, of EKS, of a cloud shell.
#[derive(Debug)]
pub(super) struct Container {
    endpoint: Endpoint,
    target: String,
    proof: Option<Proof>,
}

/// What the agent wants to see.
enum Proof {
    Text(String),
    /// Others write a new one into it in time.
    File(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets stay out of logs.
        f.write_str("Proof")
    }
}

/// The metadata service of a machine of EC2.
#[derive(Debug)]
pub(super) struct Instance {
    endpoint: Endpoint,
    patience: Duration,
    /// For the message where there is none.
    profile: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

impl Container {
    /// As its variables say, if they are there.
    pub fn find(variable: &Variable<'_>) -> Result<Option<Self>, ClientError> {
        let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let relative = relative.map(|path| format!("{CONTAINER_HOST}{path}"));
        let full = || variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let Some(url) = relative.or_else(full) else {
            return Ok(None);
        };
        let bad = || ClientError::config(format!("{url:?} is no address of a container's keys"));
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let target = uri.path_and_query().ok_or_else(bad)?.to_string();
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(bad)?;
        let endpoint = Endpoint::parse(&format!("{scheme}://{authority}")).map_err(|_| bad())?;
        if !endpoint.tls && !is_near(endpoint.bare_host()) {
            return Err(ClientError::config(format!(
                "keys are not fetched from {url:?}: without TLS only this machine is trusted"
            )));
        }
        let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Proof::File);
        let text = || variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Proof::Text);
        Ok(Some(Self {
            endpoint,
            target,
            proof: file.or_else(text),
        }))
    }

    pub async fn fetch(&self) -> Result<Fetched, ClientError> {
        let proof = match &self.proof {
            None => None,
            Some(Proof::Text(text)) => Some(text.clone()),
            Some(Proof::File(path)) => {
                let text = tokio::fs::read_to_string(path).await;
                let text = text.map_err(|error| {
                    ClientError::config(format!("cannot read the proof {path}: {error}"))
                })?;
                Some(text.trim().to_owned())
            }
        };
        let header = proof
            .as_deref()
            .map(|proof| (AUTHORIZATION.as_str(), proof));
        let asked = ask(
            &self.endpoint,
            Method::GET,
            &self.target,
            header,
            CONTAINER_PATIENCE,
        );
        let failed = |why: String| {
            let url = self.endpoint.url();
            ClientError::config(format!("the container has no keys at {url}: {why}"))
        };
        let (status, body) = asked.await.map_err(failed)?;
        if status != StatusCode::OK {
            return Err(failed(status.to_string()));
        }
        read(&body).map_err(failed)
    }
}

/// Addresses that containers are told, and this machine's own.
fn is_near(host: &str) -> bool {
    let named = matches!(
        host,
        "localhost" | "169.254.170.2" | "169.254.170.23" | "fd00:ec2::23"
    );
    let address = host.parse::<std::net::IpAddr>();
    named || address.is_ok_and(|address| address.is_loopback())
}

impl Instance {
    /// None if it is not to be asked. Whether it is there shows when it is.
    pub fn find(
        variable: &Variable<'_>,
        profile: &str,
        url: &str,
    ) -> Result<Option<Self>, ClientError> {
        let disabled = variable("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let named = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let named = named.unwrap_or_else(|| INSTANCE_HOST.to_owned());
        let seconds = variable("AWS_METADATA_SERVICE_TIMEOUT");
        let seconds = seconds.and_then(|text| text.parse().ok());
        Ok(Some(Self {
            endpoint: Endpoint::parse(named.trim_end_matches('/'))?,
            patience: seconds.map_or(PATIENCE, Duration::from_secs),
            profile: profile.to_owned(),
            url: url.to_owned(),
        }))
    }

    pub async fn fetch(&self) -> Result<Fetched, ClientError> {
        let seconds = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
        let token = self.ask(Method::PUT, "/latest/api/token", seconds).await?;
        let token = ("x-aws-ec2-metadata-token", token.trim());
        let role = self.ask(Method::GET, ROLES, token).await?;
        let role = role.lines().next().unwrap_or_default().trim();
        let said = self
            .ask(Method::GET, &format!("{ROLES}{role}"), token)
            .await?;
        read(said.as_bytes())
            .map_err(|why| ClientError::config(format!("the machine has no keys: {why}")))
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        header: (&str, &str),
    ) -> Result<String, ClientError> {
        let asked = ask(&self.endpoint, method, target, Some(header), self.patience);
        match asked.await {
            Ok((StatusCode::OK, body)) => Ok(String::from_utf8_lossy(&body).into_owned()),
            // That this is no machine of EC2 is the usual reason.
            _ => Err(chain::none(&self.profile, &self.url)),
        }
    }
}

fn read(body: &[u8]) -> Result<Fetched, String> {
    // The text may hold a secret, which the error must not repeat.
    let said: Said =
        serde_json::from_slice(body).map_err(|_| "what it says is not as expected".to_owned())?;
    Ok(Fetched {
        credentials: Credentials {
            access_key: said.access_key_id,
            secret: said.secret_access_key,
            session_token: said.token,
        },
        expires: end(said.expiration.as_deref().unwrap_or_default())?,
    })
}

async fn ask(
    endpoint: &Endpoint,
    method: Method,
    target: &str,
    header: Option<(&str, &str)>,
    patience: Duration,
) -> Result<(StatusCode, Bytes), String> {
    let endpoint = Endpoint {
        origin: Origin::User,
        ..endpoint.clone()
    };
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, endpoint.authority());
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request
        .body(body::empty())
        .map_err(|error| error.to_string())?;
    let pool = Pool::new(endpoint, Road::default());
    let asked = async {
        let within = Patience {
            answer: patience,
            piece: patience,
        };
        let mut reply = pool.send(request, within).await?;
        let body = reply.document().await?;
        Ok((reply.status, body))
    };
    let answered = tokio::time::timeout(patience, asked).await;
    let answered = answered.map_err(|_| "it does not answer".to_owned())?;
    answered.map_err(|error: crate::pool::TransportError| error.line())
}
