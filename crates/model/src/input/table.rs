//! A data set to fit a model to: read from its beginning as often as needed, in blocks,
//! each column of the same kind in all of them.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use rdata::value::{NA_INTEGER, NA_REAL};
use science::Problem;
use science::table::{Block, Row, Rows, TakeRow};
use types::table::{Column as Plain, Values};

use super::blocks::{InOrder, Parse, Reader};
use super::error::InputError;
use super::sink::{Sink, Texts, Unfit, logical};
use super::survey::{Look, Looker, Seen, Sight};
use crate::frame::{Column, Frame};

/// Texts that a column may have.
const MOST_LEVELS: usize = 100_000;

/// Opens a data set at its beginning.
type Open = dyn Fn() -> io::Result<Reader> + Send + Sync;
/// The same for one that comes in columns already.
type OpenBatches = dyn Fn() -> Result<Batches, InputError> + Send + Sync;
/// Rows in columns that have the same names and types in all batches.
pub type Batches = Box<dyn Iterator<Item = Result<Vec<Plain>, InputError>> + Send>;

/// A data set.
#[derive(Clone)]
pub struct Table {
    origin: Origin,
    threads: usize,
}

#[derive(Clone)]
enum Origin {
    Csv(Arc<Open>),
    Batches(Arc<OpenBatches>),
    Frame(Arc<Frame>),
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Logical,
    Text,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub name: Arc<str>,
    pub kind: Kind,
    /// Of text: all that there are, in the order in which they came.
    pub texts: Vec<Arc<str>>,
}

/// Some columns of a table, of which all rows were looked at.
#[derive(Debug, Clone)]
pub struct Data {
    table: Table,
    rows: u64,
    known: Vec<Known>,
}

impl Table {
    /// A CSV, unpacked. `open` may be called several times.
    pub fn csv(
        open: impl Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Origin::Csv(Arc::new(open)))
    }

    /// Something that is in columns, such as a Parquet file.
    pub fn batches(open: impl Fn() -> Result<Batches, InputError> + Send + Sync + 'static) -> Self {
        Self::new(Origin::Batches(Arc::new(open)))
    }

    pub fn frame(frame: Frame) -> Self {
        Self::new(Origin::Frame(Arc::new(frame)))
    }

    fn new(origin: Origin) -> Self {
        let threads = std::thread::available_parallelism();
        Self {
            origin,
            threads: threads.map_or(1, usize::from),
        }
    }

    /// Its columns, in their order. Reads only the beginning.
    pub fn names(&self) -> Result<Vec<Arc<str>>, InputError> {
        Ok(match &self.origin {
            Origin::Csv(open) => {
                let table = self::open(&**open)?;
                let names = table.names().iter();
                names.map(|name| name.as_str().into()).collect()
            }
            Origin::Batches(open) => {
                let first = open()?.next().transpose()?.unwrap_or_default();
                let names = first.iter().map(|column| column.name.as_str().into());
                names.collect()
            }
            Origin::Frame(frame) => {
                let columns = frame.columns().iter();
                columns.map(|(name, _)| Arc::clone(name)).collect()
            }
        })
    }

    /// Looks at all rows of these columns. It says which of them are not there.
    pub fn survey(&self, names: &[Arc<str>]) -> Result<Data, InputError> {
        let there = self.names()?;
        let missing = names.iter().filter(|name| !there.contains(name));
        let missing: Vec<_> = missing.cloned().collect();
        if !missing.is_empty() {
            return Err(InputError::Missing { missing, there });
        }
        let sight = match &self.origin {
            Origin::Csv(open) => self.look(&**open, names, false)?,
            Origin::Batches(open) => look_at_batches(&**open, names)?,
            Origin::Frame(frame) => look_at_frame(frame, names),
        };
        let rows = sight.rows;
        let known = names.iter().zip(sight.columns);
        let mut incomplete = Vec::new();
        let mut known: Vec<_> = known
            .enumerate()
            .map(|(at, (name, seen))| {
                if seen.is_incomplete() {
                    incomplete.push(at);
                }
                Known::new(name, seen)
            })
            .collect();
        if let Origin::Csv(open) = &self.origin
            && !incomplete.is_empty()
        {
            let again = incomplete.iter().map(|at| Arc::clone(&names[*at]));
            let again: Vec<_> = again.collect();
            let all = self.look(&**open, &again, true)?;
            for (at, seen) in incomplete.into_iter().zip(all.columns) {
                known[at].texts = seen.values;
            }
        }
        let table = self.clone();
        Ok(Data { table, rows, known })
    }

    /// `all`: what looks like a number is kept as text, too.
    fn look(&self, open: &Open, names: &[Arc<str>], all: bool) -> Result<Sight, InputError> {
        let table = self::open(open)?;
        let columns = names.iter().filter_map(|name| {
            let place = table.place(name)?;
            Some((name.to_string(), place))
        });
        let columns: Vec<_> = columns.collect();
        if columns.len() < names.len() {
            return Err(InputError::Changed);
        }
        let parsers = (0..self.threads).map(|_| Looker {
            rows: table.rows(Look::new(columns.clone(), all)),
        });
        let parsers = parsers.collect();
        let mut whole = Sight::new(names.len());
        for sight in InOrder::new(table, parsers) {
            let sight = sight.map_err(|error| error.behind(whole.rows))?;
            whole.join(sight, names)?;
        }
        Ok(whole)
    }
}

