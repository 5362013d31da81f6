//! Arguments of the commands about jobs.

use clap::{Args, Subcommand};

use super::map::size;
use crate::span;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  squall jobs                           the last 20 jobs, and how far they are
  squall jobs show j-7f3k2m             one of them, and what failed in it
  squall jobs cancel j-7f3k2m           stop it; what is finished is kept
  squall jobs rerun-failed j-7f3k2m     run the items that failed once more
  squall map --resume j-7f3k2m          go on with a job that ended early
  squall replay j-7f3k2m 17             run the item with the id 17 alone
  squall jobs prune --older-than 30d

States: waiting, running, complete (items may have failed), stopped (at an item that
failed), cancelled, out-of-time, out-of-money, failed (it could not go on), interrupted
(its process was killed, or the machine was)."
)]
pub struct JobsArgs {
    #[command(subcommand)]
    pub action: Option<JobsAction>,
    /// How many
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20)]
    pub number: usize,
}

#[derive(Debug, Subcommand)]
pub enum JobsAction {
    /// Show a job, and what failed in it
    Show {
        /// Such as j-7f3k2m
        job: String,
    },
    /// Stop a job, whichever process runs it
    Cancel {
        /// Such as j-7f3k2m
        job: String,
    },
    /// Run the items that failed once more, and write the whole result
    RerunFailed(RerunArgs),
    /// Take old jobs and results out of the book
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub struct RerunArgs {
    /// Such as j-7f3k2m
    pub job: String,
    /// Where the result goes; without it, where the job had it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// A CSV of the items that fail again, and why
    #[arg(long, value_name = "FILE")]
    pub failed: Option<String>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[group(id = "limits", required = true, multiple = true)]
#[command(after_help = "\
Jobs that run lose nothing. Beyond 1,000 jobs, and 2 GB of results, the oldest go by
themselves; results of jobs that may be gone on with do not, unless --unfinished says so.")]
pub struct PruneArgs {
    /// Jobs that ended before, and results that nobody asked for since, such as 12h or 30d
    #[arg(long, value_name = "TIME", value_parser = seconds, group = "limits")]
    pub older_than: Option<u64>,
    /// Results until they take no more than this, such as 500MB; those used least lately first
    #[arg(long, value_name = "SIZE", value_parser = size, group = "limits")]
    pub size: Option<u64>,
    /// All but the latest N jobs
    #[arg(long, value_name = "N", group = "limits")]
    pub keep: Option<usize>,
    /// Also results of jobs that might have been gone on with
    #[arg(long)]
    pub unfinished: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  squall replay j-7f3k2m 17

The input of the item and the log of the function go to stderr, the result to stdout.
Nothing is kept. Exit code 1 means that the function failed.")]
pub struct ReplayArgs {
    /// The job that the item belongs to
    pub job: String,
    /// The item's id, as in the result
    #[arg(allow_hyphen_values = true)]
    pub id: String,
}

fn seconds(text: &str) -> Result<u64, String> {
    span::seconds(text).ok_or_else(|| "use a time such as 12h, 30d or 1d12h".to_owned())
}
