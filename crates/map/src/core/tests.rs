//! The decisions of a job under a simulated executor.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::simulation::*;
use super::*;
use crate::options::{ChunkSize, OnError, Width};
use crate::run::Broken;

/// The items that must fail in the end.
fn doomed(world: &World) -> BTreeSet<(u32, u32)> {
    let retries = world.settings.retries;
    let mut doomed = BTreeSet::new();
    for (shelf, items) in (0..).zip(&world.shelves) {
        for (place, (nature, _)) in (0..).zip(items) {
            let fails = match nature {
                Nature::Fine | Nature::Large => false,
                Nature::Raises(times) => *times > retries,
                // Handed over aside, the answer may be as large as it likes, but this
                // one insists.
                Nature::Deadly(_) | Nature::Spoils => true,
            };
            if fails && !world.known.contains(&(shelf, place)) {
                doomed.insert((shelf, place));
            }
        }
    }
    doomed
}

fn all(world: &World) -> BTreeSet<(u32, u32)> {
    (0..)
        .zip(&world.shelves)
        .flat_map(|(shelf, items)| (0..).zip(items).map(move |(place, _)| (shelf, place)))
        .filter(|key| !world.known.contains(key))
        .collect()
}

fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![
        12 => Just(Nature::Fine),
        2 => (1..4u32).prop_map(Nature::Raises),
        1 => prop_oneof![
            Just(Death::OutOfMemory),
            Just(Death::TimedOut),
            Just(Death::Exited),
            Just(Death::ResponseTooLarge),
            Just(Death::BadAnswer),
        ]
        .prop_map(Nature::Deadly),
        1 => Just(Nature::Spoils),
        1 => Just(Nature::Large),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Throttled),
        1 => Just(Fate::Straggles),
    ]
}

