//! What all fleets share.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};

use sandbox::{Client, FunctionFiles, Interpreter, RHome, Sandbox};
use store::{Store, UnpackLimits};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use types::{FunctionVersion, Runtime};

use crate::catalog::Catalog;
use crate::environment;
use crate::failure::Failure;
use crate::iam::Iam;
use crate::settings::EngineSettings;

/// Functions that are loaded at the same time: loading is all processor work.
const LOADS_PER_CPU: usize = 2;

/// A listener inside a function's own network, to be served as the API.
#[derive(Debug)]
pub struct Door {
    pub listener: TcpListener,
    /// The network is gone: nobody can come in any more.
    pub closed: CancellationToken,
}

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: EngineSettings,
    pub(crate) store: Arc<Store>,
    pub(crate) sandbox: Sandbox,
    pub(crate) iam: Arc<Iam>,
    pub(crate) tasks: TaskTracker,
    /// Ways to the API from inside functions' own networks.
    doors: mpsc::Sender<Door>,
    /// Held while a function is loaded.
    pub(crate) loads: Semaphore,
    interpreters: OnceLock<Vec<Interpreter>>,
    r: OnceLock<Vec<RHome>>,
    /// Set once, right after this: the catalog asks back which runtimes there are.
    catalog: OnceLock<Catalog>,
}

impl Context {
    pub(crate) fn new(
        settings: EngineSettings,
        store: Arc<Store>,
        sandbox: Sandbox,
        iam: Arc<Iam>,
        doors: mpsc::Sender<Door>,
    ) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            settings,
            store,
            sandbox,
            iam,
            tasks: TaskTracker::new(),
            doors,
            loads: Semaphore::new(cpus * LOADS_PER_CPU),
            interpreters: OnceLock::new(),
            r: OnceLock::new(),
            catalog: OnceLock::new(),
        }
    }

    pub(crate) fn set_catalog(&self, catalog: Catalog) {
        // Set twice it would be the same one.
        let _ = self.catalog.set(catalog);
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.catalog
            .get()
            .expect("the catalog is set before anything runs")
    }

    /// boto3 is a part of AWS's Python. A machine without it still runs the
    /// functions that do not need it.
    fn provide_aws_sdk(&self) {
        let Some(sdk) = sandbox::AwsSdk::find(&self.settings.python_folders) else {
            tracing::info!("boto3 is not installed here: functions that import it must bring it");
            return;
        };
        if let Err(error) = self.sandbox.provide(&sdk) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "functions have no boto3 of the engine's"
            );
        }
    }

    /// The machine's interpreters, looked for once. Blocks the first time.
    pub(crate) fn interpreters(&self) -> &[Interpreter] {
        self.interpreters.get_or_init(|| {
            self.provide_aws_sdk();
            sandbox::find_interpreters(&self.settings.python_folders)
        })
    }

    /// The machine's R's, looked for once. Blocks the first time.
    pub(crate) fn r(&self) -> &[RHome] {
        self.r
            .get_or_init(|| sandbox::find_r(&self.settings.r_folders))
    }

    /// What runs functions of a runtime, if that is ours and there.
    pub(crate) fn client(&self, runtime: Runtime) -> Option<Client<'_>> {
        let is_wanted = |r: &&RHome, minor: Option<u8>| match minor {
            Some(minor) => (r.major, r.minor) == (4, minor),
            None => true,
        };
        match runtime {
            Runtime::Python(minor) => {
                let found = self.interpreters().iter().find(|own| own.minor == minor);
                found.map(Client::from)
            }
            Runtime::R(minor) => {
                let found = self.r().iter().find(|r| is_wanted(r, minor));
                found.map(Client::from)
            }
            Runtime::Provided | Runtime::ProvidedAl2 | Runtime::ProvidedAl2023 => None,
        }
    }

    /// Whether a runtime can be run here; the text is for the client.
    pub(crate) fn check_runtime(&self, runtime: Runtime) -> Result<(), String> {
        if !runtime.is_ours() || self.client(runtime).is_some() {
            return Ok(());
        }
        let pythons = self.interpreters().iter();
        let pythons = pythons.map(|found| Runtime::Python(found.minor));
        let r = self.r().iter().filter(|found| found.major == 4);
        let r = r.map(|found| Runtime::R(Some(found.minor)));
        let any_r = (!self.r().is_empty()).then_some(Runtime::R(None));
        let provided = [
            Runtime::Provided,
            Runtime::ProvidedAl2,
            Runtime::ProvidedAl2023,
        ];
        let there: Vec<String> = pythons
            .chain(any_r)
            .chain(r)
            .chain(provided)
            .map(|runtime| runtime.to_string())
            .collect();
        Err(format!(
            "{runtime} is not installed on this machine; runtimes that are: {}",
            there.join(", ")
        ))
    }

    /// The function's packages, unpacked.
    pub(crate) async fn files(&self, version: &FunctionVersion) -> Result<FunctionFiles, Failure> {
        let limits = UnpackLimits {
            unzipped_bytes: self.settings.limits.unzipped_bytes,
            entries: self.settings.limits.zip_entries,
        };
        let mut layers = Vec::with_capacity(version.layers.len());
        for layer in &version.layers {
            layers.push(self.unpacked(&layer.code.sha256, &limits).await?);
        }
        Ok(FunctionFiles {
            code: self.unpacked(&version.code.sha256, &limits).await?,
            layers,
            tmp_mb: version.tmp_mb,
            memory_mb: version.memory_mb,
        })
    }

    async fn unpacked(
        &self,
        sha256: &str,
        limits: &UnpackLimits,
    ) -> Result<std::path::PathBuf, Failure> {
        let unpacked = self.store.packages().unpack(sha256, limits).await;
        let unpacked = unpacked.map_err(|error| Failure::Sandbox(error.to_string()))?;
        std::path::absolute(unpacked.path).map_err(|error| Failure::Sandbox(error.to_string()))
    }

    /// The environment that all instances of a version share.
    pub(crate) fn environment(
        &self,
        version: &FunctionVersion,
        files: &FunctionFiles,
        client: Option<Client<'_>>,
    ) -> BTreeMap<String, String> {
        environment::of_version(version, &self.settings, &self.sandbox, files, client)
    }

    /// Has the API served inside a function's own network, until what is
    /// returned is dropped.
    pub(crate) async fn open_doors(
        &self,
        listeners: impl IntoIterator<Item = TcpListener>,
    ) -> Vec<DropGuard> {
        let mut open = Vec::new();
        for listener in listeners {
            let closed = CancellationToken::new();
            open.push(closed.clone().drop_guard());
            if self.doors.send(Door { listener, closed }).await.is_err() {
                tracing::debug!("nobody serves the API inside functions' networks");
            }
        }
        open
    }
}
