//! Puts the crates below together, starts them in order and stops them in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use account_api::AccountApi;
use aws_wire::sigv4::{Credentials, Verifier};
use engine::iam::Iam;
use engine::{Door, Engine, EngineSettings};
use lambda_api::LambdaApi;
use logs_api::LogsApi;
use sandbox::{Sandbox, SandboxSettings};
use store::{OpenError, Store, StoreError};
use tokio::net::TcpListener;

use crate::api_port::ApiPort;
use crate::files::{self, Address, FileError};
use crate::gateway_port::GatewayPort;
use crate::http::{BodyRules, Connections, Rules};
use crate::keys::Keys;
use crate::own::OwnPages;
use crate::settings::{Durability, Isolation, Settings};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Files(#[from] FileError),
    #[error("cannot listen on {address} for the {what}")]
    Listen {
        what: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("functions cannot be isolated on this machine: {found}")]
    NoIsolation {
        found: String,
        advice: Option<String>,
    },
    #[error("cannot prepare the sandbox")]
    Sandbox(#[from] sandbox::SandboxError),
    #[error(transparent)]
    Engine(#[from] engine::StartError),
    #[error("cannot read the stored {what}")]
    Stored {
        what: &'static str,
        #[source]
        source: StoreError,
    },
    #[error("cannot {what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Whether the user can mend it, rather than we.
    pub fn is_users(&self) -> bool {
        match self {
            // A directory that cannot be made or written to is no fault of ours.
            Self::Store(
                OpenError::InUse { .. }
                | OpenError::TooNew { .. }
                | OpenError::Store(StoreError::Io { .. }),
            )
            | Self::Files(_)
            | Self::Listen { .. }
            | Self::NoIsolation { .. } => true,
            Self::Store(OpenError::Store(_))
            | Self::Sandbox(_)
            | Self::Engine(_)
            | Self::Stored { .. }
            | Self::Io { .. } => false,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(OpenError::InUse { .. }) => {
                Some("use that engine, stop it, or choose another directory with --data".to_owned())
            }
            Self::Listen { what, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                let flag = if *what == "gateway" {
                    "--gateway"
                } else {
                    "--api"
                };
                Some(format!(
                    "another program listens there; choose another address: {flag} 127.0.0.1:0 takes a free one"
                ))
            }
            Self::Files(FileError::Garbled { .. }) => {
                Some("remove that file; a new one is made at the next start".to_owned())
            }
            Self::NoIsolation { advice, .. } => advice.clone(),
            _ => None,
        }
    }
}

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    settings: Settings,
    address: Address,
    credentials: Credentials,
    isolation: String,
    connections: Connections,
    engine: Engine,
    iam: Arc<Iam>,
    store: Arc<Store>,
}

impl Server {
    /// When this returns, clients are answered.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        // The lock of the data directory comes first: everything else may be another's.
        let store = Arc::new(open_store(&settings).await?);
        let credentials = files::ensure_credentials(&settings.data)?;
        let api = listen("AWS endpoint", settings.config.api).await?;
        let gateway = listen("gateway", settings.config.gateway).await?;
        let address = Address::new(local(&api)?, local(&gateway)?, &settings.scope);

        let sandbox = sandbox(&settings).await?;
        let isolation = describe(&sandbox);
        let engine = Engine::start(
            engine_settings(&settings, local(&api)?),
            store.clone(),
            sandbox,
        )
        .await?;

        let (documents, scope) = (store.clone(), settings.scope.clone());
        let iam = stored("roles", move || Iam::open(documents, scope)).await?;
        let iam = Arc::new(iam);
        let (documents, scope) = (store.clone(), settings.scope.clone());
        let logs = stored("log groups", move || LogsApi::new(documents, scope)).await?;

        let connections = Connections::new(rules(&settings));
        let keys = Keys::new(&credentials, settings.scope.account.clone(), iam.clone());
        let verifier = Verifier::new(Arc::new(keys), settings.scope.region.clone());
        let verifier = Arc::new(verifier);
        let api_port = Arc::new(ApiPort {
            verifier: verifier.clone(),
            limits: settings.config.limits.clone(),
            lambda: LambdaApi::new(engine.clone(), endpoints(&address)),
            logs,
            account: AccountApi::new(iam.clone()),
            own: OwnPages::new(engine.clone(), &settings, &address, &isolation),
        });
        connections.serve(api, api_port.clone());
        let gateway_port = GatewayPort::new(&engine, verifier, &settings);
        connections.serve(gateway, Arc::new(gateway_port));
        serve_inside(&connections, &engine, api_port);

        address.write(&settings.data)?;
        tracing::info!(
            api = address.api,
            gateway = address.gateway,
            isolation,
            "ready"
        );
        warn_about(&settings, &address);
        Ok(Running {
            settings,
            address,
            credentials,
            isolation,
            connections,
            engine,
            iam,
            store,
        })
    }
}

