//! What is counted. Nothing here waits: counters are read one by one while they go on, so
//! a page is not of a single moment.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use types::FunctionName;

use crate::about::About;
use crate::exposition::{Exposition, seconds};
use crate::histogram::{Counts, Histogram};
use crate::table::Table;

/// Series of each kind at most. Routes by their patterns are few; what there is no room
/// for is counted together.
pub const MOST_ROUTES: usize = 2_048;
pub const MOST_FUNCTIONS: usize = 2_048;
const MOST_REFUSALS: usize = 2_048;

/// How an invocation may end, by the words of records.
pub const OUTCOMES: [&str; 8] = [
    "ok",
    "error",
    "init-error",
    "exited",
    "out-of-memory",
    "timeout",
    "response-too-large",
    "other",
];
/// Answers by the first digit of their status.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug)]
pub struct Metrics {
    routes: Table<RouteKey, RouteMeter>,
    functions: Table<FunctionName, FunctionMeter>,
    refusals: Table<(RouteKey, &'static str), AtomicU64>,
    /// Requests of the gateway that are not yet answered to their end.
    pub in_flight: Gauge,
    pub maps: MapMeter,
}

/// Which route, in the words of its API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteKey {
    pub api: Arc<str>,
    pub stage: Arc<str>,
    /// The pattern of a route, or what answers where there are no routes.
    pub route: Arc<str>,
    pub method: &'static str,
}

#[derive(Debug, Default)]
pub struct RouteMeter {
    classes: [AtomicU64; CLASSES.len()],
    time: Histogram,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    cached: AtomicU64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteReading {
    pub classes: [u64; CLASSES.len()],
    pub time: Counts,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub cached: u64,
}

/// The invocations of one function, all versions together.
#[derive(Debug, Default)]
pub struct FunctionMeter {
    outcomes: [AtomicU64; OUTCOMES.len()],
    time: Histogram,
    throttles: AtomicU64,
    /// Instances that were forked, and those that were started anew.
    forks: AtomicU64,
    spawns: AtomicU64,
    init_micros: AtomicU64,
    pub running: Gauge,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionReading {
    pub outcomes: [u64; OUTCOMES.len()],
    pub time: Counts,
    pub throttles: u64,
    pub forks: u64,
    pub spawns: u64,
    pub init_micros: u64,
}

/// Maps of routes.
#[derive(Debug, Default)]
pub struct MapMeter {
    pub running: Gauge,
    items: AtomicU64,
    failed: AtomicU64,
    chunks: AtomicU64,
    retries: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MapReading {
    pub items: u64,
    pub failed: u64,
    pub chunks: u64,
    pub retries: u64,
}

/// How many of something there are now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// One that counts until it is dropped.
#[derive(Debug)]
pub struct Counted<'a>(&'a Gauge);

impl Gauge {
    pub fn enter(&self) -> Counted<'_> {
        self.up();
        Counted(self)
    }

    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.down();
    }
}

type Amount = fn(&RouteReading) -> u64;

/// What of a request is counted.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    pub status: u16,
    pub head_micros: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            routes: Table::new(MOST_ROUTES),
            functions: Table::new(MOST_FUNCTIONS),
            refusals: Table::new(MOST_REFUSALS),
            in_flight: Gauge::default(),
            maps: MapMeter::default(),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A client may send any word as a method.
fn known(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::PUT => "PUT",
        http::Method::DELETE => "DELETE",
        http::Method::PATCH => "PATCH",
        http::Method::HEAD => "HEAD",
        http::Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// A route's labels as they are borrowed: with the hash of the key.
struct Borrowed<'a> {
    api: &'a str,
    stage: &'a str,
    route: &'a str,
    method: &'static str,
}

impl Hash for Borrowed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.api, self.stage, self.route, self.method).hash(state);
    }
}

