//! What the store costs per invocation: `cargo run --release -p store --example
//! hot_path`. It prints microseconds per call and events accepted per second.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{Durability, LogLine, NewEvent, Record, Store};
use types::{RequestId, Timestamp, Version};

const CALLS: u32 = 200_000;
const EVENTS: u32 = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir_in(".")?;
    let store = Arc::new(Store::open(dir.path(), Durability::Full)?);
    let mut out = std::io::stdout();
    writeln!(out, "idle: {} KiB resident", resident_kib())?;

    let (group, stream): (Arc<str>, Arc<str>) = ("/aws/lambda/f".into(), "2026/11/21/s".into());
    let text = bytes::Bytes::from_static(&[b'x'; 100]);
    let began = Instant::now();
    for _ in 0..CALLS {
        let time = Timestamp(1);
        let line = || LogLine {
            time,
            text: text.clone(),
        };
        let lines = vec![line(), line(), line()];
        store.logs().append(&group, &stream, lines).await;
    }
    writeln!(out, "logs.append of 3 lines: {:.2} us", each(began, CALLS))?;
    store.logs().flush().await?;
    writeln!(out, "  and written: {:.2} us", each(began, CALLS))?;

    let record = Record {
        request_id: RequestId::random(),
        function: "f".parse()?,
        version: Version::Latest,
        started: Timestamp(1),
        duration_us: 1,
        billed_ms: 1,
        init_us: None,
        memory_mb: 128,
        max_memory_mb: 64,
        start: "warm".to_owned(),
        status: "ok".to_owned(),
        log_stream: stream,
        log_position: 1,
        answer_bytes: 1,
    };
    // At the pace of the engine, as the queue is bounded on purpose.
    let mut spent = Duration::ZERO;
    let began = Instant::now();
    let pace = tokio::time::Duration::from_millis(10);
    let mut ticks = tokio::time::interval(pace);
    for _ in 0..CALLS / 1000 {
        ticks.tick().await;
        let batch: Vec<Record> = (0..100).map(|_| record.clone()).collect();
        let began = Instant::now();
        for record in batch {
            store.records().append(record).await;
        }
        spent += began.elapsed();
    }
    let calls = CALLS / 10;
    let cost = spent.as_secs_f64() * 1e6 / f64::from(calls);
    writeln!(out, "records.append at 10,000/s: {cost:.2} us")?;
    store.records().recent(None, 1).await?;
    let paced = began.elapsed();
    let began = Instant::now();
    for _ in 0..CALLS {
        store.records().append(record.clone()).await;
    }
    store.records().recent(None, 1).await?;
    writeln!(
        out,
        "  flat out, written: {:.2} us (paced run {paced:.1?})",
        each(began, CALLS)
    )?;

    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..EVENTS / 16 {
                let event = NewEvent {
                    request_id: RequestId::random(),
                    function: "f".parse()?,
                    qualifier: None,
                    payload: vec![b'x'; 200].into(),
                    client_context: None,
                    trace_id: None,
                    accepted: Timestamp::now(),
                    order: None,
                    source: None,
                    retry: None,
                };
                store.events().accept(event, u64::MAX).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    for done in tasks.join_all().await {
        done.map_err(|error| error.to_string())?;
    }
    let per_second = 1e6 / each(began, EVENTS);
    writeln!(
        out,
        "events.accept by 16 callers, synced: {per_second:.0}/s"
    )?;
    writeln!(out, "after all: {} KiB resident", resident_kib())?;
    store.close().await;
    Ok(())
}

fn each(began: Instant, calls: u32) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let words = line.unwrap_or_default().split_whitespace();
    words.skip(1).take(1).collect()
}
