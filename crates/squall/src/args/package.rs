//! Arguments of `squall package`.

use std::path::PathBuf;

use clap::Args;

use super::deploy::{PackagingArgs, PlaceArg};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall package                    build what a deployment would upload
  squall package fit --explain      show what is large in it, and why it is there
  squall package --slim --explain   and what would be dropped
  squall package --to aws -o out    for AWS; copies of the zips go to out/

What was built is kept in ~/.cache/squall, so that what did not change costs nothing.")]
pub struct PackageArgs {
    /// Functions, as squall.toml names them [default: all]
    #[arg(value_name = "FUNCTION")]
    pub functions: Vec<String>,
    /// Show what each package is made of
    #[arg(long)]
    pub explain: bool,
    /// Put copies of the zips into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Folder of the project: where squall.toml is, or the code
    #[arg(long = "project", default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Stage of the project, such as dev or prod [default: what squall.toml says, else dev]
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Where it will run: an engine of this machine, or AWS
    #[arg(long, value_enum, default_value = "local", value_name = "PLACE")]
    pub to: PlaceArg,
    #[command(flatten)]
    pub package: PackagingArgs,
}
