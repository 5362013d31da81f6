//! One attempt: its payload is written, sent, and its answer read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use science::items::{Collected, Shelf};
use serde_json::value::RawValue;
use tokio::task;
use tokio::time::{self, Instant};
use types::{FunctionError, FunctionErrorKind, Invocation, Invoke, InvokeError};

use crate::core::{AttemptId, Death, Event, Why};
use crate::options::Options;
use crate::payload::{self, Answer, ItemAnswer, ItemError, Reply, Shape, Took};

use super::report::Report;
use super::{Broken, Exchange, Loan};

pub(super) type JobEvent = Event<Box<RawValue>, ItemError>;

/// What takes longer than this to write or to read, in bytes, is not done on the
/// threads that everything else waits for.
const LARGE: u64 = 64 * 1024;
/// AWS's longest function takes 15 minutes. Who waits longer waits for nothing.
const MOST_WAIT: Duration = Duration::from_mins(16);
/// For putting a payload into a bucket, and for getting an answer.
const MOST_HANDOVER: Duration = Duration::from_mins(2);
/// An error that is no JSON object is shown up to here, in bytes.
const SHOWN: usize = 1000;

/// What all attempts of a job share.
#[derive(Debug)]
pub(super) struct Ground<I, X> {
    pub(super) invoke: Arc<I>,
    pub(super) exchange: Arc<X>,
    pub(super) data: Arc<Collected>,
    pub(super) options: Options,
    pub(super) most_payload: u64,
}

/// A chunk that can be sent.
#[derive(Debug)]
pub(super) struct Parcel {
    payload: Bytes,
    /// If it lies elsewhere.
    pub(super) loan: Option<Loan>,
    items: usize,
}

/// An answer of whatever kind.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) event: JobEvent,
    pub(super) report: Report,
}

impl<I: Invoke, X: Exchange> Ground<I, X> {
    pub(super) fn shape(&self) -> Shape {
        Shape {
            item: self.options.item,
            format: self.options.format,
        }
    }

    /// Writes a chunk, and says how large it became. `expected`: roughly how large it
    /// will be.
    pub(super) async fn encode(
        &self,
        shelf: Arc<Shelf>,
        places: Vec<u32>,
        expected: u64,
        aside: bool,
    ) -> Result<(Parcel, u64), Why<ItemError>> {
        let (data, shape) = (Arc::clone(&self.data), self.shape());
        let items = places.len();
        let write = move || payload::encode(&data, &shelf, &places, shape);
        let payload = if expected > LARGE {
            off_thread(write).await
        } else {
            write()
        };
        let size = payload.len() as u64;
        if aside {
            let parcel = self.lend(payload, items).await?;
            return Ok((parcel, size));
        }
        if size > self.most_payload {
            return Err(Why::TooLarge(too_large(size, self.most_payload)));
        }
        let parcel = Parcel {
            payload,
            loan: None,
            items,
        };
        Ok((parcel, size))
    }

    async fn lend(&self, payload: Bytes, items: usize) -> Result<Parcel, Why<ItemError>> {
        let size = payload.len() as u64;
        let refused = |detail: String| {
            let mut error = too_large(size, self.most_payload);
            error.error_message = format!(
                "the item or its result is too large for a payload, and {detail} \
                 ({size} bytes were to be sent)"
            );
            Why::NotHandedOver(error)
        };
        let loan = time::timeout(MOST_HANDOVER, self.exchange.lend(payload))
            .await
            .map_err(|_| refused("putting it into the bucket took too long".to_owned()))?
            .map_err(refused)?;
        Ok(Parcel {
            payload: payload::by_reference(&loan.get, &loan.put),
            loan: Some(loan),
            items,
        })
    }

    /// Sends a chunk, and waits for its answer.
    pub(super) async fn send(&self, attempt: AttemptId, parcel: Parcel) -> Answered {
        let mut invocation = Invocation::new(self.options.function.clone(), parcel.payload);
        invocation.qualifier.clone_from(&self.options.qualifier);
        let began = Instant::now();
        let outcome = time::timeout(MOST_WAIT, self.invoke.invoke(invocation)).await;
        let round_trip = began.elapsed();
        let (report, result) = match outcome {
            Err(_) => {
                let detail = format!("no answer within {} s", MOST_WAIT.as_secs());
                (Report::default(), Err(lost(detail)))
            }
            Ok(Err(error)) => (Report::default(), Err(not_run(error))),
            Ok(Ok(outcome)) => {
                let report = Report::read(&outcome.log_tail, round_trip);
                let result = match outcome.result {
                    Ok(answer) => self.read(answer, parcel.items, parcel.loan).await,
                    Err(error) => Err(not_well(&error)),
                };
                (report, result)
            }
        };
        let billed = report.billed.as_secs_f64();
        let jitter = jitter();
        let event = match result {
            Ok(answer) => answered(attempt, answer, round_trip, billed, jitter),
            Err(why) => Event::Failed {
                attempt,
                why,
                billed,
                jitter,
            },
        };
        Answered { event, report }
    }

    async fn read(
        &self,
        answer: Bytes,
        items: usize,
        loan: Option<Loan>,
    ) -> Result<Answer, Why<ItemError>> {
        match decode(answer, items).await? {
            Reply::Items(answer) => Ok(answer),
            Reply::Put => {
                let loan = loan.ok_or_else(|| {
                    bad_answer("the answer was put down though nothing was lent".to_owned())
                })?;
                let answer = time::timeout(MOST_HANDOVER, self.exchange.collect(&loan))
                    .await
                    .map_err(|_| lost("getting the answer took too long".to_owned()))?
                    .map_err(lost)?;
                match decode(answer, items).await? {
                    Reply::Items(answer) => Ok(answer),
                    Reply::Put => Err(bad_answer("the answer refers to itself".to_owned())),
                }
            }
        }
    }
}

