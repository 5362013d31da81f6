//! A data set fans out over functions, and comes back whole: items are taken from
//! what `science` collected, encoded in chunks, sent through [`types::Invoke`],
//! and their results brought together in order.
//!
//! Reading order: [`options`] says what a job may be asked for; [`input`] reads a data
//! set, in one of the formats of [`format`](mod@format), into the items that a job works
//! on; [`payload`] is what a function is sent and what it answers; `core` decides,
//! without any I/O, what is sent when; [`run`] does what was decided; [`journal`] keeps
//! what is done; [`results`] makes a table of it, and [`failures`] one of what failed;
//! [`forecast`] says beforehand what a job will take, [`stats`] while it runs how far
//! it is, both by [`prices`].

pub mod format;
pub mod input;
pub mod options;
pub mod payload;

mod core;
pub mod failures;
pub mod forecast;
pub mod journal;
pub mod prices;
pub mod results;
pub mod run;
pub mod stats;
