//! A job over functions: what is needed is found at once, the function while the data
//! is read; then it runs, and what came of it is written.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use map::format::FileFormat;
use map::journal::Journal;
use map::options::{ChunkSize, OnError, Options};
use map::payload::{Description, Shape};
use map::results::{Table, write_failures};
use map::run::{End, Finished, Job, RunError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use science::items::{Collected, Columns, Shelf};
use store::jobs::{JobId, NewJob};
use tokio_util::sync::CancellationToken;

use super::reader::Reader;
use super::recipe::Recipe;
use super::source;
use super::target::{Target, Way};
use super::watch::Watch;
use super::{Again, MAKER, Only, book, inline, interrupt, report, shape, sink};
use crate::args::{BackupArg, ChunkArg, FormatArg, Global, MapArgs, OnErrorArg};
use crate::failure::{Failure, Kind};

/// What a synchronous invocation may carry on AWS.
pub const MOST_PAYLOAD: u64 = 6_291_556;
const RETRIES: u32 = 1;
const BACKUP_AFTER: f64 = 4.0;
/// The column of results that have no keys, where no column of values was named.
const VALUE: &str = "value";

/// All that a job needs.
#[derive(Debug)]
pub struct Ready {
    pub target: Target,
    pub data: Arc<Collected>,
    pub shape: Shape,
    recipe: Recipe,
    began: Instant,
}

/// What is done with the job that is ready.
struct Run {
    journal: Journal,
    only: Option<Vec<u32>>,
    output: Option<String>,
    failed: Option<String>,
    quiet: bool,
}

impl From<FormatArg> for FileFormat {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Csv => Self::Csv,
            FormatArg::Jsonl => Self::JsonLines,
            FormatArg::Parquet => Self::Parquet,
            FormatArg::Arrow => Self::Arrow,
        }
    }
}

/// A new job.
pub async fn first(global: &Global, recipe: Recipe, args: &MapArgs) -> Result<(), Failure> {
    sink::one_use_of_stdout(recipe.output.as_deref(), global.json)?;
    let failed = args.failed.as_deref();
    sink::places(&recipe.input, recipe.output.as_deref(), failed)?;
    let ready = prepare(global, &recipe, args.quiet || global.json).await?;
    let journal = if args.no_journal {
        Journal::none()
    } else {
        let job = NewJob {
            maker: MAKER,
            function: recipe.function.clone(),
            input: recipe.input.clone(),
            recipe: recipe.written(),
            items: ready.data.len() as u64,
        };
        let identity = ready.target.identity(ready.shape.item);
        Journal::begin(&book(global)?, &job, &identity, args.fresh)
            .map_err(|error| Failure::new(Kind::Mistake, error))?
    };
    let run = Run {
        journal,
        only: None,
        output: recipe.output.clone(),
        failed: args.failed.clone(),
        quiet: args.quiet,
    };
    ready.run(global, run).await
}

/// A job of the book, once more.
pub async fn again(global: &Global, recipe: Recipe, again: Again) -> Result<(), Failure> {
    let output = match again.output.as_deref() {
        Some(source::STREAM) => None,
        Some(path) => Some(path.to_owned()),
        None => recipe.output.clone(),
    };
    sink::one_use_of_stdout(output.as_deref(), global.json)?;
    sink::places(&recipe.input, output.as_deref(), again.failed.as_deref())?;
    let ready = prepare(global, &recipe, again.quiet || global.json).await?;
    let identity = ready.target.identity(ready.shape.item);
    let items = ready.data.len() as u64;
    let (book, job) = (book(global)?, &again.job);
    let journal = match again.only {
        Only::Missing => Journal::resume(&book, job, &identity, items, again.fresh),
        // Results of the others stay, also if the function was mended since.
        Only::Failed(_) => Journal::patch(&book, job, &identity, items),
    };
    let journal = journal.map_err(|error| Failure::new(Kind::Mistake, error))?;
    let only = match &again.only {
        Only::Missing => None,
        Only::Failed(ids) => Some(ready.ranks_of(ids)),
    };
    let run = Run {
        journal,
        only,
        output,
        failed: again.failed,
        quiet: again.quiet,
    };
    ready.run(global, run).await
}

