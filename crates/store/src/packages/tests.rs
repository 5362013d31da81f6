//! Honest and hostile zips, most of them made by hand, as no tool makes them.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bytes::Bytes;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Durability, Store, UnpackError, UnpackLimits, Unpacked};

const ROOMY: UnpackLimits = UnpackLimits {
    unzipped_bytes: 64 << 20,
    entries: 1000,
};

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    (dir, store)
}

async fn unpack_with(
    store: &Store,
    zip: Vec<u8>,
    limits: &UnpackLimits,
) -> Result<Unpacked, UnpackError> {
    let sha = store.blobs().put(zip.into()).await.unwrap();
    store.packages().unpack(&sha, limits).await
}

/// Unpacks what must be refused, and sees that nothing of it stays.
async fn refusal(zip: Vec<u8>) -> UnpackError {
    let (dir, store) = store();
    let refused = unpack_with(&store, zip, &ROOMY).await.unwrap_err();
    for place in ["packages", "tmp"] {
        let left = fs::read_dir(dir.path().join(place)).unwrap().count();
        assert_eq!(left, 0, "{place} after {refused}");
    }
    refused
}

/// A zip with one knob for each lie.
#[derive(Clone)]
struct Lie {
    name: Vec<u8>,
    local_name: Option<Vec<u8>>,
    content: Vec<u8>,
    mode: u32,
    host: u16,
    flags: u16,
    method: u16,
    declared: Option<u32>,
    crc: Option<u32>,
    extra: Vec<u8>,
    offset: Option<u32>,
}

fn file(name: &str, content: &str) -> Lie {
    Lie {
        name: name.into(),
        local_name: None,
        content: content.into(),
        mode: 0o100_644,
        host: 3,
        flags: 0,
        method: 0,
        declared: None,
        crc: None,
        extra: Vec::new(),
        offset: None,
    }
}