impl Sight {
    fn join(&mut self, other: Self, names: &[Arc<str>]) -> Result<(), InputError> {
        self.rows += other.rows;
        for ((seen, more), name) in self.columns.iter_mut().zip(other.columns).zip(names) {
            seen.join(more);
            if seen.values.len() > MOST_LEVELS {
                return Err(InputError::TooManyLevels {
                    column: Arc::clone(name),
                    limit: MOST_LEVELS,
                });
            }
        }
        Ok(())
    }
}

impl Known {
    fn new(name: &Arc<str>, seen: Seen) -> Self {
        let kind = seen.kind();
        Self {
            name: Arc::clone(name),
            kind,
            texts: if kind == Kind::Text {
                seen.values
            } else {
                vec![]
            },
        }
    }

    fn sink(&self) -> Sink {
        match self.kind {
            Kind::Number => Sink::Number(Vec::new()),
            Kind::Logical => Sink::Logical(Vec::new()),
            Kind::Text => Sink::Text(Texts::closed(&self.texts)),
        }
    }
}

fn open(open: &Open) -> Result<science::table::Table<Reader>, InputError> {
    let reader = open().map_err(InputError::Read)?;
    Ok(science::table::Table::open(reader)?)
}

fn look_at_batches(open: &OpenBatches, names: &[Arc<str>]) -> Result<Sight, InputError> {
    let mut whole = Sight::new(names.len());
    for batch in open()? {
        let batch = batch?;
        let mut sight = Sight::new(names.len());
        sight.rows = batch.first().map_or(0, |column| column.values.len()) as u64;
        for (name, seen) in names.iter().zip(&mut sight.columns) {
            match &find(&batch, name)?.values {
                Values::Integers(_) | Values::Floats(_) => {}
                Values::Booleans(values) => {
                    for value in values {
                        seen.text(Some(if *value { "TRUE" } else { "FALSE" }));
                    }
                }
                Values::Texts(texts) => texts.iter().for_each(|text| seen.text(text)),
            }
        }
        whole.join(sight, names)?;
    }
    Ok(whole)
}

fn find<'a>(batch: &'a [Plain], name: &str) -> Result<&'a Plain, InputError> {
    let found = batch.iter().find(|column| column.name == name);
    found.ok_or(InputError::Changed)
}

fn look_at_frame(frame: &Frame, names: &[Arc<str>]) -> Sight {
    let mut sight = Sight::new(names.len());
    sight.rows = frame.rows() as u64;
    for (name, seen) in names.iter().zip(&mut sight.columns) {
        match frame.get(name) {
            None | Some(Column::Number(_)) => {}
            Some(Column::Logical(_)) => seen.text(Some("TRUE")),
            Some(Column::Text(codes) | Column::Factor { codes, .. }) => {
                seen.levels(&codes.values);
            }
        }
    }
    sight
}

impl Data {
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// In the order in which the columns were asked for.
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// All rows from the first on. Texts have the same codes in all blocks.
    pub fn blocks(&self) -> Result<Blocks, InputError> {
        let source = match &self.table.origin {
            Origin::Frame(frame) => Source::Frame(Some(self.select(frame))),
            Origin::Batches(open) => Source::Batches(open()?, self.known.clone()),
            Origin::Csv(open) => {
                let table = self::open(&**open)?;
                let places = self.known.iter().map(|known| table.place(&known.name));
                let places: Option<Vec<_>> = places.collect();
                let places = places.ok_or(InputError::Changed)?;
                let parsers = (0..self.table.threads).map(|_| Parser {
                    rows: table.rows(Filler::new(&self.known, &places)),
                });
                let parsers = parsers.collect();
                Source::Csv(InOrder::new(table, parsers))
            }
        };
        Ok(Blocks {
            source,
            left: self.rows,
        })
    }

    /// No rows, of the same columns.
    pub fn none(&self) -> Frame {
        if self.known.is_empty() {
            return Frame::empty(0);
        }
        let columns = self.known.iter();
        let columns = columns.map(|known| (Arc::clone(&known.name), known.sink().take()));
        Frame::new(columns.collect())
    }

    fn select(&self, frame: &Frame) -> Frame {
        let columns = self.known.iter().filter_map(|known| {
            let column = frame.get(&known.name)?;
            Some((Arc::clone(&known.name), column.clone()))
        });
        let columns: Vec<_> = columns.collect();
        if columns.is_empty() {
            Frame::empty(frame.rows())
        } else {
            Frame::new(columns)
        }
    }
}

