//! `squall dev`: an engine, the project on it, and again whenever a file is saved.
//!
//! One loop owns everything: it waits for files, for Ctrl-C, or for the moment to look
//! for new lines of logs. While it deploys it looks for none, so that it knows which
//! lines are of a version that failed.

mod engine;
mod release;
mod show;
mod tail;
mod watch;

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::args::{DevArgs, Global};
use crate::failure::Failure;

use engine::Engine;
use release::{Outcome, Releaser};
use show::Show;
use tail::Tail;
use watch::Watch;

/// How often logs and requests are looked at.
const LOOK: Duration = Duration::from_millis(150);

pub fn run(global: &Global, args: DevArgs) -> Result<(), Failure> {
    super::up::start_log("warn")?;
    super::up::runtime()?.block_on(develop(global, args))
}

async fn develop(global: &Global, args: DevArgs) -> Result<(), Failure> {
    let mut end = End::new()?;
    // Before the first deployment: what is saved while that is done is not missed.
    let mut watch = Watch::of(&args.folder, &global.data)?;
    let show = Show::new(global.json);
    let engine = tokio::select! {
        engine = Engine::find_or_start(global, &args) => engine?,
        () = end.asked() => return Ok(()),
    };
    let result = tokio::select! {
        result = serve(global, &args, &mut watch, &show) => result,
        () = end.asked() => Ok(()),
    };
    show.stopping(engine.is_ours());
    tokio::select! {
        () = engine.stop() => {}
        () = end.asked() => {}
    }
    result
}

/// Until something fails that no change of a file could mend.
async fn serve(
    global: &Global,
    args: &DevArgs,
    watch: &mut Watch,
    show: &Show,
) -> Result<(), Failure> {
    let client = engine::client(global)?;
    let mut releaser = Releaser::new(global, args, client.clone());
    let mut tail = Tail::new(client);
    tail.begin().await?;
    let mut began = Instant::now();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    show.first(&args.folder)?;
    loop {
        let outcome = releaser.release().await;
        if let Outcome::Released(released) = &outcome {
            tail.follow(released);
        }
        show.outcome(&outcome, began.elapsed())?;
        loop {
            tokio::select! {
                changed = watch.changed() => {
                    began = changed?;
                    break;
                }
                _ = look.tick() => tail.look(&mut releaser, show).await?,
            }
        }
    }
}

/// Ctrl-C, or the wish of a supervisor.
struct End {
    interrupt: Signal,
    terminate: Signal,
}

impl End {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
