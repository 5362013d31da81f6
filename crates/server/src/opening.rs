//! Opens the parts that a server is put together from, each as the settings have
//! it.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_client::web::Web;
use buckets::{Buckets, EventRouter};
use engine::parameters::{Parameters, Sealer};
use engine::usage::Usage;
use engine::{Engine, EngineSettings, InProcess};
use gateway::map_service::{JobSettings, Jobs, MapService, ServiceSettings};
use gateway::{EngineJobs, EngineMap, Routes};
use map::run::NoExchange;
use rules::{Clock, Policy, Rules};
use sandbox::{Sandbox, SandboxSettings};
use store::jobs::JobBook;
use store::{Store, StoreError};
use types::{BusName, Timestamp};
use watch::Watch;

use crate::files::{self, Address};
use crate::http::{self, BodyRules};
use crate::settings::{ClockKind, Durability, Isolation, Settings};
use crate::start_error::StartError;
use crate::watching::Watching;

/// Below the data directory: what does not fit into memory of tables that are mapped.
const MAP_SCRATCH: &str = "map";

pub(crate) async fn store(settings: &Settings) -> Result<Store, StartError> {
    let data = settings.data.clone();
    let durability = match settings.config.durability {
        Durability::Full => store::Durability::Full,
        Durability::Relaxed => store::Durability::Relaxed,
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(&data, durability)).await;
    Ok(opened.expect("opening the store does not panic")?)
}

/// Parameters, with the key that their secrets are sealed with.
pub(crate) async fn parameters(
    settings: &Settings,
    store: &Arc<Store>,
) -> Result<Arc<Parameters>, StartError> {
    let sealer = Sealer::new(&files::ensure_sealing_key(&settings.data)?);
    let (store, scope) = (store.clone(), settings.scope.clone());
    let open = move || Parameters::open(store, scope, sealer);
    Ok(Arc::new(stored("parameters", open).await?))
}

/// Who listens to what happens.
pub(crate) async fn watching(settings: &Settings, web: Web) -> Result<Arc<Watching>, StartError> {
    let settings = settings.clone();
    let opened = tokio::task::spawn_blocking(move || Watching::open(&settings, web)).await;
    let opened = opened.expect("opening the access log does not panic");
    let watching = opened.map_err(|source| StartError::Io {
        what: "open the access log",
        source,
    })?;
    Ok(Arc::new(watching))
}

/// The clock goes with the rules: whatever goes by it asks them.
pub(crate) async fn rules(
    settings: &Settings,
    store: &Arc<Store>,
) -> Result<Arc<Rules>, StartError> {
    let (store, scope) = (store.clone(), settings.scope.clone());
    let config = &settings.config;
    let clock = match config.clock {
        ClockKind::System => Clock::system(),
        ClockKind::Manual => Clock::manual(Timestamp::now()),
    };
    let policy = Policy {
        schedule_seconds: config.schedule_seconds,
        missed: config.missed_schedules,
        queued_limit: config.limits.queued_events,
    };
    let rules = stored("rules", move || Rules::open(store, scope, clock, policy)).await?;
    Ok(Arc::new(rules))
}

pub(crate) async fn buckets(
    settings: &Settings,
    store: &Arc<Store>,
    rules: &Arc<Rules>,
) -> Result<Buckets, StartError> {
    let (store, scope) = (store.clone(), settings.scope.clone());
    let accepted_limit = settings.config.limits.queued_events;
    let router = router(rules.clone());
    stored("buckets", move || {
        Buckets::open(store, scope, accepted_limit, router)
    })
    .await
}

/// Lets the events of buckets reach the rules, which buckets know nothing of.
fn router(rules: Arc<Rules>) -> EventRouter {
    Arc::new(move || {
        let now = rules.routes(&BusName::standard(), Some("aws.s3"));
        buckets::Routes {
            most: now.most(),
            route: Box::new(move |event| now.route(event)),
        }
    })
}

/// Reads at the start what is in the store; reading blocks.
pub(crate) async fn stored<T: Send + 'static>(
    what: &'static str,
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StartError> {
    let read = tokio::task::spawn_blocking(read).await;
    read.expect("reading the store does not panic")
        .map_err(|source| StartError::Stored { what, source })
}

