//! A queue into a thread that works in batches. What is urgent wakes the thread
//! at once; what is not lies there for a moment, so that a busy hot path costs
//! one wake-up per batch and not one per item.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
    /// So many items are a batch that need not wait for more.
    batch: usize,
}

struct State<T> {
    items: Vec<T>,
    /// What the worker sleeps for; pushing anything else needs no system call.
    awaited: Awaited,
    urgent: bool,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    AnyItem,
    Urgency,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(batch: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: Vec::new(),
                awaited: Awaited::Nothing,
                urgent: false,
                closed: false,
            }),
            wake: Condvar::new(),
            batch,
        }
    }

    /// Gives the item back if nobody will take it any more.
    pub(crate) fn push(&self, item: T, urgent: bool) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(item);
        }
        state.items.push(item);
        state.urgent |= urgent || state.items.len() >= self.batch;
        let wake = match state.awaited {
            Awaited::Nothing => false,
            Awaited::AnyItem => true,
            Awaited::Urgency => state.urgent,
        };
        if wake {
            state.awaited = Awaited::Nothing;
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits for items, then up to `linger` for more of them. An empty batch
    /// means that `idle` passed; `None`, that the mailbox is closed and empty.
    pub(crate) fn take(&self, linger: Duration, idle: Option<Duration>) -> Option<Vec<T>> {
        let mut state = self.state.lock();
        while state.items.is_empty() && !state.closed {
            state.awaited = Awaited::AnyItem;
            match idle {
                Some(idle) if self.wake.wait_for(&mut state, idle).timed_out() => {
                    state.awaited = Awaited::Nothing;
                    return Some(Vec::new());
                }
                Some(_) => {}
                None => self.wake.wait(&mut state),
            }
        }
        let deadline = Instant::now() + linger;
        while !state.urgent && !state.closed {
            state.awaited = Awaited::Urgency;
            if self.wake.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.awaited = Awaited::Nothing;
        state.urgent = false;
        if state.items.is_empty() {
            return None;
        }
        Some(std::mem::take(&mut state.items))
    }

    /// Nothing more is taken in; what is in is still handed out.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_all();
    }

    /// Closes and throws away: the worker is gone, nobody shall wait for it.
    pub(crate) fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.state.lock().items);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::from_hours(1);

    #[test]
    fn urgency_and_a_full_batch_end_the_wait() {
        let mailbox = Mailbox::new(3);
        mailbox.push(1, false).unwrap();
        mailbox.push(2, true).unwrap();
        assert_eq!(mailbox.take(FOREVER, None), Some(vec![1, 2]));
        for item in 0..3 {
            mailbox.push(item, false).unwrap();
        }
        assert_eq!(mailbox.take(FOREVER, None), Some(vec![0, 1, 2]));
    }

    #[test]
    fn a_closed_mailbox_hands_out_what_it_has() {
        let mailbox = Mailbox::new(10);
        mailbox.push(1, false).unwrap();
        mailbox.close();
        assert_eq!(mailbox.push(2, true), Err(2));
        assert_eq!(mailbox.take(FOREVER, None), Some(vec![1]));
        assert_eq!(mailbox.take(FOREVER, None), None);
    }

    #[test]
    fn an_idle_worker_is_told_that_time_passed() {
        let mailbox = Mailbox::<u8>::new(10);
        let idle = Some(Duration::from_millis(1));
        assert_eq!(mailbox.take(FOREVER, idle), Some(vec![]));
    }

    #[test]
    fn a_sleeping_worker_is_woken() {
        let mailbox = Mailbox::new(10);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut got = Vec::new();
                while let Some(batch) = mailbox.take(Duration::ZERO, None) {
                    got.extend(batch);
                }
                got
            });
            for item in 0..1000 {
                mailbox.push(item, item % 7 == 0).unwrap();
            }
            mailbox.close();
            assert_eq!(worker.join().unwrap(), (0..1000).collect::<Vec<_>>());
        });
    }
}
