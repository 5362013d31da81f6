//! The items that have no result.

use std::collections::BTreeMap;
use std::io::{self, Write};

use science::csv_text::write_text;
use science::items::Collected;

use super::ROW;
use crate::run::Failure;

/// A CSV of the items that failed, in the order of their ids: the id, the type of the
/// error, its message, and how often the item was tried. Many small writes: the
/// output should have a buffer.
pub fn write_failures(
    data: &Collected,
    failures: &BTreeMap<u32, Failure>,
    out: &mut impl Write,
) -> io::Result<()> {
    let by = if data.by.is_empty() { ROW } else { &data.by };
    write(by, |rank| data.ids.shown(rank), failures, out)
}

pub(super) fn write(
    by: &str,
    id: impl Fn(usize) -> String,
    failures: &BTreeMap<u32, Failure>,
    out: &mut impl Write,
) -> io::Result<()> {
    write_text(out, by.as_bytes())?;
    out.write_all(b",error,message,attempts\n")?;
    for (rank, failure) in failures {
        let rank = usize::try_from(*rank).expect("a rank is a place in memory");
        write_text(out, id(rank).as_bytes())?;
        for text in [&failure.error.error_type, &failure.error.error_message] {
            out.write_all(b",")?;
            write_text(out, text.as_bytes())?;
        }
        writeln!(out, ",{}", failure.attempts)?;
    }
    out.flush()
}
