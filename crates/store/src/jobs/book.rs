//! The book as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use types::Timestamp;

use crate::error::StoreError;
use crate::files::make_dir;

use super::desk::Desk;
use super::model::{
    Cancelled, Earlier, End, Identity, ItemFailure, Job, JobError, JobId, JobState, NewJob,
};
use super::prune::{self, Keep, Pruned};
use super::rows::{self, JobRow};
use super::running::{RunningJob, Slot};
use super::schema::{self, Readers};

/// Ids are drawn again so often if one was given before. Of the short ones there are a
/// billion.
const DRAWS: usize = 20;

/// The book of jobs of a data directory. Its calls are short looks into a database or
/// short writes; where even that must not block, call them aside.
#[derive(Debug)]
pub struct JobBook {
    path: PathBuf,
    desk: Arc<Desk>,
    readers: Readers,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl JobBook {
    /// Opens the book of a data directory, or makes both.
    pub fn open(dir: &Path) -> Result<Arc<Self>, StoreError> {
        make_dir(dir)?;
        let path = dir.join(schema::FILE);
        let desk = Arc::new(Desk::new(&path, schema::open_writer(&path)?));
        let worker = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("job-book".to_owned())
            .spawn(move || worker.work())
            .map_err(StoreError::io("start a thread for", &path))?;
        Ok(Arc::new(Self {
            readers: Readers::new(&path),
            path,
            desk,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// Whether a data directory has a book.
    pub fn exists(dir: &Path) -> bool {
        dir.join(schema::FILE).exists()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn readers(&self) -> &Readers {
        &self.readers
    }

    pub(super) fn hurry(&self) {
        self.desk.hurry();
    }

    /// Notes a job that begins later, by [`JobBook::start`]. Who asked for it is somewhere
    /// else and knows it by its id, which nobody guesses.
    pub fn accept(&self, job: &NewJob) -> Result<JobId, StoreError> {
        let mut connection = self.desk.connection.lock();
        let transaction = immediate(&mut connection)?;
        let (_, id) = insert(&transaction, job, || {
            let (high, low) = (random()?, random()?);
            Ok(JobId::long(u128::from(high) << 64 | u128::from(low)))
        })?;
        transaction.commit()?;
        Ok(id)
    }

    /// Begins a new job.
    pub fn begin(
        self: &Arc<Self>,
        job: &NewJob,
        identity: &Identity,
    ) -> Result<RunningJob, StoreError> {
        let mut connection = self.desk.connection.lock();
        let transaction = immediate(&mut connection)?;
        let (number, id) = insert(&transaction, job, || Ok(JobId::short(random()?)))?;
        let slot = self.take(&transaction, id, (number, 1), &[*identity], job.items)?;
        transaction.commit()?;
        drop(connection);
        Ok(self.enter(slot))
    }

    /// Begins a job that was accepted, or goes on with one that has ended. `earlier`
    /// is about results of it if its identity was another before.
    pub fn start(
        self: &Arc<Self>,
        id: &JobId,
        identity: &Identity,
        earlier: Earlier,
        items: u64,
    ) -> Result<RunningJob, JobError> {
        let mut connection = self.desk.connection.lock();
        let transaction = immediate(&mut connection)?;
        let row = self.row(&transaction, id)?;
        if row.job.state == JobState::Running {
            let pid = row.job.pid.unwrap_or(0);
            return Err(JobError::Running {
                id: row.job.id,
                pid,
            });
        }
        let identities = rows::next_identities(&row.job.identities, identity, earlier);
        let place = (row.number, row.round + 1);
        let slot = self.take(&transaction, row.job.id, place, &identities, items)?;
        transaction.commit()?;
        drop(connection);
        Ok(self.enter(slot))
    }

    fn take(
        &self,
        transaction: &Transaction<'_>,
        id: JobId,
        (number, round): (i64, i64),
        identities: &[Identity],
        items: u64,
    ) -> rusqlite::Result<Slot> {
        let now = Timestamp::now();
        rows::start_job(transaction, number, identities, items, &self.desk.here, now)?;
        let mut latest = 0;
        let mut known = Vec::new();
        for identity in identities {
            latest = rows::identity_number(transaction, identity, now)?;
            if rows::has_results(transaction, latest)? {
                known.push(latest);
            }
        }
        Ok(Slot::new(id, number, round, latest, known))
    }

    fn enter(self: &Arc<Self>, slot: Slot) -> RunningJob {
        let slot = Arc::new(slot);
        self.desk.enter(Arc::clone(&slot));
        RunningJob::new(Arc::clone(self), slot)
    }

    pub fn find(&self, id: &JobId) -> Result<Job, JobError> {
        self.readers
            .read(|connection| Ok(self.row(connection, id)?.job))
    }

    /// The newest first.
    pub fn list(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let rows = self
            .readers
            .read(|connection| rows::list(connection, limit, &self.desk.here, Timestamp::now()))?;
        Ok(rows.into_iter().map(|row| row.job).collect())
    }

    /// What failed, by rank: so many, from a rank on.
    pub fn failures(
        &self,
        id: &JobId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<ItemFailure>, JobError> {
        self.readers.read(|connection| {
            let row = self.row(connection, id)?;
            Ok(rows::failures(connection, row.number, from, limit)?)
        })
    }

    /// How many items of a job failed.
    pub fn failure_count(&self, id: &JobId) -> Result<u64, JobError> {
        self.readers.read(|connection| {
            let row = self.row(connection, id)?;
            Ok(rows::failure_count(connection, row.number)?)
        })
    }

    /// Where the maker of a job may keep files of it. Nobody makes the folder but its
    /// maker, but it goes when the job is taken out of the book.
    pub fn folder(&self, id: &JobId) -> PathBuf {
        prune::folder(&self.path, id.as_str())
    }

    /// Asks that a job stops, whichever process runs it.
    pub fn cancel(&self, id: &JobId) -> Result<Cancelled, JobError> {
        let mut connection = self.desk.connection.lock();
        let transaction = immediate(&mut connection)?;
        let row = self.row(&transaction, id)?;
        let outcome = match row.job.state {
            JobState::Running => {
                rows::ask_to_cancel(&transaction, row.number)?;
                Cancelled::Asked
            }
            JobState::Waiting | JobState::Interrupted => {
                let end = End {
                    state: JobState::Cancelled,
                    error: None,
                    progress: None,
                };
                rows::set_state(&transaction, row.number, &end, Timestamp::now())?;
                Cancelled::Done
            }
            over => Cancelled::Over(over),
        };
        transaction.commit()?;
        Ok(outcome)
    }

    /// Notes that a job that was stopped, because its process was, is to go on; unless
    /// somebody asked that it does not.
    pub fn put_back(&self, id: &JobId) -> Result<(), JobError> {
        let mut connection = self.desk.connection.lock();
        let transaction = immediate(&mut connection)?;
        let row = self.row(&transaction, id)?;
        if row.job.cancel {
            return Ok(());
        }
        let end = End {
            state: JobState::Waiting,
            error: None,
            progress: row.job.progress,
        };
        rows::set_state(&transaction, row.number, &end, Timestamp::now())?;
        Ok(transaction.commit()?)
    }

    /// Notes that a job came to nothing before it could begin.
    pub fn give_up(&self, id: &JobId, why: &str) -> Result<(), JobError> {
        let mut connection = self.desk.connection.lock();
        let transaction = immediate(&mut connection)?;
        let row = self.row(&transaction, id)?;
        let end = End {
            state: JobState::Failed,
            error: Some(why.to_owned()),
            progress: None,
        };
        rows::set_state(&transaction, row.number, &end, Timestamp::now())?;
        Ok(transaction.commit()?)
    }

    /// Takes away what is more than is to be kept. Jobs that run keep what they have.
    pub fn prune(&self, keep: &Keep) -> Result<Pruned, StoreError> {
        prune::all(&self.desk, keep)
    }

    fn row(&self, connection: &Connection, id: &JobId) -> Result<JobRow, JobError> {
        let row = rows::find(connection, id, &self.desk.here, Timestamp::now())?;
        row.ok_or_else(|| JobError::NoSuchJob(id.clone()))
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Mutex<Connection> {
        &self.desk.connection
    }
}

impl Drop for JobBook {
    /// Jobs that run hold the book, so there is nothing left but what ended ones
    /// have waiting.
    fn drop(&mut self) {
        self.desk.close();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

/// A transaction that has the right to write from its beginning, so that no other
/// process can come between its reads and its writes.
pub(super) fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn insert(
    transaction: &Transaction<'_>,
    job: &NewJob,
    draw: impl Fn() -> Result<JobId, StoreError>,
) -> Result<(i64, JobId), StoreError> {
    let now = Timestamp::now();
    let mut draws = 0;
    loop {
        let id = draw()?;
        draws += 1;
        match rows::insert_job(transaction, &id, job, now) {
            Ok(number) => return Ok((number, id)),
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
                    && draws < DRAWS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn random() -> Result<u64, StoreError> {
    getrandom::u64().map_err(|error| StoreError::Io {
        action: "get randomness from",
        path: "/dev/urandom".into(),
        source: std::io::Error::other(error.to_string()),
    })
}
