//! The text form of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use crate::histogram::Counts;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being written, family by family.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub fn counter(&mut self, name: &'static str, help: &str) {
        self.family(name, help, "counter");
    }

    pub fn gauge(&mut self, name: &'static str, help: &str) {
        self.family(name, help, "gauge");
    }

    pub fn histogram(&mut self, name: &'static str, help: &str) {
        self.family(name, help, "histogram");
    }

    /// A family of a single value.
    pub fn single_gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.gauge(name, help);
        self.sample(&[], value);
    }

    pub fn single_counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.counter(name, help);
        self.sample(&[], value);
    }

    fn family(&mut self, name: &'static str, help: &str, kind: &str) {
        self.family = name;
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the family that was begun last.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    pub fn counts(&mut self, labels: Labels<'_>, counts: &Counts) {
        let count = counts.count();
        for (end, below) in counts.told() {
            self.line("_bucket", labels, Some(&end.to_string()), below);
        }
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, seconds(counts.micros));
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, end: Option<&str>, value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        let end = end.map(|end| ("le", end));
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(end) {
            let _ = write!(self.text, "{before}{name}=\"");
            escape(value, &mut self.text);
            self.text.push('"');
            before = ',';
        }
        let after = if before == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{after} {value}");
    }

    pub fn text(self) -> String {
        self.text
    }
}

fn escape(value: &str, text: &mut String) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str(r"\n"),
            _ => text.push(letter),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for some 285 years")]
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    #[test]
    fn values_stand_behind_their_family() {
        let mut page = Exposition::default();
        page.single_gauge("up", "Whether it is\nup", 1);
        page.counter("asked_total", "Requests");
        page.sample(&[("path", "a\"b\\c\nd"), ("method", "GET")], 3);
        assert_eq!(
            page.text(),
            "# HELP up Whether it is\\nup\n# TYPE up gauge\nup 1\n\
             # HELP asked_total Requests\n# TYPE asked_total counter\n\
             asked_total{path=\"a\\\"b\\\\c\\nd\",method=\"GET\"} 3\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_all() {
        let histogram = Histogram::default();
        histogram.add(1_500);
        let mut page = Exposition::default();
        page.histogram("took_seconds", "Time");
        page.counts(&[("f", "x")], &histogram.read());
        let text = page.text();
        assert!(
            text.contains("took_seconds_bucket{f=\"x\",le=\"0.00001\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("took_seconds_bucket{f=\"x\",le=\"0.001\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("took_seconds_bucket{f=\"x\",le=\"0.002\"} 1\n"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "took_seconds_bucket{f=\"x\",le=\"+Inf\"} 1\n\
                 took_seconds_sum{f=\"x\"} 0.0015\ntook_seconds_count{f=\"x\"} 1\n"
            ),
            "{text}"
        );
    }
}
