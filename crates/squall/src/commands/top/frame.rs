//! What is seen: a head of sums, then the routes, functions, jobs and alerts that there is
//! room for. Without colours it says the same.

use std::fmt::Write;

use super::figures::{Figures, Function, Job, Route};
use crate::output;
use crate::span;

/// How it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// In characters.
    pub width: usize,
    /// In lines.
    pub height: usize,
    pub paint: Paint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// For files.
    Plain,
    Bold,
    Colours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Usual,
    Title,
    Bad,
    Dim,
}

/// Characters of a name that is not cut.
const LONGEST_NAME: usize = 44;
/// Lines of a table, with the empty one before it, that are worth having.
const LEAST_LINES: usize = 4;
/// A screen that has room for more than the tables.
const TALL: usize = 20;
/// Characters of a job's bar.
const BAR: u64 = 20;

struct Frame {
    look: Look,
    text: String,
    lines: usize,
}

/// One line ends with each newline, and there are never more than fit.
pub fn render(figures: &Figures, look: Look) -> String {
    let mut frame = Frame {
        look,
        text: String::new(),
        lines: 0,
    };
    frame.head(figures);
    let tables = [
        alerts(figures),
        jobs(figures),
        routes(figures),
        functions(figures),
    ];
    let tables: Vec<_> = tables
        .into_iter()
        .filter(|it| !it.rows.is_empty())
        .collect();
    if tables.is_empty() {
        frame.line("", Tone::Usual);
        frame.line("nothing happened lately", Tone::Dim);
    }
    let mut left = tables.len();
    for table in &tables {
        // Each gets its share of the room, and what those before it left. Where that is
        // little, the last ones get none.
        let room = look.height.saturating_sub(frame.lines);
        frame.table(table, (room / left).max(LEAST_LINES).min(room));
        left -= 1;
    }
    frame.text
}

impl Frame {
    fn line(&mut self, text: &str, tone: Tone) {
        if self.lines >= self.look.height {
            return;
        }
        self.lines += 1;
        // An engine's problem may have lines.
        let clean = text.replace(char::is_control, " ");
        let cut = console::truncate_str(clean.trim_end(), self.look.width, "");
        let code = match (self.look.paint, tone) {
            (Paint::Plain, _) | (_, Tone::Usual) | (Paint::Bold, Tone::Dim) => None,
            (_, Tone::Title) | (Paint::Bold, Tone::Bad) => Some("1"),
            (Paint::Colours, Tone::Bad) => Some("31"),
            (Paint::Colours, Tone::Dim) => Some("2"),
        };
        match code {
            Some(code) if !cut.is_empty() => {
                let _ = writeln!(self.text, "\x1b[{code}m{cut}\x1b[0m");
            }
            _ => {
                let _ = writeln!(self.text, "{cut}");
            }
        }
    }

    fn head(&mut self, figures: &Figures) {
        let clock = figures.time.get(11..19).unwrap_or_default();
        let up = span::shown(figures.uptime_seconds);
        let window = span::shown(whole(figures.seconds));
        let title = [
            "squall".to_owned(),
            format!("{clock} UTC"),
            format!("up {up}"),
            format!("rates of the last {window}"),
        ];
        self.flow(&title, Tone::Title);
        if let Some(problem) = &figures.problem {
            self.line(&format!("the engine does not answer: {problem}"), Tone::Bad);
        }
        self.flow(&requests(figures), Tone::Usual);
        let errors = figures.requests.traffic.errors;
        let tone = if errors > 0 { Tone::Bad } else { Tone::Usual };
        self.flow(&refusals(figures), tone);
        self.flow(&invocations(figures), Tone::Usual);
        self.flow(&standing(figures), Tone::Usual);
    }

    /// Words, on as many lines as they need; on one, where lines are rare.
    fn flow(&mut self, words: &[String], tone: Tone) {
        let mut line = String::new();
        for word in words {
            let length = console::measure_text_width(&line) + 2 + console::measure_text_width(word);
            if !line.is_empty() && length > self.look.width && self.look.height >= TALL {
                self.line(&std::mem::take(&mut line), tone);
            }
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(word);
        }
        self.line(&line, tone);
    }

