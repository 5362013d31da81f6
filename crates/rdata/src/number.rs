//! Numbers as R makes texts of them, `as.character(x)`: up to 15 digits, fixed or with
//! an exponent, whichever is shorter.

use crate::value::is_na;

const DIGITS: usize = 15;

/// Nothing for NA. `penalty` is R's option `scipen`.
pub fn text(number: f64, penalty: i32) -> Option<String> {
    if is_na(number) {
        return None;
    }
    if number.is_nan() {
        return Some("NaN".into());
    }
    if number.is_infinite() {
        return Some(if number > 0.0 { "Inf" } else { "-Inf" }.into());
    }
    if number == 0.0 {
        return Some("0".into());
    }
    Some(finite(number, penalty))
}

fn finite(number: f64, penalty: i32) -> String {
    let rounded = format!("{:.*e}", DIGITS - 1, number.abs());
    let (mantissa, exponent) = rounded.split_once('e').expect("written with an exponent");
    let exponent: i32 = exponent.parse().expect("written as a number");
    // How many of the digits are needed: one before the point, the rest behind it.
    let behind = mantissa.trim_end_matches('0').len().saturating_sub(2);
    let behind = i32::try_from(behind).expect("at most 14");

    let negative = i32::from(number < 0.0);
    let before = (exponent + 1).max(1);
    let decimals = (behind - exponent).max(0);
    let fixed = negative + before + if decimals > 0 { decimals + 1 } else { 0 };
    let wide = if exponent >= 100 || exponent <= -99 {
        2
    } else {
        1
    };
    let scientific = negative + i32::from(behind > 0) + behind + 4 + wide;

    if fixed <= scientific.saturating_add(penalty) {
        let decimals = usize::try_from(decimals).expect("not negative");
        return format!("{number:.decimals$}");
    }
    let behind = usize::try_from(behind).expect("not negative");
    let shown = format!("{number:.behind$e}");
    let (mantissa, exponent) = shown.split_once('e').expect("written with an exponent");
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}