fn link(name: &str, target: &str) -> Lie {
    Lie {
        mode: 0o120_777,
        ..file(name, target)
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(entries: &[Lie]) -> Vec<u8> {
    let (mut zip, mut central) = (Vec::new(), Vec::new());
    for lie in entries {
        let data = match lie.method {
            8 => deflated(&lie.content),
            _ => lie.content.clone(),
        };
        let offset = lie.offset.unwrap_or(u32::try_from(zip.len()).unwrap());
        let mut common = Vec::new();
        for field in [lie.flags, lie.method, 0x6000, 0x5821] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        let crc = lie.crc.unwrap_or_else(|| crc32fast::hash(&lie.content));
        let size = u32::try_from(lie.content.len()).unwrap();
        let packed = u32::try_from(data.len()).unwrap();
        for field in [crc, packed, lie.declared.unwrap_or(size)] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        let local_name = lie.local_name.as_ref().unwrap_or(&lie.name);
        zip.extend_from_slice(b"PK\x03\x04\x14\0");
        zip.extend_from_slice(&common);
        zip.extend_from_slice(&u16::try_from(local_name.len()).unwrap().to_le_bytes());
        zip.extend_from_slice(&[0, 0]);
        zip.extend_from_slice(local_name);
        zip.extend_from_slice(&data);
        central.extend_from_slice(b"PK\x01\x02");
        central.extend_from_slice(&((lie.host << 8) + 20).to_le_bytes());
        central.extend_from_slice(&[20, 0]);
        central.extend_from_slice(&common);
        for length in [lie.name.len(), lie.extra.len(), 0, 0, 0] {
            central.extend_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
        }
        central.extend_from_slice(&(lie.mode << 16).to_le_bytes());
        central.extend_from_slice(&offset.to_le_bytes());
        central.extend_from_slice(&lie.name);
        central.extend_from_slice(&lie.extra);
    }
    let at = u32::try_from(zip.len()).unwrap();
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    zip.extend_from_slice(&central);
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    zip.extend_from_slice(&count);
    zip.extend_from_slice(&count);
    zip.extend_from_slice(&u32::try_from(central.len()).unwrap().to_le_bytes());
    zip.extend_from_slice(&at.to_le_bytes());
    zip.extend_from_slice(&[0, 0]);
    zip
}

fn bad_path(name: &str, mode: u32) -> Vec<u8> {
    zip_of(&[Lie {
        mode,
        ..file(name, "x")
    }])
}

#[tokio::test]
async fn an_honest_zip_is_unpacked_as_it_says() {
    let (_dir, store) = store();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer
        .start_file("main.py", packed.unix_permissions(0o600))
        .unwrap();
    writer.write_all(&b"print(1)\n".repeat(10_000)).unwrap();
    writer.add_directory("bin/", stored).unwrap();
    writer
        .start_file("bin/run", stored.unix_permissions(0o750))
        .unwrap();
    writer.write_all(b"#!/bin/sh\n").unwrap();
    writer
        .start_file("lib/é.txt", stored.large_file(true))
        .unwrap();
    writer
        .add_symlink("lib/main", "../main.py", stored)
        .unwrap();
    let zip = writer.finish().unwrap().into_inner();

    let unpacked = unpack_with(&store, zip, &ROOMY).await.unwrap();
    let path = &unpacked.path;
    assert_eq!(unpacked.bytes, 90_000 + 10 + 10);
    assert_eq!(fs::read(path.join("lib/main")).unwrap().len(), 90_000);
    assert_eq!(fs::read(path.join("lib/é.txt")).unwrap(), b"");
    for (name, mode) in [
        ("", 0o755),
        ("main.py", 0o644),
        ("bin", 0o755),
        ("bin/run", 0o755),
        ("lib", 0o755),
    ] {
        let found = fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{name}");
    }
}

#[tokio::test]
async fn a_zip_without_modes_gives_executables_and_times_are_kept() {
    let (_dir, store) = store();
    let stamp = 1_700_000_001_i32;
    let mut extra = b"UT\x05\0\x01".to_vec();
    extra.extend_from_slice(&stamp.to_le_bytes());
    let zip = zip_of(&[
        Lie {
            host: 0,
            ..file("bootstrap", "x")
        },
        Lie {
            extra,
            ..file("exact", "")
        },
        Lie {
            mode: 0o104_755,
            ..file("setuid", "")
        },
    ]);
    let path = unpack_with(&store, zip, &ROOMY).await.unwrap().path;
    let bootstrap = fs::metadata(path.join("bootstrap")).unwrap();
    assert_eq!(bootstrap.mode() & 0o7777, 0o755);
    // 2024-01-01 12:00:00 UTC
    assert_eq!(bootstrap.mtime(), 1_704_110_400);
    assert_eq!(
        fs::metadata(path.join("exact")).unwrap().mtime(),
        i64::from(stamp)
    );
    assert_eq!(
        fs::metadata(path.join("setuid")).unwrap().mode() & 0o7777,
        0o755
    );
}

#[tokio::test]
async fn bad_paths_are_refused() {
    for (name, mode, expected) in [
        ("/etc/x", 0o100_644, "absolute"),
        ("../x", 0o100_644, "upwards"),
        ("a/../../x", 0o100_644, "upwards"),
        ("a/..", 0o100_644, "upwards"),
        ("a\\b", 0o100_644, "backslash"),
        ("..\\x", 0o100_644, "backslash"),
        ("a\0b", 0o100_644, "zero byte"),
        ("", 0o100_644, "empty"),
        (&"n".repeat(256), 0o100_644, "too long"),
        (&format!("{}x", "d/".repeat(600)), 0o100_644, "too long"),
        ("fifo", 0o010_644, "not a file"),
        ("device", 0o020_644, "not a file"),
        ("disk", 0o060_644, "not a file"),
        ("socket", 0o140_755, "not a file"),
        ("d/", 0o120_777, "not a file"),
        ("d/", 0o040_755, "no content"),
    ] {
        let refused = refusal(bad_path(name, mode)).await;
        assert!(
            matches!(refused, UnpackError::BadPath { .. }),
            "{name:?}: {refused}"
        );
        assert!(
            refused.to_string().contains(expected),
            "{name:?}: {refused}"
        );
    }
}

#[tokio::test]
async fn links_out_of_the_tree_are_refused() {
    for entries in [
        &[link("a", "/etc/passwd")][..],
        &[link("a", "../../../etc/passwd")],
        &[link("d/e/up", "../.."), link("out", "d/e/up/..")],
        &[link("a", "b"), link("b", "a")],
        &[link("a", "")],
        &[link("a", "b\0c")],
        &[link("a", &"x/".repeat(5000))],
        &[Lie {
            content: vec![0xff, 0xfe],
            ..link("a", "")
        }],
    ] {
        let refused = refusal(zip_of(entries)).await;
        assert!(matches!(refused, UnpackError::BadLink { .. }), "{refused}");
    }
}

#[tokio::test]
async fn clashing_entries_are_refused() {
    let through = refusal(zip_of(&[link("a", "b"), file("b/x", ""), file("a/y", "")])).await;
    assert!(through.to_string().contains("through a link"), "{through}");
    let below = refusal(zip_of(&[file("a", ""), file("a/b", "")])).await;
    assert!(below.to_string().contains("needs a directory"), "{below}");
    let twice = refusal(zip_of(&[file("a", "1"), file("./a", "2")])).await;
    assert!(matches!(twice, UnpackError::Duplicate { .. }), "{twice}");
}

#[tokio::test]
async fn bombs_are_refused() {
    let zeros = Lie {
        method: 8,
        content: vec![0; 65 << 20],
        ..file("zeros", "")
    };
    let honest = refusal(zip_of(std::slice::from_ref(&zeros))).await;
    assert!(matches!(honest, UnpackError::TooLarge { limit } if limit == ROOMY.unzipped_bytes));
    let lying = refusal(zip_of(&[Lie {
        declared: Some(10),
        ..zeros.clone()
    }]))
    .await;
    assert!(lying.to_string().contains("larger than it says"), "{lying}");
    let bragging = refusal(zip_of(&[Lie {
        declared: Some(10),
        ..file("a", "x")
    }]))
    .await;
    assert!(bragging.to_string().contains("shorter"), "{bragging}");
    let sum = vec![
        Lie {
            declared: Some(u32::MAX - 1),
            ..file("a", "x")
        };
        3
    ];
    assert!(matches!(
        refusal(zip_of(&sum)).await,
        UnpackError::TooLarge { .. }
    ));
    let shared = [
        file("a", "x"),
        Lie {
            local_name: Some("a".into()),
            offset: Some(0),
            ..file("a", "x")
        },
    ];
    assert!(
        refusal(zip_of(&shared))
            .await
            .to_string()
            .contains("overlaps")
    );
    let names: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let many: Vec<Lie> = names.iter().map(|name| file(name, "")).collect();
    let many = refusal(zip_of(&many)).await;
    assert!(
        matches!(many, UnpackError::TooManyEntries { limit: 1000 }),
        "{many}"
    );
    let deep = refusal(zip_of(&[
        file(&"d/".repeat(400), ""),
        file(&"e/".repeat(500), ""),
        file(&"f/".repeat(500), ""),
    ]))
    .await;
    assert!(matches!(deep, UnpackError::TooManyEntries { .. }), "{deep}");
}

#[tokio::test]
async fn damaged_and_locked_zips_are_refused() {
    let whole = zip_of(&[
        file("a.py", "print(1)"),
        Lie {
            method: 8,
            ..file("b.py", "print(2)")
        },
    ]);
    for cut in [0, 1, 10, whole.len() - 1, whole.len() - 30] {
        let refused = refusal(whole[..cut].to_vec()).await;
        assert!(
            matches!(refused, UnpackError::NotAZip(_)),
            "{cut}: {refused}"
        );
    }
    let checksum = refusal(zip_of(&[Lie {
        crc: Some(1),
        ..file("a", "x")
    }]))
    .await;
    assert!(checksum.to_string().contains("checksum"), "{checksum}");
    let method = refusal(zip_of(&[Lie {
        method: 14,
        ..file("a", "x")
    }]))
    .await;
    assert!(method.to_string().contains("method 14"), "{method}");
    let renamed = refusal(zip_of(&[Lie {
        local_name: Some("b".into()),
        ..file("a", "x")
    }]))
    .await;
    assert!(matches!(renamed, UnpackError::NotAZip(_)), "{renamed}");
    let encrypted = refusal(zip_of(&[Lie {
        flags: 1,
        ..file("a", "x")
    }]))
    .await;
    assert!(
        matches!(encrypted, UnpackError::Encrypted { .. }),
        "{encrypted}"
    );
}

/// Each byte of a good zip is spoiled in turn: that is refused or harmless, and
/// never a panic.
#[tokio::test]
async fn every_spoiled_byte_is_survived() {
    let (dir, store) = store();
    let whole = zip_of(&[
        file("dir/a.py", "print(1)"),
        Lie {
            method: 8,
            ..file("b.py", "print(2)")
        },
        link("c", "dir/a.py"),
    ]);
    for at in 0..whole.len() {
        for value in [0, 1, 0x2f, 0x80, 0xff] {
            let mut spoiled = whole.clone();
            spoiled[at] = value;
            let _ = unpack_with(&store, spoiled, &ROOMY).await;
        }
    }
    assert!(!dir.path().join("a.py").exists());
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_zip_behind_other_bytes_is_found() {
    let (_dir, store) = store();
    let mut zip = b"#!/bin/sh\nexit 0\n".to_vec();
    zip.extend_from_slice(&zip_of(&[file("a", "x")]));
    let path = unpack_with(&store, zip, &ROOMY).await.unwrap().path;
    assert_eq!(fs::read(path.join("a")).unwrap(), b"x");
}

#[tokio::test]
async fn an_empty_zip_is_an_empty_package() {
    let (_dir, store) = store();
    let unpacked = unpack_with(&store, zip_of(&[]), &ROOMY).await.unwrap();
    assert_eq!(unpacked.bytes, 0);
    assert_eq!(fs::read_dir(unpacked.path).unwrap().count(), 0);
}

#[tokio::test]
async fn a_package_is_made_once_and_again_if_it_is_missing() {
    let (dir, store) = store();
    let zip: Bytes = zip_of(&[file("d/a", "xyz"), link("l", "d/a")]).into();
    let sha = store.blobs().put(zip).await.unwrap();
    let packages = store.packages();
    let (one, two) = tokio::join!(packages.unpack(&sha, &ROOMY), packages.unpack(&sha, &ROOMY));
    let first = one.unwrap();
    assert_eq!(first, two.unwrap());
    let made = fs::metadata(&first.path).unwrap().ino();
    assert_eq!(packages.unpack(&sha, &ROOMY).await.unwrap(), first);
    assert_eq!(fs::metadata(&first.path).unwrap().ino(), made);

    let tight = UnpackLimits {
        unzipped_bytes: 5,
        entries: 1000,
    };
    let refused = packages.unpack(&sha, &tight).await;
    assert!(matches!(refused, Err(UnpackError::TooLarge { limit: 5 })));

    // What is known in memory is found again on the disk.
    drop(store);
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    let packages = store.packages();
    assert_eq!(packages.unpack(&sha, &ROOMY).await.unwrap(), first);
    assert_eq!(fs::metadata(&first.path).unwrap().ino(), made);
    let tight = UnpackLimits {
        unzipped_bytes: 100,
        entries: 2,
    };
    let refused = packages.unpack(&sha, &tight).await;
    assert!(matches!(
        refused,
        Err(UnpackError::TooManyEntries { limit: 2 })
    ));

    packages.remove(&sha).await.unwrap();
    packages.remove(&sha).await.unwrap();
    assert!(!first.path.exists());
    assert_eq!(packages.unpack(&sha, &ROOMY).await.unwrap(), first);

    packages.remove(&sha).await.unwrap();
    store.blobs().remove(&sha).await.unwrap();
    let refused = packages.unpack(&sha, &ROOMY).await;
    assert!(refused.unwrap_err().to_string().contains("holds no blob"));
}

/// A loss of power may have emptied files that were never synced.
#[tokio::test]
async fn packages_of_another_boot_are_made_again() {
    let (dir, store) = store();
    let zip: Bytes = zip_of(&[file("a", "xyz")]).into();
    let sha = store.blobs().put(zip).await.unwrap();
    let path = store.packages().unpack(&sha, &ROOMY).await.unwrap().path;
    drop(store);
    fs::write(path.join("a"), "").unwrap();
    fs::write(dir.path().join("packages.boot"), "another").unwrap();
    let store = Store::open(dir.path(), Durability::Relaxed).unwrap();
    assert!(!path.exists());
    store.packages().unpack(&sha, &ROOMY).await.unwrap();
    assert_eq!(fs::read(path.join("a")).unwrap(), b"xyz");
}

#[tokio::test]
async fn a_large_package_is_written_by_several_threads() {
    let (_dir, store) = store();
    let names: Vec<String> = (0..64).map(|n| format!("d{}/{n}", n % 3)).collect();
    let content = |n: usize| vec![u8::try_from(n).unwrap(); 100_000 + n];
    let entries: Vec<Lie> = names
        .iter()
        .enumerate()
        .map(|(n, name)| Lie {
            method: 8,
            content: content(n),
            ..file(name, "")
        })
        .collect();
    let path = unpack_with(&store, zip_of(&entries), &ROOMY)
        .await
        .unwrap()
        .path;
    for (n, name) in names.iter().enumerate() {
        assert_eq!(fs::read(path.join(name)).unwrap(), content(n), "{name}");
    }
    let mut entries = entries;
    entries[40].crc = Some(0);
    assert!(matches!(
        refusal(zip_of(&entries)).await,
        UnpackError::NotAZip(_)
    ));
}