    /// A table in so many lines, the empty one before it and that of titles among them.
    fn table(&mut self, table: &Table, room: usize) {
        if room < 3 {
            return;
        }
        let widths = table.widths(self.look.width);
        self.line("", Tone::Usual);
        self.line(
            &join(&table.titles, &widths, table.numbers_from),
            Tone::Title,
        );
        let fits = room - 2;
        let shown = if table.rows.len() > fits {
            fits - 1
        } else {
            fits
        };
        for (cells, tone) in table.rows.iter().take(shown) {
            self.line(&join(cells, &widths, table.numbers_from), *tone);
        }
        if table.rows.len() > fits {
            let more = table.rows.len() - shown;
            self.line(&format!("... and {more} more"), Tone::Dim);
        }
    }
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

struct Table {
    titles: Vec<String>,
    /// The columns from here on are numbers, which stand to the right.
    numbers_from: usize,
    rows: Vec<(Vec<String>, Tone)>,
}

impl Table {
    fn new(titles: &[&str], numbers_from: usize) -> Self {
        Self {
            titles: titles.iter().map(|title| (*title).to_owned()).collect(),
            numbers_from,
            rows: vec![],
        }
    }

    /// Names come from others: what would move the cursor is not shown.
    fn row(&mut self, cells: Vec<String>, tone: Tone) {
        let clean = |cell: String| cell.replace(char::is_control, " ");
        self.rows
            .push((cells.into_iter().map(clean).collect(), tone));
    }

