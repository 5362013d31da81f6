//! The R's of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::python::is_system;

/// An R, and the folders that must be in sight for it to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RHome {
    /// The 4 and the 2 of `4.2.3`.
    pub major: u8,
    pub minor: u8,
    /// `4.2.3`
    pub version: String,
    /// What R calls `R_HOME`.
    pub home: PathBuf,
    /// The folder of `R` and `Rscript`.
    pub programs: PathBuf,
    /// Whether it has a `libR.so`, which another program can load.
    pub is_shared: bool,
    /// The folder around its home, where that is beyond the system's own directories.
    pub(crate) prefix: Option<PathBuf>,
    /// Where its programs are, if a jail would not show that otherwise.
    pub(crate) programs_apart: Option<PathBuf>,
}

/// Where layers are inside a jail; an R that lives there appears elsewhere.
const OPT: &str = "/opt";
const MOVED: &str = "/var/lang/r";
/// R's start script asks the system for its name and the like.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Looks through the given folders for `R` and asks each where it lives. The order is
/// the preference.
pub fn find_r(folders: &[PathBuf]) -> Vec<RHome> {
    let mut found: Vec<RHome> = Vec::new();
    for folder in folders {
        let Some(r) = probe(folder) else {
            continue;
        };
        if found.iter().all(|known| known.home != r.home) {
            found.push(r);
        }
    }
    found
}

fn probe(folder: &Path) -> Option<RHome> {
    let program = folder.join("R");
    if !program.is_file() {
        return None;
    }
    let output = Command::new(&program)
        .arg("RHOME")
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let home = fs::canonicalize(text.lines().next_back()?.trim()).ok()?;
    let description = fs::read_to_string(home.join("library/base/DESCRIPTION")).ok()?;
    let version = version(&description)?;
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    let prefix = (!is_system(&home)).then(|| prefix(&home).to_owned());
    let is_shown = |path: &Path| {
        let own = prefix.as_ref();
        is_system(path) || own.is_some_and(|prefix| path.starts_with(prefix))
    };
    let programs = fs::canonicalize(folder).ok()?;
    Some(RHome {
        major: numbers.next()??,
        minor: numbers.next()??,
        is_shared: home.join("lib/libR.so").is_file(),
        programs_apart: (!is_shown(&programs)).then(|| programs.clone()),
        programs,
        prefix,
        home,
        version,
    })
}

fn version(description: &str) -> Option<String> {
    let line = description
        .lines()
        .find_map(|line| line.strip_prefix("Version:"))?;
    Some(line.trim().to_owned())
}

/// Libraries that R needs may lie beside it: `PREFIX/lib/R` goes with its prefix.
fn prefix(home: &Path) -> &Path {
    let above = home.parent().and_then(Path::parent);
    let is_usual = home.ends_with("lib/R") || home.ends_with("lib64/R");
    above.filter(|_| is_usual).unwrap_or(home)
}

impl RHome {
    /// Where something below its prefix is inside a jail.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        match &self.prefix {
            Some(prefix) if self.is_shared && prefix.starts_with(OPT) => {
                match path.strip_prefix(prefix) {
                    Ok(rest) => Path::new(MOVED).join(rest),
                    Err(_) => path.to_owned(),
                }
            }
            _ => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An R as far as finding goes: its script, and what tells its version.
    fn install(root: &Path, home: &str, version: &str, shared: bool) -> PathBuf {
        let home = root.join(home);
        let bin = root.join("bin");
        fs::create_dir_all(home.join("library/base")).unwrap();
        fs::create_dir_all(home.join("lib")).unwrap();
        fs::create_dir_all(&bin).unwrap();
        let description = format!("Package: base\nVersion: {version}\nPriority: base\n");
        fs::write(home.join("library/base/DESCRIPTION"), description).unwrap();
        if shared {
            fs::write(home.join("lib/libR.so"), "").unwrap();
        }
        let script = bin.join("R");
        fs::write(&script, format!("#!/bin/sh\necho {}\n", home.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        bin
    }

    #[test]
    fn every_r_is_found_once_in_the_order_of_the_folders() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let new = install(one.path(), "lib/R", "4.3.1", true);
        let old = install(two.path(), "here", "4.1.0", false);
        let nowhere = PathBuf::from("/nowhere");
        let found = find_r(&[new.clone(), nowhere, old, new]);
        let told: Vec<_> = found
            .iter()
            .map(|r| (r.major, r.minor, r.version.as_str(), r.is_shared))
            .collect();
        assert_eq!(told, [(4, 3, "4.3.1", true), (4, 1, "4.1.0", false)]);
        // Beside the first are the libraries it needs; the second is all in one folder.
        let real = |dir: &tempfile::TempDir| fs::canonicalize(dir.path()).unwrap();
        assert_eq!(found[0].prefix, Some(real(&one)));
        assert_eq!(found[0].programs_apart, None);
        assert_eq!(found[1].prefix, Some(real(&two).join("here")));
        assert_eq!(found[1].programs_apart, Some(real(&two).join("bin")));
    }

    #[test]
    fn an_r_in_the_place_of_the_layers_appears_elsewhere() {
        let r = RHome {
            major: 4,
            minor: 3,
            version: "4.3.1".to_owned(),
            home: "/opt/R/4.3.1/lib/R".into(),
            programs: "/opt/R/4.3.1/bin".into(),
            is_shared: true,
            prefix: Some("/opt/R/4.3.1".into()),
            programs_apart: None,
        };
        assert_eq!(r.inside(&r.home), Path::new("/var/lang/r/lib/R"));
        let alone = RHome {
            prefix: None,
            home: "/usr/lib/R".into(),
            ..r
        };
        assert_eq!(alone.inside(&alone.home), Path::new("/usr/lib/R"));
    }
}
