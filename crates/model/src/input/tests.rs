//! Data in all their forms, and what is wrong with them.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use types::table;

use super::{Field, FieldKind, InputError, Kind, Table, csv, json};
use crate::frame::{Codes, Column, Frame};

fn field(name: &str, kind: FieldKind, levels: &[&str]) -> Field {
    Field {
        name: name.into(),
        kind,
        levels: levels.iter().map(|&level| level.into()).collect(),
    }
}

fn admission() -> Vec<Field> {
    vec![
        field("gre", FieldKind::Number, &[]),
        field("rank", FieldKind::Text, &["1", "2", "4"]),
    ]
}

fn shown(frame: &Frame) -> String {
    let column = |(name, column): &(Arc<str>, Column)| {
        let cells: Vec<_> = match column {
            Column::Number(numbers) => numbers.iter().map(|it| format!("{it}")).collect(),
            Column::Logical(values) => values.iter().map(|it| format!("{it}")).collect(),
            Column::Text(codes) | Column::Factor { codes, .. } => {
                let text = |code: &u32| match *code {
                    Codes::NA => "NA".to_owned(),
                    code => format!("{:?}", codes.values[code as usize]),
                };
                codes.of_rows.iter().map(text).collect()
            }
        };
        format!("{name}: {}", cells.join(" "))
    };
    let columns: Vec<_> = frame.columns().iter().map(column).collect();
    columns.join("; ")
}

fn read_csv(text: &str, fields: &[Field], threads: usize) -> Result<String, String> {
    let input = Box::new(Cursor::new(text.to_owned()));
    let frames = csv::frames(input, fields, threads).map_err(|error| error.to_string())?;
    let frames: Result<Vec<_>, InputError> = frames.collect();
    let frames = frames.map_err(|error| error.to_string())?;
    let shown: Vec<_> = frames.iter().map(shown).collect();
    Ok(shown.join(" | "))
}

#[test]
fn cells_of_csv_are_what_the_model_wants() {
    for threads in [1, 3] {
        let text = "id,rank,gre\n7,1,800\n8,\"4\",NA\n9,,6.5e2\n10,2.0,\"640\"\n";
        assert_eq!(
            read_csv(text, &admission(), threads).unwrap(),
            "gre: 800 NaN 650 640; rank: \"1\" \"4\" NA \"2\""
        );
    }
    let flags = [
        field("old", FieldKind::Logical, &[]),
        field("any", FieldKind::Any, &[]),
    ];
    assert_eq!(
        read_csv("any,old\n1,TRUE\n2,False\n,\n", &flags, 1).unwrap(),
        format!("old: 1 0 {}; any: 1 2 NaN", i32::MIN)
    );
    assert_eq!(
        read_csv("any,old\n1,T\nx,NA\n", &flags, 1).unwrap(),
        format!("old: 1 {}; any: \"1\" \"x\"", i32::MIN)
    );
    assert_eq!(
        read_csv("gre,rank\n", &admission(), 1).unwrap(),
        "gre: ; rank: "
    );
}

#[test]
fn a_level_may_look_like_nothing() {
    let fields = [field("x", FieldKind::Text, &["NA", "", "none"])];
    let read = read_csv("x,y\nNA,1\n,2\nnone,3\n", &fields, 1);
    assert_eq!(read.unwrap(), "x: \"NA\" \"\" \"none\"");
    let fields = [field("x", FieldKind::Text, &["TRUE", "FALSE", "1"])];
    let read = read_csv("x,y\nTrue,1\nF,2\n01,3\nmaybe,4\n", &fields, 1);
    assert_eq!(read.unwrap(), "x: \"TRUE\" \"FALSE\" \"1\" \"maybe\"");
}

#[test]
fn names_that_r_made_are_found() {
    let fields = [field("a.b", FieldKind::Number, &[])];
    assert_eq!(read_csv("a b,c\n1,2\n", &fields, 1).unwrap(), "a.b: 1");
    assert_eq!(read_csv("a b,a.b\n1,2\n", &fields, 1).unwrap(), "a.b: 2");
    assert!(read_csv("a b,a-b\n1,2\n", &fields, 1).is_err());
    let fields = [field("X1.x", FieldKind::Number, &[])];
    assert_eq!(read_csv("1-x,y\n1,2\n", &fields, 1).unwrap(), "X1.x: 1");
}

#[test]
fn fields_without_names_are_taken_in_order() {
    let fields = ["f0", "f1"].map(|name| field(name, FieldKind::Number, &[]));
    assert_eq!(read_csv("a,b\n1,2\n", &fields, 1).unwrap(), "f0: 1; f1: 2");
    assert_eq!(
        read_csv("f1,f0\n1,2\n", &fields, 1).unwrap(),
        "f0: 2; f1: 1"
    );
    assert!(read_csv("a,b,c\n1,2,3\n", &fields, 1).is_err());
    assert!(read_csv("a,f0\n1,2\n", &fields, 1).is_err());
}

