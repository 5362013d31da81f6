//! The walk of one request: what is asked, what the function wants, the body on its
//! way in while it is parsed, the map, the table on its way out.

use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_wire::{Body, body};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use map::format::FileFormat;
use map::input::Input;
use map::journal::Journal;
use map::run::{self, Exchange, Job};
use science::items::Collected;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use types::{RequestId, Tally};
use watch::Watch;

use super::accept::Kind;
use super::answer::{Done, Timing};
use super::asked::{Asked, Pairs, overlaid, shortened};
use super::asker::Asker;
use super::functions::{Descriptions, Functions, Target};
use super::intake::{self, Bounds, Cut};
use super::plan::{Plan, Room};
use super::refusal::{ALLOWED, Refusal};
use super::route::MapRoute;
use super::tallying::{Bill, Counted, Tallying};
use super::told::{Cause, Told};

/// What of a body is kept in memory, in case that it must be read again.
const KEPT: u64 = 64 * 1024 * 1024;

/// What a packed body may become, as a multiple of what a body may have: more than any
/// table that people measure, and less than a disk is full of.
const UNPACKED: u64 = 8;

/// What a service may take.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// The most that a body may have.
    pub body_bytes: u64,
    /// What the items of one request may take in memory; more waits on disk.
    pub memory_bytes: u64,
    /// A folder for what does not fit into memory.
    pub scratch: PathBuf,
    /// Threads that parse one body.
    pub threads: NonZeroUsize,
    /// Requests that are worked on at one time.
    pub at_once: usize,
    /// How long a request waits until it is worked on.
    pub patience: Duration,
    /// How long a request may wait for its answer.
    pub longest: Duration,
    /// Who hears of it.
    pub watch: Watch,
}

/// Serves routes of type map. A clone is another handle to the same service.
#[derive(Debug)]
pub struct MapService<I, X> {
    pub(crate) inner: Arc<Inner<I, X>>,
}

#[derive(Debug)]
pub(crate) struct Inner<I, X> {
    pub invoke: Arc<I>,
    pub exchange: Arc<X>,
    pub settings: ServiceSettings,
    slots: Arc<Semaphore>,
    descriptions: Descriptions,
}

impl<I, X> Clone for MapService<I, X> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

/// One request to a route.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub parts: &'a Parts,
    pub route: &'a MapRoute,
    /// What stands for the route: jobs belong to it.
    pub base: &'a str,
    /// The path of the route as its clients know it.
    pub place: &'a str,
    pub request_id: RequestId,
    /// How long there is time for an answer, where that is less than elsewhere.
    pub time: Option<Duration>,
    /// On which it is put what the request uses.
    pub tally: Option<Arc<Tally>>,
    /// By what name it is counted what a job uses that nobody waits for.
    pub meter: Option<Arc<str>>,
    /// To whom jobs belong, and are shown.
    pub asker: Asker,
}

/// How long data is read.
#[derive(Debug)]
pub(crate) struct Patience {
    pub until: Option<Instant>,
    pub cancel: CancellationToken,
}

/// What a request's head says, before its body is looked at.
#[derive(Debug)]
pub(crate) struct Head {
    pub kind: Kind,
    pub pairs: Pairs,
    pub asked: Asked,
    pub format: Option<FileFormat>,
    pub target: Target,
}

