//! The work on one job that is not waited for, from its body to its outcome.

use std::sync::Arc;

use engine::usage::Amounts;
use map::input::Input;
use map::journal::{Identity, Journal};
use map::run::Exchange;
use store::jobs::{JobBook, JobId};
use tokio_util::sync::CancellationToken;
use types::{RequestId, Tallied, Timestamp};

use super::accept::Kind;
use super::answer::Done;
use super::asked::Asked;
use super::functions::Functions;
use super::job_files::{JobFiles, Outcome, Recipe};
use super::jobs::{Desk, read};
use super::refusal::Refusal;
use super::service::Patience;
use super::tallying::Bill;
use super::told::Cause;

impl<I: Functions, X: Exchange + 'static> Desk<I, X> {
    /// Works until there is an outcome, or until the end of the process comes first.
    pub async fn work(&self, id: &JobId, cancel: &CancellationToken) {
        let done = match cancel.run_until_cancelled(self.turns.acquire()).await {
            Some(Ok(_turn)) => self.attempt(id, cancel).await,
            Some(Err(_)) | None => Err(Refusal::Cancelled),
        };
        if done.is_err() && self.end.is_cancelled() {
            // It goes on at the next start, unless it was cancelled in time.
            let put_back = |book: &JobBook, id: JobId| {
                let job = book.find(&id)?;
                if job.cancel {
                    Ok(())
                } else {
                    book.put_back(&id)
                }
            };
            if let Err(error) = self.book(put_back, id.clone()).await {
                tracing::warn!(job = %id, %error, "the book was not told that a job goes on");
            }
            return;
        }
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(refusal) => {
                self.note(id, &refusal).await;
                if !matches!(refusal, Refusal::Cancelled) {
                    self.failed();
                }
                Outcome::Error {
                    status: refusal.status().as_u16(),
                    error: refusal.shown(RequestId::random()),
                }
            }
        };
        let files = JobFiles::of(self.book.folder(id));
        if let Err(refusal) = read(move || files.conclude(&outcome)).await {
            tracing::error!(job = %id, %refusal, "the outcome of a job could not be kept");
        }
    }

    async fn attempt(&self, id: &JobId, cancel: &CancellationToken) -> Result<Outcome, Refusal> {
        let job = self.book(|book, id| book.find(&id), id.clone()).await;
        let job = job.map_err(|error| Refusal::internal("a job is not in the book", &error))?;
        let recipe: Recipe = serde_json::from_str(&job.recipe)
            .map_err(|error| Refusal::internal("a job's recipe cannot be read", &error))?;
        let asked = Asked::read(&recipe.asked)?;
        let plan = self.inner.plan(asked, recipe.route.target()).await?;

        let files = JobFiles::of(self.book.folder(id));
        let input = Input::file(files.body());
        let input = match &recipe.media_type {
            Some(media_type) => input.media_type(media_type),
            None => input,
        };
        let patience = Patience {
            until: None,
            cancel: cancel.clone(),
        };
        let collecting = self.inner.collect(&plan, input, patience);
        let data = cancel.run_until_cancelled(collecting).await;
        let data = data.unwrap_or(Err(Refusal::Cancelled))?;

        let bill = self.bill(&recipe);
        let identity = Identity::of(&plan.facts.identity, plan.item);
        let items = data.len() as u64;
        let (book, known) = (Arc::clone(&self.book), id.clone());
        let resume = move || Journal::resume(&book, &known, &identity, items, false);
        let journal = tokio::task::spawn_blocking(resume).await;
        let journal = journal
            .map_err(|error| Refusal::internal("a job could not begin", &error))?
            .map_err(|error| Refusal::internal("a job could not begin", &error))?;
        // Data that is read again, after a restart, is the same data.
        if job.items == 0 {
            bill.add_rows(data.summary.rows);
        }
        let cause = Cause {
            request_id: recipe.request_id.unwrap_or_else(RequestId::random),
            job: Some(id.as_str().into()),
            trace: recipe.trace.clone(),
        };
        let done = self
            .inner
            .run(&plan, data, journal, cancel.clone(), bill, cause)
            .await?;
        done.check(&plan.asked)
            .map_err(|refusal| refusal.of_request(&recipe.route.options, &recipe.asked))?;

        let kind = Kind::named(&recipe.kind).unwrap_or(Kind::Csv);
        let kept = tokio::task::spawn_blocking(move || keep(&files, &done, kind)).await;
        kept.map_err(|error| Refusal::internal("a table was not made", &error))?
    }

    /// Who pays for a job: the meter stands in the book with it, so that it is the same
    /// whichever process goes on with it.
    fn bill(&self, recipe: &Recipe) -> Bill {
        let (Some(usage), Some(meter)) = (self.usage.clone(), recipe.meter.clone()) else {
            return Bill::Nobody;
        };
        Bill::Job(Arc::new(move |used: Tallied| {
            let amounts = Amounts {
                memory_ms: used.memory_ms,
                invocations: used.invocations,
                rows: used.rows,
                ..Amounts::default()
            };
            usage.count(&meter, &amounts, Timestamp::now());
        }))
    }

    /// Lets the book know of a job that did not come to be run.
    async fn note(&self, id: &JobId, refusal: &Refusal) {
        if matches!(refusal, Refusal::Cancelled) {
            return;
        }
        let give_up = |book: &JobBook, (id, why): (JobId, String)| {
            let waits = !book.find(&id)?.state.is_over();
            if waits {
                book.give_up(&id, &why)
            } else {
                Ok(())
            }
        };
        let noted = self.book(give_up, (id.clone(), refusal.to_string())).await;
        if let Err(error) = noted {
            tracing::warn!(job = %id, %error, "the book of jobs was not told how a job ended");
        }
    }
}

/// Brings the results together and puts them on the disk.
fn keep(files: &JobFiles, done: &Done, kind: Kind) -> Result<Outcome, Refusal> {
    let table = done.table()?;
    let failures = done.failures();
    files
        .keep_table(&table, kind, failures.as_deref())
        .map_err(|error| Refusal::internal("a table could not be kept", &error))?;
    Ok(Outcome::Table {
        kind: kind.name().to_owned(),
        items: done.data.len(),
        failed: done.finished.failures.len(),
        failures,
    })
}
