//! Patterns with `*` (any characters, or none) and `?` (one character).

/// Does the whole of `text` fit `pattern`? The time it takes grows with the
/// product of the lengths at worst, never beyond: a hostile pattern is no trap.
pub fn matches(pattern: &str, text: &str) -> bool {
    fits(pattern.chars().map(Token::of), text, |a, b| a == b)
}

/// As [`matches`], where letters of ASCII fit in either case.
pub fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    fits(pattern.chars().map(Token::of), text, |a, b| {
        a.eq_ignore_ascii_case(&b)
    })
}

/// As [`matches`], for a pattern that was put together from pieces, some of
/// which mean themselves even where they look like wildcards.
pub(crate) fn tokens_match(pattern: &[Token], text: &str) -> bool {
    fits(pattern.iter().copied(), text, |a, b| a == b)
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// Any characters, or none.
    Any,
    /// One character, whichever.
    One,
    /// This character.
    Just(char),
}

impl Token {
    pub fn of(character: char) -> Self {
        match character {
            '*' => Self::Any,
            '?' => Self::One,
            other => Self::Just(other),
        }
    }
}

/// Where a character does not fit, the last `*` takes one more; earlier ones
/// need never be revisited, because the last can take all that they could.
fn fits<P>(mut pattern: P, text: &str, same: impl Fn(char, char) -> bool) -> bool
where
    P: Iterator<Item = Token> + Clone,
{
    let mut text = text.chars();
    let mut star: Option<(P, std::str::Chars<'_>)> = None;
    loop {
        let token = pattern.next();
        if token == Some(Token::Any) {
            star = Some((pattern.clone(), text.clone()));
            continue;
        }
        let fitting = match (token, text.next()) {
            (None, None) => return true,
            // The text is over: no longer stretch of the star can help.
            (Some(_), None) => return false,
            (None, Some(_)) => false,
            (Some(Token::Just(wanted)), Some(found)) => same(wanted, found),
            (Some(_), Some(_)) => true,
        };
        if fitting {
            continue;
        }
        let Some((after_star, taken)) = star.as_mut() else {
            return false;
        };
        if taken.next().is_none() {
            return false;
        }
        (pattern, text) = (after_star.clone(), taken.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `fits` means, in the slowest and plainest way.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            ['?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            [wanted, rest @ ..] => text.first() == Some(wanted) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_what_they_mean(pattern in "[ab?*é]{0,8}", text in "[abé]{0,8}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), naive(&p, &t));
        }
    }

    #[test]
    fn case_matters_only_where_it_is_asked_for() {
        assert!(matches_ignoring_case("s3:get*", "S3:GetObject"));
        assert!(!matches("s3:get*", "S3:GetObject"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a".repeat(500) + "b";
        assert!(!matches(&pattern, &"a".repeat(5_000)));
    }
}
