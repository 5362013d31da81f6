//! The walk of one invocation: resolve, admit, find an instance, run, log,
//! record, answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{NewEvent, Record};
use tokio::sync::{mpsc, oneshot};
use types::{
    FunctionName, FunctionVersion, Invocation, Invoke, InvokeError, Outcome, RequestId, Timestamp,
    Version,
};
use watch::Begun;

use crate::catalog::RecursiveLoop;
use crate::concurrency::Slot;
use crate::engine::Engine;
use crate::failure::{Failure, StartFailure};
use crate::fleet::{Fleet, Lease};
use crate::instance::{Answer, Task, log_stream};
use crate::invocation_log::{InvocationLog, LogTarget, Report};
use crate::lineage::{self, Trace};
use crate::told::{self, Ran};

/// Pieces of a streamed answer that may wait for a slow client.
const STREAM_PIECES: usize = 16;

/// An answer that comes in pieces.
#[derive(Debug)]
pub struct ResponseStream {
    pub request_id: RequestId,
    pub version: Version,
    /// As the function gave it, where it streams by itself.
    pub content_type: Option<String>,
    pub chunks: mpsc::Receiver<StreamEvent>,
}

#[derive(Debug)]
pub enum StreamEvent {
    /// The first thing a streaming function says; taken out before clients see the stream.
    Head {
        content_type: Option<String>,
    },
    Chunk(Bytes),
    /// The end; `error` is its type and message.
    End {
        error: Option<(String, String)>,
        log_tail: Bytes,
    },
}

impl Invoke for Engine {
    async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let limits = self.limits();
        let sizes = Sizes {
            payload: limits.sync_payload_bytes,
            answer: limits.response_bytes,
        };
        self.invoke_within(invocation, sizes).await
    }
}

/// How large a payload and its answer may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) payload: u64,
    pub(crate) answer: u64,
}

/// An invocation that may run.
struct Admitted {
    invocation: Invocation,
    version: Arc<FunctionVersion>,
    fleet: Arc<Fleet>,
    slot: Slot,
    /// How large its answer may be.
    answer_limit: u64,
    /// Its span, if its trace is recorded.
    begun: Option<Begun>,
}

impl Engine {
    pub(crate) async fn invoke_within(
        &self,
        invocation: Invocation,
        sizes: Sizes,
    ) -> Result<Outcome, InvokeError> {
        let admitted = self.admit(invocation, sizes).await?;
        let (sender, receiver) = oneshot::channel();
        let engine = self.clone();
        // A task of its own: the function runs on when the client goes away.
        self.run_beside(async move {
            let outcome = engine.run(admitted, None).await;
            let _ = sender.send(outcome);
        });
        receiver.await.map_err(|_| InvokeError::ShuttingDown)
    }

    /// Runs a function and passes its answer on as it comes.
    pub async fn invoke_streaming(
        &self,
        invocation: Invocation,
    ) -> Result<ResponseStream, InvokeError> {
        let limits = self.limits();
        let sizes = Sizes {
            payload: limits.sync_payload_bytes,
            answer: limits.streamed_response_bytes,
        };
        let admitted = self.admit(invocation, sizes).await?;
        let request_id = admitted.invocation.request_id;
        let version = admitted.version.version;
        let (sender, mut chunks) = mpsc::channel(STREAM_PIECES);
        let engine = self.clone();
        self.run_beside(async move {
            let outcome = engine.run(admitted, Some(&sender)).await;
            let error = match outcome.result {
                Ok(whole) => {
                    // A function that does not stream answers in one piece.
                    if !whole.is_empty() {
                        let _ = sender.send(StreamEvent::Chunk(whole)).await;
                    }
                    None
                }
                Err(error) => Some(kind_and_payload(&error.payload)),
            };
            let log_tail = outcome.log_tail;
            let _ = sender.send(StreamEvent::End { error, log_tail }).await;
        });
        // The head comes first from functions that stream, never from others.
        let (ahead, first) = match chunks.recv().await {
            Some(StreamEvent::Head { content_type }) => (content_type, None),
            other => (None, other),
        };
        let chunks = match first {
            None => chunks,
            Some(event) => prepend(event, chunks),
        };
        Ok(ResponseStream {
            request_id,
            version,
            content_type: ahead,
            chunks,
        })
    }

