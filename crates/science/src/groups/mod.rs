//! Rows of one id brought together and aggregated, without keeping the rows.
//!
//! Reading order: [`batch`] turns a block of text into runs of rows with equal ids,
//! sorted into partitions by a hash of the id; [`table`] holds the groups of one
//! partition, whose states in [`state`] take up the values; [`work`] lets several
//! threads do both at once; [`ids`] finds what type the ids have, and their order;
//! [`write`] makes CSV of it.
//!
//! A group belongs to one partition, and a partition takes batches in the order of
//! their blocks. So every group sees its values in the order of the rows, and its
//! result does not depend on how many threads there are, to the last bit.

mod batch;
mod ids;
mod state;
mod table;
mod work;
mod write;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::num::NonZeroUsize;

pub use ids::Ids;

use crate::Error;

/// What is computed of the values of a group. Missing values do not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    Sum,
    Mean,
    Min,
    Max,
    /// Of the sample: divided by the number of values less one.
    Std,
    /// How many values are not missing, whatever they are.
    Count,
    Median,
    /// Interpolated between the neighbours. From 0 to 1.
    Quantile(f64),
}

/// How ids are to be understood. Text that stands for the same number is one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// To be found out. This needs a second pass if equal ids are written differently.
    #[default]
    Unknown,
    Integers,
    Floats,
    Booleans,
}

#[derive(Debug, Clone)]
pub struct Plan {
    /// The column of ids.
    pub by: String,
    pub value: String,
    pub aggregate: Aggregate,
    pub spelling: Spelling,
    pub threads: NonZeroUsize,
    /// Bytes that groups and what is kept of their values may take.
    pub memory: u64,
}

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub bytes: u64,
    pub rows: u64,
    /// Rows without an id, which belong to no group.
    pub dropped: u64,
}

/// One result per group, in the order of the ids.
#[derive(Debug, Clone)]
pub struct Groups {
    pub by: String,
    pub value: String,
    pub ids: Ids,
    pub results: Results,
    pub summary: Summary,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Results {
    Integers(Vec<i64>),
    /// NaN where there is none.
    Floats(Vec<f64>),
}

/// Reads CSV to its end, and aggregates it. `progress` hears of bytes as they are read.
pub fn aggregate(
    input: impl Read + Send,
    plan: &Plan,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Groups, Error> {
    use state::{Count, Extreme, Mean, Spread, Sum, Values};
    match plan.aggregate {
        Aggregate::Sum => work::run::<Sum>(input, plan, progress),
        Aggregate::Mean => work::run::<Mean>(input, plan, progress),
        Aggregate::Min => work::run::<Extreme<true>>(input, plan, progress),
        Aggregate::Max => work::run::<Extreme<false>>(input, plan, progress),
        Aggregate::Std => work::run::<Spread>(input, plan, progress),
        Aggregate::Count => work::run::<Count>(input, plan, progress),
        Aggregate::Median | Aggregate::Quantile(_) => work::run::<Values>(input, plan, progress),
    }
}
