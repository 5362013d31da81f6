//! What is told of invocations to who watches: counts by function, and spans of traces
//! that are recorded.

use std::time::Duration;

use types::{FunctionVersion, RequestId};
use watch::metrics::FunctionMeter;
use watch::span::Kind;
use watch::{Begun, Watch};

/// An invocation that is over.
#[derive(Debug)]
pub(crate) struct Ran<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) version: &'a FunctionVersion,
    /// `ok`, or how it failed.
    pub(crate) status: &'static str,
    pub(crate) duration: Duration,
    /// `fork` or `spawn` with how long it took, if an instance was made for it.
    pub(crate) cold: Option<(&'static str, Duration)>,
}

pub(crate) fn tell(watch: &Watch, meter: &FunctionMeter, begun: Option<&Begun>, ran: &Ran<'_>) {
    meter.count(ran.status, micros(ran.duration));
    if let Some((start, init)) = ran.cold {
        meter.count_start(start == "fork", micros(init));
    }
    if let (Some(tracer), Some(begun)) = (watch.tracer(), begun) {
        if let Some((start, init)) = ran.cold {
            let mut cold = begun.below();
            cold.begin = begun.begin;
            let mut span = cold.end(Kind::Internal, format!("cold start {}", ran.version.name));
            span.end = begun.begin + init;
            tracer.end(span.with("squall.start", start));
        }
        let span = begun
            .clone()
            .end(Kind::Server, ran.version.name.to_string());
        let mut span = span
            .with("faas.name", ran.version.name.as_str())
            .with("faas.version", ran.version.version.to_string())
            .with("faas.invocation_id", ran.request_id.to_string())
            .with("faas.coldstart", ran.cold.is_some())
            .with("faas.max_memory", u64::from(ran.version.memory_mb) << 20)
            .with("squall.duration_us", micros(ran.duration));
        if ran.status != "ok" {
            span = span.with("error.type", ran.status);
            span.failed = Some(ran.status.to_owned());
        }
        tracer.end(span);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
