//! Operations: what is done on the writing thread, judged and carried out in one
//! transaction with others, and answered when it is committed.

use rusqlite::Transaction;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::events::{self, NewEvent, Reservation};
use crate::ledger::Ledger;
use crate::writer::Writer;

/// One operation as the writing thread sees it.
pub(crate) trait Job: Send {
    /// May be called again, when the transaction failed for another's sake.
    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        ledger: &mut Ledger,
    ) -> Result<(), StoreError>;

    /// What it did is committed, or never happened.
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What an operation comes to: a value and the events that it causes, or a
/// refusal, which must not have changed anything.
pub(crate) type Outcome<T, E> = Result<(T, Vec<NewEvent>), E>;

/// Carries out `work` on the writing thread. Its events are accepted in the same
/// transaction; their ids come with the value.
pub(crate) async fn carry_out<T, E, W>(
    writer: &Writer,
    place: Option<Reservation>,
    work: W,
) -> Result<(T, Vec<i64>), E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    W: FnMut(&Transaction<'_>, &mut Ledger) -> Result<Outcome<T, E>, StoreError> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let operation = Operation {
        work,
        place,
        outcome: None,
        accepted: Vec::new(),
        answer,
    };
    writer.hand_in(Box::new(operation)).await?;
    answered
        .await
        .unwrap_or_else(|_| Err(StoreError::Closed.into()))
}

struct Operation<W, T, E> {
    work: W,
    place: Option<Reservation>,
    outcome: Option<Result<T, E>>,
    accepted: Vec<(i64, NewEvent)>,
    answer: oneshot::Sender<Result<(T, Vec<i64>), E>>,
}

impl<W, T, E> Job for Operation<W, T, E>
where
    T: Send,
    E: From<StoreError> + Send,
    W: FnMut(&Transaction<'_>, &mut Ledger) -> Result<Outcome<T, E>, StoreError> + Send,
{
    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        ledger: &mut Ledger,
    ) -> Result<(), StoreError> {
        self.accepted.clear();
        self.outcome = None;
        let outcome = (self.work)(transaction, ledger)?;
        self.outcome = Some(match outcome {
            Ok((value, caused)) => {
                for event in caused {
                    let id = ledger.next_event();
                    events::insert(transaction, ledger, id, &event)?;
                    self.accepted.push((id, event));
                }
                Ok(value)
            }
            Err(refusal) => Err(refusal),
        });
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self {
            work,
            place,
            outcome,
            accepted,
            answer,
        } = *self;
        let ids = accepted.iter().map(|(id, _)| *id).collect();
        if committed.is_ok()
            && let Some(place) = place
        {
            place.fill(accepted);
        }
        // What it held of content goes before the answer, so that who waits
        // finds everything settled.
        drop(work);
        let result = match (committed, outcome) {
            (Ok(()), Some(outcome)) => outcome.map(|value| (value, ids)),
            (Ok(()), None) => Err(StoreError::Closed.into()),
            (Err(error), _) => Err(error.into()),
        };
        // Who asked may have gone; then the answer has no reader.
        let _ = answer.send(result);
    }
}
