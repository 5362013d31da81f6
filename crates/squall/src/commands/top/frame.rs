//! What is seen: a head of sums, then the routes, functions, jobs and alerts that there is
//! room for. Without colours it says the same.

use std::fmt::Write;

use super::figures::Figures;
use super::head::{self, Said};
use super::table::{Table, Tone};
use super::tables;

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

/// Lines of a table, with the empty one before it, that are worth having.
const LEAST_LINES: usize = 4;
/// A screen that has room for more than the tables.
const TALL: usize = 20;

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
    for said in head::of(figures, look.width) {
        frame.flow(&said);
    }
    let tables = tables::of(figures);
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

    /// Words, on as many lines as they need; where lines are rare, those that fit on one.
    fn flow(&mut self, said: &Said) {
        let mut line = String::new();
        for word in &said.words {
            let length = console::measure_text_width(&line)
                + said.gap.len()
                + console::measure_text_width(word);
            if !line.is_empty() && length > self.look.width {
                if self.look.height < TALL {
                    break;
                }
                self.line(&std::mem::take(&mut line), said.tone);
            }
            if !line.is_empty() {
                line.push_str(said.gap);
            }
            line.push_str(word);
        }
        self.line(&line, said.tone);
    }

    /// A table in so many lines, the empty one before it and that of titles among them.
    fn table(&mut self, table: &Table, room: usize) {
        if room < 3 {
            return;
        }
        let (titles, rows) = table.lines(self.look.width);
        self.line("", Tone::Usual);
        self.line(&titles, Tone::Title);
        let fits = room - 2;
        let shown = if table.len() > fits { fits - 1 } else { fits };
        for (row, tone) in rows.take(shown) {
            self.line(&row, tone);
        }
        if table.len() > fits {
            let more = table.len() - shown;
            self.line(&format!("... and {more} more"), Tone::Dim);
        }
    }
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
    fn a_narrow_screen_has_what_matters_most() {
        let frame = render(&figures(), look(40, 40, Paint::Plain));
        assert_eq!(
            frame,
            "\
squall 18:00:01  up 1 h 2 m  last 10 s
requests 19.6/s  in flight 3
connections 12  p50 420us  p95 3.2ms
p99 1.2s
errors 2 (1.0%)  throttled 4  refused 1
invocations 120/s  failed 0  throttled 0
instances busy 3  idle 1  memory 150 MB
events waiting 2  the oldest 1 m 1 s
maps running 1  waiting 0
engine 50.0 MB

ALERT  STATE   WHEN      NOW
slow   firing  p99 > 1s  1.23s

JOB       STATE    DONE  ITEMS  FAILED
j-7f3k2m  running    29     40       1

ROUTE          REQ/S  ERRORS    P95
GET /fit/{id}   19.4       2  3.2ms
-                0.2       0      -

FUNCTION  INV/S  FAILED  BUSY  P95
fit         120       0     3    -
"
        );
    }

    #[test]
    fn a_problem_is_told_in_whole() {
        let mut figures = figures();
        figures.problem = Some("nobody answers at\n127.0.0.1:4566".to_owned());
        let frame = render(&figures, look(40, 40, Paint::Plain));
        let told = "the engine does not answer: nobody\nanswers at 127.0.0.1:4566\n";
        assert!(frame.contains(told), "{frame}");
    }

    #[test]
    fn a_low_screen_cuts_no_word() {
        let frame = render(&figures(), look(40, 10, Paint::Plain));
        assert!(
            frame.starts_with(
                "squall 18:00:01  up 1 h 2 m  last 10 s\nrequests 19.6/s  in flight 3\nerrors"
            ),
            "{frame}"
        );
        let mut figures = figures();
        figures.uptime_seconds = 12 * 86_400 + 23 * 3_600;
        let frame = render(&figures, look(40, 10, Paint::Plain));
        assert!(
            frame.starts_with("squall 18:00:01  up 12 d 23 h  last 10 s\n"),
            "{frame}"
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
