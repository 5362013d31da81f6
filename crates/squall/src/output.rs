//! Writing to the terminal: data to stdout, words about it to stderr. A reader
//! that went away (`squall logs f | head`) is no error.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// Writes to stdout as it is.
pub fn bytes(data: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        // Whoever read has seen enough: end as quietly as `cat` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("cannot write to stdout"),
    }
}

pub fn line(text: &str) -> Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// One JSON value on one line.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string(value)?)
}

/// A word on stderr. If even that fails there is no one left to tell.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A log record in the lines that it had: AWS's runtimes fold a traceback into one
/// record by carriage returns, which a terminal would print over each other.
pub fn unfolded(record: &str) -> String {
    record.replace("\r\n", "\n").replace('\r', "\n")
}

/// A table for people: columns as wide as their widest cell.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// Columns by their titles; a `>` before a title puts the column to the right,
    /// as numbers are.
    pub fn new(titles: &[&str]) -> Self {
        let right = titles.iter().map(|title| title.starts_with('>')).collect();
        let titles = titles
            .iter()
            .map(|title| title.trim_start_matches('>').to_owned())
            .collect();
        Self {
            rows: vec![titles],
            right,
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A cell with a newline or an escape sequence would break more than the table.
        let clean = |cell: String| cell.replace(char::is_control, " ");
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    pub fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.right.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(widths.iter().zip(&self.right));
            let cells: Vec<String> = cells
                .map(|(cell, (&width, &right))| {
                    if right {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// `1.5 MB`, counted in 1,024s.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1024.0 || unit == "GB" {
            let digits = usize::from(unit != "B" && value < 100.0);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    unreachable!("the last unit takes all")
}

/// `5s`, `3m`, `2h`, `4d`.
pub fn age(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["NAME", ">MEMORY", "RUNTIME"]);
        assert!(table.is_empty());
        table.row(["fit".into(), "128 MB".into(), "python3.11".into()]);
        table.row(["features".into(), "1024 MB".into(), "a\nb\x1b[31m".into()]);
        assert_eq!(
            table.render(),
            "NAME       MEMORY  RUNTIME\n\
             fit        128 MB  python3.11\n\
             features  1024 MB  a b [31m\n"
        );
    }

    #[test]
    fn a_folded_traceback_is_lines_again() {
        assert_eq!(unfolded("a\r  b\r\nc"), "a\n  b\nc");
    }

    #[test]
    fn sizes_and_ages_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KB"),
            (250 * 1024 * 1024, "250 MB"),
            (1 << 40, "1024 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (millis, text) in [
            (999, "0s"),
            (61_000, "1m"),
            (7_200_000, "2h"),
            (200_000_000, "2d"),
        ] {
            assert_eq!(age(millis), text);
        }
    }
}