impl Metrics {
    /// Counts a request that is answered.
    pub fn count(&self, method: &http::Method, about: &About, passed: Passed) {
        let labels = Borrowed {
            api: about.api.as_deref().unwrap_or_default(),
            stage: about.stage.as_deref().unwrap_or_default(),
            route: about.route.as_deref().or(about.target).unwrap_or_default(),
            method: known(method),
        };
        let is = |key: &RouteKey| {
            *key.route == *labels.route
                && key.method == labels.method
                && *key.api == *labels.api
                && *key.stage == *labels.stage
        };
        let own = || RouteKey {
            api: labels.api.into(),
            stage: labels.stage.into(),
            route: labels.route.into(),
            method: labels.method,
        };
        let meter = self.routes.find(&labels, is, own);
        let class = usize::from(passed.status / 100).clamp(1, CLASSES.len()) - 1;
        add(&meter.classes[class], 1);
        meter.time.add(passed.head_micros);
        add(&meter.bytes_in, passed.bytes_in);
        add(&meter.bytes_out, passed.bytes_out);
        if about.cached {
            add(&meter.cached, 1);
        }
        if let Some(reason) = about.refused {
            let is_refusal = |(key, word): &(RouteKey, &str)| *word == reason && is(key);
            let own = || (own(), reason);
            let counter = self.refusals.find(&(&labels, reason), is_refusal, own);
            add(counter, 1);
        }
    }

    /// The meter of a function, to be kept by who counts on it.
    pub fn function(&self, name: &FunctionName) -> Arc<FunctionMeter> {
        let found = self
            .functions
            .find(name, |key| key == name, || name.clone());
        Arc::clone(found)
    }

    pub fn routes(&self) -> impl Iterator<Item = (&RouteKey, RouteReading)> {
        let all = self.routes.iter();
        all.map(|(key, meter)| (key, meter.read()))
    }

    pub fn functions(&self) -> impl Iterator<Item = (&FunctionName, FunctionReading, u64)> {
        let all = self.functions.iter();
        all.map(|(name, meter)| (name, meter.read(), meter.running.read()))
    }

