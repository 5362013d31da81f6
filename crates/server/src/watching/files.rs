//! The files of the access log: lines are added to the newest, and when that is full a new
//! one begins and the oldest goes. What a crash tore off is cut away when the log is
//! opened again, and passed over by who reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use watch::line::Wanted;

/// Looked for from the end of a file for where its last line ends. Lines are shorter.
const LAST_BYTES: u64 = 64 * 1024;
/// What one reading looks at; who wants more asks again.
const LOOKED_AT: u64 = 64 << 20;

/// The writing end.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    /// Of one file, roughly.
    most_bytes: u64,
    keep: usize,
    number: u64,
    file: File,
    size: u64,
}

impl Files {
    pub fn open(folder: PathBuf, most_bytes: u64, keep: usize) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let number = list(&folder)?.last().map_or(1, |(number, _)| *number);
        let (file, size) = begin(&folder, number)?;
        let files = Self {
            folder,
            most_bytes,
            keep,
            number,
            file,
            size,
        };
        files.forget_old()?;
        Ok(files)
    }

    /// Adds whole lines.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = lines.len() as u64;
        if self.size > 0 && self.size + length > self.most_bytes {
            let next = self.number + 1;
            (self.file, self.size) = begin(&self.folder, next)?;
            self.number = next;
            self.forget_old()?;
        }
        let written = self.file.write_all(lines);
        if written.is_err() {
            // A part of it, on a full disk, would be a torn line in the middle.
            let _ = self.file.set_len(self.size);
            return written;
        }
        self.size += length;
        Ok(())
    }

    fn forget_old(&self) -> io::Result<()> {
        let all = list(&self.folder)?;
        let old = all.len().saturating_sub(self.keep);
        for (_, path) in &all[..old] {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn begin(folder: &Path, number: u64) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    let path = folder.join(format!("{number:08}.jsonl"));
    // Who called what is nobody else's business, wherever the folder is copied to.
    options.create(true).read(true).append(true).mode(0o600);
    let mut file = options.open(path)?;
    let whole = whole_lines(&mut file)?;
    file.set_len(whole)?;
    Ok((file, whole))
}

/// Up to where a file has whole lines.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let begin = size.saturating_sub(LAST_BYTES);
    file.seek(SeekFrom::Start(begin))?;
    let mut last = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut last)?;
    let end = last.iter().rposition(|byte| *byte == b'\n');
    Ok(end.map_or(begin, |end| begin + end as u64 + 1))
}

/// The files that are there, the oldest first.
fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
        if let Some(number) = number {
            all.push((number, path));
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// All that the files have.
pub(super) fn bytes(folder: &Path) -> u64 {
    let files = list(folder).unwrap_or_default();
    let sizes = files.iter().filter_map(|(_, path)| path.metadata().ok());
    sizes.map(|file| file.len()).sum()
}

/// A place in the log: the number of a file, and how far into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    file: u64,
    offset: u64,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.file, self.offset)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (file, offset) = text.split_once('-').ok_or(())?;
        let file = file.parse().map_err(|_| ())?;
        let offset = offset.parse().map_err(|_| ())?;
        Ok(Self { file, offset })
    }
}

/// Lines that were wanted, and where to go on.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub lines: Vec<String>,
    pub next: Option<Mark>,
    /// There may be more now.
    pub more: bool,
}

/// Where the log ends now.
pub(crate) fn end(folder: &Path) -> io::Result<Option<Mark>> {
    let Some((file, path)) = list(folder)?.pop() else {
        return Ok(None);
    };
    let offset = whole_lines(&mut File::open(path)?)?;
    Ok(Some(Mark { file, offset }))
}

