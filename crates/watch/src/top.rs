//! What happens now, in figures for people: what `squall top` shows and alerts look at.

use std::collections::BTreeMap;

use serde::Serialize;
use types::Timestamp;

use crate::histogram::Counts;
use crate::history::Window;
use crate::metrics::{CLASSES, FunctionReading, OUTCOMES, RouteReading};

/// Counts are of the window; what runs, waits or is open is of this moment.
#[derive(Debug, Clone, Serialize)]
pub struct Top {
    pub time: String,
    pub uptime_seconds: u64,
    /// How long the window really is.
    pub seconds: f64,
    pub requests: Requests,
    pub routes: Vec<Route>,
    pub functions: Vec<Function>,
    pub events: Events,
    pub maps: Maps,
    pub process: Process,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Traffic {
    pub count: u64,
    pub per_second: f64,
    pub status: BTreeMap<&'static str, u64>,
    /// Answers of class 5xx.
    pub errors: u64,
    pub cached: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Why requests were refused by the gateway itself, and how many.
    pub refused: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    pub times: Times,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Times {
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Requests {
    #[serde(flatten)]
    pub traffic: Traffic,
    pub in_flight: u64,
    pub connections: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Route {
    pub api: String,
    pub stage: String,
    pub route: String,
    pub method: &'static str,
    #[serde(flatten)]
    pub traffic: Traffic,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Function {
    pub function: String,
    pub count: u64,
    pub per_second: f64,
    pub outcomes: BTreeMap<&'static str, u64>,
    /// All that did not end well.
    pub errors: u64,
    pub throttles: u64,
    pub cold_starts: u64,
    pub running: u64,
    pub instances: u64,
    pub idle: u64,
    pub memory_bytes: u64,
    #[serde(flatten)]
    pub times: Times,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Events {
    pub queued: u64,
    pub oldest_seconds: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Maps {
    pub running: u64,
    pub waiting: u64,
    pub items: u64,
    pub failed: u64,
    pub chunks: u64,
    pub retries: u64,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Process {
    pub memory_bytes: u64,
    pub open_files: u64,
    pub cpu_seconds: f64,
}

/// What only others know of this moment.
#[derive(Debug, Clone, Default)]
pub struct Now {
    pub uptime_seconds: u64,
    pub in_flight: u64,
    pub connections: u64,
    /// Functions with what they take now, by name.
    pub functions: BTreeMap<String, Standing>,
    pub events: Events,
    pub maps_running: u64,
    pub maps_waiting: u64,
    pub process: Process,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    pub running: u64,
    pub instances: u64,
    pub idle: u64,
    pub memory_bytes: u64,
}

impl Top {
    pub fn of(window: &Window, now: Now) -> Self {
        let mut all = RouteReading::default();
        let mut routes: Vec<Route> = Vec::with_capacity(window.routes.len());
        let mut refused: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (key, reading) in &window.routes {
            all.add(reading);
            let mut traffic = Traffic::of(reading, window.seconds);
            for ((_, reason), count) in window.refusals.iter().filter(|((own, _), _)| own == key) {
                *traffic.refused.entry(reason).or_default() += count;
                *refused.entry(reason).or_default() += count;
            }
            routes.push(Route {
                api: key.api.to_string(),
                stage: key.stage.to_string(),
                route: key.route.to_string(),
                method: key.method,
                traffic,
            });
        }
        routes.sort_by(|a, b| {
            let names = |it: &Route| {
                (
                    it.api.clone(),
                    it.stage.clone(),
                    it.route.clone(),
                    it.method,
                )
            };
            (b.traffic.count.cmp(&a.traffic.count)).then_with(|| names(a).cmp(&names(b)))
        });
        Self {
            time: Timestamp::now().rfc3339(),
            uptime_seconds: now.uptime_seconds,
            seconds: window.seconds,
            requests: Requests {
                traffic: Traffic {
                    refused,
                    ..Traffic::of(&all, window.seconds)
                },
                in_flight: now.in_flight,
                connections: now.connections,
            },
            routes,
            functions: functions(window, now.functions),
            events: now.events,
            maps: Maps {
                running: now.maps_running,
                waiting: now.maps_waiting,
                items: window.maps.items,
                failed: window.maps.failed,
                chunks: window.maps.chunks,
                retries: window.maps.retries,
            },
            process: now.process,
        }
    }
}

/// Those that ran, and those that have something running.
fn functions(window: &Window, standing: BTreeMap<String, Standing>) -> Vec<Function> {
    let mut all: BTreeMap<String, Function> = BTreeMap::new();
    for (name, reading) in &window.functions {
        all.insert(name.to_string(), Function::of(reading, window.seconds));
    }
    for (name, now) in standing {
        if now.running == 0 && now.instances == 0 && !all.contains_key(&name) {
            continue;
        }
        let function = all.entry(name).or_default();
        function.running = now.running;
        function.instances = now.instances;
        function.idle = now.idle;
        function.memory_bytes = now.memory_bytes;
    }
    let named = all.into_iter().map(|(name, function)| Function {
        function: name,
        ..function
    });
    let mut named: Vec<Function> = named.collect();
    named.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| a.function.cmp(&b.function))
    });
    named
}

impl Traffic {
    fn of(reading: &RouteReading, seconds: f64) -> Self {
        let count = reading.classes.iter().sum();
        Self {
            count,
            per_second: rate(count, seconds),
            status: CLASSES.into_iter().zip(reading.classes).collect(),
            errors: reading.classes[CLASSES.len() - 1],
            cached: reading.cached,
            bytes_in: reading.bytes_in,
            bytes_out: reading.bytes_out,
            refused: BTreeMap::new(),
            times: Times::of(&reading.time),
        }
    }
}

impl Function {
    fn of(reading: &FunctionReading, seconds: f64) -> Self {
        let count = reading.outcomes.iter().sum();
        let outcomes = OUTCOMES.into_iter().zip(reading.outcomes);
        Self {
            count,
            per_second: rate(count, seconds),
            outcomes: outcomes.filter(|(_, count)| *count > 0).collect(),
            errors: count - reading.outcomes[0],
            throttles: reading.throttles,
            cold_starts: reading.forks + reading.spawns,
            times: Times::of(&reading.time),
            ..Self::default()
        }
    }
}

impl Times {
    fn of(counts: &Counts) -> Self {
        Self {
            p50_ms: counts.percentile(50.0),
            p90_ms: counts.percentile(90.0),
            p95_ms: counts.percentile(95.0),
            p99_ms: counts.percentile(99.0),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is rough")]
fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::history::History;
    use crate::metrics::Metrics;

    #[test]
    fn functions_that_ran_or_stand_are_shown() {
        let metrics = Metrics::default();
        let history = History::default();
        let meter = metrics.function(&"ran".parse().unwrap());
        meter.count("ok", 1_000);
        meter.count("error", 3_000);
        let window = history.window(&metrics, 10, Instant::now() + Duration::from_secs(2));
        let standing = |instances| Standing {
            instances,
            ..Standing::default()
        };
        let functions = [("stands", 2), ("gone", 0)];
        let functions = functions.map(|(name, count)| (name.to_owned(), standing(count)));
        let top = Top::of(
            &window,
            Now {
                functions: functions.into(),
                ..Now::default()
            },
        );
        let value = serde_json::to_value(&top).unwrap();
        assert_eq!(value["functions"][0]["function"], "ran");
        assert_eq!(value["functions"][0]["errors"], 1);
        assert!(value["functions"][0]["p50_ms"].as_f64().unwrap() > 0.5);
        assert_eq!(value["functions"][1]["function"], "stands");
        assert_eq!(value["functions"].as_array().unwrap().len(), 2);
        assert_eq!(value["requests"]["count"], 0);
        assert!(value["requests"]["p50_ms"].is_null());
    }
}
