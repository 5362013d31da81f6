//! What can be asked on the command line.

mod alerts;
mod completions;
mod deploy;
mod dev;
mod engine;
mod init;
mod jobs;
mod keys;
mod layer;
mod map;
mod model;
mod objects;
mod openapi;
mod package;
mod routes;
mod secrets;
mod share;

pub use alerts::{AddAlertArgs, AlertsAction, AlertsArgs, TopArgs};
pub use completions::CompletionsArgs;
pub use deploy::{
    DeployArgs, DiffArgs, PackagingArgs, PlaceArg, ProjectArgs, RollbackArgs, StatusArgs,
    UndeployArgs, UpdateArgs,
};
pub use dev::DevArgs;
pub use engine::{
    ClockAction, ClockArgs, CostArgs, EventsArgs, SchedulesAction, SchedulesArgs, StoreAction,
    StoreArgs,
};
pub use init::InitArgs;
pub use jobs::{JobsAction, JobsArgs, PruneArgs, ReplayArgs, RerunArgs};
pub use keys::{KeysAction, KeysArgs, PlanBounds, PlansAction, PlansArgs, UsageArgs};
pub use layer::{LayerAction, LayerArgs, LayerBuildArgs};
pub use map::{
    BackupArg, Choices, ChunkArg, FormatArg, ItemArg, MapArgs, MapTarget, OnErrorArg, PayloadArg,
};
pub use model::{
    CompareArgs, FitArgs, IntervalArg, LinregressArgs, ModelAction, ModelArgs, PredictArgs,
    ScaleArg, ServeArgs, ShowArgs,
};
pub use objects::{CpArgs, LsArgs, MbArgs, ObjectArgs, RbArgs, RmArgs, SyncArgs};
pub use openapi::OpenapiArgs;
pub use package::PackageArgs;
pub use routes::{AddRouteArgs, RoutesAction, RoutesArgs};
pub use secrets::{SecretsAction, SecretsArgs};
pub use share::ShareArgs;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use server::{ClockKind, Durability, Isolation};
use types::{AccountId, Region};

/// A serverless engine for data science that speaks AWS wire protocols.
#[derive(Debug, Parser)]
#[command(
    name = "squall",
    version,
    max_term_width = 100,
    subcommand_required = true,
    after_help = "\
Examples:
  squall init lab -t csv-features    begin a project in a folder lab
  squall up                          start an engine in this directory
  squall deploy                      bring the project of this directory to it
  eval \"$(squall env)\"               let boto3 and the aws CLI in this shell use it
  squall functions                   list what is deployed
  squall invoke fit -d '{\"x\": [1]}'  run a function
  squall logs fit -f                 follow its log
  squall mb lake                     make a bucket
  squall cp data.csv s3://lake/raw/  put a file into it
  squall events                      see what that set off

Exit codes: 0 well, 1 the function failed or damage was found, 2 a mistake in what
was asked, 3 refused by a limit, 4 some items of a map failed, 5 a map stopped early,
70 a bug of Squall, 130 ended by Ctrl-C."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads a command line, the program's name first.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words)?;
        let read = Self::from_arg_matches(&matches);
        let mut cli = read.map_err(|error| error.format(&mut command))?;
        cli.global.data_named = matches.value_source("data") == Some(ValueSource::CommandLine);
        Ok(cli)
    }
}

