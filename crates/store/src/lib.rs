//! What Squall keeps on disk, in one data directory: documents, events and
//! records in SQLite; blobs, unpacked packages and logs in files. Everything
//! that was acknowledged survives `kill -9`.

mod store;

mod documents;
mod events;
mod records;

mod blobs;
mod logs;
mod packages;

mod database;
mod error;
mod files;
mod lock;
mod mailbox;
mod writer;

pub use blobs::{BlobInfo, Blobs};
pub use documents::{Change, Documents};
pub use error::{OpenError, StoreError};
pub use events::{AcceptError, Event, Events, NewEvent};
pub use logs::{
    LogCursor, LogError, LogEvent, LogGroup, LogLine, LogPage, LogQuery, LogStream, Logs,
    StreamOrder,
};
pub use packages::{Packages, UnpackError, UnpackLimits, Unpacked};
pub use records::{Record, Records};
pub use store::{Durability, Store};

#[cfg(test)]
mod tests;