prop_compose! {
    fn worlds()(
        shelves in prop::collection::vec(
            prop::collection::vec((nature(), 1..40_000u64), 0..60),
            0..5,
        ),
        known in prop::collection::btree_set((0..5u32, 0..60u32), 0..20),
        times in prop::collection::vec(0..2000u64, 1..20),
        fates in prop::collection::vec(fate(), 0..30),
        losses in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        chunk in prop::option::of(1..50u32),
        width in 1..12usize,
        cores in prop::option::of(1..4usize),
        retries in 0..3u32,
        backup_after in prop::option::of(Just(3.0)),
    ) -> World {
        let mut fates = fates;
        for loss in losses {
            if !fates.is_empty() {
                let index = loss.index(fates.len());
                fates[index] = Fate::Lost;
            }
        }
        let known = known
            .into_iter()
            .filter(|(shelf, place)| {
                shelves.get(*shelf as usize).is_some_and(|all: &Vec<_>| all.len() > *place as usize)
            })
            .collect();
        let most = NonZeroUsize::new(width).unwrap();
        let mut shelves = shelves;
        for (nature, _) in shelves.iter_mut().flatten() {
            // A copy that nobody waits for any more may have used up a raise: be
            // clear about what fails.
            if matches!(nature, Nature::Raises(times) if *times > retries) {
                *nature = Nature::Raises(u32::MAX);
            }
        }
        world(shelves, |world| {
            world.known = known;
            world.times = times;
            world.fates = fates;
            world.settings.chunk = chunk.map_or(ChunkSize::Auto, items);
            world.settings.width = match cores {
                None => Width::Fixed(most),
                Some(cores) => Width::Learned {
                    cores: NonZeroUsize::new(cores).unwrap(),
                    most: most.max(NonZeroUsize::new(cores).unwrap()),
                },
            };
            world.settings.retries = retries;
            world.settings.backup_after = backup_after;
            world.settings.most_payload = 30_000;
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_item_is_finished_exactly_once(world in worlds()) {
        let report = run(&world);
        prop_assert_eq!(report.end, Some(End::Complete));
        let doomed = doomed(&world);
        let failed: BTreeSet<_> = report.failed.keys().copied().collect();
        prop_assert_eq!(&failed, &doomed);
        let done: BTreeSet<_> = report.done.keys().copied().collect();
        prop_assert_eq!(done, all(&world).difference(&doomed).copied().collect());
        let finished = (report.done.len() + report.failed.len() + world.known.len()) as u64;
        prop_assert_eq!(report.counts.done + report.counts.failed, finished);
    }

    #[test]
    fn whatever_stops_it_nothing_is_claimed_that_is_not_so(
        world in worlds(),
        how in 0..4u8,
        when in 0..20_000u64,
    ) {
        let mut world = world;
        let when = Duration::from_millis(when);
        match how {
            0 => world.settings.on_error = OnError::Stop,
            1 => world.settings.max_time = Some(when),
            2 => world.settings.max_cost = Some(when.as_secs_f64() * 1e-5),
            _ => world.cancel = Some(when),
        }
        let report = run(&world);
        let doomed = doomed(&world);
        prop_assert!(report.failed.keys().all(|key| doomed.contains(key)));
        let finished = report.done.len() + report.failed.len();
        match report.end.unwrap() {
            End::Complete => prop_assert_eq!(finished, all(&world).len()),
            End::Stopped => prop_assert!(how == 0 && !report.failed.is_empty()),
            End::OutOfTime => prop_assert!(how == 1 && report.ended_at >= when),
            End::OutOfMoney => prop_assert_eq!(how, 2),
            End::Cancelled => prop_assert!(how == 3 && report.ended_at >= when),
            End::Broken(broken) => prop_assert!(false, "{}", format!("{broken:?}")),
        }
        if let Some(most) = world.settings.max_time {
            prop_assert!(report.ended_at <= most + Duration::from_secs(2));
        }
    }
}

#[test]
fn nothing_to_do_is_done_at_once() {
    assert_eq!(run(&world(vec![], |_| ())).end, Some(End::Complete));
    let report = run(&world(vec![vec![], vec![]], |_| ()));
    assert_eq!((report.end, report.sent), (Some(End::Complete), 0));
}

#[test]
fn what_is_known_is_not_sent() {
    let report = run(&world(vec![fine(3)], |world| {
        world.known = [(0, 0), (0, 2)].into();
        world.settings.chunk = items(10);
    }));
    assert_eq!(report.chunks, [(0, vec![1])]);
    assert_eq!((report.counts.done, report.counts.known), (3, 2));
}

#[test]
fn chunks_are_as_large_as_was_asked_for() {
    let report = run(&world(vec![fine(10)], |world| {
        world.settings.chunk = items(4);
    }));
    let sizes: Vec<usize> = report
        .chunks
        .iter()
        .map(|(_, places)| places.len())
        .collect();
    assert_eq!(sizes, [4, 4, 2]);
}

#[test]
fn only_the_items_that_raised_are_sent_again() {
    let mut shelf = fine(6);
    shelf[1].0 = Nature::Raises(1);
    shelf[4].0 = Nature::Raises(9);
    let report = run(&world(vec![shelf], |world| {
        world.settings.chunk = items(6);
        world.settings.retries = 2;
    }));
    let places: Vec<Vec<u32>> = report.chunks.into_iter().map(|chunk| chunk.1).collect();
    assert_eq!(places, [vec![0, 1, 2, 3, 4, 5], vec![1, 4], vec![4]]);
    assert_eq!(report.failed, [((0, 4), ("raised".to_owned(), 3))].into());
    assert_eq!(report.counts.retries, 2);
}

#[test]
fn a_poison_item_ends_up_alone_in_a_few_rounds() {
    let mut shelf = fine(256);
    shelf[77].0 = Nature::Deadly(Death::TimedOut);
    let report = run(&world(vec![shelf], |world| {
        world.settings.chunk = items(256);
    }));
    let failed = ("TimedOut of 77".to_owned(), 1);
    assert_eq!(report.failed, [((0, 77), failed)].into());
    assert_eq!(report.done.len(), 255);
    // 256, 4 of 64, 4 of 16, 4 of 4, 4 of 1.
    assert_eq!((report.counts.splits, report.sent), (4, 17));
}

#[test]
fn items_too_large_for_each_other_are_kept_apart() {
    let mut shelf = fine(8);
    shelf[3].0 = Nature::Large;
    let report = run(&world(vec![shelf], |world| world.settings.chunk = items(8)));
    assert_eq!((report.done.len(), report.failed.len()), (8, 0));
    assert_eq!(report.counts.splits, 3);
}

#[test]
fn an_item_over_the_limit_goes_aside_and_others_do_not_wait_for_it() {
    let mut shelf = fine(4);
    shelf[2].1 = 7_000_000;
    let report = run(&world(vec![shelf], |world| world.settings.chunk = items(4)));
    assert_eq!((report.done.len(), report.failed.len()), (4, 0));
}

#[test]
fn learned_chunks_grow_until_overhead_is_small_and_end_even() {
    let count = 100_000;
    let mut core = Core::new(Settings {
        shelves: 1,
        items: count,
        ..settings()
    });
    let sizes = serve(&mut core, count, |size| (0.001, 10e-6 * size));
    // A millisecond beside 10 us for each item: 3 per cent means 3,333 items.
    let largest = *sizes.iter().max().unwrap();
    assert!((2_000..=5_000).contains(&largest), "{largest}");
    assert!(sizes.len() < 80, "{} chunks", sizes.len());
    assert!(*sizes.last().unwrap() < 200, "the tail is cut small");
}

#[test]
fn long_items_are_sent_one_by_one() {
    let mut core = Core::new(Settings {
        shelves: 1,
        items: 100,
        ..settings()
    });
    let sizes = serve(&mut core, 100, |size| (0.001, 3.0 * size));
    assert_eq!(sizes, [1; 100]);
}

#[test]
fn a_slow_first_call_is_soon_forgotten() {
    let mut first = true;
    let mut core = Core::new(Settings {
        shelves: 1,
        items: 50_000,
        ..settings()
    });
    let sizes = serve(&mut core, 50_000, |size| {
        let loads = if std::mem::take(&mut first) { 0.5 } else { 0.0 };
        (0.001, loads + 10e-6 * size)
    });
    assert!(sizes.len() < 80, "{} chunks", sizes.len());
}

/// Serves chunks one after the other; `time` says the seconds beside and in the
/// function for so many items.
fn serve(core: &mut Core, count: u64, mut time: impl FnMut(f64) -> (f64, f64)) -> Vec<usize> {
    let mut now = Duration::ZERO;
    let mut effects: Vec<Effect<(), ()>> = Vec::new();
    let mut sizes = Vec::new();
    let mut places = BTreeMap::new();
    let mut waiting = std::collections::VecDeque::new();
    core.step(now, Event::Tick, &mut effects);
    let items = (0..u32::try_from(count).unwrap()).map(|place| Item::new(place, 100));
    waiting.push_back(Event::Shelf {
        items: items.collect(),
        known: 0,
    });
    while let Some(event) = waiting.pop_front() {
        core.step(now, event, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Encode {
                    attempt,
                    places: of,
                    ..
                } => {
                    places.insert(attempt, of.len());
                    sizes.push(of.len());
                    let bytes = of.len() as u64 * 100;
                    waiting.push_front(Event::Encoded { attempt, bytes });
                }
                Effect::Send(attempt) => {
                    let size = places[&attempt];
                    let (beside, wall) = time(f64::from(u32::try_from(size).unwrap()));
                    let round_trip = Duration::from_secs_f64(beside + wall);
                    now += round_trip / 2;
                    let took = Took {
                        wall,
                        cpu: wall,
                        codec: 0.0,
                    };
                    waiting.push_back(Event::Answered {
                        attempt,
                        answers: vec![Ok(()); size],
                        took,
                        round_trip,
                        billed: wall,
                        jitter: 0.5,
                    });
                }
                Effect::End(end) => assert_eq!(end, End::Complete),
                _ => {}
            }
        }
    }
    sizes
}

#[test]
fn a_straggler_is_sent_a_second_time_and_counted_once() {
    let report = run(&world(vec![fine(20)], |world| {
        world.settings.chunk = items(2);
        world.settings.backup_after = Some(4.0);
        world.fates = vec![Fate::Arrives; 10];
        world.fates[4] = Fate::Straggles;
    }));
    assert_eq!(report.end, Some(End::Complete));
    assert_eq!((report.done.len(), report.counts.backups), (20, 1));
    assert!(report.ended_at < Duration::from_secs(1), "{report:?}");
}

#[test]
fn without_backups_a_straggler_is_waited_for() {
    let report = run(&world(vec![fine(20)], |world| {
        world.settings.chunk = items(2);
        world.fates = vec![Fate::Straggles];
    }));
    assert_eq!((report.done.len(), report.counts.backups), (20, 0));
    assert!(report.ended_at >= Duration::from_secs(100));
}

#[test]
fn an_engine_that_is_gone_breaks_the_job_and_fails_no_item() {
    let report = run(&world(vec![fine(20)], |world| {
        world.settings.chunk = items(1);
        world.fates = vec![Fate::Arrives; 5];
        world.fates.extend([Fate::Lost; 1000]);
    }));
    assert_eq!(report.end, Some(End::Broken(unreachable())));
    assert_eq!((report.done.len(), report.failed.len()), (5, 0));
}

#[test]
fn throttling_without_end_breaks_the_job() {
    let report = run(&world(vec![fine(20)], |world| {
        world.fates = vec![Fate::Throttled; 1000];
    }));
    assert_eq!(report.end, Some(End::Broken(Broken::Throttled)));
    let waited = report.ended_at;
    assert!(waited > Duration::from_secs(30) && waited < Duration::from_mins(10));
}

#[test]
fn the_first_failure_stops_the_job_if_so_asked() {
    let mut shelf = fine(100);
    shelf[10].0 = Nature::Raises(9);
    let report = run(&world(vec![shelf], |world| {
        world.settings.chunk = items(1);
        world.settings.on_error = OnError::Stop;
    }));
    assert_eq!(report.end, Some(End::Stopped));
    assert_eq!(report.failed.len(), 1);
    assert!(
        report.done.len() >= 10 && report.done.len() <= 13,
        "{report:?}"
    );
}

#[test]
fn money_is_not_spent_beyond_what_was_allowed() {
    let report = run(&world(vec![fine(1000)], |world| {
        world.settings.chunk = items(1);
        world.settings.max_cost = Some(1e-5);
    }));
    assert_eq!(report.end, Some(End::OutOfMoney));
    // 10 ms and a request are 3e-7 dollars.
    assert!(report.counts.cost <= 1e-5, "{}", report.counts.cost);
    assert!(report.done.len() >= 30, "{}", report.done.len());
}

#[test]
fn a_function_that_does_not_start_ends_the_job_at_once() {
    let mut core = Core::new(Settings {
        shelves: 1,
        items: 5,
        ..settings()
    });
    let mut effects: Vec<Effect<(), ()>> = Vec::new();
    core.step(Duration::ZERO, Event::Tick, &mut effects);
    let items = (0..5).map(|place| Item::new(place, 1)).collect();
    core.step(
        Duration::ZERO,
        Event::Shelf { items, known: 0 },
        &mut effects,
    );
    core.step(
        Duration::ZERO,
        Event::Encoded {
            attempt: 2,
            bytes: 1,
        },
        &mut effects,
    );
    assert!(effects.contains(&Effect::Send(2)), "{effects:?}");
    let why = Why::Init {
        error: (),
        end: unreachable(),
    };
    let event = Event::Failed {
        attempt: 2,
        why,
        billed: 0.0,
        jitter: 0.5,
    };
    core.step(Duration::ZERO, event, &mut effects);
    assert_eq!(
        effects.last(),
        Some(&Effect::End(End::Broken(unreachable())))
    );
}
