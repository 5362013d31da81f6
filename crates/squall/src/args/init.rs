//! Arguments of `squall init`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall init                               asks, and begins a project in this folder
  squall init lab --template csv-features   in a new folder
  squall init --templates                   what there is to begin with
  squall init --yes                         takes what it finds, and asks nothing

In a folder with code, it writes a squall.toml for that; elsewhere, the files of a
template. Nothing is ever written over. docs/project.md tells what may stand in
squall.toml.")]
pub struct InitArgs {
    /// The folder of the project; made if it is not there
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Begin with the files of a template
    #[arg(long, short, value_name = "NAME")]
    pub template: Option<String>,
    /// Name of the project [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// Ask nothing
    #[arg(long, short)]
    pub yes: bool,
    /// List templates
    #[arg(long, conflicts_with_all = ["template", "name", "schema"])]
    pub templates: bool,
    /// Print the JSON schema of squall.toml, for editors
    #[arg(long, conflicts_with_all = ["template", "name"])]
    pub schema: bool,
}
