//! Blocks of a CSV, taken apart by several threads and handed out in their order.
//!
//! Whoever cuts a block puts the place for its result into a queue before the next is
//! cut; the queue is bounded, so nobody runs ahead of who takes the results.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use science::table::{Block, Table};

use super::error::InputError;

/// Results that may wait, for each thread.
const WAITING: usize = 4;

pub(super) type Reader = Box<dyn Read + Send>;

type Slot<T> = Receiver<Result<T, InputError>>;

/// What cuts, and where results are waited for.
struct Cutter<T> {
    table: Table<Reader>,
    slots: SyncSender<Slot<T>>,
    ended: bool,
}

/// Results in the order of their blocks.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    slots: Option<Receiver<Slot<T>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Takes one block apart.
pub(super) trait Parse<T>: Send {
    fn parse(&mut self, block: &Block) -> Result<T, InputError>;
}

impl<T: Send + 'static> InOrder<T> {
    /// `parsers` has one for each thread.
    pub fn new<P: Parse<T> + 'static>(table: Table<Reader>, parsers: Vec<P>) -> Self {
        let (slots, waiting) = sync_channel(parsers.len() * WAITING);
        let cutter = Arc::new(Mutex::new(Cutter {
            table,
            slots,
            ended: false,
        }));
        let threads = parsers.into_iter().map(|mut parser| {
            let cutter = Arc::clone(&cutter);
            std::thread::spawn(move || {
                let mut block = Block::default();
                while let Some(slot) = cut(&cutter, &mut block) {
                    if slot.send(parser.parse(&block)).is_err() {
                        return;
                    }
                }
            })
        });
        Self {
            threads: threads.collect(),
            slots: Some(waiting),
        }
    }
}

/// The next block, and where its result goes. None if there is none, or nobody waits.
fn cut<T>(
    cutter: &Mutex<Cutter<T>>,
    block: &mut Block,
) -> Option<SyncSender<Result<T, InputError>>> {
    let mut cutter = cutter.lock();
    if cutter.ended {
        return None;
    }
    let next = cutter.table.next(block);
    if matches!(next, Ok(false)) {
        cutter.ended = true;
        return None;
    }
    let (slot, result) = sync_channel(1);
    if cutter.slots.send(result).is_err() {
        cutter.ended = true;
        return None;
    }
    match next {
        Ok(_) => Some(slot),
        Err(error) => {
            cutter.ended = true;
            let _ = slot.send(Err(error.into()));
            None
        }
    }
}

impl<T> Iterator for InOrder<T> {
    type Item = Result<T, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.slots.as_ref()?.recv().ok()?;
        // Its thread has panicked if it is gone: that is told when it is joined.
        if let Ok(result) = slot.recv() {
            return Some(result);
        }
        self.join();
        None
    }
}

impl<T> InOrder<T> {
    fn join(&mut self) {
        self.slots = None;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl<T> Drop for InOrder<T> {
    fn drop(&mut self) {
        self.join();
    }
}
