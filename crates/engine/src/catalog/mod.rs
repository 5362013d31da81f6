//! The control plane: functions, versions, aliases, layers and what is configured
//! about them. All of it lives in memory and is written through to the store.
//!
//! A change is one transaction: an edit of a draft of the state, one atomic
//! commit of the documents it touched, then the swap of the state in memory and
//! the notices to the data plane. A crash leaves the state before or after it.

mod aliases;
mod code;
mod concurrency;
mod configs;
mod error;
mod functions;
mod layers;
mod model;
mod object_code;
#[cfg(test)]
mod object_code_tests;
mod paging;
mod permissions;
mod permits;
mod requirements;
mod state;
mod tags;
#[cfg(test)]
pub(crate) mod tests;
mod versions;

use std::fmt;
use std::sync::Arc;

use buckets::Buckets;
use parking_lot::{Mutex, RwLock};
use store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use types::{
    AliasName, FunctionName, FunctionVersion, Limits, Qualifier, Runtime, Scope, Version,
    VersionKey,
};

pub use buckets::EXISTING_TAG;
pub use concurrency::Usage;
pub use configs::{EventConfigPatch, UrlPatch};
pub use error::ControlError;
pub use layers::LayerFilter;
pub use model::{
    Alias, CodeSource, CodeUpdate, ConfigPatch, Cors, EventConfig, EventInvokeConfig, FunctionUrl,
    LayerVersion, LogLevels, Logging, NewFunction, NewLayer, ObjectCode, Page, Paging, Patch,
    ProvisionedConfig, RecursiveLoop, RuntimeManagement, Statement, UrlAuth, UrlInvokeMode,
    VersionEntry,
};
pub use permissions::NewPermission;
pub use versions::base64_of_hex;

use code::{Garbage, Upload};
use state::{Draft, State};

const DEFAULT_MAX_AGE_SECONDS: u32 = 21_600;
const DEFAULT_MAX_RETRIES: u32 = 2;

/// The minor versions of Python 3 to look for when all runtimes are listed.
const PYTHON_MINORS: std::ops::RangeInclusive<u8> = 6..=30;
/// The same of R 4.
const R_MINORS: std::ops::RangeInclusive<u8> = 0..=30;

/// Says whether the machine can run a runtime; the text of a refusal is for the
/// client and names the runtimes that are there.
pub type RuntimeCheck = Box<dyn Fn(Runtime) -> Result<(), String> + Send + Sync>;

/// What the data plane is told after a change was stored, in order.
#[derive(Debug, Clone)]
pub enum CatalogChange {
    /// A version, or a new state of `$LATEST`, that may be invoked from now on.
    Prepare(Arc<FunctionVersion>),
    /// No new invocation will be given this state of a version.
    Retire(VersionKey),
    Removed(FunctionName),
    /// The reserved concurrency of a function changed.
    Concurrency(FunctionName),
    /// Provisioned concurrency, or an alias that has some, changed.
    Provisioned(FunctionName),
}

/// A demand for instances that are always ready.
#[derive(Debug, Clone)]
pub struct Provisioned {
    pub name: FunctionName,
    pub qualifier: Qualifier,
    pub requested: u32,
    pub version: Arc<FunctionVersion>,
}

