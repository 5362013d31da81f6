//! What happened lately: the difference that each second made, for rates and percentiles
//! of the last moments.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use parking_lot::Mutex;
use types::FunctionName;

use crate::histogram::Counts;
use crate::metrics::{FunctionReading, MapReading, Metrics, RouteKey, RouteReading};

/// How far back one may ask, in seconds.
pub const LONGEST: u64 = 300;
/// Differences that are held; some 500 bytes each.
const HELD: usize = 50_000;

#[derive(Debug)]
pub struct History(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    routes: HashMap<RouteKey, RouteReading>,
    functions: HashMap<FunctionName, FunctionReading>,
    refusals: HashMap<(RouteKey, &'static str), u64>,
    maps: MapReading,
    last: Instant,
    ticks: VecDeque<Tick>,
    held: usize,
}

#[derive(Debug)]
struct Tick {
    begin: Instant,
    end: Instant,
    routes: Vec<(RouteKey, RouteReading)>,
    functions: Vec<(FunctionName, FunctionReading)>,
    refusals: Vec<((RouteKey, &'static str), u64)>,
    maps: MapReading,
}

/// What happened in a window of time. Only what did is in here.
#[derive(Debug, Default)]
pub struct Window {
    pub seconds: f64,
    pub routes: HashMap<RouteKey, RouteReading>,
    pub functions: HashMap<FunctionName, FunctionReading>,
    pub refusals: HashMap<(RouteKey, &'static str), u64>,
    pub maps: MapReading,
}

impl Default for History {
    fn default() -> Self {
        Self(Mutex::new(Ring {
            routes: HashMap::new(),
            functions: HashMap::new(),
            refusals: HashMap::new(),
            maps: MapReading::default(),
            last: Instant::now(),
            ticks: VecDeque::new(),
            held: 0,
        }))
    }
}

impl History {
    /// Takes note of what happened since the last time; to be called each second.
    pub fn tick(&self, metrics: &Metrics, now: Instant) {
        self.0.lock().tick(metrics, now);
    }

    /// What happened in the last `seconds`, this moment included.
    pub fn window(&self, metrics: &Metrics, seconds: u64, now: Instant) -> Window {
        let mut ring = self.0.lock();
        ring.tick(metrics, now);
        let mut window = Window::default();
        let wanted = seconds.clamp(1, LONGEST);
        for tick in ring.ticks.iter().rev() {
            if now.duration_since(tick.begin).as_millis() > u128::from(wanted) * 1000 + 100
                && window.seconds > 0.0
            {
                break;
            }
            window.seconds += tick.end.duration_since(tick.begin).as_secs_f64();
            for (key, reading) in &tick.routes {
                window.routes.entry(key.clone()).or_default().add(reading);
            }
            for (name, reading) in &tick.functions {
                window
                    .functions
                    .entry(name.clone())
                    .or_default()
                    .add(reading);
            }
            for (key, count) in &tick.refusals {
                *window.refusals.entry(key.clone()).or_default() += count;
            }
            window.maps.add(tick.maps);
        }
        window
    }
}

impl Ring {
    fn tick(&mut self, metrics: &Metrics, now: Instant) {
        let mut tick = Tick {
            begin: self.last,
            end: now,
            routes: Vec::new(),
            functions: Vec::new(),
            refusals: Vec::new(),
            maps: MapReading::default(),
        };
        self.last = now;
        for (key, reading) in metrics.routes() {
            let before = self.routes.entry(key.clone()).or_default();
            if *before != reading {
                tick.routes.push((key.clone(), reading.since(before)));
                *before = reading;
            }
        }
        for (name, reading, _) in metrics.functions() {
            let before = self.functions.entry(name.clone()).or_default();
            if *before != reading {
                tick.functions.push((name.clone(), reading.since(before)));
                *before = reading;
            }
        }
        for (key, count) in metrics.refusals() {
            let before = self.refusals.entry(key.clone()).or_default();
            if *before != count {
                tick.refusals.push((key.clone(), count - *before));
                *before = count;
            }
        }
        let maps = metrics.maps.read();
        tick.maps = maps.since(self.maps);
        self.maps = maps;
        self.held += tick.size();
        self.ticks.push_back(tick);
        while let Some(oldest) = self.ticks.front() {
            let is_old = now.duration_since(oldest.end).as_secs() > LONGEST;
            if !is_old && self.held <= HELD {
                break;
            }
            self.held -= oldest.size();
            self.ticks.pop_front();
        }
    }
}

impl Tick {
    fn size(&self) -> usize {
        1 + self.routes.len() + self.functions.len() + self.refusals.len()
    }
}

fn each<const N: usize>(a: &[u64; N], b: &[u64; N], with: impl Fn(u64, u64) -> u64) -> [u64; N] {
    std::array::from_fn(|index| with(a[index], b[index]))
}

impl RouteReading {
    fn since(&self, before: &Self) -> Self {
        Self {
            classes: each(&self.classes, &before.classes, u64::saturating_sub),
            time: self.time.since(&before.time),
            bytes_in: self.bytes_in.saturating_sub(before.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(before.bytes_out),
            cached: self.cached.saturating_sub(before.cached),
        }
    }

    pub fn add(&mut self, more: &Self) {
        self.classes = each(&self.classes, &more.classes, u64::saturating_add);
        self.time.add(&more.time);
        self.bytes_in += more.bytes_in;
        self.bytes_out += more.bytes_out;
        self.cached += more.cached;
    }
}

impl FunctionReading {
    fn since(&self, before: &Self) -> Self {
        Self {
            outcomes: each(&self.outcomes, &before.outcomes, u64::saturating_sub),
            time: self.time.since(&before.time),
            throttles: self.throttles.saturating_sub(before.throttles),
            forks: self.forks.saturating_sub(before.forks),
            spawns: self.spawns.saturating_sub(before.spawns),
            init_micros: self.init_micros.saturating_sub(before.init_micros),
        }
    }

    pub fn add(&mut self, more: &Self) {
        self.outcomes = each(&self.outcomes, &more.outcomes, u64::saturating_add);
        self.time.add(&more.time);
        self.throttles += more.throttles;
        self.forks += more.forks;
        self.spawns += more.spawns;
        self.init_micros += more.init_micros;
    }
}

impl MapReading {
    fn since(self, before: Self) -> Self {
        Self {
            items: self.items.saturating_sub(before.items),
            failed: self.failed.saturating_sub(before.failed),
            chunks: self.chunks.saturating_sub(before.chunks),
            retries: self.retries.saturating_sub(before.retries),
        }
    }

    fn add(&mut self, more: Self) {
        self.items += more.items;
        self.failed += more.failed;
        self.chunks += more.chunks;
        self.retries += more.retries;
    }
}

impl Counts {
    pub fn add(&mut self, more: &Self) {
        self.counts = each(&self.counts, &more.counts, u64::saturating_add);
        self.micros = self.micros.saturating_add(more.micros);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::about::About;
    use crate::metrics::Passed;

    #[test]
    fn a_window_holds_what_happened_in_it() {
        let metrics = Metrics::default();
        let history = History::default();
        let ask = |status| {
            let passed = Passed {
                status,
                head_micros: 2_000,
                bytes_in: 0,
                bytes_out: 1,
            };
            metrics.count(&http::Method::GET, &About::default(), passed);
        };
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for second in 1..=20 {
            ask(200);
            history.tick(&metrics, at(second));
        }
        ask(500);
        let window = history.window(&metrics, 5, at(20) + Duration::from_millis(1));
        let reading = window.routes.values().next().unwrap();
        assert_eq!(reading.classes, [0, 5, 0, 0, 1]);
        assert!((4.9..5.1).contains(&window.seconds), "{}", window.seconds);
        assert_eq!(reading.time.count(), 6);
        let all = history.window(&metrics, LONGEST, at(21));
        assert_eq!(
            all.routes.values().next().unwrap().classes,
            [0, 20, 0, 0, 1]
        );
        // Long after, nothing of it is left.
        let later = history.window(&metrics, LONGEST, at(20 + 2 * LONGEST));
        assert!(later.routes.is_empty());
    }

    #[test]
    fn a_pause_is_not_in_the_window_twice() {
        let metrics = Metrics::default();
        let history = History::default();
        let begin = Instant::now();
        let window = history.window(&metrics, 10, begin + Duration::from_secs(3));
        assert!((2.9..3.1).contains(&window.seconds));
        assert!(window.routes.is_empty() && window.functions.is_empty());
    }
}
