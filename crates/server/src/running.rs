//! Puts the crates below together, starts them in order and stops them in order.

use std::sync::Arc;
use std::time::Duration;

use account_api::AccountApi;
use apigateway_api::ApigatewayApi;
use aws_wire::sigv4::{Credentials, Verifier};
use buckets::Buckets;
use engine::api_keys::ApiKeys;
use engine::http_apis::HttpApis;
use engine::iam::Iam;
use engine::parameters::Parameters;
use engine::usage::Usage;
use engine::{Door, Engine};
use events_api::EventsApi;
use gateway::{
    Documents, EngineJobs, EngineMap, EngineModels, HttpApiGateway, Keepers, MapRoutes, Routes,
};
use lambda_api::LambdaApi;
use logs_api::LogsApi;
use rules::Rules;
use s3_api::S3Api;
use ssm_api::SsmApi;
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::alerts::{self, Alerts};
use crate::api_port::ApiPort;
use crate::entrances::{self, Entrances};
use crate::files::{self, Address};
use crate::gateway_port::GatewayPort;
use crate::http::{Connections, Hosts, Listening};
use crate::keys::Keys;
use crate::opening;
use crate::own::{self, OwnPages};
use crate::settings::{Isolation, Settings};
use crate::start_error::StartError;
use crate::tls::Tls;
use crate::watching::{self, MetricsListener, StageLogs, Watching};

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
    buckets: Buckets,
    rules: Arc<Rules>,
    iam: Arc<Iam>,
    parameters: Arc<Parameters>,
    apis: Arc<HttpApis>,
    keys: Arc<ApiKeys>,
    usage: Arc<Usage>,
    store: Arc<Store>,
    routes: Arc<Routes>,
    map: EngineMap,
    jobs: EngineJobs,
    watching: Arc<Watching>,
    metrics: Option<MetricsListener>,
}

impl Server {
    /// When this returns, clients are answered.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        // The lock of the data directory comes first: everything else may be another's.
        let store = Arc::new(opening::store(&settings).await?);
        let credentials = files::ensure_credentials(&settings.data)?;
        let entrances = Entrances::open(&settings)?;
        let metrics = MetricsListener::open(&settings)?;
        let watching = opening::watching(&settings, settings.web.clone()).await?;

        let (documents, scope) = (store.clone(), settings.scope.clone());
        let iam = opening::stored("roles", move || Iam::open(documents, scope)).await?;
        let iam = Arc::new(iam);
        let (documents, scope) = (store.clone(), settings.scope.clone());
        let apis = opening::stored("HTTP APIs", move || HttpApis::open(documents, scope)).await?;
        let apis = Arc::new(apis);
        let tls = entrances.tls(&settings, &apis)?;
        let mut address = entrances.address(&settings, tls.as_deref())?;
        address.metrics = metrics.as_ref().map(MetricsListener::url);
        let (documents, scope) = (store.clone(), settings.scope.clone());
        let keys = opening::stored("API keys", move || ApiKeys::open(documents, scope)).await?;
        let keys = Arc::new(keys);
        let (metered, scope, known) = (store.clone(), settings.scope.clone(), keys.clone());
        let usage = opening::stored("usage", move || Usage::open(metered, scope, known)).await?;
        let usage = Arc::new(usage);
        let parameters = opening::parameters(&settings, &store).await?;
        let rules = opening::rules(&settings, &store).await?;
        let buckets = opening::buckets(&settings, &store, &rules).await?;

        let sandbox = opening::sandbox(&settings).await?;
        let isolation = opening::describe(&sandbox);
        let engine = Engine::start(
            opening::engine_settings(&settings, entrances.api()?, watching.watch.clone()),
            store.clone(),
            sandbox,
            iam.clone(),
            buckets.clone(),
        )
        .await?;

        let (routes, map, jobs) = opening::routes(&settings, &store, &engine, &usage).await?;

        let running = Running {
            connections: Connections::new(opening::connection_rules(&settings)),
            settings,
            address,
            credentials,
            isolation,
            engine,
            buckets,
            rules,
            iam,
            parameters,
            apis,
            keys,
            usage,
            store,
            routes,
            map,
            jobs,
            watching,
            metrics,
        };
        running.serve(entrances, tls).await?;
        running.address.write(&running.settings.data)?;
        tracing::info!(
            api = running.address.api,
            gateway = running.address.gateway,
            isolation = running.isolation,
            "ready"
        );
        warn_about(&running.settings, &running.address);
        Ok(running)
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

