//! Events that clients put on a bus.

use serde_json::{Map, Value, json};
use store::{AcceptError, Delivery, DeliveryState, EventSource, NewEvent};
use types::{BusName, RequestId, Timestamp};

use crate::model::Bus;
use crate::routes::{EVENTS, subject};
use crate::rules::Rules;
use crate::wire_time;

/// An event as a client puts it.
#[derive(Debug, Clone, Default)]
pub struct NewEntry {
    pub source: Option<String>,
    pub detail_type: Option<String>,
    pub detail: Option<String>,
    /// `None` is the default bus.
    pub bus: Option<BusName>,
    pub time: Option<Timestamp>,
    pub resources: Vec<String>,
    /// Handed on to what the event runs, so that loops are seen.
    pub trace: Option<String>,
}

/// Why one entry was not taken; others of the same call may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("Parameter {0} is not valid. Reason: {0} is a required argument.")]
    Missing(&'static str),
    #[error("Detail is malformed.")]
    MalformedDetail,
    #[error("Not authorized for the source.")]
    ReservedSource,
    #[error("Too many events are waiting; try again later.")]
    Full,
}

impl Rules {
    /// Accepts what the events run, all of it or nothing. The answer has the id
    /// of each event, or why it was refused, in the order of the entries. Events
    /// for a bus that is not there are taken and run nothing, as on AWS.
    pub async fn put_events(
        &self,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Result<String, EntryError>>, AcceptError> {
        let mut answers = Vec::with_capacity(entries.len());
        let mut calls: Vec<NewEvent> = Vec::new();
        let mut unwanted = Vec::new();
        for entry in entries {
            let trace = entry.trace.clone();
            let bus = entry.bus.clone().unwrap_or_else(BusName::standard);
            let event = match self.event(entry) {
                Ok(event) => event,
                Err(error) => {
                    answers.push(Err(error));
                    continue;
                }
            };
            let before = calls.len();
            for mut call in self.route(&bus, &event) {
                call.trace_id.clone_from(&trace);
                calls.push(call);
            }
            if calls.len() == before {
                unwanted.push((bus, subject(&event)));
            }
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            answers.push(Ok(id));
        }
        match self
            .store
            .events()
            .accept_all(calls, Vec::new(), self.policy.queued_limit)
            .await
        {
            Ok(_) => {}
            Err(AcceptError::Full) => {
                for answer in &mut answers {
                    if answer.is_ok() {
                        *answer = Err(EntryError::Full);
                    }
                }
                return Ok(answers);
            }
            Err(error) => return Err(error),
        }
        for (bus, subject) in unwanted {
            self.note_unwanted(&bus, subject).await;
        }
        Ok(answers)
    }

    /// The event in full, as patterns and functions see it.
    fn event(&self, entry: NewEntry) -> Result<Value, EntryError> {
        let given = |name, value: Option<String>| {
            value
                .filter(|text| !text.is_empty())
                .ok_or(EntryError::Missing(name))
        };
        let source = given("Source", entry.source)?;
        let detail_type = given("DetailType", entry.detail_type)?;
        let detail = given("Detail", entry.detail)?;
        let detail: Map<String, Value> =
            serde_json::from_str(&detail).map_err(|_| EntryError::MalformedDetail)?;
        // What services of AWS send is not for clients to send.
        if source.starts_with("aws.") {
            return Err(EntryError::ReservedSource);
        }
        let time = entry.time.unwrap_or_else(|| self.clock.now());
        Ok(json!({
            "version": "0",
            "id": RequestId::random().to_string(),
            "detail-type": detail_type,
            "source": source,
            "account": self.scope.account.as_str(),
            "time": wire_time(time),
            "region": self.scope.region.as_str(),
            "resources": entry.resources,
            "detail": detail,
        }))
    }

    /// For who wonders why nothing ran.
    async fn note_unwanted(&self, bus: &BusName, subject: String) {
        let delivery = Delivery {
            time: Timestamp::now(),
            source: EventSource {
                service: EVENTS.to_owned(),
                arn: Bus::arn(bus, &self.scope),
                role: None,
                subject,
            },
            function: None,
            request_id: None,
            state: DeliveryState::NoTarget,
        };
        self.store.deliveries().note(delivery).await;
    }
}
