//! A call that was let in: who it is, and to whom it is counted what the call uses. That is
//! counted before the answer goes out, and what a long answer adds when it has ended.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use aws_wire::Body;
use bytes::Bytes;
use engine::usage::{Amounts, Pass, Usage};
use http::header::HeaderName;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use types::{Tallied, Tally};

use super::failures::Failures;
use super::shut::{Shut, seconds_until};
use super::signed::{Pending, Signatures, is_signed_address, without_signature};
use crate::caller::Caller;
use crate::map_service::Asker;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// A call that was let in, of a route that asks who calls.
#[derive(Debug)]
pub(in super::super) struct Visit {
    /// Where it came with a key.
    pub(super) account: Option<Account>,
    pub(super) caller: Caller,
    /// What is known of callers only after their body came.
    pub(super) late: OnceLock<Caller>,
    pub(super) unchecked: Option<Unchecked>,
    /// It came by a link that somebody gave away.
    pub(super) is_shared: bool,
    /// By what answers to others are told from those to this one.
    pub(super) apart: Option<Arc<str>>,
}

/// A signature that speaks of the body.
#[derive(Debug)]
pub(super) struct Unchecked {
    pub signatures: Signatures,
    pub pending: Pending,
    pub failures: Arc<Failures>,
    pub source: IpAddr,
}

/// To whom it is counted what a call uses.
#[derive(Debug)]
pub(super) struct Account {
    key: Arc<str>,
    owner: Arc<str>,
    meter: Meter,
    has_left: AtomicBool,
}

#[derive(Debug, Clone)]
struct Meter {
    pass: Arc<Pass>,
    usage: Arc<Usage>,
    tally: Arc<Tally>,
}

impl Visit {
    /// Who called, as functions are told.
    pub fn caller(&self) -> &Caller {
        self.late.get().unwrap_or(&self.caller)
    }

    /// By what name who called is known to who watches: a token's subject, who signed, a
    /// key's id.
    pub fn identity(&self) -> Option<Arc<str>> {
        let named = self.caller().name().map(Arc::from);
        named.or_else(|| Some(Arc::clone(&self.account.as_ref()?.key)))
    }

    /// By what answers to this caller are kept apart from those to others. It is as exact
    /// as what was brought: two tokens of one subject may say different things of it.
    pub fn apart(&self) -> Option<Arc<str>> {
        let signer = || {
            self.caller()
                .signer()
                .map(|it| Arc::from(it.principal.arn.as_str()))
        };
        let known = self.apart.clone().or_else(signer);
        // Of a route that keeps nothing itself, but leads on to one that does.
        if known.is_none() && !matches!(self.caller(), Caller::Anybody) {
            return None;
        }
        let key = self.account.as_ref().map(|account| &account.key);
        match (known, key) {
            (Some(known), Some(key)) => Some(format!("{known} {key}").into()),
            (Some(known), None) => Some(known),
            (None, key) => key.cloned(),
        }
    }

    /// To whom belongs what the call makes.
    pub fn asker(&self) -> Asker {
        if self.is_shared {
            return Asker::Shared;
        }
        let owner = match self.caller() {
            Caller::Bearer(claims) => {
                let subject = claims.subject.as_deref();
                subject.map(|subject| format!("jwt:{} {subject}", claims.issuer))
            }
            Caller::Signer(identity) => Some(format!("iam:{}", identity.principal.arn)),
            Caller::Admitted(admitted) => {
                let principal = admitted.principal.as_deref();
                principal.map(|principal| format!("by:{principal}"))
            }
            Caller::Anybody => None,
        };
        let key = || Some(Arc::clone(&self.account.as_ref()?.owner));
        match owner.map(Arc::from).or_else(key) {
            Some(owner) => Asker::Owner(owner),
            None => Asker::Anyone,
        }
    }

    /// On which it is put what works for the call, where it is counted to a key.
    pub fn tally(&self) -> Option<Arc<Tally>> {
        let account = self.account.as_ref()?;
        Some(Arc::clone(&account.meter.tally))
    }

    /// By what name it is counted what is done for the call after its answer.
    pub fn meter(&self) -> Option<Arc<str>> {
        let account = self.account.as_ref()?;
        Some(Arc::clone(account.meter.pass.meter()))
    }