    /// Puts the services behind their ports, and begins what goes by the clock.
    async fn serve(&self, entrances: Entrances, tls: Option<Arc<Tls>>) -> Result<(), StartError> {
        let settings = &self.settings;
        let (store, scope) = (self.store.clone(), settings.scope.clone());
        let logs = opening::stored("log groups", move || LogsApi::new(store, scope)).await?;
        let account = settings.scope.account.clone();
        let keys = Arc::new(Keys::new(&self.credentials, account, self.iam.clone()));
        let verifier = Verifier::new(keys.clone(), settings.scope.region.clone());
        let verifier = Arc::new(verifier);
        let s3 = S3Api::new(s3_api::Deps {
            buckets: self.buckets.clone(),
            iam: self.iam.clone(),
            keys,
            engine: self.engine.clone(),
            scope: settings.scope.clone(),
        });
        let alerts = Arc::new(self.alerts().await?);
        let parts = self.own_parts(alerts.clone());
        let endpoints = opening::endpoints(&self.address);
        let models = EngineModels::new(self.buckets.clone());
        let api_port = Arc::new(ApiPort {
            verifier: verifier.clone(),
            limits: settings.config.limits.clone(),
            lambda: LambdaApi::new(self.engine.clone(), endpoints),
            logs: logs.with_iam(self.iam.clone()),
            account: AccountApi::new(self.iam.clone()),
            apigateway: ApigatewayApi::new(apigateway_api::Parts {
                apis: self.apis.clone(),
                keys: self.keys.clone(),
                usage: self.usage.clone(),
                iam: self.iam.clone(),
                endpoint: opening::api_endpoint(&self.address),
                check_map: gateway::check_map,
                check_model: gateway::check_model,
            })
            .with_timeout(settings.config.limits.gateway_seconds)
            .with_export(export(&models, &self.apis, &self.address)),
            events: EventsApi::new(self.rules.clone()).with_iam(self.iam.clone()),
            s3,
            ssm: SsmApi::new(self.parameters.clone(), self.iam.clone()),
            own: OwnPages::new(parts, settings, &self.address, &self.isolation),
        });
        let gateway_port = self.gateway_port(verifier, models);
        let hosts = entrances::hosts(settings, &self.apis);
        let ports = (api_port.clone(), Arc::new(gateway_port));
        entrances.serve(&self.connections, settings, &self.apis, tls, ports);
        serve_inside(&self.connections, &self.engine, api_port);
        self.begin_watching(hosts);
        self.connections.run(alerts.run());
        run_by_the_clock(&self.connections, &self.rules, &self.buckets);
        fold_usage(&self.connections, &self.usage);
        let going_on = self.jobs.start().await;
        going_on.map_err(|source| StartError::Stored {
            what: "jobs",
            source,
        })
    }

    /// All that the gateway serves.
    fn gateway_port(&self, verifier: Arc<Verifier>, models: EngineModels) -> GatewayPort {
        let buckets = self.buckets.clone();
        let (map, jobs) = (self.map.clone(), self.jobs.clone());
        let routes = MapRoutes::new(self.routes.clone(), map, jobs, models.clone());
        let (map, jobs) = (self.map.clone(), self.jobs.clone());
        let apis = HttpApiGateway::new(
            self.engine.clone(),
            self.apis.clone(),
            Keepers {
                engine: self.engine.clone(),
                keys: self.keys.clone(),
                usage: self.usage.clone(),
                verifier: verifier.clone(),
                web: self.settings.web.clone(),
            },
            map,
            jobs,
            models,
        );
        GatewayPort::new(
            &self.engine,
            buckets,
            apis,
            routes,
            verifier,
            &self.settings,
            self.watching.clone(),
        )
    }

    /// Lets who listens to what happens know all that there is.
    fn begin_watching(&self, hosts: Hosts) {
        let account = self.settings.scope.account.clone();
        let stage_logs = StageLogs::new(self.apis.clone(), self.store.clone(), account);
        let sources = watching::Sources {
            engine: self.engine.clone(),
            jobs: self.jobs.clone(),
            connections: self.connections.clone(),
        };
        self.watching.begin(sources, stage_logs);
        if let Some(metrics) = &self.metrics {
            metrics.serve(&self.watching, hosts);
        }
    }

