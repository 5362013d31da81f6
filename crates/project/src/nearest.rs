//! "did you mean": which of the known words somebody may have had in mind.

/// Words longer than this are compared by their beginnings.
const LONGEST: usize = 64;

/// The known word that is nearest to another, if it is near enough: about one letter in
/// three may be wrong.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(LONGEST).collect();
    let near = |other: &str| {
        let other: Vec<char> = other.to_lowercase().chars().take(LONGEST).collect();
        let far = distance(&word, &other);
        let allowed = (word.len().max(other.len()) / 3).max(1);
        (far <= allowed && far < other.len()).then_some(far)
    };
    let known = known.into_iter();
    known
        .filter_map(|other| Some((near(other)?, other)))
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

/// `did you mean memory?`, or what there is.
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, known.clone()) {
        return Some(format!("did you mean {near}?"));
    }
    let known: Vec<&str> = known.into_iter().collect();
    (!known.is_empty()).then(|| format!("there is {}", known.join(", ")))
}

/// How many letters must be put in, taken away, changed, or swapped with their
/// neighbours, to make one word of the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (above[j] + usize::from(a != b))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slips_are_understood_and_strangers_are_not() {
        let known = ["memory", "timeout", "tmp", "environment", "url"];
        for (word, expected) in [
            ("memroy", Some("memory")),
            ("Memory", Some("memory")),
            ("timout", Some("timeout")),
            ("enviroment", Some("environment")),
            ("env", None),
            ("ulr", Some("url")),
            ("x", None),
            ("", None),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_distance_is_one(a in "[a-c]{0,8}", b in "[a-c]{0,8}") {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            prop_assert_eq!(distance(&a, &a), 0);
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert!(distance(&a, &b) >= a.len().abs_diff(b.len()));
            prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
        }
    }
}
