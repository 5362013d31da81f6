//! An item as people read it: each column, its type and its first and last values.

use std::ops::Range;

use science::items::Shelf;
use serde_json::{Map, Value, json};
use types::table::{Column, Values};

/// Values that are shown at the beginning and at the end.
const HEAD: usize = 8;
const TAIL: usize = 3;
/// Values that programs get.
const MOST: usize = 1_000;
/// Characters of a text that are shown.
const TEXT: usize = 60;

fn rows(shelf: &Shelf, place: usize) -> Range<usize> {
    let index = |row: u64| usize::try_from(row).expect("what is in memory has an address");
    index(shelf.starts[place])..index(shelf.starts[place + 1])
}

/// One line for each column.
pub fn shown(shelf: &Shelf, place: usize) -> String {
    let rows = rows(shelf, place);
    let lines = shelf.columns.iter().map(|column| {
        let name = column.name.replace(char::is_control, " ");
        let values = line(column, &rows);
        format!("  {name} ({}): {values}\n", word(&column.values))
    });
    lines.collect::<Vec<_>>().concat()
}

fn word(values: &Values) -> &'static str {
    match values {
        Values::Integers(_) => "integers",
        Values::Floats(_) => "floats",
        Values::Booleans(_) => "booleans",
        Values::Texts(_) => "text",
    }
}

fn line(column: &Column, rows: &Range<usize>) -> String {
    let value = |row| one(&column.values, row);
    if rows.len() <= HEAD + TAIL {
        return rows.clone().map(value).collect::<Vec<_>>().join(", ");
    }
    let head = rows.clone().take(HEAD).map(value);
    let tail = (rows.end - TAIL..rows.end).map(value);
    let gap = std::iter::once("...".to_owned());
    head.chain(gap).chain(tail).collect::<Vec<_>>().join(", ")
}

fn one(values: &Values, row: usize) -> String {
    match values {
        Values::Integers(values) => values[row].to_string(),
        Values::Floats(values) if values[row].is_nan() => "missing".to_owned(),
        Values::Floats(values) => format!("{:?}", values[row]),
        Values::Booleans(values) => values[row].to_string(),
        Values::Texts(texts) => match texts.get(row) {
            None => "missing".to_owned(),
            Some(text) => {
                let mut cut: String = text.chars().take(TEXT).collect();
                if cut.len() < text.len() {
                    cut.push_str("...");
                }
                format!("{cut:?}")
            }
        },
    }
}

/// Columns by their names; long ones without their ends.
pub fn in_json(shelf: &Shelf, place: usize) -> Value {
    let rows = rows(shelf, place);
    let columns = shelf.columns.iter().map(|column| {
        let values = rows.clone().take(MOST);
        let values: Value = values.map(|row| json_of(&column.values, row)).collect();
        (column.name.clone(), values)
    });
    json!({ "rows": rows.len(), "columns": columns.collect::<Map<_, _>>() })
}

fn json_of(values: &Values, row: usize) -> Value {
    match values {
        Values::Integers(values) => values[row].into(),
        Values::Floats(values) if values[row].is_finite() => values[row].into(),
        Values::Floats(values) if values[row].is_nan() => Value::Null,
        Values::Floats(values) => values[row].to_string().into(),
        Values::Booleans(values) => values[row].into(),
        Values::Texts(texts) => texts.get(row).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_items_are_cut_short() {
        let column = |name: &str, values| Column {
            name: name.to_owned(),
            values,
        };
        let texts = [Some("a\nb"), None, Some("c")];
        let mut floats = vec![f64::NAN, 1.0, f64::INFINITY];
        let mut shelf = Shelf {
            ranks: vec![4],
            starts: vec![0, 3],
            columns: vec![
                column("v", Values::Floats(floats.clone())),
                column("t", Values::Texts(texts.into_iter().collect())),
            ],
        };
        assert_eq!(
            shown(&shelf, 0),
            "  v (floats): missing, 1.0, inf\n  t (text): \"a\\nb\", missing, \"c\"\n"
        );
        assert_eq!(
            in_json(&shelf, 0),
            json!({"rows": 3, "columns": {"v": [null, 1.0, "inf"], "t": ["a\nb", null, "c"]}})
        );
        floats.extend((2..2_000).map(f64::from));
        shelf.starts = vec![0, 2_001];
        shelf.columns = vec![column("v", Values::Floats(floats))];
        assert_eq!(
            shown(&shelf, 0),
            "  v (floats): missing, 1.0, inf, 2.0, 3.0, 4.0, 5.0, 6.0, ..., 1997.0, 1998.0, 1999.0\n"
        );
        let values = &in_json(&shelf, 0)["columns"]["v"];
        assert_eq!(values.as_array().unwrap().len(), 1_000);
    }
}
