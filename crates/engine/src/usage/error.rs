//! Why a request about usage plans, or a call under one, was refused.

use store::StoreError;
use types::Timestamp;

/// The text of each variant is what AWS tells its clients; the wire crate adds the code.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("Invalid Usage Plan identifier specified")]
    NotFound,
    #[error("Invalid API Key identifier specified")]
    NoKey,
    #[error("the key is in this plan already")]
    HasKey,
    #[error("the plan has not this key")]
    HasNotKey,
    /// A key would be in two plans of one stage, and nobody knew which counts.
    #[error("the key is in the usage plan {0} already, which has the stage {1}, too")]
    TwoPlans(String, String),
    #[error("Cannot delete a usage plan that has API stages: remove them from it first")]
    HasStages,
    #[error("the account has {0} usage plans, which is all that it can have")]
    TooMany(usize),
    /// A part of the request of the wrong form.
    #[error("{0}")]
    Invalid(String),
    #[error("there is no entropy: {0}")]
    Random(getrandom::Error),
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}

/// Why a call with a good key is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// The key is in plans, and none of them has the stage.
    #[error("no usage plan of the key has this stage")]
    NoPlan,
    #[error("too many calls at once")]
    Throttled { retry_after_ms: u64 },
    #[error("the quota is used up")]
    OverQuota { until: Timestamp },
    #[error("what was used so far cannot be read")]
    Store(#[from] StoreError),
}
