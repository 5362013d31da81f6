//! Numbers as pandas reads them: which text is one, which text stands for a missing
//! value, and which double is nearest.
//!
//! [`short_number`] takes what nearly all numbers look like, a word at a time;
//! everything else is for [`number`], which shows what the rules are.

/// What a cell of a column of numbers holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// [`i64::MIN`] stands for `-0`: the integer 0 in a column of integers, else -0.0.
    Integer(i64),
    Float(f64),
    /// An integer that does not fit into 64 bits: a float if the column is one of floats.
    Wide(f64),
    Missing,
    Bad,
}

/// What pandas takes for missing by default.
const MISSING: [&[u8]; 19] = [
    b"",
    b"#N/A",
    b"#N/A N/A",
    b"#NA",
    b"-1.#IND",
    b"-1.#QNAN",
    b"-NaN",
    b"-nan",
    b"1.#IND",
    b"1.#QNAN",
    b"<NA>",
    b"N/A",
    b"NA",
    b"NULL",
    b"NaN",
    b"None",
    b"n/a",
    b"nan",
    b"null",
];

pub fn is_missing(text: &[u8]) -> bool {
    let Some(first) = text.first() else {
        return true;
    };
    matches!(first, b'#' | b'-' | b'1' | b'<' | b'N' | b'n')
        && text.len() <= 8
        && MISSING.contains(&text)
}

/// Reads a cell by the rules.
pub fn number(text: &[u8]) -> Number {
    if is_missing(text) {
        return Number::Missing;
    }
    match integer(text) {
        Some(Ok(integer)) => Number::Integer(integer),
        Some(Err(TooWide)) => float(text).map_or(Number::Bad, Number::Wide),
        None => float(text).map_or(Number::Bad, Number::Float),
    }
}

/// An integer that is one, but not one of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooWide;

