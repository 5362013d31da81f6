//! What the engine's page of figures says, as far as it is shown.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Kind};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Figures {
    pub time: String,
    pub uptime_seconds: u64,
    pub seconds: f64,
    pub requests: Requests,
    pub routes: Vec<Route>,
    pub functions: Vec<Function>,
    pub events: Events,
    pub maps: Maps,
    pub process: Process,
    pub jobs: Vec<Job>,
    pub alerts: Vec<Alert>,
    /// Why these are not of this moment.
    #[serde(skip)]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Traffic {
    pub count: u64,
    pub per_second: f64,
    pub errors: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub refused: BTreeMap<String, u64>,
    #[serde(flatten)]
    pub times: Times,
}

/// In milliseconds.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Times {
    #[serde(rename = "p50_ms")]
    pub p50: Option<f64>,
    #[serde(rename = "p95_ms")]
    pub p95: Option<f64>,
    #[serde(rename = "p99_ms")]
    pub p99: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Requests {
    #[serde(flatten)]
    pub traffic: Traffic,
    pub in_flight: u64,
    pub connections: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Route {
    pub api: String,
    pub stage: String,
    #[serde(rename = "route")]
    pub name: String,
    pub method: String,
    #[serde(flatten)]
    pub traffic: Traffic,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Function {
    #[serde(rename = "function")]
    pub name: String,
    pub count: u64,
    pub per_second: f64,
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

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Events {
    pub queued: u64,
    pub oldest_seconds: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Maps {
    pub running: u64,
    pub waiting: u64,
    pub items: u64,
    pub failed: u64,
    pub retries: u64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Process {
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    #[serde(rename = "job")]
    pub id: String,
    pub function: String,
    pub state: String,
    pub items: u64,
    pub done: u64,
    pub failed: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Alert {
    pub name: String,
    pub when: String,
    pub state: String,
    pub shown: Option<String>,
}

impl Figures {
    pub fn read(page: &Value) -> Result<Self, Failure> {
        Self::deserialize(page).map_err(|error| {
            let error = anyhow::anyhow!("the engine's figures cannot be read: {error}");
            Failure::new(Kind::Bug, error)
        })
    }
}

impl Function {
    /// Instances that work.
    pub fn busy(&self) -> u64 {
        self.instances.saturating_sub(self.idle)
    }
}

/// Refusals of those who called too often or too much.
const THROTTLED: [&str; 5] = ["plan", "quota", "rate", "concurrency", "attempts"];

impl Traffic {
    /// Requests that came too often, and those that were refused for another reason.
    pub fn refusals(&self) -> (u64, u64) {
        let throttled = self.refused.iter();
        let throttled = throttled.filter(|(word, _)| THROTTLED.contains(&word.as_str()));
        let throttled: u64 = throttled.map(|(_, count)| count).sum();
        let all: u64 = self.refused.values().sum();
        (throttled, all - throttled)
    }
}
