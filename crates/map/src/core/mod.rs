//! What is sent when: the decisions of a job, without any I/O and without a clock.
//! [`Core::step`] is told what happened and at what time of the job, and says what is
//! to be done about it. Whoever performs that (see `run`) makes no decisions.
//!
//! An *item* is either waiting (on a loaded shelf or in a chunk that is sent again),
//! or in a chunk with at least one attempt under way, or finished. A chunk that is
//! answered by one attempt is gone for all others, which is why no item can be
//! finished twice.
//!
//! Reading order: [`words`] are the events and effects; [`queue`] holds what waits;
//! [`learn`] knows how long things take and how large a chunk should be, [`width`] how
//! many may be under way at once; [`sending`] decides what is sent now, [`verdict`]
//! what follows from an answer or a failure.

mod learn;
mod queue;
mod sending;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod verdict;
mod width;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::payload::Took;
use crate::run::End;
use crate::stats::{Figures, Pace};

use learn::Learned;
use queue::Queue;

pub(crate) use learn::best_weight;
pub(crate) use width::{wider, worth_starting};
pub(crate) use words::{AttemptId, Counts, Death, Effect, Event, Item, Load, Settings, Why};

type ChunkId = u64;

/// Shelves that are in memory at once: one is worked on while the next is loaded.
pub(crate) const MOST_SHELVES: usize = 2;

/// Items of one shelf that travel together until they are answered for.
#[derive(Debug)]
struct Chunk {
    shelf: u32,
    items: Vec<Item>,
    aside: bool,
    load: Load,
    /// Attempts under way.
    attempts: Vec<AttemptId>,
    backed_up: bool,
    /// How often it could not be delivered, and since when.
    undelivered: u32,
    since: Option<Duration>,
}

impl Chunk {
    fn new(shelf: u32, items: Vec<Item>) -> Self {
        let load = Load {
            items: items.len() as u64,
            bytes: items.iter().map(|item| item.bytes).sum(),
        };
        Self {
            shelf,
            items,
            aside: false,
            load,
            attempts: Vec::new(),
            backed_up: false,
            undelivered: 0,
            since: None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    chunk: ChunkId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Encoding,
    Ready,
    Sent { at: Duration },
}

/// The end that was decided on, and until when answers are waited for.
#[derive(Debug)]
struct Stop {
    end: End,
    until: Duration,
}

/// The state of a job.
#[derive(Debug)]
pub(crate) struct Core {
    settings: Settings,
    now: Duration,
    queue: Queue,
    chunks: BTreeMap<ChunkId, Chunk>,
    attempts: BTreeMap<AttemptId, Attempt>,
    /// Attempts by stage.
    unsent: usize,
    sent: usize,
    /// What the chunks that were sent hold.
    sent_load: Load,
    next: u64,
    learned: Learned,
    width: width::Control,
    counts: Counts,
    pace: Pace,
    /// When something was answered for the last time.
    answered: Option<Duration>,
    stop: Option<Stop>,
    ended: bool,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            now: Duration::ZERO,
            queue: Queue::new(settings.shelves, settings.items),
            chunks: BTreeMap::new(),
            attempts: BTreeMap::new(),
            unsent: 0,
            sent: 0,
            sent_load: Load::default(),
            next: 0,
            learned: Learned::new(&settings),
            width: width::Control::new(settings.width),
            counts: Counts::default(),
            pace: Pace::default(),
            answered: None,
            stop: None,
            ended: false,
            settings,
        }
    }

    /// Takes in what happened `now`, a time since the job began, and appends to
    /// `effects` what is to be done. Begin with a [`Event::Tick`].
    pub(crate) fn step<V, E>(
        &mut self,
        now: Duration,
        event: Event<V, E>,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        if self.ended {
            return;
        }
        self.now = self.now.max(now);
        match event {
            Event::Shelf { items, known } => {
                self.counts.known += known;
                self.counts.done += known;
                let load = self.queue.stock(items, effects);
                self.learned.stocked(load);
            }
            Event::Encoded { attempt, bytes } => self.encoded(attempt, bytes),
            Event::Answered {
                attempt,
                answers,
                took,
                round_trip,
                billed,
                jitter,
            } => {
                if let Some(chunk) = self.close(attempt, billed, effects) {
                    self.learn(&chunk, took, round_trip);
                    self.answer(chunk, answers, jitter, effects);
                }
            }
            Event::Failed {
                attempt,
                why,
                billed,
                jitter,
            } => self.fail(attempt, why, billed, jitter, effects),
            Event::Tick => {}
            Event::Cancel => self.stop(End::Cancelled, effects),
        }
        self.go_on(effects);
    }

