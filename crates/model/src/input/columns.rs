//! Columns that have types of their own, such as those of a Parquet file, for the fields
//! of a model.

use std::sync::Arc;

use rdata::value::NA_REAL;
use types::table::{Column as Plain, Values};

use super::cell::{Growing, Value, shown};
use super::error::InputError;
use super::field::{Field, FieldKind};
use crate::frame::{Column, Frame};

/// A batch of rows as a frame with one column for each field. Numbers are levels where
/// these are wanted, as they are in CSV.
pub fn frame(batch: &[Plain], fields: &[Field]) -> Result<Frame, InputError> {
    let rows = batch.first().map_or(0, |column| column.values.len());
    let find = |field: &Field| batch.iter().find(|column| *column.name == *field.name);
    let missing: Vec<_> = fields
        .iter()
        .filter(|field| find(field).is_none())
        .map(|field| Arc::clone(&field.name))
        .collect();
    if !missing.is_empty() {
        let there = batch.iter().map(|column| column.name.as_str().into());
        let there = there.collect();
        return Err(InputError::Missing { missing, there });
    }
    if fields.is_empty() {
        return Ok(Frame::empty(rows));
    }
    let columns = fields.iter().filter_map(|field| {
        let plain = find(field)?;
        let column = column(field, &plain.values);
        Some(column.map(|column| (Arc::clone(&field.name), column)))
    });
    Ok(Frame::new(columns.collect::<Result<_, _>>()?))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "R has such numbers as doubles, too"
)]
fn column(field: &Field, values: &Values) -> Result<Column, InputError> {
    let is_number = matches!(field.kind, FieldKind::Number | FieldKind::Any);
    match values {
        Values::Integers(all) if is_number => {
            Ok(Column::Number(all.iter().map(|it| *it as f64).collect()))
        }
        Values::Floats(all) if is_number => {
            let number = |it: &f64| if it.is_nan() { NA_REAL } else { *it };
            Ok(Column::Number(all.iter().map(number).collect()))
        }
        Values::Booleans(all) if matches!(field.kind, FieldKind::Logical | FieldKind::Any) => {
            Ok(Column::Logical(all.iter().map(|it| (*it).into()).collect()))
        }
        values => {
            let mut growing = Growing::new();
            for row in 0..values.len() {
                let at = row as u64 + 1;
                let value = match values {
                    Values::Integers(all) => field.number(all[row] as f64, true, at)?,
                    Values::Floats(all) if all[row].is_nan() => Value::Missing,
                    Values::Floats(all) => field.number(all[row], true, at)?,
                    Values::Booleans(all) => field.logical(all[row], true, at)?,
                    Values::Texts(texts) => match texts.get(row) {
                        None => Value::Missing,
                        // What pandas writes of truth values among missing ones.
                        Some(text) => field.read(text, at)?,
                    },
                };
                growing.push(value).ok_or_else(|| InputError::Cell {
                    row: at,
                    field: Arc::clone(&field.name),
                    found: shown("of another kind"),
                    wanted: "value like those of the rows before",
                    hint: None,
                })?;
            }
            Ok(growing.finish(field))
        }
    }
}

#[cfg(test)]
mod tests {
    use rdata::value::NA_INTEGER;

    use super::*;

    #[test]
    fn typed_columns_are_what_the_model_wants() {
        let field = |name: &str, kind| Field {
            name: name.into(),
            kind,
            levels: vec!["1".into(), "2".into()],
        };
        let plain = |name: &str, values| Plain {
            name: name.to_owned(),
            values,
        };
        let batch = [
            plain("rank", Values::Integers(vec![2, 1])),
            plain("gre", Values::Floats(vec![f64::NAN, 2.5])),
            plain(
                "old",
                Values::Texts([Some("True"), None].into_iter().collect()),
            ),
        ];
        let fields = [
            field("gre", FieldKind::Number),
            field("rank", FieldKind::Text),
            field("old", FieldKind::Logical),
        ];
        let frame = frame(&batch, &fields).unwrap();
        assert!(
            matches!(frame.get("gre"), Some(Column::Number(all)) if all[0].is_nan() && all[1].to_bits() == 2.5_f64.to_bits())
        );
        assert!(matches!(frame.get("rank"), Some(Column::Text(codes)) if codes.of_rows == [1, 0]));
        assert_eq!(
            frame.get("old"),
            Some(&Column::Logical(vec![1, NA_INTEGER]))
        );
        let absent = [field("x", FieldKind::Number), field("y", FieldKind::Number)];
        let error = super::frame(&batch, &absent).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("there is no column \"x\", \"y\"")
        );
        let wrong = [field("old", FieldKind::Number)];
        let error = super::frame(&batch, &wrong).unwrap_err();
        assert_eq!(error.to_string(), "row 1: field old: \"True\" is no number");
    }
}
