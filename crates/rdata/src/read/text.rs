//! Encodings of texts. Inside there is only UTF-8.

use std::borrow::Cow;
use std::sync::Arc;

/// The encoding of the session that wrote, for texts that do not say theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    Utf8,
    Latin1,
}

impl Native {
    pub fn of(name: &[u8]) -> Self {
        let name = name.to_ascii_lowercase();
        let latin = [
            "latin1",
            "latin-1",
            "iso-8859-1",
            "iso8859-1",
            "cp1252",
            "windows-1252",
        ];
        if latin.iter().any(|known| known.as_bytes() == name) {
            Self::Latin1
        } else {
            Self::Utf8
        }
    }
}

const BYTES: u32 = 1 << 1;
const LATIN1: u32 = 1 << 2;
const UTF8: u32 = 1 << 3;

/// The text of a CHARSXP with these levels.
pub fn decode(bytes: &[u8], levels: u32, native: Native) -> Arc<str> {
    if bytes.is_ascii() {
        // The common case, and the same in all of them.
        return String::from_utf8_lossy(bytes).into();
    }
    if levels & BYTES != 0 {
        return escaped(bytes).into();
    }
    if levels & LATIN1 != 0 {
        return latin1(bytes).into();
    }
    match String::from_utf8_lossy(bytes) {
        Cow::Owned(_) if levels & UTF8 == 0 && native == Native::Latin1 => latin1(bytes).into(),
        text => text.into(),
    }
}

/// Bytes that are no characters, as R prints them.
fn escaped(bytes: &[u8]) -> String {
    let show = |byte: &u8| match byte {
        byte if byte.is_ascii() => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(show).collect()
}

/// What R takes for latin1 is the code page 1252.
fn latin1(bytes: &[u8]) -> String {
    const CONTROLS: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž',
        '\u{8F}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}',
        'ž', 'Ÿ',
    ];
    let decoded = |byte: &u8| match byte {
        0x80..0xA0 => CONTROLS[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    bytes.iter().map(decoded).collect()
}