    /// Which route refused, why and how often.
    pub fn refusals(&self) -> impl Iterator<Item = (&(RouteKey, &'static str), u64)> {
        let all = self.refusals.iter();
        all.map(|(key, counter)| (key, read(counter)))
    }

    pub fn tell(&self, page: &mut Exposition) {
        self.tell_routes(page);
        self.tell_functions(page);
        let maps = self.maps.read();
        page.single_gauge(
            "squall_maps_running",
            "Tables that are mapped now",
            self.maps.running.read(),
        );
        page.counter(
            "squall_map_items_total",
            "Items of maps of routes, by what came of them",
        );
        page.sample(
            &[("outcome", "done")],
            maps.items - maps.failed.min(maps.items),
        );
        page.sample(&[("outcome", "failed")], maps.failed);
        page.single_counter(
            "squall_map_chunks_total",
            "Invocations of maps of routes",
            maps.chunks,
        );
        page.single_counter(
            "squall_map_retries_total",
            "Chunks that were tried again",
            maps.retries,
        );
        let spilled = [
            self.routes.other().1,
            self.functions.other().1,
            self.refusals.other().1,
        ];
        let spilled: u64 = spilled.iter().sum();
        page.single_counter(
            "squall_series_spilled_total",
            "What was counted without its labels because there were too many series",
            spilled,
        );
    }

    fn tell_routes(&self, page: &mut Exposition) {
        let mut all: Vec<(RouteKey, RouteReading)> = self
            .routes()
            .map(|(key, reading)| (key.clone(), reading))
            .collect();
        let (other, spilled) = self.routes.other();
        if spilled > 0 {
            all.push((RouteKey::other(), other.read()));
        }
        page.counter(
            "squall_requests_total",
            "Requests of the gateway that were answered",
        );
        for (key, reading) in &all {
            for (class, count) in CLASSES.iter().zip(reading.classes) {
                if count > 0 {
                    let [api, stage, route, method] = key.labels();
                    page.sample(&[api, stage, route, method, ("status", class)], count);
                }
            }
        }
        page.histogram(
            "squall_request_duration_seconds",
            "Time until the head of an answer",
        );
        for (key, reading) in &all {
            page.counts(&key.labels(), &reading.time);
        }
        let amounts: [(&'static str, &str, Amount); 3] = [
            (
                "squall_request_bytes_total",
                "Bytes of the bodies of requests",
                |it| it.bytes_in,
            ),
            (
                "squall_response_bytes_total",
                "Bytes of the bodies of answers",
                |it| it.bytes_out,
            ),
            (
                "squall_cache_hits_total",
                "Answers that had been kept",
                |it| it.cached,
            ),
        ];
        for (name, help, amount) in amounts {
            page.counter(name, help);
            for (key, reading) in &all {
                page.sample(&key.labels(), amount(reading));
            }
        }
        page.counter(
            "squall_refusals_total",
            "Requests that the gateway itself refused",
        );
        for ((key, reason), count) in self.refusals() {
            let [api, stage, route, method] = key.labels();
            page.sample(&[api, stage, route, method, ("reason", reason)], count);
        }
        page.single_gauge(
            "squall_requests_in_flight",
            "Requests of the gateway that are not yet answered",
            self.in_flight.read(),
        );
    }

    fn tell_functions(&self, page: &mut Exposition) {
        let all: Vec<_> = self.functions().collect();
        page.counter(
            "squall_invocations_total",
            "Invocations by function and outcome",
        );
        for (name, reading, _) in &all {
            for (outcome, count) in OUTCOMES.iter().zip(reading.outcomes) {
                if count > 0 {
                    page.sample(&[("function", name.as_str()), ("outcome", outcome)], count);
                }
            }
        }
        page.histogram(
            "squall_invocation_duration_seconds",
            "Time that functions took",
        );
        for (name, reading, _) in &all {
            page.counts(&[("function", name.as_str())], &reading.time);
        }
        page.counter(
            "squall_cold_starts_total",
            "Invocations that waited for a new instance",
        );
        for (name, reading, _) in &all {
            for (start, count) in [("fork", reading.forks), ("spawn", reading.spawns)] {
                page.sample(&[("function", name.as_str()), ("start", start)], count);
            }
        }
        page.counter(
            "squall_init_seconds_total",
            "Time that making these instances took",
        );
        for (name, reading, _) in &all {
            page.sample(&[("function", name.as_str())], seconds(reading.init_micros));
        }
        page.counter(
            "squall_throttles_total",
            "Invocations that were refused as too many",
        );
        for (name, reading, _) in &all {
            page.sample(&[("function", name.as_str())], reading.throttles);
        }
        page.gauge(
            "squall_invocations_running",
            "Invocations that run or wait for an instance",
        );
        for (name, _, running) in &all {
            page.sample(&[("function", name.as_str())], running);
        }
    }
}

impl RouteKey {
    /// Of all for which there was no room.
    fn other() -> Self {
        Self {
            api: "".into(),
            stage: "".into(),
            route: "other".into(),
            method: "OTHER",
        }
    }

    fn labels(&self) -> [(&str, &str); 4] {
        [
            ("api", &self.api),
            ("stage", &self.stage),
            ("route", &self.route),
            ("method", self.method),
        ]
    }
}

impl RouteMeter {
    fn read(&self) -> RouteReading {
        RouteReading {
            classes: std::array::from_fn(|index| read(&self.classes[index])),
            time: self.time.read(),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            cached: read(&self.cached),
        }
    }
}

impl FunctionMeter {
    /// Counts an invocation that is over. `status` is the word of its record.
    pub fn count(&self, status: &str, micros: u64) {
        let known = OUTCOMES.iter().position(|outcome| *outcome == status);
        add(&self.outcomes[known.unwrap_or(OUTCOMES.len() - 1)], 1);
        self.time.add(micros);
    }

    /// Counts an instance that was made while an invocation waited.
    pub fn count_start(&self, is_fork: bool, micros: u64) {
        add(if is_fork { &self.forks } else { &self.spawns }, 1);
        add(&self.init_micros, micros);
    }

    pub fn count_throttle(&self) {
        add(&self.throttles, 1);
    }

    fn read(&self) -> FunctionReading {
        FunctionReading {
            outcomes: std::array::from_fn(|index| read(&self.outcomes[index])),
            time: self.time.read(),
            throttles: read(&self.throttles),
            forks: read(&self.forks),
            spawns: read(&self.spawns),
            init_micros: read(&self.init_micros),
        }
    }
}

impl MapMeter {
    /// Counts a map that is over.
    pub fn count(&self, passed: MapReading) {
        add(&self.items, passed.items);
        add(&self.failed, passed.failed);
        add(&self.chunks, passed.chunks);
        add(&self.retries, passed.retries);
    }

    pub fn read(&self) -> MapReading {
        MapReading {
            items: read(&self.items),
            failed: read(&self.failed),
            chunks: read(&self.chunks),
            retries: read(&self.retries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(route: &str) -> About {
        About {
            api: Some("a1".into()),
            stage: Some("$default".into()),
            route: Some(route.into()),
            ..About::default()
        }
    }

    const PASSED: Passed = Passed {
        status: 200,
        head_micros: 100,
        bytes_in: 3,
        bytes_out: 7,
    };

    #[test]
    fn requests_are_counted_by_their_route() {
        let metrics = Metrics::default();
        let get = http::Method::GET;
        for _ in 0..2 {
            metrics.count(&get, &about("GET /a/{b}"), PASSED);
        }
        let refused = About {
            refused: Some("quota"),
            ..About::default()
        };
        let passed = Passed {
            status: 429,
            ..PASSED
        };
        metrics.count(&http::Method::from_bytes(b"ODD").unwrap(), &refused, passed);
        let mut page = Exposition::default();
        metrics.tell(&mut page);
        let text = page.text();
        for line in [
            "squall_requests_total{api=\"a1\",stage=\"$default\",route=\"GET /a/{b}\",method=\"GET\",status=\"2xx\"} 2\n",
            "squall_requests_total{api=\"\",stage=\"\",route=\"\",method=\"OTHER\",status=\"4xx\"} 1\n",
            "squall_refusals_total{api=\"\",stage=\"\",route=\"\",method=\"OTHER\",reason=\"quota\"} 1\n",
            "squall_response_bytes_total{api=\"a1\",stage=\"$default\",route=\"GET /a/{b}\",method=\"GET\"} 14\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn labels_cannot_fill_the_memory() {
        let metrics = Metrics::default();
        for n in 0..MOST_ROUTES + 10 {
            metrics.count(&http::Method::GET, &about(&format!("GET /{n}")), PASSED);
        }
        assert_eq!(metrics.routes().count(), MOST_ROUTES);
        let mut page = Exposition::default();
        metrics.tell(&mut page);
        let text = page.text();
        assert!(text.contains("squall_series_spilled_total 10\n"));
        assert!(text.contains("route=\"other\",method=\"OTHER\",status=\"2xx\"} 10\n"));
    }

    #[test]
    fn invocations_are_counted_by_their_outcome() {
        let metrics = Metrics::default();
        let meter = metrics.function(&"f".parse().unwrap());
        let running = meter.running.enter();
        meter.count("ok", 1_000);
        meter.count("timeout", 1_000);
        meter.count("something new", 1_000);
        meter.count_start(true, 500_000);
        meter.count_throttle();
        let mut page = Exposition::default();
        metrics.tell(&mut page);
        let text = page.text();
        for line in [
            "squall_invocations_total{function=\"f\",outcome=\"timeout\"} 1\n",
            "squall_invocations_total{function=\"f\",outcome=\"other\"} 1\n",
            "squall_cold_starts_total{function=\"f\",start=\"fork\"} 1\n",
            "squall_init_seconds_total{function=\"f\"} 0.5\n",
            "squall_throttles_total{function=\"f\"} 1\n",
            "squall_invocations_running{function=\"f\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        drop(running);
        assert_eq!(meter.running.read(), 0);
    }
}
