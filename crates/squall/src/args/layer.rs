//! Arguments of `squall layer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct LayerArgs {
    #[command(subcommand)]
    pub action: LayerAction,
}

#[derive(Debug, Subcommand)]
pub enum LayerAction {
    /// Build a layer with a language that AWS does not have
    #[command(after_help = "\
Examples:
  squall layer build r                                 R as it is on this machine
  squall layer build r --packages data.table,jsonlite  and packages that many functions need
  squall layer build r --out r.zip                     a copy of the zip, for other tools

What is loaded of R goes in, with all libraries down to the C library, and this program as its
client. It is started once where there is no other R. `squall deploy --to aws` takes the layer that
was built last.")]
    Build(LayerBuildArgs),
}

#[derive(Debug, Args)]
pub struct LayerBuildArgs {
    /// The language
    #[arg(value_parser = ["r"], value_name = "LANGUAGE")]
    pub language: String,
    /// Packages that go in beside the language's own, such as jsonlite or jsonlite@1.8.4
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub packages: Vec<String>,
    /// Put a copy of the zip there
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Do not start it once before it is kept
    #[arg(long)]
    pub no_test: bool,
    /// Build it again, though nothing changed
    #[arg(long)]
    pub fresh: bool,
}