impl<I: Functions, X: Exchange + 'static> MapService<I, X> {
    pub fn new(invoke: Arc<I>, exchange: Arc<X>, settings: ServiceSettings) -> Self {
        Self {
            inner: Arc::new(Inner {
                invoke,
                exchange,
                slots: Arc::new(Semaphore::new(settings.at_once)),
                settings,
                descriptions: Descriptions::default(),
            }),
        }
    }

    /// Answers a request to the route itself. If it is dropped, because the client
    /// went away, the job ends.
    pub async fn handle<B>(&self, call: &Call<'_>, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
    {
        if call.parts.method == Method::OPTIONS {
            return options();
        }
        let answer = match self.inner.head(call) {
            Ok(head) => self.inner.map(head, call, body).await,
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(|refusal| refusal.respond(call.request_id))
    }
}

/// Says what may be asked for.
pub(super) fn options() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = HeaderValue::from_static(ALLOWED);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

impl<I: Functions, X: Exchange + 'static> Inner<I, X> {
    pub fn head(&self, call: &Call<'_>) -> Result<Head, Refusal> {
        let parts = call.parts;
        if parts.method != Method::PUT && parts.method != Method::POST {
            return Err(Refusal::Method {
                method: parts.method.to_string(),
                allowed: ALLOWED,
            });
        }
        let query = parts.uri.query().unwrap_or_default();
        let pairs = overlaid(&call.route.options, query)?;
        let asked = Asked::read(&pairs)?;
        let kind = Kind::accepted(&parts.headers, Kind::Csv)?;
        check_encoding(parts)?;
        let limit = self.settings.body_bytes;
        let declared = parts.headers.get(CONTENT_LENGTH);
        let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|size| size > limit) {
            return Err(Refusal::TooLarge { limit });
        }
        Ok(Head {
            kind,
            asked,
            pairs,
            format: media_type(parts)?,
            target: call.route.target(),
        })
    }

    async fn map<B>(&self, head: Head, call: &Call<'_>, body: B) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
    {
        let slot = self.slot().await?;
        let started = Instant::now();
        let mut asked = head.asked;
        let longest = self.settings.longest;
        let bounds = [asked.max_time, call.time, Some(longest)];
        asked.max_time = bounds.into_iter().flatten().min();
        let plan = self.plan(asked, head.target).await?;
        let cancel = CancellationToken::new();
        let _ended = cancel.clone().drop_guard();
        let patience = Patience {
            until: plan.asked.max_time.map(|time| started + time),
            cancel: cancel.clone(),
        };
        let body = Counted::new(body, call.tally.clone());
        let data = self.take(body, &plan, head.format, patience).await?;
        let collected = Instant::now();
        let bill = call.tally.clone().map_or(Bill::Nobody, Bill::Request);
        bill.add_rows(data.summary.rows);
        let cause = Cause::of(call.parts, call.request_id);
        let run = self.run(&plan, data, Journal::none(), cancel, bill, cause);
        let done = run.await?;
        done.check(&plan.asked)
            .map_err(|refusal| refusal.of_request(&call.route.options, &head.pairs))?;
        let timing = Timing {
            collect: collected - started,
            run: collected.elapsed(),
        };
        done.respond(head.kind, timing, slot).await
    }

    /// Waits for its turn, but not for ever.
    pub async fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = Arc::clone(&self.slots).acquire_owned();
        match tokio::time::timeout(self.settings.patience, turn).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
        }
    }

    /// Asks of the function what the request leaves open.
    pub async fn plan(&self, asked: Asked, target: Target) -> Result<Plan, Refusal> {
        let facts = self
            .invoke
            .facts(&target.function, target.qualifier.as_ref());
        let facts = facts.await?;
        let said = if asked.item.is_none() || asked.format.is_none() {
            Some(self.descriptions.of(&self.invoke, &target, &facts).await?)
        } else {
            None
        };
        Plan::new(asked, target, facts, said.as_deref())
    }

    /// Takes the body and parses it at the same time.
    async fn take<B>(
        &self,
        body: B,
        plan: &Plan,
        format: Option<FileFormat>,
        patience: Patience,
    ) -> Result<Arc<Collected>, Refusal>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
    {
        let (feed, source) = intake::channel(Bounds {
            body: self.settings.body_bytes,
            memory: KEPT,
            scratch: self.settings.scratch.clone(),
        });
        let input = Input::reader(move || Ok(Box::new(source.open())));
        let input = match format {
            Some(format) => input.format(format),
            None => input,
        };
        let collecting = self.collect(plan, input, patience);
        let (taken, data) = tokio::join!(feed.take(body), collecting);
        match taken {
            Ok(_) | Err(Cut::Unwanted) => data,
            // These the reader knows only as the end of the body.
            Err(Cut::TooLarge) => Err(Refusal::TooLarge {
                limit: self.settings.body_bytes,
            }),
            Err(Cut::Stalled) => Err(Refusal::Stalled),
            Err(Cut::Broken) => Err(Refusal::Broken),
        }
    }

    /// Nothing can take the thread away that reads, so it asks for itself whether anyone
    /// still waits: a body of a few kilobytes may unpack to work for days.
    pub async fn collect(
        &self,
        plan: &Plan,
        input: Input,
        patience: Patience,
    ) -> Result<Arc<Collected>, Refusal> {
        let most = self.settings.body_bytes.saturating_mul(UNPACKED);
        let input = input.watched(move |unpacked| {
            if patience.cancel.is_cancelled() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            if patience.until.is_some_and(|until| until <= Instant::now()) {
                return Err(ErrorKind::TimedOut.into());
            }
            if unpacked > most {
                let why = format!("it becomes more than {most} bytes");
                return Err(io::Error::new(ErrorKind::FileTooLarge, why));
            }
            Ok(())
        });
        let room = Room {
            threads: self.settings.threads,
            memory: self.settings.memory_bytes,
            scratch: self.settings.scratch.clone(),
        };
        let plan = plan.clone();
        let collected = tokio::task::spawn_blocking(move || plan.collect(&input, &room)).await;
        collected
            .map_err(|error| Refusal::internal("reading its data did not end", &error))?
            .map(Arc::new)
    }

    pub async fn run(
        &self,
        plan: &Plan,
        data: Arc<Collected>,
        journal: Journal,
        cancel: CancellationToken,
        bill: Bill,
        cause: Cause,
    ) -> Result<Done, Refusal> {
        let job = Job {
            options: plan.options(),
            data: Arc::clone(&data),
            memory_mb: plan.facts.memory_mb,
            arm: plan.facts.arm,
            most_payload: plan.facts.most_payload,
            only: None,
        };
        let told = Told::begin(&self.settings.watch, cause, &plan.target.function);
        let invoke = Arc::new(Tallying {
            invoke: Arc::clone(&self.invoke),
            bill,
            told: Arc::clone(&told),
        });
        let exchange = Arc::clone(&self.exchange);
        let finished = run::run(invoke, exchange, job, journal, cancel, |_| ()).await;
        let finished = finished.map_err(|error| Refusal::internal("it could not go on", &error))?;
        told.ended(&finished);
        Ok(Done {
            data,
            finished,
            value_column: plan.asked.value_column.clone(),
            on_error: plan.asked.on_error,
        })
    }
}

