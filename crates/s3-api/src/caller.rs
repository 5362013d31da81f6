//! Who sends a request, and what is known of it beside the operation.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_wire::sigv4::Principal;
use buckets::Origin;
use http::Extensions;
use http::request::Parts;
use policy::Context;
use s3s::{S3Error, S3Result};

/// What is known of a request before its signature was checked. In its
/// extensions from the first moment on.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub request_id: String,
    pub source_ip: String,
    /// Carries how deep in a loop of functions the request is.
    pub trace_id: Option<String>,
    /// The host as the client wrote it.
    pub host: String,
    pub user_agent: Option<String>,
    pub referer: Option<String>,
    /// Set when the gate let the request in: it may then come a second time,
    /// without what made it unreadable and so without its signature.
    pub passed: Arc<OnceLock<Option<Principal>>>,
    /// What is wrong with the request, for who may send it.
    pub objection: Arc<Mutex<Option<S3Error>>>,
}

/// A request that was let in. In its extensions once access was checked.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub asked: Asked,
    /// `None` without a signature.
    pub principal: Option<Principal>,
}

impl Asked {
    pub fn read(parts: &Parts, request_id: String) -> Self {
        let header = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        let peer = parts.extensions.get::<SocketAddr>();
        let authority = parts.uri.authority().map(ToString::to_string);
        Self {
            request_id,
            source_ip: peer.map(|peer| peer.ip().to_string()).unwrap_or_default(),
            trace_id: header("x-amzn-trace-id"),
            host: header("host").or(authority).unwrap_or_default(),
            user_agent: header("user-agent"),
            referer: header("referer"),
            passed: Arc::default(),
            objection: Arc::default(),
        }
    }

    /// Keeps back what is wrong until it is known who asks.
    pub fn object(&self, error: Option<S3Error>) {
        *self
            .objection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub fn objections(&self) -> S3Result {
        let mut objection = self
            .objection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        objection.take().map_or(Ok(()), Err)
    }

    /// Adds what conditions of policies may ask about every request.
    pub fn add_to(&self, context: &mut Context) {
        context.add("aws:SourceIp", self.source_ip.clone());
        context.add("aws:SecureTransport", "false");
        if let Some(agent) = &self.user_agent {
            context.add("aws:UserAgent", agent.clone());
        }
        if let Some(referer) = &self.referer {
            context.add("aws:Referer", referer.clone());
        }
    }
}

impl Caller {
    /// Of a request that passed the gate.
    pub fn of(extensions: &Extensions) -> Self {
        let found = extensions.get::<Self>();
        found
            .expect("access is checked before an operation")
            .clone()
    }

    pub fn origin(&self) -> Origin {
        let principal = self.principal.as_ref();
        Origin {
            principal: principal.map_or_else(|| "Anonymous".to_owned(), |p| p.arn.clone()),
            source_ip: self.asked.source_ip.clone(),
            request_id: self.asked.request_id.clone(),
            trace_id: self.asked.trace_id.clone(),
        }
    }
}
