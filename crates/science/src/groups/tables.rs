//! Typed tables as a source of blocks, and what becomes of them.
//!
//! Types do not change, but for one thing: integers are floats in tables where some
//! are missing, and then they are floats in all.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use types::table::{Column, Values};

use super::Spelling;
use super::work::{Parse, Source, Stop};
use crate::csv_text::FloatText;
use crate::parse::{BadRow, Batch, Key, Kind, Sorter};
use crate::{Error, Problem};

/// Rows that are one block.
const BLOCK: usize = 32 * 1024;

/// Tables that come one after the other.
#[derive(Debug)]
pub struct Tables<I> {
    rest: I,
    present: Arc<Vec<Column>>,
    /// The next row of the present table.
    next: usize,
}

/// Some rows of a table.
#[derive(Debug, Default)]
pub struct Slice {
    table: Arc<Vec<Column>>,
    rows: Range<usize>,
}

impl<I, E> Tables<I>
where
    I: Iterator<Item = Result<Vec<Column>, E>>,
    E: Into<Error>,
{
    /// There is at least one table, if only to say which columns there are.
    pub fn open(mut tables: I) -> Result<Self, Error> {
        let first = tables.next().ok_or(Error::Empty)?.map_err(Into::into)?;
        Ok(Self {
            rest: tables,
            present: Arc::new(first),
            next: 0,
        })
    }

    /// The first of them.
    pub fn columns(&self) -> &[Column] {
        &self.present
    }

    pub fn kinds(&self) -> Vec<Kind> {
        let kind = |column: &Column| Kind::of(&column.values);
        self.present.iter().map(kind).collect()
    }

    /// Where a column of numbers is.
    pub fn number(&self, name: &str) -> Result<usize, Error> {
        let at = self.find(name)?;
        match self.present[at].values {
            Values::Texts(_) => Err(Error::NotNumbers {
                column: name.to_owned(),
            }),
            _ => Ok(at),
        }
    }

    /// Where a column is.
    pub fn find(&self, name: &str) -> Result<usize, Error> {
        let found = self.present.iter().position(|column| column.name == name);
        found.ok_or_else(|| Error::NoColumn {
            name: name.to_owned(),
            there: self.present.iter().map(|it| it.name.clone()).collect(),
        })
    }
}

impl<I, E> Source for Tables<I>
where
    I: Iterator<Item = Result<Vec<Column>, E>> + Send,
    E: Into<Error>,
{
    type Block = Slice;

    fn next(&mut self, block: &mut Slice) -> Result<bool, Error> {
        loop {
            let count = self.present.first().map_or(0, |column| column.values.len());
            if self.next < count {
                let end = count.min(self.next + BLOCK);
                block.table = self.present.clone();
                block.rows = self.next..end;
                self.next = end;
                return Ok(true);
            }
            match self.rest.next() {
                Some(table) => {
                    let table = table.map_err(Into::into)?;
                    let same = table.iter().map(|it| &it.name);
                    if !same.eq(self.present.iter().map(|it| &it.name)) {
                        let error = io::Error::other("its tables have different columns");
                        return Err(Error::Read(error));
                    }
                    self.present = Arc::new(table);
                    self.next = 0;
                }
                None => return Ok(false),
            }
        }
    }

    fn read(&self) -> u64 {
        0
    }
}

/// What is taken of each row.
#[derive(Debug)]
pub enum Wish<'a> {
    Number(usize),
    /// Whether there is a value, of whatever type.
    Presence(usize),
    /// Columns, and whether each turned out to be one of floats.
    Columns(&'a [usize], &'a [AtomicBool]),
}

/// Takes slices apart. One for each thread.
#[derive(Debug)]
pub struct Slicer<'a> {
    by: Option<usize>,
    /// The first table, which says of what types columns are.
    like: &'a [Kind],
    wish: Wish<'a>,
    sorter: Sorter<'a>,
    text: FloatText,
}

impl<'a> Slicer<'a> {
    pub fn new(by: Option<usize>, like: &'a [Kind], wish: Wish<'a>) -> Self {
        Self {
            by,
            like,
            wish,
            sorter: Sorter::new("", Spelling::Texts),
            text: FloatText::default(),
        }
    }

    /// How the ids of such a column are to be ordered.
    pub fn spelling(kind: Kind) -> Spelling {
        match kind {
            // Which of the two is known in the end.
            Kind::Integers | Kind::Floats => Spelling::Unknown,
            Kind::Booleans => Spelling::Booleans,
            Kind::Texts => Spelling::Texts,
        }
    }

    fn check(&self, table: &[Column]) -> Result<(), Problem> {
        let wanted: &[usize] = match &self.wish {
            Wish::Number(at) => &[*at],
            Wish::Presence(_) => &[],
            Wish::Columns(columns, _) => columns,
        };
        let wanted = wanted.iter().chain(&self.by);
        for at in wanted.copied() {
            let numbers = |kind| matches!(kind, Kind::Integers | Kind::Floats);
            let (like, kind) = (self.like[at], Kind::of(&table[at].values));
            if like != kind && !(numbers(like) && numbers(kind)) {
                let column = table[at].name.clone();
                return Err(Problem::Unlike { column });
            }
        }
        Ok(())
    }

