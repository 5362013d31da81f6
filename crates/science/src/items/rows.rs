//! Rows as they came, and the same rows group by group.

use std::ops::Range;

use types::table::{Texts, Values};

use crate::parse::{Kind, to_float};

/// Rows in the order in which they came.
#[derive(Debug, Default, PartialEq)]
pub struct Rows {
    pub stretches: Vec<Stretch>,
    pub columns: Vec<Values>,
}

/// Rows that follow each other and belong to one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub group: u32,
    pub rows: u32,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Values::len)
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> u64 {
        let columns = self.columns.iter().map(Values::bytes).sum::<u64>();
        columns + size_of_val(&*self.stretches) as u64
    }

    /// No rows, of the same columns.
    pub fn none(&self) -> Self {
        Self {
            stretches: Vec::new(),
            columns: self.columns.iter().map(empty).collect(),
        }
    }

    /// All rows, and leaves none.
    pub fn take(&mut self) -> Self {
        let none = self.none();
        std::mem::replace(self, none)
    }

    /// Keeps the memory for the next.
    pub fn clear(&mut self) {
        self.stretches.clear();
        self.columns.iter_mut().for_each(Values::clear);
    }

    pub fn push(&mut self, group: u32, rows: u32) {
        match self.stretches.last_mut() {
            Some(last) if last.group == group && last.rows.checked_add(rows).is_some() => {
                last.rows += rows;
            }
            _ => self.stretches.push(Stretch { group, rows }),
        }
    }

    /// Makes the column of values, the only one, one of floats. In whole numbers there
    /// is no negative zero.
    pub fn floats(&mut self, whole_numbers: bool) {
        for column in &mut self.columns {
            if let Values::Integers(integers) = column {
                let floats = integers.iter().map(|integer| to_float(*integer));
                *column = Values::Floats(floats.collect());
            }
            if let Values::Floats(floats) = column
                && whole_numbers
            {
                for float in floats {
                    *float += 0.0;
                }
            }
        }
    }

    /// Makes what stands for `-0` what it is in a column of integers.
    pub fn integers(&mut self) {
        for column in &mut self.columns {
            if let Values::Integers(integers) = column {
                for integer in integers {
                    *integer = if *integer == i64::MIN { 0 } else { *integer };
                }
            }
        }
    }

    /// Takes up columns, of which some may have turned from integers to floats.
    pub fn join(&mut self, columns: &[Values]) {
        for (all, more) in self.columns.iter_mut().zip(columns) {
            match (&mut *all, more) {
                (Values::Integers(_), Values::Floats(_)) => {
                    widen(all);
                    all.extend(more, 0..more.len());
                }
                (Values::Floats(floats), Values::Integers(integers)) => {
                    floats.extend(integers.iter().map(|it| float(*it)));
                }
                _ => all.extend(more, 0..more.len()),
            }
        }
    }

    /// Every group and where its rows are.
    pub fn places(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut end = 0;
        self.stretches.iter().map(move |stretch| {
            let start = end;
            end += stretch.rows as usize;
            (stretch.group as usize, start..end)
        })
    }
}

/// Makes floats of integers.
pub fn widen(column: &mut Values) {
    if let Values::Integers(integers) = column {
        *column = Values::Floats(integers.iter().map(|it| float(*it)).collect());
    }
}

#[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
fn float(integer: i64) -> f64 {
    integer as f64
}

fn empty(column: &Values) -> Values {
    Kind::of(column).empty()
}

/// Brings rows of several parts into the order of their groups, within which they keep
/// theirs. `starts` says where each group begins, and, last, where all end. Parts have
/// the same columns.
pub fn by_group(mut parts: Vec<Rows>, starts: &[usize]) -> Vec<Values> {
    if parts.iter().any(|part| part.len() > 0) {
        parts.retain(|part| part.len() > 0);
    } else {
        parts.truncate(1);
    }
    if let [only] = &mut *parts
        && only.stretches.is_sorted_by_key(|stretch| stretch.group)
    {
        return std::mem::take(&mut only.columns);
    }
    let columns = parts.first().map_or(0, |part| part.columns.len());
    let gather = |column: usize| {
        // What is done with goes away, so that not all columns are there twice.
        let values: Vec<Values> = parts
            .iter_mut()
            .map(|part| std::mem::replace(&mut part.columns[column], Values::Booleans(vec![])))
            .collect();
        match values[0] {
            Values::Integers(_) => {
                Values::Integers(scatter(&parts, &values, starts, |values| match values {
                    Values::Integers(values) => values,
                    _ => &[],
                }))
            }
            Values::Floats(_) => {
                Values::Floats(scatter(&parts, &values, starts, |values| match values {
                    Values::Floats(values) => values,
                    _ => &[],
                }))
            }
            Values::Booleans(_) => {
                Values::Booleans(scatter(&parts, &values, starts, |values| match values {
                    Values::Booleans(values) => values,
                    _ => &[],
                }))
            }
            Values::Texts(_) => Values::Texts(texts(&parts, &values, starts)),
        }
    };
    (0..columns).map(gather).collect()
}

fn scatter<T: Copy + Default>(
    parts: &[Rows],
    values: &[Values],
    starts: &[usize],
    of: impl Fn(&Values) -> &[T],
) -> Vec<T> {
    let (total, starts) = starts.split_last().expect("it says where all end");
    let mut next = starts.to_vec();
    let mut out = vec![T::default(); *total];
    for (part, values) in parts.iter().zip(values) {
        let values = of(values);
        for (group, rows) in part.places() {
            let at = next[group];
            next[group] += rows.len();
            if rows.len() == 1 {
                out[at] = values[rows.start];
            } else {
                out[at..next[group]].copy_from_slice(&values[rows]);
            }
        }
    }
    out
}

/// In two passes: where each text goes is known only when all lengths are.
fn texts(parts: &[Rows], values: &[Values], starts: &[usize]) -> Texts {
    // Lengths first, with the mark of what is missing, then their sums.
    let mut ends = vec![0; *starts.last().expect("it says where all end")];
    let mut next = starts.to_vec();
    for (part, values) in parts.iter().zip(values) {
        let (_, from) = parts_of(values);
        for (group, rows) in part.places() {
            for row in rows {
                let before = row
                    .checked_sub(1)
                    .map_or(0, |before| from[before] & !MISSING);
                ends[next[group]] = from[row] - before;
                next[group] += 1;
            }
        }
    }
    let mut end = 0;
    for length in &mut ends {
        end += *length & !MISSING;
        *length = end | *length & MISSING;
    }
    let mut bytes = vec![0; place(end)];
    next.copy_from_slice(starts);
    let start = |ends: &[u64], row: usize| row.checked_sub(1).map_or(0, |at| place(ends[at]));
    for (part, values) in parts.iter().zip(values) {
        let (text, from) = parts_of(values);
        for (group, rows) in part.places() {
            let to = start(&ends, next[group]);
            next[group] += rows.len();
            let text = &text.as_bytes()[start(from, rows.start)..start(from, rows.end)];
            bytes[to..to + text.len()].copy_from_slice(text);
        }
    }
    let bytes = String::from_utf8(bytes).expect("it is put together from whole texts");
    Texts::from_parts(bytes, ends).expect("these are their ends")
}

fn parts_of(values: &Values) -> (&str, &[u64]) {
    match values {
        Values::Texts(texts) => texts.parts(),
        _ => ("", &[]),
    }
}

/// The mark of a missing text, see [`Texts::from_parts`].
const MISSING: u64 = 1 << 63;

fn place(end: u64) -> usize {
    usize::try_from(end & !MISSING).expect("what is in memory has an address")
}
