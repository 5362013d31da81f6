//! `/_squall/store/check`: reads every object and compares it with its checksum.
//! That takes long, so what it has come to is told line by line.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_wire::{Body, body};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use store::{CheckProgress, Store};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Page, Refused};

/// Lines that wait for a slow reader; what comes meanwhile is left out.
const WAITING: usize = 16;
/// People read no faster.
const PAUSE: Duration = Duration::from_millis(100);

/// Checks of this server: one at a time, as each takes all of the disk.
#[derive(Debug)]
pub(super) struct Checks(Arc<Semaphore>);

impl Default for Checks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Checks {
    /// Begins one. It ends early when nobody listens any more.
    pub fn start(&self, store: &Arc<Store>, end: &CancellationToken) -> Page {
        let Ok(turn) = self.0.clone().try_acquire_owned() else {
            return Err(Refused::new(
                StatusCode::CONFLICT,
                "ResourceConflictException",
                "A check is under way.",
            ));
        };
        let (lines, receiver) = mpsc::channel(WAITING);
        let (store, end) = (store.clone(), end.clone());
        tokio::task::spawn_blocking(move || {
            let last = check(&store, &end, &lines);
            // Who listened may have gone.
            let _ = lines.blocking_send(Ok(line(&last)));
            drop(turn);
        });
        let mut response: Response<Body> = Response::new(body::stream(receiver));
        let kind = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Ok(response)
    }
}

fn check(store: &Store, end: &CancellationToken, lines: &mpsc::Sender<io::Result<Bytes>>) -> Value {
    let mut told: Option<Instant> = None;
    let report = store.objects().check(|progress: CheckProgress| {
        if lines.is_closed() || end.is_cancelled() {
            return ControlFlow::Break(());
        }
        if told.is_none_or(|told| told.elapsed() >= PAUSE) {
            told = Some(Instant::now());
            let _ = lines.try_send(Ok(line(&json!({ "progress": progress }))));
        }
        ControlFlow::Continue(())
    });
    report.map_or_else(
        |error| {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(error = cause, "the store could not be checked");
            json!({ "error": error.to_string() })
        },
        |report| json!({ "report": report }),
    )
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}
