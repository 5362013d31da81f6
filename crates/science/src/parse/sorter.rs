//! Rows go into the batch of the partition that their id belongs to.

use super::batch::{Batch, Facts, Run, to_float};
use super::key::Key;
use crate::Problem;
use crate::csv::{self, Number};
use crate::groups::Spelling;

/// The batches of one block while they are filled.
#[derive(Debug)]
pub struct Sorter<'a> {
    /// The column of ids, for what is wrong with one.
    by: &'a str,
    spelling: Spelling,
    batches: Vec<Batch>,
    pub facts: Facts,
    /// Where rows of the present run go; none if they have no id.
    target: Option<usize>,
}

impl<'a> Sorter<'a> {
    pub fn new(by: &'a str, spelling: Spelling) -> Self {
        Self {
            by,
            spelling,
            batches: Vec::new(),
            facts: Facts::default(),
            target: None,
        }
    }

    /// A new block, for as many partitions as there are empty batches.
    pub fn begin(&mut self, batches: Vec<Batch>) {
        self.batches = batches;
        self.facts = Facts::default();
        self.target = None;
    }

    pub fn finish(&mut self) -> Vec<Batch> {
        for batch in &mut self.batches {
            batch.facts = self.facts;
        }
        std::mem::take(&mut self.batches)
    }

    /// The rows that come now have this id, as text says it.
    pub fn start_run(&mut self, id: &[u8]) -> Result<(), Problem> {
        if csv::is_missing(id) {
            self.start_nothing();
            return Ok(());
        }
        let key = match self.spelling {
            Spelling::Unknown => Key::of(id),
            spelling => Key::spelled(id, spelling),
        };
        if matches!(key, Key::Text(text) if std::str::from_utf8(text).is_err()) {
            return Err(Problem::NotUtf8 {
                column: self.by.to_owned(),
            });
        }
        self.start(key);
        Ok(())
    }

    /// The rows that come now have this id, which is text whatever it looks like. All
    /// ids are, then, so text that looks like a number is the same as the number.
    pub fn start_text(&mut self, id: &[u8]) {
        self.start(Key::of(id));
    }

    /// The rows that come now have this id.
    pub fn start(&mut self, key: Key) {
        let partition = (key.hash() >> 32) as usize % self.batches.len();
        let batch = &mut self.batches[partition];
        let (key, text) = match key {
            Key::Number(number) => (number, Run::NUMBER),
            Key::Text(text) => {
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
    }

    /// The row that comes now is an item by itself.
    pub fn start_row(&mut self) {
        self.batches[0].runs.push(Run {
            key: 0,
            text: Run::NUMBER,
            rows: 0,
            ordinal: self.facts.runs,
        });
        self.facts.runs += 1;
        self.target = Some(0);
    }

    /// The rows that come now have no id.
    pub fn start_nothing(&mut self) {
        self.facts.dropped_late |= self.facts.runs > 0;
        self.target = None;
    }

    pub fn batches(&mut self) -> &mut [Batch] {
        &mut self.batches
    }

    /// Where the next row goes. None if it has no id.
    #[inline]
    pub fn target(&mut self) -> Option<&mut Batch> {
        Some(&mut self.batches[self.target?])
    }

    /// Counts a row, and tells where it goes.
    #[inline]
    pub fn row(&mut self) -> Option<&mut Batch> {
        self.rows(1)
    }

    /// Counts rows of the present run, and tells where they go.
    #[inline]
    pub fn rows(&mut self, count: usize) -> Option<&mut Batch> {
        self.facts.rows += count as u64;
        let Some(target) = self.target else {
            self.facts.dropped += count as u64;
            return None;
        };
        let batch = &mut self.batches[target];
        if let Some(run) = batch.runs.last_mut() {
            run.rows += u32::try_from(count).expect("blocks are small");
        }
        Some(batch)
    }

    /// Takes up a row of one number.
    #[inline]
    pub fn push(&mut self, number: Number) {
        let bits = match number {
            Number::Integer(integer) if !self.facts.floats => integer.cast_unsigned(),
            Number::Float(float) => {
                self.facts.fractions = true;
                self.floats();
                float.to_bits()
            }
            other => self.unusual(other),
        };
        if let Some(batch) = self.row() {
            batch.values.push(bits);
        }
    }

    fn unusual(&mut self, number: Number) -> u64 {
        self.floats();
        match number {
            Number::Integer(integer) => to_float(integer).to_bits(),
            Number::Wide(float) => {
                self.facts.wide.get_or_insert(self.facts.rows + 1);
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
    pub fn floats(&mut self) {
        if !self.facts.floats {
            self.facts.floats = true;
            for value in self.batches.iter_mut().flat_map(|batch| &mut batch.values) {
                *value = to_float(value.cast_signed()).to_bits();
            }
        }
    }
}
