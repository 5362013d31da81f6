//! From the text of a block to runs of rows: ids next to each other that are equal
//! are looked up once, and in sorted data that is nearly all of the work saved.

use super::{Aggregate, Plan, Spelling};
use crate::Problem;
use crate::csv::{self, Block, End, Layout, Number};

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

/// What a block has for one partition.
#[derive(Debug, Default)]
pub struct Batch {
    pub runs: Vec<Run>,
    /// The ids that are text, one behind the other.
    pub text: Vec<u8>,
    /// Integers or the bits of floats, one for each row.
    pub values: Vec<u64>,
    pub facts: Facts,
}

impl Batch {
    /// Keeps the memory for the next.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.text.clear();
        self.values.clear();
        self.facts = Facts::default();
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

/// Takes blocks apart. One for each thread.
#[derive(Debug)]
pub struct Parser<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
    batches: Vec<Batch>,
    facts: Facts,
    marks: Vec<u32>,
    /// Where rows of the present run go; none if they have no id.
    target: Option<usize>,
    /// The text of the present run's id, if there is a run.
    present: Option<Present>,
    id: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Present {
    /// A range of the block.
    At { start: usize, length: usize },
    /// In `Parser::id`.
    Kept,
}

impl<'a> Parser<'a> {
    pub fn new(plan: &'a Plan, layout: &'a Layout) -> Self {
        Self {
            plan,
            layout,
            batches: Vec::new(),
            facts: Facts::default(),
            marks: Vec::new(),
            target: None,
            present: None,
            id: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Sorts the rows of a block into as many partitions as there are empty batches.
    pub fn parse(&mut self, block: &Block, batches: Vec<Batch>) -> Result<Vec<Batch>, BadRow> {
        self.batches = batches;
        self.facts = Facts {
            floats: self.plan.aggregate == Aggregate::Count,
            ..Facts::default()
        };
        self.present = None;
        self.target = None;
        let text = &block.bytes[..block.end];
        let returns = Returns::of(&text[block.start..]);
        let read = if block.quotes || returns == Returns::Alone || self.layout.fields < 2 {
            self.records(text, block.start, text.len()).map(|_| ())
        } else {
            self.plain(block, returns == Returns::BeforeNewlines)
        };
        // `rows` counts rows that are done.
        read.map_err(|problem| BadRow {
            row: self.facts.rows + 1,
            problem,
        })?;
        for batch in &mut self.batches {
            batch.facts = self.facts;
        }
        Ok(std::mem::take(&mut self.batches))
    }

    /// A block without quotes: all commas and newlines end a field.
    fn plain(&mut self, block: &Block, returns: bool) -> Result<(), Problem> {
        let bytes = &block.bytes;
        let mut marks = std::mem::take(&mut self.marks);
        csv::mark(bytes, block.start, block.end, &mut marks);
        let Layout { fields, id, value } = *self.layout;
        let mut at = 0;
        let mut start = block.start;
        while at < marks.len() {
            let regular = marks
                .get(at..at + fields)
                .filter(|ends| is_regular(bytes, ends));
            let Some(ends) = regular else {
                // Too short, too long or empty.
                start = self.records(&bytes[..block.end], start, start + 1)?;
                while marks.get(at).is_some_and(|mark| (*mark as usize) < start) {
                    at += 1;
                }
                continue;
            };
            let cell = |column: usize| {
                let from = match column {
                    0 => start,
                    _ => ends[column - 1] as usize + 1,
                };
                let mut to = ends[column] as usize;
                if returns && column + 1 == fields && to > from && bytes[to - 1] == b'\r' {
                    to -= 1;
                }
                (from, to)
            };
            let (id_start, id_end) = cell(id);
            let (value_start, value_end) = cell(value);
            start = ends[fields - 1] as usize + 1;
            at += fields;
            if !self.is_present(bytes, id_start, id_end) {
                self.present = Some(Present::At {
                    start: id_start,
                    length: id_end - id_start,
                });
                self.start_run(&bytes[id_start..id_end])?;
            }
            let short = match self.plan.aggregate {
                Aggregate::Count => None,
                _ => csv::short_number(bytes, value_start, value_end),
            };
            match short {
                Some(number) => self.push(number),
                None => self.cell(&bytes[value_start..value_end])?,
            }
        }
        self.marks = marks;
        Ok(())
    }

    /// Records of any kind, from `at` until one ends at `until` or behind it.
    fn records(&mut self, text: &[u8], mut at: usize, until: usize) -> Result<usize, Problem> {
        let mut id = std::mem::take(&mut self.value);
        let mut value = Vec::new();
        while at < until {
            at = csv::skip_blank(text, at);
            if at >= text.len() {
                break;
            }
            id.clear();
            value.clear();
            at = self.record(text, at, &mut id, &mut value)?;
            let same = match self.present {
                Some(Present::Kept) => self.id == id,
                Some(Present::At { start, length }) => text[start..start + length] == id,
                None => false,
            };
            if !same {
                self.id.clone_from(&id);
                self.present = Some(Present::Kept);
                self.start_run(&id)?;
            }
            self.cell(if self.layout.id == self.layout.value {
                &id
            } else {
                &value
            })?;
        }
        self.value = id;
        Ok(at)
    }

    fn record(
        &self,
        text: &[u8],
        mut at: usize,
        id: &mut Vec<u8>,
        value: &mut Vec<u8>,
    ) -> Result<usize, Problem> {
        let mut column = 0;
        loop {
            let out = if column == self.layout.id {
                Some(&mut *id)
            } else if column == self.layout.value {
                Some(&mut *value)
            } else {
                None
            };
            let (next, end) = csv::field(text, at, out)?;
            at = next;
            column += 1;
            if end == End::Line {
                break;
            }
        }
        if column > self.layout.fields {
            return Err(Problem::TooManyFields {
                expected: self.layout.fields,
                found: column,
            });
        }
        Ok(at)
    }

    #[inline]
    fn is_present(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        let length = end - start;
        match self.present {
            Some(Present::At {
                start: from,
                length: of,
            }) if of == length => {
                if length <= 8 {
                    let differ = csv::load(bytes, start) ^ csv::load(bytes, from);
                    // Shifted in two steps, because a shift by 64 would be none.
                    length == 0 || differ << (63 - (length * 8 - 1)) == 0
                } else {
                    bytes[start..end] == bytes[from..from + of]
                }
            }
            Some(Present::Kept) => bytes[start..end] == self.id,
            _ => false,
        }
    }

    fn start_run(&mut self, id: &[u8]) -> Result<(), Problem> {
        if csv::is_missing(id) {
            self.facts.dropped_late |= self.facts.runs > 0;
            self.target = None;
            return Ok(());
        }
        let key = match self.plan.spelling {
            Spelling::Unknown => Key::of(id),
            spelling => Key::spelled(id, spelling),
        };
        let partition = (key.hash() >> 32) as usize % self.batches.len();
        let batch = &mut self.batches[partition];
        let (key, text) = match key {
            Key::Number(number) => (number, Run::NUMBER),
            Key::Text(text) => {
                if std::str::from_utf8(text).is_err() {
                    return Err(Problem::NotUtf8 {
                        column: self.plan.by.clone(),
                    });
                }
                batch.text.extend_from_slice(text);
                (0, u32::try_from(text.len()).expect("records are bounded"))
            }
        };
        batch.runs.push(Run {
            key,
            text,
            rows: 0,
            ordinal: self.facts.runs,
        });
        self.facts.runs += 1;
        self.target = Some(partition);
        Ok(())
    }

    fn cell(&mut self, text: &[u8]) -> Result<(), Problem> {
        let number = if self.plan.aggregate == Aggregate::Count {
            if csv::is_missing(text) {
                Number::Missing
            } else {
                Number::Float(0.0)
            }
        } else {
            csv::number(text)
        };
        if number == Number::Bad {
            return Err(Problem::NotANumber {
                column: self.plan.value.clone(),
                found: excerpt(text),
            });
        }
        self.push(number);
        Ok(())
    }

    #[inline]
    fn push(&mut self, number: Number) {
        self.facts.rows += 1;
        let bits = match number {
            Number::Integer(integer) if !self.facts.floats => integer.cast_unsigned(),
            Number::Float(float) => {
                self.facts.fractions = true;
                self.floats();
                float.to_bits()
            }
            other => self.unusual(other),
        };
        match self.target {
            Some(target) => {
                let batch = &mut self.batches[target];
                batch.values.push(bits);
                if let Some(run) = batch.runs.last_mut() {
                    run.rows += 1;
                }
            }
            None => self.facts.dropped += 1,
        }
    }

    fn unusual(&mut self, number: Number) -> u64 {
        self.floats();
        match number {
            Number::Integer(integer) => to_float(integer).to_bits(),
            Number::Wide(float) => {
                self.facts.wide.get_or_insert(self.facts.rows);
                float.to_bits()
            }
            _ => {
                self.facts.missing = true;
                f64::NAN.to_bits()
            }
        }
    }

    /// From here on this block has floats; what came before becomes floats, too.
    #[inline]
    fn floats(&mut self) {
        if !self.facts.floats {
            self.facts.floats = true;
            for value in self.batches.iter_mut().flat_map(|batch| &mut batch.values) {
                *value = to_float(value.cast_signed()).to_bits();
            }
        }
    }
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

fn is_regular(bytes: &[u8], ends: &[u32]) -> bool {
    let Some((last, inner)) = ends.split_last() else {
        return false;
    };
    bytes[*last as usize] == b'\n' && inner.iter().all(|end| bytes[*end as usize] == b',')
}

/// Long cells are shown by their beginning.
fn excerpt(text: &[u8]) -> String {
    const SHOWN: usize = 60;
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

/// Which carriage returns a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    None,
    BeforeNewlines,
    /// They end lines by themselves.
    Alone,
}

impl Returns {
    fn of(text: &[u8]) -> Self {
        let mut found = Self::None;
        for at in memchr::memchr_iter(b'\r', text) {
            if text.get(at + 1) != Some(&b'\n') {
                return Self::Alone;
            }
            found = Self::BeforeNewlines;
        }
        found
    }
}

/// An id, as groups are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    Number(i64),
    Text(&'a [u8]),
}

impl<'a> Key<'a> {
    /// Text is a number if it is the one way to write it: the number brings it back.
    fn of(id: &'a [u8]) -> Self {
        let plain = match id {
            [b'0'] => return Key::Number(0),
            [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] => true,
            _ => false,
        };
        // Eighteen characters never overflow.
        if !plain || id.len() > 18 {
            return Key::Text(id);
        }
        let negative = id[0] == b'-';
        let mut value = 0;
        for digit in &id[usize::from(negative)..] {
            if !digit.is_ascii_digit() {
                return Key::Text(id);
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        Key::Number(if negative { -value } else { value })
    }

    /// By what the text stands for, now that it is known for all. What does not fit,
    /// as the input has changed meanwhile, stays text.
    fn spelled(id: &'a [u8], spelling: Spelling) -> Self {
        let number = match spelling {
            Spelling::Unknown => None,
            Spelling::Integers => match csv::integer(id) {
                Some(Ok(i64::MIN)) => Some(0),
                Some(Ok(integer)) => Some(integer),
                _ => None,
            },
            // Both zeros are one number.
            Spelling::Floats => csv::float(id).map(|float| (float + 0.0).to_bits().cast_signed()),
            Spelling::Booleans => csv::flag(id).map(i64::from),
        };
        number.map_or(Key::Text(id), Key::Number)
    }

    /// High and low bits are equally good. The same everywhere, as the order of
    /// groups within a partition must not change from run to run.
    pub fn hash(self) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let fold = |value: u64| {
            let wide = u128::from(value ^ ODD) * u128::from(0xd6e8_feb8_6659_fd93_u64);
            #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
            let low = wide as u64;
            low ^ (wide >> 64) as u64
        };
        match self {
            Key::Number(number) => fold(number.cast_unsigned()),
            Key::Text(text) => {
                let mut hash = fold(text.len() as u64);
                let (words, rest) = text.as_chunks();
                for word in words {
                    hash = fold(hash ^ u64::from_le_bytes(*word));
                }
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                fold(hash ^ u64::from_le_bytes(last))
            }
        }
    }
}
