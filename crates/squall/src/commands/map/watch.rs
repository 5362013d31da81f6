//! How far a job is: a bar on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use map::stats::Progress;
use parking_lot::Mutex;

use super::figures::rate;
use crate::{output, progress};

/// Where nobody watches a bar, a line is written so often.
const LINE_EVERY: Duration = Duration::from_secs(10);
const REDRAWS_PER_SECOND: u8 = 10;

/// Told of progress by the job.
#[derive(Debug)]
pub struct Watch {
    look: Look,
}

#[derive(Debug)]
enum Look {
    Nothing,
    Bar(ProgressBar),
    /// When the last line was written, since the beginning.
    Lines(Mutex<Duration>),
}

impl Watch {
    pub fn new(quiet: bool) -> Self {
        let look = if quiet {
            Look::Nothing
        } else if std::io::stderr().is_terminal() {
            Look::Bar(bar())
        } else {
            Look::Lines(Mutex::new(Duration::ZERO))
        };
        Self { look }
    }

    pub fn see(&self, progress: &Progress) {
        match &self.look {
            Look::Nothing => {}
            Look::Bar(bar) => {
                bar.set_length(progress.items);
                bar.set_position(progress.done + progress.failed);
                bar.set_message(line(progress));
            }
            Look::Lines(last) => {
                let mut last = last.lock();
                if progress.elapsed >= *last + LINE_EVERY {
                    *last = progress.elapsed;
                    let done = progress.done + progress.failed;
                    let items = progress.items;
                    output::note(&format!("{done} of {items} items, {}", line(progress)));
                }
            }
        }
    }

    pub fn clear(&self) {
        if let Look::Bar(bar) = &self.look {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template(
        "{bar:20.cyan/dim} {percent:>3}%  {pos} of {len} items  {wide_msg}",
    );
    bar.set_style(
        style
            .expect("our template is well formed")
            .progress_chars("━╸─"),
    );
    bar
}

/// `812 items/s, 8 in flight, 2 retried, 1 failed, 12 s left`
fn line(progress: &Progress) -> String {
    let done = (progress.done + progress.failed).saturating_sub(progress.known);
    let mut parts = vec![
        rate(done, progress.elapsed),
        format!("{} in flight", progress.in_flight),
    ];
    if progress.retries > 0 {
        parts.push(format!("{} retried", progress.retries));
    }
    if progress.failed > 0 {
        parts.push(format!("{} failed", progress.failed));
    }
    if let Some(left) = progress.left {
        parts.push(format!("{} left", progress::left(left)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_moves() {
        let mut progress = Progress {
            items: 100,
            done: 50,
            known: 10,
            in_flight: 4,
            elapsed: Duration::from_secs(2),
            left: Some(Duration::from_secs(3)),
            ..Progress::default()
        };
        assert_eq!(line(&progress), "20 items/s, 4 in flight, 3 s left");
        progress.retries = 2;
        progress.failed = 2;
        progress.left = None;
        assert_eq!(
            line(&progress),
            "21 items/s, 4 in flight, 2 retried, 2 failed"
        );
    }

    #[test]
    fn the_bar_is_well_formed() {
        drop(bar());
    }
}
