//! Arguments of `squall top` and `squall alerts`.

use clap::{ArgGroup, Args, Subcommand};
use types::FunctionName;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall top                     what happens, each second; q or Ctrl-C ends it
  squall top --once              one look, and back to the prompt
  squall top --once --json       the same for programs
  squall top --json              a line each second, for programs

Rates and times are those of the last 10 seconds, or of --over. Times are of the answers'
heads: half, nineteen in twenty and 99 in 100 of the requests were answered in less.")]
pub struct TopArgs {
    /// Look once, and end
    #[arg(long)]
    pub once: bool,
    /// The window that rates and times are of, such as 10s or 5m
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub over: String,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  squall alerts add slow --when 'p99 > 300ms' --route /fit --to-function tell
  squall alerts add broken --when 'errors > 5%' --over 5m --webhook https://example.com/hook
  squall alerts add stuck --when 'queue-age > 2m' --to-function tell --again 6h
  squall alerts add full --when 'quota > 80%' --key page --to-function tell
  squall alerts test slow            does it arrive?
  squall alerts                      what there is, and how it stands

What can be looked at: errors, requests, p50, p90, p95, p99, throttled, refused, queue,
queue-age, failed-items, failed-jobs, quota; with > or <, and a number, a share (5%), a
rate (10/s) or a time (300ms). It is told once when it begins and once when it is over.
docs/watching.md has what is sent."
)]
pub struct AlertsArgs {
    #[command(subcommand)]
    pub action: Option<AlertsAction>,
}

#[derive(Debug, Subcommand)]
pub enum AlertsAction {
    /// List alerts, and how they stand
    List,
    /// Make an alert, or change the one of the name
    Add(AddAlertArgs),
    /// Take an alert away
    Remove {
        /// The alert's name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Tell who would be told, now
    Test {
        /// The alert's name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("told").required(true).args(["to_function", "webhook"])))]
pub struct AddAlertArgs {
    /// By which you know it again
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What shall not be, such as 'errors > 5%'
    #[arg(long, value_name = "CONDITION")]
    pub when: String,
    /// The window that is looked at, up to 5m
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    pub over: String,
    /// Of one route: '/fit' or 'GET /fit'
    #[arg(long, group = "scope", value_name = "ROUTE")]
    pub route: Option<String>,
    /// Of one function
    #[arg(long, group = "scope", value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Of one API key: its name or id
    #[arg(long, group = "scope", value_name = "KEY")]
    pub key: Option<String>,
    /// Tell it to a function, as an event
    #[arg(long, value_name = "FUNCTION")]
    pub to_function: Option<FunctionName>,
    /// Tell it by a POST to an address
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// Tell it again while it lasts, such as each 6h
    #[arg(long, value_name = "SPAN")]
    pub again: Option<String>,
}
