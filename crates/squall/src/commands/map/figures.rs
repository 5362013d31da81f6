//! Times, rates and amounts in as many digits as count.

use std::time::Duration;

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate in a few digits"
)]
pub fn rate(items: u64, elapsed: Duration) -> String {
    let rate = items as f64 / elapsed.as_secs_f64().max(1e-6);
    if rate < 10.0 {
        format!("{rate:.1} items/s")
    } else {
        format!("{} items/s", rate as u64)
    }
}

/// `85 ms`, `1.2 s`, `3:05`, `1:02:03`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.subsec_millis() < 100 => format!("{} ms", time.subsec_millis()),
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!(
            "{}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        ),
    }
}

/// With two digits that count, at least to the cent.
pub fn dollars(amount: f64) -> String {
    if amount >= 1.0 || amount <= 0.0 {
        return format!("${amount:.2}");
    }
    let mut digits = 2;
    let mut scaled = amount * 10.0;
    while scaled < 1.0 && digits < 10 {
        digits += 1;
        scaled *= 10.0;
    }
    format!("${amount:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_short() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (12.345, "$12.35"),
            (0.5, "$0.50"),
            (0.0123, "$0.012"),
            (0.000_004_56, "$0.0000046"),
        ] {
            assert_eq!(dollars(amount), text);
        }
        let shown = |ms| time(Duration::from_millis(ms));
        assert_eq!(
            [shown(85), shown(1_240), shown(185_000)],
            ["85 ms", "1.2 s", "3:05"]
        );
        assert_eq!(rate(10, Duration::from_secs(4)), "2.5 items/s");
        assert_eq!(rate(1_000, Duration::from_millis(250)), "4000 items/s");
    }
}
