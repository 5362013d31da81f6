//! Conditions on lines that are JSON objects:
//! `{ $.level = "ERROR" && ($.ms > 100 || $.tags[0] = "a*") }`.

use serde_json::Value;

use crate::pattern::quoted_term;

/// Deeper nesting is refused, so that a pattern cannot exhaust the stack.
const DEPTH: usize = 32;

#[derive(Debug)]
pub(crate) struct JsonPattern(Condition);

#[derive(Debug)]
enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Test { path: Vec<Step>, test: Test },
}

#[derive(Debug)]
enum Step {
    Name(String),
    Index(usize),
}

#[derive(Debug)]
enum Test {
    Compare(Comparison, f64),
    /// Texts are compared whole; `*` stands for any characters.
    Text {
        equal: bool,
        pieces: Vec<String>,
    },
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
    Exists,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        let inside = text
            .strip_prefix('{')
            .and_then(|text| text.trim_end().strip_suffix('}'))
            .ok_or("Invalid filter pattern: a brace is not closed")?;
        let mut parser = Parser { rest: inside };
        let condition = parser.either(0)?;
        parser.skip_space();
        if parser.rest.is_empty() {
            Ok(Self(condition))
        } else {
            Err(parser.error())
        }
    }

    pub fn matches(&self, line: &[u8]) -> bool {
        // Most lines are plain text; they need not be parsed to know it.
        let line = line.trim_ascii();
        if line.first() != Some(&b'{') {
            return false;
        }
        serde_json::from_slice(line).is_ok_and(|value| self.0.holds(&value))
    }
}

impl Condition {
    fn holds(&self, line: &Value) -> bool {
        match self {
            Self::And(all) => all.iter().all(|condition| condition.holds(line)),
            Self::Or(any) => any.iter().any(|condition| condition.holds(line)),
            Self::Test { path, test } => {
                let found = path.iter().try_fold(line, |value, step| match step {
                    Step::Name(name) => value.get(name),
                    Step::Index(index) => value.get(index),
                });
                test.holds(found)
            }
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::NotExists);
        };
        match self {
            Self::NotExists => false,
            Self::Exists => true,
            Self::IsNull => value.is_null(),
            Self::IsTrue => value.as_bool() == Some(true),
            Self::IsFalse => value.as_bool() == Some(false),
            Self::Compare(comparison, number) => value
                .as_f64()
                .is_some_and(|value| comparison.holds(value, *number)),
            Self::Text { equal, pieces } => match value {
                Value::String(text) => fits(text, pieces) == *equal,
                Value::Number(number) => fits(&number.to_string(), pieces) == *equal,
                _ => !equal,
            },
        }
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "the client asked for equality")]
    fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

