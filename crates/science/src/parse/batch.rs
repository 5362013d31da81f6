//! What a block of input becomes: runs of rows with equal ids, sorted into partitions
//! by a hash of the id. Ids next to each other that are equal are looked up once, and
//! in sorted data that is nearly all of the work saved.

use std::ops::Range;

use types::table::Values;

use super::key::Key;
use crate::Problem;

/// Rows of one id that follow each other.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// The id if it is a number; see [`Run::text`].
    pub key: i64,
    /// The length of the id in the batch's text, or [`Run::NUMBER`].
    pub text: u32,
    pub rows: u32,
    /// How many runs the block has before.
    pub ordinal: u32,
}

impl Run {
    pub const NUMBER: u32 = u32::MAX;
}

/// Bytes of columns whose memory is kept; blocks are smaller, unless a field is huge.
const KEPT: u64 = 4 * 1024 * 1024;

/// What a block has for one partition.
#[derive(Debug, Default)]
pub struct Batch {
    pub runs: Vec<Run>,
    /// The ids that are text, one behind the other.
    pub text: Vec<u8>,
    /// Integers or the bits of floats, one for each row, if one column is taken.
    pub values: Vec<u64>,
    /// All columns, if all are taken.
    pub columns: Vec<Values>,
    pub facts: Facts,
}

impl Batch {
    /// Keeps the memory for the next, unless it was for something unusual.
    pub fn clear(&mut self) {
        let columns = self.columns.iter().map(Values::bytes).sum::<u64>();
        if columns > KEPT {
            *self = Self::default();
            return;
        }
        self.runs.clear();
        self.text.clear();
        self.values.clear();
        for column in &mut self.columns {
            column.clear();
        }
        self.facts = Facts::default();
    }

    /// Every run with its id, and where its rows are.
    pub fn stretches(&self) -> impl Iterator<Item = (&Run, Key<'_>, Range<usize>)> {
        let mut text = 0;
        let mut row = 0;
        self.runs.iter().map(move |run| {
            let key = if run.text == Run::NUMBER {
                Key::Number(run.key)
            } else {
                let start = text;
                text += run.text as usize;
                Key::Text(&self.text[start..text])
            };
            let start = row;
            row += run.rows as usize;
            (run, key, start..row)
        })
    }
}

/// What is true of a whole block.
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
#[derive(Debug, Default, Clone, Copy)]
pub struct Facts {
    pub rows: u64,
    pub dropped: u64,
    pub runs: u32,
    /// Values are bits of floats.
    pub floats: bool,
    /// There is a number that is written as a float.
    pub fractions: bool,
    pub missing: bool,
    /// Lines that hold nothing.
    pub blank: u64,
    /// Of JSON lines: some have a field of ids, or of values, be it null.
    pub has_id: bool,
    pub has_value: bool,
    /// An id is text, whatever it looks like.
    pub text_ids: bool,
    /// Ids are of a column of floats, whatever they look like.
    pub float_ids: bool,
    /// A row without an id comes behind one with an id.
    pub dropped_late: bool,
    /// The row with the first integer that is too wide for 64 bits, from 1.
    pub wide: Option<u64>,
}

/// Something wrong with a row, counted from 1 within the block.
#[derive(Debug)]
pub struct BadRow {
    pub row: u64,
    pub problem: Problem,
}

/// The double nearest to an integer; see [`Number::Integer`] for the one that is none.
#[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
pub fn to_float(integer: i64) -> f64 {
    if integer == i64::MIN {
        -0.0
    } else {
        integer as f64
    }
}
