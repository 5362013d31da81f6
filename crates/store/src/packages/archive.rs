//! Reads the directory of a zip. It is our own reader, as it must see what a
//! lenient one hides: duplicates, overlapping entries, names that differ between
//! the directory and the entry.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use super::{UnpackError, UnpackLimits, shown};

const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const END64: u32 = 0x0606_4b50;
const END64_BYTES: usize = 56;
const LOCATOR64: u32 = 0x0706_4b50;
const LOCATOR64_BYTES: usize = 20;
const CENTRAL: u32 = 0x0201_4b50;
const CENTRAL_BYTES: usize = 46;
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;
/// No honest zip has a longer directory; ours is read into memory.
const DIRECTORY_MAX: u64 = 64 << 20;

/// One entry, as the directory describes it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) executable: bool,
    pub(super) modified: Option<SystemTime>,
    pub(super) method: Method,
    pub(super) crc: u32,
    /// Unpacked, as declared; never trusted.
    pub(super) size: u64,
    packed: u64,
    header_at: u64,
    data_at: u64,
    raw_name: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Dir,
    Link,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

impl Entry {
    pub(super) fn packed(&self) -> u64 {
        self.packed
    }

    /// The packed bytes.
    pub(super) fn data<'a>(&self, file: &'a File) -> Section<'a> {
        Section {
            file,
            at: self.data_at,
            end: self.data_at + self.packed,
        }
    }
}

/// A part of a file that is read without moving the file's own position.
pub(super) struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn bad(detail: impl Into<String>) -> UnpackError {
    UnpackError::NotAZip(detail.into())
}

/// All entries, in the order of their data, and checked: none overlaps another.
pub(super) fn read(file: &File, limits: &UnpackLimits) -> Result<Vec<Entry>, UnpackError> {
    let length = file.metadata().map_err(broken)?.len();
    let directory = find_directory(file, length)?;
    if directory.entries > limits.entries {
        let limit = limits.entries;
        return Err(UnpackError::TooManyEntries { limit });
    }
    if directory.size > DIRECTORY_MAX {
        return Err(bad("its directory is too long"));
    }
    let mut bytes = vec![0; usize::try_from(directory.size).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, directory.at)
        .map_err(broken)?;
    let mut fields = Fields(&bytes);
    let mut entries = Vec::new();
    let mut total = 0_u64;
    while !fields.0.is_empty() {
        let entry = read_entry(&mut fields, directory.shift)?;
        total = total.saturating_add(entry.size);
        if total > limits.unzipped_bytes {
            let limit = limits.unzipped_bytes;
            return Err(UnpackError::TooLarge { limit });
        }
        entries.push(entry);
    }
    if entries.len() as u64 != directory.entries {
        return Err(bad(
            "its directory has another number of entries than it says",
        ));
    }
    locate(file, &mut entries, directory.at)?;
    Ok(entries)
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn broken(error: io::Error) -> UnpackError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return bad("it is cut short");
    }
    bad(error.to_string())
}

struct Directory {
    at: u64,
    size: u64,
    entries: u64,
    /// What is before the zip in its file; offsets inside do not count it.
    shift: u64,
}

fn find_directory(file: &File, length: u64) -> Result<Directory, UnpackError> {
    let tail_size = length.min(END_BYTES as u64 + u64::from(u16::MAX));
    let tail_at = length - tail_size;
    let mut tail = vec![0; usize::try_from(tail_size).unwrap_or_default()];
    file.read_exact_at(&mut tail, tail_at).map_err(broken)?;
    let found = (0..=tail.len().saturating_sub(END_BYTES))
        .rev()
        .find(|&at| tail[at..].starts_with(&END.to_le_bytes()) && tail.len() >= at + END_BYTES)
        .ok_or_else(|| bad("it has no end record"))?;
    let mut fields = Fields(&tail[found + 4..]);
    let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
    let (_, entries) = (fields.u16()?, fields.u16()?);
    let (size, offset) = (fields.u32()?, fields.u32()?);
    let end_at = tail_at + found as u64;
    let large = entries == u16::MAX || size == u32::MAX || offset == u32::MAX;
    if large && let Some(directory) = find_directory64(file, end_at)? {
        return Ok(directory);
    }
    if disk != 0 || directory_disk != 0 {
        return Err(bad("it is split over several files"));
    }
    directory(end_at, size.into(), offset.into(), entries.into())
}

