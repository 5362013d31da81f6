//! Values that R wrote in all its forms: each is read whole, says what R says, and is
//! read by R again when we wrote it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;

use common::{dump, files, r};
use rdata::{Limits, Version, WriteError};

#[test]
fn what_r_writes_is_read_as_r_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    if !r("corpus.R", &[folder.path()]) {
        return;
    }
    let files = files(folder.path(), "rds");
    let values = files
        .iter()
        .filter(|file| file.to_string_lossy().ends_with(".gzip.rds"));
    assert!(
        values.count() > 150 && files.len() > 1500,
        "{} files",
        files.len()
    );
    let mut wrong = vec![];
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let shown = match rdata::read(&bytes, &Limits::default()) {
            Ok(value) => dump(&value),
            Err(error) => format!("error: {error}"),
        };
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        if shown != expected.trim_end_matches('\n') {
            wrong.push(format!(
                "{}\n  {shown:.2000}\n  {expected:.2000}",
                file.display()
            ));
        }
    }
    let count = wrong.len();
    wrong.truncate(10);
    assert!(wrong.is_empty(), "{count} are wrong:\n{}", wrong.join("\n"));
    written_again(folder.path());
}

/// Writes what was read, and lets R compare.
fn written_again(folder: &Path) {
    let again = tempfile::tempdir().unwrap();
    let mut written = 0;
    for file in files(folder, "rds") {
        let name = file.file_name().unwrap().to_str().unwrap();
        // The forms are all the same by now.
        if !name.ends_with(".gzip.rds") {
            continue;
        }
        let value = rdata::read(&std::fs::read(&file).unwrap(), &Limits::default()).unwrap();
        for (version, form) in [(Version::Two, "two"), (Version::Three, "three")] {
            let stream = match rdata::write(&value, version) {
                Err(WriteError::NeedsR { .. } | WriteError::TooLong { .. }) => continue,
                stream => stream.unwrap(),
            };
            let to = name.replace("gzip", form);
            std::fs::write(again.path().join(to), rdata::gzip(&stream)).unwrap();
            written += 1;
            let back = rdata::read(&stream, &Limits::default()).unwrap();
            assert_eq!(dump(&back), dump(&value), "{name}");
        }
    }
    assert!(written > 330, "only {written} could be written");
    assert!(r("identical.R", &[folder, again.path()]));
}