    /// Accepts an event to be run later; it survives whatever happens now.
    pub async fn invoke_async(&self, invocation: Invocation) -> Result<(), InvokeError> {
        self.find(&invocation)?;
        if self.is_closing() {
            return Err(InvokeError::ShuttingDown);
        }
        // Every attempt at the event belongs to the same chain of requests.
        let header = match (&invocation.trace_id, self.watch().tracer()) {
            (None, Some(tracer)) => Some(tracer.first_header(invocation.request_id)),
            (header, _) => header.clone(),
        };
        let trace = Trace::of(header.as_deref(), invocation.request_id);
        let event = NewEvent {
            qualifier: invocation.qualifier,
            client_context: invocation.client_context,
            trace_id: Some(trace.header()),
            ..NewEvent::new(
                invocation.request_id,
                invocation.function,
                invocation.payload,
            )
        };
        match self
            .store()
            .events()
            .accept(event, self.limits().queued_events)
            .await
        {
            Ok(_) => {
                self.inner.accepted.notify_one();
                Ok(())
            }
            Err(store::AcceptError::Full) => Err(InvokeError::QueueFull),
            Err(store::AcceptError::Store(error)) => Err(InvokeError::Internal {
                detail: error.to_string(),
            }),
        }
    }

    /// Whether an invocation would be let in, without running it.
    pub fn dry_run(&self, invocation: &Invocation) -> Result<Version, InvokeError> {
        self.find(invocation).map(|version| version.version)
    }

    fn find(&self, invocation: &Invocation) -> Result<Arc<FunctionVersion>, InvokeError> {
        let qualifier = invocation.qualifier.as_ref();
        let found = self.catalog().resolve(&invocation.function, qualifier);
        found.ok_or_else(|| InvokeError::NotFound {
            arn: match qualifier {
                Some(qualifier) => self.scope().qualified_arn(&invocation.function, qualifier),
                None => self.scope().function_arn(&invocation.function),
            },
        })
    }

    async fn admit(
        &self,
        mut invocation: Invocation,
        sizes: Sizes,
    ) -> Result<Admitted, InvokeError> {
        if self.is_closing() {
            return Err(InvokeError::ShuttingDown);
        }
        let version = self.find(&invocation)?;
        let size = invocation.payload.len() as u64;
        let limit = sizes.payload;
        if size > limit {
            return Err(InvokeError::PayloadTooLarge { size, limit });
        }
        let trace = Trace::of(invocation.trace_id.as_deref(), invocation.request_id);
        if let Some(depth) = self.too_deep(&trace, &invocation.function) {
            self.report_loop(&invocation, &version, depth).await;
            return Err(InvokeError::Looped { depth });
        }
        let tracer = self.watch().tracer();
        let begun = tracer.and_then(|tracer| {
            let header = invocation.trace_id.as_deref();
            tracer.begin(header, invocation.request_id)
        });
        let trace = match &begun {
            Some(begun) => trace.at(&begun.place),
            None => trace,
        };
        invocation.trace_id = Some(trace.entered(&invocation.function));
        let catalog = self.catalog();
        let fleet = self.fleet(&version);
        let slot = self
            .inner
            .concurrency
            .enter(
                &version.name,
                catalog.reserved_concurrency(&version.name),
                catalog.unreserved_concurrency(),
            )
            .map_err(|reason| {
                fleet.meter.count_throttle();
                InvokeError::Throttled { reason }
            })?;
        Ok(Admitted {
            invocation,
            version,
            fleet,
            slot,
            answer_limit: sizes.answer,
            begun,
        })
    }

    /// How often the chain has run the function, if that is often enough and its
    /// owner did not say that it is meant to go round.
    fn too_deep(&self, trace: &Trace, function: &FunctionName) -> Option<u32> {
        let depth = trace.depth(function);
        if depth < lineage::DEEPEST {
            return None;
        }
        let allowed = self.catalog().recursive_loop(function);
        (!matches!(allowed, Ok(RecursiveLoop::Allow))).then_some(depth)
    }

