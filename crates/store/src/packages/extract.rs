//! Writes the entries of a zip below a fresh directory. What is written was
//! placed by the tree before; sizes and checksums are checked on the way.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::bufread::DeflateDecoder;
use parking_lot::Mutex;

use super::archive::{self, Entry, Kind, Method};
use super::tree::{NodeKind, Tree};
use super::{Size, UnpackError, UnpackLimits, shown};
use crate::error::StoreError;

const BUFFER: usize = 64 * 1024;
/// Longer targets are refused by the tree.
const LINK_MAX: u64 = 4096;
/// From so many bytes on it pays to use more than one thread.
const PARALLEL_BYTES: u64 = 4 << 20;
const THREADS_MAX: usize = 4;

/// Unpacks the zip to `target`, which must not exist. On an error something
/// may be left there.
pub(super) fn unpack(
    file: &File,
    target: &Path,
    limits: &UnpackLimits,
) -> Result<Size, UnpackError> {
    let entries = archive::read(file, limits)?;
    let targets = link_targets(file, &entries)?;
    let mut tree = Tree::new(limits);
    for (number, entry) in entries.iter().enumerate() {
        let kind = match entry.kind {
            Kind::File => NodeKind::File(number),
            Kind::Dir => NodeKind::Dir(Some(number)),
            Kind::Link => NodeKind::Link(&targets[number]),
        };
        tree.add(&entry.name, kind)?;
    }
    tree.check_links()?;
    let size = Size {
        bytes: entries.iter().map(|entry| entry.size).sum(),
        entries: tree.len(),
    };
    write(file, &entries, &tree, target, size.bytes)?;
    Ok(size)
}

/// For each entry the target of its link; empty for the others.
fn link_targets(file: &File, entries: &[Entry]) -> Result<Vec<String>, UnpackError> {
    let target = |entry: &Entry| {
        let mut bytes = Vec::new();
        if entry.kind == Kind::Link {
            if entry.size <= LINK_MAX {
                copy(file, entry, &mut bytes)?;
            }
            return String::from_utf8(bytes).map_err(|_| UnpackError::BadLink {
                name: shown(&entry.name),
                target: "a target that is not text".to_owned(),
            });
        }
        if entry.kind == Kind::Dir && entry.size > 0 {
            return Err(UnpackError::BadPath {
                name: shown(&entry.name),
                reason: "a directory has no content",
            });
        }
        Ok(String::new())
    };
    entries.iter().map(target).collect()
}

fn write(
    file: &File,
    entries: &[Entry],
    tree: &Tree<'_>,
    target: &Path,
    bytes: u64,
) -> Result<(), UnpackError> {
    let mut dirs: Vec<PathBuf> = vec![target.to_owned()];
    let mut files = Vec::new();
    let mut links = Vec::new();
    fs::create_dir(target).map_err(StoreError::io("make", target))?;
    set_mode(target, 0o755)?;
    for (index, node) in tree.nodes.iter().enumerate().skip(1) {
        let path = dirs[node.parent].join(node.name);
        match node.kind {
            NodeKind::Dir(_) => {
                fs::create_dir(&path).map_err(StoreError::io("make", &path))?;
                set_mode(&path, 0o755)?;
            }
            NodeKind::File(number) => files.push((node.parent, index, number)),
            NodeKind::Link(to) => links.push((path.clone(), to)),
        }
        // Only directories have children; the others hold their place.
        dirs.push(if matches!(node.kind, NodeKind::Dir(_)) {
            path
        } else {
            PathBuf::new()
        });
    }
    let write_one = |&(parent, index, number): &(usize, usize, usize)| {
        let path = dirs[parent].join(tree.nodes[index].name);
        write_file(file, &entries[number], &path)
    };
    if bytes < PARALLEL_BYTES {
        files.iter().try_for_each(write_one)?;
    } else {
        in_parallel(&files, write_one)?;
    }
    // Last, so that nothing is ever written through one of them.
    for (path, to) in links {
        symlink(to, &path).map_err(StoreError::io("make", &path))?;
    }
    for (node, path) in tree.nodes.iter().zip(&dirs) {
        if let NodeKind::Dir(Some(number)) = node.kind
            && let Some(modified) = entries[number].modified
        {
            File::open(path)
                .and_then(|dir| dir.set_modified(modified))
                .map_err(StoreError::io("set the time of", path))?;
        }
    }
    Ok(())
}

/// Does the work for each item on a few threads, until one fails.
fn in_parallel<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), UnpackError> + Sync,
) -> Result<(), UnpackError> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS_MAX));
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        next.store(items.len(), Ordering::Relaxed);
                        failure.lock().get_or_insert(error);
                    }
                }
            });
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}

fn write_file(zip: &File, entry: &Entry, path: &Path) -> Result<(), UnpackError> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::io("create", path))?;
    copy(
        zip,
        entry,
        &mut Target {
            file: &mut file,
            path,
        },
    )?;
    // Set after the fact, as the umask has its way at creation.
    let mode = if entry.executable { 0o755 } else { 0o644 };
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(StoreError::io("set the mode of", path))?;
    if let Some(modified) = entry.modified {
        file.set_modified(modified)
            .map_err(StoreError::io("set the time of", path))?;
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), UnpackError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| StoreError::io("set the mode of", path)(error).into())
}

/// Somewhere for content; its failures are ours, not the zip's.
trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
}

struct Target<'a> {
    file: &'a mut File,
    path: &'a Path,
}

impl Sink for Target<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(bytes)
            .map_err(StoreError::io("write", self.path))
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Unpacks one entry, and refuses it if it is not what the directory says.
fn copy(zip: &File, entry: &Entry, to: &mut impl Sink) -> Result<(), UnpackError> {
    let packed = BufReader::with_capacity(room_for(entry.packed()), entry.data(zip));
    let mut content: Box<dyn Read + '_> = match entry.method {
        Method::Stored => Box::new(packed),
        Method::Deflated => Box::new(DeflateDecoder::new(packed)),
    };
    let refuse = |what: &str| UnpackError::NotAZip(format!("{:?} {what}", shown(&entry.name)));
    let mut buffer = vec![0; room_for(entry.size)];
    let mut checksum = crc32fast::Hasher::new();
    let mut written = 0;
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(refuse(&format!("is damaged: {error}"))),
        };
        written += count as u64;
        if written > entry.size {
            return Err(refuse("is larger than it says"));
        }
        checksum.update(&buffer[..count]);
        to.put(&buffer[..count])?;
    }
    if written < entry.size {
        return Err(refuse("is shorter than it says"));
    }
    if checksum.finalize() != entry.crc {
        return Err(refuse("has a wrong checksum"));
    }
    Ok(())
}

/// A buffer that does not outgrow small content.
fn room_for(bytes: u64) -> usize {
    usize::try_from(bytes).map_or(BUFFER, |bytes| bytes.clamp(512, BUFFER))
}
