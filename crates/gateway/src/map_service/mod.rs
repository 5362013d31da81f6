//! A table in, a table out: what a client sends to a route of type map goes in items
//! to instances of a function, and the answer has a row for each. Behind it stands
//! whatever can run functions, the engine in this process or AWS.
//!
//! Reading order: [`service`] walks a request through; `asked` and `accept` say what
//! it asks for, `plan` how it is done, `functions` what must be known of functions;
//! `intake` brings the body in and `outgoing` the table out, `answer` says which;
//! `refusal` why there is none. [`jobs`] are those that nobody waits for: `job_files`
//! is what is on the disk of them, `job_work` the work, `job_pages` what is shown and
//! `asker` to whom.

mod accept;
mod answer;
mod asked;
mod asker;
mod functions;
mod intake;
mod job_files;
mod job_pages;
mod job_work;
mod jobs;
mod outgoing;
mod plan;
mod refusal;
mod route;
mod service;
mod tallying;
mod told;

pub(crate) use accept::Kind;
#[cfg(test)]
pub(crate) use asked::NAMES as OPTIONS;
pub use asked::Pairs;
pub(crate) use asked::shortened;
pub use asker::Asker;
pub(crate) use refusal::{Refusal, error_response};

pub use functions::{Facts, Functions};
pub use jobs::{JobSettings, Jobs};
pub use route::MapRoute;
pub use service::{Call, MapService, ServiceSettings};
