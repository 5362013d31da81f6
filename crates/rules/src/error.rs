//! Why a request about rules or schedules was refused. Texts are what AWS tells
//! its clients; the wire crate adds code and status.

use store::StoreError;
use types::{BusName, GroupName, RuleName, ScheduleName};

use crate::pattern::BadPattern;

/// About buses and rules.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("Event bus {0} does not exist.")]
    NoBus(BusName),
    #[error("Event bus {0} already exists.")]
    BusExists(BusName),
    #[error("Rule {rule} does not exist on EventBus {bus}.")]
    NoRule { rule: RuleName, bus: BusName },
    #[error("Statement with the provided id does not exist.")]
    NoStatement,
    #[error("The requested resource exceeds the maximum number allowed.")]
    TooMany,
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}

impl RuleError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}

/// About schedules and their groups.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("Schedule {0} does not exist.")]
    NoSchedule(ScheduleName),
    #[error("Schedule group {0} does not exist.")]
    NoGroup(GroupName),
    #[error("Schedule {0} already exists.")]
    ScheduleExists(ScheduleName),
    #[error("Schedule group {0} already exists.")]
    GroupExists(GroupName),
    #[error("The number of {0} has reached its quota.")]
    TooMany(&'static str),
    #[error("{0}")]
    Invalid(String),
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}

impl ScheduleError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}
