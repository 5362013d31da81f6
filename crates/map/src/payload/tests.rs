//! What is written is read back by a reader that knows only the protocol's page; what
//! is answered is believed only if it is as that page says.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use science::Ids;
use science::items::Shelf;
use serde_json::value::RawValue;
use types::table::{Column, Values};

use super::reader::{Cell, Item, float, read};
use super::write::{Of, chunk, size};
use super::*;

#[test]
fn errors_are_kept_in_a_bounded_size() {
    let error = ItemError {
        error_type: "E".repeat(10),
        error_message: "\u{e9}".repeat(1_000_000),
        stack_trace: vec!["x".repeat(1_000_000); 1000],
    };
    let kept = error.bounded();
    assert_eq!(kept.error_type, "EEEEEEEEEE");
    assert_eq!(kept.error_message.len(), KEPT_TEXT + 3);
    assert!(kept.error_message.ends_with("..."));
    assert_eq!(kept.stack_trace.len(), KEPT_LINES);
    assert_eq!(kept.stack_trace[0].len(), KEPT_TEXT + 3);
}

#[derive(Debug)]
struct Data {
    ids: Ids,
    shelf: Shelf,
    places: Vec<u32>,
}

impl Data {
    fn of(&self) -> Of<'_> {
        Of {
            by: "the id",
            ids: &self.ids,
            shelf: &self.shelf,
        }
    }

    fn expected(&self, kind: ItemKind) -> Vec<Item> {
        let columns = if kind == ItemKind::Frame {
            &self.shelf.columns[..]
        } else {
            &self.shelf.columns[..1]
        };
        let cells = |column: &Column, place: usize| -> Vec<Cell> {
            let starts = &self.shelf.starts;
            let rows = usize::try_from(starts[place]).unwrap()
                ..usize::try_from(starts[place + 1]).unwrap();
            match &column.values {
                Values::Integers(it) => it[rows].iter().map(|it| Cell::Integer(*it)).collect(),
                Values::Floats(it) => it[rows].iter().map(|it| float(*it)).collect(),
                Values::Booleans(it) => it[rows].iter().map(|it| Cell::Flag(*it)).collect(),
                Values::Texts(it) => rows
                    .map(|row| Cell::Text(it.get(row).map(str::to_owned)))
                    .collect(),
            }
        };
        let item = |place: &u32| {
            let place = *place as usize;
            let rank = self.shelf.ranks[place] as usize;
            Item {
                id: (kind == ItemKind::Dict).then(|| match &self.ids {
                    Ids::Integers(ids) => Cell::Integer(ids[rank]),
                    Ids::Floats(ids) => float(ids[rank]),
                    Ids::Booleans(ids) => Cell::Flag(ids[rank]),
                    Ids::Text(ids) => {
                        Cell::Text(Some(String::from_utf8(ids[rank].to_vec()).unwrap()))
                    }
                }),
                columns: columns
                    .iter()
                    .map(|column| (column.name.clone(), cells(column, place)))
                    .collect(),
            }
        };
        self.places.iter().map(item).collect()
    }
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1000_i32..1000).prop_map(f64::from),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-0.0),
    ]
}

fn values(rows: usize) -> impl Strategy<Value = Values> {
    let text = proptest::option::of(any::<String>());
    prop_oneof![
        vec(any::<i64>(), rows).prop_map(Values::Integers),
        vec(any_float(), rows).prop_map(Values::Floats),
        vec(any::<bool>(), rows).prop_map(Values::Booleans),
        vec(text, rows).prop_map(|it| Values::Texts(it.iter().map(Option::as_deref).collect())),
    ]
}

fn ids(count: usize) -> impl Strategy<Value = Ids> {
    prop_oneof![
        vec(any::<i64>(), count).prop_map(Ids::Integers),
        vec(any_float(), count).prop_map(Ids::Floats),
        vec(any::<bool>(), count).prop_map(Ids::Booleans),
        vec(any::<String>(), count)
            .prop_map(|it| Ids::Text(it.into_iter().map(|id| id.into_bytes().into()).collect())),
    ]
}

fn data() -> impl Strategy<Value = Data> {
    // Some items are longer than the block that base64 is made in.
    let length = prop_oneof![9 => 0_u64..20, 1 => 700_u64..1700];
    (vec(length, 1..6), 0_u32..3)
        .prop_flat_map(|(lengths, first)| {
            let mut starts = vec![0];
            for length in &lengths {
                starts.push(starts.last().unwrap() + length);
            }
            let rows = usize::try_from(*starts.last().unwrap()).unwrap();
            let count = u32::try_from(lengths.len()).unwrap();
            let column =
                (any::<String>(), values(rows)).prop_map(|(name, values)| Column { name, values });
            let places =
                proptest::sample::subsequence((0..count).collect::<Vec<_>>(), 1..=lengths.len());
            let ids = ids((first + count) as usize);
            (
                ids,
                vec(column, 1..4),
                places,
                Just((starts, first..first + count)),
            )
        })
        .prop_map(|(ids, columns, places, (starts, ranks))| Data {
            ids,
            places,
            shelf: Shelf {
                ranks: ranks.collect(),
                starts,
                columns,
            },
        })
}

