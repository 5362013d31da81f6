//! Connections that are used again: opening one for each of many requests would take
//! longer than the requests. The one way by which bytes leave this client.

use std::fmt;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_wire::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::endpoint::{Endpoint, Origin};
use crate::proxy::Proxy;
use crate::tls;

/// Idle connections kept. A map may have some hundreds at work.
const IDLE: usize = 512;
/// For the way there and, where there is one, the handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing moves is asked for a sign of life after so many
/// seconds, so that routers between do not forget it while a function works.
const KEEP_ALIVE_SECONDS: u32 = 45;

/// Documents that are read whole: lists of 1,000 keys and errors.
const DOCUMENT_BYTES: usize = 16 << 20;

/// How long one waits for the beginning of an answer, and between its pieces.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub answer: Duration,
    pub piece: Duration,
}

impl Patience {
    /// An endpoint that puts a large object together may take its time.
    pub const OBJECTS: Self = Self {
        answer: Duration::from_mins(5),
        piece: Duration::from_mins(1),
    };
    /// A function may run for 15 minutes, and be brought up before that.
    pub const FUNCTIONS: Self = Self {
        answer: Duration::from_mins(17),
        piece: Duration::from_mins(1),
    };
    /// What an engine does at length, such as checking all of its store.
    pub const WORK: Self = Self {
        answer: Duration::from_hours(1),
        piece: Duration::from_hours(1),
    };
}

/// Why no answer came, or none that is whole.

#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nothing of the request has left.
    #[error("{message}")]
    Connect {
        message: String,
        hint: Option<String>,
    },
    #[error("the endpoint broke the connection off")]
    Broken(#[source] hyper::Error),
    #[error("the endpoint went silent")]
    Silent,
    #[error("the answer is longer than {most} bytes")]
    TooLong { most: usize },
}

impl TransportError {
    pub(crate) fn connect(message: String, hint: &str) -> Self {
        Self::Connect {
            message,
            hint: Some(hint.to_owned()),
        }
    }

    /// What one may do about it, if there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Connect { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// With its causes, on one line.
    pub fn line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// How an endpoint is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Road {
    /// A file of certificates to trust, if it is not the system's.
    pub bundle: Option<Arc<str>>,
    pub proxy: Option<Arc<Proxy>>,
}

/// Connections to one endpoint.
pub struct Pool {
    endpoint: Endpoint,
    idle: Mutex<Vec<SendRequest<Body>>>,
    road: Road,
    /// Made for the first connection that needs it.
    tls: OnceLock<TlsConnector>,
    /// Whether the endpoint was ever there: then its absence may pass.
    met: AtomicBool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// An answer whose body is yet to be read. Read to its end, it gives its
/// connection back; dropped before, it closes it.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    patience: Duration,
    lease: Option<(SendRequest<Body>, Arc<Pool>)>,
}

