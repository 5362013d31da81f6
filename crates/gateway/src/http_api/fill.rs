//! Variables of a route's path in the address that it leads to. What stands for them is
//! taken as it was sent, and only its coding is made the usual one: a slash that was sent
//! as `%2F` stays one, and nothing that a client sends is more than a part of a path.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stands in a segment as it is.
const CODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What stands for the variables of a template in a path that fits it, coded.
pub(super) fn variables<'a>(template: &'a str, path: &str) -> BTreeMap<&'a str, String> {
    let segments: Vec<&str> = segments(path).collect();
    let mut found = BTreeMap::new();
    for (at, part) in self::segments(template).enumerate() {
        let Some(name) = variable(part) else {
            continue;
        };
        match name.strip_suffix('+') {
            None => {
                let value = segments.get(at).map(|segment| coded(segment));
                found.insert(name, value.unwrap_or_default());
            }
            Some(name) => {
                let rest = segments.get(at..).unwrap_or_default();
                let rest: Vec<String> = rest.iter().map(|segment| coded(segment)).collect();
                found.insert(name, rest.join("/"));
            }
        }
    }
    found
}

/// Puts values in the places of variables: `{name}`, or `{name+}` for one that is greedy.
/// None: one of them has no value.
pub(super) fn fill(text: &str, values: &BTreeMap<&str, String>) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(values.get(name.strip_suffix('+').unwrap_or(name))?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// What stands between slashes, without what stands before the first.
pub(super) fn segments(path: &str) -> std::str::Split<'_, char> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// The name of a variable, with its `+` if it is greedy.
pub(super) fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn coded(segment: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(segment).collect();
    percent_encode(&bytes, CODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, path: &str, text: &str) -> Option<String> {
        fill(text, &variables(template, path))
    }

    #[test]
    fn variables_come_out_as_parts_of_a_path() {
        for (path, expected) in [
            ("/old/7", "/new/7"),
            ("/old/a%20b", "/new/a%20b"),
            ("/old/%61", "/new/a"),
            ("/old/a%2Fb", "/new/a%2Fb"),
            ("/old/%0d%0aset-cookie:x", "/new/%0D%0Aset-cookie%3Ax"),
            ("/old/%22%3Cb%3E", "/new/%22%3Cb%3E"),
            ("/old/%ff%00", "/new/%FF%00"),
            ("/old/%", "/new/%25"),
            ("/old/@evil.example", "/new/%40evil.example"),
            ("/old/\u{e4}", "/new/%C3%A4"),
        ] {
            let given = filled("/old/{id}", path, "/new/{id}");
            assert_eq!(given.as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_greedy_one_keeps_its_slashes_and_no_others() {
        for (path, expected) in [
            ("/x/a/b%2Fc/d", "/y/a/b%2Fc/d"),
            ("/x/%2Fevil.example", "/y/%2Fevil.example"),
            ("/x/%5Cevil.example", "/y/%5Cevil.example"),
            ("/x/a//b", "/y/a//b"),
        ] {
            for text in ["/y/{rest}", "/y/{rest+}"] {
                let given = filled("/x/{rest+}", path, text);
                assert_eq!(given.as_deref(), Some(expected), "{path}");
            }
        }
    }

    #[test]
    fn an_address_without_variables_stays_as_it_is() {
        assert_eq!(filled("/a", "/a", "/b?c=1#d").as_deref(), Some("/b?c=1#d"));
        assert_eq!(filled("/a", "/a", "/{id}"), None);
        assert_eq!(filled("/{id}", "/a", "/{id"), None);
    }
}
