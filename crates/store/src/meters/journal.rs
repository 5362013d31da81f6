//! The journal: files of frames, each with a checksum so that a torn end is found. Every
//! process begins a file of its own, and files that are folded are removed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;
use crate::files::make_dir;

use super::{Amounts, NAME_BYTES, Sums};

/// Length of what follows, and its checksum.
const HEAD: usize = 8;
/// The day and the amounts, before the name.
const FIXED: usize = 8 + 7 * 8;

/// A segment to which nothing is added any more.
pub(super) struct Ended {
    pub segment: u64,
    path: PathBuf,
    file: Option<File>,
}

impl Ended {
    /// Rows outlive a loss of power; what they are made of should as well. It waits for
    /// the disk.
    pub fn sync(self) -> Result<(), StoreError> {
        match self.file {
            Some(file) => file.sync_data().map_err(StoreError::io("sync", &self.path)),
            None => Ok(()),
        }
    }
}

pub(super) struct Journal {
    dir: PathBuf,
    segment: u64,
    /// Made with the first frame.
    file: Option<File>,
    bytes: u64,
    frame: Vec<u8>,
}

impl Journal {
    /// Everything behind the segment `folded` is read; what is not behind it was counted
    /// already, and goes.
    pub fn open(dir: &Path, folded: u64) -> Result<(Self, Sums), StoreError> {
        make_dir(dir)?;
        let mut sums = Sums::new();
        let mut last = folded;
        let entries = fs::read_dir(dir).map_err(StoreError::io("read", dir))?;
        for entry in entries {
            let entry = entry.map_err(StoreError::io("read", dir))?;
            let name = entry.file_name();
            let Some(segment) = name.to_str().and_then(|name| name.parse::<u64>().ok()) else {
                continue;
            };
            let path = entry.path();
            if segment <= folded {
                fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
                continue;
            }
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            read(&bytes, &mut sums);
            last = last.max(segment);
        }
        let journal = Self {
            dir: dir.to_owned(),
            segment: last + 1,
            file: None,
            bytes: 0,
            frame: Vec::with_capacity(HEAD + FIXED + NAME_BYTES),
        };
        Ok((journal, sums))
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn append(&mut self, meter: &str, day: i64, amounts: &Amounts) -> io::Result<()> {
        encode(&mut self.frame, meter, day, amounts)?;
        if self.file.is_none() {
            let path = self.path(self.segment);
            let mut options = File::options();
            let options = options.append(true).create(true).mode(0o600);
            self.file = Some(options.open(path)?);
        }
        let file = self.file.as_mut().expect("it was just made");
        // One call: a frame is in the file whole, or its checksum says that it is not.
        if let Err(error) = file.write_all(&self.frame) {
            // Behind half a frame nothing would be read any more.
            self.file = None;
            self.segment += 1;
            return Err(error);
        }
        self.bytes += self.frame.len() as u64;
        Ok(())
    }

    /// Ends the segment and begins another one.
    pub fn turn(&mut self) -> Ended {
        let ended = Ended {
            segment: self.segment,
            path: self.path(self.segment),
            file: self.file.take(),
        };
        self.segment += 1;
        self.bytes = 0;
        ended
    }

    /// Removes what was folded. What cannot be removed is left for the next start.
    pub fn forget(&self, folded: u64) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let segment = name.to_str().and_then(|name| name.parse::<u64>().ok());
            if segment.is_some_and(|segment| segment <= folded) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(segment.to_string())
    }
}

fn encode(frame: &mut Vec<u8>, meter: &str, day: i64, amounts: &Amounts) -> io::Result<()> {
    if meter.is_empty() || meter.len() > NAME_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a meter's name has 1 to {NAME_BYTES} bytes"),
        ));
    }
    frame.clear();
    frame.extend_from_slice(&[0; HEAD]);
    frame.extend_from_slice(&day.to_le_bytes());
    for field in amounts.fields() {
        frame.extend_from_slice(&field.to_le_bytes());
    }
    frame.extend_from_slice(meter.as_bytes());
    let length = u32::try_from(frame.len() - HEAD).expect("names are short");
    let checksum = crc32fast::hash(&frame[HEAD..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Adds up the frames up to the first that is not whole.
fn read(mut bytes: &[u8], sums: &mut Sums) {
    while let Some((meter, day, amounts, size)) = decode(bytes) {
        sums.entry((Arc::from(meter), day))
            .or_default()
            .add(&amounts);
        bytes = &bytes[size..];
    }
}

fn decode(bytes: &[u8]) -> Option<(&str, i64, Amounts, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let content = rest.get(..length)?;
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (fixed, meter) = content.split_at_checked(FIXED)?;
    let (day, fields) = fixed.split_first_chunk()?;
    let mut amounts = [0; 7];
    for (amount, field) in amounts.iter_mut().zip(fields.as_chunks().0) {
        *amount = u64::from_le_bytes(*field);
    }
    let meter = std::str::from_utf8(meter).ok()?;
    let day = i64::from_le_bytes(*day);
    Some((meter, day, Amounts::of_fields(amounts), HEAD + length))
}