#[test]
fn what_is_wrong_with_csv_is_said_with_its_place() {
    for (text, words) in [
        (
            "gre,rank\n800,1\nhigh,2\n",
            "row 2: field gre: \"high\" is no number",
        ),
        (
            "x,y\n1,2\n",
            "there is no column \"gre\", \"rank\"; there are \"x\", \"y\"",
        ),
        ("", "empty"),
        ("gre,rank\n1,\"2\n", "quote"),
    ] {
        let said = read_csv(text, &admission(), 1);
        let said = said.map_or_else(|said| said, |read| format!("read: {read}"));
        assert!(said.contains(words), "{text:?}: {said}");
    }
    // In a block that is not the first.
    let mut text = "gre,rank\n".to_owned();
    text.push_str(&"800,1\n".repeat(100_000));
    text.push_str("x,1\n");
    for threads in [1, 4] {
        let said = read_csv(&text, &admission(), threads).unwrap_err();
        assert_eq!(said, "row 100001: field gre: \"x\" is no number");
    }
}

fn read_json(text: &str, coerce: bool) -> Result<(String, bool), String> {
    let rules = json::Rules {
        coerce,
        most_rows: 3,
    };
    let rows = json::read(text.as_bytes(), &admission(), rules);
    rows.map(|rows| (shown(&rows.frame), rows.single))
        .map_err(|error| error.to_string())
}

