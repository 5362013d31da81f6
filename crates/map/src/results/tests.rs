//! Tables of results, written in every format.

use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;
use science::Ids;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::cells::{Cell, unquoted};
use super::*;
use crate::format::FileFormat;
use crate::payload::ItemError;
use crate::run::Failure;

fn results(texts: &[Option<&str>]) -> Vec<Option<Box<RawValue>>> {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    texts.iter().map(|text| text.map(raw)).collect()
}

fn table(texts: &[&str]) -> Table {
    let texts: Vec<_> = texts.iter().copied().map(Some).collect();
    let ids = (0..texts.len()).map(|id| i64::try_from(id).unwrap());
    Table::of(
        "id",
        &Ids::Integers(ids.collect()),
        "value",
        &results(&texts),
    )
    .unwrap()
}

fn written(table: &Table, format: FileFormat) -> Vec<u8> {
    let mut out = Vec::new();
    table.write(format, &mut out).unwrap();
    out
}

fn csv(texts: &[&str]) -> String {
    String::from_utf8(written(&table(texts), FileFormat::Csv)).unwrap()
}

fn lines(texts: &[&str]) -> String {
    String::from_utf8(written(&table(texts), FileFormat::JsonLines)).unwrap()
}

/// What `pandas.DataFrame(...).to_csv(index=False)` gives for the same results.
#[test]
fn scalars_as_pandas_has_them() {
    let cases: [(&[&str], &str); 12] = [
        (&["1", "2"], "id,value\n0,1\n1,2\n"),
        (&["1", "null"], "id,value\n0,1.0\n1,\n"),
        (&["1", "2.5"], "id,value\n0,1.0\n1,2.5\n"),
        (&["1e16", "0.1"], "id,value\n0,1e+16\n1,0.1\n"),
        (&["true", "false"], "id,value\n0,True\n1,False\n"),
        (&["true", "null"], "id,value\n0,True\n1,\n"),
        (&["\"a\"", "null"], "id,value\n0,a\n1,\n"),
        (
            &["\"a,b\"", "\"q\\\"\""],
            "id,value\n0,\"a,b\"\n1,\"q\"\"\"\n",
        ),
        (
            &["1", "\"x\"", "2.50", "true"],
            "id,value\n0,1\n1,x\n2,2.5\n3,True\n",
        ),
        (
            &["18446744073709551616"],
            "id,value\n0,18446744073709551616\n",
        ),
        (&["null", "null"], "id,value\n0,\n1,\n"),
        (&[], "id,value\n"),
    ];
    for (results, expected) in cases {
        assert_eq!(csv(results), expected, "{results:?}");
    }
}

