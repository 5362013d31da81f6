//! Items as columns of plain numbers: what numpy, and any language with typed arrays,
//! takes as it is.

use science::Ids;
use types::table::{Column, Values};

use super::json::put_id;
use super::words::Base64;
use super::write::{Items, put, put_column};

/// Writes what follows the count in the header, and the rest of the event.
pub fn put_rest(out: &mut Vec<u8>, items: &Items<'_>) {
    let rows: usize = items.rows().map(|rows| rows.len()).sum();
    out.extend_from_slice(br#","columns":["#);
    let mut at = 0;
    for (place, column) in items.columns.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        put_column(out, column);
        put_values(out, items, column, &mut at, rows);
        out.push(b'}');
    }
    out.extend_from_slice(br#"]},"lengths":"#);
    put_list(out, items.rows(), |out, rows| put(out, &rows.len()));
    if let Some(ids) = items.ids {
        put_ids(out, items, ids);
    }
    out.extend_from_slice(br#","data":""#);
    put_data(out, items);
    out.extend_from_slice(br#""}"#);
}

/// Where the values of a column are, or themselves.
fn put_values(out: &mut Vec<u8>, items: &Items<'_>, column: &Column, at: &mut usize, rows: usize) {
    let size = match &column.values {
        Values::Integers(_) | Values::Floats(_) => rows * 8,
        Values::Booleans(_) => rows.next_multiple_of(8),
        Values::Texts(texts) => {
            out.extend_from_slice(br#","values":"#);
            put_list(out, items.rows().flatten(), |out, row| {
                put(out, &texts.get(row));
            });
            return;
        }
    };
    out.extend_from_slice(br#","at":"#);
    put(out, at);
    *at += size;
}

fn put_ids(out: &mut Vec<u8>, items: &Items<'_>, ids: &Ids) {
    out.extend_from_slice(br#","ids":"#);
    put_list(out, items.ranks(), |out, rank| {
        put_id(out, ids, rank);
    });
}

fn put_list<T>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = T>,
    mut value: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, it) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value(out, it);
    }
    out.push(b']');
}

fn put_data(out: &mut Vec<u8>, items: &Items<'_>) {
    let mut data = Base64::new(out);
    for column in items.columns {
        match &column.values {
            Values::Integers(values) => items.rows().for_each(|rows| data.integers(&values[rows])),
            Values::Floats(values) => items.rows().for_each(|rows| data.floats(&values[rows])),
            Values::Booleans(values) => items.rows().for_each(|rows| data.flags(&values[rows])),
            Values::Texts(_) => {}
        }
        data.align();
    }
    data.finish();
}
