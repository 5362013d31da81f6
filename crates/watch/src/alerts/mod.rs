//! Alerts: a rule says what shall not be, and it is told once when it begins to be and once
//! when it is over. Pure computing: who runs it brings samples, the time and the way to
//! those who are told.
//!
//! Reading order: [`Condition`] is what a rule says, [`sample`] what it is held against,
//! [`step`] what follows.

mod condition;
pub mod sample;
mod step;

pub use condition::{BadCondition, Condition, Measure, Unit};
pub use sample::{Beside, QuotaUse, Scope};
pub use step::{Pace, Phase, Tell, step};
