//! `squall`: the engine and its command line. Here are arguments, environment,
//! exit codes and output; what an engine does lives in the crates below.
//!
//! Reading order: [`args`] says what can be asked, [`commands`] holds one file for
//! each answer, [`client`] speaks to an engine or to AWS over [`remote`], which finds
//! the way there and invokes functions, [`s3`] moves objects and [`transfer`] many
//! files, [`place`] says what a path means, [`failure`] how a command ends badly.
//! [`bootstrap`] is another life: as the runtime of a Lambda function.

mod apis;
mod args;
mod bootstrap;
mod client;
mod commands;
mod deployment;
mod failure;
mod hidden;
mod machine;
mod output;
mod packaging;
mod place;
mod progress;
mod remote;
mod s3;
mod span;
mod transfer;

use std::process::ExitCode;

use args::{Cli, Command};
use failure::{Failure, Kind};

/// The word by which the engine starts itself inside a jail.
const JAIL: &str = "__jail";

fn main() -> ExitCode {
    // Before anything else: the jail is built in a process that has no threads.
    if std::env::args_os().nth(1).is_some_and(|word| word == JAIL) {
        sandbox::jail::main();
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == sandbox::R_WORD)
    {
        r_guest::main(std::env::args_os().skip(2));
    }
    sandbox::return_large_blocks();
    if bootstrap::is_wanted() {
        return bootstrap::run();
    }
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Kind::Mistake.exit_code()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    // The panic's text is on stderr by now; what is left is the exit code.
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(),
        Err(_) => Kind::Bug.exit_code(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Init(args) => commands::init::run(&global, &args),
        Command::Up(args) => commands::up::run(&global, args),
        Command::Env => commands::env::run(&global),
        Command::Doctor => commands::doctor::run(&global),
        Command::Dev(args) => commands::dev::run(&global, args),
        Command::Deploy(args) => client::block_on_threads(commands::deploy::run(&global, args)),
        Command::Update(args) => client::block_on_threads(commands::deploy::update(&global, args)),
        Command::Diff(args) => client::block_on_threads(commands::deploy::diff(&global, args)),
        Command::Status(args) => client::block_on(commands::status::run(&global, args)),
        Command::Rollback(args) => client::block_on(commands::undeploy::rollback(&global, args)),
        Command::Undeploy(args) => client::block_on(commands::undeploy::run(&global, args)),
        Command::Package(args) => client::block_on_threads(commands::package::run(&global, args)),
        Command::Layer(args) => client::block_on_threads(commands::layer::run(&global, args)),
        Command::Plans(args) => client::block_on(commands::plans::run(&global, args)),
        Command::Openapi(args) => client::block_on(commands::openapi::run(&global, args)),
        Command::Top(args) => {
            let colours = std::env::var_os("NO_COLOR").is_none();
            client::block_on(commands::top::run(&global, args, colours))
        }
        Command::Alerts(args) => client::block_on(commands::alerts::run(&global, args)),
        Command::Usage(args) => client::block_on(commands::usage::run(&global, &args)),
        Command::Keys(args) => client::block_on(commands::keys::run(&global, args)),
        Command::Share(args) => client::block_on(commands::share::run(&global, args)),
        Command::Secrets(args) => client::block_on(commands::secrets::run(&global, args)),
        Command::Invoke(args) => client::block_on(commands::invoke::run(&global, args)),
        Command::Jobs(args) => commands::jobs::run(&global, args),
        Command::Replay(args) => commands::jobs::replay::run(&global, &args),
        Command::Map(args) => commands::map::run(&global, args),
        Command::Model(args) => commands::model::run(&global, args),
        Command::Logs(args) => client::block_on(commands::logs::run(&global, args)),
        Command::Ps => client::block_on(commands::ps::run(&global)),
        Command::Functions => client::block_on(commands::functions::run(&global)),
        Command::Cp(args) => client::block_on_threads(commands::cp::run(&global, args)),
        Command::Sync(args) => client::block_on_threads(commands::sync::run(&global, args)),
        Command::Ls(args) => client::block_on(commands::ls::run(&global, args)),
        Command::Rm(args) => client::block_on(commands::rm::run(&global, args)),
        Command::Mb(args) => client::block_on(commands::buckets::make(&global, args)),
        Command::Rb(args) => client::block_on(commands::buckets::remove(&global, args)),
        Command::Routes(args) => client::block_on(commands::routes::run(&global, args)),
        Command::Schedules(args) => client::block_on(commands::schedules::run(&global, args)),
        Command::Events(args) => client::block_on(commands::events::run(&global, args)),
        Command::Cost(args) => client::block_on(commands::cost::run(&global, args)),
        Command::Clock(args) => client::block_on(commands::clock::run(&global, args)),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Store(args) => client::block_on(commands::store::run(&global, args)),
    }
}
