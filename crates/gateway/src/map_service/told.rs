//! What is told of a map to who watches: on whose behalf it runs, a line for each of its
//! chunks, and its part of a trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::request::Parts;
use map::run::{End, Finished};
use types::{FunctionName, Invocation, InvokeError, Outcome, RequestId, Timestamp};
use watch::line::Chunk;
use watch::metrics::MapReading;
use watch::span::Kind;
use watch::{Begun, Incoming, Line, Watch};

/// Chunks of one map that have a span of their own. A map may have thousands, and nobody
/// looks at all of them.
const TRACED: usize = 1_000;

/// The request for which a map runs.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub request_id: RequestId,
    /// Set where the request does not wait for it.
    pub job: Option<Arc<str>>,
    /// The header of its trace.
    pub trace: Option<String>,
}

impl Cause {
    pub fn of(parts: &Parts, request_id: RequestId) -> Self {
        let incoming = parts.extensions.get::<Incoming>();
        Self {
            request_id,
            job: None,
            trace: incoming.map(|incoming| incoming.trace_header(&parts.headers)),
        }
    }
}

/// A map that runs. Dropped before its end, it was cut off.
#[derive(Debug)]
pub(crate) struct Told {
    watch: Watch,
    cause: Cause,
    function: FunctionName,
    begun: Option<Begun>,
    chunks: AtomicUsize,
}

/// A chunk that is under way.
#[derive(Debug)]
pub(crate) struct ToldChunk {
    request_id: RequestId,
    time: Timestamp,
    began: Instant,
    begun: Option<Begun>,
}

impl Told {
    pub fn begin(watch: &Watch, cause: Cause, function: &FunctionName) -> Arc<Self> {
        watch.metrics().maps.running.up();
        let header = cause.trace.as_deref();
        let tracer = watch.tracer().zip(header);
        let begun =
            tracer.and_then(|(tracer, header)| tracer.begin(Some(header), cause.request_id));
        Arc::new(Self {
            watch: watch.clone(),
            cause,
            function: function.clone(),
            begun,
            chunks: AtomicUsize::new(0),
        })
    }

    /// Puts on an invocation to which trace it belongs.
    pub fn chunk(&self, invocation: &mut Invocation) -> ToldChunk {
        let number = self.chunks.fetch_add(1, Ordering::Relaxed);
        let begun = self.begun.as_ref().filter(|_| number < TRACED);
        let begun = begun.map(Begun::below);
        invocation.trace_id = match (&begun, &self.begun) {
            (Some(chunk), _) => Some(chunk.place.xray()),
            (None, Some(map)) => Some(format!("Root={};Sampled=0", map.place.trace.root())),
            (None, None) => self.cause.trace.clone(),
        };
        ToldChunk {
            request_id: invocation.request_id,
            time: Timestamp::now(),
            began: Instant::now(),
            begun,
        }
    }

    pub fn chunk_ended(&self, chunk: ToldChunk, outcome: &Result<Outcome, InvokeError>) {
        let status = match outcome {
            Ok(outcome) => match &outcome.result {
                Ok(_) => "ok",
                Err(error) => error.kind.as_str(),
            },
            Err(InvokeError::Throttled { .. }) => "throttled",
            Err(_) => "not-run",
        };
        if self.watch.lines().is_some() {
            self.watch.tell(Line::Chunk(Box::new(Chunk {
                time: chunk.time,
                request_id: chunk.request_id,
                cause: self.cause.request_id,
                job: self.cause.job.clone(),
                function: self.function.clone(),
                status,
                micros: micros(chunk.began.elapsed()),
            })));
        }
        if let (Some(tracer), Some(begun)) = (self.watch.tracer(), chunk.begun) {
            let span = begun.end(Kind::Client, format!("chunk {}", self.function));
            let mut span = span
                .with("faas.invoked_name", self.function.as_str())
                .with("faas.invocation_id", chunk.request_id.to_string());
            if status != "ok" {
                span = span.with("error.type", status);
                span.failed = Some(status.to_owned());
            }
            tracer.end(span);
        }
    }

    /// Counts what came of it.
    pub fn ended(&self, finished: &Finished) {
        let progress = &finished.progress;
        self.watch.metrics().maps.count(MapReading {
            items: progress.done + progress.failed,
            failed: progress.failed,
            chunks: progress.invocations,
            retries: progress.retries,
        });
        self.end_span(finished.end != End::Complete, |span| {
            span.with("squall.items", progress.items)
                .with("squall.items.failed", progress.failed)
                .with("squall.chunks", progress.invocations)
                .with("squall.retries", progress.retries)
        });
    }

    fn end_span(&self, failed: bool, with: impl FnOnce(watch::Span) -> watch::Span) {
        let (Some(tracer), Some(begun)) = (self.watch.tracer(), &self.begun) else {
            return;
        };
        let span = begun
            .clone()
            .end(Kind::Internal, format!("map {}", self.function));
        let mut span = with(span).with("squall.request_id", self.cause.request_id.to_string());
        if let Some(job) = &self.cause.job {
            span = span.with("squall.job", &**job);
        }
        if failed {
            span.failed = Some("not all of it was done".to_owned());
        }
        tracer.end(span);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.watch.metrics().maps.running.down();
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
