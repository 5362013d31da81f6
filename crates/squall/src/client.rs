//! An AWS client like any other: finds endpoint and keys, signs, sends, and reads
//! errors.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use aws_wire::body;
use aws_wire::sigv4::{self, Credentials, Signing};
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use server::files::{self, Address};
use types::Timestamp;

use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::remote::{Endpoint, Patience, Pool, Profile, Reply, TransportError, profile};

/// What an answer may hold that is read whole.
const ANSWER_BYTES: usize = 64 << 20;

/// Endpoints, with what is needed to sign for them. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    places: Places,
    region: String,
    credentials: Arc<Credentials>,
}

/// Where the services are.
#[derive(Debug, Clone)]
enum Places {
    /// All at one endpoint.
    One(Arc<Pool>),
    /// Each service of AWS has its own; by their names.
    Aws(Arc<Mutex<BTreeMap<String, Arc<Pool>>>>),
}

/// Whose services are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of the engine of the data directory.
    Engine,
    Aws,
}

/// One request, before it is signed.
#[derive(Debug)]
pub struct Call<'a> {
    pub service: &'a str,
    pub method: Method,
    /// Path and query, percent-encoded.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Runs a command that moves bytes: over more than one processor.
pub fn block_on_threads(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(command);
    // A thread that waits for stdin may wait for ever.
    runtime.shutdown_background();
    done
}

/// Runs a command that talks to an engine.
pub fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(command)
}

impl Client {
    /// By `--endpoint` or `AWS_ENDPOINT_URL` with the keys of the environment; else
    /// the engine that runs on the data directory.
    pub fn find(global: &Global) -> Result<Self, Failure> {
        Self::of(Whose::Engine, global.endpoint.as_deref(), Some(global))
    }

    /// An endpoint that is named goes before all others, whoever is meant. Without
    /// `global` there is no data directory to look into.
    pub fn of(
        whose: Whose,
        endpoint: Option<&str>,
        global: Option<&Global>,
    ) -> Result<Self, Failure> {
        let variable = profile::variable;
        let named = endpoint.map(str::to_owned);
        let named = named.or_else(|| variable("AWS_ENDPOINT_URL"));
        if let (None, Whose::Engine, Some(global)) = (&named, whose, global) {
            return Self::of_data_directory(global);
        }
        let profile = Profile::read(&variable)?;
        let region = profile::region(&variable, &profile);
        let shown = named.as_deref().unwrap_or("AWS");
        let credentials = profile::credentials(&variable, &profile, shown)?;
        let Some(url) = named else {
            let region = region.ok_or_else(|| {
                Failure::mistake("there is no region of AWS to go to")
                    .hint("set AWS_REGION, or region in ~/.aws/config")
            })?;
            return Ok(Self {
                places: Places::Aws(Arc::default()),
                region,
                credentials: Arc::new(credentials),
            });
        };
        Self::new(
            &url,
            region.unwrap_or_else(|| "us-east-1".to_owned()),
            credentials,
        )
    }

    pub fn new(url: &str, region: String, credentials: Credentials) -> Result<Self, Failure> {
        Ok(Self {
            places: Places::One(Pool::new(Endpoint::parse(url)?)),
            region,
            credentials: Arc::new(credentials),
        })
    }

    fn of_data_directory(global: &Global) -> Result<Self, Failure> {
        let (address, credentials) = running(global)?;
        let endpoint = Endpoint {
            own: true,
            ..Endpoint::parse(&address.api)?
        };
        Ok(Self {
            places: Places::One(Pool::new(endpoint)),
            region: address.region,
            credentials: Arc::new(credentials),
        })
    }

    /// Connections to a service, by the name it is signed for.
    pub fn pool(&self, service: &str) -> Arc<Pool> {
        match &self.places {
            Places::One(pool) => Arc::clone(pool),
            Places::Aws(pools) => {
                let mut pools = pools.lock().unwrap_or_else(PoisonError::into_inner);
                let made = pools
                    .entry(service.to_owned())
                    .or_insert_with(|| Pool::new(Endpoint::of_aws(service, &self.region)));
                Arc::clone(made)
            }
        }
    }

