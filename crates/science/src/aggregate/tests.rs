//! Any CSV, any number of threads: the groups are those of a naive computation that
//! reads one byte after the other and keeps all rows.

use std::collections::HashMap;
use std::fmt::Write;
use std::num::NonZeroUsize;

use proptest::prelude::*;

use types::table::{Column, Values};

use super::{Aggregate, Groups, Ids, Plan, Results, Spelling, aggregate, aggregate_tables};
use crate::{Error, Problem};

fn plan(aggregate: Aggregate, threads: usize) -> Plan {
    Plan {
        by: "id".to_owned(),
        value: "value".to_owned(),
        aggregate,
        spelling: Spelling::Unknown,
        threads: NonZeroUsize::new(threads).expect("there is a thread"),
        memory: 1 << 30,
        scratch: std::env::temp_dir(),
    }
}

fn run(text: &str, plan: &Plan) -> Result<Groups, Error> {
    match aggregate(text.as_bytes(), plan, &|_| ()) {
        Err(Error::Respelled(spelling)) => {
            let plan = Plan {
                spelling,
                ..plan.clone()
            };
            aggregate(text.as_bytes(), &plan, &|_| ())
        }
        other => other,
    }
}

fn written(text: &str, aggregate: Aggregate) -> String {
    let groups = run(text, &plan(aggregate, 2)).expect("the text is well formed");
    let mut out = Vec::new();
    groups.write(&mut out).expect("memory takes all");
    String::from_utf8(out).expect("all is text")
}

