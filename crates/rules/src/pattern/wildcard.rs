//! Texts with `*` in them.

/// `*` stands for any characters or none; `\*` and `\\` are plain characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// What must come at the beginning, in between in this order, and at the end.
    parts: Vec<String>,
}

impl Wildcard {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = vec![String::new()];
        let mut chars = text.chars().enumerate().peekable();
        let mut after_star = false;
        while let Some((at, c)) = chars.next() {
            match c {
                '*' if after_star => {
                    return Err(format!("Consecutive wildcard characters at pos {at}"));
                }
                '*' => parts.push(String::new()),
                '\\' => match chars.next_if(|(_, c)| matches!(c, '*' | '\\')) {
                    Some((_, c)) => last(&mut parts).push(c),
                    None => return Err(format!("Invalid escape character at pos {at}")),
                },
                c => last(&mut parts).push(c),
            }
            after_star = c == '*';
        }
        Ok(Self { parts })
    }

    /// Greedy from the left, which is enough where the only special character is
    /// `*`: the time it takes does not grow with the number of stars.
    pub fn fits(&self, text: &str) -> bool {
        let (Some(first), [.., last]) = (self.parts.first(), &self.parts[..]) else {
            return false;
        };
        if self.parts.len() == 1 {
            return text == first;
        }
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in &self.parts[1..self.parts.len() - 1] {
            let Some(found) = rest.find(part.as_str()) else {
                return false;
            };
            rest = &rest[found + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

fn last(parts: &mut [String]) -> &mut String {
    parts.last_mut().expect("there is always a part")
}