#[test]
fn numbers_that_json_cannot_write() {
    let tags = [r#"{"squall":"nan"}"#, r#"{"squall": "-inf"}"#, "1"];
    assert_eq!(csv(&tags), "id,value\n0,\n1,-inf\n2,1.0\n");
    assert_eq!(
        lines(&tags),
        "{\"id\":0,\"value\":null}\n{\"id\":1,\"value\":null}\n{\"id\":2,\"value\":1.0}\n"
    );
    // Beside text.
    let tags = [r#"{"squall":"inf"}"#, "\"x\"", r#"{"squall":"nan"}"#];
    assert_eq!(csv(&tags), "id,value\n0,inf\n1,x\n2,\n");
    assert!(lines(&tags).starts_with("{\"id\":0,\"value\":null}\n{\"id\":1,\"value\":\"x\"}\n"));
    // In something nested.
    let tags = [r#"[1,{"squall":"nan"}]"#];
    assert_eq!(csv(&tags), "id,value\n0,\"[1,null]\"\n");
    // What only looks like one.
    let keys = [r#"{"squall":"other"}"#, r#"{"squall":1,"x":2}"#];
    assert_eq!(csv(&keys), "id,squall,x\n0,other,\n1,1,2.0\n");
}

#[test]
fn keys_become_columns_in_the_order_in_which_they_come() {
    assert_eq!(
        csv(&[
            r#"{"m":1,"c":0.5}"#,
            r#"{"c":2,"m":3,"p":"x"}"#,
            "null",
            "{}",
        ]),
        "id,m,c,p\n0,1.0,0.5,\n1,3.0,2.0,x\n2,,,\n3,,,\n"
    );
    // What has no keys is in the column of values.
    assert_eq!(
        csv(&[r#"{"a":1}"#, "5", r#"{"a":2}"#]),
        "id,a,value\n0,1.0,\n1,,5.0\n2,2.0,\n"
    );
    assert_eq!(
        csv(&[r#"{"a":{"b":[1, 2]}}"#]),
        "id,a\n0,\"{\"\"b\"\":[1, 2]}\"\n"
    );
    assert_eq!(csv(&[r#"{"a":1,"a":2}"#]), "id,a\n0,2\n");
    assert_eq!(csv(&[r#"{"a\"\n,":1}"#]), "id,\"a\"\"\n,\"\n0,1\n");
    // Nothing but the ids.
    assert_eq!(csv(&["{}", "{}"]), "id,value\n0,\n1,\n");
}

#[test]
fn a_key_with_the_name_of_the_ids() {
    assert_eq!(
        csv(&[r#"{"id":0,"a":1}"#, r#"{"id":1,"a":2}"#]),
        "id,a\n0,1\n1,2\n"
    );
    assert_eq!(csv(&[r#"{"id":7,"id.1":1}"#]), "id,id.2,id.1\n0,7,1\n");
}

#[test]
fn failed_items_are_left_out() {
    let ids = Ids::Text(["a", "b", "c"].map(|id| id.as_bytes().into()).to_vec());
    let results = results(&[Some("1"), None, Some("3")]);
    let table = Table::of("id", &ids, "value", &results).unwrap();
    assert_eq!(table.len(), 2);
    assert_eq!(written(&table, FileFormat::Csv), b"id,value\na,1\nc,3\n");
}

#[test]
fn rows_without_ids_are_counted() {
    let table = Table::of("", &Ids::Integers(vec![0]), "value", &results(&[Some("1")]));
    assert_eq!(
        written(&table.unwrap(), FileFormat::Csv),
        b"row,value\n0,1\n"
    );
}

#[test]
fn lines_of_json_keep_what_results_are() {
    assert_eq!(
        lines(&["1", "\"x\\u00e9\"", "[1, 2.50]", "null", "true"]),
        "{\"id\":0,\"value\":1}\n{\"id\":1,\"value\":\"x\\u00e9\"}\n{\"id\":2,\"value\":[1, 2.50]}\n\
         {\"id\":3,\"value\":null}\n{\"id\":4,\"value\":true}\n"
    );
    assert_eq!(
        lines(&[r#"{"a":"q\"","b":true}"#, r#"{"b":null}"#]),
        "{\"id\":0,\"a\":\"q\\\"\",\"b\":true}\n{\"id\":1,\"a\":null,\"b\":null}\n"
    );
}

#[test]
fn half_a_surrogate_pair_is_kept_as_it_is() {
    assert_eq!(csv(&[r#""\ud800""#]), "id,value\n0,\"\"\"\\ud800\"\"\"\n");
    assert_eq!(csv(&[r#"{"\ud800":1}"#]).lines().next(), Some("id,value"));
}

#[test]
fn deep_nesting_is_text() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(csv(&[&deep]), format!("id,value\n0,{deep}\n"));
}

#[test]
fn a_table_that_would_be_nearly_empty_is_refused() {
    let count = 5_000;
    let texts: Vec<String> = (0..count).map(|id| format!("{{\"k{id}\":1}}")).collect();
    let texts: Vec<_> = texts.iter().map(|text| Some(text.as_str())).collect();
    let ids = Ids::Integers((0..count).collect());
    let error = Table::of("id", &ids, "value", &results(&texts)).unwrap_err();
    let expected = TooWide {
        rows: 5_000,
        columns: 5_000,
        sparse: 5_000,
    };
    assert_eq!(error, expected);
}

#[test]
fn tables_come_back_from_arrow() {
    let texts = [
        r#"{"i":1,"f":0.5,"b":true,"t":"ü","m":"x","n":null}"#,
        r#"{"i":2,"f":null,"b":false,"t":null,"m":7,"n":1}"#,
    ];
    let table = table(&texts);
    let file = tempfile::tempfile().unwrap();
    table.write(FileFormat::Arrow, &mut &file).unwrap();
    let back = Table::read_arrow(file).unwrap();
    assert_eq!(
        written(&back, FileFormat::Csv),
        written(&table, FileFormat::Csv)
    );
    assert_eq!(
        written(&table, FileFormat::Csv),
        "id,i,f,b,t,m,n\n0,1,0.5,True,ü,x,\n1,2,,False,,7,1.0\n".as_bytes()
    );
}

#[test]
fn failed_items_are_listed() {
    let mut out = Vec::new();
    let failure = |message: &str, attempts| Failure {
        error: ItemError {
            error_type: "ValueError".to_owned(),
            error_message: message.to_owned(),
            stack_trace: Vec::new(),
        },
        attempts,
    };
    let failures = BTreeMap::from([(2, failure("bad, \"very\"", 1)), (0, failure("", 3))]);
    let id = |rank: usize| ["a", "b", "c,d"][rank].to_owned();
    failed::write("my id", id, &failures, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "my id,error,message,attempts\na,ValueError,,3\n\"c,d\",ValueError,\"bad, \"\"very\"\"\",1\n"
    );
}

#[test]
fn a_pipe_that_breaks_is_an_error_of_writing() {
    struct Broken;
    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in [
        FileFormat::Csv,
        FileFormat::JsonLines,
        FileFormat::Parquet,
        FileFormat::Arrow,
    ] {
        let error = table(&["1"]).write(format, &mut Broken).unwrap_err();
        let WriteError::Write(error) = error else {
            panic!("{format}: {error}")
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}

/// Values as functions answer them.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |it| it.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Every line has the id and what the function answered, whatever it was.
    #[test]
    fn lines_of_json_say_what_functions_said(values in prop::collection::vec(value(), 0..20)) {
        let texts: Vec<String> = values.iter().map(Value::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let out = lines(&texts);
        prop_assert_eq!(out.lines().count(), values.len());
        for (id, (line, text)) in out.lines().zip(&texts).enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            let value: Value = serde_json::from_str(text).unwrap();
            prop_assert_eq!(&line["id"], &json!(id));
            let given = match value {
                Value::Object(map) => map,
                other => [("value".to_owned(), other)].into_iter().collect(),
            };
            for (key, given) in given {
                let found = &line[&key];
                // A column of integers and floats is one of floats.
                let same = match (found.as_f64(), given.as_f64()) {
                    // What reads them here may be off by the last bit.
                    (Some(found), Some(given)) => (found - given).abs() <= given.abs() * 1e-15,
                    _ => *found == given,
                };
                prop_assert!(same, "{key}: {found} instead of {given}");
            }
        }
    }

    /// Whatever is written as CSV has as many cells in every row as in the header.
    #[test]
    fn rows_of_csv_are_of_one_length(values in prop::collection::vec(value(), 0..20)) {
        let texts: Vec<String> = values.iter().map(Value::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let table = table(&texts);
        let csv = written(&table, FileFormat::Csv);
        let csv = String::from_utf8(csv).unwrap();
        let (mut quoted, mut cells, mut rows) = (false, 1, Vec::new());
        for letter in csv.chars() {
            match letter {
                '"' => quoted = !quoted,
                ',' if !quoted => cells += 1,
                '\n' if !quoted => {
                    rows.push(cells);
                    cells = 1;
                }
                _ => {}
            }
        }
        prop_assert_eq!(rows.len(), values.len() + 1);
        prop_assert!(rows.iter().all(|cells| *cells == rows[0]));
    }

    #[test]
    fn text_comes_out_of_its_quotes(text in any::<String>()) {
        let json = Value::from(text.clone()).to_string();
        prop_assert_eq!(Cell::of(&json), Cell::Text(&json));
        prop_assert_eq!(unquoted(&json), text);
    }
}
