//! Groups aggregated by functions that are built in.
//!
//! Reading order: [`table`] holds the groups of one partition, whose states in
//! [`state`] take up the values and forget them; [`quantile`] is for what needs all of
//! them at once, and has them collected as items; [`mod@write`] makes CSV of the results.

mod quantile;
mod state;
mod table;
mod write;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use types::table::Column;

use crate::Error;
use crate::groups::ids::{self, Ids, Ordered};
use crate::groups::register::Group;
use crate::groups::source::Csv;
use crate::groups::tables::{Slicer, Tables, Wish};
use crate::groups::work::{self, Done};
use crate::groups::{Spelling, Summary};
use crate::items::{self, Columns, Wanted};
use crate::parse::{Value, Walker};
use state::{Count, Extreme, Mean, Reading, Spread, State, Sum};
use table::Table;

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
    /// A folder for values that do not fit into memory.
    pub scratch: PathBuf,
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
    match plan.aggregate {
        Aggregate::Sum => csv::<Sum>(input, plan, progress),
        Aggregate::Mean => csv::<Mean>(input, plan, progress),
        Aggregate::Min => csv::<Extreme<true>>(input, plan, progress),
        Aggregate::Max => csv::<Extreme<false>>(input, plan, progress),
        Aggregate::Std => csv::<Spread>(input, plan, progress),
        Aggregate::Count => csv::<Count>(input, plan, progress),
        Aggregate::Median | Aggregate::Quantile(_) => {
            let (source, header) = Csv::open(input)?;
            let wanted = plan.wanted();
            let all = items::value(
                source,
                &header,
                &wanted,
                &plan.value,
                plan.spelling,
                progress,
            );
            quantile::groups(all?, plan)
        }
    }
}

/// Aggregates tables that come one after the other, as [`items::tables`] takes them.
pub fn aggregate_tables<E: Into<Error>>(
    tables: impl Iterator<Item = Result<Vec<Column>, E>> + Send,
    plan: &Plan,
) -> Result<Groups, Error> {
    match plan.aggregate {
        Aggregate::Sum => typed::<Sum, E>(tables, plan),
        Aggregate::Mean => typed::<Mean, E>(tables, plan),
        Aggregate::Min => typed::<Extreme<true>, E>(tables, plan),
        Aggregate::Max => typed::<Extreme<false>, E>(tables, plan),
        Aggregate::Std => typed::<Spread, E>(tables, plan),
        Aggregate::Count => typed::<Count, E>(tables, plan),
        Aggregate::Median | Aggregate::Quantile(_) => {
            quantile::groups(items::tables(tables, &plan.wanted())?, plan)
        }
    }
}

impl Plan {
    /// The items to be collected, where values must be kept.
    fn wanted(&self) -> Wanted {
        Wanted {
            by: Some(self.by.clone()),
            columns: Columns::Value(self.value.clone()),
            threads: self.threads,
            memory: self.memory,
            scratch: self.scratch.clone(),
        }
    }

    fn presence(&self) -> bool {
        self.aggregate == Aggregate::Count
    }

    fn partitions<S: State>(&self) -> Vec<Table<S>> {
        let partitions = work::partitions(self.threads);
        let table = |_| Table::new(self.memory, partitions);
        (0..partitions).map(table).collect()
    }
}

fn csv<S: State>(
    input: impl Read + Send,
    plan: &Plan,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Groups, Error> {
    let (source, header) = Csv::open(input)?;
    let id = header.field(&plan.by)?;
    let field = header.field(&plan.value)?;
    let parser = || {
        let value = Value {
            field,
            name: &plan.value,
            presence: plan.presence(),
        };
        Walker::new(header.fields(), Some(id), &plan.by, plan.spelling, value)
    };
    let tables = plan.partitions::<S>();
    let done = work::run(source, plan.threads, parser, tables, progress)?;
    finish(done, plan, plan.spelling)
}

fn typed<S: State, E: Into<Error>>(
    tables: impl Iterator<Item = Result<Vec<Column>, E>> + Send,
    plan: &Plan,
) -> Result<Groups, Error> {
    let tables = Tables::open(tables)?;
    let like = tables.kinds();
    let by = tables.find(&plan.by)?;
    let value = if plan.presence() {
        tables.find(&plan.value)?
    } else {
        tables.number(&plan.value)?
    };
    let parser = || {
        let wish = if plan.presence() {
            Wish::Presence(value)
        } else {
            Wish::Number(value)
        };
        Slicer::new(Some(by), &like, wish)
    };
    let done = work::run(
        tables,
        plan.threads,
        parser,
        plan.partitions::<S>(),
        &|_| (),
    )?;
    finish(done, plan, Slicer::spelling(like[by]))
}

fn finish<S: State>(
    done: Done<Table<S>>,
    plan: &Plan,
    spelling: Spelling,
) -> Result<Groups, Error> {
    let whole = done.whole;
    let integers = whole.integers(&plan.value)?;
    let mut together = !whole.dropped_late;
    let mut groups = Vec::new();
    for mut table in done.partitions {
        table.close();
        together &= table.together;
        groups.push(table.register.groups);
    }
    let all = groups.iter_mut().map(|groups| &mut **groups).collect();
    let Ordered { ids, order } = ids::order(all, spelling, whole.float_ids)?;
    let firsts = order.iter().map(|at| group(&mut groups, *at).first);
    let reading = Reading {
        integers,
        whole_numbers: !whole.fractions,
        stretches: together && !whole.missing && firsts.is_sorted(),
    };
    let states = order
        .iter()
        .map(|at| std::mem::take(&mut group(&mut groups, *at).state));
    Ok(Groups {
        by: plan.by.clone(),
        value: plan.value.clone(),
        ids,
        results: S::results(states, reading),
        summary: whole.summary,
    })
}

/// A group by its number through all partitions, which are few.
fn group<S>(partitions: &mut [Vec<Group<S>>], at: u32) -> &mut Group<S> {
    let mut at = at as usize;
    for groups in partitions {
        if at < groups.len() {
            return &mut groups[at];
        }
        at -= groups.len();
    }
    unreachable!("there are as many groups as numbers")
}