    /// When time alone will change something, if nothing else happens before.
    pub(crate) fn wake(&self) -> Option<Duration> {
        if self.ended {
            return None;
        }
        if let Some(stop) = &self.stop {
            return Some(stop.until);
        }
        // What is due already waits for a slot, not for time.
        [
            self.settings.max_time,
            self.queue.next_due(self.now),
            self.next_backup(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// How many attempts are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.sent
    }

    /// How long it will take, as far as can be told.
    pub(crate) fn left(&self) -> Option<Duration> {
        let weight = self.weight_waiting() + self.weight_under_way();
        self.pace.left(self.now, weight)
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            billed: self.counts.billed,
            width: u32::try_from(self.width.now()).unwrap_or(u32::MAX),
            ..self.learned.figures()
        }
    }

    /// The weight of all that is still to be sent. Of shelves that were not loaded
    /// yet only the number of items is known.
    fn weight_waiting(&self) -> f64 {
        self.learned.weight(self.queue.waiting()) + learn::float(self.queue.unloaded())
    }

    fn weight_under_way(&self) -> f64 {
        let under_way = self
            .chunks
            .values()
            .fold(Load::default(), |sum, chunk| Load {
                items: sum.items + chunk.load.items,
                bytes: sum.bytes + chunk.load.bytes,
            });
        self.learned.weight(under_way)
    }

    fn encoded(&mut self, attempt: AttemptId, bytes: u64) {
        let Some(found) = self.attempts.get_mut(&attempt) else {
            return;
        };
        if found.stage == Stage::Encoding {
            found.stage = Stage::Ready;
            let chunk = &self.chunks[&found.chunk];
            self.learned.encoded(chunk.load.bytes, bytes);
        }
    }

    fn learn(&mut self, chunk: &Chunk, took: Took, round_trip: Duration) {
        self.answered = Some(self.now);
        let beside = self.learned.answered(chunk.load, took, round_trip);
        let weight = self.learned.weight(chunk.load);
        self.pace.add(self.now, weight);
        let answered = width::Answered {
            weight,
            took,
            beside,
            left: self.learned.seconds(self.weight_waiting()),
        };
        self.width.answered(self.now, answered);
    }

    /// Decides what follows from the state, whatever led to it.
    fn go_on<V, E>(&mut self, effects: &mut Vec<Effect<V, E>>) {
        if self.stop.is_none() && self.settings.max_time.is_some_and(|most| self.now >= most) {
            self.stop(End::OutOfTime, effects);
        }
        if self.stop.is_none() {
            self.queue.load(effects);
            self.send_ready(effects);
            self.encode_ahead(effects);
            self.back_up(effects);
        }
        self.finish(effects);
    }

    /// Ends the job, if there is nothing more to be done or to be waited for.
    fn finish<V, E>(&mut self, effects: &mut Vec<Effect<V, E>>) {
        let end = match &self.stop {
            None if self.queue.is_empty() && self.chunks.is_empty() => End::Complete,
            Some(stop) if self.sent == 0 || self.now >= stop.until => match stop.end {
                // It was finished after all, while it was being stopped.
                End::Cancelled | End::OutOfTime | End::OutOfMoney if self.all_finished() => {
                    End::Complete
                }
                _ => stop.end.clone(),
            },
            _ => return,
        };
        for attempt in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.leave(attempt, None);
            effects.push(Effect::Abandon(attempt));
        }
        self.chunks.clear();
        self.ended = true;
        effects.push(Effect::End(end));
    }

    fn all_finished(&self) -> bool {
        let taken = self.queue.taken() + self.counts.known;
        self.queue.all_loaded() && self.counts.done + self.counts.failed == taken
    }

    /// Nothing new is sent from now on. What is under way may still answer, for a
    /// short while.
    fn stop<V, E>(&mut self, end: End, effects: &mut Vec<Effect<V, E>>) {
        if self.stop.is_some() {
            return;
        }
        let until = self.now + grace(&end);
        self.stop = Some(Stop { end, until });
        self.queue.clear();
        let unsent: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| !matches!(attempt.stage, Stage::Sent { .. }))
            .map(|(id, _)| *id)
            .collect();
        for id in unsent {
            if let Some(chunk) = self.leave(id, None) {
                self.detach(id, chunk);
            }
            effects.push(Effect::Abandon(id));
        }
    }

    /// Takes an attempt from its chunk, and the chunk away with its last attempt.
    fn detach(&mut self, id: AttemptId, chunk: ChunkId) -> Option<Chunk> {
        let found = self.chunks.get_mut(&chunk)?;
        found.attempts.retain(|attempt| *attempt != id);
        found
            .attempts
            .is_empty()
            .then(|| self.chunks.remove(&chunk))
            .flatten()
    }
}

/// How long answers are waited for after it was decided to stop. What is paid for is
/// worth a longer wait; whoever cancels wants to have the terminal back.
fn grace(end: &End) -> Duration {
    Duration::from_millis(match end {
        End::OutOfMoney => 60_000,
        End::Stopped | End::OutOfTime => 2_000,
        End::Cancelled | End::Broken(_) | End::Complete => 500,
    })
}
