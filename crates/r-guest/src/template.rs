//! A template: loads the function, says so, and is forked until the engine is gone.

use std::io;

use sandbox::Readiness;
use sandbox::forks::{Forked, Forks};

use crate::Places;
use crate::channel::{Channel, ended, load};
use crate::function::Function;

pub(crate) fn run(places: &Places) -> i32 {
    ended(&forked(places))
}

fn forked(places: &Places) -> io::Result<()> {
    let forks = Forks::new()?;
    let function = match load(places) {
        Ok(function) => function,
        Err(failure) => {
            let error = serde_json::to_value(&failure)?;
            return forks.report(&Readiness::InitError { error });
        }
    };
    if let Err(failure) = function.prepare() {
        // Forks do then what was not done here.
        failure.log();
    }
    sandbox::make_large();
    let unsafe_to_fork = forks.hazard()?;
    forks.report(&Readiness::Ready { unsafe_to_fork })?;
    // Where forks are unsafe the engine lets go of this process, unless the function's
    // owner knows better.
    match forks.wait()? {
        Some(forked) => serve(&function, forked),
        None => Ok(()),
    }
}

/// The life of a fork.
fn serve(function: &Function, forked: Forked) -> io::Result<()> {
    if let Err(failure) = function.begin() {
        failure.log();
        return Err(io::Error::other(failure.message));
    }
    Channel::new(forked.channel).serve(function)
}
