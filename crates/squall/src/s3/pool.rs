//! Connections that are used again: a transfer of many small files would
//! otherwise spend its time on opening them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_wire::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::error::S3Error;
use crate::client::Client;

/// Idle connections kept: as many as are usually at work at once, twice over.
const IDLE: usize = 32;
/// An endpoint that puts a large object together may take its time.
const ANSWER_PATIENCE: Duration = Duration::from_mins(5);
/// Between two pieces of a body.
const PIECE_PATIENCE: Duration = Duration::from_mins(1);
/// Documents that are read whole: lists of 1,000 keys and errors.
const DOCUMENT_BYTES: usize = 16 << 20;

pub struct Pool {
    client: Client,
    idle: Mutex<Vec<SendRequest<Body>>>,
    /// Whether the endpoint was ever there: then its absence may pass.
    met: AtomicBool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// An answer whose body is yet to be read. Read to its end, it gives its
/// connection back; dropped before, it closes it.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    lease: Option<(SendRequest<Body>, Arc<Pool>)>,
}

impl Pool {
    pub fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            idle: Mutex::default(),
            met: AtomicBool::new(false),
        })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn was_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    pub async fn send(self: &Arc<Self>, request: Request<Body>) -> Result<Reply, S3Error> {
        let mut sender = self.sender().await?;
        let response = tokio::time::timeout(ANSWER_PATIENCE, sender.send_request(request))
            .await
            .map_err(|_| S3Error::Silent)?
            .map_err(S3Error::Broken)?;
        let (head, body) = response.into_parts();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            lease: Some((sender, Arc::clone(self))),
        })
    }

    /// One that is idle and still open, else a new one.
    async fn sender(&self) -> Result<SendRequest<Body>, S3Error> {
        loop {
            let idle = self.idle().pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = self.client.connect().await.map_err(S3Error::Connect)?;
        self.met.store(true, Ordering::Relaxed);
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(S3Error::Broken)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            let frame = tokio::time::timeout(PIECE_PATIENCE, self.body.frame())
                .await
                .map_err(|_| S3Error::Silent)?;
            match frame {
                None => {
                    self.give_back();
                    return Ok(None);
                }
                Some(Err(error)) => return Err(S3Error::Broken(error)),
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
    pub async fn document(&mut self) -> Result<Bytes, S3Error> {
        let mut document = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if document.len() + piece.len() > DOCUMENT_BYTES {
                return Err(S3Error::Garbled("the document is too long".to_owned()));
            }
            document.extend_from_slice(&piece);
        }
        Ok(document.freeze())
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
