//! The canonical request: one spelling of a request, on which both sides agree.

use std::borrow::Cow;

use http::request::Parts;
use percent_encoding::percent_decode;
use sha2::{Digest, Sha256};

use super::error::AuthError;

pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
pub(super) const CONTENT_SHA256: &str = "x-amz-content-sha256";
pub(super) const SIGNATURE: &str = "X-Amz-Signature";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The SHA-256 of the canonical request, in hexadecimal: what is signed.
pub(super) fn hash(
    parts: &Parts,
    service: &str,
    signed_headers: &[&str],
    payload: &str,
) -> Result<String, AuthError> {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(parts.method.as_str().as_bytes());
    text.push(b'\n');
    push_path(&mut text, parts.uri.path(), service);
    text.push(b'\n');
    push_query(&mut text, parts.uri.query().unwrap_or_default());
    text.push(b'\n');
    for name in signed_headers {
        push_header(&mut text, parts, name)?;
    }
    text.push(b'\n');
    for (i, name) in signed_headers.iter().enumerate() {
        if i > 0 {
            text.push(b';');
        }
        text.extend_from_slice(name.as_bytes());
    }
    text.push(b'\n');
    text.extend_from_slice(payload.as_bytes());
    Ok(hex::encode(Sha256::digest(&text)))
}

/// S3 keys may hold `//`, `.` and `..`, so S3 signs the path as it is, encoded
/// once; all others normalise it and encode what is on the wire once more.
fn push_path(text: &mut Vec<u8>, path: &str, service: &str) {
    if service == "s3" {
        let decoded: Cow<'_, [u8]> = percent_decode(path.as_bytes()).into();
        push_encoded(text, &decoded, true);
        return;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    for segment in &segments {
        text.push(b'/');
        push_encoded(text, segment.as_bytes(), false);
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if segments.is_empty() || matches!(last, "" | "." | "..") {
        text.push(b'/');
    }
}

/// Names and values decoded and encoded anew, so that the spelling on the wire
/// does not matter; sorted by encoded name, then value.
fn push_query(text: &mut Vec<u8>, query: &str) {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recoded(name), recoded(value))
        })
        .filter(|(name, _)| name != SIGNATURE.as_bytes())
        .collect();
    pairs.sort_unstable();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            text.push(b'&');
        }
        text.extend_from_slice(name);
        text.push(b'=');
        text.extend_from_slice(value);
    }
}

fn push_header(text: &mut Vec<u8>, parts: &Parts, name: &str) -> Result<(), AuthError> {
    text.extend_from_slice(name.as_bytes());
    text.push(b':');
    let mut found = false;
    for value in parts.headers.get_all(name) {
        if found {
            text.push(b',');
        }
        found = true;
        push_folded(text, value.as_bytes());
    }
    if !found {
        // A request target in absolute form carries the host itself.
        let host = parts.uri.authority().filter(|_| name == "host");
        let Some(host) = host else {
            // A proxy may have dropped the header; the signature then cannot hold.
            return Err(AuthError::Mismatch);
        };
        text.extend_from_slice(host.as_str().as_bytes());
    }
    text.push(b'\n');
    Ok(())
}

/// Trimmed, and every run of spaces as one.
fn push_folded(text: &mut Vec<u8>, value: &[u8]) {
    let mut space = false;
    for &byte in value.trim_ascii() {
        let is_space = byte == b' ' || byte == b'\t';
        if !is_space {
            text.push(byte);
        } else if !space {
            text.push(b' ');
        }
        space = is_space;
    }
}

fn recoded(text: &str) -> Vec<u8> {
    let decoded: Cow<'_, [u8]> = percent_decode(text.as_bytes()).into();
    let mut out = Vec::with_capacity(text.len());
    push_encoded(&mut out, &decoded, false);
    out
}

fn push_encoded(text: &mut Vec<u8>, bytes: &[u8], keep_slash: bool) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(byte),
            b'/' if keep_slash => text.push(byte),
            _ => text.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str, service: &str) -> String {
        let mut text = Vec::new();
        push_path(&mut text, raw, service);
        String::from_utf8(text).unwrap()
    }

    fn query(raw: &str) -> String {
        let mut text = Vec::new();
        push_query(&mut text, raw);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_encoded_twice_except_for_s3() {
        assert_eq!(path("/", "lambda"), "/");
        assert_eq!(path("", "lambda"), "/");
        assert_eq!(path("/a//b/./c/../d/", "lambda"), "/a/b/d/");
        assert_eq!(path("/../..", "lambda"), "/");
        assert_eq!(path("/f/arn%3Aaws", "lambda"), "/f/arn%253Aaws");
        assert_eq!(path("/f/arn:aws", "lambda"), "/f/arn%3Aaws");
        assert_eq!(path("/a//b/../c%20d", "s3"), "/a//b/../c%20d");
        assert_eq!(path("/a(b)", "s3"), "/a%28b%29");
    }

    #[test]
    fn queries_are_sorted_by_their_encoded_form() {
        assert_eq!(query(""), "");
        assert_eq!(query("b=2&a=1&a=0"), "a=0&a=1&b=2");
        assert_eq!(query("acl"), "acl=");
        assert_eq!(query("a=b=c&a=%2f"), "a=%2F&a=b%3Dc");
        assert_eq!(query("A-=1&A=2"), "A=2&A-=1");
        assert_eq!(query("x=1&X-Amz-Signature=ff"), "x=1");
    }
}
