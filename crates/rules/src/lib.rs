//! Rules and schedules: which events, and which moments, run which functions.
//!
//! Reading order: [`pattern`], [`input`] and [`schedule`] are pure, and say which
//! events a rule wants, what its targets get of them, and when something runs.
//! [`model`] is what clients make; `state` holds it, and [`Rules`] is the door.
//! `routes` takes events to functions, `timetable` moments; `run` is the loop.

pub mod input;
pub mod model;
pub mod pattern;
pub mod schedule;

mod clock;
mod error;
mod rules;
mod state;

mod buses;
mod rule_book;
mod schedule_book;
mod tags;

mod put_events;
mod routes;
mod run;
mod schedule_call;
mod timetable;
mod upcoming;

pub use buses::{BusPatch, NewBus};
pub use clock::Clock;
pub use error::{RuleError, ScheduleError};
pub use put_events::{EntryError, NewEntry};
pub use routes::Routes;
pub use rule_book::{NewRule, NewTarget, RefusedTarget};
pub use rules::{Policy, Rules};
pub use run::{AdvanceError, Advanced};
pub use schedule_book::{NewSchedule, NewScheduleTarget};
pub use timetable::Missed;
pub use upcoming::{Ran, RunError, RunKind, Upcoming};

use types::Timestamp;

/// `2026-11-21T02:00:00Z`: times in events are to the second.
pub(crate) fn wire_time(t: Timestamp) -> String {
    let text = t.rfc3339();
    let seconds = text.split_once('.').map_or(text.as_str(), |(text, _)| text);
    format!("{seconds}Z")
}

#[cfg(test)]
mod tests;