/// So that they do not stand between a command's own options.
const COMMON: &str = "Common options";

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Data directory of the engine
    #[arg(
        long,
        global = true,
        env = "SQUALL_DATA",
        default_value = server::DEFAULT_DATA,
        value_name = "DIR",
        hide_env_values = true,
        help_heading = COMMON
    )]
    pub data: PathBuf,
    /// Whether the command line names it: then no variable means another engine.
    #[arg(skip)]
    pub data_named: bool,
    /// AWS endpoint to call instead of the engine of the data directory; without it and
    /// --data, AWS_ENDPOINT_URL
    #[arg(long, global = true, value_name = "URL", help_heading = COMMON)]
    pub endpoint: Option<String>,
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = COMMON)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a project
    Init(InitArgs),
    /// Start an engine
    Up(UpArgs),
    /// Print the variables that let AWS clients find the engine
    ///
    /// Use it as: eval "$(squall env)"
    Env,
    /// Bring a project to the engine or to AWS, as squall.toml has it
    Deploy(DeployArgs),
    /// Deploy the project again whenever a file is saved, and show what happens
    Dev(DevArgs),
    /// Bring only code and settings of functions up to date: fast
    Update(UpdateArgs),
    /// Show what a deployment would change
    Diff(DiffArgs),
    /// Build the packages of functions, and show what is in them
    Package(PackageArgs),
    /// Build layers with languages that AWS does not have
    Layer(LayerArgs),
    /// Show what of a project is there, and which release answers
    Status(StatusArgs),
    /// Let an earlier release answer again
    Rollback(RollbackArgs),
    /// Remove all that deployments of a project made
    Undeploy(UndeployArgs),
    /// Set, list or remove secrets of a project
    Secrets(SecretsArgs),
    /// Make, list, rotate or revoke API keys for calls of routes
    Keys(KeysArgs),
    /// Print a link by which others get a result, for a while
    Share(ShareArgs),
    /// Print the OpenAPI document of an API
    Openapi(OpenapiArgs),
    /// Bound what keys may call: usage plans
    Plans(PlansArgs),
    /// Show what was called with which key, and what it would cost
    Usage(UsageArgs),
    /// Watch what happens: requests, functions, jobs
    Top(TopArgs),
    /// Be told when something is wrong
    Alerts(AlertsArgs),
    /// Run a function once
    #[command(after_help = "\
Examples:
  squall invoke fit -d '{\"x\": [1, 2, 3]}'
  squall invoke fit -d @event.json --tail
  cat event.json | squall invoke fit -d -
  squall invoke fit --qualifier live
  squall invoke fit -d @night.json --async

The answer goes to stdout, everything else to stderr. Exit code 1 means that the
function ran and failed.")]
    Invoke(InvokeArgs),
    /// Group a data set by id, and compute a function of each group
    Map(MapArgs),
    /// Fit models, and predict by them, without R
    Model(ModelArgs),
    /// List jobs: maps that run and that ran
    Jobs(JobsArgs),
    /// Run one item of a job again, and show what happens
    Replay(ReplayArgs),
    /// Show a function's log, or the requests of the gateway
    #[command(after_help = "\
Examples:
  squall logs fit                 the last hour
  squall logs fit --since 2d      the last two days
  squall logs fit -f              from now on, until Ctrl-C
  squall logs --access --status 5xx
                                  requests of the gateway that went wrong
  squall logs --request ID        a request, and all that was done for it")]
    Logs(LogsArgs),
    /// List instances and templates: what runs, and what it takes
    Ps,
    /// List functions
    Functions,
    /// Copy files and objects
    Cp(CpArgs),
    /// Make a folder or prefix like another, moving only what differs
    Sync(SyncArgs),
    /// List buckets, folders and objects
    Ls(LsArgs),
    /// Remove objects
    Rm(RmArgs),
    /// Make a bucket
    Mb(MbArgs),
    /// Remove a bucket
    Rb(RbArgs),
    /// List, make or remove routes: where tables are sent to be mapped
    Routes(RoutesArgs),
    /// List schedules, or run one now
    Schedules(SchedulesArgs),
    /// Show recent events and what they set off
    Events(EventsArgs),
    /// Tell what AWS would have charged for what ran here
    Cost(CostArgs),
    /// Show the time of schedules, or move it on
    Clock(ClockArgs),
    /// Look after the data directory
    Store(StoreArgs),
    /// Look at this machine: isolation, limits, interpreters
    Doctor,
    /// Print what lets a shell complete commands
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall up
  squall up --data /srv/squall --api 0.0.0.0:4566
  squall up --gateway-tls 127.0.0.1:8443                     https beside http
  squall up --json --api 127.0.0.1:0 --gateway 127.0.0.1:0   for scripts: free ports,
                                                            the first line says which

