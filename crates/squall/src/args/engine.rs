//! Arguments of the commands about schedules, events, the clock and the store.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  squall schedules                when which function runs next
  squall schedules run nightly    run it now, whenever it is due

Rules with a schedule (EventBridge) and schedules (EventBridge Scheduler) are listed
together; make them with boto3 or the aws CLI (events put-rule, scheduler
create-schedule)."
)]
pub struct SchedulesArgs {
    #[command(subcommand)]
    pub action: Option<SchedulesAction>,
}

#[derive(Debug, Subcommand)]
pub enum SchedulesAction {
    /// Run the targets of a rule or schedule now
    Run {
        /// Name of the rule or schedule
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall clock                what time it is for schedules
  squall clock advance 1h     an hour passes at once; what is due in it runs
  squall clock advance 1d12h

Only an engine started with --clock manual lets its time be moved; it stands still
otherwise. With it, tests of schedules need not wait.")]
pub struct ClockArgs {
    #[command(subcommand)]
    pub action: Option<ClockAction>,
}

#[derive(Debug, Subcommand)]
pub enum ClockAction {
    /// Move the time on; answers when all that became due was accepted
    Advance {
        /// Such as 30s, 10m, 1h, 2d or 1h30m
        #[arg(value_name = "TIME")]
        by: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall events          the last 20, and what they did
  squall events -n 100
  squall events -f       as they come, until Ctrl-C

States: waiting, running, retrying, done, failed; refused (the function's policy does
not let the source invoke it), looped (stopped because a function triggers itself),
no target (nothing was to be done).")]
pub struct EventsArgs {
    /// How many
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20)]
    pub number: u32,
    /// Go on showing what comes, and what becomes of it
    #[arg(short, long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall cost                 the project of this folder, the last 30 days
  squall cost --since 1d
  squall cost --all           everything that this engine ran

Time, memory and requests are those that were recorded here, by AWS's prices of the day
that is shown. Transfer is reckoned as if all answers went out of AWS, storage by what
buckets hold now. What AWS gives for free each month is not taken off.")]
pub struct CostArgs {
    /// How far back, such as 12h, 7d or 30d
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: String,
    /// Stage of the project
    #[arg(long, value_name = "STAGE", conflicts_with = "all")]
    pub stage: Option<String>,
    /// Everything of the engine, not only the project of this folder
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    pub action: StoreAction,
}

#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// Compare every object with its checksum, and look for files without an object
    ///
    /// It reads all bytes. A running engine does it itself and goes on serving;
    /// else the data directory is read. Exit code 1 means that damage was found.
    Check,
}
