//! The book of jobs: what jobs there are, how far they are, what failed, and results
//! by content. A database of its own (`jobs.db`), which several processes may have
//! open at once: command lines that run jobs, and an engine that does. So it stands
//! outside the lock of the data directory, and SQLite keeps the processes apart.
//!
//! Results are never looked up by job. They belong to an [`Identity`], which says
//! what they depend on beside their item, and have the [`ItemKey`] of the item: who
//! runs the same function over the same item finds them, whatever job that is.
//!
//! Reading order: [`model`] has the words; [`book`] what can be asked of the book as
//! a whole; [`running`] the way of a job that runs, into the thread of [`desk`] that
//! writes; [`sheaf`] how results lie in the database; [`owner`] how a running job is
//! told from one whose process was killed.

mod book;
mod desk;
mod model;
mod owner;
mod prune;
mod rows;
mod running;
mod schema;
mod sheaf;

pub use book::JobBook;
pub use model::{
    BadJobId, Cancelled, Earlier, End, Identity, ItemFailure, ItemKey, Job, JobError, JobId,
    JobState, NewJob,
};
pub use prune::{Keep, Pruned};
pub use running::RunningJob;

#[cfg(test)]
mod tests;
