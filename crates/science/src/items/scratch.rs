//! Rows that wait on disk. The file has no name: it is gone when the process is,
//! however that ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use types::table::{Texts, Values};

use super::rows::{Rows, Stretch};
use crate::Error;

/// Bytes that go to the file, or come from it, at a time.
const BUFFER: usize = 256 * 1024;

#[derive(Debug)]
pub struct Scratch {
    file: File,
    folder: PathBuf,
    end: u64,
}

/// Where some rows lie in the file.
#[derive(Debug)]
pub struct Extent {
    at: u64,
    stretches: usize,
    rows: usize,
    columns: Box<[Section]>,
}

/// What a column is, as its values follow each other without any mark.
#[derive(Debug, Clone, Copy)]
enum Section {
    Integers,
    Floats,
    Booleans,
    /// Ends, and so many bytes of text.
    Texts(usize),
}

impl Scratch {
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Scratch {
            folder: folder.to_owned(),
            source,
        };
        Ok(Self {
            file: tempfile::tempfile_in(folder).map_err(failed)?,
            folder: folder.to_owned(),
            end: 0,
        })
    }

    pub fn write(&mut self, rows: &Rows) -> Result<Extent, Error> {
        let at = self.end;
        let mut out = Out {
            file: &self.file,
            at,
            buffer: Vec::with_capacity(BUFFER),
        };
        let written = write(&mut out, rows).and_then(|columns| out.flush().map(|()| columns));
        self.end = out.at;
        Ok(Extent {
            at,
            stretches: rows.stretches.len(),
            rows: rows.len(),
            columns: written.map_err(|error| self.failed(error))?,
        })
    }

    pub fn read(&self, extent: &Extent) -> Result<Rows, Error> {
        let mut input = In {
            file: &self.file,
            at: extent.at,
            buffer: Vec::new(),
        };
        read(&mut input, extent).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Scratch {
            folder: self.folder.clone(),
            source,
        }
    }
}

struct Out<'a> {
    file: &'a File,
    at: u64,
    buffer: Vec<u8>,
}

impl Out<'_> {
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn all<T: Copy, const N: usize>(
        &mut self,
        values: &[T],
        bytes: impl Fn(T) -> [u8; N],
    ) -> io::Result<()> {
        for values in values.chunks(BUFFER / N) {
            if self.buffer.len() + values.len() * N > BUFFER {
                self.flush()?;
            }
            self.buffer
                .extend(values.iter().flat_map(|value| bytes(*value)));
        }
        Ok(())
    }
}

fn write(out: &mut Out<'_>, rows: &Rows) -> io::Result<Box<[Section]>> {
    out.all(&rows.stretches, |stretch| {
        (u64::from(stretch.group) << 32 | u64::from(stretch.rows)).to_le_bytes()
    })?;
    let mut sections = Vec::with_capacity(rows.columns.len());
    for column in &rows.columns {
        sections.push(match column {
            Values::Integers(values) => {
                out.all(values, i64::to_le_bytes)?;
                Section::Integers
            }
            Values::Floats(values) => {
                out.all(values, f64::to_le_bytes)?;
                Section::Floats
            }
            Values::Booleans(values) => {
                out.all(values, |value| [u8::from(value)])?;
                Section::Booleans
            }
            Values::Texts(texts) => {
                let (text, ends) = texts.parts();
                out.all(ends, u64::to_le_bytes)?;
                out.all(text.as_bytes(), |byte| [byte])?;
                Section::Texts(text.len())
            }
        });
    }
    Ok(sections.into())
}

struct In<'a> {
    file: &'a File,
    at: u64,
    buffer: Vec<u8>,
}

impl In<'_> {
    fn all<T, const N: usize>(
        &mut self,
        count: usize,
        value: impl Fn([u8; N]) -> T,
    ) -> io::Result<Vec<T>> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let more = (count - all.len()).min(BUFFER / N);
            self.buffer.resize(more * N, 0);
            self.file.read_exact_at(&mut self.buffer, self.at)?;
            self.at += self.buffer.len() as u64;
            let (values, _) = self.buffer.as_chunks();
            all.extend(values.iter().map(|bytes| value(*bytes)));
        }
        Ok(all)
    }

    fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut all = vec![0; count];
        self.file.read_exact_at(&mut all, self.at)?;
        self.at += count as u64;
        Ok(all)
    }
}

fn read(input: &mut In<'_>, extent: &Extent) -> io::Result<Rows> {
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    let stretch = |bytes| {
        let both = u64::from_le_bytes(bytes);
        let group = (both >> 32) as u32;
        let rows = both as u32;
        Stretch { group, rows }
    };
    let stretches = input.all(extent.stretches, stretch)?;
    let mut columns = Vec::with_capacity(extent.columns.len());
    for section in &extent.columns {
        columns.push(match *section {
            Section::Integers => Values::Integers(input.all(extent.rows, i64::from_le_bytes)?),
            Section::Floats => Values::Floats(input.all(extent.rows, f64::from_le_bytes)?),
            Section::Booleans => Values::Booleans(input.all(extent.rows, |[byte]| byte != 0)?),
            Section::Texts(bytes) => {
                let ends = input.all(extent.rows, u64::from_le_bytes)?;
                let text = String::from_utf8(input.bytes(bytes)?).ok();
                let texts = text.and_then(|text| Texts::from_parts(text, ends));
                let changed = || io::Error::other("the file is not what was written");
                Values::Texts(texts.ok_or_else(changed)?)
            }
        });
    }
    Ok(Rows { stretches, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::new(folder.path()).unwrap();
        let texts = [Some("a"), None, Some("\u{e4}\n")];
        let count = BUFFER / 8 + 3;
        let rows = Rows {
            stretches: vec![Stretch { group: 7, rows: 2 }, Stretch { group: 0, rows: 1 }],
            columns: vec![
                Values::Integers(vec![i64::MIN, 0, 5]),
                Values::Floats(vec![-0.0, f64::INFINITY, 1e-300]),
                Values::Booleans(vec![true, false, true]),
                Values::Texts(texts.into_iter().collect()),
            ],
        };
        let many = Rows {
            stretches: vec![Stretch {
                group: 1,
                rows: u32::try_from(count).unwrap(),
            }],
            columns: vec![Values::Integers((0..).take(count).collect())],
        };
        let first = scratch.write(&rows).unwrap();
        let second = scratch.write(&many).unwrap();
        assert_eq!(scratch.read(&second).unwrap(), many);
        assert_eq!(scratch.read(&first).unwrap(), rows);
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            0,
            "it has no name"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Scratch::new(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }

    /// What a full disk says, without filling one.
    #[test]
    fn a_full_disk_is_said_to_be_full() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut scratch = Scratch {
            file: full,
            folder: "/scratch".into(),
            end: 0,
        };
        let rows = Rows {
            stretches: vec![Stretch { group: 0, rows: 1 }],
            columns: vec![Values::Integers(vec![1])],
        };
        let Err(Error::Scratch { source, .. }) = scratch.write(&rows) else {
            panic!("there is no room")
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }
}