const FORMATS: [Format; 3] = [Format::Json, Format::Zlib, Format::Columns];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn items_arrive_as_they_are(data in data()) {
        for item in ItemKind::ALL.into_iter().filter(|kind| *kind != ItemKind::Json) {
            for format in FORMATS {
                let written = chunk(data.of(), &data.places, Shape { item, format });
                let (event, items) = read(&written);
                let expected = data.expected(item);
                prop_assert_eq!(&items, &expected);
                prop_assert_eq!(event.squall.item.as_str(), item.name());
                let by = event.squall.by.map(|by| by.name);
                prop_assert_eq!(by.as_deref(), (item == ItemKind::Dict).then_some("the id"));
                if format != Format::Columns {
                    let odd = |cell: &Cell| matches!(cell, Cell::Bits(bits) if !f64::from_bits(*bits).is_finite());
                    let any = expected.iter().any(|item| {
                        let cells = item.columns.iter().flat_map(|(_, cells)| cells);
                        cells.chain(&item.id).any(odd)
                    });
                    prop_assert_eq!(event.nonfinite, any.then_some(true));
                }
            }
        }
    }

    #[test]
    fn data_stands_at_the_end_without_spaces(data in data()) {
        let shape = Shape { item: ItemKind::Frame, format: Format::Columns };
        let written = chunk(data.of(), &data.places, shape);
        let text = str::from_utf8(&written).unwrap();
        let begins = text.starts_with(r#"{"squall":{"map":"chunk","#);
        prop_assert!(begins);
        let (_, rest) = text.split_once(r#","data":""#).unwrap();
        let data = rest.strip_suffix(r#""}"#).unwrap();
        prop_assert!(STANDARD.decode(data).is_ok());
    }

    #[test]
    fn answers_never_panic(bytes in vec(any::<u8>(), 0..200), items in 0_usize..4) {
        let _ = decode(&bytes, items);
        let _ = description(&bytes);
    }

    #[test]
    fn answers_that_are_nearly_right_never_panic(
        pieces in vec(proptest::sample::select(PIECES), 0..24), items in 0_usize..4,
    ) {
        let text = pieces.concat();
        if let Ok(Reply::Items(answer)) = decode(text.as_bytes(), items) {
            prop_assert_eq!(answer.items.len(), items);
        }
    }

    #[test]
    fn every_item_gets_its_result_or_its_error(
        results in vec(-1000_i64..1000, 0..20), failed in any::<u32>(),
    ) {
        let fails = |place: usize| failed >> (place % 32) & 1 == 1;
        let failing: BTreeSet<_> = (0..results.len()).filter(|place| fails(*place)).collect();
        let shown: Vec<_> = results.iter().enumerate()
            .map(|(place, it)| if fails(place) { "null".to_owned() } else { it.to_string() })
            .collect();
        let errors: Vec<_> = failing.iter().rev()
            .map(|it| format!(r#"[{it},{{"errorType":"E{it}","errorMessage":""}}]"#))
            .collect();
        let text = format!(r#"{{"results":[{}],"errors":[{}]}}"#, shown.join(","), errors.join(","));
        let Reply::Items(answer) = decode(text.as_bytes(), results.len()).unwrap() else {
            panic!("it is not put down");
        };
        for (place, item) in answer.items.iter().enumerate() {
            match item {
                ItemAnswer::Value(value) => {
                    prop_assert!(!failing.contains(&place));
                    prop_assert_eq!(value.get(), results[place].to_string());
                }
                ItemAnswer::Raised(error) => {
                    prop_assert!(failing.contains(&place));
                    prop_assert_eq!(&error.error_type, &format!("E{place}"));
                }
            }
        }
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "0",
    "1",
    "-1",
    "1e999",
    "\"results\"",
    "\"errors\"",
    "\"took\"",
    "\"squall\"",
    "\"put\"",
    "true",
    "{\"results\":[",
    "\"errors\":[[0,",
    "{\"errorType\":\"E\",\"errorMessage\":\"m\"}",
    "]]",
    "\"\\ud800\"",
];

#[test]
fn lines_of_json_are_sent_as_they_are() {
    let lines = [Some(r#"{"a": [1, 1e2]}"#), Some("\"x\""), Some("3")];
    let data = Data {
        ids: Ids::Integers(vec![0, 1]),
        shelf: Shelf {
            ranks: vec![0, 1],
            starts: vec![0, 1, 3],
            columns: vec![Column {
                name: "json".into(),
                values: Values::Texts(lines.into_iter().collect()),
            }],
        },
        places: vec![0, 1],
    };
    let sent = |by: &str, places: &[u32]| {
        let of = Of { by, ..data.of() };
        let item = ItemKind::Json;
        let format = Format::Columns;
        let written = chunk(of, places, Shape { item, format });
        String::from_utf8(written.to_vec()).unwrap()
    };
    assert_eq!(
        sent("", &[0]),
        r#"{"squall":{"map":"chunk","item":"json","count":1},"items":[{"a": [1, 1e2]}]}"#
    );
    // Several lines of one id are a list.
    assert_eq!(
        sent("id", &[0, 1]),
        r#"{"squall":{"map":"chunk","item":"json","count":2},"items":[[{"a": [1, 1e2]}],["x",3]]}"#
    );
}

#[test]
fn the_page_shows_what_is_written() {
    let places = [Some("a"), Some("a"), None, Some("b"), Some("b")];
    let column = |name: &str, values| Column {
        name: name.into(),
        values,
    };
    let shelf = Shelf {
        ranks: vec![0, 1],
        starts: vec![0, 2, 5],
        columns: vec![
            column("time", Values::Integers(vec![1, 2, 1, 2, 3])),
            column("value", Values::Floats(vec![0.5; 5])),
            column("place", Values::Texts(places.into_iter().collect())),
        ],
    };
    let ids = Ids::Integers(vec![1, 2]);
    let of = Of {
        by: "id",
        ids: &ids,
        shelf: &shelf,
    };
    let (item, format) = (ItemKind::Frame, Format::Columns);
    let written = chunk(of, &[0, 1], Shape { item, format });
    let text = str::from_utf8(&written).unwrap();
    let (head, _) = text.split_once("\"data\":\"").unwrap();
    let page = include_str!("../../../../docs/map-protocol.md");
    let page: String = page.split_whitespace().collect();
    assert!(page.contains(head), "{head}");
}

#[test]
fn sizes_are_near_what_is_written() {
    let floats: Vec<f64> = (0..1000).map(|n| f64::from(n).sin()).collect();
    let shelf = Shelf {
        ranks: (0..10).collect(),
        starts: (0..=10).map(|n| n * 100).collect(),
        columns: vec![Column {
            name: "value".into(),
            values: Values::Floats(floats),
        }],
    };
    let ids = Ids::Integers((0..10).collect());
    let of = Of {
        by: "id",
        ids: &ids,
        shelf: &shelf,
    };
    for item in [ItemKind::Array, ItemKind::Dict] {
        for format in [Format::Json, Format::Columns] {
            let shape = Shape { item, format };
            let places: Vec<u32> = (0..10).collect();
            let written = chunk(of, &places, shape).len() as u64;
            let said = places
                .iter()
                .map(|place| size(of, *place, shape))
                .sum::<u64>()
                + HEADER;
            assert!(written <= said && said < written * 2, "{written} {said}");
        }
    }
}

fn refused(answer: &str, items: usize) -> String {
    decode(answer.as_bytes(), items).unwrap_err().detail
}

#[test]
fn what_is_wrong_with_an_answer_is_said() {
    let error = r#"{"errorType":"E","errorMessage":"m"}"#;
    let with = |errors: &str| refused(&format!(r#"{{"results":[1,2],"errors":[{errors}]}}"#), 2);
    assert_eq!(with(&format!("[2,{error}]")), "an error of item 2 of 2");
    assert_eq!(
        with(&format!("[1,{error}],[1,{error}]")),
        "two errors of item 1"
    );
    assert!(with(&format!("[-1,{error}]")).contains("invalid value"));
    assert!(with("[0,{}]").contains("errorType"));
    assert_eq!(refused(r#"{"results":[1]}"#, 2), "1 results for 2 items");
    assert!(refused(r#"{"results":[1,2,3]}"#, 2).starts_with("a list is longer than 2"));
    assert_eq!(refused("{}", 1), "there are no results");
    assert!(refused(r#"{"results":3}"#, 1).contains("expected a list"));
    assert!(refused("", 1).contains("EOF"));
    assert!(refused("\"hello\"", 1).contains("invalid type"));
    assert!(refused(r#"{"results":[1],"took":{"wall":-1.0}}"#, 1).contains("less than no time"));
}

#[test]
fn an_answer_may_lie_elsewhere() {
    let reply = decode(br#"{"squall":{"put":true}}"#, 3).unwrap();
    assert!(matches!(reply, Reply::Put));
}

#[test]
fn numbers_that_json_cannot_write_are_told_from_rows() {
    let read = |text: &str| untag(&RawValue::from_string(text.into()).unwrap());
    assert!(read(r#"{"squall":"nan"}"#).unwrap().is_nan());
    assert_eq!(read(r#"{"squall": "-inf"}"#), Some(f64::NEG_INFINITY));
    for other in [
        "1",
        "null",
        r#"{"squall":"x"}"#,
        r#"{"squall":"nan","a":1}"#,
        "{}",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}

#[test]
fn a_guest_says_what_it_reads() {
    let said = br#"{"squall":{"item":"series","formats":["json","columns","new"],"numpy":true,"pandas":true,"x":1}}"#;
    let said = description(said).unwrap();
    assert_eq!(said.item, "series");
    assert!(said.reads(Format::Json) && said.reads(Format::Columns));
    assert!(!said.reads(Format::Zlib));
    assert!(description(br#"{"results":[]}"#).is_err());
}
