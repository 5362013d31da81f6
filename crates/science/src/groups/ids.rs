//! The type of the ids, as pandas would infer it for their column, and their order.

use std::cmp::Ordering;
use std::io;

use super::Spelling;
use super::register::{Group, Id};
use crate::{Error, csv};

#[derive(Debug, Clone, PartialEq)]
pub enum Ids {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Booleans(Vec<bool>),
    /// UTF-8.
    Text(Vec<Box<[u8]>>),
}

#[derive(Debug)]
pub struct Ordered {
    pub ids: Ids,
    /// Which group has the first id, the second and so on. Groups are numbered through
    /// all partitions.
    pub order: Vec<u32>,
}

/// Finds pandas' order of the groups of all partitions. Their ids are taken. Refuses if
/// two are equal. `floats`: numbers are floats, because some are missing, for example.
pub fn order<S: Send>(
    mut partitions: Vec<&mut [Group<S>]>,
    spelling: Spelling,
    floats: bool,
) -> Result<Ordered, Error> {
    let groups = &mut *partitions;
    let kind = match spelling {
        Spelling::Unknown => infer(groups, floats),
        Spelling::Integers => Kind::Integers,
        Spelling::Floats => Kind::Floats,
        Spelling::Booleans => Kind::Booleans,
        Spelling::Texts => Kind::Text,
    };
    let known = !matches!(spelling, Spelling::Unknown | Spelling::Texts);
    if known && all(groups).any(|group| matches!(group.id, Id::Text(_))) {
        let error = io::Error::other("it changed between two passes");
        return Err(Error::Read(error));
    }
    match kind {
        Kind::Integers => sorted(groups, integer, i64::cmp, Spelling::Integers, Ids::Integers),
        Kind::Floats if known => {
            let from_bits = |id: Id| match id {
                Id::Number(bits) => f64::from_bits(bits.cast_unsigned()),
                Id::Text(_) => f64::NAN,
            };
            sorted(groups, from_bits, compare, Spelling::Floats, Ids::Floats)
        }
        Kind::Floats => sorted(groups, float, compare, Spelling::Floats, Ids::Floats),
        Kind::Booleans => sorted(groups, flag, bool::cmp, Spelling::Booleans, Ids::Booleans),
        Kind::Wide => {
            let digits = |id: Id| Digits(text(id));
            let plain = |ids: Vec<Digits>| Ids::Text(ids.into_iter().map(|id| id.0).collect());
            sorted(groups, digits, Ord::cmp, Spelling::Unknown, plain)
        }
        Kind::Text => sorted(groups, text, Ord::cmp, Spelling::Unknown, Ids::Text),
    }
}

/// Digits of a positive integer: the shorter is the smaller.
#[derive(Debug, PartialEq, Eq)]
struct Digits(Box<[u8]>);

impl Ord for Digits {
    fn cmp(&self, other: &Self) -> Ordering {
        let digits = |it: &Self| it.0.len();
        digits(self)
            .cmp(&digits(other))
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integers,
    /// Integers of any size, none negative, each written in the shortest way.
    Wide,
    Floats,
    Booleans,
    Text,
}

fn all<'a, S>(groups: &'a [&mut [Group<S>]]) -> impl Iterator<Item = &'a Group<S>> {
    groups.iter().flat_map(|groups| groups.iter())
}

fn infer<S>(groups: &[&mut [Group<S>]], floats: bool) -> Kind {
    let texts = || {
        all(groups).filter_map(|group| match &group.id {
            Id::Text(text) => Some(&**text),
            Id::Number(_) => None,
        })
    };
    // Integers and missing values together are floats.
    let integers = if floats { Kind::Floats } else { Kind::Integers };
    if texts().next().is_none() {
        return integers;
    }
    let only_texts = texts().count() == all(groups).count();
    if only_texts && texts().all(|text| csv::flag(text).is_some()) {
        return Kind::Booleans;
    }
    if texts().all(|text| matches!(csv::integer(text), Some(Ok(_)))) {
        return integers;
    }
    if texts().all(|text| csv::integer(text).is_some()) {
        let negative = |group: &Group<S>| matches!(group.id, Id::Number(..0));
        let plain = |text: &[u8]| text.iter().all(u8::is_ascii_digit) && text[0] != b'0';
        let text = floats || all(groups).any(negative) || !texts().all(plain);
        return if text { Kind::Text } else { Kind::Wide };
    }
    if texts().all(|text| csv::float(text).is_some()) {
        return Kind::Floats;
    }
    Kind::Text
}

/// Fewer groups are not worth a thread.
const THREAD: usize = 10_000;

fn sorted<S: Send, K: Send>(
    partitions: &mut [&mut [Group<S>]],
    key: impl Fn(Id) -> K + Sync,
    compare: impl Fn(&K, &K) -> Ordering + Sync,
    spelling: Spelling,
    ids: impl Fn(Vec<K>) -> Ids,
) -> Result<Ordered, Error> {
    // Not the unstable sort: this one finds what is in order already.
    let sort = |keyed: &mut Vec<(K, u32)>| keyed.sort_by(|a, b| compare(&a.0, &b.0));
    let part = |groups: &mut [Group<S>], first: u32| {
        let take = |group: &mut Group<S>| key(std::mem::replace(&mut group.id, Id::Number(0)));
        let mut keyed: Vec<_> = groups.iter_mut().map(take).zip(first..).collect();
        sort(&mut keyed);
        keyed
    };
    let mut keyed = std::thread::scope(|scope| {
        let mut first = 0;
        let mut parts = Vec::new();
        let mut threads = Vec::new();
        let part_of = &part;
        for groups in partitions {
            let start = first;
            first += count(groups.len());
            if groups.len() < THREAD {
                parts.append(&mut part(groups, start));
            } else {
                threads.push(scope.spawn(move || part_of(groups, start)));
            }
        }
        for thread in threads {
            let part = thread.join();
            parts.append(&mut part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts
    });
    sort(&mut keyed);
    let equal = |pair: &[(K, u32)]| compare(&pair[0].0, &pair[1].0).is_eq();
    if keyed.windows(2).any(equal) {
        return Err(Error::Respelled(spelling));
    }
    let (keys, order) = keyed.into_iter().unzip();
    let ids = ids(keys);
    Ok(Ordered { ids, order })
}

fn count(groups: usize) -> u32 {
    u32::try_from(groups).expect("memory ends before four thousand million groups")
}

/// No id is NaN.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is passed as it is")]
fn compare(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

fn integer(id: Id) -> i64 {
    match id {
        Id::Number(number) => number,
        Id::Text(text) => match csv::integer(&text) {
            Some(Ok(integer)) if integer != i64::MIN => integer,
            _ => 0,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
fn float(id: Id) -> f64 {
    match id {
        Id::Number(number) => number as f64,
        Id::Text(text) => csv::float(&text).unwrap_or(f64::NAN),
    }
}

fn flag(id: Id) -> bool {
    match id {
        Id::Number(number) => number != 0,
        Id::Text(text) => csv::flag(&text).unwrap_or(false),
    }
}

fn text(id: Id) -> Box<[u8]> {
    match id {
        Id::Number(number) => number.to_string().into_bytes().into(),
        Id::Text(text) => text,
    }
}
