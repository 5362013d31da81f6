//! The engine as a whole: what the layers above hold, and the tasks that run
//! beside the invocations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use buckets::Buckets;
use parking_lot::Mutex;
use sandbox::Sandbox;
use store::Store;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use types::{FunctionName, FunctionVersion, Limits, Qualifier, Runtime, Scope, VersionKey};
use watch::Watch;

use crate::catalog::{Catalog, CatalogChange, OpenError};
use crate::concurrency::Concurrency;
use crate::context::{Context, Door};
use crate::events;
use crate::fleet::{Fleet, TemplateState};
use crate::iam::Iam;
use crate::settings::EngineSettings;

/// Changes of the catalog that may wait for the fleets to follow.
const CHANGES: usize = 1024;
/// Networks of functions that may wait to be served.
const DOORS: usize = 64;
/// How often idle instances and templates are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot read the stored functions")]
    Catalog(#[from] OpenError),
}

/// Functions and what runs of them. A clone is another handle to the same engine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) context: Arc<Context>,
    pub(crate) concurrency: Concurrency,
    fleets: Mutex<HashMap<VersionKey, Arc<Fleet>>>,
    /// Wakes the worker of asynchronous events.
    pub(crate) accepted: Notify,
    closing: CancellationToken,
    doors: Mutex<Option<mpsc::Receiver<Door>>>,
}

impl Engine {
    /// Opens what is stored and gets ready to run it.
    pub async fn start(
        settings: EngineSettings,
        store: Arc<Store>,
        sandbox: Sandbox,
        iam: Arc<Iam>,
        buckets: Buckets,
    ) -> Result<Self, StartError> {
        let (doors, doors_queue) = mpsc::channel(DOORS);
        let (changes, changes_queue) = mpsc::channel(CHANGES);
        let context = Arc::new(Context::new(
            settings.clone(),
            Arc::clone(&store),
            sandbox,
            iam,
            doors,
        ));
        let check = {
            let context = Arc::clone(&context);
            Box::new(move |runtime: Runtime| context.check_runtime(runtime))
        };
        let (scope, limits) = (settings.scope, settings.limits);
        let catalog = Catalog::open(store, buckets, scope, limits, check, changes).await?;
        context.set_catalog(catalog);
        let engine = Self {
            inner: Arc::new(Inner {
                context,
                concurrency: Concurrency::default(),
                fleets: Mutex::new(HashMap::new()),
                accepted: Notify::new(),
                closing: CancellationToken::new(),
                doors: Mutex::new(Some(doors_queue)),
            }),
        };
        engine.run_beside(follow_catalog(engine.clone(), changes_queue));
        engine.run_beside(keep_house(engine.clone()));
        engine.run_beside(events::work(engine.clone()));
        engine.apply_provisioned();
        Ok(engine)
    }

    pub fn catalog(&self) -> &Catalog {
        self.inner.context.catalog()
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.inner.context.store
    }

    /// Roles and keys, and what they permit.
    pub fn iam(&self) -> &Arc<Iam> {
        &self.inner.context.iam
    }

    /// Who hears of what runs.
    pub fn watch(&self) -> &Watch {
        &self.inner.context.settings.watch
    }

    pub fn scope(&self) -> &Scope {
        &self.inner.context.settings.scope
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.context.settings.limits
    }

    /// Whether a runtime can be run on this machine; the text is for the client.
    pub fn check_runtime(&self, runtime: Runtime) -> Result<(), String> {
        self.inner.context.check_runtime(runtime)
    }

    /// The versions of R on this machine, such as `4.2.2`.
    pub fn r_versions(&self) -> Vec<String> {
        let found = self.inner.context.r().iter();
        found.map(|r| r.version.clone()).collect()
    }

    /// The versions of the interpreters on this machine, such as `3.11.7`.
    pub fn python_versions(&self) -> Vec<String> {
        let found = self.inner.context.interpreters();
        found
            .iter()
            .map(|interpreter| interpreter.version.clone())
            .collect()
    }

    /// Listeners inside functions' own networks, on which the API is to be
    /// served. To be taken once.
    pub fn take_doors(&self) -> Option<mpsc::Receiver<Door>> {
        self.inner.doors.lock().take()
    }

    /// Instances that stand ready for a qualifier with provisioned concurrency.
    pub fn provisioned_ready(&self, name: &FunctionName, qualifier: &Qualifier) -> u32 {
        let demands = self.catalog().provisioned();
        let demand = demands
            .into_iter()
            .find(|demand| demand.name == *name && demand.qualifier == *qualifier);
        demand.map_or(0, |demand| {
            let fleet = self.known_fleet(&demand.version.key());
            fleet.map_or(0, |fleet| fleet.ready_count().min(demand.requested))
        })
    }