/// Reads the data, and finds the function meanwhile.
pub async fn prepare(global: &Global, recipe: &Recipe, quiet: bool) -> Result<Ready, Failure> {
    // Three ways at once make a large future.
    Box::pin(prepared(global, recipe, quiet)).await
}

async fn prepared(global: &Global, recipe: &Recipe, quiet: bool) -> Result<Ready, Failure> {
    let began = Instant::now();
    allow_many_files();
    // Whoever means a built-in function and forgets to say so finds none of this name.
    let or_inline = |failure| match inline::named(&recipe.function) {
        Some(_) if recipe.choices.to.is_none() => Failure::hint(
            failure,
            "a built-in function is computed here with --to inline",
        ),
        _ => failure,
    };
    let way = Way::new(global, recipe).map_err(or_inline)?;
    let choices = &recipe.choices;
    let lines = input_format(recipe) == Some(FileFormat::JsonLines);
    let describe = async {
        if shape::is_settled(choices) {
            return Ok(None);
        }
        way.describe().await.map(Some).map_err(or_inline)
    };
    let find = async { way.clone().find().await.map_err(or_inline) };
    // What the function will say is guessed, so that reading need not wait for it.
    let guess = shape::kind(choices, None, lines)
        .and_then(|kind| shape::columns(choices, kind))
        .unwrap_or(Columns::All);
    let reader = Reader::new(global, recipe, quiet);
    let (target, said, (source, data)) = tokio::try_join!(find, describe, reader.first(&guess))?;
    let (kind, columns) = decided(choices, said.as_ref(), lines)?;
    let data = if columns == guess {
        data
    } else {
        reader.collect(&source, &columns).await?
    };
    let format = shape::format(choices, said.as_ref(), kind);
    Ok(Ready {
        target,
        data: Arc::new(data),
        shape: Shape { item: kind, format },
        recipe: recipe.clone(),
        began,
    })
}

fn decided(
    choices: &crate::args::Choices,
    said: Option<&Description>,
    lines: bool,
) -> Result<(map::options::ItemKind, Columns), Failure> {
    let kind = shape::kind(choices, said, lines)?;
    Ok((kind, shape::columns(choices, kind)?))
}

fn input_format(recipe: &Recipe) -> Option<FileFormat> {
    let named = recipe.choices.input_format.map(FileFormat::from);
    named.or_else(|| FileFormat::of_name(&recipe.input))
}

/// Each invocation that is under way needs a connection.
fn allow_many_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it, fewer may be under way at once.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

impl Ready {
    /// The place of an id among the sorted ones.
    pub fn rank_of(&self, id: &str) -> Result<u32, Failure> {
        let ranks = self.ranks_of(&[id.to_owned()]);
        ranks.first().copied().ok_or_else(|| {
            Failure::mistake(format!("{} has no item {id:?}", self.recipe.shown_input()))
        })
    }

    fn ranks_of(&self, ids: &[String]) -> Vec<u32> {
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let ranks = (0..).zip(0..self.data.len());
        ranks
            .filter(|(_, place)| wanted.contains(self.data.ids.shown(*place).as_str()))
            .map(|(rank, _)| rank)
            .collect()
    }