    /// What all rows of the slice have in common.
    fn begin(&mut self, slice: &Slice) {
        let table = &slice.table;
        let facts = &mut self.sorter.facts;
        match self.wish {
            Wish::Presence(_) => facts.floats = true,
            Wish::Number(at) => match &table[at].values {
                Values::Floats(floats) => {
                    facts.floats = true;
                    facts.fractions = true;
                    let floats = &floats[slice.rows.clone()];
                    facts.missing = floats.iter().any(|float| float.is_nan());
                }
                // It would be taken for -0.
                Values::Integers(integers) => {
                    let least = integers[slice.rows.clone()].contains(&i64::MIN);
                    facts.floats = least;
                    facts.fractions = least;
                }
                _ => {}
            },
            Wish::Columns(columns, floats) => {
                for (at, float) in columns.iter().zip(floats) {
                    if matches!(table[*at].values, Values::Floats(_)) {
                        float.store(true, Ordering::Relaxed);
                    }
                }
                let fits = |batch: &Batch| {
                    let kinds = batch.columns.iter().map(Kind::of);
                    kinds.eq(columns.iter().map(|at| Kind::of(&table[*at].values)))
                };
                let batches = self.sorter.batches().iter_mut();
                for batch in batches.filter(|batch| !fits(batch)) {
                    let kinds = columns.iter().map(|at| Kind::of(&table[*at].values));
                    batch.columns = kinds.map(Kind::empty).collect();
                }
            }
        }
    }

    /// Starts the run of the row's id, and tells where it ends.
    fn run(&mut self, table: &[Column], rows: Range<usize>) -> usize {
        let Range { start, end } = rows;
        let Some(by) = self.by else {
            self.sorter.start_row();
            return start + 1;
        };
        let sorter = &mut self.sorter;
        let until = |differs: &dyn Fn(usize) -> bool| {
            (start + 1..end).find(|row| differs(*row)).unwrap_or(end)
        };
        match &table[by].values {
            Values::Integers(ids) => {
                sorter.start(Key::Number(ids[start]));
                until(&|row| ids[row] != ids[start])
            }
            Values::Booleans(ids) => {
                sorter.start(Key::Number(i64::from(ids[start])));
                until(&|row| ids[row] != ids[start])
            }
            Values::Floats(ids) => {
                match ids[start] {
                    id if id.is_nan() => sorter.start_nothing(),
                    id => sorter.start(float_key(id, &mut self.text)),
                }
                until(&|row| ids[row].to_bits() != ids[start].to_bits())
            }
            Values::Texts(ids) => {
                match ids.get(start) {
                    Some(id) => sorter.start(Key::Text(id.as_bytes())),
                    None => sorter.start_nothing(),
                }
                until(&|row| ids.get(row) != ids.get(start))
            }
        }
    }
}

/// Whole numbers as those of a column of integers, so that both are one id.
fn float_key(id: f64, text: &mut FloatText) -> Key<'_> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if id.fract() == 0.0 && id.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
        return Key::Number(id as i64);
    }
    Key::Text(text.of(id))
}

impl Parse for Slicer<'_> {
    type Block = Slice;

    fn parse(&mut self, slice: &Slice, batches: Vec<Batch>) -> Result<Vec<Batch>, Stop> {
        self.sorter.begin(batches);
        let table = &slice.table;
        let bad = |problem| Stop::Row(BadRow { row: 1, problem });
        self.check(table).map_err(bad)?;
        self.begin(slice);
        if let Some(by) = self.by {
            self.sorter.facts.float_ids = matches!(table[by].values, Values::Floats(_));
        }
        let mut rows = slice.rows.clone();
        while !rows.is_empty() {
            let end = self.run(table, rows.clone());
            let run = rows.start..end;
            rows.start = end;
            let floats = self.sorter.facts.floats;
            let Some(batch) = self.sorter.rows(run.len()) else {
                continue;
            };
            match self.wish {
                Wish::Presence(at) => presence(&table[at].values, run, &mut batch.values),
                Wish::Number(at) => numbers(&table[at].values, run, floats, &mut batch.values),
                Wish::Columns(columns, _) => {
                    for (at, all) in columns.iter().zip(&mut batch.columns) {
                        all.extend(&table[*at].values, run.clone());
                    }
                }
            }
        }
        Ok(self.sorter.finish())
    }
}

fn presence(values: &Values, rows: Range<usize>, out: &mut Vec<u64>) {
    out.extend(rows.map(|row| {
        let missing = match values {
            Values::Floats(floats) => floats[row].is_nan(),
            Values::Texts(texts) => texts.get(row).is_none(),
            Values::Integers(_) | Values::Booleans(_) => false,
        };
        if missing { f64::NAN } else { 0.0 }.to_bits()
    }));
}

fn numbers(values: &Values, rows: Range<usize>, floats: bool, out: &mut Vec<u64>) {
    match values {
        #[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
        Values::Integers(all) if floats => {
            out.extend(all[rows].iter().map(|it| (*it as f64).to_bits()));
        }
        Values::Integers(all) => out.extend(all[rows].iter().map(|it| it.cast_unsigned())),
        Values::Floats(all) => out.extend(all[rows].iter().map(|it| it.to_bits())),
        Values::Booleans(all) => out.extend(all[rows].iter().map(|it| u64::from(*it))),
        Values::Texts(_) => unreachable!("it was refused before"),
    }
}
