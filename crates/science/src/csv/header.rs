//! The names of the columns, and where those that are wanted lie in a row.

use std::collections::{HashMap, HashSet};

use super::record::{End, field};
use crate::{Error, Problem};

/// The columns of a CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub names: Vec<String>,
    /// Fields in front of those that have names: pandas takes them for row names.
    pub unnamed: usize,
}

/// More columns are a mistake, or meant to take memory.
const MOST_COLUMNS: usize = 250_000;

/// The names of a header, as pandas would call the columns.
pub fn names(header: Vec<Vec<u8>>) -> Result<Vec<String>, Error> {
    if header.len() > MOST_COLUMNS {
        return Err(Error::TooManyColumns {
            limit: MOST_COLUMNS,
        });
    }
    let mut names = Vec::with_capacity(header.len());
    for (index, name) in header.into_iter().enumerate() {
        let name = String::from_utf8(name).map_err(|_| Error::HeaderNotUtf8)?;
        names.push(if name.is_empty() {
            format!("Unnamed: {index}")
        } else {
            name
        });
    }
    // A second `x` becomes `x.1`, unless there is one already.
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    // The number that the next of a name tries first: those below it are taken.
    let mut next: HashMap<String, usize> = HashMap::new();
    for name in &mut names {
        let Some(number) = next.get_mut(name) else {
            next.insert(name.clone(), 1);
            continue;
        };
        let free = loop {
            let candidate = format!("{name}.{number}");
            *number += 1;
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        next.insert(free.clone(), 1);
        *name = free;
    }
    Ok(names)
}

impl Header {
    /// `first` is the number of fields of the first row. If it has more than the
    /// header, pandas takes those in front for row names without a header.
    pub fn new(names: Vec<String>, first: usize) -> Self {
        Self {
            unnamed: first.saturating_sub(names.len()),
            names,
        }
    }

    /// The most fields that a row may have.
    pub fn fields(&self) -> usize {
        self.names.len() + self.unnamed
    }

    /// Which field of a row belongs to the column.
    pub fn field(&self, name: &str) -> Result<usize, Error> {
        let found = self.names.iter().position(|it| it == name);
        found
            .map(|at| at + self.unnamed)
            .ok_or_else(|| Error::NoColumn {
                name: name.to_owned(),
                there: self.names.clone(),
            })
    }
}

/// The fields of a record, and where the next begins.
type Record = (Vec<Vec<u8>>, usize);

/// The record at `at`. None behind the last
/// record; lines with nothing but blanks are none.
pub fn record(bytes: &[u8], mut at: usize) -> Result<Option<Record>, Problem> {
    at = skip_blank(bytes, at);
    if at >= bytes.len() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    loop {
        let mut text = Vec::new();
        let (next, end) = field(bytes, at, Some(&mut text))?;
        fields.push(text);
        at = next;
        if end == End::Line {
            return Ok(Some((fields, at)));
        }
    }
}

/// Behind all lines that have nothing but blanks and tabs.
pub fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    let mut look = at;
    while let Some(byte) = bytes.get(look) {
        match byte {
            b' ' | b'\t' => look += 1,
            b'\n' | b'\r' => {
                look += 1;
                at = look;
            }
            _ => return at,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(header: &[&str]) -> Vec<String> {
        names(header.iter().map(|name| name.as_bytes().to_vec()).collect()).unwrap()
    }

    #[test]
    fn names_are_those_of_pandas() {
        assert_eq!(named(&["", "id", ""]), ["Unnamed: 0", "id", "Unnamed: 2"]);
        assert_eq!(named(&["x", "x", "x"]), ["x", "x.1", "x.2"]);
        assert_eq!(named(&["x", "y", "y.1", "y"]), ["x", "y", "y.1", "y.2"]);
        assert_eq!(named(&["y", "y", "y.1"]), ["y", "y.2", "y.1"]);
    }

    /// Each of them used to be compared with all before it.
    #[test]
    fn many_columns_of_one_name_are_named_in_time() {
        let many = named(&vec!["a"; 200_000]);
        assert_eq!(many[199_999], "a.199999");
    }

    #[test]
    fn columns_are_found_or_those_there_are_named() {
        let names = named(&["id", "time", "value"]);
        let header = Header::new(names.clone(), 3);
        assert_eq!((header.fields(), header.field("value").unwrap()), (3, 2));
        let shifted = Header::new(names, 4);
        assert_eq!((shifted.fields(), shifted.field("value").unwrap()), (4, 3));
        let error = header.field("v").unwrap_err().to_string();
        assert_eq!(
            error,
            r#"there is no column "v"; there are "id", "time", "value""#
        );
    }

    #[test]
    fn blank_lines_are_skipped() {
        assert_eq!(skip_blank(b" \t\r\n\n  a\n", 0), 5);
        assert_eq!(skip_blank(b"  \n", 0), 3);
        assert_eq!(skip_blank(b"a", 0), 0);
    }
}