The first start makes an access key pair and keeps it in the data directory. More
settings: engine.toml in the data directory, or SQUALL_* variables; see docs/settings.md.")]
pub struct UpArgs {
    /// Address of the AWS endpoint; port 0 takes a free one [default: 127.0.0.1:4566]
    #[arg(long, value_parser = server::parse_address, value_name = "ADDRESS")]
    pub api: Option<SocketAddr>,
    /// Address of the gateway: routes, function URLs, websites [default: 127.0.0.1:8080]
    #[arg(long, value_parser = server::parse_address, value_name = "ADDRESS")]
    pub gateway: Option<SocketAddr>,
    /// Address that serves the same over TLS, with a certificate of its own unless
    /// engine.toml names one [default: off]
    #[arg(long, value_parser = server::parse_address, value_name = "ADDRESS")]
    pub gateway_tls: Option<SocketAddr>,
    /// Region in all ARNs [default: us-east-1]
    #[arg(long)]
    pub region: Option<Region>,
    /// Account number in all ARNs [default: 000000000000]
    #[arg(long)]
    pub account: Option<AccountId>,
    /// Walls around functions [default: auto]
    #[arg(long, value_enum)]
    pub isolation: Option<IsolationArg>,
    /// What an acknowledged write survives [default: full]
    #[arg(long, value_enum)]
    pub durability: Option<DurabilityArg>,
    /// What schedules go by: the system's clock, or one that `squall clock` moves [default: system]
    #[arg(long, value_enum)]
    pub clock: Option<ClockArg>,
    /// What to log: a level, or a filter such as info,access=debug
    #[arg(
        long,
        env = "SQUALL_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log_level: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum IsolationArg {
    /// Namespaces, seccomp and limits
    Auto,
    /// Plain processes: only for code you trust
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DurabilityArg {
    /// A power loss
    Full,
    /// A killed engine, but not a power loss
    Relaxed,
}

impl From<IsolationArg> for Isolation {
    fn from(arg: IsolationArg) -> Self {
        match arg {
            IsolationArg::Auto => Self::Auto,
            IsolationArg::None => Self::None,
        }
    }
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Full => Self::Full,
            DurabilityArg::Relaxed => Self::Relaxed,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ClockArg {
    /// Time passes by itself
    System,
    /// Time stands still until it is moved, for tests
    Manual,
}

impl From<ClockArg> for ClockKind {
    fn from(arg: ClockArg) -> Self {
        match arg {
            ClockArg::System => Self::System,
            ClockArg::Manual => Self::Manual,
        }
    }
}

#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// Name of the function, NAME:QUALIFIER, or its ARN
    pub name: String,
    /// The event: JSON, @FILE, or - for stdin
    #[arg(short = 'd', long, default_value = "{}", value_name = "JSON|@FILE|-")]
    pub payload: String,
    /// Version or alias
    #[arg(long)]
    pub qualifier: Option<String>,
    /// Queue the event and return at once
    #[arg(long = "async", conflicts_with = "tail")]
    pub asynchronous: bool,
    /// Show the end of the invocation's log on stderr
    #[arg(long)]
    pub tail: bool,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Name of the function, or of a log group that begins with /
    #[arg(required_unless_present_any = ["access", "request"], conflicts_with_all = ["access", "request"])]
    pub name: Option<String>,
    /// Show the requests that the gateway answered
    #[arg(long, conflicts_with = "request")]
    pub access: bool,
    /// Show one request: its line, what its functions wrote, the chunks of its map; of a
    /// job its chunks
    #[arg(long, value_name = "ID", conflicts_with_all = ["follow", "since"])]
    pub request: Option<String>,
    /// Only answers with this status, such as 404 or 5xx
    #[arg(long, requires = "access")]
    pub status: Option<String>,
    /// Only requests of this route, such as "GET /items/{id}" or /items/{id}
    #[arg(long, requires = "access")]
    pub route: Option<String>,
    /// Go on showing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// How far back, such as 30s, 10m, 2h, 1d, or a time such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_data_directory_is_named_by_the_command_line_alone() {
        for (line, named) in [
            ("squall functions", false),
            ("squall --data x functions", true),
            ("squall secrets list --data x", true),
        ] {
            let words = line.split(' ').map(OsString::from);
            assert_eq!(Cli::read(words).unwrap().global.data_named, named, "{line}");
        }
    }