    /// Says in the engine's log and the function's that a loop was stopped.
    async fn report_loop(&self, invocation: &Invocation, version: &FunctionVersion, depth: u32) {
        let (request, function) = (invocation.request_id, &version.name);
        tracing::warn!(%function, %request, depth, "a recursive loop is stopped");
        let target = LogTarget {
            group: version.log_group().into(),
            stream: log_stream(version.version),
        };
        let mut log = InvocationLog::new(target, self.limits().log_bytes_per_invocation);
        log.text(format!(
            "[squall] RequestId: {request} A recursive loop was stopped: the function {function} \
             has run {depth} times in one chain of requests and is not run again. If it is meant \
             to go round, allow that with PutFunctionRecursionConfig (RecursiveLoop: Allow)."
        ));
        log.flush(self.store().logs()).await;
    }

    /// Everything between admission and the answer.
    async fn run(&self, admitted: Admitted, stream: Option<&mpsc::Sender<StreamEvent>>) -> Outcome {
        let started = Timestamp::now();
        let (invocation, version) = (&admitted.invocation, &admitted.version);
        let running = admitted.fleet.meter.running.enter();
        let run = match admitted.fleet.checkout().await {
            Ok(lease) => self.run_on(lease, &admitted, stream).await,
            Err(failure) => self.not_started(failure, invocation, version),
        };
        let ran = Ran {
            request_id: invocation.request_id,
            version,
            status: run.status(),
            duration: run.duration,
            cold: run.init.map(|init| (run.start, init)),
        };
        let begun = admitted.begun.as_ref();
        told::tell(self.watch(), &admitted.fleet.meter, begun, &ran);
        let outcome = self.conclude(run, invocation, version, started).await;
        drop(running);
        drop(admitted.slot);
        outcome
    }

    async fn run_on(
        &self,
        mut lease: Lease,
        admitted: &Admitted,
        stream: Option<&mpsc::Sender<StreamEvent>>,
    ) -> Run {
        let Admitted {
            invocation,
            version,
            fleet,
            ..
        } = admitted;
        let logs = self.store().logs();
        let instance = lease.instance();
        let cold = instance.served == 0;
        let init = cold.then_some(instance.init);
        let start = if cold {
            instance.start.as_str()
        } else {
            "warm"
        };
        let limit = self.limits().log_bytes_per_invocation;
        let mut log = InvocationLog::new(instance.log.clone(), limit);
        let log_stream = Arc::clone(&instance.log.stream);
        if !instance.init_log.is_empty() {
            log.write(&std::mem::take(&mut instance.init_log));
        }
        log.start(invocation.request_id, version.version);
        let arn = match &invocation.qualifier {
            None => std::borrow::Cow::Borrowed(fleet.arn.as_str()),
            Some(qualifier) => format!("{}:{qualifier}", fleet.arn).into(),
        };
        let task = Task {
            invocation,
            arn: &arn,
            timeout_seconds: version.timeout_seconds,
            memory_mb: version.memory_mb,
            response_limit: admitted.answer_limit,
            stream,
        };
        let begun = Instant::now();
        let answer = instance.run(&task, &mut log, logs).await;
        let duration = begun.elapsed();
        if answer.alive {
            lease.give_back();
        } else {
            drop(lease);
        }
        Run {
            answer,
            log,
            log_stream,
            duration,
            init,
            start,
        }
    }

    /// No instance could be had: the invocation has a log and a record all the same.
    fn not_started(
        &self,
        failure: StartFailure,
        invocation: &Invocation,
        version: &FunctionVersion,
    ) -> Run {
        let log_stream = log_stream(version.version);
        let target = LogTarget {
            group: version.log_group().into(),
            stream: Arc::clone(&log_stream),
        };
        let mut log = InvocationLog::new(target, self.limits().log_bytes_per_invocation);
        log.write(&failure.log);
        log.start(invocation.request_id, version.version);
        if let Failure::Sandbox(detail) = &failure.failure {
            tracing::error!(function = %version.name, detail, "an instance could not be started");
        }
        Run {
            answer: Answer {
                result: Err(failure.failure),
                peak_mb: 0,
                alive: false,
            },
            log,
            log_stream,
            duration: Duration::ZERO,
            init: None,
            start: "none",
        }
    }

