//! Whatever the CSV, the threads and the memory: the items are those of a naive
//! computation.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::num::NonZeroUsize;

use proptest::prelude::*;
use types::table::{Column, Values};

use super::{Collected, Columns, Open, Wanted, csv};
use crate::{Error, Ids};

pub fn wanted(by: Option<&str>, columns: Columns) -> Wanted {
    Wanted {
        by: by.map(str::to_owned),
        columns,
        threads: NonZeroUsize::new(2).expect("two is not zero"),
        memory: 1 << 30,
        scratch: std::env::temp_dir(),
    }
}

pub fn value() -> Columns {
    Columns::Value("value".to_owned())
}

fn collect(text: &str, wanted: &Wanted) -> Result<Collected, Error> {
    let open: &Open =
        &|| Ok(Box::new(std::io::Cursor::new(text.to_owned())) as Box<dyn Read + Send>);
    csv(open, wanted, &|_| ())
}

/// All items one by one: id, and cells by column.
pub fn items(all: &Collected) -> Vec<(String, Vec<Column>)> {
    let mut items = Vec::new();
    for index in 0..all.shelves() {
        let shelf = all.shelf(index).expect("it can be loaded");
        for (place, rank) in shelf.ranks.iter().enumerate() {
            assert_eq!(*rank as usize, items.len(), "ranks ascend");
            let rows = shelf.starts[place]..shelf.starts[place + 1];
            assert_eq!(rows.end - rows.start, all.lengths[items.len()]);
            let cells = shelf.columns.iter().map(|column| cut(column, &rows));
            items.push((all.ids.shown(items.len()), cells.collect()));
        }
    }
    assert_eq!(items.len(), all.len());
    items
}

pub fn cut(column: &Column, rows: &std::ops::Range<u64>) -> Column {
    let rows = usize::try_from(rows.start).unwrap()..usize::try_from(rows.end).unwrap();
    let values = match &column.values {
        Values::Integers(values) => Values::Integers(values[rows].to_vec()),
        Values::Floats(values) => Values::Floats(values[rows].to_vec()),
        Values::Booleans(values) => Values::Booleans(values[rows].to_vec()),
        Values::Texts(texts) => Values::Texts(rows.map(|row| texts.get(row)).collect()),
    };
    Column {
        name: column.name.clone(),
        values,
    }
}

fn integers(values: &[i64]) -> Vec<Column> {
    let values = Values::Integers(values.to_vec());
    let name = "value".to_owned();
    vec![Column { name, values }]
}

#[test]
fn rows_of_an_id_come_together_in_their_order() {
    let text = "id,value\nb,1\na,2\nb,-0\n,4\na,5\nb,6\n";
    let all = collect(text, &wanted(Some("id"), value())).unwrap();
    assert_eq!(all.summary.dropped, 1);
    let expected = [("a", vec![2, 5]), ("b", vec![1, 0, 6])];
    let expected = expected.map(|(id, values)| (id.to_owned(), integers(&values)));
    assert_eq!(items(&all), expected);
}

#[test]
fn equal_ids_that_are_written_in_two_ways_are_one_item() {
    let text = "id,value\n2.0,1\n1,2\n2,3\n";
    let all = collect(text, &wanted(Some("id"), value())).unwrap();
    assert_eq!(all.ids, Ids::Floats(vec![1.0, 2.0]));
    assert_eq!(items(&all)[1].1, integers(&[1, 3]));
}

#[test]
fn without_ids_each_row_is_an_item() {
    let all = collect("value\n3\n1\n", &wanted(None, value())).unwrap();
    assert_eq!(all.ids, Ids::Integers(vec![0, 1]));
    assert_eq!(items(&all)[0].1, integers(&[3]));
}

