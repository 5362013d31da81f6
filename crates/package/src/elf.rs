//! Compiled libraries as far as packing needs to know them: what the loader maps, and
//! which other libraries it looks for. Whatever is in a file, reading it does not panic.

const MAGIC: &[u8] = b"\x7fELF";
const BITS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

pub(crate) const LOAD: u32 = 1;
pub(crate) const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;

/// Entries of the dynamic section.
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const SONAME: u64 = 14;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;

/// No library has more entries, names of this length or that many segments.
const ENTRIES_MAX: usize = 10_000;
const NAME_MAX: usize = 4_096;

/// A part of a file that goes into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) in_file: u64,
    pub(crate) in_memory: u64,
    pub(crate) align: u64,
}

/// What a library or a program asks the loader for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Links {
    pub(crate) soname: Option<String>,
    pub(crate) needed: Vec<String>,
    /// Folders that it names itself, with `$ORIGIN` as it stands there.
    pub(crate) folders: Vec<String>,
    /// The loader that a program wants.
    pub(crate) interpreter: Option<String>,
}

/// The segments; `None` for what is no library of 64 bits.
pub(crate) fn segments(bytes: &[u8]) -> Option<Vec<Segment>> {
    let is_elf = bytes.starts_with(MAGIC)
        && bytes.get(4) == Some(&BITS_64)
        && bytes.get(5) == Some(&LITTLE_ENDIAN);
    if !is_elf {
        return None;
    }
    let table = usize::try_from(u64_at(bytes, 32)?).ok()?;
    let (size, count) = (u16_at(bytes, 54)?, u16_at(bytes, 56)?);
    let mut segments = Vec::new();
    for index in 0..usize::from(count) {
        let at = table.checked_add(index * usize::from(size))?;
        let header = bytes.get(at..)?;
        segments.push(Segment {
            kind: u32_at(header, 0)?,
            offset: u64_at(header, 8)?,
            address: u64_at(header, 16)?,
            in_file: u64_at(header, 32)?,
            in_memory: u64_at(header, 40)?,
            align: u64_at(header, 48)?,
        });
    }
    Some(segments)
}

/// What it asks the loader for; nothing where it asks for nothing.
pub(crate) fn links(bytes: &[u8]) -> Option<Links> {
    let segments = segments(bytes)?;
    let mut links = Links::default();
    let part = |segment: &Segment| {
        let from = usize::try_from(segment.offset).ok()?;
        let end = from.checked_add(usize::try_from(segment.in_file).ok()?)?;
        bytes.get(from..end.min(bytes.len()))
    };
    if let Some(found) = segments.iter().find(|it| it.kind == INTERPRETER) {
        links.interpreter = part(found).and_then(|bytes| text_at(bytes, 0));
    }
    let Some(dynamic) = segments.iter().find(|it| it.kind == DYNAMIC) else {
        return Some(links);
    };
    let entries: Vec<(u64, u64)> = part(dynamic)?
        .chunks_exact(16)
        .take(ENTRIES_MAX)
        .map_while(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 8)?)))
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let (_, address) = *entries.iter().find(|(tag, _)| *tag == STRINGS)?;
    let strings = usize::try_from(offset_of(&segments, address)?).ok()?;
    let text = |value: u64| {
        let at = strings.checked_add(usize::try_from(value).ok()?)?;
        text_at(bytes, at)
    };
    for (tag, value) in entries {
        match tag {
            NEEDED => links.needed.extend(text(value)),
            SONAME => links.soname = text(value),
            RPATH | RUNPATH => {
                let folders = text(value).unwrap_or_default();
                let folders = folders.split(':').filter(|folder| !folder.is_empty());
                links.folders.extend(folders.map(str::to_owned));
            }
            _ => {}
        }
    }
    Some(links)
}

/// Where in the file an address in memory comes from.
fn offset_of(segments: &[Segment], address: u64) -> Option<u64> {
    let loaded = segments.iter().filter(|segment| segment.kind == LOAD);
    loaded.into_iter().find_map(|segment| {
        let inside = address.checked_sub(segment.address)?;
        (inside < segment.in_file).then(|| segment.offset.checked_add(inside))?
    })
}

fn text_at(bytes: &[u8], at: usize) -> Option<String> {
    let bytes = bytes.get(at..)?;
    let end = bytes.iter().take(NAME_MAX).position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_says_what_it_needs() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let links = links(&own).unwrap();
        assert!(links.needed.iter().any(|name| name.starts_with("libc.so")));
        assert!(links.interpreter.unwrap().contains("/ld-linux"));
        assert_eq!(links.soname, None);
    }

    #[test]
    fn a_file_that_is_cut_short_is_read_without_a_panic() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let all = segments(&own).unwrap();
        let dynamic = all.iter().find(|it| it.kind == DYNAMIC).unwrap();
        let end = usize::try_from(dynamic.offset).unwrap();
        for length in (0..300).chain([end, end + 8, end + 24]) {
            let _ = links(&own[..length]);
        }
        assert_eq!(links(b"text"), None);
    }

    proptest::proptest! {
        #[test]
        fn hostile_files_are_read_without_a_panic(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
            table in 0_u64..400,
            count in 0_u16..8,
        ) {
            let mut whole = [MAGIC, &[BITS_64, LITTLE_ENDIAN], &bytes].concat();
            if whole.len() > 60 {
                whole[32..40].copy_from_slice(&table.to_le_bytes());
                whole[54..56].copy_from_slice(&56_u16.to_le_bytes());
                whole[56..58].copy_from_slice(&count.to_le_bytes());
            }
            let _ = links(&whole);
        }
    }
}
