//! The decisions of a fleet, without any I/O: which instance serves whom, when
//! one more is started, which are let go.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Names an instance within its fleet.
pub(super) type InstanceId = u64;
/// Names an invocation that waits for an instance.
pub(super) type Ticket = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Idle { since: Instant },
    Busy,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// An invocation wants an instance.
    Arrive(Ticket),
    /// An invocation does not want one any more.
    Leave(Ticket),
    Started(InstanceId),
    StartFailed(InstanceId),
    /// An instance has answered and can serve again.
    Released(InstanceId),
    /// An instance has ended, busy or not.
    Gone(InstanceId),
    /// Keep at least this many alive, with or without work.
    Minimum(u32),
    /// Time has passed.
    Tick {
        idle: Duration,
    },
    /// No new work comes; what is busy may finish.
    Close,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Start(InstanceId),
    Give(Ticket, InstanceId),
    /// The start that this invocation waited for has failed.
    Fail(Ticket),
    End(InstanceId),
}

/// Counts for listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) starting: usize,
    pub(super) idle: usize,
    pub(super) busy: usize,
}

#[derive(Debug, Default)]
pub(super) struct Core {
    instances: BTreeMap<InstanceId, State>,
    /// Most recently used last: it is the next to be used, so that the others
    /// can grow old.
    idle: Vec<InstanceId>,
    waiting: VecDeque<Ticket>,
    starting: usize,
    minimum: usize,
    next: InstanceId,
    closed: bool,
}

impl Core {
    pub(super) fn step(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Arrive(ticket) => self.arrive(ticket),
            Event::Leave(ticket) => {
                self.waiting.retain(|waiting| *waiting != ticket);
                vec![]
            }
            Event::Started(id) => {
                self.starting -= 1;
                self.serve(id, now)
            }
            Event::StartFailed(id) => {
                self.starting -= 1;
                self.instances.remove(&id);
                self.waiting
                    .pop_front()
                    .map(Effect::Fail)
                    .into_iter()
                    .collect()
            }
            Event::Released(id) => self.serve(id, now),
            Event::Gone(id) => self.gone(id),
            Event::Minimum(minimum) => {
                self.minimum = minimum as usize;
                self.refill()
            }
            Event::Tick { idle } => self.tick(idle, now),
            Event::Close => {
                self.closed = true;
                self.minimum = 0;
                let idle = std::mem::take(&mut self.idle);
                idle.into_iter().map(|id| self.end(id)).collect()
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            starting: self.starting,
            idle: self.idle.len(),
            busy: self.instances.len() - self.starting - self.idle.len(),
        }
    }