/// What a body is packed in shows by its first bytes; here only what cannot be
/// unpacked is told apart.
fn check_encoding(parts: &Parts) -> Result<(), Refusal> {
    for value in parts.headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().unwrap_or("?");
        let known = ["gzip", "x-gzip", "zstd", "identity", ""];
        let all = text.split(',').map(str::trim);
        let mut unknown = all.filter(|name| !known.contains(&name.to_ascii_lowercase().as_str()));
        if let Some(name) = unknown.next() {
            return Err(Refusal::Encoding {
                given: shortened(name),
            });
        }
    }
    Ok(())
}

/// What the body is, if its sender says so. Those who do not care send what their
/// tool sends for anything: then its first bytes tell.
fn media_type(parts: &Parts) -> Result<Option<FileFormat>, Refusal> {
    let Some(value) = parts.headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("?");
    let name = text.split(';').next().unwrap_or_default().trim();
    let anything = [
        "",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "application/gzip",
        "application/zstd",
        "binary/octet-stream",
        "text/plain",
    ];
    if anything.iter().any(|any| name.eq_ignore_ascii_case(any)) {
        return Ok(None);
    }
    let format = FileFormat::of_media_type(text);
    format.map(Some).ok_or_else(|| Refusal::MediaType {
        given: shortened(name),
    })
}
