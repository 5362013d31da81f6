//! Data sets aggregated by functions that are built in, in this process.

use science::items::{Collected, Columns, Shelf, Wanted};
use science::{Groups, Ids, Plan, Spelling};
use types::table::{Column, Texts, Values};

use super::{Input, InputError, passed};
use crate::format::FileFormat;

impl Input {
    /// Aggregates it, in whatever format it is. Like [`Input::collect`] it takes its time.
    pub fn aggregate(
        &self,
        plan: &Plan,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Groups, InputError> {
        let found = self.find(FileFormat::Csv)?;
        let wanted = Wanted {
            by: Some(plan.by.clone()),
            columns: Columns::Value(plan.value.clone()),
            threads: plan.threads,
            memory: plan.memory,
            scratch: plan.scratch.clone(),
        };
        match found.format {
            FileFormat::Csv => self.read(found, progress, |open, heard| {
                let pass = |plan: &Plan| {
                    let input = open().map_err(science::Error::Read)?;
                    science::aggregate(input, plan, heard)
                };
                match pass(plan) {
                    Err(science::Error::Respelled(spelling))
                        if plan.spelling == Spelling::Unknown =>
                    {
                        let plan = plan.clone();
                        pass(&Plan { spelling, ..plan })
                    }
                    other => other,
                }
            }),
            FileFormat::Parquet | FileFormat::Arrow => {
                let batches = self.batches(found, &wanted, progress)?;
                science::aggregate_tables(batches, plan).map_err(passed)
            }
            FileFormat::JsonLines => {
                let items = self.read(found, progress, |open, heard| {
                    science::items::json_lines(open, &wanted, heard)
                })?;
                science::aggregate_tables(tables(&items, plan), plan).map_err(passed)
            }
        }
    }
}

/// Items as tables: beside each value its id.
fn tables(
    items: &Collected,
    plan: &Plan,
) -> impl Iterator<Item = Result<Vec<Column>, science::Error>> + Send {
    // Should there be no others, one without rows tells which columns there are.
    let none = (items.shelves() == 0).then(|| {
        Ok(vec![
            column(&plan.by, repeated(&items.ids, &[], &[0])),
            column(&plan.value, Values::Floats(Vec::new())),
        ])
    });
    let by = plan.by.clone();
    let shelves = (0..items.shelves()).map(move |index| {
        let shelf = items.shelf(index)?;
        let Shelf { ranks, starts, .. } = &*shelf;
        let mut columns = vec![column(&by, repeated(&items.ids, ranks, starts))];
        columns.extend(shelf.columns.iter().cloned());
        Ok(columns)
    });
    none.into_iter().chain(shelves)
}

fn column(name: &str, values: Values) -> Column {
    let name = name.to_owned();
    Column { name, values }
}

/// The id of each row.
fn repeated(ids: &Ids, ranks: &[u32], starts: &[u64]) -> Values {
    let rows = ranks
        .iter()
        .zip(starts.windows(2))
        .flat_map(|(rank, ends)| {
            let rank = usize::try_from(*rank).expect("a rank is a place in memory");
            (ends[0]..ends[1]).map(move |_| rank)
        });
    match ids {
        Ids::Integers(ids) => Values::Integers(rows.map(|rank| ids[rank]).collect()),
        Ids::Floats(ids) => Values::Floats(rows.map(|rank| ids[rank]).collect()),
        Ids::Booleans(ids) => Values::Booleans(rows.map(|rank| ids[rank]).collect()),
        Ids::Text(ids) => Values::Texts(rows.fold(Texts::default(), |mut texts, rank| {
            texts.push(Some(&String::from_utf8_lossy(&ids[rank])));
            texts
        })),
    }
}
