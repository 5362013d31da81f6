//! `application/x-www-form-urlencoded` and the percent-encoding of AWS.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but `A-Z a-z 0-9 - _ . ~`, as signatures and policy documents want it.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Percent-encodes everything outside of RFC 3986's unreserved characters.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

/// Percent-decodes; `+` stays `+`. Bytes that are not UTF-8 are replaced.
pub fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Name and value of each `name=value` of a form or query, in order, where `+`
/// stands for a space.
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plus_decode(name), plus_decode(value))
    })
}

/// The parameters of a query-protocol request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a body or a query string; of a repeated name the last value counts.
    pub fn parse(text: &str) -> Self {
        Self(pairs(text).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `Name.member.1`, `Name.member.2`, ... up to the first that is missing.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        (1..).map_while(move |n| self.get(&format!("{name}.member.{n}")))
    }

    /// `Name.member.N.Key` and `Name.member.N.Value`, as tags are sent.
    pub fn tags<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        (1..).map_while(move |n| {
            let key = self.get(&format!("{name}.member.{n}.Key"))?;
            let value = self.get(&format!("{name}.member.{n}.Value"));
            Some((key, value.unwrap_or_default()))
        })
    }
}

impl FromIterator<(String, String)> for Form {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

fn plus_decode(text: &str) -> String {
    if text.contains('+') {
        decode(&text.replace('+', " ")).into_owned()
    } else {
        decode(text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_clients_write_them() {
        let form = Form::parse(
            "Action=TagRole&Tags.member.1.Key=a+b&Tags.member.1.Value=%26&Tags.member.2.Key=c&K.member.1=x&K.member.2=y&empty&&",
        );
        assert_eq!(form.get("Action"), Some("TagRole"));
        assert_eq!(form.get("empty"), Some(""));
        assert_eq!(form.get("nothing"), None);
        assert_eq!(
            form.tags("Tags").collect::<Vec<_>>(),
            [("a b", "&"), ("c", "")]
        );
        assert_eq!(form.list("K").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn bytes_that_are_not_text_do_no_harm() {
        assert_eq!(Form::parse("a=%ff%zz%").get("a"), Some("\u{fffd}%zz%"));
    }
}
