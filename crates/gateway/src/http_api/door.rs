//! The door of routes that ask for an API key: who may in, how often, and what they use.
//!
//! What a call used is counted before its answer goes out, and what a long answer adds is
//! counted when that has ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use aws_wire::Body;
use bytes::Bytes;
use engine::api_keys::{ApiKeys, NotLetIn};
use engine::usage::{Amounts, NotServed, Pass, Usage};
use http::header::{CONTENT_LENGTH, HeaderName, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use types::{Tallied, Tally, Timestamp};

/// Brings an API key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
/// What a client says of its body is believed up to here: more than any body may have.
const MOST_DECLARED: u64 = 1 << 40;
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

#[derive(Debug, Clone)]
pub(super) struct Door {
    keys: Arc<ApiKeys>,
    usage: Arc<Usage>,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Shut {
    #[error(transparent)]
    Key(#[from] NotLetIn),
    #[error(transparent)]
    Usage(#[from] NotServed),
}

/// A call that was let in.
#[derive(Debug)]
pub(super) struct Visit {
    account: Account,
    has_left: AtomicBool,
}

/// To whom it is counted what a call uses.
#[derive(Debug, Clone)]
struct Account {
    pass: Arc<Pass>,
    usage: Arc<Usage>,
    tally: Arc<Tally>,
}

impl Door {
    pub fn new(keys: Arc<ApiKeys>, usage: Arc<Usage>) -> Self {
        Self { keys, usage }
    }

    /// `stage` is `API/STAGE`, `route` the path of the route.
    pub async fn open(&self, parts: &Parts, stage: &str, route: &str) -> Result<Visit, Shut> {
        let mut presented = parts.headers.get_all(API_KEY).iter();
        let first = presented.next().map(HeaderValue::as_bytes);
        // Of two, it is not for us to say which counts.
        let presented = first.filter(|_| presented.next().is_none());
        let now = Timestamp::now();
        let key = self.keys.let_in(presented, stage, route, now)?;
        let pass = Arc::new(self.usage.admit(&key, stage, now).await?);
        let (late_pass, late_usage) = (Arc::clone(&pass), Arc::clone(&self.usage));
        let late = move |left| settle(&late_usage, &late_pass, left, Amounts::default());
        Ok(Visit {
            account: Account {
                pass,
                usage: Arc::clone(&self.usage),
                tally: Arc::new(Tally::with_late(late)),
            },
            has_left: AtomicBool::new(false),
        })
    }
}

impl Shut {
    /// Says when it is worth coming again.
    pub fn decorate(&self, headers: &mut HeaderMap) {
        let seconds = match self {
            Self::Usage(NotServed::Throttled { retry_after_ms }) => retry_after_ms.div_ceil(1000),
            Self::Usage(NotServed::OverQuota { until }) => seconds_until(*until),
            Self::Key(_) | Self::Usage(NotServed::NoPlan | NotServed::Store(_)) => return,
        };
        headers.insert(RETRY_AFTER, seconds.max(1).into());
    }
}

fn seconds_until(moment: Timestamp) -> u64 {
    let millis = moment.0.saturating_sub(Timestamp::now().0);
    u64::try_from(millis).unwrap_or(0).div_ceil(1000)
}

impl Visit {
    /// On which it is put what works for the call.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.account.tally)
    }

    /// Counts what the call used, and tells the caller what is left.
    pub fn leave(&self, parts: &Parts, response: Response<Body>) -> Response<Body> {
        self.has_left.store(true, Ordering::Relaxed);
        let (mut head, body) = response.into_parts();
        if let Some(quota) = self.account.pass.quota {
            head.headers.insert(LIMIT, quota.limit.into());
            head.headers.insert(REMAINING, quota.remaining.into());
            head.headers
                .insert(RESET, seconds_until(quota.until).into());
        }
        let status = head.status;
        let whole = body.size_hint().exact();
        // A body that was refused did not come, whatever its head says.
        let came = status != StatusCode::PAYLOAD_TOO_LARGE;
        self.account.count(Amounts {
            requests: 1,
            errors: u64::from(status.is_client_error() || status.is_server_error()),
            bytes_in: if came { declared(&parts.headers) } else { 0 },
            bytes_out: whole.unwrap_or(0),
            ..Amounts::default()
        });
        let body = match whole {
            Some(_) => body,
            None => Metered {
                body,
                seen: 0,
                account: self.account.clone(),
            }
            .boxed_unsync(),
        };
        Response::from_parts(head, body)
    }
}

/// A client that hung up got no answer, but called.
impl Drop for Visit {
    fn drop(&mut self) {
        if !self.has_left.load(Ordering::Relaxed) {
            self.account.count(Amounts {
                requests: 1,
                errors: 1,
                ..Amounts::default()
            });
        }
    }
}

impl Account {
    /// Together with what has come together on the tally.
    fn count(&self, amounts: Amounts) {
        settle(&self.usage, &self.pass, self.tally.take(), amounts);
    }
}

fn settle(usage: &Usage, pass: &Pass, tallied: Tallied, mut amounts: Amounts) {
    amounts.memory_ms += tallied.memory_ms;
    amounts.invocations += tallied.invocations;
    amounts.rows += tallied.rows;
    usage.settle(pass, &amounts, Timestamp::now());
}

/// What comes in pieces without a length is not known before it has come.
fn declared(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.unwrap_or(0).min(MOST_DECLARED)
}

/// An answer of unknown length, counted when it has ended or its client is gone.
struct Metered {
    body: Body,
    seen: u64,
    account: Account,
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
        self.account.count(Amounts {
            bytes_out: self.seen,
            ..Amounts::default()
        });
    }
}
