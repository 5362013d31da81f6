//! Failures brought together by what they have in common: ten thousand items that
//! miss the same column are one line, not ten thousand.

use std::collections::{BTreeMap, HashMap};

use science::items::Collected;

use crate::run::Failure;

/// Items that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    pub error_type: String,
    /// The message, where it is the same for all; else what is common to all, with
    /// `…` for what differs.
    pub message: String,
    pub count: u64,
    /// Ids of the first, as CSV shows them.
    pub examples: Vec<String>,
    /// Of the first.
    pub stack_trace: Vec<String>,
}

/// Ids that are named for each kind, at most.
const EXAMPLES: usize = 3;
/// What stands for words that differ.
const GAP: &str = "…";

/// Failures by kind, those with most items first.
pub fn table(data: &Collected, failures: &BTreeMap<u32, Failure>) -> Vec<Kind> {
    group(failures, |rank| data.ids.shown(rank as usize))
}

fn group(failures: &BTreeMap<u32, Failure>, shown: impl Fn(u32) -> String) -> Vec<Kind> {
    let mut places: HashMap<(&str, String), usize> = HashMap::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for (rank, Failure { error, .. }) in failures {
        let shape = shape(&error.error_message);
        let place = *places
            .entry((&error.error_type, shape.clone()))
            .or_insert_with(|| {
                kinds.push(Kind {
                    error_type: error.error_type.clone(),
                    message: error.error_message.clone(),
                    count: 0,
                    examples: Vec::new(),
                    stack_trace: error.stack_trace.clone(),
                });
                kinds.len() - 1
            });
        let kind = &mut kinds[place];
        kind.count += 1;
        if kind.examples.len() < EXAMPLES {
            kind.examples.push(shown(*rank));
        }
        if kind.message != error.error_message {
            kind.message = shape;
        }
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    kinds
}

/// A message without what is likely to be about one item: words with a digit in them,
/// and what stands in quotes.
fn shape(message: &str) -> String {
    let mut shape = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' if !shape.ends_with(char::is_alphanumeric) => quoted(rest, first),
            _ => None,
        };
        if let Some(length) = length {
            shape.push(first);
            shape.push_str(GAP);
            shape.push(first);
            rest = &rest[length..];
            continue;
        }
        let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        if word == 0 {
            shape.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (text, more) = rest.split_at(word);
        if text.contains(|c: char| c.is_ascii_digit()) {
            // A full stop at the end is the sentence's.
            let stops = text.len() - text.trim_end_matches(['.', ':', '-']).len();
            shape.push_str(GAP);
            shape.push_str(&text[text.len() - stops..]);
        } else {
            shape.push_str(text);
        }
        rest = more;
    }
    shape
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+')
}

/// How long a text in quotes is, if it ends on its line.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let inside = &text[1..];
    let end = inside.find([quote, '\n'])?;
    inside[end..].starts_with(quote).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::ItemError;

    fn failures(errors: &[(&str, &str)]) -> BTreeMap<u32, Failure> {
        let failure = |(kind, message): &(&str, &str)| Failure {
            error: ItemError {
                error_type: (*kind).to_owned(),
                error_message: (*message).to_owned(),
                stack_trace: Vec::new(),
            },
            attempts: 1,
        };
        (0..).zip(errors.iter().map(failure)).collect()
    }

    fn rows(errors: &[(&str, &str)]) -> Vec<(String, u64, Vec<String>)> {
        let kinds = group(&failures(errors), |rank| format!("id{rank}"));
        kinds
            .into_iter()
            .map(|kind| {
                let line = format!("{}: {}", kind.error_type, kind.message);
                (line, kind.count, kind.examples)
            })
            .collect()
    }

    fn ids(ranks: &[u32]) -> Vec<String> {
        ranks.iter().map(|rank| format!("id{rank}")).collect()
    }

    #[test]
    fn messages_that_differ_in_numbers_and_names_are_one_kind() {
        assert_eq!(
            rows(&[
                ("KeyError", "'a'"),
                ("ValueError", "needs 5 values, has 3."),
                ("ValueError", "needs 5 values, has 4."),
                ("KeyError", "'b c'"),
                ("ValueError", "needs 5 values, has -1.5e3."),
                ("ValueError", "empty"),
            ]),
            [
                (
                    "ValueError: needs … values, has ….".to_owned(),
                    3,
                    ids(&[1, 2, 4])
                ),
                ("KeyError: '…'".to_owned(), 2, ids(&[0, 3])),
                ("ValueError: empty".to_owned(), 1, ids(&[5])),
            ]
        );
    }

    #[test]
    fn equal_messages_are_shown_as_they_are() {
        let rows = rows(&[("E", "took 3 s; isn't it 'odd'"); 5]);
        let line = "E: took 3 s; isn't it 'odd'".to_owned();
        assert_eq!(rows, [(line, 5, ids(&[0, 1, 2]))]);
    }

    #[test]
    fn shapes_of_odd_messages() {
        assert_eq!(shape("don't panic"), "don't panic");
        assert_eq!(shape("an open 'quote"), "an open 'quote");
        assert_eq!(shape("'über' × 3"), "'…' × …");
        assert_eq!(
            shape("RequestId: 1b-22 Error: Task timed out after 3.00 seconds"),
            "RequestId: … Error: Task timed out after … seconds"
        );
        assert_eq!(shape(""), "");
    }
}
