//! Arguments of `squall openapi`.

use std::path::PathBuf;

use clap::Args;

use super::ProjectArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall openapi                          of the project in this folder
  squall openapi --stage prod --out openapi.json
  squall openapi --api shop               of an API by its name or its id

The same document is at ADDRESS/_squall/openapi.json, and a page to try calls at
ADDRESS/_squall/docs.")]
pub struct OpenapiArgs {
    /// API by name or id, instead of that of a project; --stage is one of its stages then
    #[arg(long, value_name = "NAME")]
    pub api: Option<String>,
    /// File to write it to
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub project: ProjectArgs,
}
