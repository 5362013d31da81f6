//! How far a transfer is: a bar on a terminal, nothing elsewhere.

use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::output;

const REDRAWS_PER_SECOND: u8 = 15;
const TICK: Duration = Duration::from_millis(100);

/// Bytes and files that were moved. Shared by all that move them.
pub struct Progress {
    bar: Option<ProgressBar>,
    moved: AtomicU64,
    done: AtomicU64,
    files: u64,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("moved", &self.moved)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Counts without a word.
    pub fn silent() -> Arc<Self> {
        Arc::new(Self::with(None, 0))
    }

    /// A bar, if there is someone to look at it. `bytes` of 0 are not known.
    pub fn of(files: u64, bytes: u64, what: &str, quiet: bool) -> Arc<Self> {
        let bar = is_watched(quiet).then(|| bar(bytes));
        let this = Self::with(bar, files);
        this.label(what);
        Arc::new(this)
    }

    fn with(bar: Option<ProgressBar>, files: u64) -> Self {
        Self {
            bar,
            moved: AtomicU64::new(0),
            done: AtomicU64::new(0),
            files,
        }
    }

    fn label(&self, what: &str) {
        if let Some(bar) = &self.bar {
            if self.files > 1 {
                let done = self.done.load(Ordering::Relaxed);
                bar.set_message(format!("{done} of {} files", self.files));
            } else {
                let name = what.rsplit('/').next().unwrap_or_default();
                bar.set_message(name.to_owned());
            }
        }
    }

    pub fn add(&self, bytes: u64) {
        let moved = self.moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(moved);
        }
    }

    pub fn take_back(&self, bytes: u64) {
        self.moved.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn file_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.files > 1 {
            self.label("");
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Something that takes time before its size is known, such as a long listing.
#[derive(Debug)]
pub struct Spinner(Option<ProgressBar>);

impl Spinner {
    pub fn new(text: &str, quiet: bool) -> Self {
        let bar = is_watched(quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, target());
            bar.set_style(style("{spinner} {wide_msg}"));
            bar.set_message(text.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        Self(bar)
    }

    /// Whether there is someone to look at it.
    pub fn is_seen(&self) -> bool {
        self.0.is_some()
    }

    pub fn set(&self, text: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(text);
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn is_watched(quiet: bool) -> bool {
    !quiet && std::io::stderr().is_terminal()
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)
}

fn bar(bytes: u64) -> ProgressBar {
    if bytes == 0 {
        let bar = ProgressBar::with_draw_target(None, target());
        bar.set_style(style("{spinner} {moved}  {rate}  {wide_msg}"));
        bar.enable_steady_tick(TICK);
        return bar;
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), target());
    bar.set_style(
        style("{bar:20.cyan/dim} {percent:>3}%  {moved} of {all}  {rate}  {left}  {wide_msg}")
            .progress_chars("━╸─"),
    );
    bar.enable_steady_tick(TICK);
    bar
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("our templates are well formed");
    style
        .with_key("moved", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:>7}", output::size(state.pos()));
        })
        .with_key("all", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&output::size(state.len().unwrap_or(0)));
        })
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:>9}", rate(state.per_sec()));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:>6}", left(state.eta()));
        })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive, and shown in two digits"
)]
fn rate(per_second: f64) -> String {
    format!("{}/s", output::size(per_second as u64))
}

/// `12 s`, `3:05`, `1:02:03`.
pub fn left(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3_600..360_000 => format!(
            "{}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        ),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_does_not_count() {
        let progress = Progress::silent();
        progress.add(10);
        progress.take_back(4);
        assert_eq!(progress.moved.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn times_left_are_short() {
        let text = |seconds| left(Duration::from_secs(seconds));
        assert_eq!(text(5), "5 s");
        assert_eq!(text(185), "3:05");
        assert_eq!(text(3_723), "1:02:03");
        assert_eq!(text(u64::MAX), "-");
    }

    #[test]
    fn all_styles_are_well_formed() {
        drop(bar(0));
        drop(bar(10));
        drop(style("{spinner} {wide_msg}"));
    }
}