impl Running {
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What stands between functions and the machine, in words.
    pub fn isolation(&self) -> &str {
        &self.isolation
    }

    /// Stops in order: no new requests, then running ones to their end or the
    /// bound, then instances, then what is still to be written.
    pub async fn shutdown(self) {
        tracing::info!("stopping");
        Address::remove(&self.settings.data);
        self.connections
            .close(self.settings.shutdown_patience())
            .await;
        self.engine
            .shutdown(self.settings.shutdown_patience())
            .await;
        self.iam.drain().await;
        self.store.close().await;
        tracing::info!("stopped");
    }
}

/// Functions without a network reach the API through listeners inside their own.
fn serve_inside(connections: &Connections, engine: &Engine, port: Arc<ApiPort>) {
    let Some(mut doors) = engine.take_doors() else {
        return;
    };
    let inner = connections.clone();
    connections.run(async move {
        while let Some(Door { listener, closed }) = doors.recv().await {
            let listener = listener
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(listener));
            match listener {
                Ok(listener) => inner.serve_until(&closed, listener, port.clone()),
                Err(error) => tracing::warn!(%error, "cannot serve a function's own network"),
            }
        }
    });
}

async fn open_store(settings: &Settings) -> Result<Store, StartError> {
    let data = settings.data.clone();
    let durability = match settings.config.durability {
        Durability::Full => store::Durability::Full,
        Durability::Relaxed => store::Durability::Relaxed,
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(&data, durability)).await;
    Ok(opened.expect("opening the store does not panic")?)
}

/// Reads at the start what is in the store; reading blocks.
async fn stored<T: Send + 'static>(
    what: &'static str,
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StartError> {
    let read = tokio::task::spawn_blocking(read).await;
    read.expect("reading the store does not panic")
        .map_err(|source| StartError::Stored { what, source })
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen {
            what,
            address,
            source,
        })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Io {
        what: "find out where it listens",
        source,
    })
}

async fn sandbox(settings: &Settings) -> Result<Sandbox, StartError> {
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

fn describe(sandbox: &Sandbox) -> String {
    match sandbox.isolation() {
        sandbox::Isolation::Namespaces => format!(
            "namespaces and seccomp; control groups: {}",
            sandbox.cgroups().describe()
        ),
        sandbox::Isolation::None => "none: functions can do whatever this user can".to_owned(),
    }
}

fn engine_settings(settings: &Settings, api: SocketAddr) -> EngineSettings {
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
    }
}

fn rules(settings: &Settings) -> Rules {
    let config = &settings.config;
    Rules {
        max_connections: config.max_connections,
        head: Duration::from_secs(config.header_seconds),
        bodies: BodyRules::new(
            Duration::from_secs(config.body_stall_seconds),
            config.request_memory_mb * 1024 * 1024,
        ),
    }
}

fn endpoints(address: &Address) -> lambda_api::Endpoints {
    let port = address.gateway.rsplit(':').next().unwrap_or_default();
    lambda_api::Endpoints {
        api: address.api.clone(),
        function_url: format!("http://{{id}}.lambda-url.{{region}}.localhost:{port}/"),
    }
}

/// What a person should know before it hurts.
fn warn_about(settings: &Settings, address: &Address) {
    if settings.config.isolation == Isolation::None {
        tracing::warn!(
            "ISOLATION IS OFF: functions run as plain processes and can read and change \
             everything that this user can"
        );
    }
    for listening in [settings.config.api, settings.config.gateway] {
        if !listening.ip().is_loopback() {
            tracing::warn!(
                %listening,
                "other machines can reach this address, and the connection is not encrypted"
            );
        }
    }
    tracing::debug!(pid = address.pid, "address file written");
}
