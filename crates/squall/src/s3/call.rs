//! One request, signed, sent, and sent again where that may help.

use std::sync::Arc;

use aws_client::{Client, Patience, Pool, Reply};
use aws_wire::form;
use http::{Method, Request, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::backoff::{self, ATTEMPTS};
use super::error::S3Error;
use super::payload::{Meter, Payload};
use super::xml;
use crate::progress::Progress;

/// Bodies up to here are signed; larger ones have a checksum that is.
const SIGNED_BYTES: u64 = 64 << 10;

/// Buckets and objects at an endpoint.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    pool: Arc<Pool>,
    transfers: Arc<Semaphore>,
    parallel: usize,
    /// Triggered, everything under way ends, and cleans up.
    pub cancel: CancellationToken,
}

/// A request, before it is signed.
#[derive(Debug)]
pub struct Ask {
    pub method: Method,
    /// Percent-encoded.
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    payload: Payload,
}

impl Ask {
    pub fn service(method: Method) -> Self {
        Self {
            method,
            path: "/".to_owned(),
            query: vec![],
            headers: vec![],
            payload: Payload::empty(),
        }
    }

    pub fn bucket(method: Method, bucket: &str) -> Self {
        Self {
            path: format!("/{}", form::encode(bucket)),
            ..Self::service(method)
        }
    }

    pub fn object(method: Method, bucket: &str, key: &str) -> Self {
        Self {
            path: object_path(bucket, key),
            ..Self::service(method)
        }
    }

    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn payload(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }

    /// Path and query as they are sent.
    fn target(&self) -> String {
        let mut target = self.path.clone();
        for (i, (name, value)) in self.query.iter().enumerate() {
            target.push(if i == 0 { '?' } else { '&' });
            target.push_str(name);
            if !value.is_empty() {
                target.push('=');
                target.push_str(&form::encode(value));
            }
        }
        target
    }
}

/// `/bucket/key`, encoded; the slashes of a key stay.
pub fn object_path(bucket: &str, key: &str) -> String {
    let key: Vec<String> = key.split('/').map(form::encode).collect();
    format!("/{}/{}", form::encode(bucket), key.join("/"))
}

impl S3 {
    /// `parallel` transfers at once.
    pub fn new(client: Client, parallel: usize) -> Self {
        Self {
            pool: client.pool("s3"),
            client,
            transfers: Arc::new(Semaphore::new(parallel)),
            parallel,
            cancel: CancellationToken::new(),
        }
    }

    pub fn region(&self) -> &str {
        self.client.region()
    }

    pub fn parallel(&self) -> usize {
        self.parallel
    }

    /// Waits for its turn among the transfers.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, S3Error> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(S3Error::Cancelled),
            permit = self.transfers.acquire() => permit.map_err(|_| S3Error::Cancelled),
        }
    }

    /// Ends the work where it stands when everything is to end.
    pub async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T, S3Error> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(S3Error::Cancelled),
            done = work => done,
        }
    }

    /// For cleaning up, which goes on when all else was cancelled.
    pub fn without_cancel(&self) -> Self {
        Self {
            cancel: CancellationToken::new(),
            ..self.clone()
        }
    }

    /// The answer, whose body is yet to come; whatever is no success is an error.
    pub async fn call(&self, ask: &Ask) -> Result<Reply, S3Error> {
        self.call_watched(ask, &Progress::silent()).await
    }

    pub async fn call_watched(
        &self,
        ask: &Ask,
        progress: &Arc<Progress>,
    ) -> Result<Reply, S3Error> {
        let mut attempt = 0;
        loop {
            let error = match self.once(ask, progress).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            attempt += 1;
            if attempt == ATTEMPTS || !self.may_pass(&error) {
                return Err(error);
            }
            self.wait(attempt - 1).await?;
        }
    }

    /// Whether it is worth trying again.
    pub fn may_pass(&self, error: &S3Error) -> bool {
        // An endpoint that was there a moment ago may be starting anew.
        error.is_passing() || matches!(error, S3Error::Connect(_)) && self.pool.was_met()
    }

    /// Before the attempt after `attempt`.
    pub async fn wait(&self, attempt: u32) -> Result<(), S3Error> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(S3Error::Cancelled),
            () = tokio::time::sleep(backoff::pause(attempt)) => Ok(()),
        }
    }

    async fn once(&self, ask: &Ask, progress: &Arc<Progress>) -> Result<Reply, S3Error> {
        let meter = Meter::new(progress);
        let answered = match self.request(ask, &meter).await {
            Ok(request) => {
                let sent = self.pool.send(request, Patience::OBJECTS).await;
                sent.map_err(S3Error::from)
            }
            Err(error) => Err(error),
        };
        let failed = match answered {
            Ok(reply) if reply.status.is_success() => return Ok(reply),
            Ok(reply) => refusal(reply).await,
            Err(error) => meter.failure().unwrap_or(error),
        };
        meter.roll_back();
        Err(failed)
    }

    async fn request(&self, ask: &Ask, meter: &Meter) -> Result<Request<aws_wire::Body>, S3Error> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(ask.target());
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let length = ask.payload.len();
        if length > 0 || matches!(ask.method, Method::PUT | Method::POST) {
            request = request.header("content-length", length);
        }
        let request = request
            .body(())
            .map_err(|error| S3Error::Unsendable(error.to_string()))?;
        let (mut parts, ()) = request.into_parts();
        let signed = match &ask.payload {
            Payload::Bytes(bytes) if length <= SIGNED_BYTES => Some(&bytes[..]),
            _ => None,
        };
        self.client
            .sign(&mut parts, "s3", signed)
            .await
            .map_err(|error| S3Error::Connect(error.into()))?;
        Ok(Request::from_parts(parts, ask.payload.body(meter)))
    }
}

/// The error that an answer is.
async fn refusal(mut reply: Reply) -> S3Error {
    let status = reply.status;
    let document = match reply.document().await {
        Ok(document) => document,
        Err(error) => return error.into(),
    };
    let found = xml::error(&document);
    let (code, message) = match (found, status) {
        (Some(error), _) => (error.code, error.message),
        // A HEAD is answered without a document.
        (None, StatusCode::NOT_FOUND) => ("NotFound".to_owned(), "it does not exist".to_owned()),
        (None, StatusCode::FORBIDDEN) => ("AccessDenied".to_owned(), "it is forbidden".to_owned()),
        (None, status) => (
            status.as_u16().to_string(),
            status.canonical_reason().unwrap_or("an error").to_owned(),
        ),
    };
    S3Error::Answered {
        status,
        code,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_once_and_keep_their_slashes() {
        assert_eq!(
            object_path("b", "a b/../c//é+?#"),
            "/b/a%20b/../c//%C3%A9%2B%3F%23"
        );
        let ask = Ask::bucket(Method::GET, "b")
            .query("list-type", "2")
            .query("delete", "")
            .query("prefix", "a/b c");
        assert_eq!(ask.target(), "/b?list-type=2&delete&prefix=a%2Fb%20c");
    }
}
