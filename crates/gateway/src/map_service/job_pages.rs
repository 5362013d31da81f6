//! The pages of a job that is not waited for: how far it is, its table, its failures,
//! and its end if nobody wants it any more.

use aws_wire::{Body, body};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Response, StatusCode};
use map::run::Exchange;
use serde_json::{Value, json};
use store::jobs::{Cancelled, Job, JobBook, JobError, JobId, JobState};

use super::accept::Kind;
use super::answer::FAILED;
use super::functions::Functions;
use super::job_files::{GONE, JobFiles, Outcome, Recipe};
use super::jobs::{Jobs, MAKER, place, read};
use super::outgoing;
use super::refusal::{Refusal, error_response};
use super::service::Call;

/// Methods that a job takes, and those that what belongs to it does.
const OF_JOB: &str = "GET, HEAD, DELETE";
const OF_RESULT: &str = "GET, HEAD";
/// Failures that are told of one job.
const FAILURES: usize = 10_000;

impl<I: Functions, X: Exchange + 'static> Jobs<I, X> {
    /// Answers a request to something below the route.
    pub async fn show(&self, call: &Call<'_>, below: &str) -> Response<Body> {
        let shown = self.page(call, below).await;
        shown.unwrap_or_else(|refusal| refusal.respond(call.request_id))
    }

    async fn page(&self, call: &Call<'_>, below: &str) -> Result<Response<Body>, Refusal> {
        let nothing = || Refusal::NoSuchPath {
            path: call.parts.uri.path().chars().take(200).collect(),
        };
        let mut words = below.split('/');
        let (Some("jobs"), Some(id)) = (words.next(), words.next()) else {
            return Err(nothing());
        };
        let what = words.next();
        if words.next().is_some() || !matches!(what, None | Some("result" | "failures")) {
            return Err(nothing());
        }
        let (job, recipe) = self.find(call, id).await?;
        let allowed = if what.is_none() { OF_JOB } else { OF_RESULT };
        let reads = matches!(call.parts.method, Method::GET | Method::HEAD);
        match (reads, what, &call.parts.method) {
            (true, Some("result"), _) => self.result(&call.parts.headers, &job).await,
            (true, Some(_), _) => self.failures(&job).await,
            (true, None, _) => self.describe(call, &job, &recipe).await,
            (false, None, &Method::DELETE) => self.remove(&job).await,
            (false, ..) => Err(Refusal::Method {
                method: call.parts.method.to_string(),
                allowed,
            }),
        }
    }

    /// A job of this route.
    async fn find(&self, call: &Call<'_>, id: &str) -> Result<(Job, Recipe), Refusal> {
        let missing = || Refusal::NoJob {
            id: id.chars().take(40).collect(),
        };
        let known: JobId = id.parse().map_err(|_| missing())?;
        let job = match self.desk.book(|book, id| book.find(&id), known).await {
            Ok(job) => job,
            Err(JobError::NoSuchJob(_)) => return Err(missing()),
            Err(error) => return Err(Refusal::internal("a job could not be found", &error)),
        };
        let recipe = serde_json::from_str(&job.recipe).ok();
        let recipe = recipe.filter(|recipe: &Recipe| recipe.base == call.base);
        let recipe = recipe.filter(|_| job.maker == MAKER);
        let reads = matches!(call.parts.method, Method::GET | Method::HEAD);
        let may = |recipe: &Recipe| call.asker.may(reads, recipe.owner.as_deref());
        // Of a job of somebody else not even that it is there is told.
        let recipe = recipe.filter(may);
        Ok((job, recipe.ok_or_else(missing)?))
    }

    async fn describe(
        &self,
        call: &Call<'_>,
        job: &Job,
        recipe: &Recipe,
    ) -> Result<Response<Body>, Refusal> {
        let files = JobFiles::of(self.desk.book.folder(&job.id));
        let outcome = read(move || files.outcome()).await?;
        if let Some(Outcome::Error {
            status: GONE,
            error,
        }) = &outcome
        {
            return Ok(error_response(StatusCode::GONE, error));
        }
        let place = place(call.place, &job.id);
        let mut shown = json!({
            "job": job.id.as_str(),
            "state": state(job, outcome.as_ref()),
            "function": job.function,
            "options": recipe.asked,
            "created": job.created,
            "updated": job.updated,
            "items": job.items,
            "progress": job.progress.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()),
        });
        match outcome {
            Some(Outcome::Table { items, failed, .. }) => {
                shown["items"] = items.into();
                shown["failed"] = failed.into();
                shown["result"] = format!("{place}/result").into();
            }
            Some(Outcome::Error { error, .. }) => shown["error"] = error,
            None => {}
        }
        Ok(error_response(StatusCode::OK, &shown))
    }

    async fn result(&self, headers: &HeaderMap, job: &Job) -> Result<Response<Body>, Refusal> {
        let files = JobFiles::of(self.desk.book.folder(&job.id));
        let looked = files.clone();
        let (kept, failed, failures) = match read(move || looked.outcome()).await? {
            Some(Outcome::Table {
                kind,
                failed,
                failures,
                ..
            }) => (kind, failed, failures),
            Some(Outcome::Error { status, error }) => {
                let status = StatusCode::from_u16(status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(error_response(status, &error));
            }
            None => {
                return Err(Refusal::NotFinished {
                    id: job.id.to_string(),
                    state: state(job, None).to_owned(),
                });
            }
        };
        let kept = Kind::named(&kept).unwrap_or(Kind::Csv);
        let kind = Kind::accepted(headers, kept)?;
        // A slow client holds a thread that others need, too.
        let slot = self.desk.inner.slot().await?;
        let body = outgoing::written(move |out| {
            let written = files.write_table(kept, kind, failures.as_deref(), out);
            drop(slot);
            written
        });
        let body = body
            .await
            .map_err(|error| Refusal::internal("a job's table could not be read", &error))?;
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, kind.content_type());
        headers.insert(FAILED, failed.into());
        Ok(response)
    }

    async fn failures(&self, job: &Job) -> Result<Response<Body>, Refusal> {
        let read = |book: &JobBook, id: JobId| book.failures(&id, 0, FAILURES);
        let failures = self.desk.book(read, job.id.clone()).await;
        let failures =
            failures.map_err(|error| Refusal::internal("failures could not be read", &error))?;
        let shown: Value = failures
            .into_iter()
            .map(|failure| {
                json!({
                    "id": failure.id,
                    "errorType": failure.error_type,
                    "message": failure.message,
                    "stackTrace": failure.stack,
                    "attempts": failure.attempts,
                })
            })
            .collect();
        Ok(error_response(StatusCode::OK, &shown))
    }

    /// Cancels a job that is under way, and forgets what came of one that is over.
    async fn remove(&self, job: &Job) -> Result<Response<Body>, Refusal> {
        let cancelled = self
            .desk
            .book(|book, id| book.cancel(&id), job.id.clone())
            .await
            .map_err(|error| Refusal::internal("a job could not be cancelled", &error))?;
        let token = self.desk.under_way.lock().get(job.id.as_str()).cloned();
        match (token, cancelled) {
            (Some(token), _) => token.cancel(),
            (None, Cancelled::Asked) => {}
            (None, Cancelled::Done | Cancelled::Over(_)) => {
                let files = JobFiles::of(self.desk.book.folder(&job.id));
                let gone = Outcome::gone(&job.id);
                read(move || files.remove().and_then(|()| files.conclude(&gone))).await?;
            }
        }
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

/// An outcome says more than the book, which may not have been told of it.
fn state(job: &Job, outcome: Option<&Outcome>) -> &'static str {
    match (outcome, job.state) {
        (Some(Outcome::Table { .. }), _) => "complete",
        (Some(Outcome::Error { .. }), JobState::Complete | JobState::Waiting) => "failed",
        // It will go on, or does already.
        (None, JobState::Complete | JobState::Interrupted | JobState::Failed) => "running",
        (_, state) => state.as_str(),
    }
}
