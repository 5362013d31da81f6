//! An executor that is simulated event by event: it answers in any order, late,
//! twice, or not at all, and holds the core to what must be true at any time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::num::{NonZeroU32, NonZeroUsize};

use super::*;
use crate::options::{ChunkSize, OnError, Width};
use crate::run::Broken;

/// How an item behaves when it is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Nature {
    Fine,
    /// Raises so many times.
    Raises(u32),
    /// Takes the whole chunk with it, always.
    Deadly(Death),
    /// Makes the handler raise for the whole chunk.
    Spoils,
    /// As large as all that an instance has: dies in company, not alone.
    Large,
}

/// What befalls an attempt on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Arrives,
    Throttled,
    Lost,
    /// Takes ages.
    Straggles,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    /// Items of each shelf: nature and bytes.
    pub(super) shelves: Vec<Vec<(Nature, u64)>>,
    /// Items that are known already.
    pub(super) known: BTreeSet<(u32, u32)>,
    /// Milliseconds of attempts, one after the other, over and over.
    pub(super) times: Vec<u64>,
    pub(super) fates: Vec<Fate>,
    pub(super) settings: Settings,
    pub(super) cancel: Option<Duration>,
}

pub(super) type Value = (u32, u32);

/// What came of a simulated job.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) done: BTreeMap<(u32, u32), Value>,
    pub(super) failed: BTreeMap<(u32, u32), (String, u32)>,
    /// Chunks in the order in which they were encoded.
    pub(super) chunks: Vec<(u32, Vec<u32>)>,
    pub(super) sent: usize,
    pub(super) end: Option<End>,
    pub(super) ended_at: Duration,
    pub(super) counts: Counts,
    pub(super) figures: Figures,
}

pub(super) fn settings() -> Settings {
    Settings {
        chunk: ChunkSize::Auto,
        width: Width::Fixed(NonZeroUsize::new(2).unwrap()),
        retries: 0,
        backup_after: None,
        on_error: OnError::Collect,
        max_time: None,
        max_cost: None,
        most_payload: 6_000_000,
        shelves: 0,
        items: 0,
        second_price: 1e-5,
        request_price: 2e-7,
    }
}

pub(super) fn world(shelves: Vec<Vec<(Nature, u64)>>, change: impl FnOnce(&mut World)) -> World {
    let mut world = World {
        shelves,
        known: BTreeSet::new(),
        times: vec![10],
        fates: vec![Fate::Arrives],
        settings: settings(),
        cancel: None,
    };
    change(&mut world);
    world
}

pub(super) fn fine(count: usize) -> Vec<(Nature, u64)> {
    vec![(Nature::Fine, 800); count]
}

pub(super) fn items(count: u32) -> ChunkSize {
    ChunkSize::Items(NonZeroU32::new(count).unwrap())
}

struct Flight {
    shelf: u32,
    places: Vec<u32>,
    aside: bool,
    ready: bool,
    sent: bool,
}

/// Simulates a job, and holds it to what must be true at any time.
struct Simulation<'a> {
    world: &'a World,
    core: Core,
    /// What will happen: by time, then by order.
    future: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event<Value, String>>,
    serial: u64,
    flights: BTreeMap<AttemptId, Flight>,
    raised: BTreeMap<(u32, u32), u32>,
    in_memory: BTreeSet<u32>,
    dropped: BTreeSet<u32>,
    report: Report,
}

pub(super) fn run(world: &World) -> Report {
    let mut settings = world.settings.clone();
    settings.shelves = u32::try_from(world.shelves.len()).unwrap();
    settings.items = world.shelves.iter().map(|shelf| shelf.len() as u64).sum();
    let mut simulation = Simulation {
        world,
        core: Core::new(settings),
        future: BinaryHeap::new(),
        events: BTreeMap::new(),
        serial: 0,
        flights: BTreeMap::new(),
        raised: BTreeMap::new(),
        in_memory: BTreeSet::new(),
        dropped: BTreeSet::new(),
        report: Report::default(),
    };
    if let Some(at) = world.cancel {
        simulation.plan(at, Event::Cancel);
    }
    simulation.run();
    simulation.report
}