/// Does a text consist of the pieces, with anything between them?
fn fits(text: &str, pieces: &[String]) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn either(&mut self, depth: usize) -> Result<Condition, String> {
        let mut any = vec![self.both(depth)?];
        while self.take("||") {
            any.push(self.both(depth)?);
        }
        Ok(Condition::Or(any))
    }

    fn both(&mut self, depth: usize) -> Result<Condition, String> {
        let mut all = vec![self.single(depth)?];
        while self.take("&&") {
            all.push(self.single(depth)?);
        }
        Ok(Condition::And(all))
    }

    fn single(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH {
            return Err("Invalid filter pattern: too many parentheses".to_owned());
        }
        if self.take("(") {
            let inner = self.either(depth + 1)?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.error())
            };
        }
        let path = self.path()?;
        let test = self.test()?;
        Ok(Condition::Test { path, test })
    }

    fn path(&mut self) -> Result<Vec<Step>, String> {
        if !self.take("$") {
            return Err(self.error());
        }
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                let name = self.word(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@'));
                if name.is_empty() {
                    return Err(self.error());
                }
                path.push(Step::Name(name.to_owned()));
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                path.push(self.step_in_brackets()?);
            } else {
                return Ok(path);
            }
        }
    }

    /// `[0]` or `["a name"]`, past the opening bracket.
    fn step_in_brackets(&mut self) -> Result<Step, String> {
        let step = if let Some(quoted) = self.rest.strip_prefix('"') {
            let (name, rest) = quoted_term(quoted).ok_or_else(|| self.error())?;
            self.rest = rest;
            Step::Name(name)
        } else {
            let index = self.word(|c| c.is_ascii_digit());
            Step::Index(index.parse().map_err(|_| self.error())?)
        };
        if self.take("]") {
            Ok(step)
        } else {
            Err(self.error())
        }
    }

    fn test(&mut self) -> Result<Test, String> {
        for (words, test) in [
            (["IS", "NULL"], Test::IsNull),
            (["IS", "TRUE"], Test::IsTrue),
            (["IS", "FALSE"], Test::IsFalse),
            (["NOT", "EXISTS"], Test::NotExists),
        ] {
            let before = self.rest;
            if self.take_word(words[0]) && self.take_word(words[1]) {
                return Ok(test);
            }
            self.rest = before;
        }
        if self.take_word("EXISTS") {
            return Ok(Test::Exists);
        }
        // The longer ones first: `<` would also fit where `<=` stands.
        let operators = [
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let found = operators.into_iter().find(|(text, _)| self.take(text));
        let (_, comparison) = found.ok_or_else(|| self.error())?;
        self.operand(comparison)
    }

    fn operand(&mut self, comparison: Comparison) -> Result<Test, String> {
        self.skip_space();
        let text = if let Some(quoted) = self.rest.strip_prefix('"') {
            let (text, rest) = quoted_term(quoted).ok_or_else(|| self.error())?;
            self.rest = rest;
            text
        } else {
            let word = self.word(|c| !c.is_whitespace() && !matches!(c, '&' | '|' | '(' | ')'));
            if word.is_empty() {
                return Err(self.error());
            }
            if let Ok(number) = word.parse() {
                return Ok(Test::Compare(comparison, number));
            }
            word.to_owned()
        };
        let equal = match comparison {
            Comparison::Equal => true,
            Comparison::NotEqual => false,
            _ => return Err("Invalid filter pattern: texts have no order".to_owned()),
        };
        let pieces = text.split('*').map(str::to_owned).collect();
        Ok(Test::Text { equal, pieces })
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let before = self.rest;
        if self.word(char::is_alphabetic).eq_ignore_ascii_case(word) {
            return true;
        }
        self.rest = before;
        false
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn error(&self) -> String {
        let at: String = self.rest.chars().take(20).collect();
        format!("Invalid filter pattern: could not be read at '{at}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"level":"ERROR","ms":120.5,"ok":false,"none":null,"tags":["alpha","b"],"user":{"id":7,"first name":"Ann"}}
"#;

    fn matches(pattern: &str) -> bool {
        JsonPattern::parse(pattern).unwrap().matches(LINE)
    }

    #[test]
    fn conditions_are_read_and_hold() {
        for pattern in [
            r#"{ $.level = "ERROR" }"#,
            "{$.level=ERROR}",
            r#"{ $.level != "INFO" }"#,
            r#"{ $.level = "E*R" }"#,
            "{ $.level = * }",
            "{ $.ms > 100 && $.ms <= 120.5 }",
            "{ $.ms < 100 || $.user.id = 7 }",
            r#"{ ($.ms < 100 || $.tags[0] = "al*") && $.ok IS FALSE }"#,
            "{ $.none IS NULL }",
            "{ $.missing NOT EXISTS }",
            r#"{ $.user["first name"] = "Ann" }"#,
        ] {
            assert!(matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn others_do_not_hold() {
        for pattern in [
            r#"{ $.level = "error" }"#,
            r#"{ $.missing = "x" }"#,
            r#"{ $.missing != "x" }"#,
            "{ $.tags[9] = 1 }",
            "{ $.level > 3 }",
            "{ $.level IS NULL }",
            r#"{ $.ms > 100 && $.level = "INFO" }"#,
        ] {
            assert!(!matches(pattern), "{pattern}");
        }
        let any = JsonPattern::parse("{ $.a = * }").unwrap();
        assert!(!any.matches(b"not json") && !any.matches(b"{broken"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = format!("{{ {}$.a = 1 }}", "(".repeat(500));
        for bad in [
            "{",
            "{}",
            "{ a = 1 }",
            "{ $.a }",
            "{ $.a = }",
            "{ $. = 1 }",
            "{ $.a = 1 && }",
            "{ ($.a = 1 }",
            "{ $.a = 1 } x }",
            "{ $.a < \"x\" }",
            "{ $.a[x] = 1 }",
            &deep,
        ] {
            assert!(JsonPattern::parse(bad).is_err(), "{bad:.40}");
        }
    }
}
