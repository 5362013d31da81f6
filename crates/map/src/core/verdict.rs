//! What follows from an answer, and from a failure.
//!
//! - An item whose function raised is sent again, `retries` times, without those
//!   of its chunk that were answered.
//! - A chunk that died, or for which the function raised as a whole, is cut until
//!   the item that is to blame stands alone. What is merely too large, for memory or
//!   for a payload, is cut in two; what must be searched for is cut in four, which
//!   finds it in half as many rounds: a round may be a timeout long.
//! - An item that died alone is tried `retries` more times if it exited or timed out,
//!   since both may be bad luck; not if it ran out of memory, for which every try
//!   costs an instance and ends the same way.
//! - What could not be delivered is sent again, ever later. It is given up when
//!   nothing else got through either: then the job is broken, and its items have not
//!   failed. If others get through, it is treated as if it had died.

use std::time::Duration;

use crate::options::OnError;
use crate::run::{Broken, End};

use super::{AttemptId, Chunk, Core, Death, Effect, Item, Stage, Why};

/// Full jitter: waits lie between nothing and these, which double with each try.
const FIRST_WAIT: f64 = 0.1;
const LONGEST_WAIT: f64 = 20.0;
/// Tries of a chunk while nothing else gets through.
const MOST_UNREACHED: u32 = 8;
const MOST_THROTTLED: u32 = 20;
/// Parts that a chunk is cut into.
const HALVES: usize = 2;
const QUARTERS: usize = 4;

impl Core {
    /// Takes an attempt away with its whole chunk, whose other attempts are abandoned.
    pub(super) fn close<V, E>(
        &mut self,
        attempt: AttemptId,
        billed: f64,
        effects: &mut Vec<Effect<V, E>>,
    ) -> Option<Chunk> {
        let id = self.leave(attempt, Some(billed))?;
        for other in self.chunks.get(&id)?.attempts.clone() {
            if other != attempt {
                self.leave(other, None);
                effects.push(Effect::Abandon(other));
            }
        }
        self.chunks.remove(&id)
    }

    /// Forgets an attempt, and says whose it was. What it cost is guessed where
    /// nobody says.
    pub(super) fn leave(&mut self, id: AttemptId, billed: Option<f64>) -> Option<u64> {
        let attempt = self.attempts.remove(&id)?;
        if let Stage::Sent { at } = attempt.stage {
            self.sent -= 1;
            if let Some(chunk) = self.chunks.get(&attempt.chunk) {
                self.sent_load.items -= chunk.load.items;
                self.sent_load.bytes -= chunk.load.bytes;
            }
            let billed = billed.unwrap_or_else(|| self.now.saturating_sub(at).as_secs_f64());
            self.counts.billed += billed;
            self.counts.cost += self.settings.request_price + billed * self.settings.second_price;
        } else {
            self.unsent -= 1;
        }
        Some(attempt.chunk)
    }

    /// The first answer to a chunk.
    pub(super) fn answer<V, E>(
        &mut self,
        chunk: Chunk,
        answers: Vec<Result<V, E>>,
        jitter: f64,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        debug_assert_eq!(answers.len(), chunk.items.len(), "decoding checks that");
        let shelf = chunk.shelf;
        let mut results = Vec::with_capacity(answers.len());
        let mut again = Vec::new();
        let mut failed = Vec::new();
        for (mut item, answer) in chunk.items.into_iter().zip(answers) {
            match answer {
                Ok(value) => results.push((item.place, value)),
                Err(error) => {
                    item.tries += 1;
                    if item.tries > self.settings.retries {
                        failed.push((item, error));
                    } else {
                        again.push(item);
                    }
                }
            }
        }
        self.counts.done += results.len() as u64;
        let finished = results.len() as u64;
        if finished > 0 {
            effects.push(Effect::Done { shelf, results });
            self.queue.finished(shelf, finished, effects);
        }
        for (item, error) in failed {
            self.lose(shelf, item, error, effects);
        }
        if let Some(tries) = again.iter().map(|item| item.tries).max() {
            self.counts.retries += 1;
            let due = self.now + wait(tries, jitter);
            self.queue.push(due, Chunk::new(shelf, again));
        }
    }

    /// An item has failed for good.
    fn lose<V, E>(&mut self, shelf: u32, item: Item, error: E, effects: &mut Vec<Effect<V, E>>) {
        self.counts.failed += 1;
        effects.push(Effect::Failed {
            shelf,
            place: item.place,
            error,
            tries: item.tries.max(1),
        });
        self.queue.finished(shelf, 1, effects);
        if self.settings.on_error == OnError::Stop {
            self.stop(End::Stopped, effects);
        }
    }

