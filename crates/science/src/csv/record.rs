//! One field at a time, with all that quotes and line ends can do. Rows that are
//! plain never come here.

use memchr::{memchr, memchr3};

use crate::Problem;

/// What stands behind a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Comma,
    Line,
}

/// Reads the field that begins at `at`; what it says goes to `out`, if that is wanted.
/// Gives where the next one begins.
pub fn field(
    bytes: &[u8],
    mut at: usize,
    mut out: Option<&mut Vec<u8>>,
) -> Result<(usize, End), Problem> {
    let mut keep = |text: &[u8]| {
        if let Some(out) = &mut out {
            out.extend_from_slice(text);
        }
    };
    if bytes.get(at) == Some(&b'"') {
        at += 1;
        loop {
            let quote = at + memchr(b'"', &bytes[at..]).ok_or(Problem::OpenQuote)?;
            keep(&bytes[at..quote]);
            at = quote + 1;
            if bytes.get(at) != Some(&b'"') {
                break;
            }
            keep(b"\"");
            at += 1;
        }
    }
    // Text behind a closing quote belongs to the field, quotes in it included.
    let Some(length) = memchr3(b',', b'\n', b'\r', &bytes[at..]) else {
        keep(&bytes[at..]);
        return Ok((bytes.len(), End::Line));
    };
    let end = at + length;
    keep(&bytes[at..end]);
    Ok(match bytes[end] {
        b',' => (end + 1, End::Comma),
        b'\r' if bytes.get(end + 1) == Some(&b'\n') => (end + 2, End::Line),
        _ => (end + 1, End::Line),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_special_at_the_beginning_only() {
        for (text, said, next, end) in [
            ("a,b", "a", 2, End::Comma),
            ("a\nb", "a", 2, End::Line),
            ("a\r\nb", "a", 3, End::Line),
            ("a\rb", "a", 2, End::Line),
            ("\"a,\n\"\"b\",", "a,\n\"b", 9, End::Comma),
            ("\"a\"b\"c,", "ab\"c", 7, End::Comma),
            ("a\"b,", "a\"b", 4, End::Comma),
            ("\"\",", "", 3, End::Comma),
            ("", "", 0, End::Line),
        ] {
            let mut out = Vec::new();
            let read = field(text.as_bytes(), 0, Some(&mut out));
            assert_eq!(read, Ok((next, end)), "{text:?}");
            assert_eq!(String::from_utf8(out).unwrap(), said, "{text:?}");
        }
        assert_eq!(field(b"\"a\"\"", 0, None), Err(Problem::OpenQuote));
    }
}
