//! The loop of a job. It performs what the core decides, tells it what happened, and
//! decides nothing itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use science::items::Shelf;
use serde_json::value::RawValue;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{self, Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use types::Invoke;

use crate::core::{AttemptId, Core, Effect, Event, Settings, Why};
use crate::journal::Journal;
use crate::payload::ItemError;
use crate::prices::Prices;
use crate::stats::Progress;

use super::attempt::{Answered, Ground, JobEvent, Parcel, jitter};
use super::shelves::{self, Loaded};
use super::{End, Exchange, Failure, Finished, Job, Loan, RunError};

/// How often those who watch hear of it, and whether someone else cancelled is asked.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// What a task brings back.
enum Brought {
    Shelf {
        index: u32,
        loaded: Result<Loaded, RunError>,
    },
    Parcel {
        attempt: AttemptId,
        parcel: Result<(Parcel, u64), Why<ItemError>>,
    },
    Answer {
        attempt: AttemptId,
        answered: Answered,
    },
    Settled,
}

/// Where an attempt is.
enum Stage {
    Encoding,
    Ready(Parcel),
    Sent {
        task: AbortHandle,
        loan: Option<Loan>,
    },
}

pub(super) struct Driver<I, X> {
    ground: Arc<Ground<I, X>>,
    core: Core,
    journal: Arc<Journal>,
    /// By rank, which items may be run.
    wanted: Option<Arc<[bool]>>,
    began: Instant,
    tasks: JoinSet<Brought>,
    attempts: HashMap<AttemptId, Stage>,
    shelves: HashMap<u32, Arc<Shelf>>,
    results: Vec<Option<Box<RawValue>>>,
    failures: BTreeMap<u32, Failure>,
    /// Items that the job is about.
    items: u64,
    /// Known items that it would not have run.
    known_besides: u64,
    peak_memory_mb: Option<u32>,
    end: Option<End>,
}

impl<I: Invoke + 'static, X: Exchange + 'static> Driver<I, X> {
    pub(super) fn new(invoke: Arc<I>, exchange: Arc<X>, job: Job, journal: Journal) -> Self {
        let core = Core::new(settings(&job));
        let count = job.data.len();
        let mut results = Vec::new();
        results.resize_with(count, || None);
        let wanted = job.only.as_ref().map(|only| {
            let mut wanted = vec![false; count];
            for rank in only {
                wanted[*rank as usize] = true;
            }
            Arc::from(wanted)
        });
        let items = job.only.as_ref().map_or(count, Vec::len) as u64;
        Self {
            core,
            journal: Arc::new(journal),
            wanted,
            began: Instant::now(),
            tasks: JoinSet::new(),
            attempts: HashMap::new(),
            shelves: HashMap::new(),
            results,
            failures: BTreeMap::new(),
            items,
            known_besides: 0,
            peak_memory_mb: None,
            end: None,
            ground: Arc::new(Ground {
                invoke,
                exchange,
                data: job.data,
                options: job.options,
                most_payload: job.most_payload,
            }),
        }
    }

    pub(super) async fn run(
        mut self,
        cancel: CancellationToken,
        watch: impl Fn(&Progress) + Send + Sync,
    ) -> Result<Finished, RunError> {
        let ran = self.work(&cancel, &watch).await;
        self.clear_up().await;
        let progress = self.progress();
        watch(&progress);
        let journal = Arc::into_inner(self.journal)
            .expect("the tasks that had a share of it have all come back");
        if let Err(error) = ran {
            journal.abandon(&error).await;
            return Err(error);
        }
        let end = self.end.unwrap_or(End::Cancelled);
        let finished = journal.finish(&end, &progress).await;
        finished.map_err(RunError::Journal)?;
        Ok(Finished {
            results: self.results,
            failures: self.failures,
            end,
            progress,
            figures: self.core.figures(),
        })
    }

    async fn work(
        &mut self,
        cancel: &CancellationToken,
        watch: &(impl Fn(&Progress) + Send + Sync),
    ) -> Result<(), RunError> {
        let mut ticker = time::interval(TOLD_EVERY);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut cancelled = false;
        let mut event = Some(Event::Tick);
        let mut effects = Vec::new();
        loop {
            if let Some(event) = event.take() {
                self.core.step(self.began.elapsed(), event, &mut effects);
                self.perform(&mut effects).await?;
                if self.end.is_some() {
                    return Ok(());
                }
            }
            let wake = self.core.wake().map(|wake| self.began + wake);
            event = tokio::select! {
                Some(brought) = self.tasks.join_next() => self.take(brought)?,
                () = sleep_until(wake) => Some(Event::Tick),
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    Some(Event::Cancel)
                }
                _ = ticker.tick() => {
                    let progress = self.progress();
                    watch(&progress);
                    self.journal.progress(&progress);
                    let asked = !cancelled && self.journal.cancel_asked();
                    cancelled |= asked;
                    asked.then_some(Event::Cancel)
                }
            };
        }
    }

    /// Takes in what a task brought, and says what it means to the core.
    fn take(&mut self, brought: Result<Brought, JoinError>) -> Result<Option<JobEvent>, RunError> {
        let brought = match brought {
            Ok(brought) => brought,
            // It was abandoned.
            Err(error) if error.is_cancelled() => return Ok(None),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        Ok(match brought {
            Brought::Shelf { index, loaded } => Some(self.shelve(index, loaded?)),
            Brought::Parcel { attempt, parcel } => self.parcel(attempt, parcel),
            Brought::Answer { attempt, answered } => {
                if let Some(Stage::Sent { loan, .. }) = self.attempts.remove(&attempt) {
                    self.settle(loan);
                }
                let memory = answered.report.peak_memory_mb;
                self.peak_memory_mb = self.peak_memory_mb.max(memory);
                Some(answered.event)
            }
            Brought::Settled => None,
        })
    }

    fn shelve(&mut self, index: u32, loaded: Loaded) -> JobEvent {
        let known = loaded.known.len() as u64;
        for (rank, result) in loaded.known {
            let wanted = self.wanted.as_ref();
            let besides = wanted.is_some_and(|wanted| !wanted[rank as usize]);
            self.known_besides += u64::from(besides);
            self.results[rank as usize] = Some(result);
        }
        self.shelves.insert(index, loaded.shelf);
        Event::Shelf {
            items: loaded.items,
            known,
        }
    }

    fn parcel(
        &mut self,
        attempt: AttemptId,
        parcel: Result<(Parcel, u64), Why<ItemError>>,
    ) -> Option<JobEvent> {
        match parcel {
            Ok((parcel, bytes)) => {
                if let Some(stage) = self.attempts.get_mut(&attempt) {
                    *stage = Stage::Ready(parcel);
                    return Some(Event::Encoded { attempt, bytes });
                }
                self.settle(parcel.loan);
                None
            }
            Err(why) => {
                self.attempts.remove(&attempt);
                Some(Event::Failed {
                    attempt,
                    why,
                    billed: 0.0,
                    jitter: jitter(),
                })
            }
        }
    }

    async fn perform(
        &mut self,
        effects: &mut Vec<Effect<Box<RawValue>, ItemError>>,
    ) -> Result<(), RunError> {
        // Instances should not wait while results are put away.
        effects.sort_by_key(|effect| match effect {
            Effect::Send(_) => 0,
            Effect::Abandon(_) | Effect::Encode { .. } => 1,
            _ => 2,
        });
        let mut kept = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(attempt) => self.send(attempt),
                Effect::Abandon(attempt) => self.abandon(attempt),
                Effect::Encode {
                    attempt,
                    shelf,
                    places,
                    bytes,
                    aside,
                } => self.encode(attempt, shelf, places, bytes, aside),
                Effect::Load(shelf) => self.load(shelf),
                Effect::Drop(shelf) => {
                    self.shelves.remove(&shelf);
                }
                Effect::Done { shelf, results } => {
                    kept = true;
                    self.done(shelf, results);
                }
                Effect::Failed {
                    shelf,
                    place,
                    error,
                    tries,
                } => self.failed(shelf, place, error, tries),
                Effect::End(end) => self.end = Some(end),
            }
        }
        if kept {
            self.journal.ready().await.map_err(RunError::Journal)?;
        }
        Ok(())
    }

    fn load(&mut self, index: u32) {
        let ground = Arc::clone(&self.ground);
        let journal = Arc::clone(&self.journal);
        let wanted = self.wanted.clone();
        self.tasks.spawn_blocking(move || {
            let (place, shape) = (index as usize, ground.shape());
            let loaded = shelves::load(&ground.data, &journal, place, shape, wanted.as_deref());
            Brought::Shelf { index, loaded }
        });
    }

    fn encode(
        &mut self,
        attempt: AttemptId,
        shelf: u32,
        places: Vec<u32>,
        expected: u64,
        aside: bool,
    ) {
        let ground = Arc::clone(&self.ground);
        let shelf = Arc::clone(&self.shelves[&shelf]);
        self.attempts.insert(attempt, Stage::Encoding);
        self.tasks.spawn(async move {
            let parcel = ground.encode(shelf, places, expected, aside).await;
            Brought::Parcel { attempt, parcel }
        });
    }

    fn send(&mut self, attempt: AttemptId) {
        let Some(Stage::Ready(parcel)) = self.attempts.remove(&attempt) else {
            return;
        };
        let ground = Arc::clone(&self.ground);
        let loan = parcel.loan.clone();
        let task = self.tasks.spawn(async move {
            let answered = ground.send(attempt, parcel).await;
            Brought::Answer { attempt, answered }
        });
        self.attempts.insert(attempt, Stage::Sent { task, loan });
    }

    fn abandon(&mut self, attempt: AttemptId) {
        match self.attempts.remove(&attempt) {
            Some(Stage::Sent { task, loan }) => {
                task.abort();
                self.settle(loan);
            }
            Some(Stage::Ready(parcel)) => self.settle(parcel.loan),
            // What comes of it is thrown away when it comes.
            Some(Stage::Encoding) | None => {}
        }
    }

    fn settle(&mut self, loan: Option<Loan>) {
        if let Some(loan) = loan {
            let ground = Arc::clone(&self.ground);
            self.tasks.spawn(async move {
                ground.exchange.settle(loan).await;
                Brought::Settled
            });
        }
    }

    fn done(&mut self, shelf: u32, results: Vec<(u32, Box<RawValue>)>) {
        let shelf = Arc::clone(&self.shelves[&shelf]);
        for (place, result) in results {
            self.journal.keep(&self.ground.data, &shelf, place, &result);
            let rank = shelf.ranks[place as usize] as usize;
            self.results[rank] = Some(result);
        }
    }

    fn failed(&mut self, shelf: u32, place: u32, error: ItemError, tries: u32) {
        let rank = self.shelves[&shelf].ranks[place as usize];
        let failure = Failure {
            error,
            attempts: tries,
        };
        let shown = self.ground.data.ids.shown(rank as usize);
        self.journal.fail(rank, &shown, &failure);
        self.failures.insert(rank, failure);
    }

    /// Ends what is still under way, and waits for it: nobody works for a job that
    /// has ended, and nothing is left lying in a bucket.
    async fn clear_up(&mut self) {
        for attempt in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.abandon(attempt);
        }
        while let Some(brought) = self.tasks.join_next().await {
            if let Ok(Brought::Parcel {
                parcel: Ok((parcel, _)),
                ..
            }) = brought
            {
                self.settle(parcel.loan);
            }
        }
    }

    fn progress(&self) -> Progress {
        let counts = self.core.counts();
        Progress {
            items: self.items + self.known_besides,
            done: counts.done,
            known: counts.known,
            failed: counts.failed,
            in_flight: self.core.in_flight() as u64,
            invocations: counts.invocations,
            retries: counts.retries,
            backups: counts.backups,
            splits: counts.splits,
            elapsed: self.began.elapsed(),
            left: self.core.left(),
            cost: counts.cost,
            peak_memory_mb: self.peak_memory_mb,
            billed: Duration::try_from_secs_f64(counts.billed).unwrap_or(Duration::MAX),
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

fn settings(job: &Job) -> Settings {
    let prices = Prices::of(job.arm);
    let options = &job.options;
    let items = job.only.as_ref().map_or(job.data.len(), Vec::len);
    Settings {
        chunk: options.chunk,
        width: options.width,
        retries: options.retries,
        backup_after: options.backup_after,
        on_error: options.on_error,
        max_time: options.max_time,
        max_cost: options.max_cost,
        most_payload: job.most_payload,
        shelves: u32::try_from(job.data.shelves()).expect("shelves are counted in 32 bits"),
        items: items as u64,
        second_price: prices.second(job.memory_mb),
        request_price: prices.request,
    }
}