    /// Sends a call; any answer is good, whatever its status.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        Answer::read(self.open(call).await?).await
    }

    /// Sends a call and returns when the answer begins; its body is yet to come.
    pub async fn open(&self, call: Call<'_>) -> Result<Reply, Failure> {
        let pool = self.pool(call.service);
        let mut request = Request::builder().method(call.method).uri(call.target);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(())
            .map_err(|error| Failure::mistake(format!("this cannot be sent: {error}")))?;
        let (mut parts, ()) = request.into_parts();
        self.sign(&mut parts, call.service, Some(&call.body))?;
        let request = Request::from_parts(parts, body::full(call.body));
        Ok(pool.send(request, Patience::WORK).await?)
    }

    /// Names host and client, and signs. Without a payload the body is one that is
    /// streamed and not signed.
    pub fn sign(
        &self,
        parts: &mut Parts,
        service: &str,
        payload: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let host = self.pool(service).endpoint().authority();
        let host = host
            .parse()
            .map_err(|_| Failure::mistake(format!("{host:?} is not the name of a host")))?;
        parts.headers.insert(HOST, host);
        let agent = concat!("squall/", env!("CARGO_PKG_VERSION"));
        parts
            .headers
            .insert(USER_AGENT, HeaderValue::from_static(agent));
        match payload {
            Some(payload) => sigv4::sign(parts, payload, self.signing(service)),
            None => sigv4::sign_streamed(parts, self.signing(service)),
        }
        .map_err(|error| Failure::new(Kind::Mistake, error))
    }

    /// With what a request to a service is signed now.
    pub fn signing<'a>(&'a self, service: &'a str) -> Signing<'a> {
        Signing {
            credentials: &self.credentials,
            region: &self.region,
            service,
            now: Timestamp::now(),
        }
    }

    pub fn region(&self) -> &str {
        &self.region
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Connect(failure) => failure,
            other => Self::new(Kind::Bug, anyhow!(other.line())),
        }
    }
}

/// Address and keys of the engine that runs on the data directory.
pub fn running(global: &Global) -> Result<(Address, Credentials), Failure> {
    let shown = global.data.display();
    let none = || {
        Failure::mistake(format!("no engine runs on {shown}"))
            .hint("start one: squall up; or name its data directory: --data DIR")
    };
    let unreadable = |error: files::FileError| Failure::new(Kind::Mistake, error);
    let address = Address::read(&global.data).map_err(unreadable)?;
    let credentials = files::read_credentials(&global.data).map_err(unreadable)?;
    address.zip(credentials).ok_or_else(none)
}

impl Answer {
    /// Waits for the rest of an answer.
    pub async fn read(mut reply: Reply) -> Result<Self, Failure> {
        let body = reply.whole(ANSWER_BYTES).await?;
        Ok(Self {
            status: reply.status,
            headers: reply.headers,
            body,
        })
    }

    /// The body as JSON, or the error that it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if !self.status.is_success() {
            return Err(self.failure());
        }
        let read = serde_json::from_slice(&self.body).context("the answer is not as expected")?;
        Ok(read)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An error answer in our words.
    pub fn failure(&self) -> Failure {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |names: &[&str]| {
            let value = names.iter().find_map(|name| body[*name].as_str());
            value.map(str::to_owned)
        };
        let code = self
            .header("x-amzn-errortype")
            .map(str::to_owned)
            .or_else(|| text(&["__type", "code"]))
            .unwrap_or_else(|| self.status.to_string());
        // Services put a namespace before it and a URL behind it.
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        let message = text(&["message", "Message"]).unwrap_or_default();
        let failure = Failure::new(kind_of(self.status), anyhow!("{code}: {message}"));
        match hint_for(&code) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => Kind::Refused,
        status if status.is_client_error() => Kind::Mistake,
        _ => Kind::Bug,
    }
}

fn hint_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "ResourceNotFoundException" => "squall functions lists what is there",
        "TooManyRequestsException" => "squall ps shows what is running; try again later",
        "UnrecognizedClientException" | "InvalidSignatureException" => {
            "the keys are not this engine's: eval \"$(squall env)\" sets them"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, header: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(code) = header {
            headers.insert("x-amzn-errortype", code.parse().unwrap());
        }
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn error_answers_become_failures_with_their_exit_codes() {
        for (answer, code, text) in [
            (
                answer(
                    404,
                    Some("ResourceNotFoundException"),
                    r#"{"Message":"gone"}"#,
                ),
                2,
                "error: ResourceNotFoundException: gone\nhint: squall functions lists what is there",
            ),
            (
                answer(
                    429,
                    Some("TooManyRequestsException:http://x"),
                    r#"{"message":"slow"}"#,
                ),
                3,
                "error: TooManyRequestsException: slow\nhint: squall ps shows what is running; try again later",
            ),
            (
                answer(400, None, r#"{"__type":"com.amazonaws#Odd","message":"m"}"#),
                2,
                "error: Odd: m",
            ),
            (
                answer(500, None, "<html>"),
                70,
                "error: 500 Internal Server Error: ",
            ),
        ] {
            let failure = answer.failure();
            assert_eq!(failure.kind.code(), code);
            assert_eq!(failure.to_string(), text);
        }
    }
}
