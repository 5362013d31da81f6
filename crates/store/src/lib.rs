//! What Squall keeps on disk, in one data directory: documents, events, records
//! and what is known of objects in SQLite; the bytes of objects, blobs, unpacked
//! packages and logs in files. Everything that was acknowledged survives
//! `kill -9`.

mod store;

pub mod jobs;

mod deliveries;
mod documents;
mod events;
mod meters;
mod objects;
mod records;

mod blob_writer;
mod blobs;
mod logs;
mod packages;

mod database;
mod error;
mod files;
mod ledger;
mod lock;
mod mailbox;
mod operation;
mod writer;

pub use blob_writer::BlobWriter;
pub use blobs::{BlobInfo, Blobs};
pub use deliveries::{Deliveries, Delivery, DeliveryState};
pub use documents::{Change, Documents};
pub use error::{OpenError, StoreError};
pub use events::{AcceptError, Event, EventSource, Events, NewEvent, RetryPolicy};
pub use logs::{
    LogCursor, LogError, LogEvent, LogGroup, LogLine, LogPage, LogQuery, LogStream, Logs,
    StreamOrder,
};
pub use meters::{Amounts, Meters, Reading};
pub use objects::{
    Announcement, BucketId, BucketRow, BucketSize, CausedEvents, CheckProgress, CheckReport,
    Committed, Content, ContentHash, ContentReader, ContentWriter, Damage, Found, ListMark,
    ListPage, ListQuery, MatchRule, NewPart, NewUpload, ObjectError, Objects, Orphan, Part,
    PartRow, Precondition, PutObject, Stored, StoredBody, StoredObject, UploadId, UploadRow,
    Versioning, check,
};
pub use packages::{Packages, UnpackError, UnpackLimits, Unpacked};
pub use records::{Record, Records, Usage};
pub use store::{Durability, Store};
pub use writer::Commits;

#[cfg(test)]
mod tests;