fn problem(text: &str) -> (u64, Problem) {
    match run(text, &plan(Aggregate::Sum, 2)) {
        Err(Error::Row { row, problem }) => (row, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_keep_their_type_and_order() {
    for (text, expected) in [
        ("id,value\n10,1\n9,2\n10,3\n", "id,value\n9,2\n10,4\n"),
        ("id,value\n10,1\n9x,2\n10,3\n", "id,value\n10,4\n9x,2\n"),
        ("id,value\n10,1\n,2\n9,3\n", "id,value\n9.0,3\n10.0,1\n"),
        ("id,value\n2.0,1\n2,2\n1e1,3\n", "id,value\n2.0,3\n10.0,3\n"),
        ("id,value\n07,1\n7,2\n", "id,value\n7,3\n"),
        ("id,value\n07,1\n7,2\nx,3\n", "id,value\n07,1\n7,2\nx,3\n"),
        (
            "id,value\ntrue,1\nTRUE,2\nFalse,3\n",
            "id,value\nFalse,3\nTrue,3\n",
        ),
        (
            "id,value\n99999999999999999999,1\n5,2\n",
            "id,value\n5,2\n99999999999999999999,1\n",
        ),
    ] {
        assert_eq!(written(text, Aggregate::Sum), expected, "{text:?}");
    }
}

#[test]
fn missing_values_do_not_count() {
    let text = "id,value\n1,\n1,2\n1,NA\n2,\n3,1\n3,2\n3,4\n";
    for (aggregate, expected) in [
        (Aggregate::Sum, "1,2.0\n2,0.0\n3,7.0\n"),
        (Aggregate::Mean, "1,2.0\n2,\n3,2.3333333333333335\n"),
        (Aggregate::Min, "1,2.0\n2,\n3,1.0\n"),
        (Aggregate::Max, "1,2.0\n2,\n3,4.0\n"),
        (Aggregate::Std, "1,\n2,\n3,1.5275252316519465\n"),
        (Aggregate::Count, "1,1\n2,0\n3,3\n"),
        (Aggregate::Median, "1,2.0\n2,\n3,2.0\n"),
        (Aggregate::Quantile(0.75), "1,2.0\n2,\n3,3.0\n"),
    ] {
        assert_eq!(written(text, aggregate), format!("id,value\n{expected}"));
    }
}

#[test]
fn integers_stay_integers_until_a_float_comes() {
    let wrapped = "id,value\n1,9223372036854775807\n1,1\n";
    assert_eq!(
        written(wrapped, Aggregate::Sum),
        "id,value\n1,-9223372036854775808\n"
    );
    let late = "id,value\n1,2\n1,3\n2,0.5\n";
    assert_eq!(written(late, Aggregate::Sum), "id,value\n1,5.0\n2,0.5\n");
    let zero = "id,value\n1,-0\n2,-0\n";
    assert_eq!(written(zero, Aggregate::Min), "id,value\n1,0\n2,0\n");
    let zero = "id,value\n1,-0\n2,\n";
    for aggregate in [Aggregate::Min, Aggregate::Median, Aggregate::Mean] {
        assert_eq!(written(zero, aggregate), "id,value\n1,0.0\n2,\n");
    }
    let zero = "id,value\n1,-0\n2,1.5\n";
    assert_eq!(written(zero, Aggregate::Min), "id,value\n1,-0.0\n2,1.5\n");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let number = |found: &str| Problem::NotANumber {
        column: "value".to_owned(),
        found: found.to_owned(),
    };
    assert_eq!(problem("id,value\n1,2\n\n1,x\n"), (2, number("x")));
    assert_eq!(problem("id,value\n,x\n"), (1, number("x")));
    let long = Problem::TooManyFields {
        expected: 2,
        found: 3,
    };
    assert_eq!(problem("id,value\n1,2\n1,2,3\n"), (2, long));
    assert_eq!(problem("id,value\n1,2\n\"1,2\n"), (2, Problem::OpenQuote));
    assert_eq!(problem("\"id,value\n"), (0, Problem::OpenQuote));
    let (row, wide) = problem("id,value\n1,2\n1,9223372036854775808\n");
    assert_eq!((row, wide.to_string().contains("64 bits")), (2, true));
}

#[test]
fn memory_ends_before_the_machine_does() {
    let mut text = "id,value\n".to_owned();
    for id in 0..20_000 {
        let _ = writeln!(text, "{id},1");
    }
    let small = Plan {
        memory: 100_000,
        ..plan(Aggregate::Sum, 2)
    };
    assert!(matches!(
        run(&text, &small),
        Err(Error::TooMuch { limit: 100_000 })
    ));
    assert!(run(&text, &plan(Aggregate::Sum, 2)).is_ok());
}

#[test]
fn medians_of_more_than_fits_into_memory_are_the_same() {
    let mut text = "id,value\n".to_owned();
    for row in 0_u32..30_000 {
        let value = row.wrapping_mul(2_654_435_761) % 1000;
        let _ = writeln!(text, "{},{value}.5", row % 100);
    }
    for aggregate in [Aggregate::Median, Aggregate::Quantile(0.3)] {
        let small = Plan {
            memory: 100_000,
            ..plan(aggregate, 2)
        };
        let small = run(&text, &small).unwrap().results;
        assert_eq!(small, run(&text, &plan(aggregate, 2)).unwrap().results);
    }
}

fn tables(by: Values, value: Values) -> Vec<Result<Vec<Column>, Error>> {
    let column = |name: &str, values| Column {
        name: name.to_owned(),
        values,
    };
    vec![Ok(vec![column("value", value), column("id", by)])]
}

#[test]
fn typed_tables_are_aggregated_like_text() {
    let floats = || Values::Floats(vec![1.5, f64::NAN, 2.0, 4.0]);
    let ids = || Values::Texts(["b", "a", "b", "7"].map(Some).into_iter().collect());
    for (by, value, aggregate, expected) in [
        (ids(), floats(), Aggregate::Sum, "7,4.0\na,0.0\nb,3.5\n"),
        (ids(), floats(), Aggregate::Count, "7,1\na,0\nb,2\n"),
        (ids(), ids(), Aggregate::Count, "7,1\na,1\nb,2\n"),
        (ids(), floats(), Aggregate::Median, "7,4.0\na,\nb,1.75\n"),
        (
            Values::Floats(vec![1.0, 0.5, f64::NAN, 1.0]),
            Values::Integers(vec![1, 2, 3, i64::MAX]),
            Aggregate::Max,
            "0.5,2\n1.0,9223372036854775807\n",
        ),
        (
            Values::Booleans(vec![true, false, true, true]),
            Values::Booleans(vec![true, false, false, true]),
            Aggregate::Sum,
            "False,0\nTrue,2\n",
        ),
    ] {
        let groups = aggregate_tables(tables(by, value).into_iter(), &plan(aggregate, 2));
        let mut out = Vec::new();
        groups.unwrap().write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("id,value\n{expected}")
        );
    }
    let text = aggregate_tables(tables(ids(), ids()).into_iter(), &plan(Aggregate::Sum, 1));
    assert!(matches!(text, Err(Error::NotNumbers { column }) if column == "value"));
}

/// Sorted and unsorted rows are summed by different formulas; only in the former do
/// rows of a group follow each other through blocks.
#[test]
fn threads_do_not_show_in_the_bits() {
    for sorted in [true, false] {
        let mut text = "id,value\n".to_owned();
        for row in 0_u32..120_000 {
            let id = if sorted { row / 40_000 } else { row % 3 };
            let value = f64::from(row.wrapping_mul(2_654_435_761)) / 1e7;
            let _ = writeln!(text, "{id},{value}");
        }
        let sums = |threads| match run(&text, &plan(Aggregate::Sum, threads)).unwrap().results {
            Results::Floats(sums) => sums.into_iter().map(f64::to_bits).collect::<Vec<_>>(),
            Results::Integers(_) => panic!("they are floats"),
        };
        let alone = sums(1);
        for threads in [2, 3, 8] {
            assert_eq!(sums(threads), alone, "sorted: {sorted}, threads: {threads}");
        }
    }
}

/// A record for each row, and the text that says it.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    value: i32,
    quoted: bool,
    blank_before: bool,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let id = prop_oneof![
        "[a-c]{1,2}",
        "[a-c,\"\n]{1,5}x",
        Just("x\r\ny".to_owned()),
        "[0-9]{1,12}y",
    ];
    let row = (id, any::<i32>(), any::<bool>(), any::<bool>());
    let row = row.prop_map(|(id, value, quoted, blank_before)| Row {
        id,
        value,
        quoted,
        blank_before,
    });
    proptest::collection::vec(row, 0..60)
}

fn text(rows: &[Row], line_end: &str) -> String {
    let mut text = format!("time,id,value{line_end}");
    for row in rows {
        if row.blank_before {
            text.push_str(line_end);
        }
        let must = row.id.contains([',', '"', '\n', '\r']);
        let id = if must || row.quoted {
            format!("\"{}\"", row.id.replace('"', "\"\""))
        } else {
            row.id.clone()
        };
        let _ = write!(text, "\"a\"\"\n,b\",{id},{}{line_end}", row.value);
    }
    text
}

proptest! {
    #[test]
    fn any_text_gives_the_groups_of_a_naive_computation(
        rows in rows(),
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        threads in 1usize..4,
    ) {
        let groups = run(&text(&rows, line_end), &plan(Aggregate::Sum, threads)).unwrap();
        let mut expected: HashMap<&[u8], i64> = HashMap::new();
        for row in &rows {
            *expected.entry(row.id.as_bytes()).or_default() += i64::from(row.value);
        }
        let mut expected: Vec<_> = expected.into_iter().collect();
        expected.sort_unstable();
        let sums = match groups.results {
            Results::Integers(sums) => sums,
            Results::Floats(_) => panic!("they are integers"),
        };
        let ids = match groups.ids {
            Ids::Text(ids) => ids,
            other => {
                prop_assert!(rows.is_empty(), "{:?}", other);
                vec![]
            }
        };
        let found: Vec<_> = ids.iter().map(|id| &**id).zip(sums).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(groups.summary.rows, rows.len() as u64);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(
        prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), Just(b'\r'), Just(b'1'), any::<u8>()], 0..200,
    )) {
        let mut input = b"id,value\n1,2\n".to_vec();
        input.extend(bytes);
        let alone = aggregate(&*input, &plan(Aggregate::Median, 1), &|_| ());
        let several = aggregate(&*input, &plan(Aggregate::Median, 3), &|_| ());
        prop_assert_eq!(format!("{alone:?}"), format!("{several:?}"));
    }
}
