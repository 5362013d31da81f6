//! Sends spans to a collector of OpenTelemetry: in batches, again after a while where the
//! collector says so, and never for long in the way of a stop.

use std::time::Duration;

use aws_client::web::{Bounds, Fetched, Web, WebError};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;
use tokio::time::Instant;
use watch::{Span, Tracer, Watch, otlp};

use crate::settings::Collector;

/// Spans that are sent together, and how long the first of them may wait.
const BATCH: usize = 512;
const LINGER: Duration = Duration::from_secs(1);
/// For one try.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the collector may say.
const ANSWER_BYTES: usize = 64 * 1024;
/// How often a batch is tried, and the pauses between.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What is left at a stop is sent within this time, or not at all.
const LAST: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Exporter {
    watch: Watch,
    web: Web,
    collector: Collector,
    instance: String,
}

/// What a collector made of a batch.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Taken, but for so many of its spans.
    Taken {
        rejected: u64,
    },
    /// It may be tried again, after this time if the collector says one.
    Later(Option<Duration>),
    Never,
}

impl Exporter {
    pub fn new(watch: Watch, web: Web, collector: Collector, instance: String) -> Self {
        Self {
            watch,
            web,
            collector,
            instance,
        }
    }

    /// Sends what comes, for ever.
    pub async fn run(&self) {
        let Some(tracer) = self.watch.tracer() else {
            return;
        };
        loop {
            tokio::time::sleep(LINGER).await;
            while !tracer.spans.is_empty() {
                self.send(tracer, tracer.spans.take(BATCH)).await;
            }
        }
    }

    /// Sends what is left, if that is quickly done.
    pub async fn finish(&self) {
        let Some(tracer) = self.watch.tracer() else {
            return;
        };
        let until = Instant::now() + LAST;
        while !tracer.spans.is_empty() {
            let spans = tracer.spans.take(BATCH);
            let count = spans.len() as u64;
            let sending = self.post(&spans);
            match tokio::time::timeout_at(until, sending).await {
                Ok(Ok(fetched)) => self.conclude(tracer, &spans, &verdict(&fetched)),
                Ok(Err(_)) | Err(_) => tracer.spans.drop_more(count),
            }
        }
    }

    async fn send(&self, tracer: &Tracer, spans: Vec<Span>) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            let said = match self.post(&spans).await {
                Ok(fetched) => {
                    let verdict = verdict(&fetched);
                    let Verdict::Later(wished) = verdict else {
                        return self.conclude(tracer, &spans, &verdict);
                    };
                    pause = wished.unwrap_or(pause);
                    fetched.status.to_string()
                }
                Err(error) => error.to_string(),
            };
            tracing::debug!(
                url = self.collector.url,
                said,
                attempt,
                "spans were not taken"
            );
            if attempt < TRIES {
                // All engines that a collector turned away must not come back at once.
                let mut random = [0; 1];
                let _ = getrandom::fill(&mut random);
                tokio::time::sleep(pause.mul_f64(0.75 + f64::from(random[0]) / 512.0)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        tracing::warn!(
            url = self.collector.url,
            spans = spans.len(),
            "spans are dropped: no collector takes them"
        );
        tracer.spans.drop_more(spans.len() as u64);
    }

    async fn post(&self, spans: &[Span]) -> Result<Fetched, WebError> {
        let body = otlp::export(spans, env!("CARGO_PKG_VERSION"), &self.instance);
        let mut headers = self.collector.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let bounds = Bounds {
            bytes: ANSWER_BYTES,
            time: PATIENCE,
        };
        self.web
            .post(&self.collector.url, headers, Bytes::from(body), bounds)
            .await
    }

    fn conclude(&self, tracer: &Tracer, spans: &[Span], verdict: &Verdict) {
        let count = spans.len() as u64;
        let lost = match verdict {
            Verdict::Taken { rejected } => (*rejected).min(count),
            Verdict::Later(_) | Verdict::Never => count,
        };
        if lost > 0 {
            tracing::warn!(
                url = self.collector.url,
                lost,
                "the collector does not take spans"
            );
            tracer.spans.drop_more(lost);
        }
        tracer.count_sent(spans.len() - usize::try_from(lost).unwrap_or(spans.len()));
    }
}

/// As OpenTelemetry's protocol has it.
fn verdict(fetched: &Fetched) -> Verdict {
    match fetched.status.as_u16() {
        200..=299 => {
            let said: Option<Value> = serde_json::from_slice(&fetched.body).ok();
            let rejected = said.and_then(|said| {
                let rejected = &said["partialSuccess"]["rejectedSpans"];
                rejected
                    .as_u64()
                    .or_else(|| rejected.as_str()?.parse().ok())
            });
            Verdict::Taken {
                rejected: rejected.unwrap_or(0),
            }
        }
        429 | 502 | 503 | 504 => {
            let wished = fetched.headers.get(RETRY_AFTER);
            let wished = wished.and_then(|value| value.to_str().ok()?.parse().ok());
            Verdict::Later(wished.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE)))
        }
        _ => Verdict::Never,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn said(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Verdict {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        verdict(&Fetched {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
        })
    }

    #[test]
    fn collectors_are_understood() {
        assert_eq!(said(200, &[], "{}"), Verdict::Taken { rejected: 0 });
        let partial = "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}";
        assert_eq!(said(200, &[], partial), Verdict::Taken { rejected: 3 });
        let seven = Some(Duration::from_secs(7));
        assert_eq!(
            said(429, &[("retry-after", "7")], ""),
            Verdict::Later(seven)
        );
        assert_eq!(said(503, &[], ""), Verdict::Later(None));
        for status in [400, 401, 404, 413, 500] {
            assert_eq!(said(status, &[], ""), Verdict::Never, "{status}");
        }
    }
}
