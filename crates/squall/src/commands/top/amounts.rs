//! Amounts as they are shown on a screen: short, and rough.

pub fn time(millis: Option<f64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 1.0 => format!("{:.0}us", millis * 1000.0),
        Some(millis) if millis < 10.0 => format!("{millis:.1}ms"),
        Some(millis) if millis < 1_000.0 => format!("{millis:.0}ms"),
        Some(millis) => format!("{:.1}s", millis / 1_000.0),
    }
}

pub fn rate(per_second: f64) -> String {
    // A sum over nothing is a zero with a sign.
    if per_second <= 0.0 {
        "0".to_owned()
    } else if per_second >= 100.0 {
        format!("{per_second:.0}")
    } else {
        format!("{per_second:.1}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
pub fn share(part: u64, all: u64) -> String {
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
pub fn per(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(0.1)) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a span of time is not below zero, and a cast ends at the largest"
)]
pub fn whole(seconds: f64) -> u64 {
    seconds.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (millis, text) in [
            (None, "-"),
            (Some(0.42), "420us"),
            (Some(3.21), "3.2ms"),
            (Some(12.3), "12ms"),
            (Some(1234.0), "1.2s"),
        ] {
            assert_eq!(time(millis), text);
        }
        let nothing: f64 = std::iter::empty::<f64>().sum();
        for (per_second, text) in [
            (nothing, "0"),
            (0.2, "0.2"),
            (19.44, "19.4"),
            (120.4, "120"),
        ] {
            assert_eq!(rate(per_second), text);
        }
        assert_eq!(
            (share(0, 0).as_str(), share(2, 200).as_str()),
            ("0%", "1.0%")
        );
    }
}
