//! Items of a CSV.

use std::io::Read;
use std::sync::atomic::AtomicU8;

use types::table::Values;

use super::shelves::Settle;
use super::{Collected, Columns, Open, Wanted};
use crate::csv::Header;
use crate::groups::source::Csv;
use crate::groups::work::{self, Nothing};
use crate::parse::{Batch, Field, Frame, Survey, Value, Walker};
use crate::{Error, Problem, Spelling};

/// A CSV that is read as often as it must be.
#[derive(Clone, Copy)]
struct Csvs<'a> {
    open: &'a Open<'a>,
    wanted: &'a Wanted,
    progress: &'a (dyn Fn(u64) + Sync),
}

/// Collects the items of a CSV.
pub fn csv(
    open: &Open<'_>,
    wanted: &Wanted,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Collected, Error> {
    let csvs = Csvs {
        open,
        wanted,
        progress,
    };
    let collect = |spelling| match &wanted.columns {
        Columns::Value(name) => csvs.value(name, spelling),
        Columns::All => csvs.frames(spelling),
        Columns::Lines => Err(Error::NotLines),
    };
    match collect(Spelling::Unknown) {
        Err(Error::Respelled(spelling)) => collect(spelling),
        other => other,
    }
}

type Source = Csv<Box<dyn Read + Send>>;

impl Csvs<'_> {
    /// The data, its columns, and which field is the id.
    fn open(&self) -> Result<(Source, Header, Option<usize>), Error> {
        let (source, header) = Csv::open((self.open)().map_err(Error::Read)?)?;
        let by = self.wanted.by.as_ref();
        let id = by.map(|by| header.field(by)).transpose()?;
        Ok((source, header, id))
    }

    fn by(&self) -> &str {
        self.wanted.by.as_deref().unwrap_or_default()
    }

    fn value(self, name: &str, spelling: Spelling) -> Result<Collected, Error> {
        let (source, header, _) = self.open()?;
        value(source, &header, self.wanted, name, spelling, self.progress)
    }

    fn frames(self, spelling: Spelling) -> Result<Collected, Error> {
        let (source, header, id) = self.open()?;
        let guess = guess(&source, &header, id);
        match self.typed(source, &header, id, &guess, spelling) {
            Err(Error::Row {
                problem: Problem::Unlike { .. },
                ..
            }) => {}
            other => return other,
        }
        let (source, header, id) = self.open()?;
        let fields = self.survey(source, &header, id)?;
        let (source, header, id) = self.open()?;
        self.typed(source, &header, id, &fields, spelling)
    }

    fn survey(
        &self,
        source: Source,
        header: &Header,
        id: Option<usize>,
    ) -> Result<Vec<Field>, Error> {
        let seen = nothing_seen(header);
        let parser = || {
            let survey = Survey::new(header.unnamed..header.fields(), &seen);
            Walker::new(header.fields(), None, "", Spelling::Texts, survey)
        };
        work::run(source, self.wanted.threads, parser, vec![Nothing], &|_| ())?;
        Ok(fields(header, id, &seen))
    }

    fn typed(
        &self,
        source: Source,
        header: &Header,
        id: Option<usize>,
        fields: &[Field],
        spelling: Spelling,
    ) -> Result<Collected, Error> {
        let by = self.by();
        if fields.is_empty() {
            let by = by.to_owned();
            return Err(Error::OnlyIds { by });
        }
        let columns: Vec<_> = fields.iter().map(|field| field.kind.empty()).collect();
        let parser = || Walker::new(header.fields(), id, by, spelling, Frame::new(fields));
        let piles = self.wanted.piles(&columns);
        let done = work::run(source, self.wanted.threads, parser, piles, self.progress)?;
        let kinds = fields.iter().map(|field| field.kind).collect();
        let names = fields.iter().map(|field| field.name.clone()).collect();
        self.wanted
            .collected(done, spelling, Settle::Kinds(kinds), names)
    }
}

/// Collects one column of numbers, reading but once.
pub fn value(
    source: Csv<impl Read + Send>,
    header: &Header,
    wanted: &Wanted,
    name: &str,
    spelling: Spelling,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Collected, Error> {
    let by = wanted.by.as_deref();
    let id = by.map(|by| header.field(by)).transpose()?;
    let field = header.field(name)?;
    let parser = || {
        let value = Value {
            field,
            name,
            presence: false,
        };
        Walker::new(header.fields(), id, by.unwrap_or_default(), spelling, value)
    };
    let piles = wanted.piles(&[Values::Integers(vec![])]);
    let done = work::run(source, wanted.threads, parser, piles, progress)?;
    let settle = Settle::numbers(&done.whole, name)?;
    wanted.collected(done, spelling, settle, vec![name.to_owned()])
}

/// What the first block says of the types of columns.
fn guess(source: &Source, header: &Header, id: Option<usize>) -> Vec<Field> {
    let seen = nothing_seen(header);
    if let Some(block) = source.first() {
        let survey = Survey::new(header.unnamed..header.fields(), &seen);
        let mut walker = Walker::new(header.fields(), None, "", Spelling::Texts, survey);
        // What is wrong with a row is said when it is read in earnest.
        let _ = walker.parse(block, vec![Batch::default()]);
    }
    fields(header, id, &seen)
}

fn nothing_seen(header: &Header) -> Vec<AtomicU8> {
    header.names.iter().map(|_| AtomicU8::new(0)).collect()
}

/// All columns but that of the ids.
fn fields(header: &Header, id: Option<usize>, seen: &[AtomicU8]) -> Vec<Field> {
    let fields = header
        .names
        .iter()
        .zip(Survey::seen(seen))
        .zip(header.unnamed..);
    fields
        .filter(|(_, at)| Some(*at) != id)
        .map(|((name, seen), at)| Field {
            name: name.clone(),
            at,
            kind: seen.kind(),
        })
        .collect()
}