    /// What the pages of its own are about.
    fn own_parts(&self, alerts: Arc<Alerts>) -> own::Parts {
        own::Parts {
            engine: self.engine.clone(),
            rules: self.rules.clone(),
            buckets: self.buckets.clone(),
            store: self.store.clone(),
            routes: self.routes.clone(),
            keys: self.keys.clone(),
            usage: self.usage.clone(),
            watching: self.watching.clone(),
            jobs: self.jobs.clone(),
            alerts,
            end: self.connections.end(),
        }
    }

    async fn alerts(&self) -> Result<Alerts, StartError> {
        let sources = alerts::Sources {
            engine: self.engine.clone(),
            watching: self.watching.clone(),
            jobs: self.jobs.clone(),
            usage: self.usage.clone(),
            keys: self.keys.clone(),
        };
        let sealing = files::ensure_sealing_key(&self.settings.data)?;
        let post = alerts::Post::new(self.engine.clone(), self.settings.web.clone(), &sealing);
        let store = self.store.clone();
        opening::stored("alerts", move || Alerts::open(store, sources, post)).await
    }

    /// Stops in order: no new requests, then running ones to their end or the
    /// bound, then instances, then what is still to be written.
    pub async fn shutdown(self) {
        tracing::info!("stopping");
        Address::remove(&self.settings.data);
        self.connections
            .close(self.settings.shutdown_patience())
            .await;
        if let Some(metrics) = &self.metrics {
            metrics.close().await;
        }
        self.jobs.stop().await;
        self.engine
            .shutdown(self.settings.shutdown_patience())
            .await;
        self.rules.drain().await;
        self.buckets.drain().await;
        self.iam.drain().await;
        self.parameters.drain().await;
        self.apis.drain().await;
        self.keys.drain().await;
        self.usage.drain().await;
        self.watching.close().await;
        self.store.close().await;
        tracing::info!("stopped");
    }
}

/// How often buckets are searched for what their rules say is over.
const EXPIRY_MILLIS: i64 = 60 * 60 * 1000;

/// Schedules, and the expiry of objects. A clock that is moved by hand searches
/// the buckets whenever it is moved.
fn run_by_the_clock(connections: &Connections, rules: &Arc<Rules>, buckets: &Buckets) {
    let timetable = rules.clone();
    connections.run(async move { timetable.run(CancellationToken::new()).await });
    let (clock, buckets) = (rules.clock().clone(), buckets.clone());
    if clock.is_manual() {
        return;
    }
    connections.run(async move {
        loop {
            let now = clock.now();
            match buckets.expire(now).await {
                Ok(0) => {}
                Ok(gone) => tracing::info!(gone, "objects and uploads expired"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "not all that is over in buckets could be removed");
                }
            }
            clock.sleep_until(now.plus_millis(EXPIRY_MILLIS)).await;
        }
    });
}

/// How often it is looked whether the journal of usage has grown long.
const FOLD_EVERY: Duration = Duration::from_secs(10);

/// Keeps the journal of usage short.
fn fold_usage(connections: &Connections, usage: &Arc<Usage>) {
    let usage = usage.clone();
    connections.run(async move {
        loop {
            tokio::time::sleep(FOLD_EVERY).await;
            if usage.is_long() {
                usage.fold().await;
            }
        }
    });
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
                Ok(listener) => {
                    inner.serve_until(&closed, listener, Listening::default(), port.clone());
                }
                Err(error) => tracing::warn!(%error, "cannot serve a function's own network"),
            }
        }
    });
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

/// Describes APIs for who owns them, as they are described at their own addresses.
fn export(models: &EngineModels, apis: &HttpApis, address: &Address) -> apigateway_api::Export {
    let region = apis.scope().region.clone();
    let place = opening::api_endpoint(address).replace("{region}", region.as_str());
    let documents = Documents::new(models.clone(), region);
    Arc::new(move |entry, served| {
        let documents = documents.clone();
        let mut address = place.replace("{id}", entry.api.id.as_str());
        if !served.stage.is_default() {
            address = format!("{address}/{}", served.stage);
        }
        Box::pin(async move { documents.export(&entry.api, &served, &address).await })
    })
}