    /// Whether it is counted to a key.
    pub fn is_counted(&self) -> bool {
        self.account.is_some()
    }

    /// The query without what signs it, where that is how the call came in: what is behind
    /// the route was not asked for that.
    pub fn query(&self, parts: &Parts) -> Option<String> {
        let signs = self.unchecked.is_some() || self.caller().signer().is_some();
        let query = parts
            .uri
            .query()
            .filter(|_| signs && is_signed_address(parts))?;
        Some(without_signature(query))
    }

    /// Whether the body has to be there as a whole before anything is done with it.
    pub fn needs_body(&self) -> bool {
        self.unchecked.is_some()
    }

    /// Whether the body is the one that was signed.
    pub fn check_body(&self, parts: &Parts, body: &Bytes) -> Result<(), Shut> {
        let Some(unchecked) = &self.unchecked else {
            return Ok(());
        };
        let checked = unchecked.signatures.check(&unchecked.pending, parts, body);
        let slow_down = |why| Shut::from(why).slowed_down(&unchecked.failures, unchecked.source);
        if let Some(identity) = checked.map_err(slow_down)? {
            // Whoever asks a second time finds the same.
            let _ = self.late.set(Caller::Signer(identity));
        }
        Ok(())
    }

    /// Counts what the call used, and tells the caller what is left.
    pub fn leave(&self, response: Response<Body>) -> Response<Body> {
        match &self.account {
            Some(account) => account.leave(response),
            None => response,
        }
    }
}

impl Account {
    pub fn new(key: &str, owner: &str, pass: Pass, usage: &Arc<Usage>) -> Self {
        let pass = Arc::new(pass);
        let (late_pass, late_usage) = (Arc::clone(&pass), Arc::clone(usage));
        let late = move |left| settle(&late_usage, &late_pass, left, Amounts::default());
        Self {
            key: key.into(),
            owner: format!("key:{owner}").into(),
            meter: Meter {
                pass,
                usage: Arc::clone(usage),
                tally: Arc::new(Tally::with_late(late)),
            },
            has_left: AtomicBool::new(false),
        }
    }

    fn leave(&self, response: Response<Body>) -> Response<Body> {
        // An answer that another one takes the place of, because the request's body broke
        // off, is no second call.
        let once = u64::from(!self.has_left.swap(true, Ordering::Relaxed));
        let (mut head, body) = response.into_parts();
        if let Some(quota) = self.meter.pass.quota {
            head.headers.insert(LIMIT, quota.limit.into());
            head.headers.insert(REMAINING, quota.remaining.into());
            head.headers
                .insert(RESET, seconds_until(quota.until).into());
        }
        let whole = body.size_hint().exact();
        self.meter.count(Amounts {
            requests: once,
            errors: once * u64::from(is_error(head.status)),
            bytes_out: whole.unwrap_or(0),
            ..Amounts::default()
        });
        let body = match whole {
            Some(_) => body,
            None => Metered {
                body,
                seen: 0,
                meter: self.meter.clone(),
            }
            .boxed_unsync(),
        };
        Response::from_parts(head, body)
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// A client that hung up got no answer, but called.
impl Drop for Account {
    fn drop(&mut self) {
        if !self.has_left.load(Ordering::Relaxed) {
            self.meter.count(Amounts {
                requests: 1,
                errors: 1,
                ..Amounts::default()
            });
        }
    }
}

impl Meter {
    /// Together with what has come together on the tally.
    fn count(&self, amounts: Amounts) {
        settle(&self.usage, &self.pass, self.tally.take(), amounts);
    }
}

fn settle(usage: &Usage, pass: &Pass, tallied: Tallied, mut amounts: Amounts) {
    amounts.memory_ms += tallied.memory_ms;
    amounts.invocations += tallied.invocations;
    amounts.rows += tallied.rows;
    amounts.bytes_in += tallied.bytes_in;
    usage.settle(pass, &amounts);
}

/// An answer of unknown length, counted when it has ended or its client is gone.
struct Metered {
    body: Body,
    seen: u64,
    meter: Meter,
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.seen += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.count(Amounts {
            bytes_out: self.seen,
            ..Amounts::default()
        });
    }
}
