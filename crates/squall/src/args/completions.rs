//! Arguments of `squall completions`.

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples, each for good:
  squall completions bash > ~/.local/share/bash-completion/completions/squall
  squall completions zsh > ~/.zfunc/_squall        ~/.zfunc must be in fpath before compinit
  squall completions fish > ~/.config/fish/completions/squall.fish

For this shell alone: source <(squall completions bash)")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}
