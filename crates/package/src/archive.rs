//! Zips that are the same for the same files: sorted, all of one time, with two modes,
//! whatever machine they are made on. Content is packed on all processors; sizes stand
//! before the content, so that a reader can unpack the zip while it arrives.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache;
use crate::error::{PackageError, What};

/// A zip on disk, by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub path: PathBuf,
    /// In base64, as AWS has it.
    pub sha256: String,
    pub zip_bytes: u64,
    pub unpacked_bytes: u64,
}

/// One file of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// In the zip, with `/` between folders.
    pub(crate) path: String,
    pub(crate) content: Content,
    pub(crate) executable: bool,
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    File(PathBuf),
    /// Carried in the binary.
    Text(&'static str),
}

impl Member {
    pub(crate) fn text(path: &str, text: &'static str, executable: bool) -> Self {
        Self {
            path: path.to_owned(),
            content: Content::Text(text),
            executable,
            bytes: text.len() as u64,
        }
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>, PackageError> {
        match &self.content {
            Content::Text(text) => Ok(text.as_bytes().to_vec()),
            Content::File(path) => fs::read(path).map_err(|source| PackageError::Unreadable {
                path: path.clone(),
                source,
            }),
        }
    }
}

/// What AWS takes in one zip, and what fits the format without its extensions.
pub(crate) const MEMBERS_MAX: usize = 65_000;
/// Larger files are not read to see whether they changed.
const READ_MAX: u64 = 1 << 20;
/// Files of so many bytes are packed at once: what is held in memory is bounded.
const BATCH_BYTES: u64 = 64 << 20;
const LEVEL: u32 = 6;
/// The first moment that a zip can name, 1980-01-01 00:00:00: no time at all.
const NO_TIME: u16 = 0;
const NO_DATE: u16 = 0x21;
const DEFLATED: u16 = 8;
const STORED: u16 = 0;
/// Names are UTF-8.
const FLAGS: u16 = 0x800;
const VERSION: u16 = 20;
const MADE_ON_UNIX: u16 = (3 << 8) | VERSION;
const REGULAR_FILE: u32 = 0o100_000;

/// Equal for equal files, without packing them. Large ones are told by their place and
/// time: reading them takes as long as the rest of a deployment in which nothing changed.
pub(crate) fn key(members: &[Member]) -> Result<String, PackageError> {
    let mut parts: Vec<Vec<u8>> = vec![b"zip".to_vec()];
    for member in members {
        parts.push(format!("{} {}", member.path, member.executable).into_bytes());
        match &member.content {
            Content::File(path) if member.bytes > READ_MAX => {
                let meta = fs::metadata(path).map_err(|source| PackageError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
                parts.push(
                    format!(
                        "{} {} {} {} {}",
                        meta.dev(),
                        meta.ino(),
                        meta.len(),
                        meta.ctime(),
                        meta.ctime_nsec()
                    )
                    .into_bytes(),
                );
            }
            _ => parts.push(member.read()?),
        }
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(cache::key(&parts))
}

/// Writes a zip to `path`, in whose folder it appears whole or not at all.
pub(crate) fn write(path: &Path, mut members: Vec<Member>) -> Result<Artifact, PackageError> {
    if members.len() > MEMBERS_MAX {
        return Err(PackageError::TooManyFiles {
            path: path.to_owned(),
            limit: MEMBERS_MAX,
        });
    }
    members.sort_by(|a, b| a.path.cmp(&b.path));
    let folder = path.parent().unwrap_or(Path::new("."));
    let writing = || format!("write {}", path.display());
    let mut scratch = tempfile::NamedTempFile::new_in(folder).what(writing)?;
    let filled = fill(scratch.as_file_mut(), &members, &writing)?;
    scratch
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))
        .what(writing)?;
    scratch
        .persist(path)
        .map_err(|error| error.error)
        .what(writing)?;
    Ok(Artifact {
        path: path.to_owned(),
        ..filled
    })
}

/// Writes the zip, and says all of it but where it is.
fn fill(
    file: &mut File,
    members: &[Member],
    writing: &impl Fn() -> String,
) -> Result<Artifact, PackageError> {
    let mut out = Out {
        file: BufWriter::new(file),
        hash: Sha256::new(),
        at: 0,
    };
    let mut directory = Vec::new();
    let mut unpacked_bytes = 0;
    for batch in batches(members) {
        for (member, packed) in batch.iter().zip(pack_all(batch)?) {
            unpacked_bytes += u64::from(packed.size);
            let at = out.at;
            out.put(&local_header(member, &packed)).what(writing)?;
            out.put(&packed.bytes).what(writing)?;
            directory.extend(central_header(member, &packed, at).what(writing)?);
        }
    }
    let end = end_record(members.len(), directory.len(), out.at).what(writing)?;
    out.put(&directory).what(writing)?;
    out.put(&end).what(writing)?;
    out.file.flush().what(writing)?;
    Ok(Artifact {
        path: PathBuf::new(),
        sha256: BASE64_STANDARD.encode(out.hash.finalize()),
        zip_bytes: out.at,
        unpacked_bytes,
    })
}

struct Out<'a> {
    file: BufWriter<&'a mut File>,
    hash: Sha256,
    at: u64,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

struct Packed {
    bytes: Vec<u8>,
    method: u16,
    crc: u32,
    size: u32,
}

/// Cuts the members into runs that fit into memory together.
fn batches(members: &[Member]) -> Vec<&[Member]> {
    let mut batches = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (index, member) in members.iter().enumerate() {
        if bytes > 0 && bytes + member.bytes > BATCH_BYTES {
            batches.push(&members[from..index]);
            (from, bytes) = (index, 0);
        }
        bytes += member.bytes;
    }
    batches.push(&members[from..]);
    batches
}

/// Packs on all processors; the order stays.
fn pack_all(members: &[Member]) -> Result<Vec<Packed>, PackageError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(members.len()).max(1);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Packed, PackageError>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(member) = members.get(index) else {
                        return;
                    };
                    let packed = member.read().and_then(|content| pack(member, &content));
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, packed));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, packed)| packed).collect()
}

