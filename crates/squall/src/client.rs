//! An AWS client like any other: finds endpoint and keys, signs, sends, and reads
//! errors. One connection per call; commands make few.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_wire::sigv4::{self, Credentials, Signing};
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use server::files::{self, Address};
use tokio::net::TcpStream;
use types::Timestamp;

use crate::args::Global;
use crate::failure::{Failure, Kind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An endpoint, with what is needed to sign for it.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: Endpoint,
    region: String,
    credentials: Credentials,
}

#[derive(Debug, Clone)]
struct Endpoint {
    host: String,
    port: u16,
    /// From the data directory: where nobody answers, no engine runs.
    own: bool,
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
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = global.endpoint.clone();
        let Some(url) = named.or_else(|| variable("AWS_ENDPOINT_URL")) else {
            return Self::of_data_directory(global);
        };
        let keys = (
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
        );
        let (Some(access_key), Some(secret)) = keys else {
            return Err(Failure::mistake(format!(
                "there are no keys for {url}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set"
            ))
            .hint("eval \"$(squall env)\" sets endpoint and keys of a running engine"));
        };
        let region = variable("AWS_REGION")
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let credentials = Credentials {
            access_key,
            secret,
            session_token: variable("AWS_SESSION_TOKEN"),
        };
        Self::new(&url, region, credentials)
    }

    pub fn new(url: &str, region: String, credentials: Credentials) -> Result<Self, Failure> {
        Ok(Self {
            endpoint: Endpoint::parse(url)?,
            region,
            credentials,
        })
    }

    fn of_data_directory(global: &Global) -> Result<Self, Failure> {
        let (address, credentials) = running(global)?;
        Ok(Self {
            endpoint: Endpoint {
                own: true,
                ..Endpoint::parse(&address.api)?
            },
            region: address.region,
            credentials,
        })
    }

    /// Sends a call; any answer is good, whatever its status.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let (head, body) = self.open(call).await?.into_parts();
        let body = body
            .collect()
            .await
            .context("the answer ended before it was complete")?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Sends a call and returns when the answer begins; its body is yet to come.
    pub async fn open(&self, call: Call<'_>) -> Result<Response<Incoming>, Failure> {
        let request = self.signed(call)?;
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context("cannot speak to the endpoint")?;
        // It ends with the answer's body, or when that is dropped.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| {
            Failure::new(
                Kind::Bug,
                anyhow!(error).context("the endpoint broke the connection off"),
            )
        })
    }

    fn signed(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder().method(call.method).uri(call.target);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(())
            .map_err(|error| Failure::mistake(format!("this cannot be sent: {error}")))?;
        let (mut parts, ()) = request.into_parts();
        self.sign(&mut parts, call.service, Some(&call.body))?;
        Ok(Request::from_parts(parts, Full::new(call.body)))
    }

    /// Names host and client, and signs. Without a payload the body is one that is
    /// streamed and not signed.
    pub fn sign(
        &self,
        parts: &mut Parts,
        service: &str,
        payload: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let host = self.endpoint.authority();
        let host = host
            .parse()
            .map_err(|_| Failure::mistake(format!("{host:?} is not the name of a host")))?;
        parts.headers.insert(HOST, host);
        let agent = concat!("squall/", env!("CARGO_PKG_VERSION"));
        parts
            .headers
            .insert(USER_AGENT, HeaderValue::from_static(agent));
        let signing = Signing {
            credentials: &self.credentials,
            region: &self.region,
            service,
            now: Timestamp::now(),
        };
        match payload {
            Some(payload) => sigv4::sign(parts, payload, signing),
            None => sigv4::sign_streamed(parts, signing),
        }
        .map_err(|error| Failure::new(Kind::Mistake, error))
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub async fn connect(&self) -> Result<TcpStream, Failure> {
        let Endpoint { host, port, own } = &self.endpoint;
        let address = (host.trim_matches(['[', ']']), *port);
        let refused = |error: std::io::Error| {
            if *own {
                Failure::mistake(format!(
                    "no engine answers at {host}:{port}; the last one on this data directory did not stop in order"
                ))
                .hint("start one: squall up")
            } else {
                Failure::mistake(format!("nothing answers at {host}:{port}: {error}"))
            }
        };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| refused(std::io::ErrorKind::TimedOut.into()))?
            .map_err(refused)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
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

impl Endpoint {
    fn parse(url: &str) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::mistake(format!("{url:?} is not a usable endpoint: {why}"));
        let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
        let host = uri.host().ok_or_else(|| bad("it has no host"))?.to_owned();
        match uri.scheme_str() {
            Some("http") => Ok(Self {
                host,
                port: uri.port_u16().unwrap_or(80),
                own: false,
            }),
            Some("https") => Err(bad("https is not built into this command line yet")
                .hint("for AWS itself use the aws CLI")),
            _ => Err(bad("it must begin with http://")),
        }
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Answer {
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

    #[test]
    fn endpoints_are_read() {
        let endpoint = Endpoint::parse("http://[::1]:4566/").unwrap();
        assert_eq!(endpoint.authority(), "[::1]:4566");
        assert_eq!(Endpoint::parse("http://x").unwrap().port, 80);
        for bad in ["", "x", "ftp://x", "https://lambda.us-east-1.amazonaws.com"] {
            assert_eq!(
                Endpoint::parse(bad).unwrap_err().kind,
                Kind::Mistake,
                "{bad}"
            );
        }
    }
}
