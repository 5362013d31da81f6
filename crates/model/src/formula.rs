//! Text of R becomes expressions: as much of the language as formulas are made of.

use std::sync::Arc;

use rdata::value::NA_REAL;

use crate::deparse::{binary, bind, unary};
use crate::expr::{Argument, Expr, MAX_DEPTH};
use crate::lexer::{Lexer, Token};

/// Parentheses within parentheses: each costs a few frames of the stack.
const MAX_NESTING: usize = 100;
/// A longer formula is refused.
const MAX_TEXT: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {at} of the formula")]
pub struct ParseError {
    pub problem: String,
    /// Counted from 1.
    pub at: usize,
}

pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > MAX_TEXT {
        let problem = format!("more than {MAX_TEXT} bytes");
        return Err(ParseError { problem, at: 1 });
    }
    let mut parser = Parser {
        lexer: Lexer::new(text)?,
        nesting: 0,
    };
    let (expr, _) = parser.expr(0)?;
    match parser.lexer.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    nesting: usize,
}

/// An expression and how deep it is.
type Parsed = Result<(Expr, usize), ParseError>;

impl Parser<'_> {
    fn expr(&mut self, least: u8) -> Parsed {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.lexer.error("nested too deep"));
        }
        let mut left = self.prefix()?;
        let mut compared = false;
        while let Token::Operator(operator) = self.lexer.peek() {
            let operator: Arc<str> = operator.clone();
            let Some((own, _)) = binary(&operator) else {
                break;
            };
            if own < least {
                break;
            }
            if own == bind::COMPARE && compared {
                return Err(self.unexpected());
            }
            self.lexer.advance()?;
            let right = self.expr(own + u8::from(own != bind::POWER))?;
            compared = own == bind::COMPARE;
            left = self.joined(
                &operator,
                vec![left.0.into(), right.0.into()],
                left.1.max(right.1),
            )?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Parsed {
        if let Token::Operator(operator) = self.lexer.peek()
            && let Some(own) = unary(operator)
        {
            let operator = operator.clone();
            self.lexer.advance()?;
            let (operand, depth) = self.expr(own)?;
            return self.joined(&operator, vec![operand.into()], depth);
        }
        let mut whole = self.primary()?;
        loop {
            let (function, end) = match self.lexer.peek() {
                Token::Operator(operator) if matches!(&**operator, "$" | "@") => {
                    let operator = operator.clone();
                    self.lexer.advance()?;
                    let (part, depth) = self.primary()?;
                    let depth = depth.max(whole.1);
                    whole = self.joined(&operator, vec![whole.0.into(), part.into()], depth)?;
                    continue;
                }
                Token::Open => match whole.0 {
                    Expr::Name(name) | Expr::Text(name) => {
                        whole = self.call(&name)?;
                        continue;
                    }
                    _ => return Err(self.lexer.error("a call of something that is not a name")),
                },
                Token::Bracket => ("[", 1),
                Token::DoubleBracket => ("[[", 2),
                _ => return Ok(whole),
            };
            self.lexer.advance()?;
            let (mut arguments, depth) = self.arguments(&Token::CloseBracket)?;
            if end == 2 {
                self.expect(&Token::CloseBracket)?;
            }
            arguments.insert(0, whole.0.into());
            whole = self.joined(function, arguments, depth.max(whole.1))?;
        }
    }

    fn primary(&mut self) -> Parsed {
        let expr = match self.lexer.peek().clone() {
            Token::Number(number) => Expr::Number(number),
            Token::Integer(number) => Expr::Integer(number),
            Token::Text(text) => Expr::Text(text),
            Token::Quoted(name) => Expr::Name(name),
            Token::Word(word) => return self.word(&word),
            Token::Open => {
                self.lexer.advance()?;
                let (inner, depth) = self.expr(0)?;
                self.expect(&Token::Close)?;
                return self.joined("(", vec![inner.into()], depth);
            }
            _ => return Err(self.unexpected()),
        };
        self.lexer.advance()?;
        Ok((expr, 1))
    }

    fn word(&mut self, word: &Arc<str>) -> Parsed {
        let expr = match &**word {
            "TRUE" => Expr::Logical(Some(true)),
            "FALSE" => Expr::Logical(Some(false)),
            "NA" => Expr::Logical(None),
            "NA_real_" | "NA_integer_" => Expr::Number(NA_REAL),
            "NULL" => Expr::Null,
            "Inf" => Expr::Number(f64::INFINITY),
            "NaN" => Expr::Number(f64::NAN),
            "if" | "else" | "repeat" | "while" | "function" | "for" | "next" | "break" | "in" => {
                return Err(self.lexer.error("this word of R is not known here"));
            }
            _ => Expr::Name(word.clone()),
        };
        self.lexer.advance()?;
        let Token::Package(colons) = self.lexer.peek() else {
            return Ok((expr, 1));
        };
        let colons = *colons;
        self.lexer.advance()?;
        let name = match self.lexer.peek() {
            Token::Word(name) | Token::Quoted(name) | Token::Text(name) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.lexer.advance()?;
        let function = format!("{word}{colons}{name}");
        if *self.lexer.peek() == Token::Open {
            return self.call(&function.into());
        }
        let names = [word, &name].map(|name| Expr::Name(name.clone()).into());
        self.joined(colons, names.into(), 1)
    }

    fn call(&mut self, function: &Arc<str>) -> Parsed {
        self.expect(&Token::Open)?;
        let (arguments, depth) = self.arguments(&Token::Close)?;
        self.joined(function, arguments, depth)
    }

    /// Up to `end`, which is taken too.
    fn arguments(&mut self, end: &Token) -> Result<(Vec<Argument>, usize), ParseError> {
        let mut arguments = vec![];
        let mut deepest = 1;
        if self.lexer.peek() == end {
            self.lexer.advance()?;
            return Ok((arguments, deepest));
        }
        loop {
            let name = self.lexer.name_before_equals()?;
            let (value, depth) = self.expr(0)?;
            deepest = deepest.max(depth);
            arguments.push(Argument { name, value });
            if *self.lexer.peek() != Token::Comma {
                break;
            }
            self.lexer.advance()?;
        }
        self.expect(end)?;
        Ok((arguments, deepest))
    }

    fn expect(&mut self, token: &Token) -> Result<(), ParseError> {
        if self.lexer.peek() != token {
            return Err(self.unexpected());
        }
        self.lexer.advance()
    }

    fn joined(&self, function: &str, arguments: Vec<Argument>, depth: usize) -> Parsed {
        if depth >= MAX_DEPTH {
            return Err(self.lexer.error("nested too deep"));
        }
        Ok((Expr::call(function, arguments), depth + 1))
    }

    fn unexpected(&self) -> ParseError {
        let problem = match self.lexer.peek() {
            Token::End => "unexpected end".to_owned(),
            token => format!("unexpected {token}"),
        };
        self.lexer.error(&problem)
    }
}
