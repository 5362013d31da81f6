//! Arguments of `squall keys`, `squall plans` and `squall usage`.

use clap::{Args, Subcommand};

use super::{PlaceArg, ProjectArgs};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  squall keys create --name page                    for all routes that ask for a key
  squall keys create --name lab --route /admission --expires 90d
  squall keys create --name ci --json | jq -r .key
  squall keys                                       names, never the keys themselves
  squall keys rotate page --overlap 24h             a new one; the old one lives a day longer
  squall keys revoke page
  squall keys create --name page --to aws --stage prod

A call brings its key in the header x-api-key. Routes ask for one if squall.toml says
key = true. A key is shown once, when it is made: what is kept is its hash alone. With
--to aws keys are those of a stage of the project, and end some seconds after they are
revoked."
)]
pub struct KeysArgs {
    #[command(subcommand)]
    pub action: Option<KeysAction>,
    #[command(flatten)]
    pub project: ProjectArgs,
}

impl KeysArgs {
    /// Whose keys are meant.
    pub fn place(&self) -> &ProjectArgs {
        match &self.action {
            None => &self.project,
            Some(
                KeysAction::Create { project, .. }
                | KeysAction::List { project }
                | KeysAction::Rotate { project, .. }
                | KeysAction::Revoke { project, .. },
            ) => project,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Make a key, and show it this once
    Create {
        /// By which you know it again
        #[arg(long)]
        name: String,
        /// Only for this route, by its path in squall.toml; may be repeated
        #[arg(long, value_name = "PATH")]
        route: Vec<String>,
        /// Only for this API, or one stage of it; may be repeated
        #[arg(long, value_name = "API[/STAGE]")]
        api: Vec<String>,
        /// For how long, such as 12h or 90d; else until it is revoked
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// List keys, without the keys themselves
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// Make a key in the place of another one
    Rotate {
        /// The key's name or id
        key: String,
        /// How long the old one is still good
        #[arg(long, value_name = "TIME", default_value = "0s")]
        overlap: String,
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// Let a key no longer in
    #[command(alias = "rm")]
    Revoke {
        /// Names or ids
        #[arg(required = true)]
        keys: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        project: ProjectArgs,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall plans create --name free --api r-model-dev --rate 5 --burst 10 --quota 1000/month
  squall plans add free page                   the key `page` calls under the plan
  squall plans                                 what there is
  squall plans set free --quota 5000/month
  squall plans remove free page
  squall plans rm free

A plan bounds what each of its keys may call: so many calls a second, so many at once, so
many a day, week or month. What is over is answered with 429. A key that is in no plan has
no bounds; one that is in a plan calls the APIs of its plans alone.")]
pub struct PlansArgs {
    #[command(subcommand)]
    pub action: Option<PlansAction>,
    /// The engine; on AWS there are no plans
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "local",
        value_name = "PLACE"
    )]
    pub to: PlaceArg,
}

#[derive(Debug, Subcommand)]
pub enum PlansAction {
    /// Make a plan
    Create {
        /// By which you know it again
        #[arg(long)]
        name: String,
        #[command(flatten)]
        bounds: PlanBounds,
    },
    /// Change a plan
    Set {
        /// The plan's name or id
        plan: String,
        #[command(flatten)]
        bounds: PlanBounds,
    },
    /// List plans
    #[command(alias = "ls")]
    List,
    /// Put a key into a plan
    Add {
        /// The plan's name or id
        plan: String,
        /// The key's name or id
        key: String,
    },
    /// Take a key out of a plan
    Remove {
        /// The plan's name or id
        plan: String,
        /// The key's name or id
        key: String,
    },
    /// Delete a plan; its keys stay
    Rm {
        /// The plan's name or id
        plan: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct PlanBounds {
    /// An API, or one stage of it, that the plan is for; may be repeated
    #[arg(long, value_name = "API[/STAGE]")]
    pub api: Vec<String>,
    /// Calls in a second
    #[arg(long, value_name = "NUMBER")]
    pub rate: Option<f64>,
    /// Calls at once; else as many as in a second
    #[arg(long, value_name = "NUMBER")]
    pub burst: Option<u32>,
    /// Calls in a day, week or month, such as 1000/day
    #[arg(long, value_name = "NUMBER/PERIOD")]
    pub quota: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall usage                   by key, of the last 30 days
  squall usage --key page --by-day
  squall usage --since 7d --json

What is counted are calls of routes that ask for a key. The cost is what AWS would ask for
the functions that ran for them.")]
pub struct UsageArgs {
    /// The key's name or id
    #[arg(long)]
    pub key: Option<String>,
    /// How far back, such as 12h, 7d or 30d; whole days, in UTC
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: String,
    /// A line for each day
    #[arg(long)]
    pub by_day: bool,
    /// The engine; on AWS nothing is counted by key
    #[arg(long, value_enum, default_value = "local", value_name = "PLACE")]
    pub to: PlaceArg,
}
