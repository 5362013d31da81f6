//! The R's of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ask::ask;
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

/// Where layers are inside a jail, and what a function writes: an R that lives there
/// appears elsewhere.
const OPT: &str = "/opt";
const TMP: &str = "/tmp";
const MOVED: &str = "/var/lang/r";
/// R's start script asks the system for its name and the like.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An R that is there and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub program: PathBuf,
    pub why: String,
}

/// Looks through the given folders for `R` and asks each where it lives. The order is
/// the preference. What is left out is logged: another R may run in its place.
pub fn find_r(folders: &[PathBuf]) -> Vec<RHome> {
    let (found, left_out) = look_for_r(folders);
    for LeftOut { program, why } in left_out {
        let program = program.display();
        tracing::warn!(%program, why, "an R that is there is not used");
    }
    found
}

/// What [`find_r`] finds, and what it leaves out.
pub fn look_for_r(folders: &[PathBuf]) -> (Vec<RHome>, Vec<LeftOut>) {
    let mut found: Vec<RHome> = Vec::new();
    let mut left_out = Vec::new();
    for folder in folders {
        let program = folder.join("R");
        if !program.is_file() {
            continue;
        }
        match probe(folder, &program) {
            Ok(r) if found.iter().all(|known| known.home != r.home) => found.push(r),
            Ok(_) => {}
            Err(why) => left_out.push(LeftOut { program, why }),
        }
    }
    (found, left_out)
}

fn probe(folder: &Path, program: &Path) -> Result<RHome, String> {
    let home = home_told_by(program)?;
    let version = version_of(&home)?;
    let (major, minor) = series(&version).ok_or_else(|| format!("its version is {version}"))?;
    let prefix = (!is_system(&home)).then(|| prefix(&home).to_owned());
    let is_shown = |path: &Path| {
        let own = prefix.as_ref();
        is_system(path) || own.is_some_and(|prefix| path.starts_with(prefix))
    };
    let programs = fs::canonicalize(folder).map_err(|error| error.to_string())?;
    let r = RHome {
        major,
        minor,
        is_shared: home.join("lib/libR.so").is_file(),
        programs_apart: (!is_shown(&programs)).then(|| programs.clone()),
        programs,
        prefix,
        home,
        version,
    };
    // Its scripts hold its path, so it cannot be shown elsewhere.
    if !r.is_shared && [&r.home, &r.programs].iter().any(|it| it.starts_with(TMP)) {
        return Err(format!(
            "it has no libR.so and is below {TMP}, where every function has a folder of its own"
        ));
    }
    Ok(r)
}

fn home_told_by(program: &Path) -> Result<PathBuf, String> {
    let mut command = Command::new(program);
    command
        .arg("RHOME")
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .stdin(Stdio::null());
    let output = ask(&mut command).map_err(|error| format!("it cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.lines().next_back().unwrap_or_default().trim();
    if !told.starts_with('/') {
        let error = String::from_utf8_lossy(&output.stderr);
        let error = error.lines().next().unwrap_or_default();
        return Err(format!(
            "asked for RHOME it names no folder ({}): {told}{error}",
            output.status
        ));
    }
    fs::canonicalize(told).map_err(|error| format!("its home {told}: {error}"))
}

fn version_of(home: &Path) -> Result<String, String> {
    let place = home.join("library/base/DESCRIPTION");
    let description =
        fs::read_to_string(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    version(&description).ok_or_else(|| format!("{} names no version", place.display()))
}

/// The 4 and the 2 of `4.2.3`.
fn series(version: &str) -> Option<(u8, u8)> {
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
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

/// Whether a jail has something of its own there.
fn is_covered(path: &Path) -> bool {
    path.starts_with(OPT) || path.starts_with(TMP)
}

impl RHome {
    /// Where something below its prefix is inside a jail.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        match &self.prefix {
            Some(prefix) if self.is_shared && is_covered(prefix) => {
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

    /// Not below `/tmp`, where an R may not be.
    fn folder() -> tempfile::TempDir {
        tempfile::tempdir_in("/var/tmp").unwrap()
    }

    #[test]
    fn every_r_is_found_once_in_the_order_of_the_folders() {
        let [one, two] = [(); 2].map(|()| folder());
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
    fn an_r_that_is_left_out_is_told_with_why() {
        let there = folder();
        let bin = install(there.path(), "home", "four", false);
        let why = || {
            let (found, left_out) = look_for_r(std::slice::from_ref(&bin));
            assert_eq!(found, []);
            assert_eq!(left_out[0].program, bin.join("R"));
            left_out[0].why.clone()
        };
        assert_eq!(why(), "its version is four");
        let description = there.path().join("home/library/base/DESCRIPTION");
        fs::write(&description, "Package: base\n").unwrap();
        assert!(why().ends_with("DESCRIPTION names no version"));
        fs::remove_file(&description).unwrap();
        assert!(why().contains("DESCRIPTION: No such file"));
        for (script, told) in [
            ("#!/bin/sh\necho /nowhere/R\n", "its home /nowhere/R: "),
            ("#!/bin/sh\necho >&2 bad\nexit 3\n", "(exit status: 3): bad"),
            ("#!/nowhere/sh\n", "it cannot be started: No such file"),
        ] {
            fs::write(bin.join("R"), script).unwrap();
            assert!(why().contains(told), "{}", why());
        }
    }

    #[test]
    fn an_r_below_tmp_is_used_only_where_it_can_be_shown_elsewhere() {
        let there = tempfile::tempdir_in(TMP).unwrap();
        let bin = install(there.path(), "static", "4.1.0", false);
        let (found, left_out) = look_for_r(std::slice::from_ref(&bin));
        assert_eq!(found, []);
        assert!(left_out[0].why.contains("is below /tmp"), "{left_out:?}");
        let bin = install(there.path(), "lib/R", "4.1.0", true);
        let (found, left_out) = look_for_r(&[bin]);
        assert_eq!(left_out, []);
        assert_eq!(
            found[0].inside(&found[0].home),
            Path::new("/var/lang/r/lib/R")
        );
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