fn find_directory64(file: &File, end_at: u64) -> Result<Option<Directory>, UnpackError> {
    let Some(at) = end_at.checked_sub((LOCATOR64_BYTES + END64_BYTES) as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; LOCATOR64_BYTES + END64_BYTES];
    file.read_exact_at(&mut bytes, at).map_err(broken)?;
    let (end, locator) = bytes.split_at(END64_BYTES);
    if !end.starts_with(&END64.to_le_bytes()) || !locator.starts_with(&LOCATOR64.to_le_bytes()) {
        return Ok(None);
    }
    let mut fields = Fields(&end[16..]);
    if fields.u32()? != 0 || fields.u32()? != 0 {
        return Err(bad("it is split over several files"));
    }
    let (_, entries) = (fields.u64()?, fields.u64()?);
    let (size, offset) = (fields.u64()?, fields.u64()?);
    directory(at, size, offset, entries).map(Some)
}

fn directory(end_at: u64, size: u64, offset: u64, entries: u64) -> Result<Directory, UnpackError> {
    let at = end_at.checked_sub(size);
    let shift = at.and_then(|at| at.checked_sub(offset));
    match (at, shift) {
        (Some(at), Some(shift)) => Ok(Directory {
            at,
            size,
            entries,
            shift,
        }),
        _ => Err(bad("its directory is not where it says")),
    }
}

fn read_entry(fields: &mut Fields<'_>, shift: u64) -> Result<Entry, UnpackError> {
    if fields.u32()? != CENTRAL {
        return Err(bad("its directory is damaged"));
    }
    let made_by = fields.u16()?;
    let _needed = fields.u16()?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    let (time, date) = (fields.u16()?, fields.u16()?);
    let crc = fields.u32()?;
    let (packed, size) = (fields.u32()?, fields.u32()?);
    let lengths = (fields.u16()?, fields.u16()?, fields.u16()?);
    let (_disk, _internal) = (fields.u16()?, fields.u16()?);
    let (external, offset) = (fields.u32()?, fields.u32()?);
    debug_assert_eq!(CENTRAL_BYTES, 46);
    let raw_name = fields.bytes(lengths.0.into())?;
    let extra = Extra::read(
        fields.bytes(lengths.1.into())?,
        &mut [size.into(), packed.into(), offset.into()],
    )?;
    let [size, packed, offset] = extra.sizes;
    fields.bytes(lengths.2.into())?;

    let name = extra
        .name(raw_name)
        .unwrap_or_else(|| decode_name(raw_name));
    if flags & 0x2041 != 0 {
        let name = shown(&name);
        return Err(UnpackError::Encrypted { name });
    }
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => {
            return Err(bad(format!(
                "{:?} is packed by method {other}: use stored or deflated",
                shown(&name)
            )));
        }
    };
    let header_at = offset.checked_add(shift);
    let mode = unix_mode(made_by, external);
    Ok(Entry {
        kind: kind(&name, mode)?,
        executable: mode.is_none_or(|mode| mode & 0o111 != 0),
        modified: extra.modified.or_else(|| dos_time(date, time)),
        name,
        method,
        crc,
        size,
        packed,
        header_at: header_at.ok_or_else(|| bad("an entry is not where it says"))?,
        data_at: 0,
        raw_name: raw_name.to_vec(),
    })
}

/// Finds the data of each entry behind its own header, and that all of them lie
/// one behind the other: entries that share data are how small zips grow huge.
fn locate(file: &File, entries: &mut [Entry], directory_at: u64) -> Result<(), UnpackError> {
    entries.sort_by_key(|entry| entry.header_at);
    let mut free_from = 0;
    for entry in entries {
        let mut header = vec![0; LOCAL_BYTES + entry.raw_name.len()];
        file.read_exact_at(&mut header, entry.header_at)
            .map_err(broken)?;
        let mut fields = Fields(&header);
        let signature = fields.u32()?;
        fields.bytes(22)?;
        let (name_length, extra_length) = (fields.u16()?, fields.u16()?);
        if signature != LOCAL
            || usize::from(name_length) != entry.raw_name.len()
            || fields.0 != entry.raw_name
        {
            return Err(bad(format!(
                "{:?} is not where the directory says",
                shown(&entry.name)
            )));
        }
        let data_at = entry.header_at + header.len() as u64 + u64::from(extra_length);
        let data_end = data_at.checked_add(entry.packed);
        if entry.header_at < free_from || data_end.is_none_or(|end| end > directory_at) {
            return Err(bad(format!(
                "{:?} overlaps another part",
                shown(&entry.name)
            )));
        }
        entry.data_at = data_at;
        free_from = data_at + entry.packed;
        entry.raw_name = Vec::new();
    }
    Ok(())
}

/// The mode, if the zip was made where files have modes.
fn unix_mode(made_by: u16, external: u32) -> Option<u32> {
    const UNIX: u16 = 3;
    const MACOS: u16 = 19;
    let mode = external >> 16;
    (matches!(made_by >> 8, UNIX | MACOS) && mode & 0o777 != 0).then_some(mode)
}

