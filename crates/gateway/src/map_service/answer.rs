//! From what came of a job to the answer that its client gets: the table, and how
//! many items it lacks; or why there is none.

use std::sync::Arc;
use std::time::Duration;

use aws_wire::Body;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response};
use map::failures;
use map::options::OnError;
use map::results::Table;
use map::run::{End, Finished};
use science::items::Collected;
use serde_json::{Value, json};

use super::accept::Kind;
use super::asked::Asked;
use super::job_files::write_table;
use super::outgoing;
use super::refusal::Refusal;

const ITEMS: HeaderName = HeaderName::from_static("squall-items");
pub(super) const FAILED: HeaderName = HeaderName::from_static("squall-failed");
const INVOCATIONS: HeaderName = HeaderName::from_static("squall-invocations");
const TIMING: HeaderName = HeaderName::from_static("server-timing");

/// A job's items and what came of them.
#[derive(Debug)]
pub(crate) struct Done {
    pub data: Arc<Collected>,
    pub finished: Finished,
    /// Names the column of results that have no names of their own.
    pub value_column: String,
    pub on_error: OnError,
}

/// How long what took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timing {
    /// Until the body was here and its rows were brought together.
    pub collect: Duration,
    /// Until all items had their results.
    pub run: Duration,
}

impl Done {
    /// Nothing if there is a table to be shown.
    pub fn check(&self, asked: &Asked) -> Result<(), Refusal> {
        let finished = &self.finished;
        match &finished.end {
            End::Complete => Ok(()),
            End::Stopped => Err(self.failed()),
            End::Cancelled => Err(Refusal::Cancelled),
            End::OutOfTime | End::OutOfMoney => Err(Refusal::OutOfTime {
                seconds: asked.max_time.map_or(0, |time| time.as_secs()),
                items: self.data.len() as u64,
                done: finished.progress.done,
            }),
            End::Broken(broken) => Err(broken.clone().into()),
        }
    }

    fn failed(&self) -> Refusal {
        let kinds = failures::table(&self.data, &self.finished.failures);
        let failed = self.finished.failures.len();
        let first = kinds.first().map_or_else(String::new, |kind| {
            let examples = kind.examples.join(", ");
            let (name, message) = (&kind.error_type, &kind.message);
            format!("; {name}: {message} (of {examples})")
        });
        let items = self.data.len();
        Refusal::Items {
            message: format!(
                "{failed} of {items} items failed{first}; on_error=collect gives the results of the others"
            ),
            failed,
            failures: kinds
                .iter()
                .map(|kind| {
                    json!({
                        "errorType": kind.error_type,
                        "message": kind.message,
                        "count": kind.count,
                        "ids": kind.examples,
                        "stackTrace": kind.stack_trace,
                    })
                })
                .collect(),
        }
    }

    /// Every item that failed, for who collects failures.
    pub fn failures(&self) -> Option<Vec<Value>> {
        let failures = self.finished.failures.iter();
        let listed = failures
            .map(|(rank, failure)| {
                json!({
                    "id": self.data.ids.shown(*rank as usize),
                    "errorType": failure.error.error_type,
                    "message": failure.error.error_message,
                    "attempts": failure.attempts,
                })
            })
            .collect();
        (self.on_error == OnError::Collect).then_some(listed)
    }

    /// Brings the results together. Computes, for as long as there are many.
    pub fn table(&self) -> Result<Table, Refusal> {
        let table = Table::new(&self.data, &self.value_column, &self.finished.results);
        table.map_err(|error| Refusal::Results {
            message: error.to_string(),
        })
    }

    pub async fn respond(
        self,
        kind: Kind,
        timing: Timing,
        held: impl Send + 'static,
    ) -> Result<Response<Body>, Refusal> {
        let progress = &self.finished.progress;
        let counts = [
            (ITEMS, self.data.len() as u64),
            (FAILED, self.finished.failures.len() as u64),
            (INVOCATIONS, progress.invocations),
        ];
        let failures = self.failures();
        let table = tokio::task::spawn_blocking(move || self.table()).await;
        let table =
            table.map_err(|error| Refusal::internal("its table was not made", &error))??;
        let body = outgoing::written(move |out| {
            let written = write_table(&table, kind, failures.as_deref(), out);
            drop(held);
            written
        });
        let body = body
            .await
            .map_err(|error| Refusal::internal("its table could not be written", &error))?;
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, kind.content_type());
        for (name, count) in counts {
            headers.insert(name, count.into());
        }
        headers.insert(TIMING, timing.header());
        Ok(response)
    }
}

impl Timing {
    /// In milliseconds, as browsers show it.
    fn header(self) -> HeaderValue {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let (collect, run) = (millis(self.collect), millis(self.run));
        let text = format!("collect;dur={collect:.1}, run;dur={run:.1}");
        HeaderValue::from_str(&text).expect("numbers and letters are a valid header")
    }
}
