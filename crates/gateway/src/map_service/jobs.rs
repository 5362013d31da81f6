//! Jobs that are not waited for: `Prefer: respond-async`. A job is accepted once its
//! body is on the disk and it stands in the book; it is worked on until it has an
//! outcome, whatever happens to the process meanwhile.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_wire::Body;
use bytes::Bytes;
use engine::usage::Usage;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use map::run::Exchange;
use parking_lot::Mutex;
use serde_json::json;
use store::StoreError;
use store::jobs::{Job, JobBook, JobError, JobId, JobState, Keep, NewJob};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::functions::Functions;
use super::job_files::{JobFiles, Recipe};
use super::plan::not_kept;
use super::refusal::{Refusal, error_response};
use super::service::{Call, Inner, MapService};
use super::tallying::Counted;
use super::told::Cause;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const ASYNC: &str = "respond-async";
/// Whose jobs these are, in the book.
pub(crate) const MAKER: &str = "service";
/// Jobs of the book that are looked at for some that are to go on.
const LOOKED_AT: usize = 100_000;
/// Failures of jobs that are remembered.
const REMEMBERED: usize = 1_000;
/// How often the book is relieved of what is too much.
const PRUNING: Duration = Duration::from_hours(1);

/// What jobs that are not waited for may take.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// That are worked on at one time.
    pub at_once: usize,
    /// That wait or are worked on; more are refused.
    pub most: usize,
}

/// Takes jobs, works on them, and shows them. A clone is another handle.
#[derive(Debug)]
pub struct Jobs<I, X> {
    pub(super) desk: Arc<Desk<I, X>>,
}

#[derive(Debug)]
pub(super) struct Desk<I, X> {
    pub inner: Arc<Inner<I, X>>,
    pub book: Arc<JobBook>,
    /// Counts what is done for who pays.
    pub usage: Option<Arc<Usage>>,
    settings: JobSettings,
    pub turns: Semaphore,
    /// Of those that wait or are worked on.
    pub under_way: Mutex<HashMap<String, CancellationToken>>,
    /// When jobs failed, the latest last.
    pub failures: Mutex<VecDeque<Instant>>,
    /// Those whose bodies are on their way to the disk.
    arriving: AtomicUsize,
    /// The end of all that is under way: it goes on at the next start.
    pub end: CancellationToken,
    tasks: TaskTracker,
}

impl<I, X> Clone for Jobs<I, X> {
    fn clone(&self) -> Self {
        Self {
            desk: Arc::clone(&self.desk),
        }
    }
}