    /// As wide as the widest cell; the first column gives way where the screen is narrow.
    fn widths(&self, width: usize) -> Vec<usize> {
        let rows = self.rows.iter().map(|(cells, _)| cells);
        let all: Vec<&Vec<String>> = std::iter::once(&self.titles).chain(rows).collect();
        let widest = |column: usize| {
            let cells = all.iter().map(|cells| cells[column].as_str());
            cells.map(console::measure_text_width).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.titles.len()).map(widest).collect();
        let others: usize = widths[1..].iter().map(|width| width + 2).sum();
        let least = console::measure_text_width(&self.titles[0]).max(12);
        let most = width
            .saturating_sub(others)
            .clamp(least, LONGEST_NAME.max(least));
        widths[0] = widths[0].min(most);
        widths
    }
}

fn join(cells: &[String], widths: &[usize], numbers_from: usize) -> String {
    let columns = cells.iter().zip(widths).enumerate();
    let padded = columns.map(|(column, (cell, &width))| {
        let side = if column >= numbers_from {
            console::Alignment::Right
        } else {
            console::Alignment::Left
        };
        console::pad_str(cell, width, side, Some("…")).into_owned()
    });
    padded.collect::<Vec<_>>().join("  ")
}

fn routes(figures: &Figures) -> Table {
    let titles = [
        "ROUTE",
        "API",
        "REQ/S",
        "ERRORS",
        "THROTTLED",
        "REFUSED",
        "P50",
        "P95",
        "P99",
        "IN/S",
        "OUT/S",
    ];
    let mut table = Table::new(&titles, 2);
    for route in &figures.routes {
        let traffic = &route.traffic;
        let (throttled, refused) = traffic.refusals();
        let per_second = |bytes: u64| output::size(per(bytes, figures.seconds));
        let tone = if traffic.errors > 0 {
            Tone::Bad
        } else {
            Tone::Usual
        };
        let cells = vec![
            name_of(route),
            place_of(route),
            rate(traffic.per_second),
            traffic.errors.to_string(),
            throttled.to_string(),
            refused.to_string(),
            time(traffic.times.p50),
            time(traffic.times.p95),
            time(traffic.times.p99),
            per_second(traffic.bytes_in),
            per_second(traffic.bytes_out),
        ];
        table.row(cells, tone);
    }
    table
}

/// A route names its method, unless it takes any.
fn name_of(route: &Route) -> String {
    if route.name.is_empty() {
        return "-".to_owned();
    }
    match route.name.split_once(' ') {
        Some(("ANY", path)) => format!("{} {path}", route.method),
        _ => route.name.clone(),
    }
}

fn place_of(route: &Route) -> String {
    match (route.api.as_str(), route.stage.as_str()) {
        ("", _) => "-".to_owned(),
        (api, "" | "$default") => api.to_owned(),
        (api, stage) => format!("{api}/{stage}"),
    }
}

fn functions(figures: &Figures) -> Table {
    let titles = [
        "FUNCTION",
        "INV/S",
        "FAILED",
        "THROTTLED",
        "COLD",
        "BUSY",
        "IDLE",
        "MEMORY",
        "P50",
        "P95",
        "P99",
    ];
    let mut table = Table::new(&titles, 1);
    for function in &figures.functions {
        let bad = function.errors > 0 || function.throttles > 0;
        let cells = vec![
            function.name.clone(),
            rate(function.per_second),
            function.errors.to_string(),
            function.throttles.to_string(),
            function.cold_starts.to_string(),
            function.busy().to_string(),
            function.idle.to_string(),
            output::size(function.memory_bytes),
            time(function.times.p50),
            time(function.times.p95),
            time(function.times.p99),
        ];
        table.row(cells, if bad { Tone::Bad } else { Tone::Usual });
    }
    table
}

fn jobs(figures: &Figures) -> Table {
    let mut table = Table::new(
        &[
            "JOB", "FUNCTION", "STATE", "PROGRESS", "DONE", "ITEMS", "FAILED",
        ],
        4,
    );
    for job in &figures.jobs {
        let cells = vec![
            job.id.clone(),
            job.function.clone(),
            job.state.clone(),
            bar(job),
            job.done.to_string(),
            job.items.to_string(),
            job.failed.to_string(),
        ];
        let tone = if job.failed > 0 {
            Tone::Bad
        } else {
            Tone::Usual
        };
        table.row(cells, tone);
    }
    table
}

fn bar(job: &Job) -> String {
    let ended = (job.done + job.failed).min(job.items);
    let full = (BAR * ended).checked_div(job.items).unwrap_or(0);
    let part = |count: u64, letter: &str| letter.repeat(usize::try_from(count).unwrap_or(0));
    format!("[{}{}]", part(full, "#"), part(BAR - full, "."))
}

fn alerts(figures: &Figures) -> Table {
    let mut table = Table::new(&["ALERT", "STATE", "WHEN", "NOW"], 4);
    for alert in &figures.alerts {
        let cells = vec![
            alert.name.clone(),
            alert.state.clone(),
            alert.when.clone(),
            alert.shown.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        let fires = alert.state == "firing";
        table.row(cells, if fires { Tone::Bad } else { Tone::Usual });
    }
    table
}

fn time(millis: Option<f64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 1.0 => format!("{:.0}us", millis * 1000.0),
        Some(millis) if millis < 10.0 => format!("{millis:.1}ms"),
        Some(millis) if millis < 1_000.0 => format!("{millis:.0}ms"),
        Some(millis) => format!("{:.1}s", millis / 1_000.0),
    }
}

fn rate(per_second: f64) -> String {
    if per_second == 0.0 || per_second >= 100.0 {
        format!("{per_second:.0}")
    } else {
        format!("{per_second:.1}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
fn share(part: u64, all: u64) -> String {
    if all == 0 {
        return "0%".to_owned();
    }
    format!("{:.1}%", 100.0 * part as f64 / all as f64)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that is shown is rough, and not below zero"
)]
fn per(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(0.1)) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a span of time is not below zero, and a cast ends at the largest"
)]
fn whole(seconds: f64) -> u64 {
    seconds.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn figures() -> Figures {
        let page = json!({
            "time": "2026-11-21T18:00:01.5Z", "uptime_seconds": 3725, "seconds": 10.2,
            "requests": {"count": 200, "per_second": 19.6, "errors": 2, "in_flight": 3, "connections": 12,
                "refused": {"quota": 4, "no key": 1}, "p50_ms": 0.42, "p95_ms": 3.21, "p99_ms": 1234.0},
            "routes": [
                {"api": "shop", "stage": "$default", "route": "ANY /fit/{id}", "method": "GET", "count": 198,
                 "per_second": 19.4, "errors": 2, "bytes_in": 10240, "bytes_out": 2_048_000,
                 "p50_ms": 0.42, "p95_ms": 3.21, "p99_ms": 1234.0, "refused": {}},
                {"api": "", "stage": "", "route": "", "method": "GET", "count": 2, "per_second": 0.2},
            ],
            "functions": [{"function": "fit", "per_second": 120.4, "errors": 0, "instances": 4, "idle": 1,
                "memory_bytes": 157_286_400, "p50_ms": 12.3}],
            "events": {"queued": 2, "oldest_seconds": 61.0},
            "maps": {"running": 1}, "process": {"memory_bytes": 52_428_800},
            "jobs": [{"job": "j-7f3k2m", "function": "fit", "state": "running", "items": 40, "done": 29, "failed": 1}],
            "alerts": [{"name": "slow", "state": "firing", "when": "p99 > 1s", "shown": "1.23s"}],
        });
        Figures::read(&page).unwrap()
    }

    fn look(width: usize, height: usize, paint: Paint) -> Look {
        Look {
            width,
            height,
            paint,
        }
    }

    #[test]
    fn all_is_seen_at_once() {
        let frame = render(&figures(), look(120, usize::MAX, Paint::Plain));
        assert_eq!(
            frame,
            "\
squall  18:00:01 UTC  up 1 h 2 m  rates of the last 10 s
requests 19.6/s  in flight 3  connections 12  p50 420us  p95 3.2ms  p99 1.2s
errors 2 (1.0%)  throttled 4  refused 1
invocations 120/s  failed 0  throttled 0  instances busy 3  idle 1  memory 150 MB
events waiting 2  the oldest 1 m 1 s  maps running 1  waiting 0  engine 50.0 MB

ALERT  STATE   WHEN      NOW
slow   firing  p99 > 1s  1.23s

JOB       FUNCTION  STATE    PROGRESS                DONE  ITEMS  FAILED
j-7f3k2m  fit       running  [###############.....]    29     40       1

ROUTE          API   REQ/S  ERRORS  THROTTLED  REFUSED    P50    P95   P99    IN/S   OUT/S
GET /fit/{id}  shop   19.4       2          0        0  420us  3.2ms  1.2s  1003 B  196 KB
-              -       0.2       0          0        0      -      -     -     0 B     0 B

FUNCTION  INV/S  FAILED  THROTTLED  COLD  BUSY  IDLE  MEMORY   P50  P95  P99
fit         120       0          0     0     3     1  150 MB  12ms    -    -
"
        );
    }

    #[test]
    fn a_frame_fits_any_screen() {
        for width in [1, 10, 20, 40, 80, 200] {
            for height in [1, 2, 5, 8, 10, 13, 24] {
                for paint in [Paint::Plain, Paint::Bold, Paint::Colours] {
                    let frame = render(&figures(), look(width, height, paint));
                    assert!(frame.lines().count() <= height, "{width} x {height}");
                    let widest = frame.lines().map(console::measure_text_width).max();
                    assert!(widest.unwrap() <= width, "{width} x {height}:\n{frame}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut figures = figures();
        figures.routes = vec![figures.routes[0].clone(); 50];
        let frame = render(&figures, look(120, 30, Paint::Plain));
        assert!(frame.contains("... and 4"), "{frame}");
        assert!(
            frame.contains("FUNCTION"),
            "the others have room, too:\n{frame}"
        );
    }

    #[test]
    fn names_do_nothing_to_the_terminal() {
        let mut figures = figures();
        figures.routes[0].name = "GET /\x1b[2J\x07\n\u{9b}31m/ü宽".to_owned();
        let frame = render(&figures, look(120, 40, Paint::Colours));
        let allowed = ["\x1b[1m", "\x1b[31m", "\x1b[2m", "\x1b[0m"];
        let rest = allowed
            .iter()
            .fold(frame, |text, code| text.replace(code, ""));
        assert!(!rest.replace('\n', "").contains(char::is_control), "{rest}");
        assert!(rest.contains("/ü宽"));
    }
}
