//! Where the result goes: to stdout, or into a file, which is written beside its place
//! first, so that there is either the whole result or what was before.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use map::format::FileFormat;
use map::results::{Table, WriteError};

use crate::args::Choices;
use crate::failure::{Failure, Kind};

const OUT_BUFFER: usize = 256 * 1024;

/// What writes a result. It may run once only.
type Write1<'a> = &'a mut dyn FnMut(&mut (dyn Write + Send)) -> io::Result<()>;

/// What is asked for, else what the name says, else CSV.
pub fn format(choices: &Choices, output: Option<&str>) -> FileFormat {
    let named = choices.output_format.map(FileFormat::from);
    named
        .or_else(|| output.and_then(FileFormat::of_name))
        .unwrap_or(FileFormat::Csv)
}

/// Writes a table of results.
pub fn table(path: Option<&str>, table: &Table, format: FileFormat) -> Result<(), Failure> {
    put(path, |mut out| {
        table.write(format, &mut out).map_err(|error| match error {
            WriteError::Write(error) => error,
            WriteError::Columnar(error) => io::Error::other(error),
        })
    })
}

/// Stdout takes the result or JSON about it, not both.
pub fn one_use_of_stdout(output: Option<&str>, json: bool) -> Result<(), Failure> {
    if output.is_none() && json {
        return Err(
            Failure::mistake("stdout cannot hold both the result and JSON")
                .hint("name a file for the result: -o FILE"),
        );
    }
    Ok(())
}

/// Refuses, before anything runs, what could not be written at the end, and a result in
/// place of its own input: a job that goes on later reads that again.
pub fn places(input: &str, output: Option<&str>, failed: Option<&str>) -> Result<(), Failure> {
    let read = Path::new(input).canonicalize().ok();
    for path in [output, failed].into_iter().flatten() {
        let place = Path::new(path);
        let folder = place.parent().filter(|it| !it.as_os_str().is_empty());
        if place.is_dir() {
            return Err(Failure::mistake(format!(
                "cannot write {path}: it is a folder"
            )));
        }
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let error = format!(
                "cannot write {path}: there is no folder {}",
                folder.display()
            );
            return Err(Failure::mistake(error).hint("make it first: mkdir -p"));
        }
        // Not what is no plain file: a terminal may be both.
        if place.is_file() && read.is_some() && place.canonicalize().ok() == read {
            return Err(Failure::mistake(format!("{path} is the input"))
                .hint("name another file: what is written would take its place"));
        }
    }
    Ok(())
}

/// Writes a result to a file, or, without one, to stdout.
pub fn put(
    path: Option<&str>,
    mut write: impl FnMut(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Failure> {
    match path {
        None => to_standard(&mut write),
        Some(path) => to_file(Path::new(path), &mut write)
            .with_context(|| format!("cannot write {path}"))
            .map_err(|error| Failure::new(Kind::Mistake, error)),
    }
}

fn to_standard(write: Write1<'_>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(OUT_BUFFER, io::stdout());
    match write(&mut out).and_then(|()| out.flush()) {
        // Whoever read has seen enough: end as quietly as `cat` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(anyhow!(error).context("cannot write to stdout").into()),
        Ok(()) => Ok(()),
    }
}

/// What is no plain file, such as a pipe or /dev/null, is written to as it is.
fn to_file(path: &Path, write: Write1<'_>) -> io::Result<()> {
    let mut through = |file: &File| {
        let mut out = BufWriter::with_capacity(OUT_BUFFER, file);
        write(&mut out)?;
        out.flush()
    };
    if path.metadata().is_ok_and(|meta| !meta.is_file()) {
        return through(&File::create(path)?);
    }
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let beside = tempfile::Builder::new()
        .prefix(".squall-map-")
        .permissions(permissions(&target))
        .tempfile_in(folder)?;
    through(beside.as_file())?;
    beside.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

/// Those of the file that is replaced, else those that a new file has.
fn permissions(target: &Path) -> Permissions {
    let before = target.metadata().map(|meta| meta.permissions());
    before.unwrap_or_else(|_| Permissions::from_mode(0o666))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_refused_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(name("data.csv"), "id\n").unwrap();
        std::fs::write(name("old.csv"), "").unwrap();
        std::os::unix::fs::symlink(name("data.csv"), name("link.csv")).unwrap();
        let input = name("data.csv");
        for good in ["new.csv", "old.csv"] {
            places(&input, Some(&name(good)), Some(&name(good))).unwrap();
        }
        places(&input, None, Some("/dev/null")).unwrap();
        for (bad, says) in [
            ("data.csv", "is the input"),
            ("link.csv", "is the input"),
            ("none/out.csv", "there is no folder"),
            ("", "it is a folder"),
        ] {
            let bad = name(bad);
            for (output, failed) in [(Some(&*bad), None), (None, Some(&*bad))] {
                let failure = places(&input, output, failed).unwrap_err().to_string();
                assert!(failure.contains(says), "{failure}");
            }
        }
    }

    #[test]
    fn a_result_that_breaks_off_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let text = path.to_str().unwrap();
        put(Some(text), |out| out.write_all(b"old")).unwrap();
        let failure = put(Some(text), |out| {
            out.write_all(b"new")?;
            Err(ErrorKind::StorageFull.into())
        });
        let said = failure.unwrap_err().to_string();
        assert!(said.contains("cannot write"), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
