//! What waits to be written or sent. Who puts something in never waits: what does not
//! fit is dropped and counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A bounded heap of things of one kind, in the order in which they came.
pub struct Queue<T> {
    waiting: Mutex<Vec<T>>,
    most: usize,
    dropped: AtomicU64,
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    pub fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            most,
            dropped: AtomicU64::new(0),
        }
    }

    pub fn push(&self, thing: T) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < self.most {
            waiting.push(thing);
            return;
        }
        drop(waiting);
        self.drop_more(1);
    }

    /// Counts what is lost on its further way.
    pub fn drop_more(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes all that waits, and leaves the room of `spare` in its place.
    pub fn swap(&self, spare: &mut Vec<T>) {
        spare.clear();
        std::mem::swap(&mut *self.waiting.lock(), spare);
    }

    /// Takes what came first, up to `most`.
    pub fn take(&self, most: usize) -> Vec<T> {
        let mut waiting = self.waiting.lock();
        let count = most.min(waiting.len());
        waiting.drain(..count).collect()
    }

    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let queue = Queue::new(2);
        for n in 0..5 {
            queue.push(n);
        }
        assert_eq!((queue.len(), queue.dropped()), (2, 3));
        assert_eq!(queue.take(1), [0]);
        let mut taken = vec![9];
        queue.swap(&mut taken);
        assert_eq!(taken, [1]);
        assert!(queue.is_empty());
    }
}
