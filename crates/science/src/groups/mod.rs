//! Rows of one id brought together, by several threads.
//!
//! Reading order: [`work`] lets threads read a [`source`] of text, or [`tables`], and
//! hand batches of rows to partitions; [`register`] knows the groups of a partition;
//! [`ids`] finds what type the ids have, and their order.
//!
//! A group belongs to one partition, and a partition takes batches in the order of
//! their blocks. So every group sees its values in the order of the rows, and what
//! comes of it does not depend on how many threads there are, to the last bit.

pub mod ids;
pub mod register;
pub mod source;
pub mod tables;
pub mod work;

pub use ids::Ids;

/// How ids are to be understood. Text that stands for the same number is one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// To be found out. This needs a second pass if equal ids are written differently.
    #[default]
    Unknown,
    Integers,
    Floats,
    Booleans,
    /// As they are written, whatever they look like.
    Texts,
}

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub bytes: u64,
    pub rows: u64,
    /// Rows without an id, which belong to no group.
    pub dropped: u64,
}
