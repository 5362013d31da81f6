//! R inside an instance: this program, as `squall __r MODE ...`, loads the machine's R
//! and serves functions that are written in it.
//!
//! Reading order: [`main`] says which modes there are; [`function`] loads the user's
//! file and answers events, `map` those of a map; [`channel`] is the way to the engine, [`template`] the one
//! of forks, `runtime_api` the one that AWS has; [`home`] is what R wants to be told,
//! [`r`] is R itself. What R code there is lies in `guests/r/squall_glue.R`.
//!
//! The process has one thread: it is forked, and R knows of no other.

mod channel;
mod check;
mod error;
mod function;
mod home;
mod http;
mod map;
mod r;
mod runtime_api;
mod template;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::exit;

/// What a bad command line ends with, as in a shell.
const USAGE: i32 = 2;

/// Where the engine says that things are.
#[derive(Debug)]
struct Places {
    home: PathBuf,
    task: PathBuf,
    /// Folders of the layers, the one that comes first first.
    layers: Vec<PathBuf>,
}

impl Places {
    /// Folders with packages of R, in the order in which they are looked through.
    fn libraries(&self) -> Vec<PathBuf> {
        let layers = self.layers.iter();
        let of_layers =
            layers.flat_map(|layer| ["r/site-library", "R/library"].map(|own| layer.join(own)));
        std::iter::once(self.task.join("library"))
            .chain(of_layers)
            .collect()
    }
}

/// Runs the guest to its end. The arguments are those after the word.
///
/// - `template HOME TASK LAYERS`: load the function, then be forked;
/// - `instance HOME TASK LAYERS`: load it and serve it over descriptor 3;
/// - `lambda`: serve it over the Runtime API, with what is in the environment;
/// - `check PACKAGE...`: whether R and packages can be loaded.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ! {
    let mut arguments = arguments.into_iter();
    let mode = arguments.next().unwrap_or_default();
    let code = match mode.to_str() {
        Some("template") => places(arguments).map(|places| template::run(&places)),
        Some("instance") => places(arguments).map(|places| channel::run(&places)),
        Some("lambda") => Some(runtime_api::run()),
        Some("check") => Some(check::run(arguments)),
        _ => None,
    };
    exit(code.unwrap_or(USAGE))
}

fn places(mut arguments: impl Iterator<Item = OsString>) -> Option<Places> {
    Some(Places {
        home: arguments.next()?.into(),
        task: arguments.next()?.into(),
        layers: std::env::split_paths(&arguments.next()?).collect(),
    })
}
