//! Asynchronous invocations: the worker behind the durable queue. An accepted
//! event is run at least once, retried as AWS retries, and ends in a
//! destination where the function names one.
//!
//! Events come from clients, from buckets, rules and schedules. [`attempt`] is
//! one attempt at one of them, [`permission`] whether its source may invoke the
//! function, [`destination`] what is told of its end.

mod attempt;
mod destination;
mod permission;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use store::Event;
use tokio::sync::Semaphore;
use types::Timestamp;

use crate::engine::Engine;

/// The worker looks at the queue at least this often.
const LOOK: Duration = Duration::from_mins(1);

/// Takes what is due and runs it, until the engine closes.
pub(crate) async fn work(engine: Engine) {
    let workers = engine.inner.context.settings.event_workers;
    let slots = Arc::new(Semaphore::new(workers));
    let turns = Arc::new(Turns::default());
    loop {
        let free = slots.available_permits();
        let due = if free == 0 {
            vec![]
        } else {
            engine.store().events().due(Timestamp::now(), free).await
        };
        let found = !due.is_empty();
        for event in due {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let (engine_of_task, turns) = (engine.clone(), Arc::clone(&turns));
            engine.run_beside(async move {
                attempt::run(&engine_of_task, &turns, event).await;
                drop(slot);
                // A slot is free, and so may be what waited for this event: there
                // may be more to do.
                engine_of_task.inner.accepted.notify_one();
            });
        }
        if found && slots.available_permits() > 0 {
            continue;
        }
        let pause = pause(&engine, slots.available_permits()).await;
        tokio::select! {
            () = engine.closing() => return,
            () = engine.inner.accepted.notified() => {}
            // Those that came with an object, a rule or a schedule.
            () = engine.store().events().arrival() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How long nothing will be due.
async fn pause(engine: &Engine, free: usize) -> Duration {
    if free == 0 {
        return LOOK;
    }
    match engine.store().events().next_due().await {
        None => LOOK,
        Some(due) => {
            let millis = (due.0 - Timestamp::now().0).max(1);
            LOOK.min(Duration::from_millis(millis.unsigned_abs()))
        }
    }
}

/// Since when events that run in an order have had their turn. Their age counts
/// from then: what waited behind others would be too old without ever having
/// been tried. Only those that were tried and are not done are in here.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<i64, Timestamp>>);

impl Turns {
    fn age_ms(&self, event: &Event, now: Timestamp) -> i64 {
        let begun = match event.event.order {
            None => event.event.accepted,
            Some(_) => *self.0.lock().entry(event.id).or_insert(now),
        };
        now.0 - begun.0
    }

    fn over(&self, event: &Event) {
        if event.event.order.is_some() {
            self.0.lock().remove(&event.id);
        }
    }
}