fn pack(member: &Member, content: &[u8]) -> Result<Packed, PackageError> {
    let packing = || format!("pack {}", member.path);
    let size = u32::try_from(content.len())
        .map_err(io::Error::other)
        .what(packing)?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(content).what(packing)?;
    let deflated = encoder.finish().what(packing)?;
    let (method, bytes) = if deflated.len() < content.len() {
        (DEFLATED, deflated)
    } else {
        (STORED, content.to_vec())
    };
    Ok(Packed {
        bytes,
        method,
        crc: crc32fast::hash(content),
        size,
    })
}

/// What both headers of a file have in common, from the needed version on.
fn common(member: &Member, packed: &Packed) -> Vec<u8> {
    let mut header = Vec::with_capacity(46 + member.path.len());
    for field in [VERSION, FLAGS, packed.method, NO_TIME, NO_DATE] {
        header.extend(field.to_le_bytes());
    }
    let packed_size = u32::try_from(packed.bytes.len()).expect("no larger than the content");
    for field in [packed.crc, packed_size, packed.size] {
        header.extend(field.to_le_bytes());
    }
    let name = u16::try_from(member.path.len()).expect("paths of a file system are shorter");
    header.extend(name.to_le_bytes());
    // No extra fields.
    header.extend(0_u16.to_le_bytes());
    header
}

fn local_header(member: &Member, packed: &Packed) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    header.extend(common(member, packed));
    header.extend(member.path.as_bytes());
    header
}

fn central_header(member: &Member, packed: &Packed, at: u64) -> io::Result<Vec<u8>> {
    let mut header = b"PK\x01\x02".to_vec();
    header.extend(MADE_ON_UNIX.to_le_bytes());
    header.extend(common(member, packed));
    // Comment, disk, internal attributes.
    header.extend([0; 6]);
    let mode: u32 = if member.executable { 0o755 } else { 0o644 };
    header.extend(((REGULAR_FILE | mode) << 16).to_le_bytes());
    header.extend(offset(at)?.to_le_bytes());
    header.extend(member.path.as_bytes());
    Ok(header)
}

fn end_record(members: usize, directory: usize, at: u64) -> io::Result<Vec<u8>> {
    let members = u16::try_from(members).map_err(io::Error::other)?;
    let mut end = b"PK\x05\x06".to_vec();
    end.extend([0; 4]);
    end.extend(members.to_le_bytes());
    end.extend(members.to_le_bytes());
    end.extend(offset(directory as u64)?.to_le_bytes());
    end.extend(offset(at)?.to_le_bytes());
    // No comment.
    end.extend([0; 2]);
    Ok(end)
}

