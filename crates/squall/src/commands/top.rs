//! `squall top`: what happens, each second, until somebody has seen enough.
//!
//! [`frame`] is what is seen, a text that depends on nothing but the [`figures`] and the
//! size of the screen: [`head`] says what is summed up, [`tables`] what has rows, [`table`]
//! is how rows fit a width, [`amounts`] how numbers are written. [`screen`] is the terminal,
//! which is left as it was found.

mod amounts;
mod figures;
mod frame;
mod head;
mod screen;
mod table;
mod tables;

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::Value;
use tokio::time::MissedTickBehavior;

use crate::args::{Global, TopArgs};
use crate::client::{self, Client};
use crate::commands::schedules::get;
use crate::failure::Failure;
use crate::output;
use crate::span;

use figures::Figures;
use frame::{Look, Paint};
use screen::{Screen, Seen};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// The longest window that the engine remembers.
const LONGEST: u64 = 300;
/// Of a frame that goes to a file: nothing is cut there that people still read.
const WIDE: usize = 120;

pub async fn run(global: &Global, args: TopArgs, colours: bool) -> Result<(), Failure> {
    let over = span::seconds(&args.over).filter(|seconds| *seconds <= LONGEST);
    let over = over.ok_or_else(|| {
        Failure::mistake(format!("{:?} is no window", args.over)).hint("such as 10s, at most 5m")
    })?;
    let client = client::find(global)?;
    let source = Source { client, over };
    // Whoever asks is told at once if there is no engine.
    let first = source.look().await?;
    if global.json {
        return lines(&source, first, args.once).await;
    }
    if args.once || !std::io::stdout().is_terminal() {
        let figures = Figures::read(&first)?;
        let look = Look {
            width: WIDE,
            height: usize::MAX,
            paint: Paint::Plain,
        };
        return Ok(output::bytes(frame::render(&figures, look).as_bytes())?);
    }
    watch(global, source, &first, colours).await
}

struct Source {
    client: Client,
    over: u64,
}

impl Source {
    /// What happens, with the alerts that are not quiet.
    async fn look(&self) -> Result<Value, Failure> {
        let target = format!("/_squall/top?seconds={}", self.over);
        let answer = self.client.send(get(&target)).await?;
        Ok(answer.json()?)
    }
}

/// A line each second.
async fn lines(source: &Source, first: Value, once: bool) -> Result<(), Failure> {
    output::json(&first)?;
    if once {
        return Ok(());
    }
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        output::json(&source.look().await?)?;
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn watch(
    global: &Global,
    mut source: Source,
    first: &Value,
    colours: bool,
) -> Result<(), Failure> {
    let paint = if colours { Paint::Colours } else { Paint::Bold };
    let mut figures = Figures::read(first)?;
    let mut screen = Screen::open()?;
    let mut ticks = ticks();
    loop {
        let (width, height) = screen::size();
        let look = Look {
            width,
            height,
            paint,
        };
        screen::draw(&frame::render(&figures, look))?;
        tokio::select! {
            _ = ticks.tick() => match source.look().await {
                Ok(value) => figures = Figures::read(&value)?,
                // An engine that starts anew is back in a moment, maybe elsewhere.
                Err(failure) => {
                    figures.problem = Some(failure.message());
                    source.client = client::find(global).unwrap_or(source.client);
                }
            },
            seen = screen.next() => match seen {
                Seen::Enough => return Ok(()),
                Seen::Other => {}
            },
        }
    }
}
