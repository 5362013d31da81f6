//! A look at all cells of some columns of a CSV: what they are, and which texts there
//! are.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use science::Problem;
use science::table::{Block, Cell, Row, Rows, TakeRow};

use super::blocks::Parse;
use super::error::InputError;
use super::sink::{is_missing_text, logical};
use super::table::Kind;

/// What one block, or all so far, have in a column.
#[derive(Debug, Default)]
pub(super) struct Seen {
    numbers: bool,
    logicals: bool,
    texts: bool,
    /// Cells that are no numbers, or all if that was asked for: each text once, in the
    /// order in which they came.
    pub values: Vec<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Seen {
    /// As `read.csv` decides it.
    pub fn kind(&self) -> Kind {
        match (self.numbers, self.logicals, self.texts) {
            (_, false, false) => Kind::Number,
            (false, true, false) => Kind::Logical,
            _ => Kind::Text,
        }
    }

    /// Whether cells of text were passed over because they looked like numbers.
    pub fn is_incomplete(&self) -> bool {
        self.numbers && self.kind() == Kind::Text
    }

    fn keep(&mut self, text: &str) {
        if !self.known.contains(text) {
            let text: Arc<str> = text.into();
            self.known.insert(Arc::clone(&text));
            self.values.push(text);
        }
    }

    pub fn join(&mut self, other: Self) {
        self.numbers |= other.numbers;
        self.logicals |= other.logicals;
        self.texts |= other.texts;
        for value in other.values {
            if self.known.insert(Arc::clone(&value)) {
                self.values.push(value);
            }
        }
    }

    pub fn text(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            match logical(text.as_bytes()) {
                Some(_) => self.logicals = true,
                None => self.texts = true,
            }
            self.keep(text);
        }
    }

    /// Of a factor: text, whatever the levels look like.
    pub fn levels(&mut self, levels: &[Arc<str>]) {
        self.texts = true;
        for level in levels {
            self.keep(level);
        }
    }

    fn cell(&mut self, cell: &Cell<'_>, all: bool) -> Option<()> {
        let number = cell.number();
        let is_number = number.as_float().is_some_and(|float| !float.is_nan());
        self.numbers |= is_number;
        if is_number && !all {
            return Some(());
        }
        let text = cell.text();
        if is_missing_text(text) {
            return Some(());
        }
        let is_logical = logical(text).is_some();
        self.logicals |= is_logical;
        self.texts |= !is_logical && !is_number && !science::table::is_missing(text);
        self.keep(std::str::from_utf8(text).ok()?);
        Some(())
    }
}

/// What a block has.
#[derive(Debug)]
pub(super) struct Sight {
    pub rows: u64,
    pub columns: Vec<Seen>,
}

/// Looks at blocks.
pub(super) struct Looker {
    pub rows: Rows<Look>,
}

#[derive(Debug)]
pub(super) struct Look {
    columns: Vec<(String, usize)>,
    /// Numbers are kept as texts, too.
    all: bool,
    sight: Sight,
}

impl Look {
    /// `columns` are names and places.
    pub fn new(columns: Vec<(String, usize)>, all: bool) -> Self {
        let sight = Sight::new(columns.len());
        Self {
            columns,
            all,
            sight,
        }
    }
}

impl Sight {
    pub fn new(columns: usize) -> Self {
        Self {
            rows: 0,
            columns: (0..columns).map(|_| Seen::default()).collect(),
        }
    }
}

impl TakeRow for Look {
    fn wants(&self, place: usize) -> bool {
        self.columns.iter().any(|(_, own)| *own == place)
    }

    fn row<C: Fn(usize) -> Range<usize>>(&mut self, row: &Row<'_, C>) -> Result<(), Problem> {
        for ((name, place), seen) in self.columns.iter().zip(&mut self.sight.columns) {
            let looked = seen.cell(&row.cell(*place), self.all);
            looked.ok_or_else(|| Problem::NotUtf8 {
                column: name.clone(),
            })?;
        }
        self.sight.rows += 1;
        Ok(())
    }
}

impl Parse<Sight> for Looker {
    fn parse(&mut self, block: &Block) -> Result<Sight, InputError> {
        let parsed = self.rows.parse(block);
        let look = self.rows.taker();
        let none = Sight::new(look.columns.len());
        let sight = std::mem::replace(&mut look.sight, none);
        parsed
            .map(|()| sight)
            .map_err(|bad| InputError::Table(bad.into()))
    }
}
