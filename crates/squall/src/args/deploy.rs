//! Arguments of the commands about a whole project: where it is, and where it goes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which project, and to which cloud.
#[derive(Debug, Clone, Args)]
pub struct ProjectArgs {
    /// Folder of the project: where squall.toml is, or the code
    #[arg(long = "project", default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Stage of the project, such as dev or prod [default: what squall.toml says, else dev]
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// The engine of the data directory, or AWS
    #[arg(long, value_enum, default_value = "local", value_name = "PLACE")]
    pub to: PlaceArg,
    /// Profile of the AWS configuration, for --to aws
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Region, for --to aws
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlaceArg {
    /// The engine of the data directory, or of --endpoint
    Local,
    /// AWS, found as the aws CLI finds it; AWS_ENDPOINT_URL counts
    Aws,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall deploy                      to the engine of this directory
  squall deploy --stage prod
  squall deploy --to aws --profile work --region eu-central-1
  squall diff                        only see what would change

Made, changed and removed is what differs from squall.toml; a second deployment does
nothing. Interrupted, the next one goes on. The new code answers last, all at once.")]
pub struct DeployArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Do not ask before something is removed
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub package: PackagingArgs,
}

/// How packages are built.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PackagingArgs {
    /// Drop what is never opened, also where squall.toml does not say slim = true
    #[arg(long)]
    pub slim: bool,
    /// Do not start the code once before it is uploaded
    #[arg(long)]
    pub no_test: bool,
    /// Resolve requirements again, though they did not change
    #[arg(long)]
    pub fresh: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall update                  code and settings of all functions
  squall update clean fit        of these

Buckets, routes, schedules and permissions are left as they are: squall deploy.")]
pub struct UpdateArgs {
    /// Functions, as squall.toml names them [default: all]
    #[arg(value_name = "FUNCTION")]
    pub functions: Vec<String>,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub package: PackagingArgs,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub package: PackagingArgs,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall rollback        to the release that answered before
  squall rollback 7      to release 7; squall status lists those that are kept

Nothing is built or removed: the aliases of the functions move, at once. It takes code
and settings of functions back, not buckets, routes and schedules.")]
pub struct RollbackArgs {
    /// Number of the release [default: the one that answered before]
    #[arg(value_name = "N")]
    pub release: Option<u32>,
    #[command(flatten)]
    pub project: ProjectArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall undeploy
  squall undeploy --keep-data      buckets with their objects, secrets and logs stay
  squall undeploy --stage prod -y

Removed is what carries the tags of project and stage, and nothing else.")]
pub struct UndeployArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Leave buckets with their objects, secrets and logs
    #[arg(long)]
    pub keep_data: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}
