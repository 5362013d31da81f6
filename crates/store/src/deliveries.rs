//! Deliveries: which event of a bucket, rule or schedule went to which function,
//! and what became of it. The newest are kept, for people to look at.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use types::{FunctionName, RequestId, Timestamp};

use crate::database::{Reader, unsigned};
use crate::error::StoreError;
use crate::events::{EventSource, NewEvent};
use crate::ledger::Ledger;
use crate::writer::{Write, Writer};

/// What the verdict of a failure begins with.
const FAILED: &str = "failed: ";

/// One event on its way to one function, or what kept it from going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub time: Timestamp,
    pub source: EventSource,
    /// `None` where nothing was to be invoked.
    pub function: Option<FunctionName>,
    pub request_id: Option<RequestId>,
    pub state: DeliveryState,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// Accepted and not yet done; it may be running.
    Waiting { attempts: u32, due: Timestamp },
    /// The last of its invocations, as its record has it.
    Done { status: String, duration_us: u64 },
    /// It is over, and its record is not there or not there yet.
    Ended,
    /// The function does not permit its source to invoke it.
    Refused,
    /// It was stopped because it went round in a loop.
    Looped,
    /// It matched nothing that can be invoked.
    NoTarget,
    /// It never ran, or not to an end: its function is gone, it was too old.
    Failed { reason: String },
}

impl DeliveryState {
    /// What is written of a state that no other table tells.
    fn verdict(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Refused => Some("refused".into()),
            Self::Looped => Some("looped".into()),
            Self::NoTarget => Some("no target".into()),
            Self::Failed { reason } => Some(format!("{FAILED}{reason}").into()),
            Self::Waiting { .. } | Self::Done { .. } | Self::Ended => None,
        }
    }
}

pub struct Deliveries {
    reader: Reader,
    writer: Arc<Writer>,
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

impl Deliveries {
    pub(crate) fn new(reader: Reader, writer: Arc<Writer>) -> Self {
        Self { reader, writer }
    }

    /// Says what became of a delivery. The one with its request id is changed;
    /// where there is none it is added. A crash may lose what was noted in the
    /// last moment.
    pub async fn note(&self, delivery: Delivery) {
        // A closed store keeps nothing more, and nobody can act on that.
        let _ = self.writer.tell(Write::Delivery(delivery)).await;
    }

    /// The newest first, those just noted included.
    pub async fn recent(&self, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.writer.ask(|answer| Write::Barrier { answer }).await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.reader
            .read_aside(move |connection| select(connection, limit))
            .await
    }
}

/// For an event that is being accepted.
pub(crate) fn insert_accepted(
    connection: &Connection,
    ledger: &mut Ledger,
    event: &NewEvent,
    source: &EventSource,
) -> rusqlite::Result<()> {
    let delivery = Delivery {
        time: event.accepted,
        source: source.clone(),
        function: Some(event.function.clone()),
        request_id: Some(event.request_id),
        state: DeliveryState::Ended,
    };
    insert(connection, ledger, &delivery)
}

/// Changes the delivery of this request, or adds it.
pub(crate) fn note(
    connection: &Connection,
    ledger: &mut Ledger,
    delivery: &Delivery,
) -> rusqlite::Result<()> {
    if let Some(request_id) = &delivery.request_id {
        let changed = connection
            .prepare_cached("UPDATE deliveries SET verdict = ? WHERE request_id = ?")?
            .execute(params![delivery.state.verdict(), request_id.to_string()])?;
        if changed > 0 {
            return Ok(());
        }
    }
    insert(connection, ledger, delivery)
}

fn insert(
    connection: &Connection,
    ledger: &mut Ledger,
    delivery: &Delivery,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO deliveries (request_id, time, service, arn, subject, function, verdict)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![
        delivery.request_id.as_ref().map(RequestId::to_string),
        delivery.time.0,
        delivery.source.service,
        delivery.source.arn,
        delivery.source.subject,
        delivery.function.as_ref().map(FunctionName::as_str),
        delivery.state.verdict(),
    ])?;
    ledger.count_delivery(connection)
}

fn select(connection: &Connection, limit: i64) -> Result<Vec<Delivery>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.time, d.service, d.arn, d.subject, d.function, d.request_id, d.verdict,
             e.attempts, e.due, r.status, r.duration_us
         FROM (SELECT * FROM deliveries ORDER BY id DESC LIMIT ?) d
         LEFT JOIN events e ON e.request_id = d.request_id
         LEFT JOIN records r ON r.id =
             (SELECT max(id) FROM records WHERE request_id = d.request_id)
         ORDER BY d.id DESC",
    )?;
    let mut rows = statement.query([limit])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        deliveries.push(from_row(row)?);
    }
    Ok(deliveries)
}

fn from_row(row: &Row<'_>) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        time: Timestamp(row.get(0)?),
        source: EventSource {
            service: row.get(1)?,
            arn: row.get(2)?,
            role: None,
            subject: row.get(3)?,
        },
        function: parsed(row, 4)?,
        request_id: parsed(row, 5)?,
        state: state(row)?,
    })
}

fn state(row: &Row<'_>) -> Result<DeliveryState, StoreError> {
    let verdict: Option<String> = row.get(6)?;
    match verdict.as_deref() {
        Some("refused") => return Ok(DeliveryState::Refused),
        Some("looped") => return Ok(DeliveryState::Looped),
        Some("no target") => return Ok(DeliveryState::NoTarget),
        Some(verdict) => {
            let reason = verdict.strip_prefix(FAILED).unwrap_or(verdict).to_owned();
            return Ok(DeliveryState::Failed { reason });
        }
        None => {}
    }
    if let Some(attempts) = row.get(7)? {
        let due = Timestamp(row.get(8)?);
        return Ok(DeliveryState::Waiting { attempts, due });
    }
    Ok(match row.get(9)? {
        Some(status) => DeliveryState::Done {
            status,
            duration_us: unsigned(row.get(10)?),
        },
        None => DeliveryState::Ended,
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> Result<Option<T>, StoreError>
where
    T: FromStr<Err: fmt::Display>,
{
    let text: Option<String> = row.get(column)?;
    let value = text.as_deref().map(str::parse).transpose();
    value.map_err(|error: T::Err| StoreError::Corrupt {
        what: "a delivery",
        detail: error.to_string(),
    })
}
