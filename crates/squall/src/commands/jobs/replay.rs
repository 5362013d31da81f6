//! `squall replay`: one item of a job, alone and in the foreground, so that somebody
//! can see what happens to it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use map::journal::Journal;
use map::options::{ChunkSize, OnError, Options, Width};
use map::run::{self as runs, End, Finished};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use types::{Invocation, Invoke, InvokeError, Outcome};

use super::{find, item, recipe_of};
use crate::args::{Global, ReplayArgs};
use crate::client;
use crate::commands::map::{self as maps, OneItem};
use crate::failure::{Failure, Kind};
use crate::output;

pub fn run(global: &Global, args: &ReplayArgs) -> Result<(), Failure> {
    client::block_on_threads(replay(global, args))
}

async fn replay(global: &Global, args: &ReplayArgs) -> Result<(), Failure> {
    let (book, job) = find(global, &args.job)?;
    drop(book);
    let recipe = recipe_of(&job)?;
    let bucket = recipe.choices.bucket.clone();
    let item = maps::item_of(global, &recipe, &args.id, global.json).await?;
    let place = usize::try_from(item.place).expect("what is in memory has an address");
    let rank = item.shelf.ranks[place];
    if !global.json {
        let rows = item.shelf.starts[place + 1] - item.shelf.starts[place];
        output::note(&format!(
            "item {}: {} as {} for {}",
            args.id,
            crate::transfer::count(rows, "row"),
            item.shape.item.name(),
            recipe.function
        ));
        output::note(item::shown(&item.shelf, place).trim_end());
    }
    let began = Instant::now();
    let (finished, log) = alone(&item, rank, bucket).await?;
    let seconds = began.elapsed().as_secs_f64();
    tell(
        global,
        args,
        &item,
        place,
        &Ran {
            finished,
            log,
            seconds,
            rank,
        },
    )
}

struct Ran {
    finished: Finished,
    log: Bytes,
    seconds: f64,
    rank: u32,
}

/// As the job would run it, but once, and with an ear for the log.
async fn alone(
    item: &OneItem,
    rank: u32,
    bucket: Option<String>,
) -> Result<(Finished, Bytes), Failure> {
    let way = &item.target.way;
    let invoke = Arc::new(Listening {
        invoke: way.invoke(),
        log: Mutex::default(),
    });
    let job = runs::Job {
        options: Options {
            function: way.name.clone(),
            qualifier: way.qualifier.clone(),
            item: item.shape.item,
            format: item.shape.format,
            chunk: ChunkSize::Items(NonZeroU32::MIN),
            width: Width::Fixed(NonZeroUsize::MIN),
            retries: 0,
            backup_after: None,
            on_error: OnError::Collect,
            max_time: None,
            max_cost: None,
        },
        data: Arc::clone(&item.data),
        memory_mb: item.target.function.memory_size,
        arm: item.target.function.is_arm(),
        most_payload: maps::MOST_PAYLOAD,
        only: Some(vec![rank]),
    };
    let ran = runs::run(
        Arc::clone(&invoke),
        item.target.exchange(bucket),
        job,
        Journal::none(),
        CancellationToken::new(),
        |_| (),
    );
    let finished = ran
        .await
        .map_err(|error| Failure::new(Kind::Mistake, error))?;
    let log = invoke.log.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((finished, log.clone()))
}

fn tell(
    global: &Global,
    args: &ReplayArgs,
    item: &OneItem,
    place: usize,
    ran: &Ran,
) -> Result<(), Failure> {
    let function = item.target.way.name.as_str();
    if let End::Broken(broken) = &ran.finished.end {
        return Err(maps::broken(broken, function));
    }
    let log = String::from_utf8_lossy(&ran.log);
    let log = output::unfolded(&log);
    let failure = ran.finished.failures.get(&ran.rank);
    let rank = usize::try_from(ran.rank).expect("what is in memory has an address");
    let result = ran.finished.results.get(rank).and_then(Option::as_ref);
    if global.json {
        let result = result.and_then(|json| serde_json::from_str::<Value>(json.get()).ok());
        output::json(&json!({
            "id": args.id,
            "rank": ran.rank,
            "input": item::in_json(&item.shelf, place),
            "log": log,
            "seconds": ran.seconds,
            "result": result,
            "error": failure.map(|failure| json!({
                "errorType": failure.error.error_type,
                "errorMessage": failure.error.error_message,
                "stackTrace": failure.error.stack_trace,
            })),
        }))?;
    } else {
        if !log.trim().is_empty() {
            output::note(log.trim_end());
        }
        if let Some(result) = result {
            output::line(result.get())?;
        }
    }
    let Some(failure) = failure else {
        return Ok(());
    };
    let error = &failure.error;
    if !global.json {
        for line in &error.stack_trace {
            output::note(output::unfolded(line).trim_end());
        }
    }
    let said = format!("{}: {}", error.error_type, error.error_message);
    Err(Failure::new(Kind::Function, anyhow::anyhow!(said)))
}

/// Invokes, and keeps the log of the last invocation.
struct Listening<I> {
    invoke: Arc<I>,
    log: Mutex<Bytes>,
}

impl<I: Invoke> Invoke for Listening<I> {
    async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let outcome = self.invoke.invoke(invocation).await?;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        *log = outcome.log_tail.clone();
        drop(log);
        Ok(outcome)
    }
}
