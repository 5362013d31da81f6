//! What a condition is held against: figures of a window, and what only others know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Measure, Unit};
use crate::top::{Times, Top};

/// Refusals of those who called too often or too much.
const THROTTLED: [&str; 5] = ["plan", "quota", "rate", "concurrency", "attempts"];
/// Refusals that say nothing of who called: the request was wrong, or the answer.
const OTHERS: [&str; 16] = [
    "not found",
    "method",
    "no target",
    "not metered",
    "loop",
    "path",
    "not permitted",
    "too slow",
    "no answer",
    "not run",
    "not read",
    "body size",
    "body stalled",
    "body broken",
    "no room",
    "no keys of the issuer",
];

/// What a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    #[default]
    Everything,
    /// `GET /items/{id}`, or the path for all of its methods.
    Route(String),
    Function(String),
    /// The name of an API key, or its id.
    Key(String),
}

/// What is not in the figures of the window.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Jobs of maps that failed in the window.
    pub failed_jobs: u64,
    pub quotas: Vec<QuotaUse>,
}

/// How much of its quota a key has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    pub id: String,
    pub name: String,
    pub used: u64,
    pub limit: u64,
}

/// Counts of what a rule is about.
#[derive(Debug, Default)]
struct Sum {
    count: u64,
    errors: u64,
    throttled: u64,
    refused: u64,
    times: Vec<Times>,
}