/// The rows of a data set, a few thousand at a time, in their order.
pub struct Blocks {
    source: Source,
    /// Rows that are still to come.
    left: u64,
}

enum Source {
    Csv(InOrder<Frame>),
    Batches(Batches, Vec<Known>),
    Frame(Option<Frame>),
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Iterator for Blocks {
    type Item = Result<Frame, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.source {
            Source::Csv(blocks) => blocks.next(),
            Source::Batches(batches, known) => {
                let batch = batches.next();
                batch.map(|batch| batch.and_then(|batch| frame(&batch, known)))
            }
            Source::Frame(frame) => frame.take().map(Ok),
        };
        let rows = match &next {
            None if self.left == 0 => return None,
            // Fewer rows than were counted.
            None => {
                self.left = 0;
                return Some(Err(InputError::Changed));
            }
            Some(Err(_)) => {
                self.left = 0;
                return next;
            }
            Some(Ok(frame)) => frame.rows() as u64,
        };
        match self.left.checked_sub(rows) {
            Some(left) => {
                self.left = left;
                next
            }
            None => Some(Err(InputError::Changed)),
        }
    }
}

/// A batch as a frame.
fn frame(batch: &[Plain], known: &[Known]) -> Result<Frame, InputError> {
    let rows = batch.first().map_or(0, |column| column.values.len());
    let column = |known: &Known| {
        let values = &find(batch, &known.name)?.values;
        Ok::<_, InputError>((Arc::clone(&known.name), column(values, known)?))
    };
    let columns = known.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(if columns.is_empty() {
        Frame::empty(rows)
    } else {
        Frame::new(columns)
    })
}

fn column(values: &Values, known: &Known) -> Result<Column, InputError> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "R has such numbers as doubles, too"
    )]
    let float = |integer: &i64| *integer as f64;
    let number = |float: &f64| if float.is_nan() { NA_REAL } else { *float };
    let flag = |text: Option<&str>| match text.map(|text| logical(text.as_bytes())) {
        None => Ok(NA_INTEGER),
        Some(Some(value)) => Ok(i32::from(value)),
        Some(None) => Err(InputError::Changed),
    };
    Ok(match (values, known.kind) {
        (Values::Integers(all), _) => Column::Number(all.iter().map(float).collect()),
        (Values::Floats(all), _) => Column::Number(all.iter().map(number).collect()),
        (Values::Booleans(all), _) => Column::Logical(all.iter().map(|it| (*it).into()).collect()),
        (Values::Texts(texts), Kind::Logical) => {
            let flags = texts.iter().map(flag);
            Column::Logical(flags.collect::<Result<_, _>>()?)
        }
        // Nothing but missing ones.
        (Values::Texts(texts), Kind::Number) => Column::Number(vec![NA_REAL; texts.len()]),
        (Values::Texts(texts), Kind::Text) => {
            let mut codes = Texts::closed(&known.texts);
            for text in texts.iter() {
                codes.push_known(text).map_err(|_| InputError::Changed)?;
            }
            Sink::Text(codes).take()
        }
    })
}

/// Takes blocks of CSV apart.
struct Parser {
    rows: Rows<Filler>,
}

#[derive(Debug)]
struct Filler {
    columns: Vec<(Arc<str>, usize, Sink)>,
    rows: usize,
}

impl Filler {
    fn new(known: &[Known], places: &[usize]) -> Self {
        let columns = known.iter().zip(places);
        let columns = columns.map(|(known, place)| (Arc::clone(&known.name), *place, known.sink()));
        Self {
            columns: columns.collect(),
            rows: 0,
        }
    }
}

impl TakeRow for Filler {
    fn wants(&self, place: usize) -> bool {
        self.columns.iter().any(|(_, own, _)| *own == place)
    }

    fn row<C: Fn(usize) -> Range<usize>>(&mut self, row: &Row<'_, C>) -> Result<(), Problem> {
        for (name, place, sink) in &mut self.columns {
            let pushed = sink.push(&row.cell(*place));
            pushed.map_err(|unfit| match unfit {
                Unfit::NotUtf8 => Problem::NotUtf8 {
                    column: name.to_string(),
                },
                _ => Problem::Unlike {
                    column: name.to_string(),
                },
            })?;
        }
        self.rows += 1;
        Ok(())
    }
}

impl Parse<Frame> for Parser {
    fn parse(&mut self, block: &Block) -> Result<Frame, InputError> {
        let parsed = self.rows.parse(block);
        parsed.map_err(|bad| match bad.problem {
            Problem::Unlike { .. } => InputError::Changed,
            _ => InputError::Table(bad.into()),
        })?;
        let filler = self.rows.taker();
        let rows = std::mem::take(&mut filler.rows);
        if filler.columns.is_empty() {
            return Ok(Frame::empty(rows));
        }
        let columns = filler.columns.iter_mut();
        let columns = columns.map(|(name, _, sink)| (Arc::clone(name), sink.take()));
        Ok(Frame::new(columns.collect()))
    }
}