    /// The job as the map runs it.
    pub fn job(&self, only: Option<Vec<u32>>) -> Job {
        let choices = &self.recipe.choices;
        let options = Options {
            function: self.target.way.name.clone(),
            qualifier: self.target.way.qualifier.clone(),
            item: self.shape.item,
            format: self.shape.format,
            chunk: match choices.chunksize {
                None | Some(ChunkArg::Auto) => ChunkSize::Auto,
                Some(ChunkArg::Items(items)) => ChunkSize::Items(NonZeroU32::from(items)),
            },
            width: self.target.width(choices.concurrency),
            retries: choices.retries.unwrap_or(RETRIES),
            backup_after: match choices.backup_after {
                None => Some(BACKUP_AFTER),
                Some(BackupArg::Off) => None,
                Some(BackupArg::After(times)) => Some(times),
            },
            on_error: match choices.on_error {
                None | Some(OnErrorArg::Stop) => OnError::Stop,
                Some(OnErrorArg::Collect) => OnError::Collect,
            },
            max_time: choices.max_time.map(Duration::from_secs),
            max_cost: choices.max_cost,
        };
        Job {
            options,
            data: Arc::clone(&self.data),
            memory_mb: self.target.function.memory_size,
            arm: self.target.function.is_arm(),
            most_payload: MOST_PAYLOAD,
            only,
        }
    }

    pub fn bucket(&self) -> Option<String> {
        self.recipe.choices.bucket.clone()
    }

    async fn run(self, global: &Global, run: Run) -> Result<(), Failure> {
        let id = run.journal.id().cloned();
        let cancel: CancellationToken = interrupt::watch();
        let watch = Arc::new(Watch::new(run.quiet || global.json));
        let seen = Arc::clone(&watch);
        let exchange = self.target.exchange(self.bucket());
        let (invoke, job) = (self.target.way.invoke(), self.job(run.only));
        let see = move |progress: &map::stats::Progress| seen.see(progress);
        let finished = map::run::run(invoke, exchange, job, run.journal, cancel, see).await;
        watch.clear();
        let finished = finished.map_err(|error| self.broken_off(error, id.as_ref()))?;
        // Where only what had failed was run, others may never have been.
        let without = self.data.len() as u64 - finished.progress.items;
        if finished.end == End::Complete && without == 0 {
            self.write(&finished, run.output.as_deref())?;
        }
        if let Some(path) = &run.failed {
            sink::put(Some(path), |mut out| {
                write_failures(&self.data, &finished.failures, &mut out)
            })?;
        }
        let told = report::Told {
            job: id.clone(),
            function: self.target.way.name.as_str(),
            data: &self.data,
            finished: &finished,
            elapsed: self.began.elapsed(),
            lists_failed: run.failed.is_some(),
        };
        report::finish(global.json, run.quiet, &told)?;
        match id {
            Some(id) if without > 0 => Err(report::not_whole(without, &id)),
            _ => Ok(()),
        }
    }

    /// The job ended for a reason that is not the function's.
    pub fn broken_off(&self, error: RunError, job: Option<&JobId>) -> Failure {
        match error {
            RunError::Data(error) => source::bad_data(self.recipe.shown_input(), error),
            RunError::Journal(_) => {
                let failure = Failure::new(Kind::Mistake, error);
                match job {
                    Some(job) => failure.hint(format!(
                        "make room on the disk, then go on with: squall map --resume {job}"
                    )),
                    None => failure,
                }
            }
        }
    }

    fn write(&self, finished: &Finished, output: Option<&str>) -> Result<(), Failure> {
        let choices = &self.recipe.choices;
        let value = choices.value.as_deref().unwrap_or(VALUE);
        let table = Table::new(&self.data, value, &finished.results)
            .map_err(|error| Failure::new(Kind::Function, error))?;
        sink::table(output, &table, sink::format(choices, output))
    }
}

/// Brings the shelf of an item into memory. Reads.
pub fn find(data: &Collected, rank: u32) -> Result<(Arc<Shelf>, u32), science::Error> {
    for index in 0..data.shelves() {
        let shelf = data.shelf(index)?;
        if let Ok(place) = shelf.ranks.binary_search(&rank) {
            let place = u32::try_from(place).expect("a shelf has no more places than ranks");
            return Ok((shelf, place));
        }
    }
    unreachable!("every rank is on a shelf")
}
