//! Arguments of `squall dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall dev                    the project of this directory
  squall dev --project shop --stage try

Starts an engine, unless one runs on the data directory, deploys the project, and again
whenever a file of it is saved. Code that cannot be loaded is told with its traceback,
and what was deployed before goes on to answer. Ctrl-C ends it; what is deployed stays.")]
pub struct DevArgs {
    /// Folder of the project: where squall.toml is, or the code
    #[arg(long = "project", default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Stage of the project [default: what squall.toml says, else dev]
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Address of the AWS endpoint, where an engine is started [default: 127.0.0.1:4566]
    #[arg(long, value_parser = server::parse_address, value_name = "ADDRESS")]
    pub api: Option<SocketAddr>,
    /// Address of function URLs and APIs, where an engine is started [default: 127.0.0.1:8080]
    #[arg(long, value_parser = server::parse_address, value_name = "ADDRESS")]
    pub gateway: Option<SocketAddr>,
}
