//! Filter patterns: `a b` (both), `"a phrase"`, `?a ?b` (either), `-a` (not),
//! and conditions on JSON lines in braces.

use crate::json_pattern::JsonPattern;

const LONGEST: usize = 1024;

/// Which lines are wanted.
#[derive(Debug)]
pub(crate) enum Pattern {
    All,
    Terms(Terms),
    Json(JsonPattern),
}

#[derive(Debug, Default)]
pub(crate) struct Terms {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    /// The error is what the client is told.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!(
                "1 validation error detected: Value at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to {LONGEST}"
            ));
        }
        let text = text.trim();
        match text.as_bytes() {
            [] => Ok(Self::All),
            [b'{', ..] => JsonPattern::parse(text).map(Self::Json),
            [b'[', ..] => Err(
                "Invalid filter pattern: patterns of fields in [ ] are not supported here"
                    .to_owned(),
            ),
            [b'%', .., b'%'] => Err(
                "Invalid filter pattern: regular expressions in % % are not supported here"
                    .to_owned(),
            ),
            _ => Terms::parse(text).map(Self::Terms),
        }
    }

    pub fn matches(&self, line: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Terms(terms) => terms.match_line(&String::from_utf8_lossy(line)),
            Self::Json(json) => json.matches(line),
        }
    }
}

impl Terms {
    fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (list, after_sign) = match rest.as_bytes()[0] {
                b'?' => (&mut terms.any, &rest[1..]),
                b'-' => (&mut terms.none, &rest[1..]),
                _ => (&mut terms.all, rest),
            };
            let (term, after) = if let Some(quoted) = after_sign.strip_prefix('"') {
                quoted_term(quoted)
                    .ok_or("Invalid filter pattern: a quotation mark is not closed")?
            } else {
                let end = after_sign.find(char::is_whitespace);
                let (term, after) = after_sign.split_at(end.unwrap_or(after_sign.len()));
                (term.to_owned(), after)
            };
            if !term.is_empty() {
                list.push(term);
            }
            rest = after.trim_start();
        }
        Ok(terms)
    }

    /// Beside terms that must be there, those with `?` do not count.
    fn match_line(&self, line: &str) -> bool {
        let has = |term: &String| line.contains(term.as_str());
        let wanted = if self.all.is_empty() {
            self.any.is_empty() || self.any.iter().any(has)
        } else {
            self.all.iter().all(has)
        };
        wanted && !self.none.iter().any(has)
    }
}

/// The text up to the closing quotation mark, and what follows it.
pub(crate) fn quoted_term(text: &str) -> Option<(String, &str)> {
    let mut term = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((term, &text[at + 1..])),
            '\\' => term.push(chars.next()?.1),
            _ => term.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, line: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(line.as_bytes())
    }

    #[test]
    fn terms_are_joined_as_on_aws() {
        assert!(matches("", "anything"));
        assert!(matches("ERROR", "[ERROR] it broke"));
        assert!(!matches("ERROR", "error: it broke"));
        assert!(matches("it ERROR", "[ERROR] it broke"));
        assert!(!matches("it GONE", "[ERROR] it broke"));
        assert!(matches("\"it broke\"", "[ERROR] it broke"));
        assert!(!matches("\"broke it\"", "[ERROR] it broke"));
        assert!(matches("?GONE ?broke", "[ERROR] it broke"));
        assert!(!matches("?GONE ?LOST", "[ERROR] it broke"));
        assert!(matches("ERROR -GONE", "[ERROR] it broke"));
        assert!(!matches("ERROR -\"it broke\"", "[ERROR] it broke"));
        assert!(matches("-START -END", "work"));
        assert!(matches(r#""say \"a\"""#, r#"say "a" now"#));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in ["\"open", "[a, b]", "%re%", &"x".repeat(1025), "{ $.a = }"] {
            assert!(Pattern::parse(bad).is_err(), "{bad:.40}");
        }
    }
}
