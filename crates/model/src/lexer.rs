//! The words that text of R is made of.

use std::fmt;
use std::sync::Arc;

use crate::formula::ParseError;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Integer(i32),
    Text(Arc<str>),
    /// A name or a reserved word.
    Word(Arc<str>),
    /// A name in backticks.
    Quoted(Arc<str>),
    Operator(Arc<str>),
    /// `::` or `:::`
    Package(&'static str),
    Open,
    Close,
    Bracket,
    DoubleBracket,
    CloseBracket,
    Comma,
    Equals,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(to, "number {number}"),
            Self::Integer(number) => write!(to, "number {number}L"),
            Self::Text(_) => to.write_str("text"),
            Self::Word(word) | Self::Quoted(word) => write!(to, "name `{word}`"),
            Self::Operator(operator) => write!(to, "`{operator}`"),
            Self::Package(colons) => write!(to, "`{colons}`"),
            Self::Open => to.write_str("`(`"),
            Self::Close => to.write_str("`)`"),
            Self::Bracket => to.write_str("`[`"),
            Self::DoubleBracket => to.write_str("`[[`"),
            Self::CloseBracket => to.write_str("`]`"),
            Self::Comma => to.write_str("`,`"),
            Self::Equals => to.write_str("`=`"),
            Self::End => to.write_str("end"),
        }
    }
}

/// Looks one word ahead.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Behind the next token.
    at: usize,
    /// Where the next token begins.
    start: usize,
    next: Token,
}