async fn decode(answer: Bytes, items: usize) -> Result<Reply, Why<ItemError>> {
    let read = if answer.len() as u64 > LARGE {
        off_thread(move || payload::decode(&answer, items)).await
    } else {
        payload::decode(&answer, items)
    };
    read.map_err(|error| bad_answer(error.to_string()))
}

/// Does work that takes a while where it disturbs nobody.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only when the whole program ends.
            Err(_) => std::future::pending().await,
        },
    }
}

fn answered(
    attempt: AttemptId,
    answer: Answer,
    round_trip: Duration,
    billed: f64,
    jitter: f64,
) -> JobEvent {
    let Answer { items, took } = answer;
    let answers = items
        .into_iter()
        .map(|item| match item {
            ItemAnswer::Value(value) => Ok(value),
            ItemAnswer::Raised(error) => Err(error),
        })
        .collect();
    Event::Answered {
        attempt,
        answers,
        took: sane(took),
        round_trip,
        billed,
        jitter,
    }
}

/// What a guest says of its own time is believed only as far as it is a number.
fn sane(took: Took) -> Took {
    let number = |value: f64| {
        if value.is_finite() {
            value.max(0.0)
        } else {
            0.0
        }
    };
    Took {
        wall: number(took.wall),
        cpu: number(took.cpu),
        codec: number(took.codec),
    }
}

/// A number between 0 and 1 that nobody foresees.
pub(super) fn jitter() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}

/// What an invocation that did not run means for its chunk.
pub(super) fn not_run(error: InvokeError) -> Why<ItemError> {
    match error {
        InvokeError::NotFound { arn } => Why::Broken(Broken::NotFound { arn }),
        InvokeError::Throttled { .. } | InvokeError::QueueFull => Why::Throttled {
            error: own("Throttled", error.to_string()),
            end: Broken::Throttled,
        },
        InvokeError::PayloadTooLarge { size, limit } => Why::TooLarge(too_large(size, limit)),
        InvokeError::InvalidPayload { .. }
        | InvokeError::Looped { .. }
        | InvokeError::Refused { .. } => Why::Broken(Broken::Refused {
            detail: error.to_string(),
        }),
        InvokeError::ShuttingDown
        | InvokeError::Internal { .. }
        | InvokeError::Unreachable { .. } => lost(error.to_string()),
    }
}

/// What a function that failed as a whole means for its chunk.
pub(super) fn not_well(error: &FunctionError) -> Why<ItemError> {
    let shown = item_error(error);
    let died = |death| Why::Died {
        death,
        error: shown.clone(),
    };
    match error.kind {
        FunctionErrorKind::Init => Why::Init {
            error: shown.clone(),
            end: Broken::Init(shown),
        },
        FunctionErrorKind::Exited => died(Death::Exited),
        FunctionErrorKind::OutOfMemory => died(Death::OutOfMemory),
        FunctionErrorKind::TimedOut => died(Death::TimedOut),
        FunctionErrorKind::ResponseTooLarge => died(Death::ResponseTooLarge),
        FunctionErrorKind::Raised if shown.error_type == payload::ITEM_KIND => {
            Why::Broken(Broken::ItemKind {
                detail: shown.error_message,
            })
        }
        FunctionErrorKind::Raised if payload::is_refusal(&shown.error_type) => {
            Why::Broken(Broken::Refused {
                detail: shown.error_message,
            })
        }
        // The guest could not reach the bucket.
        FunctionErrorKind::Raised if shown.error_type.starts_with("Squall.") => {
            let detail = shown.error_message.clone();
            Why::Network {
                error: shown,
                end: Broken::Unreachable { detail },
            }
        }
        FunctionErrorKind::Raised => Why::Raised(shown),
    }
}

/// The error object of a function, in whatever form its runtime has put it.
fn item_error(error: &FunctionError) -> ItemError {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&error.payload).ok();
    let text = |name: &str| Some(parsed.as_ref()?.get(name)?.as_str()?.to_owned());
    let trace = |name: &str| parsed.as_ref()?.get(name)?.as_array();
    let raw = || {
        let shown = &error.payload[..error.payload.len().min(SHOWN)];
        String::from_utf8_lossy(shown).into_owned()
    };
    ItemError {
        error_type: text("errorType").unwrap_or_else(|| error.kind.as_str().to_owned()),
        error_message: text("errorMessage").unwrap_or_else(raw),
        stack_trace: trace("stackTrace")
            .or_else(|| trace("trace"))
            .into_iter()
            .flatten()
            .map(|line| match line {
                serde_json::Value::String(line) => line.clone(),
                other => other.to_string(),
            })
            .collect(),
    }
    .bounded()
}

fn lost(detail: String) -> Why<ItemError> {
    Why::Network {
        error: own("Unreachable", detail.clone()),
        end: Broken::Unreachable { detail },
    }
}

fn bad_answer(detail: String) -> Why<ItemError> {
    Why::Died {
        death: Death::BadAnswer,
        error: own("BadAnswer", detail),
    }
}

fn too_large(size: u64, limit: u64) -> ItemError {
    let detail = format!("{size} bytes are over the limit of {limit} bytes");
    own("PayloadTooLarge", detail)
}

/// An error that is not the function's.
fn own(kind: &str, detail: String) -> ItemError {
    ItemError {
        error_type: format!("Squall.{kind}"),
        error_message: detail,
        stack_trace: Vec::new(),
    }
}