    pub(super) fn fail<V, E>(
        &mut self,
        attempt: AttemptId,
        why: Why<E>,
        billed: f64,
        jitter: f64,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        let Some(id) = self.leave(attempt, Some(billed)) else {
            return;
        };
        if let Why::Broken(broken) = why {
            self.detach(attempt, id);
            return self.stop(End::Broken(broken), effects);
        }
        if matches!(why, Why::Throttled { .. }) {
            self.width.throttled(self.now);
        }
        // If another attempt is under way, that one decides.
        let Some(chunk) = self.detach(attempt, id) else {
            return;
        };
        match why {
            Why::Throttled { error, end } => {
                self.undelivered(chunk, error, end, MOST_THROTTLED, jitter, effects);
            }
            Why::Network { error, end } => {
                self.undelivered(chunk, error, end, MOST_UNREACHED, jitter, effects);
            }
            // Once it has worked, it was bad luck.
            Why::Init { error, end } if self.answered.is_some() => {
                self.undelivered(chunk, error, end, MOST_UNREACHED, jitter, effects);
            }
            Why::Init { end, .. } => self.stop(End::Broken(end), effects),
            Why::TooLarge(error) => self.too_large(chunk, error, effects),
            Why::NotHandedOver(error) => {
                for item in chunk.items.iter().skip(1) {
                    // Only single items are handed over aside; were there more, each
                    // would be tried by itself.
                    self.queue
                        .push(self.now, Chunk::new(chunk.shelf, vec![*item]));
                }
                if let Some(item) = chunk.items.first() {
                    self.lose(chunk.shelf, *item, error, effects);
                }
            }
            Why::Raised(error) => self.search(chunk, error, true, jitter, effects),
            Why::Died { death, error } => self.died(chunk, death, error, jitter, effects),
            Why::Broken(_) => unreachable!("taken care of above"),
        }
    }

    fn undelivered<V, E>(
        &mut self,
        mut chunk: Chunk,
        error: E,
        end: Broken,
        most: u32,
        jitter: f64,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        chunk.undelivered += 1;
        let since = *chunk.since.get_or_insert(self.now);
        if chunk.undelivered >= most {
            let others = self.answered.is_some_and(|answered| answered > since);
            if !others {
                return self.stop(End::Broken(end), effects);
            }
            if matches!(end, Broken::Unreachable { .. }) {
                return self.search(chunk, error, false, jitter, effects);
            }
            // Others get through: patience, from here on.
            chunk.since = Some(self.now);
            chunk.undelivered = most / 2;
        }
        self.counts.retries += 1;
        let due = self.now + wait(chunk.undelivered, jitter);
        self.queue.push(due, chunk);
    }

    fn died<V, E>(
        &mut self,
        chunk: Chunk,
        death: Death,
        error: E,
        jitter: f64,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        if chunk.items.len() > 1 && death != Death::Exited && death != Death::BadAnswer {
            self.learned.died(chunk.load);
        }
        match death {
            Death::ResponseTooLarge => self.too_large(chunk, error, effects),
            Death::OutOfMemory => match chunk.items[..] {
                [item] => self.lose(chunk.shelf, item, error, effects),
                _ => self.cut(&chunk, HALVES),
            },
            Death::TimedOut | Death::Exited => self.search(chunk, error, true, jitter, effects),
            Death::BadAnswer => self.search(chunk, error, false, jitter, effects),
        }
    }

    /// Too large to be sent, there or back: in parts, or aside.
    fn too_large<V, E>(&mut self, mut chunk: Chunk, error: E, effects: &mut Vec<Effect<V, E>>) {
        match chunk.items[..] {
            [item] if chunk.aside => self.lose(chunk.shelf, item, error, effects),
            [_] => {
                chunk.aside = true;
                self.queue.push(self.now, chunk);
            }
            _ => self.cut(&chunk, HALVES),
        }
    }

    /// One of the items is to blame, and it is not known which.
    fn search<V, E>(
        &mut self,
        mut chunk: Chunk,
        error: E,
        luck: bool,
        jitter: f64,
        effects: &mut Vec<Effect<V, E>>,
    ) {
        if chunk.items.len() > 1 {
            return self.cut(&chunk, QUARTERS);
        }
        let Some(mut item) = chunk.items.pop() else {
            return;
        };
        item.tries += 1;
        if !luck || item.tries > self.settings.retries {
            return self.lose(chunk.shelf, item, error, effects);
        }
        self.counts.retries += 1;
        let mut alone = Chunk::new(chunk.shelf, vec![item]);
        alone.aside = chunk.aside;
        self.queue.push(self.now + wait(item.tries, jitter), alone);
    }

    /// Sends the parts of a chunk instead of it.
    fn cut(&mut self, chunk: &Chunk, parts: usize) {
        self.counts.splits += 1;
        let size = chunk.items.len().div_ceil(parts).max(1);
        for part in chunk.items.chunks(size) {
            self.queue
                .push(self.now, Chunk::new(chunk.shelf, part.to_vec()));
        }
    }
}

/// How long to wait before the next try.
fn wait(tries: u32, jitter: f64) -> Duration {
    let most =
        (FIRST_WAIT * 2f64.powi(tries.saturating_sub(1).min(30).cast_signed())).min(LONGEST_WAIT);
    Duration::from_secs_f64(most * jitter.clamp(0.0, 1.0))
}
