//! CSV as pandas' `to_csv` writes it.

use std::io::{self, Write};

use super::{Groups, Ids, Results};
use crate::csv_text::{FloatText, write_text};

impl Groups {
    pub fn len(&self) -> usize {
        match &self.results {
            Results::Integers(results) => results.len(),
            Results::Floats(results) => results.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes a header and one line per group. Many small writes: the output should
    /// have a buffer.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write_text(out, self.by.as_bytes())?;
        out.write_all(b",")?;
        write_text(out, self.value.as_bytes())?;
        out.write_all(b"\n")?;
        let mut floats = FloatText::default();
        for at in 0..self.len() {
            match &self.ids {
                Ids::Integers(ids) => write!(out, "{}", ids[at])?,
                Ids::Floats(ids) => out.write_all(floats.of(ids[at]))?,
                Ids::Booleans(ids) => out.write_all(if ids[at] { b"True" } else { b"False" })?,
                Ids::Text(ids) => write_text(out, &ids[at])?,
            }
            out.write_all(b",")?;
            match &self.results {
                Results::Integers(results) => write!(out, "{}", results[at])?,
                Results::Floats(results) => out.write_all(floats.of(results[at]))?,
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}