/// A row of an id, in the order of the file.
fn long(rows: &[(u8, i32)], end: &str) -> String {
    let mut text = format!("id,value{end}\n");
    for (id, value) in rows {
        let _ = writeln!(text, "{id},{value}{end}");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn memory_and_threads_do_not_show_in_the_items(
        rows in proptest::collection::vec((0..12_u8, -1000..1000_i32), 1..6_000),
        threads in 1_usize..4,
        kilobytes in 20_u64..200,
    ) {
        let tight = Wanted {
            memory: kilobytes * 1024,
            threads: NonZeroUsize::new(threads).expect("there is one"),
            ..wanted(Some("id"), value())
        };
        let mut expected: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        for (id, value) in &rows {
            expected.entry(*id).or_default().push(i64::from(*value));
        }
        let largest = expected.values().map(Vec::len).max().unwrap() as u64 * 8;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(id, values)| (id.to_string(), integers(&values)))
            .collect();
        // Wide enough for several blocks.
        match collect(&long(&rows, &format!(",{}", "x".repeat(120))), &tight) {
            Ok(all) => {
                prop_assert_eq!(items(&all), expected);
                for index in 0..all.shelves() {
                    let shelf = all.shelf(index).unwrap();
                    let bytes: u64 = shelf.columns.iter().map(|it| it.values.bytes()).sum();
                    prop_assert_eq!(all.shelf_bytes(index), bytes);
                    prop_assert!(all.shelves() == 1 || bytes <= tight.memory / 4);
                }
            }
            Err(Error::ItemTooLarge { bytes, .. }) => prop_assert_eq!(bytes, largest),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn what_does_not_fit_is_on_several_shelves() {
    let rows: Vec<_> = (0..250).cycle().take(6000).zip(0..).collect();
    let tight = Wanted {
        memory: 100_000,
        ..wanted(Some("id"), value())
    };
    let all = collect(&long(&rows, ""), &tight).unwrap();
    assert!(all.shelves() > 2, "{}", all.shelves());
    assert_eq!(all.len(), 250);
    assert_eq!(
        items(&all)[7].1,
        integers(&(0..24).map(|at| at * 250 + 7).collect::<Vec<_>>())
    );
}

#[test]
fn an_item_that_is_too_large_is_named() {
    let mut rows: Vec<_> = (0..4000).map(|at| (42, at)).collect();
    rows.push((1, 1));
    let tight = Wanted {
        memory: 40_000,
        ..wanted(Some("id"), value())
    };
    let error = collect(&long(&rows, ""), &tight).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the 4000 rows of id \"42\" need 32000 bytes of memory, and an item may take at most 10000"
    );
}

#[test]
fn ids_that_are_too_many_are_refused() {
    let mut text = "id,value\n".to_owned();
    for id in 0..20_000 {
        let _ = writeln!(text, "{id},1");
    }
    let tight = Wanted {
        memory: 100_000,
        ..wanted(Some("id"), value())
    };
    let error = collect(&text, &tight).unwrap_err();
    assert!(
        matches!(error, Error::TooMuch { limit: 100_000 }),
        "{error}"
    );
}

#[test]
fn a_scratch_folder_that_is_not_there_is_named() {
    let rows: Vec<_> = (0..250).cycle().take(6000).zip(0..).collect();
    let tight = Wanted {
        memory: 100_000,
        scratch: "/nowhere".into(),
        ..wanted(Some("id"), value())
    };
    let error = collect(&long(&rows, ""), &tight).unwrap_err();
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

pub fn frame(columns: Vec<(&str, Values)>) -> Vec<Column> {
    let column = |(name, values): (&str, Values)| Column {
        name: name.to_owned(),
        values,
    };
    columns.into_iter().map(column).collect()
}

pub fn texts(texts: &[Option<&str>]) -> Values {
    Values::Texts(texts.iter().copied().collect())
}

#[test]
fn frames_have_all_columns_with_their_types() {
    let text = "n,id,f,b,t,e\n1,x,1.5,True,\"a,\nb\",\n2,y,,false,NA,\n,,z,0,0,0\n-0,x,3,TRUE,c,\n";
    let all = collect(text, &wanted(Some("id"), Columns::All));
    // The row without an id has its part in the types, as for pandas.
    let all = items(&all.unwrap());
    let expected = frame(vec![
        ("n", Values::Floats(vec![1.0, -0.0])),
        ("f", texts(&[Some("1.5"), Some("3")])),
        ("b", texts(&[Some("True"), Some("TRUE")])),
        ("t", texts(&[Some("a,\nb"), Some("c")])),
        ("e", Values::Floats(vec![f64::NAN, f64::NAN])),
    ]);
    assert_eq!(format!("{:?}", all[0].1), format!("{expected:?}"));
    let all = collect(
        &text.replace(",,z,0,0,0\n", ""),
        &wanted(Some("id"), Columns::All),
    );
    let expected = frame(vec![
        ("n", Values::Integers(vec![2])),
        ("f", Values::Floats(vec![f64::NAN])),
        ("b", Values::Booleans(vec![false])),
        ("t", texts(&[None])),
        ("e", Values::Floats(vec![f64::NAN])),
    ]);
    assert_eq!(
        format!("{:?}", items(&all.unwrap())[1].1),
        format!("{expected:?}")
    );
}

/// The first block is all integers, and what comes then is not.
#[test]
fn types_are_those_of_the_whole_file() {
    let mut text = "id,late,more\n".to_owned();
    for row in 0..60_000 {
        let _ = writeln!(text, "{},007,{row}", row % 2);
    }
    for (end, late, more) in [
        (
            "0,x,1.5\n",
            texts(&[Some("007"), Some("x")]),
            Values::Floats(vec![0.0, 1.5]),
        ),
        (
            "0,8,1\n",
            Values::Integers(vec![7, 8]),
            Values::Integers(vec![0, 1]),
        ),
    ] {
        let all = collect(&format!("{text}{end}"), &wanted(Some("id"), Columns::All)).unwrap();
        let item = &items(&all)[0].1;
        let ends = |column: &Column| {
            let mut ends = cut(column, &(0..1)).values;
            ends.extend(&column.values, 30_000..30_001);
            ends
        };
        assert_eq!([ends(&item[0]), ends(&item[1])], [late, more]);
    }
}

#[test]
fn frames_without_ids_are_rows() {
    let all = collect("a,b\n1,x\n2,y\n", &wanted(None, Columns::All)).unwrap();
    let row = frame(vec![
        ("a", Values::Integers(vec![2])),
        ("b", texts(&[Some("y")])),
    ]);
    assert_eq!(items(&all)[1], ("1".to_owned(), row));
}

#[derive(Debug, Clone)]
struct Cells {
    id: u8,
    number: i16,
    text: Option<String>,
}

fn cells() -> impl Strategy<Value = Vec<Cells>> {
    let text = proptest::option::of("[a-z\"\n\u{e4},]{1,20}x");
    let cells = (0..12_u8, any::<i16>(), text);
    let cells = cells.prop_map(|(id, number, text)| Cells { id, number, text });
    proptest::collection::vec(cells, 1..1_500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn frames_are_whole_whatever_the_memory(
        rows in cells(),
        threads in 1_usize..4,
        kilobytes in 20_u64..400,
        by_id in any::<bool>(),
    ) {
        let tight = Wanted {
            memory: kilobytes * 1024,
            threads: NonZeroUsize::new(threads).expect("there is one"),
            ..wanted(by_id.then_some("id"), Columns::All)
        };
        let mut csv = "id,number,text,pad\n".to_owned();
        let mut expected: BTreeMap<usize, (Vec<i64>, Vec<Option<&str>>)> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let text = row.text.as_deref();
            let quoted = text.map(|text| format!("\"{}\"", text.replace('"', "\"\"")));
            let pad = "x".repeat(300);
            let _ = writeln!(csv, "{},{},{},{pad}", row.id, row.number, quoted.unwrap_or_default());
            let item = expected.entry(if by_id { row.id.into() } else { at }).or_default();
            item.0.push(row.number.into());
            item.1.push(text);
        }
        match collect(&csv, &tight) {
            Ok(all) => {
                let column = |item: &[Column], name: &str| {
                    item.iter().find(|column| column.name == name).unwrap().values.clone()
                };
                let found: Vec<_> = items(&all)
                    .into_iter()
                    .map(|(id, item)| (id, column(&item, "number"), column(&item, "text")))
                    .collect();
                prop_assert_eq!(found.len(), expected.len());
                let floats = |texts: &Values| match texts {
                    // If all are missing they are floats.
                    Values::Floats(missing) => {
                        Values::Texts(missing.iter().map(|_| None).collect())
                    }
                    other => other.clone(),
                };
                for ((id, number, text), expected) in found.into_iter().zip(expected) {
                    prop_assert_eq!(id, expected.0.to_string());
                    prop_assert_eq!(number, Values::Integers(expected.1.0));
                    prop_assert_eq!(floats(&text), texts(&expected.1.1));
                }
            }
            Err(Error::ItemTooLarge { .. } | Error::TooMuch { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn what_is_wrong_with_a_csv_is_said_with_its_place() {
    let number = "expected a number, found";
    for (text, columns, said) in [
        (
            "",
            value(),
            "the input is empty: there is not even a header".to_owned(),
        ),
        (
            "\n \n",
            value(),
            "the input is empty: there is not even a header".to_owned(),
        ),
        (
            "1,2\n3,4\n",
            value(),
            "there is no column \"id\"; there are \"1\", \"2\"".to_owned(),
        ),
        (
            "id,v\n3,4\n",
            value(),
            "there is no column \"value\"; there are \"id\", \"v\"".to_owned(),
        ),
        (
            "id,value\n1,2\n1,2,3\n",
            value(),
            "row 2: expected 2 fields, found 3".to_owned(),
        ),
        (
            "id,value\n1,2\n1,2,3\n",
            Columns::All,
            "row 2: expected 2 fields, found 3".to_owned(),
        ),
        (
            "id,value\n1,\"2\n3,4\n",
            value(),
            "row 1: a quote is opened and never closed".to_owned(),
        ),
        (
            "\"id,value\n",
            value(),
            "the header: a quote is opened and never closed".to_owned(),
        ),
        (
            "id,value\n1,2\n\n1,2.5.1\n",
            value(),
            format!("row 2: column \"value\": {number} \"2.5.1\""),
        ),
        (
            "id,value\n1,2\n\"1\",x\"y\n",
            value(),
            format!("row 2: column \"value\": {number} \"x\\\"y\""),
        ),
        (
            "id\n1\n",
            Columns::All,
            "there is no column beside \"id\", that of the ids".to_owned(),
        ),
        (
            "id,value\n1,2\n",
            Columns::Lines,
            "only JSON lines have lines that are values".to_owned(),
        ),
    ] {
        let error = collect(text, &wanted(Some("id"), columns)).unwrap_err();
        assert_eq!(error.to_string(), said, "{text:?}");
    }
}

#[test]
fn what_is_not_utf8_is_said_with_its_place() {
    for (csv, columns, said) in [
        (
            &b"id,value,t\n1,2,x\n\xff,3,y\n"[..],
            value(),
            "row 2: column \"id\": not UTF-8 text",
        ),
        (
            b"id,value,t\n1,2,x\n1,3,\xe4\n",
            Columns::All,
            "row 2: column \"t\": not UTF-8 text",
        ),
        (
            b"id,v\xe4lue\n1,2\n",
            value(),
            "the header is not UTF-8 text",
        ),
    ] {
        let open: &Open = &|| Ok(Box::new(csv) as Box<dyn Read + Send>);
        let error = super::csv(open, &wanted(Some("id"), columns), &|_| ()).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
    // What nobody asks for may be anything.
    let open: &Open = &|| Ok(Box::new(&b"id,value,t\n1,2,\xff\n"[..]) as Box<dyn Read + Send>);
    assert_eq!(
        super::csv(open, &wanted(Some("id"), value()), &|_| ())
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn odd_data_is_read_as_pandas_does() {
    let value_of = |text: &str, name: &str| {
        let all = collect(text, &wanted(Some("id"), Columns::Value(name.to_owned()))).unwrap();
        items(&all)
    };
    // Columns of the same name, a column of row names, short rows, quoted ids.
    let second = value_of("id,value,value\n1,2,3\n", "value.1");
    assert_eq!(second[0].1[0].values, Values::Integers(vec![3]));
    let shifted = value_of("id,value\n9,1,2\n9,1,3\n", "value");
    assert_eq!(shifted[0], ("1".to_owned(), integers(&[2, 3])));
    let short = value_of("id,value\n1\n", "value");
    assert_eq!(format!("{:?}", short[0].1[0].values), "Floats([NaN])");
    let quoted = value_of("id,value\n\"a,\nb\",1\n\"a,\nb\",2\n", "value");
    assert_eq!(quoted, [("a,\nb".to_owned(), integers(&[1, 2]))]);
    let none = collect("id,value\n", &wanted(Some("id"), Columns::All)).unwrap();
    assert_eq!((none.len(), none.shelves()), (0, 1));
    assert_eq!(none.shelf(0).unwrap().columns[0].values, texts(&[]));
}

#[test]
fn a_huge_field_is_a_field() {
    let huge = "x".repeat(2_000_000);
    let all = collect(
        &format!("id,t\n1,{huge}\n1,y\n"),
        &wanted(Some("id"), Columns::All),
    );
    let expected = texts(&[Some(&huge), Some("y")]);
    assert!(items(&all.unwrap())[0].1[0].values == expected);
}

/// So many that several threads order them.
#[test]
fn ids_of_one_row_each_are_ordered() {
    const PRIME: u32 = 100_003;
    let mut csv = "id,value\n".to_owned();
    for row in 0..PRIME {
        let _ = writeln!(csv, "{},{row}", row * 7_919 % PRIME);
    }
    for (csv, ids) in [
        (csv.clone(), Ids::Integers((0..i64::from(PRIME)).collect())),
        (
            csv + ",1\n",
            Ids::Floats((0..PRIME).map(f64::from).collect()),
        ),
    ] {
        let all = collect(&csv, &wanted(Some("id"), value())).unwrap();
        assert_eq!(all.ids, ids);
        let shelf = all.shelf(0).unwrap();
        let Values::Integers(values) = &shelf.columns[0].values else {
            panic!("they are integers")
        };
        for (id, row) in (0..i64::from(PRIME)).zip(values) {
            assert_eq!(row * 7_919 % i64::from(PRIME), id);
        }
    }
}
