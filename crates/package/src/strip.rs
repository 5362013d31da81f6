//! Symbols for debuggers are taken out of compiled libraries, by `strip` where it is.
//! Wheels are patched after they are linked, and not every `strip` understands what
//! that did: a library is replaced only if what the loader reads still lines up.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::elf::{self, DYNAMIC, LOAD};
use crate::installed::Installed;
use crate::prune::Dropped;

/// Strips all libraries, and counts what went. Sizes in `files` follow.
pub(crate) fn strip(program: &Path, root: &Path, files: &mut [Installed]) -> Dropped {
    let libraries: Vec<usize> = (0..files.len())
        .filter(|index| is_library(&files[*index].path))
        .collect();
    let next = AtomicUsize::new(0);
    let sizes: Vec<AtomicU64> = libraries
        .iter()
        .map(|index| AtomicU64::new(files[*index].bytes))
        .collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(index) = libraries.get(at) else {
                        return;
                    };
                    let path = root.join(&files[*index].path);
                    if let Some(bytes) = strip_one(program, &path) {
                        sizes[at].store(bytes, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut dropped = Dropped::default();
    for (index, size) in libraries.iter().zip(sizes) {
        let file = &mut files[*index];
        let size = size.into_inner();
        if size < file.bytes {
            dropped.add(file.bytes - size);
            file.bytes = size;
        }
    }
    dropped
}

fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.contains(".so")
}

/// The new size, if it became smaller and is still whole.
pub(crate) fn strip_one(program: &Path, path: &Path) -> Option<u64> {
    let before = fs::read(path).ok()?;
    let shape = Shape::read(&before)?;
    let scratch = path.with_extension("stripped");
    let run = Command::new(program)
        .arg("--strip-unneeded")
        .arg("-o")
        .arg(&scratch)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let after = run
        .ok()
        .filter(std::process::ExitStatus::success)
        .and_then(|_| fs::read(&scratch).ok())
        .filter(|after| after.len() < before.len() && Shape::read(after) == Some(shape));
    let replaced = after.and_then(|after| {
        let bytes = after.len() as u64;
        fs::rename(&scratch, path).ok().map(|()| bytes)
    });
    if replaced.is_none() {
        let _ = fs::remove_file(&scratch);
    }
    replaced
}

/// What the loader maps: addresses and sizes of segments, none of which may change.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    segments: Vec<(u32, u64, u64)>,
}

impl Shape {
    /// `None` for what is no library of 64 bits, or does not line up.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut segments = Vec::new();
        for segment in elf::segments(bytes)? {
            if segment.kind == LOAD {
                let align = segment.align;
                let lines_up = align < 2 || segment.offset % align == segment.address % align;
                let end = segment.offset.checked_add(segment.in_file)?;
                if !lines_up || end > bytes.len() as u64 {
                    return None;
                }
            }
            if segment.kind == LOAD || segment.kind == DYNAMIC {
                segments.push((segment.kind, segment.address, segment.in_memory));
            }
        }
        (!segments.is_empty()).then_some(Self { segments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.so"), "text").unwrap();
        let mut files = crate::installed::files(folder.path()).unwrap();
        let dropped = strip(Path::new("/usr/bin/strip"), folder.path(), &mut files);
        assert_eq!(dropped, Dropped::default());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn a_segment_that_does_not_line_up_is_seen() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(Shape::read(&own).is_some());
        let number = |at: usize| u16::from_le_bytes([own[at], own[at + 1]]);
        let table = u64::from_le_bytes(own[32..40].try_into().unwrap());
        let table = usize::try_from(table).unwrap();
        let mut broken = own.clone();
        for index in 0..usize::from(number(56)) {
            let at = table + index * 56;
            if own[at..at + 4] == LOAD.to_le_bytes() {
                broken[at + 8] ^= 1;
            }
        }
        assert_eq!(Shape::read(&broken), None);
        for end in 0..200 {
            // Whatever is cut short is read without a panic.
            let _ = Shape::read(&own[..end]);
        }
    }
}