impl Condition {
    /// What the condition looks at. None where there is nothing to be looked at.
    pub fn value(&self, scope: &Scope, top: &Top, beside: &Beside) -> Option<f64> {
        let sum = Sum::of(scope, top);
        let count = match self.measure {
            Measure::Errors => sum.errors,
            Measure::Requests => sum.count,
            Measure::Throttled => sum.throttled,
            Measure::Refused => sum.refused,
            Measure::P50 => return slowest(&sum.times, |times| times.p50_ms),
            Measure::P90 => return slowest(&sum.times, |times| times.p90_ms),
            Measure::P95 => return slowest(&sum.times, |times| times.p95_ms),
            Measure::P99 => return slowest(&sum.times, |times| times.p99_ms),
            Measure::Queue => top.events.queued,
            Measure::QueueAge => return Some(top.events.oldest_seconds.unwrap_or(0.0) * 1000.0),
            Measure::FailedItems => top.maps.failed,
            Measure::FailedJobs => beside.failed_jobs,
            Measure::Quota => return fullest(scope, &beside.quotas),
        };
        match self.unit {
            Unit::Percent if sum.count == 0 => None,
            Unit::Percent => Some(100.0 * number(count) / number(sum.count)),
            Unit::PerSecond if top.seconds > 0.0 => Some(number(count) / top.seconds),
            Unit::PerSecond => None,
            Unit::Count | Unit::Millis => Some(number(count)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count that is shown is rough")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Of several routes the one that is worst off.
fn slowest(times: &[Times], pick: impl Fn(&Times) -> Option<f64>) -> Option<f64> {
    times.iter().filter_map(pick).reduce(f64::max)
}

fn fullest(scope: &Scope, quotas: &[QuotaUse]) -> Option<f64> {
    let own = quotas.iter().filter(|quota| match scope {
        Scope::Key(key) => quota.id == *key || quota.name == *key,
        _ => true,
    });
    let shares = own.map(|quota| 100.0 * number(quota.used) / number(quota.limit.max(1)));
    shares.reduce(f64::max)
}

impl Sum {
    fn of(scope: &Scope, top: &Top) -> Self {
        let mut sum = Self::default();
        match scope {
            Scope::Everything | Scope::Key(_) => {
                let all = &top.requests.traffic;
                sum.count = all.count;
                sum.errors = all.errors;
                sum.times.push(all.times);
                sum.add_refused(&all.refused);
                let throttles = top.functions.iter().map(|function| function.throttles);
                sum.throttled += throttles.sum::<u64>();
            }
            Scope::Route(wanted) => {
                for route in &top.routes {
                    let path = route.route.split_once(' ').map(|(_, path)| path);
                    if route.route != *wanted && path != Some(wanted.as_str()) {
                        continue;
                    }
                    sum.count += route.traffic.count;
                    sum.errors += route.traffic.errors;
                    sum.times.push(route.traffic.times);
                    sum.add_refused(&route.traffic.refused);
                }
            }
            Scope::Function(wanted) => {
                let own = top.functions.iter().find(|it| it.function == *wanted);
                if let Some(function) = own {
                    sum.count = function.count;
                    sum.errors = function.errors;
                    sum.throttled = function.throttles;
                    sum.times.push(function.times);
                }
            }
        }
        sum
    }

    fn add_refused(&mut self, refused: &BTreeMap<&'static str, u64>) {
        for (reason, count) in refused {
            if THROTTLED.contains(reason) {
                self.throttled += count;
            } else if !OTHERS.contains(reason) {
                self.refused += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Window;
    use crate::top::{Function, Now, Route, Traffic};

    fn traffic(count: u64, errors: u64, p99: f64) -> Traffic {
        Traffic {
            count,
            errors,
            refused: [("quota", 3), ("no key", 2), ("method", 1)].into(),
            times: Times {
                p99_ms: Some(p99),
                ..Times::default()
            },
            ..Traffic::default()
        }
    }

    fn route(route: &str, method: &'static str, traffic: Traffic) -> Route {
        Route {
            api: "a".to_owned(),
            stage: "$default".to_owned(),
            route: route.to_owned(),
            method,
            traffic,
        }
    }

    fn top() -> Top {
        let mut top = Top::of(&Window::default(), Now::default());
        top.seconds = 10.0;
        top.requests.traffic = traffic(200, 20, 7.0);
        top.routes = vec![
            route("GET /a", "GET", traffic(100, 5, 30.0)),
            route("PUT /a", "PUT", traffic(60, 10, 40.0)),
            route("$default", "GET", traffic(40, 5, 50.0)),
        ];
        top.functions = vec![Function {
            function: "f".to_owned(),
            count: 8,
            errors: 2,
            throttles: 1,
            ..Function::default()
        }];
        top.events.queued = 4;
        top.events.oldest_seconds = Some(1.5);
        top
    }

    #[test]
    fn each_rule_looks_at_its_own() {
        let of_route = |name: &str| Scope::Route(name.to_owned());
        let of_function = |name: &str| Scope::Function(name.to_owned());
        for (text, scope, expected) in [
            ("errors > 1", Scope::Everything, Some(20.0)),
            ("errors > 1%", Scope::Everything, Some(10.0)),
            ("requests > 1/s", Scope::Everything, Some(20.0)),
            ("throttled > 1", Scope::Everything, Some(4.0)),
            ("refused > 1", Scope::Everything, Some(2.0)),
            ("errors > 1%", of_route("GET /a"), Some(5.0)),
            ("requests > 1", of_route("/a"), Some(160.0)),
            ("p99 > 1ms", of_route("/a"), Some(40.0)),
            ("p50 > 1ms", of_route("/a"), None),
            ("requests > 1", of_route("$default"), Some(40.0)),
            ("requests < 1", of_route("/b"), Some(0.0)),
            ("errors > 1%", of_route("/b"), None),
            ("p99 > 1ms", of_route("/b"), None),
            ("errors > 1%", of_function("f"), Some(25.0)),
            ("throttled > 1%", of_function("f"), Some(12.5)),
            ("requests > 1", of_function("g"), Some(0.0)),
            ("queue > 1", Scope::Everything, Some(4.0)),
            ("queue-age > 1s", Scope::Everything, Some(1500.0)),
            ("failed-jobs > 0", Scope::Everything, Some(1.0)),
        ] {
            let condition: Condition = text.parse().unwrap();
            let beside = Beside {
                failed_jobs: 1,
                ..Beside::default()
            };
            let value = condition.value(&scope, &top(), &beside);
            assert_eq!(value, expected, "{text} of {scope:?}");
        }
    }

    #[test]
    fn of_quotas_the_fullest_counts() {
        let quota = |id: &str, used, limit| QuotaUse {
            id: id.to_owned(),
            name: format!("name of {id}"),
            used,
            limit,
        };
        let beside = Beside {
            quotas: vec![quota("a", 5, 10), quota("b", 9, 10), quota("c", 1, 0)],
            ..Beside::default()
        };
        let condition: Condition = "quota > 80%".parse().unwrap();
        let value = |scope| condition.value(&scope, &top(), &beside);
        assert_eq!(value(Scope::Key("a".to_owned())), Some(50.0));
        assert_eq!(value(Scope::Key("name of b".to_owned())), Some(90.0));
        assert_eq!(value(Scope::Key("d".to_owned())), None);
        assert_eq!(value(Scope::Everything), Some(100.0));
    }
}