fn kind(name: &str, mode: Option<u32>) -> Result<Kind, UnpackError> {
    let of_mode = mode.unwrap_or(0) & 0o170_000;
    match (name.ends_with('/'), of_mode) {
        (true, 0 | 0o040_000 | 0o100_000) | (false, 0o040_000) => Ok(Kind::Dir),
        (false, 0 | 0o100_000) => Ok(Kind::File),
        (false, 0o120_000) => Ok(Kind::Link),
        _ => Err(UnpackError::BadPath {
            name: shown(name),
            reason: "it is not a file, a directory or a link",
        }),
    }
}

/// The parts of an entry's extra data that matter here.
struct Extra<'a> {
    /// Size, packed size, offset: with those in place that did not fit into 32 bits.
    sizes: [u64; 3],
    modified: Option<SystemTime>,
    unicode_name: Option<(u32, &'a str)>,
}

impl<'a> Extra<'a> {
    fn read(bytes: &'a [u8], sizes: &mut [u64; 3]) -> Result<Self, UnpackError> {
        let mut extra = Self {
            sizes: *sizes,
            modified: None,
            unicode_name: None,
        };
        let mut fields = Fields(bytes);
        // Some tools leave a few bytes at the end that are no field.
        while fields.0.len() >= 4 {
            let (id, length) = (fields.u16()?, fields.u16()?);
            let mut field = Fields(fields.bytes(length.into())?);
            match id {
                0x0001 => {
                    for size in &mut extra.sizes {
                        if *size == u64::from(u32::MAX) {
                            *size = field.u64()?;
                        }
                    }
                }
                0x5455 if field.u8().is_ok_and(|flags| flags & 1 != 0) => {
                    let seconds = field.u32()?.cast_signed();
                    extra.modified = Some(from_unix(seconds.into()));
                }
                0x7075 if field.u8().is_ok_and(|version| version == 1) => {
                    let crc = field.u32()?;
                    extra.unicode_name = std::str::from_utf8(field.0).ok().map(|name| (crc, name));
                }
                _ => {}
            }
        }
        Ok(extra)
    }

    /// The name in Unicode, if it belongs to the plain name.
    fn name(&self, raw: &[u8]) -> Option<String> {
        let (crc, name) = self.unicode_name?;
        (crc == crc32fast::hash(raw)).then(|| name.to_owned())
    }
}

/// Tools on Linux write UTF-8 without saying so; all others mean code page 437.
fn decode_name(raw: &[u8]) -> String {
    const HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                        └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => raw
            .iter()
            .map(|&byte| match byte.checked_sub(0x80) {
                None => char::from(byte),
                Some(high) => HIGH.chars().nth(high.into()).unwrap_or('\u{fffd}'),
            })
            .collect(),
    }
}

/// Read as UTC: the zip does not say where it was made.
fn dos_time(date: u16, time: u16) -> Option<SystemTime> {
    let part = |value: u16, shift: u16, bits: u16| {
        i8::try_from((value >> shift) & ((1 << bits) - 1)).unwrap_or_default()
    };
    let year = 1980 + i16::try_from(date >> 9).unwrap_or_default();
    let at = jiff::civil::DateTime::new(
        year,
        part(date, 5, 4),
        part(date, 0, 5),
        part(time, 11, 5),
        part(time, 5, 6),
        part(time, 0, 5) * 2,
        0,
    )
    .ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(from_unix(at.timestamp().as_second()))
}

fn from_unix(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH - distance
    } else {
        SystemTime::UNIX_EPOCH + distance
    }
}

/// Little-endian numbers, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], UnpackError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| bad("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| bad("it is cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, UnpackError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, UnpackError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, UnpackError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, UnpackError> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_are_read_by_their_code_page() {
        assert_eq!(decode_name("plan é.py".as_bytes()), "plan é.py");
        assert_eq!(decode_name(b"caf\x82\xff"), "café\u{a0}");
        assert_eq!(decode_name(b"\x80\xe1"), "Çß");
    }

    #[test]
    fn a_directory_of_more_than_65535_entries_is_read() {
        let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        for number in 0..66_000 {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(number.to_string(), options).unwrap();
        }
        let file = writer.finish().unwrap();
        let limits = UnpackLimits {
            unzipped_bytes: 0,
            entries: 66_000,
        };
        let entries = read(&file, &limits).unwrap();
        assert_eq!(entries.len(), 66_000);
        assert_eq!(entries[65_999].name, "65999");
    }

    #[test]
    fn dos_times_are_utc() {
        let date = ((2024 - 1980) << 9) + (2 << 5) + 29;
        let time = (13 << 11) + (14 << 5) + 8;
        let expected = from_unix(1_709_212_456);
        assert_eq!(dos_time(date, time), Some(expected));
        assert_eq!(dos_time(0, 0), None);
    }
}
