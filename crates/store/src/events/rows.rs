//! Events in the table.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use types::{Qualifier, Timestamp};

use super::NewEvent;
use crate::deliveries;
use crate::error::StoreError;
use crate::ledger::Ledger;

/// Writes an event, and the delivery that it is where something caused it.
pub(crate) fn insert(
    connection: &Connection,
    ledger: &mut Ledger,
    id: i64,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO events (id, request_id, function, qualifier, payload, client_context,
             trace_id, accepted, due, attempts, line, source, retry)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0, ?9, ?10, ?11)",
    )?;
    statement.execute(params![
        id,
        event.request_id.to_string(),
        event.function.as_str(),
        event.qualifier.as_ref().map(Qualifier::to_string),
        event.payload.as_ref(),
        event.client_context,
        event.trace_id,
        event.accepted.0,
        event.order,
        event.source.as_ref().map(to_json).transpose()?,
        event.retry.as_ref().map(to_json).transpose()?,
    ])?;
    if let Some(source) = &event.source {
        deliveries::insert_accepted(connection, ledger, event, source)?;
    }
    Ok(())
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(&error.to_string()))
}

fn from_json<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, StoreError> {
    let value = text.map(serde_json::from_str).transpose();
    value.map_err(|error: serde_json::Error| corrupt(&error.to_string()))
}

pub(crate) fn update(
    connection: &Connection,
    id: i64,
    due: Timestamp,
    attempts: u32,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE events SET due = ?, attempts = ? WHERE id = ?")?
        .execute(params![due.0, attempts, id])?;
    Ok(())
}

pub(crate) fn delete(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM events WHERE id = ?")?
        .execute([id])?;
    Ok(())
}

/// The outer result is about the connection, the inner one about this event.
pub(super) fn select(
    connection: &Connection,
    id: i64,
) -> Result<Result<NewEvent, StoreError>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT request_id, function, qualifier, payload, client_context, trace_id, accepted,
             line, source, retry
         FROM events WHERE id = ?",
    )?;
    let event = statement
        .query_row([id], |row| Ok(from_row(row)))
        .optional()?;
    Ok(event.unwrap_or_else(|| Err(corrupt("its row is gone"))))
}

fn from_row(row: &Row<'_>) -> Result<NewEvent, StoreError> {
    let qualifier: Option<String> = row.get(2)?;
    let (source, retry): (Option<String>, Option<String>) = (row.get(8)?, row.get(9)?);
    Ok(NewEvent {
        request_id: parsed(&row.get::<_, String>(0)?)?,
        function: parsed(&row.get::<_, String>(1)?)?,
        qualifier: qualifier.as_deref().map(parsed).transpose()?,
        payload: row.get::<_, Vec<u8>>(3)?.into(),
        client_context: row.get(4)?,
        trace_id: row.get(5)?,
        accepted: Timestamp(row.get(6)?),
        order: row.get(7)?,
        source: from_json(source.as_deref())?,
        retry: from_json(retry.as_deref())?,
    })
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|error: T::Err| corrupt(&error.to_string()))
}

fn corrupt(detail: &str) -> StoreError {
    StoreError::Corrupt {
        what: "an event",
        detail: detail.to_owned(),
    }
}