/// Why the stored state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored {kind} {key:?} cannot be read")]
    Unreadable {
        kind: &'static str,
        key: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the stored {kind} {key:?} is incomplete")]
    Incomplete { kind: &'static str, key: String },
}

impl OpenError {
    fn corrupt(kind: &'static str, key: &str) -> Self {
        Self::Incomplete {
            kind,
            key: key.to_owned(),
        }
    }
}

/// The control plane. A clone is another handle to the same one.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    /// Where code may come from.
    buckets: Buckets,
    scope: Scope,
    limits: Limits,
    check_runtime: RuntimeCheck,
    changes: mpsc::Sender<CatalogChange>,
    state: RwLock<State>,
    /// Held over a whole transaction: one at a time.
    writer: tokio::sync::Mutex<()>,
    /// Held for reading while a package is stored but nothing refers to it yet,
    /// for writing while unused packages are removed.
    uploads: Arc<tokio::sync::RwLock<()>>,
    garbage: Mutex<Vec<Garbage>>,
    /// Transactions run as tasks of their own, so that a client that vanishes
    /// cannot stop one between the disk and the memory.
    tasks: TaskTracker,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("scope", &self.inner.scope)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// Reads the state, and removes packages that a crash left without owner.
    pub async fn open(
        store: Arc<Store>,
        buckets: Buckets,
        scope: Scope,
        limits: Limits,
        check_runtime: RuntimeCheck,
        changes: mpsc::Sender<CatalogChange>,
    ) -> Result<Self, OpenError> {
        let state = State::load(store.documents())?;
        let catalog = Self {
            inner: Arc::new(Inner {
                store,
                buckets,
                scope,
                limits,
                check_runtime,
                changes,
                state: RwLock::new(state),
                writer: tokio::sync::Mutex::new(()),
                uploads: Arc::new(tokio::sync::RwLock::new(())),
                garbage: Mutex::new(Vec::new()),
                tasks: TaskTracker::new(),
            }),
        };
        catalog.sweep().await?;
        Ok(catalog)
    }

    pub fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    pub(crate) fn buckets(&self) -> &Buckets {
        &self.inner.buckets
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The runtimes that can be had on this machine.
    pub fn runtimes(&self) -> Vec<Runtime> {
        let pythons = PYTHON_MINORS.map(Runtime::Python);
        let provided = [
            Runtime::Provided,
            Runtime::ProvidedAl2,
            Runtime::ProvidedAl2023,
        ];
        let r = [Runtime::R(None)].into_iter();
        let r = r.chain(R_MINORS.map(|minor| Runtime::R(Some(minor))));
        let all = pythons.chain(r).chain(provided);
        all.filter(|runtime| (self.inner.check_runtime)(*runtime).is_ok())
            .collect()
    }

    /// Waits for transactions under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// The version that answers the next invocation; where an alias has weights,
    /// each call draws anew.
    pub fn resolve(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Option<Arc<FunctionVersion>> {
        let state = self.inner.state.read();
        let function = state.functions.get(name)?;
        let version = match qualifier {
            None => Version::Latest,
            Some(Qualifier::Version(version)) => *version,
            Some(Qualifier::Alias(alias)) => function.facts.aliases.get(alias)?.draw(),
        };
        let entry = function.versions.get(&version)?;
        Some(Arc::clone(&entry.config))
    }

    /// Every version of every function, for a data plane that starts.
    pub fn all_versions(&self) -> Vec<Arc<FunctionVersion>> {
        let state = self.inner.state.read();
        let versions = state.functions.values().flat_map(|f| f.versions.values());
        versions.map(|entry| Arc::clone(&entry.config)).collect()
    }

    pub fn function_names(&self) -> Vec<FunctionName> {
        self.inner.state.read().functions.keys().cloned().collect()
    }

    pub fn reserved_concurrency(&self, name: &FunctionName) -> Option<u32> {
        self.inner.state.read().functions.get(name)?.facts.reserved
    }

    /// What the functions without a reservation share.
    pub fn unreserved_concurrency(&self) -> u32 {
        let reserved = self.inner.state.read().reserved_total();
        self.inner
            .limits
            .account_concurrency
            .saturating_sub(reserved)
    }

    /// How asynchronous invocations of a qualifier are retried and reported.
    pub fn event_config(&self, name: &FunctionName, qualifier: Option<&Qualifier>) -> EventConfig {
        let latest = Qualifier::Version(Version::Latest);
        let state = self.inner.state.read();
        let configured = state.functions.get(name).and_then(|function| {
            let configs = &function.facts.event_configs;
            configs.get(qualifier.unwrap_or(&latest)).cloned()
        });
        let configured = configured.unwrap_or_default();
        EventConfig {
            max_age_seconds: configured
                .max_age_seconds
                .unwrap_or(DEFAULT_MAX_AGE_SECONDS),
            max_retries: configured.max_retries.unwrap_or(DEFAULT_MAX_RETRIES),
            on_success: configured.on_success,
            on_failure: configured.on_failure,
        }
    }

    /// All demands for provisioned instances.
    pub fn provisioned(&self) -> Vec<Provisioned> {
        let state = self.inner.state.read();
        let mut demands = Vec::new();
        for (name, function) in &state.functions {
            for (qualifier, config) in &function.facts.provisioned {
                if let Ok(entry) = state.version(&self.inner.scope, name, Some(qualifier)) {
                    demands.push(Provisioned {
                        name: name.clone(),
                        qualifier: qualifier.clone(),
                        requested: config.requested,
                        version: Arc::clone(&entry.config),
                    });
                }
            }
        }
        demands
    }

    /// The function URL that a host name stands for.
    pub fn url_by_id(&self, id: &str) -> Option<FunctionUrl> {
        let state = self.inner.state.read();
        let (name, alias) = state.urls.get(id)?;
        let urls = &state.functions.get(name)?.facts.urls;
        urls.get(alias.as_ref().map_or("", AliasName::as_str))
            .cloned()
    }

    /// Runs an edit as one transaction.
    async fn change<T: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut Draft) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, ControlError> {
        self.change_with(None, edit).await
    }

    /// The same, for an edit that refers to a package just stored.
    async fn change_with<T: Send + 'static>(
        &self,
        upload: Option<Upload>,
        edit: impl FnOnce(&mut Draft) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, ControlError> {
        let catalog = self.clone();
        let task = self.inner.tasks.spawn(async move {
            let answer = catalog.inner.apply(edit).await;
            drop(upload);
            catalog.collect().await;
            answer
        });
        task.await.unwrap_or_else(|error| {
            Err(ControlError::Internal {
                detail: error.to_string(),
            })
        })
    }

    /// Reads under the lock; `read` must be quick.
    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.inner.state.read())
    }
}

impl Inner {
    async fn apply<T>(
        &self,
        edit: impl FnOnce(&mut Draft) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let _one_at_a_time = self.writer.lock().await;
        let mut draft = Draft::new(self.state.read().clone());
        let answer = edit(&mut draft)?;
        if draft.documents.is_empty() {
            return Ok(answer);
        }
        self.store.documents().commit(draft.documents).await?;
        *self.state.write() = draft.state;
        self.note_garbage(&draft.retired, draft.unlisted);
        for notice in draft.notices {
            // Without a data plane, as in tests, nobody needs to know.
            let _ = self.changes.send(notice).await;
        }
        Ok(answer)
    }
}

/// A new `RevisionId`, or part of a name that nobody can guess.
fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