    /// Log, record, outcome.
    async fn conclude(
        &self,
        mut run: Run,
        invocation: &Invocation,
        version: &FunctionVersion,
        started: Timestamp,
    ) -> Outcome {
        let request_id = invocation.request_id;
        let (result, status, note) = match run.answer.result {
            Ok(payload) => (Ok(payload), "ok", None),
            Err(failure) => {
                let (error, line) = failure.report(request_id);
                if let Some(line) = line {
                    run.log.text(line);
                }
                let note = report_status(&failure, &error.payload);
                (Err(error), failure.kind().as_str(), note)
            }
        };
        let billed_ms = billed(run.duration);
        if let Some(tally) = &invocation.tally {
            tally.add_invocation(version.memory_mb, billed_ms);
        }
        run.log.end(
            request_id,
            &Report {
                duration: run.duration,
                billed_ms,
                memory_mb: version.memory_mb,
                max_memory_mb: run.answer.peak_mb,
                init: run.init,
                status: note,
            },
        );
        let log_position = run.log.flush(self.store().logs()).await;
        let answer_bytes = result
            .as_ref()
            .map_or_else(|error| error.payload.len(), Bytes::len) as u64;
        let record = Record {
            request_id,
            function: version.name.clone(),
            version: version.version,
            started,
            duration_us: micros(run.duration),
            billed_ms,
            init_us: run.init.map(micros),
            memory_mb: version.memory_mb,
            max_memory_mb: run.answer.peak_mb,
            start: run.start.to_owned(),
            status: status.to_owned(),
            log_stream: run.log_stream,
            log_position,
            answer_bytes,
        };
        self.store().records().append(record).await;
        Outcome {
            request_id,
            version: version.version,
            result,
            log_tail: run.log.tail(),
        }
    }
}

/// An invocation that is over, before it is written down.
struct Run {
    answer: Answer,
    log: InvocationLog,
    log_stream: Arc<str>,
    duration: Duration,
    init: Option<Duration>,
    start: &'static str,
}

impl Run {
    /// The word for how it ended.
    fn status(&self) -> &'static str {
        match &self.answer.result {
            Ok(_) => "ok",
            Err(failure) => failure.kind().as_str(),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// AWS bills whole milliseconds, rounded up.
fn billed(duration: Duration) -> u64 {
    micros(duration).div_ceil(1000).max(1)
}

/// The end of a REPORT line for an invocation that did not end well.
fn report_status(failure: &Failure, payload: &[u8]) -> Option<String> {
    match failure {
        Failure::Raised(_) | Failure::ResponseTooLarge { .. } => None,
        Failure::TimedOut { .. } | Failure::InitTimeout { .. } => {
            Some("Status: timeout".to_owned())
        }
        Failure::Init(_) | Failure::Exited(_) | Failure::OutOfMemory | Failure::Sandbox(_) => {
            let (kind, _) = kind_and_payload(payload);
            Some(format!("Status: error\tError Type: {kind}"))
        }
    }
}

/// The type of an error object, and the object as text.
fn kind_and_payload(payload: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(payload).into_owned();
    let kind = serde_json::from_slice::<serde_json::Value>(payload)
        .ok()
        .and_then(|error| Some(error.get("errorType")?.as_str()?.to_owned()))
        .unwrap_or_else(|| "Unhandled".to_owned());
    (kind, text)
}

/// Puts an event that was looked at back in front of the others.
fn prepend(
    event: StreamEvent,
    mut rest: mpsc::Receiver<StreamEvent>,
) -> mpsc::Receiver<StreamEvent> {
    let (sender, receiver) = mpsc::channel(STREAM_PIECES);
    tokio::spawn(async move {
        let mut next = Some(event);
        while let Some(event) = next {
            if sender.send(event).await.is_err() {
                return;
            }
            next = rest.recv().await;
        }
    });
    receiver
}