    /// Nothing runs and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.waiting.is_empty()
    }

    fn arrive(&mut self, ticket: Ticket) -> Vec<Effect> {
        if let Some(id) = self.idle.pop() {
            self.instances.insert(id, State::Busy);
            return vec![Effect::Give(ticket, id)];
        }
        self.waiting.push_back(ticket);
        // An instance that is being started for the minimum serves just as well.
        if self.starting < self.waiting.len() {
            vec![self.start()]
        } else {
            vec![]
        }
    }

    /// An instance is free: the longest wait ends, or it rests.
    fn serve(&mut self, id: InstanceId, now: Instant) -> Vec<Effect> {
        if let Some(ticket) = self.waiting.pop_front() {
            self.instances.insert(id, State::Busy);
            return vec![Effect::Give(ticket, id)];
        }
        if self.closed {
            return vec![self.end(id)];
        }
        self.instances.insert(id, State::Idle { since: now });
        self.idle.push(id);
        vec![]
    }

    fn gone(&mut self, id: InstanceId) -> Vec<Effect> {
        if self.instances.remove(&id) == Some(State::Starting) {
            self.starting -= 1;
        }
        self.idle.retain(|idle| *idle != id);
        if self.starting < self.waiting.len() {
            return vec![self.start()];
        }
        self.refill()
    }

    fn tick(&mut self, idle: Duration, now: Instant) -> Vec<Effect> {
        let spare = self.instances.len().saturating_sub(self.minimum);
        // The front of the list has rested longest.
        let old = self
            .idle
            .iter()
            .take(spare)
            .take_while(|id| match self.instances.get(id) {
                Some(State::Idle { since }) => now.duration_since(*since) >= idle,
                _ => false,
            })
            .count();
        let ended: Vec<InstanceId> = self.idle.drain(..old).collect();
        let mut effects: Vec<Effect> = ended.into_iter().map(|id| self.end(id)).collect();
        effects.extend(self.refill());
        effects
    }

    /// Starts what is missing of the minimum.
    fn refill(&mut self) -> Vec<Effect> {
        if self.closed {
            return vec![];
        }
        let missing = self.minimum.saturating_sub(self.instances.len());
        (0..missing).map(|_| self.start()).collect()
    }

    fn start(&mut self) -> Effect {
        let id = self.next;
        self.next += 1;
        self.starting += 1;
        self.instances.insert(id, State::Starting);
        Effect::Start(id)
    }

    fn end(&mut self, id: InstanceId) -> Effect {
        self.instances.remove(&id);
        Effect::End(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(core: &mut Core, event: Event) -> Vec<Effect> {
        core.step(event, Instant::now())
    }

    #[test]
    fn the_first_waits_for_a_start_and_the_second_is_served_warm() {
        let mut core = Core::default();
        assert_eq!(run(&mut core, Event::Arrive(1)), [Effect::Start(0)]);
        assert_eq!(run(&mut core, Event::Started(0)), [Effect::Give(1, 0)]);
        assert_eq!(run(&mut core, Event::Released(0)), []);
        assert_eq!(run(&mut core, Event::Arrive(2)), [Effect::Give(2, 0)]);
    }

    #[test]
    fn a_freed_instance_serves_who_waits_and_the_late_start_rests() {
        let mut core = Core::default();
        run(&mut core, Event::Arrive(1));
        run(&mut core, Event::Started(0));
        assert_eq!(run(&mut core, Event::Arrive(2)), [Effect::Start(1)]);
        assert_eq!(run(&mut core, Event::Released(0)), [Effect::Give(2, 0)]);
        assert_eq!(run(&mut core, Event::Started(1)), []);
        assert_eq!(
            core.counts(),
            Counts {
                starting: 0,
                idle: 1,
                busy: 1
            }
        );
    }

    #[test]
    fn a_failed_start_fails_one_wait() {
        let mut core = Core::default();
        run(&mut core, Event::Arrive(1));
        run(&mut core, Event::Arrive(2));
        assert_eq!(run(&mut core, Event::StartFailed(0)), [Effect::Fail(1)]);
        assert_eq!(run(&mut core, Event::Started(1)), [Effect::Give(2, 1)]);
    }

    #[test]
    fn who_leaves_is_not_served() {
        let mut core = Core::default();
        run(&mut core, Event::Arrive(1));
        run(&mut core, Event::Leave(1));
        assert_eq!(run(&mut core, Event::Started(0)), []);
        assert_eq!(core.counts().idle, 1);
    }

    #[test]
    fn the_minimum_is_kept_through_deaths_and_time() {
        let mut core = Core::default();
        let tick = Event::Tick {
            idle: Duration::ZERO,
        };
        assert_eq!(
            run(&mut core, Event::Minimum(2)),
            [Effect::Start(0), Effect::Start(1)]
        );
        run(&mut core, Event::Started(0));
        run(&mut core, Event::Started(1));
        assert_eq!(run(&mut core, tick), []);
        assert_eq!(run(&mut core, Event::Gone(0)), [Effect::Start(2)]);
        run(&mut core, Event::Started(2));
        assert_eq!(run(&mut core, Event::Minimum(0)), []);
        assert_eq!(run(&mut core, tick), [Effect::End(1), Effect::End(2)]);
        assert!(core.is_empty());
    }

    #[test]
    fn a_closed_fleet_ends_what_rests_and_lets_the_busy_finish() {
        let mut core = Core::default();
        for ticket in [1, 2] {
            run(&mut core, Event::Arrive(ticket));
        }
        run(&mut core, Event::Started(0));
        run(&mut core, Event::Started(1));
        run(&mut core, Event::Released(0));
        assert_eq!(run(&mut core, Event::Close), [Effect::End(0)]);
        assert_eq!(run(&mut core, Event::Released(1)), [Effect::End(1)]);
        assert!(core.is_empty());
    }

    #[test]
    fn a_busy_instance_that_dies_is_replaced_for_who_waits() {
        let mut core = Core::default();
        run(&mut core, Event::Arrive(1));
        run(&mut core, Event::Started(0));
        run(&mut core, Event::Arrive(2));
        run(&mut core, Event::StartFailed(1));
        run(&mut core, Event::Arrive(3));
        assert_eq!(run(&mut core, Event::Gone(0)), []);
        assert_eq!(run(&mut core, Event::Started(2)), [Effect::Give(3, 2)]);
    }
}
