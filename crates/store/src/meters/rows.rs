//! The rows that the journal is folded into.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Amounts, Sums};
use crate::database::{signed, unsigned};
use crate::error::StoreError;

/// The last segment of the journal that is in the rows.
const FOLDED: &str = "meters_folded";

/// In the order of [`Amounts::fields`].
const COLUMNS: &str = "requests, errors, memory_ms, invocations, rows, bytes_in, bytes_out";

pub(super) fn folded(connection: &Connection) -> Result<u64, StoreError> {
    let value: Option<i64> = connection
        .query_row(
            "SELECT value FROM counters WHERE name = ?",
            [FOLDED],
            |row| row.get(0),
        )
        .optional()?;
    Ok(unsigned(value.unwrap_or(0)))
}

pub(super) fn add(connection: &Connection, segment: u64, sums: &Sums) -> Result<(), StoreError> {
    let mut before = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM meters WHERE meter = ? AND day = ?"
    ))?;
    let mut put = connection
        .prepare_cached("INSERT OR REPLACE INTO meters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for ((meter, day), amounts) in sums {
        // Not by SQL: a sum that is too large for an integer would become something else.
        let found = before.query_row(params![meter, day], |row| fields(row, 0));
        let mut sum = found
            .optional()?
            .map_or_else(Amounts::default, Amounts::of_fields);
        sum.add(amounts);
        let [
            requests,
            errors,
            memory,
            invocations,
            rows,
            bytes_in,
            bytes_out,
        ] = sum.fields().map(signed);
        put.execute(params![
            meter,
            day,
            requests,
            errors,
            memory,
            invocations,
            rows,
            bytes_in,
            bytes_out
        ])?;
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)")?
        .execute(params![FOLDED, signed(segment)])?;
    Ok(())
}

pub(super) fn select(
    connection: &Connection,
    meter: Option<&str>,
    first: i64,
    last: i64,
) -> Result<Sums, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT meter, day, {COLUMNS} FROM meters
         WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR meter = ?3)"
    ))?;
    let mut found = statement.query(params![first, last, meter])?;
    let mut sums = Sums::new();
    while let Some(row) = found.next()? {
        let meter: Arc<str> = row.get(0)?;
        let amounts = Amounts::of_fields(fields(row, 2)?);
        sums.insert((meter, row.get(1)?), amounts);
    }
    Ok(sums)
}

/// The amounts of a row, from a column on.
fn fields(row: &Row<'_>, first: usize) -> rusqlite::Result<[u64; 7]> {
    let mut fields = [0; 7];
    for (column, field) in fields.iter_mut().enumerate() {
        *field = unsigned(row.get(first + column)?);
    }
    Ok(fields)
}
