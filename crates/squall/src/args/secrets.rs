//! Arguments of `squall secrets`.

use clap::{Args, Subcommand};

use super::ProjectArgs;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  squall secrets set DB_PASSWORD             asks, and shows nothing of what is typed
  squall secrets set TOKEN < token.txt       from a file or a pipe
  squall secrets set TOKEN --stage prod --to aws
  squall secrets                             names, never values
  squall secrets rm TOKEN

A secret belongs to a stage of the project. Functions that name it in squall.toml find it
in their environment; the package does not hold it. The engine keeps it sealed with a key
in the data directory, AWS as a SecureString of SSM."
)]
pub struct SecretsArgs {
    #[command(subcommand)]
    pub action: Option<SecretsAction>,
    #[command(flatten)]
    pub project: ProjectArgs,
}

#[derive(Debug, Subcommand)]
pub enum SecretsAction {
    /// Set a secret, to what stdin or its user says
    Set {
        /// As the function finds it in its environment
        name: String,
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// List secrets, without their values
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// Remove secrets
    Rm {
        #[arg(required = true)]
        names: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        project: ProjectArgs,
    },
}
