//! Which shared libraries have to go along: what compiled code asks the loader for, and
//! what that asks for in turn, as this machine's loader would find it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::elf;
use crate::error::{PackageError, What};

/// Where the loader looks after the folders of its settings.
const FOLDERS: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
const SETTINGS: &str = "/etc/ld.so.conf.d";
/// No closure is larger, and no library.
const LIBRARIES_MAX: usize = 1_000;
const BYTES_MAX: u64 = 1 << 30;
/// What glibc opens by itself when a thread ends.
const UNWINDER: &str = "libgcc_s.so.1";

/// Libraries by the names under which they are looked for, with their files.
pub(super) type Libraries = BTreeMap<String, PathBuf>;

/// What was found, and what was not.
#[derive(Debug, Default)]
pub(super) struct Closure {
    pub(super) found: Libraries,
    pub(super) missing: Vec<String>,
    /// Of programs: the file name of their loader.
    pub(super) loader: Option<String>,
}

/// Where this machine's loader looks.
pub(super) fn machines_folders() -> Vec<PathBuf> {
    let mut settings: Vec<PathBuf> = fs::read_dir(SETTINGS)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    settings.sort();
    let texts = settings
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let texts: Vec<String> = texts.collect();
    let named = texts.iter().flat_map(|text| text.lines());
    let named = named.map(str::trim).filter(|line| line.starts_with('/'));
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let usual = [format!("/lib/{triple}"), format!("/usr/lib/{triple}")];
    let all = named
        .map(PathBuf::from)
        .chain(usual.iter().map(PathBuf::from));
    all.chain(FOLDERS.iter().map(PathBuf::from)).collect()
}

/// Follows what the files need through these folders. What is in `known` is there
/// already.
pub(super) fn closure(
    files: &[PathBuf],
    folders: &[PathBuf],
    known: &Libraries,
) -> Result<Closure, PackageError> {
    let mut closure = Closure::default();
    let mut open: Vec<PathBuf> = files.to_vec();
    while let Some(file) = open.pop() {
        let Some(links) = read(&file)? else {
            continue;
        };
        if let Some(loader) = &links.interpreter {
            let loader = Path::new(loader);
            closure.loader = loader
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
        }
        let own: Vec<PathBuf> = links
            .folders
            .iter()
            .map(|folder| origin(folder, &file))
            .collect();
        for name in links.needed {
            // Names are looked for in folders; a path would lead anywhere.
            let is_new = !known.contains_key(&name) && !closure.found.contains_key(&name);
            if !is_new || name.contains('/') {
                continue;
            }
            let places = own.iter().chain(folders).map(|folder| folder.join(&name));
            match places.into_iter().find(|place| is_library(place)) {
                Some(place) if closure.found.len() < LIBRARIES_MAX => {
                    open.push(place.clone());
                    closure.found.insert(name, place);
                }
                Some(_) => {}
                None if closure.missing.contains(&name) => {}
                None => closure.missing.push(name),
            }
        }
    }
    closure.missing.sort();
    Ok(closure)
}

/// A library by its name, as the loader would find it.
pub(super) fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let mut places = folders.iter().map(|folder| folder.join(name));
    places.find(|place| is_library(place))
}

/// What must be there although nothing says so.
pub(super) fn unsaid(folders: &[PathBuf]) -> Option<(String, PathBuf)> {
    Some((UNWINDER.to_owned(), find(UNWINDER, folders)?))
}

/// Everything compiled in a folder and those below it.
pub(super) fn compiled(root: &Path) -> Result<Vec<PathBuf>, PackageError> {
    let files = crate::installed::files(root)?;
    let names = files.iter().map(|file| root.join(&file.path));
    let mut compiled: Vec<PathBuf> = names.filter(|file| is_library(file)).collect();
    compiled.sort();
    Ok(compiled)
}

/// `$ORIGIN` is the folder of who says it.
fn origin(folder: &str, file: &Path) -> PathBuf {
    let own = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let own = own.parent().unwrap_or(Path::new("/")).display().to_string();
    folder
        .replace("${ORIGIN}", &own)
        .replace("$ORIGIN", &own)
        .into()
}

fn read(file: &Path) -> Result<Option<elf::Links>, PackageError> {
    let reading = || format!("read {}", file.display());
    if fs::metadata(file).what(reading)?.len() > BYTES_MAX {
        return Ok(None);
    }
    Ok(elf::links(&fs::read(file).what(reading)?))
}

/// By its first bytes: linkers' scripts are called libraries, too.
fn is_library(file: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && &magic == b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_needs_is_found_with_what_that_needs() {
        let own = std::env::current_exe().unwrap();
        let folders = machines_folders();
        let closure = closure(std::slice::from_ref(&own), &folders, &Libraries::new()).unwrap();
        assert_eq!(closure.missing, [""; 0]);
        assert!(closure.loader.unwrap().starts_with("ld-linux"));
        let libc = &closure.found["libc.so.6"];
        // The C library asks for the loader.
        assert!(
            closure
                .found
                .keys()
                .any(|name| name.starts_with("ld-linux"))
        );
        // What is there already is not asked for again.
        let known = Libraries::from([("libc.so.6".to_owned(), libc.clone())]);
        let rest = super::closure(&[own], &folders, &known).unwrap();
        assert!(!rest.found.contains_key("libc.so.6"));
        let nothing = super::closure(std::slice::from_ref(libc), &[], &Libraries::new()).unwrap();
        assert_eq!(nothing.found.len(), 0);
        assert!(
            nothing
                .missing
                .iter()
                .any(|name| name.starts_with("ld-linux"))
        );
    }

    #[test]
    fn origin_is_where_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.so");
        fs::write(&file, "").unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        assert_eq!(origin("$ORIGIN/../lib", &file), real.join("../lib"));
    }
}
