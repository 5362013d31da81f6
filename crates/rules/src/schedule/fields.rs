//! The fields of a cron expression: lists, ranges and steps of numbers or names.

/// Which numbers of a field fit, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    pub fn has(self, number: u32) -> bool {
        number < 64 && self.0 & (1 << number) != 0
    }

    /// The smallest member that is at least `number`.
    pub fn at_least(self, number: u32) -> Option<u32> {
        if number >= 64 {
            return None;
        }
        let rest = self.0 >> number << number;
        (rest != 0).then(|| rest.trailing_zeros())
    }
}

/// What a field may hold.
pub(super) struct Range {
    pub least: u32,
    pub most: u32,
    /// Names of the numbers from `least` on.
    pub names: &'static [&'static str],
}

impl Range {
    /// `*`, `5`, `MON`, `1-5`, `0/15`, `*/15`, `10-40/10`, and lists of them.
    pub fn parse(&self, text: &str) -> Option<Set> {
        let mut set = 0;
        for part in text.split(',') {
            for number in self.part(part)? {
                set |= 1 << number;
            }
        }
        Some(Set(set))
    }

    /// The members of one part of a list. A range that ends before it begins runs
    /// over the end of the field.
    pub fn part(&self, part: &str) -> Option<Vec<u32>> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(digits(step)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None if range == "*" => (self.least, self.most),
            None => {
                let from = self.number(range)?;
                (from, if step.is_some() { self.most } else { from })
            }
        };
        let step = step.unwrap_or(1);
        if step == 0 || step > self.most {
            return None;
        }
        let step = usize::try_from(step).ok()?;
        let members: Vec<u32> = if from <= to {
            (from..=to).collect()
        } else {
            (from..=self.most).chain(self.least..=to).collect()
        };
        Some(members.into_iter().step_by(step).collect())
    }

    pub fn number(&self, text: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(index) => self.least + u32::try_from(index).ok()?,
            None => digits(text)?,
        };
        (self.least..=self.most).contains(&number).then_some(number)
    }
}

pub(super) fn digits(text: &str) -> Option<u32> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
