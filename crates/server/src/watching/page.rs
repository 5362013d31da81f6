//! The page for Prometheus: what is counted, and what others know of this moment.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use watch::exposition::{Exposition, seconds};

use super::{Sources, Watching, files, process};

/// The database, with what is not yet folded into it.
const DATABASE: [&str; 2] = ["squall.db", "squall.db-wal"];

/// Reads files and `/proc`, and asks the store: to be called where that may take a while.
pub(super) async fn render(watching: &Watching, sources: &Sources) -> String {
    let mut page = Exposition::default();
    page.gauge("squall_build_info", "The version that runs");
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let uptime = watching.uptime().as_secs_f64();
    page.single_gauge("squall_uptime_seconds", "How long the engine runs", uptime);
    watching.watch.metrics().tell(&mut page);
    let connections = sources.connections.open();
    page.single_gauge(
        "squall_connections_open",
        "Connections to the gateway and the AWS endpoint",
        connections,
    );
    tokio::task::block_in_place(|| tell_instances(sources, &mut page));
    tell_queues(sources, &mut page);
    tell_store(watching, sources, &mut page).await;
    tell_watching(watching, &mut page);
    tell_process(uptime, &mut page);
    page.text()
}

fn tell_instances(sources: &Sources, page: &mut Exposition) {
    let standing = super::standing(&sources.engine);
    page.gauge(
        "squall_instances",
        "Instances of functions, by what they do",
    );
    for (name, now) in &standing {
        let busy = now.instances.saturating_sub(now.idle);
        page.sample(&[("function", name), ("state", "busy")], busy);
        page.sample(&[("function", name), ("state", "idle")], now.idle);
    }
    page.gauge(
        "squall_instance_memory_bytes",
        "Memory of the instances of a function",
    );
    for (name, now) in &standing {
        page.sample(&[("function", name)], now.memory_bytes);
    }
    let templates = sources.engine.templates();
    let ready = templates.iter().filter(|it| it.state == "ready");
    let memory: u64 = ready.clone().map(|it| it.memory_bytes).sum();
    page.single_gauge(
        "squall_templates",
        "Templates that are ready",
        ready.count(),
    );
    page.single_gauge(
        "squall_template_memory_bytes",
        "Memory of all templates",
        memory,
    );
}

fn tell_queues(sources: &Sources, page: &mut Exposition) {
    let events = super::events(&sources.engine);
    page.single_gauge(
        "squall_events_queued",
        "Asynchronous invocations that are accepted and not yet done",
        events.queued,
    );
    page.single_gauge(
        "squall_events_oldest_seconds",
        "For how long the one that waits longest has been due",
        events.oldest_seconds.unwrap_or(0.0),
    );
    let (running, under_way) = sources.jobs.counts();
    page.gauge("squall_map_jobs", "Jobs of maps that nobody waits for");
    page.sample(&[("state", "running")], running);
    page.sample(&[("state", "waiting")], under_way - running);
}

async fn tell_store(watching: &Watching, sources: &Sources, page: &mut Exposition) {
    let store = sources.engine.store();
    let objects = match store.objects().bucket_sizes().await {
        Ok(sizes) => sizes.iter().map(|size| size.bytes).sum(),
        Err(error) => {
            tracing::warn!(%error, "the sizes of buckets are not known");
            0
        }
    };
    page.gauge(
        "squall_store_bytes",
        "Bytes that are kept, by what they are",
    );
    page.sample(&[("kind", "objects")], objects);
    page.sample(&[("kind", "database")], database(store.dir()));
    let lines = watching.access.folder().map_or(0, files::bytes);
    page.sample(&[("kind", "access_log")], lines);
    let commits = store.commits();
    page.counter("squall_store_commits_total", "Transactions of the database");
    page.sample(&[], commits.count);
    page.counter(
        "squall_store_commit_seconds_total",
        "Time that they took, syncing included",
    );
    page.sample(&[], seconds(commits.micros));
}

fn database(folder: &Path) -> u64 {
    let files = DATABASE
        .iter()
        .filter_map(|name| folder.join(name).metadata().ok());
    files.map(|file| file.len()).sum()
}

fn tell_watching(watching: &Watching, page: &mut Exposition) {
    let dropped = watching.watch.lines().map_or(0, watch::Lines::dropped);
    page.counter("squall_access_lines_total", "Lines of the access log");
    page.sample(&[("outcome", "written")], watching.access.written());
    page.sample(&[("outcome", "dropped")], dropped);
    if let Some(tracer) = watching.watch.tracer() {
        page.counter(
            "squall_spans_total",
            "Spans of traces, by what became of them",
        );
        page.sample(&[("outcome", "sent")], tracer.sent());
        page.sample(&[("outcome", "dropped")], tracer.spans.dropped());
    }
}

fn tell_process(uptime: f64, page: &mut Exposition) {
    let process = process::read();
    page.single_gauge(
        "process_resident_memory_bytes",
        "Memory of the engine",
        process.memory_bytes,
    );
    page.single_gauge(
        "process_open_fds",
        "Open files of the engine",
        process.open_files,
    );
    page.single_gauge(
        "process_max_fds",
        "Open files that it may have",
        process::most_files(),
    );
    page.single_counter(
        "process_cpu_seconds_total",
        "Processor time of the engine",
        process.cpu_seconds,
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let began = now.map_or(0.0, |now| now.as_secs_f64() - uptime);
    page.single_gauge("process_start_time_seconds", "When it began", began);
}
