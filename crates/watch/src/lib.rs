//! What happens, told to who watches: who answered a request, how often and how long
//! things take, and by which way a request came. No network and no files here: what is
//! collected is written and sent by who composes the server.
//!
//! Reading order: [`Watch`] is the handle that all hold. [`Incoming`] and [`About`] travel
//! with a request and its answer; of them comes a [`line`] of the access log,
//! and one in the [`format`] of a stage. [`metrics`]
//! counts by route and function into a [`table`] of series and [`histogram`]s, told as
//! [`exposition`] to Prometheus and, as [`history`] has it, as [`top`] to people. [`trace`]
//! has the headers of traces, [`span`] what is recorded of them, [`otlp`] how it is sent.
//! [`alerts`] look at it by rules.

mod about;
mod incoming;
mod queue;
mod table;
mod watch;

pub mod alerts;
pub mod exposition;
pub mod format;
pub mod histogram;
pub mod history;
pub mod line;
pub mod metrics;
pub mod otlp;
pub mod span;
pub mod top;
pub mod trace;

pub use about::About;
pub use history::History;
pub use incoming::{Incoming, request_id};
pub use line::Line;
pub use queue::Queue;
pub use span::{Begun, Span, Tracer};
pub use top::Top;
pub use watch::{Lines, Watch};