impl Simulation<'_> {
    fn plan(&mut self, at: Duration, event: Event<Value, String>) {
        self.serial += 1;
        self.events.insert(self.serial, event);
        self.future.push(Reverse((at, self.serial)));
    }

    fn run(&mut self) {
        let mut now = Duration::ZERO;
        let mut event = Event::Tick;
        for _ in 0..200_000 {
            if let Event::Answered { attempt, .. } | Event::Failed { attempt, .. } = &event {
                self.flights.remove(attempt);
            }
            let mut effects = Vec::new();
            self.core.step(now, event, &mut effects);
            for effect in effects {
                assert!(self.report.end.is_none(), "{effect:?} after the end");
                self.perform(now, effect);
            }
            self.check();
            if self.report.end.is_some() {
                self.report.counts = self.core.counts();
                self.report.figures = self.core.figures();
                self.report.ended_at = now;
                self.late();
                return;
            }
            let wake = self.core.wake();
            let next = self.future.peek().map(|Reverse((at, _))| *at);
            assert!(wake.is_some() || next.is_some(), "nothing will ever happen");
            if next.is_none_or(|next| wake.is_some_and(|wake| wake < next)) {
                assert!(wake > Some(now), "woken without reason at {now:?}");
                now = wake.unwrap();
                event = Event::Tick;
            } else {
                let Reverse((at, serial)) = self.future.pop().unwrap();
                now = now.max(at);
                event = self.events.remove(&serial).unwrap();
            }
        }
        panic!("it does not end");
    }

    /// Whatever comes after the end changes nothing.
    fn late(&mut self) {
        for event in std::mem::take(&mut self.events).into_values() {
            let mut effects = Vec::new();
            self.core.step(Duration::MAX, event, &mut effects);
            assert_eq!(effects, []);
        }
        assert_eq!(self.core.in_flight(), 0);
    }

    fn check(&self) {
        let most = match self.world.settings.width {
            Width::Fixed(width) => width.get(),
            Width::Learned { most, .. } => most.get(),
        };
        let sent = self.flights.values().filter(|flight| flight.sent).count();
        assert_eq!(sent, self.core.in_flight());
        assert!(sent <= most, "{sent} of {most} under way");
        assert!(self.in_memory.len() <= MOST_SHELVES);
    }

    fn perform(&mut self, now: Duration, effect: Effect<Value, String>) {
        match effect {
            Effect::Load(shelf) => {
                assert!(self.in_memory.insert(shelf));
                let all = &self.world.shelves[shelf as usize];
                let items: Vec<Item> = (0..)
                    .zip(all)
                    .filter(|(place, _)| !self.world.known.contains(&(shelf, *place)))
                    .map(|(place, (_, bytes))| Item::new(place, *bytes))
                    .collect();
                let known = (all.len() - items.len()) as u64;
                self.plan(
                    now + Duration::from_millis(1),
                    Event::Shelf { items, known },
                );
            }
            Effect::Drop(shelf) => {
                assert!(self.in_memory.remove(&shelf));
                assert!(self.dropped.insert(shelf));
            }
            Effect::Encode {
                attempt,
                shelf,
                places,
                bytes: _,
                aside,
            } => self.encode(now, attempt, shelf, places, aside),
            Effect::Send(attempt) => self.send(now, attempt),
            Effect::Abandon(attempt) => {
                // Its events come all the same.
                assert!(self.flights.remove(&attempt).is_some());
            }
            Effect::Done { shelf, results } => {
                for (place, value) in results {
                    assert_eq!(value, (shelf, place), "the value of another item");
                    let twice = self.report.done.insert((shelf, place), value);
                    assert_eq!(twice, None, "an item is done twice");
                    assert!(!self.report.failed.contains_key(&(shelf, place)));
                }
            }
            Effect::Failed {
                shelf,
                place,
                error,
                tries,
            } => {
                let key = (shelf, place);
                assert!(!self.report.done.contains_key(&key));
                let twice = self.report.failed.insert(key, (error, tries));
                assert_eq!(twice, None, "an item fails twice");
            }
            Effect::End(end) => self.report.end = Some(end),
        }
    }

    fn encode(
        &mut self,
        now: Duration,
        attempt: AttemptId,
        shelf: u32,
        places: Vec<u32>,
        aside: bool,
    ) {
        assert!(self.in_memory.contains(&shelf), "a shelf that is not there");
        assert!(!places.is_empty());
        let distinct: BTreeSet<u32> = places.iter().copied().collect();
        assert_eq!(distinct.len(), places.len());
        for place in &places {
            assert!(
                !self.report.done.contains_key(&(shelf, *place)),
                "sent though done"
            );
            assert!(!self.report.failed.contains_key(&(shelf, *place)));
        }
        let bytes = self.bytes(shelf, &places);
        let most = self.world.settings.most_payload;
        assert!(
            places.len() == 1 || bytes <= most,
            "{bytes} of {most} bytes"
        );
        if let ChunkSize::Items(count) = self.world.settings.chunk {
            assert!(places.len() <= count.get() as usize);
        }
        self.report.chunks.push((shelf, places.clone()));
        self.flights.insert(
            attempt,
            Flight {
                shelf,
                places,
                aside,
                ready: false,
                sent: false,
            },
        );
        let event = if bytes > most && !aside {
            Event::Failed {
                attempt,
                why: Why::TooLarge("too large".to_owned()),
                billed: 0.0,
                jitter: 0.5,
            }
        } else {
            Event::Encoded { attempt, bytes }
        };
        self.plan(now, event);
        if let Some(flight) = self.flights.get_mut(&attempt) {
            flight.ready = bytes <= most || flight.aside;
        }
    }

    fn bytes(&self, shelf: u32, places: &[u32]) -> u64 {
        let all = &self.world.shelves[shelf as usize];
        places.iter().map(|place| all[*place as usize].1).sum()
    }

    fn send(&mut self, now: Duration, attempt: AttemptId) {
        let turn = self.report.sent;
        self.report.sent += 1;
        let flight = self.flights.get_mut(&attempt).expect("encoded before");
        assert!(flight.ready && !flight.sent);
        flight.sent = true;
        let (shelf, places) = (flight.shelf, flight.places.clone());
        let world = self.world;
        let took = Duration::from_millis(world.times[turn % world.times.len()]);
        // Troubles of the network end some time.
        let fate = world.fates.get(turn).copied().unwrap_or(Fate::Arrives);
        let (at, event) = match fate {
            Fate::Throttled => (
                now,
                self.fails(
                    attempt,
                    Why::Throttled {
                        error: "throttled".to_owned(),
                        end: Broken::Throttled,
                    },
                ),
            ),
            Fate::Lost => (
                now + took,
                self.fails(
                    attempt,
                    Why::Network {
                        error: "lost".to_owned(),
                        end: unreachable(),
                    },
                ),
            ),
            Fate::Arrives => (now + took, self.answer(attempt, shelf, &places, took)),
            Fate::Straggles => {
                let ages = Duration::from_secs(100);
                (now + ages, self.answer(attempt, shelf, &places, ages))
            }
        };
        self.plan(at, event);
    }

    #[expect(clippy::unused_self)]
    fn fails(&self, attempt: AttemptId, why: Why<String>) -> Event<Value, String> {
        Event::Failed {
            attempt,
            why,
            billed: 0.0,
            jitter: 0.5,
        }
    }

    fn answer(
        &mut self,
        attempt: AttemptId,
        shelf: u32,
        places: &[u32],
        round_trip: Duration,
    ) -> Event<Value, String> {
        let nature = |place: u32| self.world.shelves[shelf as usize][place as usize].0;
        for place in places {
            let death = match nature(*place) {
                Nature::Deadly(death) => Some(death),
                Nature::Large if places.len() > 1 => Some(Death::OutOfMemory),
                Nature::Spoils => {
                    return self.fails(attempt, Why::Raised(format!("spoilt by {place}")));
                }
                _ => None,
            };
            if let Some(death) = death {
                let error = format!("{death:?} of {place}");
                return self.fails(attempt, Why::Died { death, error });
            }
        }
        let answers = places
            .iter()
            .map(|place| match nature(*place) {
                Nature::Raises(times) => {
                    let so_far = self.raised.entry((shelf, *place)).or_default();
                    *so_far += 1;
                    if *so_far > times {
                        Ok((shelf, *place))
                    } else {
                        Err("raised".to_owned())
                    }
                }
                _ => Ok((shelf, *place)),
            })
            .collect();
        let seconds = round_trip.as_secs_f64();
        Event::Answered {
            attempt,
            answers,
            took: Took {
                wall: seconds * 0.9,
                cpu: seconds * 0.9,
                codec: 0.0,
            },
            round_trip,
            billed: seconds,
            jitter: 0.5,
        }
    }
}

pub(super) fn unreachable() -> Broken {
    Broken::Unreachable {
        detail: "no way".to_owned(),
    }
}
