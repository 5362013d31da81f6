//! `squall map`: a data set in, one result for each id out.
//!
//! Reading order: [`recipe`] is what was asked, as it is kept with the job;
//! [`source`] opens the input and [`reader`] makes items of it, [`target`] finds the
//! function and what is known of it, [`shape`] decides how items look; [`fan_out`]
//! brings them together in a job, [`plan`] only says what one would take, and
//! [`inline`] does without functions. [`watch`] shows progress, [`sink`] writes
//! results, [`report`] says at the end what came of it, in [`figures`].

mod fan_out;
mod figures;
mod inline;
mod interrupt;
mod plan;
mod reader;
mod recipe;
mod report;
mod shape;
mod sink;
pub mod source;
mod target;
mod watch;

use std::sync::Arc;

use science::items::{Collected, Shelf};
use store::jobs::{JobBook, JobId};

use crate::args::{Global, MapArgs, MapTarget};
use crate::client;
use crate::failure::{Failure, Kind};

pub use fan_out::MOST_PAYLOAD;
pub use recipe::Recipe;
pub use report::{broken, quoted};
pub use target::Target;

/// Whose recipes are ours, in the book of jobs.
pub const MAKER: &str = "map";

/// A job of the book, once more.
#[derive(Debug)]
pub struct Again {
    pub job: JobId,
    pub only: Only,
    /// Instead of where the recipe has it.
    pub output: Option<String>,
    pub failed: Option<String>,
    pub fresh: bool,
    pub quiet: bool,
}

/// Which items are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// Those of which no result is known.
    Missing,
    /// Of those, the ones with these ids, as they are shown.
    Failed(Vec<String>),
}

pub fn run(global: &Global, args: MapArgs) -> Result<(), Failure> {
    if args.choices.to == Some(MapTarget::Inline) {
        return inline::run(global, &args);
    }
    client::block_on_threads(fanned_out(global, args))
}

async fn fanned_out(global: &Global, args: MapArgs) -> Result<(), Failure> {
    let Some(job) = &args.resume else {
        let recipe = Recipe::new(global, &args)?;
        if args.plan {
            return Box::pin(plan::run(global, recipe, &args)).await;
        }
        return Box::pin(fan_out::first(global, recipe, &args)).await;
    };
    let (job, recipe) = kept(global, job)?;
    let recipe = Recipe {
        choices: args.choices.or(recipe.choices),
        ..recipe
    };
    let again = Again {
        job,
        only: Only::Missing,
        output: args.output,
        failed: args.failed,
        fresh: args.fresh,
        quiet: args.quiet,
    };
    Box::pin(run_again(global, recipe, again)).await
}

/// Goes on with a job of the book, or takes up what failed of it.
pub async fn run_again(global: &Global, recipe: Recipe, again: Again) -> Result<(), Failure> {
    Box::pin(fan_out::again(global, recipe, again)).await
}

/// A job of the book and how it was asked for.
pub fn kept(global: &Global, id: &str) -> Result<(JobId, Recipe), Failure> {
    let id: JobId = id
        .parse()
        .map_err(|error| Failure::mistake(error).hint("squall jobs lists them"))?;
    let book = book(global)?;
    let job = book
        .find(&id)
        .map_err(|error| Failure::new(Kind::Mistake, error).hint("squall jobs lists them"))?;
    if job.maker != MAKER {
        return Err(Failure::mistake(format!(
            "job {id} was not made by squall map but came over the gateway"
        ))
        .hint(format!("squall jobs show {id} says how far it is")));
    }
    let recipe = Recipe::read(&job.recipe)?;
    Ok((id, recipe))
}

/// The book of jobs, in the data directory.
pub fn book(global: &Global) -> Result<Arc<JobBook>, Failure> {
    JobBook::open(&global.data).map_err(|error| {
        let error = anyhow::Error::new(error)
            .context(format!("cannot open the jobs in {}", global.data.display()));
        Failure::new(Kind::Mistake, error)
            .hint("name another data directory: --data DIR; or keep nothing: --no-journal")
    })
}

/// One item of a recipe's input, to run it alone.
#[derive(Debug)]
pub struct OneItem {
    pub target: Target,
    pub data: Arc<Collected>,
    pub shelf: Arc<Shelf>,
    /// Where it stands in the shelf.
    pub place: u32,
    pub shape: map::payload::Shape,
}

/// Finds an item by its id as it is shown.
pub async fn item_of(
    global: &Global,
    recipe: &Recipe,
    id: &str,
    quiet: bool,
) -> Result<OneItem, Failure> {
    let ready = fan_out::prepare(global, recipe, quiet).await?;
    let data = Arc::clone(&ready.data);
    let rank = ready.rank_of(id)?;
    let found = tokio::task::spawn_blocking(move || fan_out::find(&data, rank))
        .await
        .map_err(|error| Failure::from(anyhow::anyhow!(error)))?;
    let (shelf, place) = found.map_err(|error| Failure::mistake(error.to_string()))?;
    Ok(OneItem {
        shape: ready.shape,
        target: ready.target,
        data: ready.data,
        shelf,
        place,
    })
}
