//! What is sent now: payloads are written ahead, slots filled, stragglers sent again.

use std::time::Duration;

use super::words::{AttemptId, Effect, Load};
use super::{Attempt, Chunk, ChunkId, Core, Stage};
use crate::run::End;

/// Payloads that are written before there is a slot for them, at most.
const MOST_AHEAD: usize = 8;

impl Core {
    pub(super) fn send_ready<V, E>(&mut self, effects: &mut Vec<Effect<V, E>>) {
        if self.unsent == 0 || self.sent >= self.width.now() {
            return;
        }
        let ready: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.stage == Stage::Ready)
            .map(|(id, _)| *id)
            .take(self.width.now() - self.sent)
            .collect();
        for id in ready {
            let chunk = self.attempts[&id].chunk;
            let load = self.chunks[&chunk].load;
            if self.too_dear(load) {
                self.stop(End::OutOfMoney, effects);
                return;
            }
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.stage = Stage::Sent { at: self.now };
            }
            self.unsent -= 1;
            self.sent += 1;
            self.sent_load.items += load.items;
            self.sent_load.bytes += load.bytes;
            self.counts.invocations += 1;
            effects.push(Effect::Send(id));
        }
    }

    /// Whether what is under way and this chunk would cost more than is allowed, as
    /// far as is known by now.
    fn too_dear(&self, load: Load) -> bool {
        let Some(most) = self.settings.max_cost else {
            return false;
        };
        let all = Load {
            items: self.sent_load.items + load.items,
            bytes: self.sent_load.bytes + load.bytes,
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of chunks are small")]
        let requests = (self.sent + 1) as f64 * self.settings.request_price;
        let seconds = self.learned.billed_for(all, self.counts.billed);
        self.counts.cost + requests + seconds * self.settings.second_price > most
    }

    /// Has payloads written before there is a slot for them, so that no instance
    /// waits for us.
    pub(super) fn encode_ahead<V, E>(&mut self, effects: &mut Vec<Effect<V, E>>) {
        let width = self.width.now();
        let ahead = (width / 4).clamp(1, MOST_AHEAD);
        let wanted = width.saturating_sub(self.sent) + ahead;
        while self.unsent < wanted {
            let waiting = self.weight_waiting();
            let limits = self.learned.limits(waiting, width);
            let Some(chunk) = self.queue.next(self.now, &limits, &self.learned) else {
                return;
            };
            let id = self.id();
            self.chunks.insert(id, chunk);
            self.attempt(id, effects);
        }
    }

    fn attempt<V, E>(&mut self, chunk_id: ChunkId, effects: &mut Vec<Effect<V, E>>) {
        let attempt = self.id();
        let chunk = self
            .chunks
            .get_mut(&chunk_id)
            .expect("an attempt is made for a chunk that is there");
        chunk.attempts.push(attempt);
        effects.push(Effect::Encode {
            attempt,
            shelf: chunk.shelf,
            places: chunk.items.iter().map(|item| item.place).collect(),
            bytes: chunk.load.bytes,
            aside: chunk.aside,
        });
        self.attempts.insert(
            attempt,
            Attempt {
                chunk: chunk_id,
                stage: Stage::Encoding,
            },
        );
        self.unsent += 1;
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Sends a chunk that takes much longer than others a second time, when there is
    /// nothing better to do with a free slot.
    pub(super) fn back_up<V, E>(&mut self, effects: &mut Vec<Effect<V, E>>) {
        while self.may_back_up() {
            let overdue = self
                .stragglers()
                .filter(|(due, _)| *due <= self.now)
                .min_by_key(|(due, _)| *due);
            let Some((_, id)) = overdue else { return };
            if let Some(chunk) = self.chunks.get_mut(&id) {
                chunk.backed_up = true;
            }
            self.counts.backups += 1;
            self.attempt(id, effects);
        }
    }

    /// Slots are free, and copies are still the exception: where all are late it is the
    /// machine that is slow, and copies would make it slower.
    fn may_back_up(&self) -> bool {
        let copied = |chunk: &&Chunk| chunk.attempts.len() > 1;
        let width = self.width.now();
        self.sent + self.unsent < width
            && self.queue.is_empty()
            && self.chunks.values().filter(copied).count() < (width / 10).max(1)
    }

    pub(super) fn next_backup(&self) -> Option<Duration> {
        if !self.may_back_up() {
            return None;
        }
        self.stragglers()
            .map(|(due, _)| due)
            .filter(|due| *due > self.now)
            .min()
    }

    /// Chunks that were sent once, and when each is due to be sent again.
    fn stragglers(&self) -> impl Iterator<Item = (Duration, ChunkId)> {
        let factor = self.settings.backup_after;
        self.attempts.values().filter_map(move |attempt| {
            let Stage::Sent { at } = attempt.stage else {
                return None;
            };
            let chunk = &self.chunks[&attempt.chunk];
            if chunk.backed_up {
                return None;
            }
            let patience = self.learned.patience(chunk.load, factor?)?;
            Some((at + patience, attempt.chunk))
        })
    }
}
