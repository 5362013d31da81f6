//! Variables in patterns and values: `${aws:username}`, `${s3:prefix, 'none'}`,
//! and `${*}`, `${?}`, `${$}` for the characters themselves.

use crate::question::Context;
use crate::wildcard::Token;

/// The pattern with its variables replaced; what they stand for has no wildcards.
/// `None` when one is unknown, or has more than one value.
pub(crate) fn fill(pattern: &str, context: &Context) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        tokens.extend(rest[..start].chars().map(Token::of));
        let value = value(&rest[start + 2..start + length], context)?;
        tokens.extend(value.chars().map(Token::Just));
        rest = &rest[start + length + 1..];
    }
    tokens.extend(rest.chars().map(Token::of));
    Some(tokens)
}

/// As [`fill`], for what has no wildcards.
pub(crate) fn fill_text(text: &str, context: &Context) -> Option<String> {
    if !text.contains("${") {
        return Some(text.to_owned());
    }
    let tokens = fill(text, context)?;
    let characters = tokens.into_iter().map(|token| match token {
        Token::Any => '*',
        Token::One => '?',
        Token::Just(character) => character,
    });
    Some(characters.collect())
}

/// Is there a variable in it whose name begins so?
pub(crate) fn mentions(text: &str, prefix: &str) -> bool {
    let mut names = text.split("${").skip(1);
    names.any(|name| begins(name.trim_start(), prefix))
}

/// Keys are compared without regard to case.
pub(crate) fn begins(key: &str, prefix: &str) -> bool {
    let start = key.as_bytes().get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn value<'a>(variable: &'a str, context: &'a Context) -> Option<&'a str> {
    if matches!(variable, "*" | "?" | "$") {
        return Some(variable);
    }
    let (name, default) = match variable.split_once(',') {
        Some((name, default)) => (name, unquote(default.trim())),
        None => (variable, None),
    };
    match context.get(name.trim()) {
        Some([value]) => Some(value),
        Some(_) => None,
        None => default,
    }
}

fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wildcard::tokens_match;

    fn fits(pattern: &str, text: &str) -> bool {
        let context = Context::new()
            .with("aws:username", "ann")
            .with("aws:userid", "*")
            .with("aws:TagKeys", "a")
            .with("aws:TagKeys", "b");
        fill(pattern, &context).is_some_and(|pattern| tokens_match(&pattern, text))
    }

    #[test]
    fn variables_stand_for_what_is_known() {
        assert!(fits("home/${aws:username}/*", "home/ann/x"));
        assert!(fits("home/${AWS:UserName}/*", "home/ann/x"));
        assert!(!fits("home/${aws:username}/*", "home/bob/x"));
        assert!(fits("${aws:PrincipalTag/team, 'all'}-x", "all-x"));
    }

    #[test]
    fn what_is_unknown_fits_nothing() {
        assert!(!fits("${aws:nothing}", ""));
        assert!(!fits("*${aws:nothing}", "anything"));
        assert!(!fits("${aws:TagKeys}", "a"));
    }

    #[test]
    fn values_have_no_wildcards() {
        assert!(!fits("${aws:userid}", "anything"));
        assert!(fits("${aws:userid}", "*"));
        assert!(fits("a${*}${?}${$}", "a*?$"));
        assert!(!fits("a${*}", "ab"));
    }

    #[test]
    fn an_open_brace_is_only_text() {
        assert!(fits("a${b*", "a${bcd"));
    }
}