fn offset(at: u64) -> io::Result<u32> {
    u32::try_from(at).map_err(|_| io::Error::other("it would be over 4 GB"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn member(folder: &Path, path: &str, content: &[u8], executable: bool) -> Member {
        let file = folder.join(path.replace('/', "_"));
        fs::write(&file, content).unwrap();
        Member {
            path: path.to_owned(),
            content: Content::File(file),
            executable,
            bytes: content.len() as u64,
        }
    }

    #[test]
    fn another_reader_finds_names_modes_and_content() {
        let folder = tempfile::tempdir().unwrap();
        let noise: Vec<u8> = (0..1000_u32).map(|n| (n * n % 251) as u8).collect();
        let members = vec![
            member(folder.path(), "b/é.py", &b"print(1)\n".repeat(500), false),
            member(folder.path(), "bootstrap", b"#!/bin/sh\n", true),
            member(folder.path(), "a.bin", &noise, false),
            Member::text("squall/x.py", "x = 1\n", false),
            member(folder.path(), "empty", b"", false),
        ];
        let zip = folder.path().join("out.zip");
        let made = write(&zip, members.clone()).unwrap();
        let mut archive = zip::ZipArchive::new(File::open(&zip).unwrap()).unwrap();
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        assert_eq!(
            names,
            ["a.bin", "b/é.py", "bootstrap", "empty", "squall/x.py"]
        );
        for member in &members {
            let mut entry = archive.by_name(&member.path).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert_eq!(content, member.read().unwrap(), "{}", member.path);
            let mode = if member.executable { 0o755 } else { 0o644 };
            assert_eq!(entry.unix_mode().unwrap() & 0o777, mode);
        }
        let written = fs::read(&zip).unwrap();
        assert_eq!(made.zip_bytes, written.len() as u64);
        assert_eq!(
            made.sha256,
            BASE64_STANDARD.encode(Sha256::digest(&written))
        );
        let bytes: u64 = members.iter().map(|member| member.bytes).sum();
        assert_eq!(made.unpacked_bytes, bytes);
    }

    #[test]
    fn the_same_files_make_the_same_zip_whatever_their_order_and_times() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let make = |folder: &Path, turned: bool| {
            let mut members = vec![
                member(folder, "a.py", b"1", false),
                member(folder, "c/b.py", b"2", false),
            ];
            if turned {
                members.reverse();
            }
            write(&folder.join("z.zip"), members).unwrap()
        };
        let (first, second) = (make(one.path(), false), make(two.path(), true));
        assert_eq!(first.sha256, second.sha256);
    }

    #[test]
    fn a_file_that_is_gone_is_named_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let gone = member(folder.path(), "a.py", b"1", false);
        fs::remove_file(folder.path().join("a.py")).unwrap();
        let error = write(&folder.path().join("z.zip"), vec![gone]).unwrap_err();
        assert!(error.to_string().contains("a.py"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_key_follows_content_and_for_large_files_their_last_change() {
        let folder = tempfile::tempdir().unwrap();
        let of = |content: &[u8]| key(&[member(folder.path(), "a", content, false)]).unwrap();
        assert_eq!(of(b"1"), of(b"1"));
        assert_ne!(of(b"1"), of(b"2"));
        let large = vec![0; usize::try_from(READ_MAX).unwrap() + 1];
        let file = member(folder.path(), "big", &large, false);
        let before = key(std::slice::from_ref(&file)).unwrap();
        assert_eq!(key(std::slice::from_ref(&file)).unwrap(), before);
        // Another file under the name, whatever its size and times.
        fs::write(folder.path().join("new"), &large).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("big")).unwrap();
        assert_ne!(key(&[file]).unwrap(), before);
    }

    #[test]
    fn batches_hold_everything_once_and_in_order() {
        let of = |bytes: u64| Member {
            bytes,
            ..Member::text("x", "", false)
        };
        let members = [of(BATCH_BYTES), of(1), of(BATCH_BYTES * 2), of(0), of(5)];
        let sizes: Vec<usize> = batches(&members).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [1, 1, 1, 2]);
    }
}
