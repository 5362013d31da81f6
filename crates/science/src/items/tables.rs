//! Items of typed tables.

use std::sync::atomic::{AtomicBool, Ordering};

use types::table::{Column, Values};

use super::shelves::Settle;
use super::{Collected, Columns, Wanted};
use crate::Error;
use crate::groups::tables::{Slicer, Tables, Wish};
use crate::groups::work;
use crate::parse::Kind;

/// Collects the items of tables that come one after the other, with equal columns. A
/// column of integers may be one of floats in those tables where some are missing.
/// There is at least one table, if only to say which columns there are.
pub fn tables<E: Into<Error>>(
    tables: impl Iterator<Item = Result<Vec<Column>, E>> + Send,
    wanted: &Wanted,
) -> Result<Collected, Error> {
    let tables = Tables::open(tables)?;
    let by = wanted.by.as_ref();
    let by = by.map(|by| tables.find(by)).transpose()?;
    let like = tables.kinds();
    let spelling = by.map(|by| Slicer::spelling(like[by])).unwrap_or_default();
    match &wanted.columns {
        Columns::Value(name) => {
            let value = tables.number(name)?;
            let parser = || Slicer::new(by, &like, Wish::Number(value));
            let piles = wanted.piles(&[Values::Integers(vec![])]);
            let done = work::run(tables, wanted.threads, parser, piles, &|_| ())?;
            let settle = Settle::numbers(&done.whole, name)?;
            wanted.collected(done, spelling, settle, vec![name.clone()])
        }
        Columns::All => {
            let columns: Vec<_> = (0..like.len()).filter(|at| Some(*at) != by).collect();
            if columns.is_empty() {
                let by = wanted.by.clone().unwrap_or_default();
                return Err(Error::OnlyIds { by });
            }
            let name = |at: &usize| tables.columns()[*at].name.clone();
            let names = columns.iter().map(name).collect();
            let floats: Vec<_> = columns.iter().map(|_| AtomicBool::new(false)).collect();
            let parser = || Slicer::new(by, &like, Wish::Columns(&columns, &floats));
            let empty: Vec<_> = columns.iter().map(|at| like[*at].empty()).collect();
            let piles = wanted.piles(&empty);
            let done = work::run(tables, wanted.threads, parser, piles, &|_| ())?;
            let kind = |(at, floats): (&usize, &AtomicBool)| match like[*at] {
                Kind::Integers if floats.load(Ordering::Relaxed) => Kind::Floats,
                kind => kind,
            };
            let kinds = columns.iter().zip(&floats).map(kind).collect();
            wanted.collected(done, spelling, Settle::Kinds(kinds), names)
        }
        Columns::Lines => Err(Error::NotLines),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{frame, items, texts, value, wanted};
    use super::*;
    use crate::Ids;

    fn typed(batches: Vec<Vec<(&str, Values)>>, wanted: &Wanted) -> Result<Collected, Error> {
        let batches = batches
            .into_iter()
            .map(|batch| Ok::<_, Error>(frame(batch)));
        tables(batches, wanted)
    }

    #[test]
    fn tables_become_items_of_their_types() {
        let batch = |ids: Values| vec![("id", ids), ("value", Values::Floats(vec![1.0, 2.0, 3.0]))];
        let text = |ids: [Option<&str>; 3]| texts(&ids);
        for (ids, expected, dropped) in [
            (
                Values::Integers(vec![9, 10, 9]),
                Ids::Integers(vec![9, 10]),
                0,
            ),
            (
                Values::Integers(vec![i64::MIN, 0, 0]),
                Ids::Integers(vec![i64::MIN, 0]),
                0,
            ),
            (
                Values::Floats(vec![9.0, f64::NAN, -0.0]),
                Ids::Floats(vec![0.0, 9.0]),
                1,
            ),
            (
                Values::Floats(vec![0.1, 1e300, 2.0]),
                Ids::Floats(vec![0.1, 2.0, 1e300]),
                0,
            ),
            (
                Values::Booleans(vec![true, false, true]),
                Ids::Booleans(vec![false, true]),
                0,
            ),
            (
                text([Some("9"), None, Some("")]),
                Ids::Text(vec![b"".as_slice().into(), b"9".as_slice().into()]),
                1,
            ),
        ] {
            let all = typed(vec![batch(ids)], &wanted(Some("id"), value())).unwrap();
            assert_eq!((&all.ids, all.summary.dropped), (&expected, dropped));
            assert_eq!(items(&all).len(), expected.len());
        }
    }

    /// Where some are missing, integers come as floats.
    #[test]
    fn integers_of_one_table_are_floats_if_those_of_another_are() {
        let ints = |values: &[i64]| Values::Integers(values.to_vec());
        let floats = |values: &[f64]| Values::Floats(values.to_vec());
        let batches = vec![
            vec![
                ("id", ints(&[2, 1])),
                ("value", ints(&[5, 6])),
                ("t", texts(&[Some("x"), None])),
            ],
            vec![
                ("id", floats(&[1.0, f64::NAN])),
                ("value", floats(&[7.0, 8.0])),
                ("t", texts(&[None; 2])),
            ],
            vec![
                ("id", ints(&[1, 2])),
                ("value", ints(&[9, i64::MIN])),
                ("t", texts(&[None; 2])),
            ],
        ];
        for columns in [value(), Columns::All] {
            for memory in [1 << 30, 4_000] {
                let tight = Wanted {
                    memory,
                    ..wanted(Some("id"), columns.clone())
                };
                let all = typed(batches.clone(), &tight).unwrap();
                assert_eq!(all.ids, Ids::Floats(vec![1.0, 2.0]));
                let all = items(&all);
                assert_eq!(all[0].1[0].values, floats(&[6.0, 7.0, 9.0]));
                assert_eq!(
                    all[1].1[0].values,
                    floats(&[5.0, -9_223_372_036_854_775_808.0])
                );
                if columns == Columns::All {
                    assert_eq!(all[1].1[1].values, texts(&[Some("x"), None]));
                }
            }
        }
    }

    #[test]
    fn tables_that_do_not_go_together_are_refused() {
        let ids = || ("id", Values::Integers(vec![1]));
        let with = |values| vec![ids(), ("value", values)];
        let text = || texts(&[Some("x")]);
        let of_text = typed(vec![with(text())], &wanted(Some("id"), value())).unwrap_err();
        assert_eq!(
            of_text.to_string(),
            "column \"value\" is one of text, and numbers are wanted"
        );
        let changed = vec![with(Values::Integers(vec![1])), with(text())];
        let changed = typed(changed, &wanted(Some("id"), Columns::All)).unwrap_err();
        assert_eq!(
            changed.to_string(),
            "row 2: column \"value\": not of the type that the rows before it have"
        );
        let other = typed(vec![vec![ids()]], &wanted(Some("id"), value())).unwrap_err();
        assert_eq!(
            other.to_string(),
            "there is no column \"value\"; there are \"id\""
        );
        let only = typed(vec![vec![ids()]], &wanted(Some("id"), Columns::All)).unwrap_err();
        assert_eq!(
            only.to_string(),
            "there is no column beside \"id\", that of the ids"
        );
        let shape = typed(
            vec![with(Values::Integers(vec![1])), vec![ids()]],
            &wanted(Some("id"), value()),
        );
        assert!(matches!(shape, Err(Error::Read(_))), "{shape:?}");
        assert!(matches!(
            typed(vec![], &wanted(None, Columns::All)),
            Err(Error::Empty)
        ));
    }

    #[test]
    fn tables_without_ids_are_rows() {
        let batch = || {
            vec![
                ("a", Values::Integers(vec![1, 2])),
                ("b", texts(&[None, Some("x")])),
            ]
        };
        let all = typed(vec![batch(), batch()], &wanted(None, Columns::All)).unwrap();
        assert_eq!(all.ids, Ids::Integers(vec![0, 1, 2, 3]));
        let row = frame(vec![
            ("a", Values::Integers(vec![2])),
            ("b", texts(&[Some("x")])),
        ]);
        assert_eq!(items(&all)[3].1, row);
    }
}