/// The routes of the gateway, and what serves them: the map, and its jobs.
pub(crate) async fn routes(
    settings: &Settings,
    store: &Arc<Store>,
    engine: &Engine,
    usage: &Arc<Usage>,
) -> Result<(Arc<Routes>, EngineMap, EngineJobs), StartError> {
    let documents = store.clone();
    let routes = stored("routes", move || Routes::open(documents)).await?;
    let data = store.dir().to_owned();
    let book = stored("jobs", move || JobBook::open(&data)).await?;
    let config = &settings.config;
    let scratch = store.dir().join(MAP_SCRATCH);
    empty_folder(&scratch)?;
    let service = MapService::new(
        Arc::new(InProcess::new(engine.clone())),
        Arc::new(NoExchange),
        ServiceSettings {
            body_bytes: config.map_body_bytes,
            memory_bytes: config.map_memory_mb * 1024 * 1024,
            scratch,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            at_once: config.map_requests,
            patience: Duration::from_secs(config.body_stall_seconds),
            longest: Duration::from_secs(config.map_seconds),
            watch: engine.watch().clone(),
        },
    );
    let jobs = Jobs::new(
        &service,
        book,
        Some(usage.clone()),
        JobSettings {
            at_once: config.map_jobs,
            most: config.map_queued_jobs,
        },
    );
    Ok((Arc::new(routes), service, jobs))
}

/// What an earlier process left of tables that it was reading is of no use.
fn empty_folder(folder: &Path) -> Result<(), StartError> {
    let emptied = || {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir(folder)
    };
    emptied().map_err(|source| StartError::Io {
        what: "empty the folder for tables that do not fit into memory",
        source,
    })
}

pub(crate) async fn sandbox(settings: &Settings) -> Result<Sandbox, StartError> {
    let config = &settings.config;
    let isolation = match config.isolation {
        Isolation::None => sandbox::Isolation::None,
        Isolation::Auto => {
            let checks = tokio::task::spawn_blocking(sandbox::doctor).await;
            let checks = checks.expect("looking at the machine does not panic");
            if let Some(check) = checks.into_iter().find(|c| c.name == "namespaces" && !c.ok) {
                return Err(StartError::NoIsolation {
                    found: check.found,
                    advice: check.advice,
                });
            }
            sandbox::Isolation::Namespaces
        }
    };
    let data = std::path::absolute(&settings.data).map_err(|source| StartError::Io {
        what: "find the data directory",
        source,
    })?;
    Ok(Sandbox::new(SandboxSettings {
        isolation,
        // Not the file's name: a build that replaces it must not mix two versions.
        helper: "/proc/self/exe".into(),
        unprivileged: (config.function_uid, config.function_gid),
        guest_directory: data.join("guests"),
        group_name: format!("squall-{}", std::process::id()),
        open_files: config.limits.open_files_per_instance,
        processes: config.limits.processes_per_instance,
        python_packages: config.python_packages.clone(),
    })?)
}

pub(crate) fn describe(sandbox: &Sandbox) -> String {
    match sandbox.isolation() {
        sandbox::Isolation::Namespaces => format!(
            "namespaces and seccomp; control groups: {}",
            sandbox.cgroups().describe()
        ),
        sandbox::Isolation::None => "none: functions can do whatever this user can".to_owned(),
    }
}

pub(crate) fn engine_settings(
    settings: &Settings,
    api: SocketAddr,
    watch: Watch,
) -> EngineSettings {
    let config = &settings.config;
    EngineSettings {
        scope: settings.scope.clone(),
        limits: config.limits.clone(),
        api,
        idle: Duration::from_secs(config.idle_seconds),
        init_timeout: Duration::from_secs(config.init_seconds),
        template_memory_mb: config.template_memory_mb,
        event_retry: Duration::from_secs(config.event_retry_seconds),
        event_workers: config.event_workers,
        python_folders: config.python_folders.clone(),
        r_folders: config.r_folders.clone(),
        watch,
    }
}

pub(crate) fn connection_rules(settings: &Settings) -> http::Rules {
    let config = &settings.config;
    http::Rules {
        max_connections: config.max_connections,
        head: Duration::from_secs(config.header_seconds),
        answer_stall: Duration::from_secs(config.answer_stall_seconds),
        bodies: BodyRules::new(
            Duration::from_secs(config.body_stall_seconds),
            config.request_memory_mb * 1024 * 1024,
        ),
    }
}

/// Where HTTP APIs are served, with marks for id and region.
pub(crate) fn api_endpoint(address: &Address) -> String {
    let port = address.gateway.rsplit(':').next().unwrap_or_default();
    format!("http://{{id}}.execute-api.{{region}}.localhost:{port}")
}

pub(crate) fn endpoints(address: &Address) -> lambda_api::Endpoints {
    let port = address.gateway.rsplit(':').next().unwrap_or_default();
    lambda_api::Endpoints {
        api: address.api.clone(),
        function_url: format!("http://{{id}}.lambda-url.{{region}}.localhost:{port}/"),
    }
}