    /// Stops taking work, lets what runs finish for at most `patience`, then
    /// ends everything.
    pub async fn shutdown(&self, patience: Duration) {
        self.inner.closing.cancel();
        self.catalog().drain().await;
        self.inner.context.tasks.close();
        let fleets: Vec<_> = self.inner.fleets.lock().drain().collect();
        for (_, fleet) in &fleets {
            fleet.close();
        }
        if tokio::time::timeout(patience, self.inner.context.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("invocations were still running and have been ended");
        }
        // Dropped, the fleets end their templates and all that came from them.
        drop(fleets);
        self.inner.context.sandbox.cgroups().remove();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.inner.closing.is_cancelled()
    }

    pub(crate) async fn closing(&self) {
        self.inner.closing.cancelled().await;
    }

    /// Runs a task that shutdown waits for.
    pub(crate) fn run_beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.context.tasks.spawn(task);
    }

    /// The fleet of a version; made when first asked for.
    pub(crate) fn fleet(&self, version: &Arc<FunctionVersion>) -> Arc<Fleet> {
        let mut fleets = self.inner.fleets.lock();
        let fleet = fleets.entry(version.key()).or_insert_with(|| {
            let arn = self.scope().function_arn(&version.name);
            let context = Arc::clone(&self.inner.context);
            Arc::new(Fleet::new(Arc::clone(version), arn, context))
        });
        Arc::clone(fleet)
    }

    pub(crate) fn fleets(&self) -> Vec<Arc<Fleet>> {
        self.inner.fleets.lock().values().cloned().collect()
    }

    fn known_fleet(&self, key: &VersionKey) -> Option<Arc<Fleet>> {
        self.inner.fleets.lock().get(key).cloned()
    }

    fn retire(&self, key: &VersionKey) {
        let fleet = self.inner.fleets.lock().remove(key);
        if let Some(fleet) = fleet {
            fleet.close();
        }
    }

    /// Every fleet keeps as many instances as are asked for, and no more.
    fn apply_provisioned(&self) {
        let mut wanted: HashMap<VersionKey, u32> = HashMap::new();
        for demand in self.catalog().provisioned() {
            *wanted.entry(demand.version.key()).or_default() += demand.requested;
            self.fleet(&demand.version);
        }
        for fleet in self.fleets() {
            fleet.set_minimum(wanted.get(&fleet.version.key()).copied().unwrap_or(0));
        }
    }
}

/// Follows the control plane: prepares what may be invoked, ends what may not.
async fn follow_catalog(engine: Engine, mut changes: mpsc::Receiver<CatalogChange>) {
    loop {
        let change = tokio::select! {
            () = engine.closing() => return,
            change = changes.recv() => change,
        };
        match change {
            None => return,
            Some(CatalogChange::Prepare(version)) => {
                let fleet = engine.fleet(&version);
                engine.run_beside(fleet.prepare());
            }
            Some(CatalogChange::Retire(key)) => engine.retire(&key),
            Some(CatalogChange::Removed(name)) => {
                for fleet in engine.fleets() {
                    if fleet.version.name == name {
                        engine.retire(&fleet.version.key());
                    }
                }
            }
            // Read at every invocation; nothing is kept of it.
            Some(CatalogChange::Concurrency(_)) => {}
            Some(CatalogChange::Provisioned(_)) => engine.apply_provisioned(),
        }
    }
}

/// Ends what has rested too long, and templates when they are too many.
async fn keep_house(engine: Engine) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = engine.closing() => return,
            _ = ticks.tick() => {}
        }
        for fleet in engine.fleets() {
            fleet.tick(engine.inner.context.settings.idle);
        }
        evict_templates(&engine);
        engine.catalog().collect().await;
    }
}

/// The least recently used go first; what works is left alone.
fn evict_templates(engine: &Engine) {
    let limit = engine.inner.context.settings.template_memory_mb << 20;
    let mut templates: Vec<(Arc<Fleet>, u64)> = engine
        .fleets()
        .into_iter()
        .filter_map(|fleet| match fleet.template_state() {
            TemplateState::Ready { memory_bytes, .. } => Some((fleet, memory_bytes)),
            _ => None,
        })
        .collect();
    let mut total: u64 = templates.iter().map(|(_, bytes)| bytes).sum();
    templates.sort_by_key(|(fleet, _)| fleet.last_used());
    for (fleet, bytes) in templates {
        if total <= limit {
            return;
        }
        if fleet.is_resting() {
            tracing::info!(function = %fleet.version.name, "a template goes, to keep memory");
            fleet.evict();
            total -= bytes;
        }
    }
}
