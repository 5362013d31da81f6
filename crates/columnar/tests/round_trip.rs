//! What is written is read back, and what is damaged on the way is an error at most.

use bytes::Bytes;
use columnar::{Batches, Error, Field, Names, Source, Wanted, write_arrow, write_parquet};
use proptest::prelude::*;
use types::table::{Column, Texts, Values};

const WANTED: Wanted<'static> = Wanted {
    by: None,
    columns: Names::All,
    limit: 1 << 24,
};

fn values(rows: usize) -> impl Strategy<Value = Values> {
    let texts = prop::collection::vec(any::<Option<String>>(), rows);
    let texts = texts.prop_map(|texts| texts.iter().map(Option::as_deref).collect::<Texts>());
    prop_oneof![
        prop::collection::vec(any::<i64>(), rows).prop_map(Values::Integers),
        prop::collection::vec(any::<f64>(), rows).prop_map(Values::Floats),
        prop::collection::vec(any::<bool>(), rows).prop_map(Values::Booleans),
        texts.prop_map(Values::Texts),
    ]
}

fn table() -> impl Strategy<Value = Vec<Values>> {
    (0..40_usize).prop_flat_map(|rows| prop::collection::vec(values(rows), 1..5))
}

fn written(table: &[Values], parquet: bool) -> Vec<u8> {
    let names: Vec<String> = (0..table.len()).map(|at| format!("column {at}")).collect();
    let field = |(name, values)| Field {
        name,
        values,
        missing: &[],
    };
    let names = names.iter().map(String::as_str);
    let fields: Vec<_> = names.zip(table).map(field).collect();
    let mut out = Vec::new();
    let done = if parquet {
        write_parquet(&fields, &mut out)
    } else {
        write_arrow(&fields, &mut out)
    };
    done.expect("memory takes what is written");
    out
}

fn read(bytes: Vec<u8>, parquet: bool) -> Result<Vec<Column>, Error> {
    let source = Source::memory(Bytes::from(bytes));
    let mut batches = if parquet {
        Batches::parquet(&source, &WANTED)?
    } else {
        Batches::arrow(&source, &WANTED)?
    };
    let mut all = batches.next().expect("there is one batch at least")?;
    for batch in batches {
        for (column, more) in all.iter_mut().zip(batch?) {
            column.values.extend(&more.values, 0..more.values.len());
        }
    }
    Ok(all)
}

/// Not a number is equal to itself here.
fn shown(values: &Values) -> String {
    format!("{values:?}")
}

proptest! {
    #[test]
    fn what_is_written_is_read(table in table(), parquet in any::<bool>()) {
        let columns = read(written(&table, parquet), parquet).unwrap();
        prop_assert_eq!(columns.len(), table.len());
        for (column, values) in columns.iter().zip(&table) {
            prop_assert_eq!(shown(&column.values), shown(values));
        }
    }

    #[test]
    fn damage_is_an_error_at_most(
        table in table(),
        parquet in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = written(&table, parquet);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Some damage changes a value, and cannot be told.
        if let Ok(columns) = read(bytes, parquet) {
            prop_assert!(columns.len() <= table.len());
        }
    }
}
