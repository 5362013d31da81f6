//! Alerts: rules about what happens, told to a function or a webhook when they begin to
//! hold and when they do so no more. What follows from what is decided in
//! [`watch::alerts`]; here it is looked, kept and told.
//!
//! That an alert fires and what is to be told of it are one write, so it is told at least
//! once, whatever happens to the process: who is told twice sees the same id.

mod deliver;
mod look;
mod rule;
mod sending;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::api_keys::ApiKeys;
use engine::usage::Usage;
use gateway::EngineJobs;
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{Change, Store, StoreError};
use tokio::time::{Instant, MissedTickBehavior};
use types::Timestamp;
use watch::alerts::Phase;

use crate::watching::Watching;

pub(crate) use deliver::{NotTold, Post};
use rule::{Alert, Kind, Message, Rule, Target};
use sending::Sending;

const KIND: &str = "alert";
const MOST: usize = 100;
/// How often it is looked whether a rule is due.
const LOOK: Duration = Duration::from_secs(1);

/// All alerts, and what they look at.
#[derive(Debug)]
pub(crate) struct Alerts {
    store: Arc<Store>,
    sources: Sources,
    post: Post,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held from reading an alert to publishing what becomes of it.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(crate) struct Sources {
    pub engine: Engine,
    pub watching: Arc<Watching>,
    pub jobs: EngineJobs,
    pub usage: Arc<Usage>,
    pub keys: Arc<ApiKeys>,
}

/// An alert as it is stored, and what is known of it in this process.
#[derive(Debug)]
struct Entry {
    alert: Arc<Alert>,
    phase: Phase,
    /// At the last look.
    value: Option<f64>,
    next_look: Instant,
    sending: Sending,
}

impl Entry {
    fn new(alert: Alert) -> Self {
        Self {
            phase: alert.phase,
            alert: Arc::new(alert),
            value: None,
            next_look: Instant::now(),
            sending: Sending::default(),
        }
    }
}

/// Why a request about alerts was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AlertError {
    #[error("{0}")]
    Bad(String),
    #[error("there is no alert {0:?}")]
    NotFound(String),
    #[error("there are {MOST} alerts, which is all that there can be")]
    TooMany,
    #[error("it could not be told: {0}")]
    NotTold(#[from] NotTold),
    #[error("the state could not be stored")]
    Store(#[from] StoreError),
}

impl Alerts {
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, sources: Sources, post: Post) -> Result<Self, StoreError> {
        let mut entries = BTreeMap::new();
        for (name, body) in store.documents().load(KIND)? {
            match serde_json::from_slice(&body) {
                Ok(alert) => drop(entries.insert(name, Entry::new(alert))),
                // One that a later version wrote must not keep the engine down.
                Err(error) => {
                    tracing::error!(%error, name, "skipped an alert that is not readable");
                }
            }
        }
        Ok(Self {
            store,
            sources,
            post,
            entries: Mutex::new(entries),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// Looks and tells, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sent = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                _ = look.tick() => self.look().await,
                Some(_) = sent.join_next() => {}
            }
            self.send_what_waits(&mut sent);
        }
    }

    pub fn list(&self) -> Value {
        let entries = self.entries.lock();
        entries.values().map(show).collect()
    }

    /// Those that are not quiet.
    pub fn list_loud(&self) -> Value {
        let entries = self.entries.lock();
        let loud = entries.values().filter(|entry| entry.phase != Phase::Quiet);
        loud.map(show).collect()
    }

    /// Makes an alert, or puts another rule in the place of one. A webhook's secret is in
    /// this answer and in no other.
    pub async fn put(&self, body: &[u8]) -> Result<Value, AlertError> {
        let (name, rule) = Rule::parse(body).map_err(AlertError::Bad)?;
        if let Target::Function(function) = &rule.to
            && self
                .sources
                .engine
                .catalog()
                .resolve(function, None)
                .is_none()
        {
            let message = format!("there is no function {function} that could be told");
            return Err(AlertError::Bad(message));
        }
        let _turn = self.writing.lock().await;
        if self.entries.lock().len() >= MOST && !self.entries.lock().contains_key(&name) {
            return Err(AlertError::TooMany);
        }
        let alert = Alert {
            name: name.clone(),
            id: types::RequestId::random().to_string(),
            created: Timestamp::now(),
            rule,
            phase: Phase::Quiet,
            outbox: vec![],
        };
        self.commit(&name, Some(&alert)).await?;
        let secret = match &alert.rule.to {
            Target::Webhook(_) => Some(self.post.secret(&alert)),
            Target::Function(_) => None,
        };
        let entry = Entry::new(alert);
        let mut shown = show(&entry);
        if let Some(secret) = secret {
            shown["secret"] = secret.into();
        }
        self.entries.lock().insert(name, entry);
        Ok(shown)
    }

    pub async fn remove(&self, name: &str) -> Result<(), AlertError> {
        let _turn = self.writing.lock().await;
        if !self.entries.lock().contains_key(name) {
            return Err(AlertError::NotFound(name.to_owned()));
        }
        self.commit(name, None).await?;
        self.entries.lock().remove(name);
        Ok(())
    }

    /// Tells who would be told, now and once.
    pub async fn test(&self, name: &str) -> Result<Value, AlertError> {
        let found = self
            .entries
            .lock()
            .get(name)
            .map(|entry| Arc::clone(&entry.alert));
        let alert = found.ok_or_else(|| AlertError::NotFound(name.to_owned()))?;
        let now = Timestamp::now();
        let message = Message::new(Kind::Test, now, now, None);
        self.post.deliver(&alert, &message).await?;
        Ok(alert.event(&message))
    }

    /// Stores what becomes of an alert, and shows it afterwards. None: it is gone.
    async fn change(
        &self,
        name: &str,
        id: &str,
        change: impl FnOnce(&mut Alert),
    ) -> Result<(), StoreError> {
        let _turn = self.writing.lock().await;
        let found = self
            .entries
            .lock()
            .get(name)
            .map(|entry| Arc::clone(&entry.alert));
        // It may have been removed meanwhile, or be another one of the name.
        let Some(alert) = found.filter(|alert| alert.id == id) else {
            return Ok(());
        };
        let mut alert = Alert::clone(&alert);
        change(&mut alert);
        self.commit(name, Some(&alert)).await?;
        if let Some(entry) = self.entries.lock().get_mut(name) {
            entry.alert = Arc::new(alert);
        }
        Ok(())
    }

    async fn commit(&self, name: &str, alert: Option<&Alert>) -> Result<(), StoreError> {
        let body = alert.map(|alert| serde_json::to_vec(alert).expect("an alert is plain data"));
        let change = Change {
            kind: KIND,
            key: name.to_owned(),
            body,
        };
        self.store.documents().commit(vec![change]).await
    }
}

fn show(entry: &Entry) -> Value {
    let Entry { alert, phase, .. } = entry;
    let (state, since) = match *phase {
        Phase::Quiet => ("quiet", None),
        Phase::Pending { since } => ("pending", Some(since)),
        Phase::Firing { since, .. } => ("firing", Some(since)),
    };
    let mut shown = json!({
        "name": alert.name,
        "created": alert.created.rfc3339(),
        "state": state,
        "since": since.map(|since| Timestamp(since).rfc3339()),
        "value": entry.value,
        "shown": entry.value.map(|value| alert.rule.when.show(value)),
        "waiting": alert.outbox.len(),
        "problem": entry.sending.problem,
    });
    let rule = alert.rule.show();
    for (name, value) in rule.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    shown
}