/// Looks for lines, up to `most` of them, from a mark on or else from the beginning.
pub(crate) fn find(
    folder: &Path,
    from: Option<Mark>,
    wanted: &Wanted,
    most: usize,
) -> io::Result<Found> {
    let mut found = Found {
        next: from,
        ..Found::default()
    };
    let mut left = LOOKED_AT;
    let all = list(folder)?;
    let newest = all.last().map(|(number, _)| *number);
    for (number, path) in all {
        let offset = match from {
            Some(mark) if mark.file > number => continue,
            Some(mark) if mark.file == number => mark.offset,
            _ => 0,
        };
        // The file may have gone since it was listed.
        let Ok(mut file) = File::open(&path) else {
            continue;
        };
        if is_older(&file, wanted) && Some(number) != newest {
            continue;
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut mark = Mark {
            file: number,
            offset,
        };
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)? as u64;
            // The rest of a line may still be on its way.
            if line.last() != Some(&b'\n') {
                break;
            }
            if found.lines.len() >= most || left < read {
                found.more = true;
                return Ok(found);
            }
            left -= read;
            mark.offset += read;
            found.next = Some(mark);
            if let Ok(text) = std::str::from_utf8(&line)
                && wanted.is(text.trim_end())
            {
                found.lines.push(text.trim_end().to_owned());
            }
        }
        found.next = Some(mark);
    }
    Ok(found)
}

/// Whether all of a file was written before what is wanted.
fn is_older(file: &File, wanted: &Wanted) -> bool {
    let changed = file.metadata().and_then(|file| file.modified());
    let (Ok(changed), Some(since)) = (changed, wanted.since) else {
        return false;
    };
    let since = Duration::from_millis(since.0.try_into().unwrap_or(0));
    changed < UNIX_EPOCH + since
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> String {
        format!(
            "{{\"time\":\"2026-11-21T00:00:00.000Z\",\"kind\":\"request\",\"request_id\":\"r{number}\",\"status\":200}}\n"
        )
    }

    fn all(folder: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        let mut from = None;
        loop {
            let found = find(folder, from, &Wanted::default(), 3).unwrap();
            lines.extend(found.lines);
            if !found.more {
                return lines;
            }
            from = found.next;
        }
    }

    fn numbers(folder: &Path) -> Vec<u64> {
        let files = list(folder).unwrap();
        files.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn full_files_make_way_for_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let size = line(1).len() as u64;
        let mut files = Files::open(folder.path().into(), size * 3, 2).unwrap();
        for number in 1..=8 {
            files.append(line(number).as_bytes()).unwrap();
        }
        assert_eq!(numbers(folder.path()), [2, 3]);
        let lines = all(folder.path());
        let expected: Vec<String> = (4..=8).map(|n| line(n).trim_end().to_owned()).collect();
        assert_eq!(lines, expected);
        // It goes on where it was.
        let mut files = Files::open(folder.path().into(), size * 3, 2).unwrap();
        files.append(line(9).as_bytes()).unwrap();
        assert_eq!(numbers(folder.path()), [2, 3]);
        assert_eq!(all(folder.path()).len(), 6);
        assert_eq!(bytes(folder.path()), size * 6);
    }

    #[test]
    fn a_torn_line_is_passed_over_and_cut_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::open(folder.path().into(), 1 << 20, 2).unwrap();
        files.append(line(1).as_bytes()).unwrap();
        files.append(&line(2).as_bytes()[..40]).unwrap();
        assert_eq!(all(folder.path()).len(), 1);
        drop(files);
        let mut files = Files::open(folder.path().into(), 1 << 20, 2).unwrap();
        files.append(line(3).as_bytes()).unwrap();
        let lines = all(folder.path());
        assert_eq!(lines, [line(1).trim_end(), line(3).trim_end()]);
        assert_eq!(bytes(folder.path()), (line(1).len() + line(3).len()) as u64);
    }

    #[test]
    fn who_follows_gets_each_line_once() {
        let folder = tempfile::tempdir().unwrap();
        let size = line(1).len() as u64;
        let mut files = Files::open(folder.path().into(), size * 2, 8).unwrap();
        let mut from = end(folder.path()).unwrap();
        let mut seen = Vec::new();
        for number in 1..=7 {
            files.append(line(number).as_bytes()).unwrap();
            let found = find(folder.path(), from, &Wanted::default(), 10).unwrap();
            seen.extend(found.lines);
            from = found.next;
        }
        assert_eq!(seen.len(), 7);
        let mark = from.unwrap();
        assert_eq!(mark.to_string().parse(), Ok(mark));
        // Of files that are gone the rest is told.
        let gone = Some(Mark { file: 0, offset: 9 });
        assert_eq!(
            find(folder.path(), gone, &Wanted::default(), 10)
                .unwrap()
                .lines
                .len(),
            7
        );
        assert_eq!("1".parse::<Mark>(), Err(()));
    }
}