impl Pool {
    pub(crate) fn new(endpoint: Endpoint, road: Road) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            idle: Mutex::default(),
            road,
            tls: OnceLock::new(),
            met: AtomicBool::new(false),
        })
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub fn was_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    /// Whether something is there that takes connections.
    pub async fn answers(&self) -> bool {
        self.dial().await.is_ok()
    }

    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
        patience: Patience,
    ) -> Result<Reply, TransportError> {
        let (sender, response) = loop {
            let (mut sender, is_new) = self.sender().await?;
            let sent = sender.try_send_request(request);
            let answered = tokio::time::timeout(patience.answer, sent)
                .await
                .map_err(|_| TransportError::Silent)?;
            let mut error = match answered {
                Ok(response) => break (sender, response),
                Err(error) => error,
            };
            // An idle connection that was closed meanwhile: nothing of the request
            // has left, so it is safe to send it by another one.
            match error.take_message() {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(TransportError::Broken(error.into_error())),
            }
        };
        let (head, body) = response.into_parts();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            patience: patience.piece,
            lease: Some((sender, Arc::clone(self))),
        })
    }

    /// One that is idle and still open, else a new one.
    async fn sender(&self) -> Result<(SendRequest<Body>, bool), TransportError> {
        loop {
            let idle = self.idle().pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok((sender, false));
            }
        }
        let stream = self.dial().await?;
        let sender = if self.endpoint.tls {
            let stream = self.wrap(stream).await?;
            speak(stream).await
        } else {
            speak(stream).await
        };
        self.met.store(true, Ordering::Relaxed);
        Ok((sender.map_err(TransportError::Broken)?, true))
    }

    async fn dial(&self) -> Result<TcpStream, TransportError> {
        let host = self.endpoint.bare_host();
        let proxy = self.road.proxy.as_deref();
        let proxy = proxy.filter(|proxy| self.endpoint.tls && proxy.is_for(host));
        let next = proxy.map_or(&self.endpoint, |proxy| &proxy.endpoint);
        let to = (next.bare_host(), next.port);
        let mut stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to))
            .await
            .map_err(|_| unreached(next, &std::io::ErrorKind::TimedOut.into()))?
            .map_err(|error| unreached(next, &error))?;
        if let Some(proxy) = proxy {
            proxy.tunnel(&mut stream, host, self.endpoint.port).await?;
        }
        // Without these it works, too, only slower or with less patience on the way.
        let _ = stream.set_nodelay(true);
        let socket = stream.as_fd();
        let _ = setsockopt(&socket, sockopt::KeepAlive, &true);
        let _ = setsockopt(&socket, sockopt::TcpKeepIdle, &KEEP_ALIVE_SECONDS);
        Ok(stream)
    }

    async fn wrap(
        &self,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, TransportError> {
        let host = self.endpoint.bare_host();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TransportError::Connect {
            message: format!("{host:?} is not the name of a host"),
            hint: None,
        })?;
        let connector = if let Some(connector) = self.tls.get() {
            connector
        } else {
            let made = tls::connector(self.road.bundle.as_deref())?;
            self.tls.get_or_init(|| made)
        };
        let failed = |error: std::io::Error| {
            TransportError::connect(
                format!("there is no safe connection with {host}: {error}"),
                "a certificate of your own is trusted by AWS_CA_BUNDLE=FILE",
            )
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name, stream))
            .await
            .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody is there; what helps depends on who named the place.
fn unreached(endpoint: &Endpoint, error: &std::io::Error) -> TransportError {
    let (port, origin) = (endpoint.port, endpoint.origin);
    let host = endpoint.bare_host();
    let (message, hint) = match origin {
        Origin::Engine => (
            format!(
                "no engine answers at {host}:{port}; the last one on this data directory did not stop in order"
            ),
            Some("start one: squall up"),
        ),
        Origin::User => (format!("nothing answers at {host}:{port}: {error}"), None),
        Origin::Aws => (
            format!("nothing answers at {host}:{port}: {error}"),
            Some("look at the network, and at the region: it is part of the host"),
        ),
    };
    TransportError::Connect {
        message,
        hint: hint.map(str::to_owned),
    }
}

async fn speak<S>(stream: S) -> Result<SendRequest<Body>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with its sender, or when the other side closes it.
    tokio::spawn(connection);
    Ok(sender)
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            let frame = tokio::time::timeout(self.patience, self.body.frame())
                .await
                .map_err(|_| TransportError::Silent)?;
            match frame {
                None => {
                    self.give_back();
                    return Ok(None);
                }
                Some(Err(error)) => return Err(TransportError::Broken(error)),
                // What is no data is a trailer, of which we ask none.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body, of a document.
    pub async fn document(&mut self) -> Result<Bytes, TransportError> {
        self.whole(DOCUMENT_BYTES).await
    }

    /// The whole body, up to a bound. One that came in one piece is not copied.
    pub async fn whole(&mut self, most: usize) -> Result<Bytes, TransportError> {
        let length = self.header("content-length").and_then(|n| n.parse().ok());
        let Some(first) = self.piece().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.piece().await? else {
            return within(first, most);
        };
        let expected: usize = length.unwrap_or(first.len() + second.len());
        let mut all = BytesMut::with_capacity(expected.min(most));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.piece().await? {
            if all.len() + piece.len() > most {
                return Err(TransportError::TooLong { most });
            }
            all.extend_from_slice(&piece);
        }
        within(all.freeze(), most)
    }

    fn give_back(&mut self) {
        if let Some((sender, pool)) = self.lease.take() {
            let mut idle = pool.idle();
            if idle.len() < IDLE {
                idle.push(sender);
            }
        }
    }
}

fn within(all: Bytes, most: usize) -> Result<Bytes, TransportError> {
    if all.len() > most {
        return Err(TransportError::TooLong { most });
    }
    Ok(all)
}
