//! Cells of CSV as pandas' `to_csv` writes them.

use std::fmt;
use std::io::{self, Write};

/// Quoted if it must be. A lone carriage return is quoted, too: Python before 3.13
/// does not do so, and cannot read back what it wrote.
pub fn write_text(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !text.iter().any(special) {
        return out.write_all(text);
    }
    out.write_all(b"\"")?;
    for (at, part) in text.split(|byte| *byte == b'"').enumerate() {
        if at > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part)?;
    }
    out.write_all(b"\"")
}

/// Floats as Python's `repr` has them; a missing one is nothing.
#[derive(Debug, Default)]
pub struct FloatText {
    digits: Digits,
    text: Vec<u8>,
}

#[derive(Default)]
struct Digits(zmij::Buffer);

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits")
    }
}

/// Below this power of ten, and from the other on, there is an exponent.
const SMALL: i32 = -4;
const LARGE: i32 = 16;

impl FloatText {
    /// The text of one, until the next is asked for.
    pub fn of(&mut self, value: f64) -> &[u8] {
        let out = &mut self.text;
        out.clear();
        if value.is_nan() {
            return out;
        }
        if value.is_sign_negative() {
            out.push(b'-');
        }
        if value.is_infinite() {
            out.extend_from_slice(b"inf");
            return out;
        }
        if value == 0.0 {
            out.extend_from_slice(b"0.0");
            return out;
        }
        // The shortest digits that bring the value back, in whatever notation.
        let shortest = self.digits.0.format_finite(value.abs());
        let (number, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
        let exponent: i32 = exponent.parse().expect("exponents are small integers");
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole.as_bytes(), fraction.as_bytes()].concat();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let end = digits
            .iter()
            .rposition(|digit| *digit != b'0')
            .map_or(0, |at| at + 1);
        let digits = &digits[zeros..end];
        let place = |count: usize| i32::try_from(count).expect("digits are few");
        // Of the first digit.
        let power = place(whole.len()) - 1 - place(zeros) + exponent;
        put(out, digits, power);
        out
    }
}

/// `d.ddd` times ten to the `power`.
fn put(out: &mut Vec<u8>, digits: &[u8], power: i32) {
    if !(SMALL..LARGE).contains(&power) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let sign = if power < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", power.abs()).as_bytes());
        return;
    }
    let Ok(power) = usize::try_from(power) else {
        out.extend_from_slice(b"0.");
        out.extend((1..power.unsigned_abs()).map(|_| b'0'));
        out.extend_from_slice(digits);
        return;
    };
    let whole = digits.len().min(power + 1);
    out.extend_from_slice(&digits[..whole]);
    out.extend((whole..=power).map(|_| b'0'));
    out.push(b'.');
    let fraction = &digits[whole..];
    out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        String::from_utf8(FloatText::default().of(value).to_vec()).unwrap()
    }

    #[test]
    fn floats_look_as_in_python() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, ""),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        for (plain, quoted) in [
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b\"", "\"a\"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("'x;", "'x;"),
        ] {
            let mut out = Vec::new();
            write_text(&mut out, plain.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), quoted);
        }
    }

    proptest! {
        #[test]
        fn floats_are_read_back_exactly(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = written(value);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(text.len() <= 24);
        }
    }
}