#[test]
fn json_comes_in_several_forms() {
    let one = "gre: 800; rank: \"1\"";
    let two = "gre: 800 NaN; rank: \"1\" NA";
    for (text, expected, single) in [
        (r#"{"gre": 800, "rank": "1", "x": [1]}"#, one, true),
        (r#" [{"rank": "1", "gre": 8e2}]"#, one, false),
        (
            r#"[{"gre":800,"rank":"1"},{"gre":null,"rank":null}]"#,
            two,
            false,
        ),
        (r#"{"data":[{"gre":800,"rank":"1"}]}"#, one, false),
        (r#"{"gre":[800,null],"rank":["1",null],"y":3}"#, two, false),
        (
            r#"{"columns":["x","rank","gre"],"data":[[1,"1",800],[2,null,null]],"index":[0,1]}"#,
            two,
            false,
        ),
        (
            r#"{"gre":0,"rank":"4","gre":800,"rank":"\u0031"}"#,
            one,
            true,
        ),
        ("[]", "gre: ; rank: ", false),
    ] {
        let read = read_json(text, false).unwrap();
        assert_eq!((read.0.as_str(), read.1), (expected, single), "{text}");
    }
    // The nearest double, whatever the parser around it thinks of numbers.
    let exact = read_json(r#"{"gre": 0.10000000000000000555, "rank": "2"}"#, false);
    assert_eq!(exact.unwrap().0, "gre: 0.1; rank: \"2\"");
}

#[test]
fn text_is_a_number_only_if_that_was_asked_for() {
    let story = r#"{"gre": "800", "rank": 1}"#;
    assert_eq!(read_json(story, true).unwrap().0, "gre: 800; rank: \"1\"");
    assert_eq!(
        read_json(story, false).unwrap_err(),
        "row 1: field gre: \"800\" is no number"
    );
    assert_eq!(
        read_json(r#"{"gre": 800, "rank": 1}"#, false).unwrap_err(),
        "row 1: field rank: 1 is no text; allowed: \"1\", \"2\", \"4\""
    );
    assert_eq!(
        read_json(r#"[{"gre": "a lot", "rank": "1"}]"#, true).unwrap_err(),
        "row 1: field gre: \"a lot\" is no number"
    );
    assert_eq!(
        read_json(r#"{"gre": "NA", "rank": 1.0}"#, true).unwrap().0,
        "gre: NaN; rank: \"1\""
    );
}

#[test]
fn what_is_wrong_with_json_is_said_with_its_place() {
    for (text, words) in [
        ("", "nothing in it"),
        ("{", "not JSON"),
        ("5", "neither an object"),
        ("nonsense", "not JSON"),
        ("[1]", "row 1 is not an object"),
        (
            r#"{"x": 1}"#,
            "row 1: there is no field \"gre\", \"rank\"; the model needs",
        ),
        (
            r#"[{"gre":1,"rank":"1"},{"gre":1}]"#,
            "row 2: there is no field \"rank\"",
        ),
        (
            r#"{"gre": {}, "rank": "1"}"#,
            "row 1: field gre: {} is no number",
        ),
        (
            r#"{"gre": [1], "rank": "1"}"#,
            "field gre: [1] is no number",
        ),
        (r#"{"gre": [1,2], "rank": ["1"]}"#, "not of one length"),
        (r#"{"gre": [1,2]}"#, "no field \"rank\""),
        (r#"{"columns":["gre"],"data":[]}"#, "no field \"rank\""),
        (
            r#"{"columns":["gre","rank"],"data":[[1]]}"#,
            "row 1 has 1 values",
        ),
        (r#"{"gre": true, "rank": "1"}"#, "TRUE is no number"),
        (
            r#"{"gre":[1,2,3,4],"rank":["1","1","1","1"]}"#,
            "more than 3 rows",
        ),
        ("[{},{},{},{}]", "more than 3 rows"),
    ] {
        let said = read_json(text, false).unwrap_err();
        assert!(said.contains(words), "{text}: {said}");
    }
    let long = format!(r#"{{"gre": "{}", "rank": "1"}}"#, "9x".repeat(10_000));
    assert!(read_json(&long, false).unwrap_err().len() < 200);
}

fn table(text: &'static str) -> Table {
    Table::csv(move || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(text.as_bytes())) })
}

fn known(table: &Table) -> String {
    let data = table.survey(&table.names().unwrap()).unwrap();
    let known = data.known().iter();
    let known =
        known.map(|known| format!("{} {:?} {}", known.name, known.kind, known.texts.join("/")));
    let known: Vec<_> = known.collect();
    format!("{} rows: {}", data.rows(), known.join("; "))
}

#[test]
fn columns_hold_what_r_would_find_in_them() {
    let text = "n,t,l,m,e,q\n1,b,T,1,,x\nNA,a,FALSE,TRUE,,NA\n2.5,b,NA,x,,\n";
    assert_eq!(
        known(&table(text)),
        "3 rows: n Number ; t Text b/a; l Logical ; m Text 1/TRUE/x; e Number ; q Text x"
    );
    // Words that pandas takes for missing are text among text.
    assert_eq!(
        known(&table("a,b\nNone,NaN\nsome,1\n")),
        "2 rows: a Text None/some; b Number "
    );
}

#[test]
fn a_table_is_read_as_often_as_needed_and_always_the_same() {
    let mut text = "x,f,g\n".to_owned();
    for row in 0..60_000 {
        text.extend([format!("{row}.5,level {},{}\n", row % 7, row % 3)]);
    }
    text.push_str("1,level 9,a\n");
    let bytes: Arc<[u8]> = text.into_bytes().into();
    let table = Table::csv(move || -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(Arc::clone(&bytes))))
    });
    let data = table.survey(&["f".into(), "x".into(), "g".into()]).unwrap();
    assert_eq!(data.rows(), 60_001);
    assert_eq!(data.known()[0].texts.len(), 8);
    assert_eq!(&*data.known()[2].texts.join(""), "012a");
    assert_eq!(data.known()[1].kind, Kind::Number);
    for _ in 0..2 {
        let mut row = 0;
        for block in data.blocks().unwrap() {
            let block = block.unwrap();
            let Some(Column::Number(x)) = block.get("x") else {
                panic!("it is a number");
            };
            let Some(Column::Text(f)) = block.get("f") else {
                panic!("it is text");
            };
            assert_eq!(f.values.len(), 8);
            for (x, code) in x.iter().zip(&f.of_rows) {
                if row < 60_000 {
                    assert_eq!(x.to_bits(), (f64::from(row) + 0.5).to_bits());
                    assert_eq!(*code, row % 7);
                }
                row += 1;
            }
        }
        assert_eq!(row, 60_001);
    }
    let error = table
        .survey(&["x".into(), "y".into(), "z".into()])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("there is no column \"y\", \"z\"; there are")
    );
}

#[test]
fn what_is_in_columns_already_is_a_table_too() {
    let table = Table::batches(|| {
        let batch = |numbers: Vec<f64>, texts: &[Option<&str>]| {
            Ok(vec![
                table::Column {
                    name: "n".to_owned(),
                    values: table::Values::Floats(numbers),
                },
                table::Column {
                    name: "t".to_owned(),
                    values: table::Values::Texts(texts.iter().copied().collect()),
                },
            ])
        };
        let batches = vec![
            batch(vec![1.0, f64::NAN], &[Some("b"), None]),
            batch(vec![3.0], &[Some("a")]),
        ];
        Ok(Box::new(batches.into_iter()))
    });
    assert_eq!(known(&table), "3 rows: n Number ; t Text b/a");
    let data = table.survey(&table.names().unwrap()).unwrap();
    let blocks: Vec<_> = data
        .blocks()
        .unwrap()
        .map(|it| shown(&it.unwrap()))
        .collect();
    assert_eq!(blocks, ["n: 1 NaN; t: \"b\" NA", "n: 3; t: \"a\""]);
}

#[test]
fn a_query_has_no_types() {
    let [gre, rank] = &admission()[..] else {
        panic!("there are two");
    };
    let read = |field: &Field, text: &str| match field.read(text, 1) {
        Ok(value) => format!("{:?}", value.as_cell()),
        Err(error) => error.to_string(),
    };
    assert_eq!(read(gre, "800"), "Number(800.0)");
    assert_eq!(read(gre, "NA"), "Missing");
    assert_eq!(read(gre, ""), "row 1: field gre: \"\" is no number");
    assert_eq!(read(rank, "4"), "Text(\"4\")");
    assert_eq!(read(rank, "4.0"), "Text(\"4\")");
    assert_eq!(read(rank, "5"), "Text(\"5\")");
}