/// The text as an integer, blanks around it allowed. See [`Number::Integer`] for `-0`.
pub fn integer(text: &[u8]) -> Option<Result<i64, TooWide>> {
    let text = trim(text);
    let negative = text.first() == Some(&b'-');
    let digits = match text.first() {
        Some(b'-' | b'+') => &text[1..],
        _ => text,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().try_fold(0_i64, |value, digit| {
        value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    });
    Some(match value {
        Some(0) if negative => Ok(i64::MIN),
        Some(value) => Ok(if negative { -value } else { value }),
        None => Err(TooWide),
    })
}

/// The text as a double, blanks around it allowed, but not around words.
pub fn float(text: &[u8]) -> Option<f64> {
    let trimmed = trim(text);
    let last = trimmed.last()?;
    // "infinity" and "inf", in any case. Of "nan" only those that are missing are known.
    let word = last.is_ascii_alphabetic();
    if word && (text.len() != trimmed.len() || trimmed.to_ascii_lowercase().ends_with(b"nan")) {
        return None;
    }
    std::str::from_utf8(trimmed).ok()?.parse().ok()
}

/// The text as a boolean, in any case of letters.
pub fn flag(text: &[u8]) -> Option<bool> {
    match text.len() {
        4 if text.eq_ignore_ascii_case(b"true") => Some(true),
        5 if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !blank(byte));
    let end = text.iter().rposition(|byte| !blank(byte));
    match (start, end) {
        (Some(start), Some(end)) => &text[start..=end],
        _ => b"",
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Reads `bytes[start..end]` if it is a plain number with few digits, such as `12`,
/// `-0.25` or `0.8444218515250481`. At least 32 bytes behind its end can be looked at.
#[inline]
pub fn short_number(bytes: &[u8], start: usize, end: usize) -> Option<Number> {
    let negative = bytes[start] == b'-';
    let start = start + usize::from(negative);
    let length = end.wrapping_sub(start);
    let word = load(bytes, start);
    let whole = (not_digits(word).trailing_zeros() / 8) as usize;
    if whole >= length {
        // Also taken if the length is 0, or -1 of what was one byte.
        if length.wrapping_sub(1) >= 8 {
            return None;
        }
        let value = eight(word, length).cast_signed();
        return Some(Number::Integer(match (negative, value) {
            (true, 0) => i64::MIN,
            (true, value) => -value,
            (false, value) => value,
        }));
    }
    if whole == 0 || whole == 8 || bytes[start + whole] != b'.' {
        return None;
    }
    let places = length - whole - 1;
    let (mantissa, places) = fraction(bytes, start + whole + 1, places, eight(word, whole))?;
    let value = divide(mantissa, places)?;
    // Without a branch: signs cannot be foretold.
    let sign = u64::from(negative) << 63;
    Some(Number::Float(f64::from_bits(value.to_bits() | sign)))
}

/// Puts `places` digits from `at` behind the `whole` ones.
#[inline]
fn fraction(bytes: &[u8], at: usize, places: usize, whole: u64) -> Option<(u64, usize)> {
    let mut value = whole;
    let mut left = places;
    let mut at = at;
    // Nineteen digits fit into 64 bits, and a whole part of zero takes none of them.
    if places > 19 || (whole != 0 && places > 11 && whole >= TENS[19 - places]) {
        return None;
    }
    while left > 8 {
        let word = load(bytes, at);
        if not_digits(word) != 0 {
            return None;
        }
        value = value * 100_000_000 + eight(word, 8);
        left -= 8;
        at += 8;
    }
    if left == 0 {
        return Some((value, places));
    }
    let word = load(bytes, at);
    if not_digits(word).trailing_zeros() as usize / 8 < left {
        return None;
    }
    Some((value * TENS[left] + eight(word, left), places))
}

#[inline]
pub fn load(bytes: &[u8], at: usize) -> u64 {
    let word = bytes[at..].first_chunk().expect("blocks are padded");
    u64::from_le_bytes(*word)
}

/// High bits in bytes that are no digits. Only the lowest one is to be trusted.
#[inline]
fn not_digits(word: u64) -> u64 {
    let digits = word ^ ZEROS;
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// The value of the first 1 to 8 digits of a word.
#[inline]
fn eight(word: u64, count: usize) -> u64 {
    // Zeros come in front, and what stood behind goes away.
    let digits = (word ^ ZEROS) << (64 - 8 * count);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut at = 1;
    while at < 20 {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
};

/// A power of ten shifted up to its highest bit, by how much, and its reciprocal: what
/// Möller and Granlund's division ("Improved division by invariant integers", 2011)
/// needs to do without a division.
#[derive(Clone, Copy)]
struct Divisor {
    value: u64,
    shift: u32,
    reciprocal: u64,
}

const DIVISORS: [Divisor; 20] = {
    let mut divisors = [Divisor {
        value: 0,
        shift: 0,
        reciprocal: 0,
    }; 20];
    let mut at = 0;
    while at < 20 {
        let shift = TENS[at].leading_zeros();
        let value = TENS[at] << shift;
        // Between 2^64 and 2^65; the highest bit is understood.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let reciprocal = (u128::MAX / value as u128) as u64;
        divisors[at] = Divisor {
            value,
            shift,
            reciprocal,
        };
        at += 1;
    }
    divisors
};

/// The double nearest to `mantissa / 10^places`. Always the same few steps: which
/// numbers are simple cannot be foretold, and to guess wrong costs more than a product.
#[inline]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "this is where it is rounded, and where halves are taken"
)]
fn divide(mantissa: u64, places: usize) -> Option<f64> {
    let divisor = DIVISORS.get(places)?;
    if mantissa == 0 {
        return Some(0.0);
    }
    // With the highest bit of both set, the quotient has 63 or 64 bits: more than
    // enough to round once, with a bit that says whether anything was left over.
    let up = mantissa.leading_zeros();
    let numerator = u128::from(mantissa << up) << 63;
    let high = (numerator >> 64) as u64;
    let low = numerator as u64;
    let estimate = u128::from(divisor.reciprocal) * u128::from(high) + numerator;
    let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
    let mut rest = low.wrapping_sub(quotient.wrapping_mul(divisor.value));
    let over = u64::from(rest > estimate as u64);
    quotient = quotient.wrapping_sub(over);
    rest = rest.wrapping_add(divisor.value & over.wrapping_neg());
    if rest >= divisor.value {
        quotient = quotient.wrapping_add(1);
        rest -= divisor.value;
    }
    // Far from the smallest doubles, so the scaling is exact.
    let scale = f64::from_bits(u64::from(1023 + divisor.shift - up - 63) << 52);
    Some((quotient | u64::from(rest != 0)) as f64 * scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_are_read_as_pandas_does() {
        use Number::{Bad, Float, Integer, Missing, Wide};
        for (text, expected) in [
            ("+5", Integer(5)),
            (" 5\t", Integer(5)),
            ("007", Integer(7)),
            ("1\x0b", Integer(1)),
            ("-0", Integer(i64::MIN)),
            ("-9223372036854775807", Integer(-i64::MAX)),
            ("9223372036854775808", Wide(9_223_372_036_854_775_808.0)),
            ("1.", Float(1.0)),
            (".5", Float(0.5)),
            ("1e5", Float(1e5)),
            ("1E+5", Float(1e5)),
            ("1.5 ", Float(1.5)),
            ("1e99999", Float(f64::INFINITY)),
            ("1e-5000", Float(0.0)),
            ("iNF", Float(f64::INFINITY)),
            ("-Infinity", Float(f64::NEG_INFINITY)),
            (" inf", Bad),
            ("NAN", Bad),
            ("+nan", Bad),
            ("1e", Bad),
            ("0x10", Bad),
            ("1_0", Bad),
            ("- 5", Bad),
            (".", Bad),
            (" ", Bad),
            ("e5", Bad),
            ("1\u{a0}", Bad),
            ("True", Bad),
            ("NA ", Bad),
            ("", Missing),
            ("<NA>", Missing),
            ("-nan", Missing),
            ("#N/A N/A", Missing),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }

    fn check(text: &str) {
        let mut padded = b"x,".to_vec();
        padded.extend_from_slice(text.as_bytes());
        padded.extend_from_slice(b"\n0123456789.0123456789.0123456789.0123456789,12345678");
        if let Some(short) = short_number(&padded, 2, 2 + text.len()) {
            let bits = |number| match number {
                Number::Float(float) => Ok(float.to_bits()),
                other => Err(other),
            };
            assert_eq!(bits(short), bits(number(text.as_bytes())), "{text:?}");
        }
    }

    #[test]
    fn short_cells_are_taken_or_left() {
        for text in [
            "",
            "-",
            "0",
            "-0",
            "12345678",
            "123456789",
            ".5",
            "5.",
            "1.5e3",
            "-0.0",
            "1.2.3",
            "a",
            "1a",
            "1.a",
        ] {
            check(text);
        }
        let mut padded = b"0.8444218515250481".to_vec();
        padded.resize(80, 0);
        assert_eq!(
            short_number(&padded, 0, 18),
            Some(Number::Float(0.844_421_851_525_048_1))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn quotients_are_rounded_once(mantissa in any::<u64>(), shift in 0u32..64, places in 0usize..20) {
            let mantissa = mantissa >> shift;
            let expected: f64 = format!("{mantissa}e-{places}").parse().unwrap();
            prop_assert_eq!(divide(mantissa, places), Some(expected));
        }

        #[test]
        fn digits_become_the_nearest_double(text in "-?[0-9]{0,9}(\\.[0-9]{0,21})?") {
            check(&text);
        }

        #[test]
        fn what_was_written_is_read_back(value in any::<f64>(), small in -1000.0..1000.0f64) {
            check(&value.to_string());
            check(&small.to_string());
        }

        #[test]
        fn anything_is_survived(text in "[-+.0-9eE \\x00-\\xff]{0,24}") {
            check(&text);
        }
    }
}
