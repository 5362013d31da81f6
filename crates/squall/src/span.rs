//! Spans of time as people write them.

/// Seconds of `30s`, `10m`, `1h30m`, `2d`; a unit may appear once, larger first.
pub fn seconds(text: &str) -> Option<u64> {
    let mut left = text;
    let mut total: u64 = 0;
    let mut units = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)].iter();
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = left[..digits].parse().ok()?;
        let unit = left[digits..].chars().next()?;
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(count.checked_mul(*size)?)?;
        left = &left[digits + 1..];
    }
    (total > 0).then_some(total)
}

/// `5 s`, `3 m`, `2 h 5 m`, `4 d`: the two largest units.
pub fn shown(seconds: u64) -> String {
    let mut left = seconds;
    let mut parts = Vec::new();
    for (name, size) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = left / size;
        left %= size;
        if count > 0 && parts.len() < 2 {
            parts.push(format!("{count} {name}"));
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() {
        "0 s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, count) in [
            ("90s", 90),
            ("10m", 600),
            ("1h30m", 5_400),
            ("2d", 172_800),
            ("1d1s", 86_401),
        ] {
            assert_eq!(seconds(text), Some(count), "{text}");
        }
        for bad in [
            "",
            "0s",
            "10",
            "m",
            "1x",
            "1m1h",
            "1m1m",
            "-1s",
            "1h 5m",
            "1ä",
            "99999999999999999999d",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_are_shown_in_two_units() {
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(7_500), "2 h 5 m");
        assert_eq!(shown(90_061), "1 d 1 h");
        assert_eq!(shown(86_405), "1 d");
    }
}
