//! The head of a frame: sums over everything, as words that stand beside each other.

use super::amounts::{rate, share, time, whole};
use super::figures::{Figures, Function};
use super::table::Tone;
use crate::output;
use crate::span;

/// So wide is the title with all its words.
const WIDE: usize = 60;

/// What is said at once: of one thing, in one tone.
#[derive(Debug)]
pub struct Said {
    pub words: Vec<String>,
    /// What stands between two of them.
    pub gap: &'static str,
    pub tone: Tone,
}

pub fn of(figures: &Figures, width: usize) -> Vec<Said> {
    let said = |words, tone| Said {
        words,
        gap: "  ",
        tone,
    };
    let mut all = vec![said(title(figures, width), Tone::Title)];
    if let Some(problem) = &figures.problem {
        let words = format!("the engine does not answer: {problem}");
        let words = words.split_whitespace().map(str::to_owned).collect();
        all.push(Said {
            gap: " ",
            ..said(words, Tone::Bad)
        });
    }
    let errors = figures.requests.traffic.errors;
    let tone = if errors > 0 { Tone::Bad } else { Tone::Usual };
    all.extend([
        said(requests(figures), Tone::Usual),
        said(refusals(figures), tone),
        said(invocations(figures), Tone::Usual),
        said(standing(figures), Tone::Usual),
    ]);
    all
}

/// On one line, however narrow: it says of when all the rest is.
fn title(figures: &Figures, width: usize) -> Vec<String> {
    let clock = figures.time.get(11..19).unwrap_or_default();
    let up = span::shown(figures.uptime_seconds);
    let window = span::shown(whole(figures.seconds));
    if width < WIDE {
        return vec![
            format!("squall {clock}"),
            format!("up {up}"),
            format!("last {window}"),
        ];
    }
    vec![
        "squall".to_owned(),
        format!("{clock} UTC"),
        format!("up {up}"),
        format!("rates of the last {window}"),
    ]
}

fn requests(figures: &Figures) -> Vec<String> {
    let all = &figures.requests;
    let times = all.traffic.times;
    vec![
        format!("requests {}/s", rate(all.traffic.per_second)),
        format!("in flight {}", all.in_flight),
        format!("connections {}", all.connections),
        format!("p50 {}", time(times.p50)),
        format!("p95 {}", time(times.p95)),
        format!("p99 {}", time(times.p99)),
    ]
}

fn refusals(figures: &Figures) -> Vec<String> {
    let traffic = &figures.requests.traffic;
    let (throttled, refused) = traffic.refusals();
    vec![
        format!(
            "errors {} ({})",
            traffic.errors,
            share(traffic.errors, traffic.count)
        ),
        format!("throttled {throttled}"),
        format!("refused {refused}"),
    ]
}

fn invocations(figures: &Figures) -> Vec<String> {
    let sum = |pick: fn(&Function) -> u64| figures.functions.iter().map(pick).sum::<u64>();
    let invocations: f64 = figures.functions.iter().map(|it| it.per_second).sum();
    vec![
        format!("invocations {}/s", rate(invocations)),
        format!("failed {}", sum(|it| it.errors)),
        format!("throttled {}", sum(|it| it.throttles)),
        format!("instances busy {}", sum(Function::busy)),
        format!("idle {}", sum(|it| it.idle)),
        format!("memory {}", output::size(sum(|it| it.memory_bytes))),
    ]
}

fn standing(figures: &Figures) -> Vec<String> {
    let mut words = vec![format!("events waiting {}", figures.events.queued)];
    if let Some(seconds) = figures.events.oldest_seconds {
        words.push(format!("the oldest {}", span::shown(whole(seconds))));
    }
    words.extend([
        format!("maps running {}", figures.maps.running),
        format!("waiting {}", figures.maps.waiting),
        format!("engine {}", output::size(figures.process.memory_bytes)),
    ]);
    words
}
