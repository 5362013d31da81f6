//! What is kept of a job while it runs, so that nothing finished is done twice:
//! results by content, in `store`'s book of jobs.
//!
//! Reading order: [`identity`] says what makes two runs of a function equal, [`key`]
//! what makes two items equal, [`noted`] what is said of a job that runs.

mod identity;
mod key;
mod noted;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use science::Ids;
use science::items::{Collected, Shelf};
use serde_json::value::RawValue;
use store::StoreError;
use store::jobs::{
    self, Earlier, ItemFailure, JobBook, JobError, JobId, JobState, NewJob, RunningJob,
};

use crate::run::{End, Failure};
use crate::stats::Progress;

pub use identity::{FunctionFacts, Identity};
pub use noted::Noted;

/// Looks at a job that come faster are not noted.
const NOTED: Duration = Duration::from_millis(200);

/// A job's way to the book of jobs.
pub struct Journal {
    /// None where nothing is to be kept.
    open: Option<Open>,
}

struct Open {
    running: RunningJob,
    items: u64,
    /// Whether the function sees the ids.
    ids: bool,
    /// Whether results of earlier jobs are left alone.
    fresh: bool,
    noted: Mutex<Option<Instant>>,
}

impl Open {
    fn ids<'a>(&self, all: &'a Collected) -> Option<&'a Ids> {
        self.ids.then_some(&all.ids)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.id()).finish()
    }
}

impl Journal {
    /// Keeps nothing and knows nothing.
    pub fn none() -> Self {
        Self { open: None }
    }

    /// A new job in the book. `fresh`: results of earlier jobs are not taken.
    pub fn begin(
        book: &Arc<JobBook>,
        job: &NewJob,
        identity: &Identity,
        fresh: bool,
    ) -> Result<Self, StoreError> {
        let running = book.begin(job, &identity.hash)?;
        Ok(Self::of(running, job.items, identity, fresh))
    }

    /// Goes on with a job of the book, or begins one that was accepted before. What it
    /// had counts no more if the function has changed since.
    pub fn resume(
        book: &Arc<JobBook>,
        id: &JobId,
        identity: &Identity,
        items: u64,
        fresh: bool,
    ) -> Result<Self, JobError> {
        let running = book.start(id, &identity.hash, Earlier::Drop, items)?;
        Ok(Self::of(running, items, identity, fresh))
    }

    /// As `resume`, but what it had counts whatever the function was then: so somebody
    /// who has mended a function runs only what had failed.
    pub fn patch(
        book: &Arc<JobBook>,
        id: &JobId,
        identity: &Identity,
        items: u64,
    ) -> Result<Self, JobError> {
        let running = book.start(id, &identity.hash, Earlier::Take, items)?;
        Ok(Self::of(running, items, identity, false))
    }

    fn of(running: RunningJob, items: u64, identity: &Identity, fresh: bool) -> Self {
        Self {
            open: Some(Open {
                running,
                items,
                ids: identity.ids,
                fresh,
                noted: Mutex::new(None),
            }),
        }
    }

    /// None where nothing is kept.
    pub fn id(&self) -> Option<&JobId> {
        Some(self.open.as_ref()?.running.id())
    }

    /// What is known of the items of a shelf, place by place. Reads for some
    /// milliseconds, unless nothing can be known: then it costs nothing.
    pub fn known(
        &self,
        all: &Collected,
        shelf: &Shelf,
    ) -> Result<Vec<Option<Box<RawValue>>>, StoreError> {
        let mut results = vec![None; shelf.ranks.len()];
        let open = self.open.as_ref();
        let Some(open) = open.filter(|open| !open.fresh && open.running.may_know()) else {
            return Ok(results);
        };
        let mut keys = Vec::with_capacity(shelf.ranks.len());
        for place in 0..shelf.ranks.len() {
            keys.push(key::of(shelf, place, open.ids(all)));
        }
        open.running.known(&keys, |place, result| {
            let text = String::from_utf8(result.to_vec()).ok();
            // What cannot be read is computed again.
            results[place] = text.and_then(|text| RawValue::from_string(text).ok());
        })?;
        Ok(results)
    }

    /// Keeps a result. Written in the background, a fraction of a second later at
    /// most. Never waits, so await [`Journal::ready`] between a handful of calls.
    pub fn keep(&self, all: &Collected, shelf: &Shelf, place: u32, result: &RawValue) {
        let Some(open) = &self.open else {
            return;
        };
        let place = usize::try_from(place).expect("what is in memory has an address");
        let key = key::of(shelf, place, open.ids(all));
        open.running.keep(&key, result.get().as_bytes());
    }

    /// Waits while too much waits to be written. An error means that nothing more of
    /// this job can be kept, such as when the disk is full.
    pub async fn ready(&self) -> Result<(), StoreError> {
        match &self.open {
            Some(open) => open.running.ready().await,
            None => Ok(()),
        }
    }

    pub fn fail(&self, rank: u32, shown_id: &str, failure: &Failure) {
        let Some(open) = &self.open else {
            return;
        };
        open.running.fail(ItemFailure {
            rank,
            id: shown_id.to_owned(),
            error_type: failure.error.error_type.clone(),
            message: failure.error.error_message.clone(),
            stack: failure.error.stack_trace.clone(),
            attempts: failure.attempts,
        });
    }

    /// How far the job is, for those who look at it from outside.
    pub fn progress(&self, progress: &Progress) {
        let Some(open) = &self.open else {
            return;
        };
        let mut noted = open.noted.lock();
        if noted.is_none_or(|at| at.elapsed() >= NOTED) {
            *noted = Some(Instant::now());
            open.running.progress(Noted::of(progress).to_json());
        }
    }

    /// Whether someone asked, from outside, that the job stops.
    pub fn cancel_asked(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.running.cancel_asked())
    }

    /// Writes all that waits, and how the job ended.
    pub async fn finish(self, end: &End, progress: &Progress) -> Result<(), StoreError> {
        let Some(open) = self.open else {
            return Ok(());
        };
        let (state, error) = match end {
            // Where only some items were asked for, others may be left.
            End::Complete if progress.done + progress.failed < open.items => {
                (JobState::Stopped, None)
            }
            End::Complete => (JobState::Complete, None),
            End::Stopped => (JobState::Stopped, None),
            End::Cancelled => (JobState::Cancelled, None),
            End::OutOfTime => (JobState::OutOfTime, None),
            End::OutOfMoney => (JobState::OutOfMoney, None),
            End::Broken(broken) => (JobState::Failed, Some(broken.to_string())),
        };
        let end = jobs::End {
            state,
            error,
            progress: Some(Noted::of(progress).to_json()),
        };
        open.running.finish(end).await
    }

    /// The job cannot go on for a reason of its own. What was kept, stays.
    pub async fn abandon(self, why: &(dyn Error + Sync)) {
        let Some(open) = self.open else {
            return;
        };
        let end = jobs::End {
            state: JobState::Failed,
            error: Some(said(why)),
            progress: None,
        };
        // If this cannot be written either, the job will be taken for interrupted.
        let _ = open.running.finish(end).await;
    }
}

/// An error with its causes, in one line.
fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
