//! How figures about jobs are written.

use types::Timestamp;

use crate::place::Remote;
use crate::span;

/// The name of the file, without its folders; all of what is no path.
pub fn input(input: &str) -> String {
    match input {
        "-" => "stdin".to_owned(),
        path if path.starts_with('/') => path.rsplit('/').next().unwrap_or_default().to_owned(),
        other => match Remote::parse(other) {
            Ok(place) if other.starts_with("s3://") && !place.is_folder() => {
                place.name().to_owned()
            }
            _ => other.to_owned(),
        },
    }
}

/// `2 h 5 m ago`
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0) / 1_000 {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", span::shown(seconds)),
    }
}

/// `85 ms`, `1.2 s`, `1 m 15 s`
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time in a few digits"
)]
pub fn took(seconds: f64) -> String {
    match seconds {
        seconds if seconds <= 0.0 => "-".to_owned(),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1_000.0),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds => span::shown(seconds as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_short() {
        for (whole, short) in [
            ("-", "stdin"),
            ("/a/b/c.csv", "c.csv"),
            ("s3://lake/raw/c.csv", "c.csv"),
            ("PUT /features", "PUT /features"),
        ] {
            assert_eq!(input(whole), short);
        }
    }

    #[test]
    fn times_are_short() {
        for (seconds, text) in [
            (0.0, "-"),
            (0.0854, "85 ms"),
            (1.24, "1.2 s"),
            (75.0, "1 m 15 s"),
        ] {
            assert_eq!(took(seconds), text);
        }
        assert_eq!(ago(Timestamp(5_000), Timestamp(5_900)), "just now");
        assert_eq!(ago(Timestamp(5_000), Timestamp(65_900)), "1 m ago");
        assert_eq!(ago(Timestamp(5_000), Timestamp(0)), "just now");
    }
}