    #[test]
    fn common_spellings_are_read() {
        for line in [
            "squall up --json --api 127.0.0.1:0 --gateway localhost:0",
            "squall up --data /tmp/x --isolation none --durability relaxed",
            "squall --json functions",
            "squall init",
            "squall init lab -t pipeline --name lab --yes --json",
            "squall init --schema",
            "squall functions --json --data /tmp/x",
            "squall invoke f -d {} --tail",
            "squall invoke f -d @event.json --async",
            "squall invoke f:live -d -",
            "squall logs f -f --since 10m",
            "squall up --clock manual",
            "squall cp data.csv s3://lake/raw/ --content-type text/csv --parallel 4",
            "squall cp -r . s3://lake --exclude .git --exclude *.tmp --include *.csv --json",
            "squall cp - s3://lake/a",
            "squall sync data s3://lake/data --delete -n",
            "squall ls",
            "squall ls -r lake/raw",
            "squall rm lake/a",
            "squall rm -r lake/a --dry-run -y",
            "squall mb lake",
            "squall rb lake --force",
            "squall schedules",
            "squall schedules --json",
            "squall schedules run nightly",
            "squall routes",
            "squall routes ls --json",
            "squall routes add / --map f --by id --value v --item list --set chunksize=5",
            "squall routes rm /",
            "squall cost --since 7d --stage prod --json",
            "squall cost --all",
            "squall layer build r",
            "squall layer build r --packages a,b.c --out r.zip --fresh --no-test --json",
            "squall package",
            "squall package fit clean --explain --slim --to aws -o out --json",
            "squall clock advance 1h",
            "squall secrets",
            "squall secrets --stage prod --to aws",
            "squall secrets set TOKEN --stage prod --project p",
            "squall secrets list --json",
            "squall secrets rm A B -y",
            "squall events -n 5 -f",
            "squall store check --json",
            "squall completions fish",
            "squall jobs",
            "squall jobs -n 5 --json",
            "squall jobs show j-7f3k2m --json",
            "squall jobs cancel j-7f3k2m",
            "squall jobs rerun-failed j-7f3k2m -o out.csv",
            "squall jobs prune --older-than 30d --size 500MB",
            "squall replay j-7f3k2m -17",
            "squall map sum data.csv --by id --value value --to inline -o out.csv --json",
            "squall map q0.9 - --by id --value v --memory 512MB --parallel 2 -q",
            "squall map f:live s3://b/k.parquet --by id --item frame --chunksize auto",
            "squall map f x.csv --by id --value v --chunksize 5 --payload zlib --backup-after off",
            "squall map f x.csv --on-error collect --failed bad.csv --max-cost $2 --max-time 1h",
            "squall map f x.csv --by id --value v --plan --to aws",
            "squall map --resume j-7f3k2m --max-cost 3",
        ] {
            let read = Cli::try_parse_from(line.split(' '));
            assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "squall",
            "squall up --api here",
            "squall up --region nowhere",
            "squall up --account 12",
            "squall invoke",
            "squall init --schema --templates",
            "squall invoke f --async --tail",
            "squall cp a",
            "squall cp a b --parallel 0",
            "squall sync a",
            "squall rm",
            "squall mb",
            "squall store",
            "squall map sum",
            "squall map sum data.csv --resume j-7f3k2m",
            "squall map f data.csv --chunksize 0",
            "squall map f data.csv --max-time soon",
            "squall map sum data.csv --by id --value v --to nowhere",
            "squall layer build",
            "squall layer build python",
            "squall routes add /",
            "squall routes add / --map f --set chunksize",
            "squall jobs prune",
            "squall jobs prune --older-than soon",
            "squall jobs show",
            "squall replay j-7f3k2m",
            "squall cost --all --stage prod",
            "squall clock advance",
            "squall secrets set",
            "squall secrets set TOKEN value",
            "squall secrets --stage prod set TOKEN",
            "squall secrets rm",
            "squall up --clock sundial",
            "squall completions",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
