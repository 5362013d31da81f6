//! What `squall ps` shows.

use serde::Serialize;
use types::{FunctionName, Timestamp, Version};

use crate::engine::Engine;
use crate::fleet::TemplateState;

/// One living instance.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceInfo {
    pub function: FunctionName,
    pub version: Version,
    pub pid: i32,
    /// `fork` or `spawn`
    pub start: &'static str,
    /// `busy` or `idle`
    pub state: &'static str,
    pub memory_bytes: u64,
    pub born: Timestamp,
    pub invocations: u64,
    pub log_stream: String,
}

/// How one function version makes its instances.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateInfo {
    pub function: FunctionName,
    pub version: Version,
    /// `none`, `not_used`, `loading`, `ready` or `failed`
    pub state: &'static str,
    pub pid: Option<i32>,
    pub memory_bytes: u64,
    pub load_ms: Option<u64>,
    /// Why there is no template, where that is not a matter of time.
    pub reason: Option<String>,
}

impl Engine {
    /// Reads `/proc` for each instance: to be called where blocking is allowed.
    pub fn instances(&self) -> Vec<InstanceInfo> {
        let mut instances: Vec<InstanceInfo> = self
            .fleets()
            .iter()
            .flat_map(|fleet| {
                fleet.facts().into_iter().map(|facts| InstanceInfo {
                    function: fleet.version.name.clone(),
                    version: fleet.version.version,
                    pid: facts.pid,
                    start: facts.start.as_str(),
                    state: if facts.busy { "busy" } else { "idle" },
                    memory_bytes: sandbox::memory_of_tree(facts.pid),
                    born: facts.born,
                    invocations: facts.served,
                    log_stream: facts.log_stream.to_string(),
                })
            })
            .collect();
        instances.sort_by(|a, b| (&a.function, a.born).cmp(&(&b.function, b.born)));
        instances
    }

    pub fn templates(&self) -> Vec<TemplateInfo> {
        let mut templates: Vec<TemplateInfo> = self
            .fleets()
            .iter()
            .map(|fleet| {
                let mut info = TemplateInfo {
                    function: fleet.version.name.clone(),
                    version: fleet.version.version,
                    state: "none",
                    pid: None,
                    memory_bytes: 0,
                    load_ms: None,
                    reason: None,
                };
                match fleet.template_state() {
                    TemplateState::None => {}
                    TemplateState::Loading => info.state = "loading",
                    TemplateState::NotUsed { reason } => {
                        info.state = "not_used";
                        info.reason = Some(reason);
                    }
                    TemplateState::Failed { error } => {
                        info.state = "failed";
                        info.reason = Some(error);
                    }
                    TemplateState::Ready {
                        pid,
                        memory_bytes,
                        load_ms,
                    } => {
                        info.state = "ready";
                        info.pid = Some(pid);
                        info.memory_bytes = memory_bytes;
                        info.load_ms = Some(load_ms);
                    }
                }
                info
            })
            .collect();
        templates.sort_by(|a, b| (&a.function, a.version).cmp(&(&b.function, b.version)));
        templates
    }
}