/// Longest first.
const OPERATORS: [&str; 20] = [
    "%in%", "||", "&&", "==", "!=", "<=", ">=", "~", "|", "&", "<", ">", "+", "-", "*", "/", "^",
    "!", "$", "@",
];

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Result<Self, ParseError> {
        let mut lexer = Self {
            text,
            at: 0,
            start: 0,
            next: Token::End,
        };
        lexer.advance()?;
        Ok(lexer)
    }

    pub fn peek(&self) -> &Token {
        &self.next
    }

    pub fn error(&self, problem: &str) -> ParseError {
        ParseError {
            problem: problem.into(),
            at: self.text[..self.start].chars().count() + 1,
        }
    }

    /// The name of an argument, if one comes next.
    pub fn name_before_equals(&mut self) -> Result<Option<Arc<str>>, ParseError> {
        let name = match &self.next {
            Token::Word(name) | Token::Quoted(name) | Token::Text(name) => name.clone(),
            _ => return Ok(None),
        };
        let rest = self.text[self.at..].trim_start();
        if !rest.starts_with('=') || rest.starts_with("==") {
            return Ok(None);
        }
        self.advance()?;
        self.advance()?;
        Ok(Some(name))
    }

    pub fn advance(&mut self) -> Result<(), ParseError> {
        let blanks = self.rest().len() - self.rest().trim_start().len();
        self.at += blanks;
        self.start = self.at;
        self.next = self.token()?;
        Ok(())
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        let second = rest[first.len_utf8()..].chars().next();
        let decimal = first == '.' && second.is_some_and(|next| next.is_ascii_digit());
        if first.is_ascii_digit() || decimal {
            return self.number();
        }
        if first.is_alphabetic() || first == '.' {
            let goes_on = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_');
            let end = rest.find(|letter| !goes_on(letter)).unwrap_or(rest.len());
            self.at += end;
            return Ok(Token::Word(rest[..end].into()));
        }
        match first {
            '"' | '\'' => return Ok(Token::Text(self.quoted(first)?.into())),
            '`' => {
                let name = self.quoted(first)?;
                if name.is_empty() {
                    return Err(self.error("a name without a letter"));
                }
                return Ok(Token::Quoted(name.into()));
            }
            _ => {}
        }
        self.sign(rest)
    }

    fn sign(&mut self, rest: &str) -> Result<Token, ParseError> {
        let signs = [
            (":::", Token::Package(":::")),
            ("::", Token::Package("::")),
            (":", Token::Operator(":".into())),
            ("(", Token::Open),
            (")", Token::Close),
            ("[[", Token::DoubleBracket),
            ("[", Token::Bracket),
            ("]", Token::CloseBracket),
            (",", Token::Comma),
        ];
        for (sign, token) in signs {
            if rest.starts_with(sign) {
                self.at += sign.len();
                return Ok(token);
            }
        }
        if let Some(behind) = rest.strip_prefix('%') {
            let inner = behind.find(['%', '\n']);
            let end = inner.filter(|end| behind[*end..].starts_with('%'));
            let end = end.ok_or_else(|| self.error("an operator without its end"))? + 2;
            self.at += end;
            return Ok(Token::Operator(rest[..end].into()));
        }
        for operator in OPERATORS {
            if rest.starts_with(operator) {
                self.at += operator.len();
                return Ok(Token::Operator(operator.into()));
            }
        }
        if rest.starts_with('=') {
            self.at += 1;
            return Ok(Token::Equals);
        }
        Err(self.error("a sign that is not known here"))
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
        let mut end = if hexadecimal { 2 } else { 0 };
        while let Some(byte) = bytes.get(end) {
            let exponent = !hexadecimal && matches!(byte, b'e' | b'E');
            let digit = byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit());
            if exponent {
                end += 1;
                end += usize::from(matches!(bytes.get(end), Some(b'+' | b'-')));
            } else if digit || (!hexadecimal && *byte == b'.') {
                end += 1;
            } else {
                break;
            }
        }
        let digits = &rest[..end];
        let number = if hexadecimal {
            u64::from_str_radix(&digits[2..], 16).ok().map(whole_number)
        } else {
            digits.parse::<f64>().ok()
        };
        let number = number.ok_or_else(|| self.error("a number that is none"))?;
        self.at += end;
        match bytes.get(end) {
            Some(b'L') => {
                self.at += 1;
                integer(number)
                    .map(Token::Integer)
                    .ok_or_else(|| self.error("a number that is not whole"))
            }
            Some(b'i') => Err(self.error("complex numbers are not known here")),
            _ => Ok(Token::Number(number)),
        }
    }

    /// Behind `quote`, which is both its beginning and its end.
    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let mut text = String::new();
        let mut letters = self.rest()[1..].char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.at += at + 2;
                return Ok(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let escaped = letters.next().map(|(_, letter)| letter);
            let escaped = match escaped {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some(same @ ('\\' | '"' | '\'' | '`' | ' ' | '\n')) => Some(same),
                Some(kind @ ('u' | 'U' | 'x')) => coded(&mut letters, kind),
                _ => None,
            };
            text.push(escaped.ok_or_else(|| self.error("an escape that is not known"))?);
        }
        Err(self.error("text without its end"))
    }
}

/// The letter of `\u00e9`, `\u{e9}`, `\x41`.
fn coded(letters: &mut std::str::CharIndices<'_>, kind: char) -> Option<char> {
    let most = match kind {
        'x' => 2,
        'u' => 4,
        _ => 8,
    };
    let rest = letters.as_str();
    let braces = rest.starts_with('{');
    let inner = &rest[usize::from(braces)..];
    let digits = inner.bytes().take(most).take_while(u8::is_ascii_hexdigit);
    let digits = digits.count();
    let code = u32::from_str_radix(&inner[..digits], 16).ok()?;
    let closed = !braces || inner[digits..].starts_with('}');
    for _ in 0..digits + 2 * usize::from(braces) {
        letters.next();
    }
    char::from_u32(code).filter(|_| closed)
}

#[expect(clippy::cast_precision_loss, reason = "R reads it into a double too")]
fn whole_number(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
fn integer(number: f64) -> Option<i32> {
    let whole = number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX);
    whole.then_some(number as i32)
}