impl<I: Functions, X: Exchange + 'static> Jobs<I, X> {
    /// Takes jobs for a service.
    pub fn new(
        service: &MapService<I, X>,
        book: Arc<JobBook>,
        usage: Option<Arc<Usage>>,
        settings: JobSettings,
    ) -> Self {
        Self {
            desk: Arc::new(Desk {
                inner: Arc::clone(&service.inner),
                book,
                usage,
                turns: Semaphore::new(settings.at_once),
                settings,
                under_way: Mutex::default(),
                failures: Mutex::default(),
                arriving: AtomicUsize::new(0),
                end: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Goes on with what an earlier process left, and keeps the book from growing.
    pub async fn start(&self) -> Result<(), StoreError> {
        let left = self.desk.book(JobBook::list, LOOKED_AT).await?;
        for job in left.into_iter().rev() {
            let files = JobFiles::of(self.desk.book.folder(&job.id));
            if job.maker != MAKER || job.cancel || job.state == JobState::Cancelled {
                continue;
            }
            if files.is_open() {
                tracing::info!(job = %job.id, "a job of the map goes on");
                self.begin(job.id);
            } else if job.state == JobState::Waiting {
                // Its client was never told that it was accepted.
                let given_up = self.desk.book.give_up(&job.id, "its data did not come");
                if let Err(error) = given_up {
                    tracing::warn!(%error, job = %job.id, "a job could not be given up");
                }
            }
        }
        let desk = Arc::clone(&self.desk);
        self.desk.tasks.spawn(async move {
            let end = desk.end.clone();
            while end
                .run_until_cancelled(tokio::time::sleep(PRUNING))
                .await
                .is_some()
            {
                match desk
                    .book(|book, keep| book.prune(&keep), Keep::default())
                    .await
                {
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "the book of jobs could not be pruned"),
                }
            }
        });
        Ok(())
    }

    /// How many jobs failed in the last while, of those that this process remembers.
    pub fn failed_within(&self, span: Duration) -> u64 {
        let failures = self.desk.failures.lock();
        let lately = failures.iter().rev();
        let lately = lately.take_while(|at| at.elapsed() <= span);
        lately.count() as u64
    }

    /// The jobs that wait or are worked on, the newest first.
    pub async fn under_way(&self) -> Result<Vec<Job>, StoreError> {
        let ids: HashSet<String> = self.desk.under_way.lock().keys().cloned().collect();
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            let known: Result<JobId, _> = id.parse();
            let known = known.expect("jobs that are under way have ids");
            match self.desk.book(|book, id| book.find(&id), known).await {
                Ok(job) => jobs.push(job),
                // Somebody took it out of the book.
                Err(JobError::NoSuchJob(_) | JobError::Running { .. }) => {}
                Err(JobError::Store(error)) => return Err(error),
            }
        }
        jobs.sort_by(|one, other| (other.created, &other.id).cmp(&(one.created, &one.id)));
        Ok(jobs)
    }

    /// Stops all that is under way, so that it can go on later.
    pub async fn stop(&self) {
        self.desk.end.cancel();
        self.desk.tasks.close();
        self.desk.tasks.wait().await;
    }

    /// How many are worked on, and how many are not done, those included.
    pub fn counts(&self) -> (usize, usize) {
        let free = self.desk.turns.available_permits();
        let under_way = self.desk.under_way.lock().len();
        let running = self.desk.settings.at_once.saturating_sub(free);
        (running.min(under_way), under_way)
    }

    fn begin(&self, id: JobId) {
        let cancel = self.desk.end.child_token();
        let key = id.to_string();
        self.desk
            .under_way
            .lock()
            .insert(key.clone(), cancel.clone());
        let desk = Arc::clone(&self.desk);
        self.desk.tasks.spawn(async move {
            desk.work(&id, &cancel).await;
            desk.under_way.lock().remove(&key);
        });
    }

    /// Whether a request wants to be answered before its work is done.
    pub fn is_for(&self, parts: &Parts) -> bool {
        let all = parts.headers.get_all(PREFER).iter();
        let mut preferences = all.filter_map(|value| value.to_str().ok());
        preferences.any(|text| {
            let mut names = text.split([',', ';']).map(str::trim);
            names.any(|name| name.eq_ignore_ascii_case(ASYNC))
        })
    }

    /// Answers when the job will be done whatever happens.
    pub async fn accept<B>(&self, call: &Call<'_>, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
    {
        if call.parts.method == Method::OPTIONS {
            return super::service::options();
        }
        match self.take(call, body).await {
            Ok(id) => accepted(call, &id),
            Err(refusal) => refusal.respond(call.request_id),
        }
    }

    async fn take<B>(&self, call: &Call<'_>, body: B) -> Result<JobId, Refusal>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
    {
        let head = self.desk.inner.head(call)?;
        // A function that is not there is better known now than later.
        let target = &head.target;
        let invoke = &self.desk.inner.invoke;
        let facts = invoke.facts(&target.function, target.qualifier.as_ref());
        facts.await?;
        let arrival = Arrival::of(&self.desk)?;
        let settings = &self.desk.inner.settings;
        let body = Counted::new(body, call.tally.clone());
        let spooled = spool(body, &settings.scratch, settings.body_bytes).await?;
        let media_type = call.parts.headers.get(CONTENT_TYPE);
        let media_type = media_type.filter(|_| head.format.is_some());
        let recipe = Recipe {
            base: call.base.to_owned(),
            route: call.route.clone(),
            asked: head.pairs,
            media_type: media_type.and_then(|value| Some(value.to_str().ok()?.to_owned())),
            kind: head.kind.name().to_owned(),
            owner: call.asker.owner(),
            meter: call.meter.as_deref().map(str::to_owned),
            request_id: Some(call.request_id),
            trace: Cause::of(call.parts, call.request_id).trace,
        };
        let job = NewJob {
            maker: MAKER,
            function: head.target.function.to_string(),
            input: format!("{} {}", call.parts.method, call.base),
            recipe: serde_json::to_string(&recipe).expect("texts and maps of texts become JSON"),
            items: 0,
        };
        // From here on the job stands in the book: a client that goes away before it is
        // answered must not leave one that nobody begins.
        let jobs = self.clone();
        let kept = self.desk.tasks.spawn(async move {
            let kept = jobs.desk.book(accept_into, (job, spooled)).await?;
            jobs.begin(kept.clone());
            drop(arrival);
            Ok::<_, StoreError>(kept)
        });
        let kept = kept.await;
        let kept = kept.map_err(|error| Refusal::internal("a job was not accepted", &error))?;
        kept.map_err(|error| Refusal::internal("a job was not accepted", &error))
    }
}

impl<I: Send + Sync + 'static, X: Send + Sync + 'static> Desk<I, X> {
    /// Remembers that a job failed.
    pub fn failed(&self) {
        let mut failures = self.failures.lock();
        if failures.len() == REMEMBERED {
            failures.pop_front();
        }
        failures.push_back(Instant::now());
    }

    /// Asks the book, on a thread that may wait for the disk.
    pub async fn book<A, R>(
        &self,
        ask: impl FnOnce(&JobBook, A) -> R + Send + 'static,
        about: A,
    ) -> R
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        let book = Arc::clone(&self.book);
        let asked = tokio::task::spawn_blocking(move || ask(&book, about)).await;
        asked.expect("the book of jobs does not panic")
    }
}

/// Enters a job whose body is on the disk.
fn accept_into(
    book: &JobBook,
    (job, spooled): (NewJob, tempfile::TempPath),
) -> Result<JobId, StoreError> {
    let id = book.accept(&job)?;
    let begun = JobFiles::of(book.folder(&id)).begin(&spooled);
    if let Err(source) = begun {
        if let Err(error) = book.give_up(&id, "its data could not be kept") {
            tracing::warn!(%error, job = %id, "a job could not be given up");
        }
        return Err(StoreError::Io {
            action: "keep the data of",
            path: spooled.to_path_buf(),
            source,
        });
    }
    Ok(id)
}

/// A place among the jobs for one whose body has yet to come: many that come at once
/// must not all find the same place free, and fill the disk.
struct Arrival<I, X>(Arc<Desk<I, X>>);

impl<I, X> Arrival<I, X> {
    fn of(desk: &Arc<Desk<I, X>>) -> Result<Self, Refusal> {
        let arriving = desk.arriving.fetch_add(1, Ordering::AcqRel);
        let arrival = Self(Arc::clone(desk));
        let waiting = desk.under_way.lock().len() + arriving;
        if waiting >= desk.settings.most {
            return Err(Refusal::QueueFull { waiting });
        }
        Ok(arrival)
    }
}

impl<I, X> Drop for Arrival<I, X> {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads files, on a thread that may wait for the disk.
pub(super) async fn read<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(read).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| Refusal::internal("the files of a job could not be read", &error))
}

/// Where a job is shown.
pub(super) fn place(base: &str, id: &JobId) -> String {
    let base = base.strip_suffix('/').unwrap_or(base);
    format!("{base}/jobs/{id}")
}

fn accepted(call: &Call<'_>, id: &JobId) -> Response<Body> {
    let place = place(call.place, id);
    let shown = json!({
        "job": id.as_str(),
        "state": "waiting",
        "status": place,
        "result": format!("{place}/result"),
    });
    let mut response = error_response(StatusCode::ACCEPTED, &shown);
    let headers = response.headers_mut();
    let place = HeaderValue::from_str(&place).expect("paths of routes are plain");
    headers.insert(LOCATION, place);
    headers.insert(APPLIED, HeaderValue::from_static(ASYNC));
    response
}

/// Puts a body on the disk for good. Dropped before it is taken over, it is gone.
async fn spool<B>(mut body: B, scratch: &Path, limit: u64) -> Result<tempfile::TempPath, Refusal>
where
    B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
{
    let folder: PathBuf = scratch.into();
    let made = read(move || tempfile::Builder::new().prefix("body-").tempfile_in(folder)).await?;
    let (file, path) = made.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Refusal::Stalled,
            _ => Refusal::Broken,
        })?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        size += piece.len() as u64;
        if size > limit {
            return Err(Refusal::TooLarge { limit });
        }
        file.write_all(&piece)
            .await
            .map_err(|error| not_kept(&error))?;
    }
    // What would fail for its answer's reader is told to its sender.
    if size == 0 {
        return Err(Refusal::Empty);
    }
    file.flush().await.map_err(|error| not_kept(&error))?;
    file.sync_all().await.map_err(|error| not_kept(&error))?;
    Ok(path)
}
