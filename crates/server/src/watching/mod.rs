//! Who listens to what `watch` is told: the access log, the page for Prometheus, the
//! figures of the last moments, and spans on their way to a collector.

mod access;
mod export;
mod files;
mod page;
mod port;
mod process;
mod stage_logs;
mod telling;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_client::web::Web;
use engine::Engine;
use gateway::EngineJobs;
use types::Timestamp;
use watch::top::{Events, Now, Standing};
use watch::{History, Top, Watch};

use crate::http::Connections;
use crate::settings::{Settings, Switch};

pub(crate) use access::AccessLog;
pub(crate) use files::Mark;
pub(crate) use port::{MetricsListener, page as metrics_page};
pub(crate) use stage_logs::StageLogs;
pub(crate) use telling::Telling;

use export::Exporter;

/// Below the data directory.
const FOLDER: &str = "access";
/// How often it is noted what happened.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Watching {
    pub watch: Watch,
    pub access: AccessLog,
    history: History,
    started: Instant,
    exporter: Option<Exporter>,
    sources: OnceLock<Sources>,
}

/// Who knows what is not counted.
#[derive(Debug)]
pub(crate) struct Sources {
    pub engine: Engine,
    pub jobs: EngineJobs,
    pub connections: Connections,
}

impl Watching {
    /// Opens the log. Blocks.
    pub fn open(settings: &Settings, web: Web) -> io::Result<Self> {
        let config = &settings.config;
        let collector = settings.collector.clone();
        let watch = Watch::new(true, collector.as_ref().map(|_| config.trace_sample));
        let folder = (config.access_log == Switch::On).then(|| {
            let bytes = config.access_log_file_mb << 20;
            (settings.data.join(FOLDER), bytes, config.access_log_files)
        });
        let instance = types::RequestId::random().to_string();
        let exporter =
            collector.map(|collector| Exporter::new(watch.clone(), web, collector, instance));
        Ok(Self {
            access: AccessLog::open(watch.clone(), folder)?,
            watch,
            history: History::default(),
            started: Instant::now(),
            exporter,
            sources: OnceLock::new(),
        })
    }

    /// Begins, now that there is something to watch.
    pub fn begin(self: &Arc<Self>, sources: Sources, stage_logs: StageLogs) {
        let connections = sources.connections.clone();
        self.access.write_for_stages(stage_logs);
        // Set twice it would be the same.
        let _ = self.sources.set(sources);
        let this = self.clone();
        connections.run(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                this.history.tick(this.watch.metrics(), Instant::now());
            }
        });
        let this = self.clone();
        connections.run(async move {
            if let Some(exporter) = &this.exporter {
                exporter.run().await;
            }
        });
    }

    /// Writes and sends what is left.
    pub async fn close(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.finish().await;
        }
        self.access.close().await;
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The page for Prometheus.
    pub async fn metrics(&self) -> String {
        match self.sources.get() {
            Some(sources) => page::render(self, sources).await,
            None => String::new(),
        }
    }

    /// What happened in the last seconds. Reads `/proc` for each instance.
    pub fn top(&self, seconds: u64) -> Top {
        let metrics = self.watch.metrics();
        let window = self.history.window(metrics, seconds, Instant::now());
        let Some(sources) = self.sources.get() else {
            return Top::of(&window, Now::default());
        };
        let mut functions = standing(&sources.engine);
        for (name, _, running) in metrics.functions() {
            if running > 0 {
                functions.entry(name.to_string()).or_default().running = running;
            }
        }
        let (running, waiting) = sources.jobs.counts();
        let now = Now {
            uptime_seconds: self.uptime().as_secs(),
            in_flight: metrics.in_flight.read(),
            connections: sources.connections.open() as u64,
            functions,
            events: events(&sources.engine),
            maps_running: metrics.maps.running.read(),
            maps_waiting: waiting.saturating_sub(running.min(waiting)) as u64,
            process: process::read(),
        };
        Top::of(&window, now)
    }
}

/// What stands ready or works, by function.
fn standing(engine: &Engine) -> BTreeMap<String, Standing> {
    let mut functions: BTreeMap<String, Standing> = BTreeMap::new();
    for instance in engine.instances() {
        let now = functions.entry(instance.function.to_string()).or_default();
        now.instances += 1;
        now.idle += u64::from(instance.state == "idle");
        now.memory_bytes += instance.memory_bytes;
    }
    functions
}

/// How many events wait, and for how long the next of them has been due.
fn events(engine: &Engine) -> Events {
    let events = engine.store().events();
    let due = events.first_due().map(|due| Timestamp::now().0 - due.0);
    let late = due.and_then(|millis| u64::try_from(millis).ok());
    Events {
        queued: events.len(),
        oldest_seconds: late.map(|millis| Duration::from_millis(millis).as_secs_f64()),
    }
}
