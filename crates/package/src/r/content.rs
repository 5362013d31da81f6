//! What the layer with R is made of: R as far as functions load it, the program that is
//! its client, every library that these need, and what texts and times need.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::base::Part;
use super::copy::{self, Copied};
use super::find::Resolved;
use super::home::Home;
use super::libraries::{self, Libraries};
use super::packages::copy_all;
use super::{LIBRARIES, PACKAGES};
use crate::error::{PackageError, What};
use crate::installed;
use crate::strip;

/// What R is made of and functions may load. The rest of it is for desktops.
const BASE: &[&str] = &[
    "base",
    "compiler",
    "datasets",
    "grDevices",
    "graphics",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tools",
    "utils",
];
/// Windows on a screen, which Lambda has not, and would bring along most of a desktop.
const SCREENS: &[&str] = &["R_X11.so", "R_de.so", "cairo.so"];
/// Of R's settings: those that R reads as it starts.
const SETTINGS: &[&str] = &["Renviron", "repositories"];

const HOME: &str = "r/home";
const PROGRAM: &str = "r/bin/squall";
const BOOTSTRAP: &str = include_str!("bootstrap.sh");
/// What R runs as it starts, in its own words and then in ours.
const PROFILE: &str = "library/base/R/Rprofile";
const OUR_PROFILE: &str = include_str!("profile.R");

/// Where texts are UTF-8, what converts old texts into it, and what knows the time zones:
/// the folder of the machine, that in the layer, and what of it.
const LOCALES: [&str; 2] = ["/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"];
const CONVERTERS: &[&str] = &[
    "ISO8859-1.so",
    "ISO8859-15.so",
    "CP1252.so",
    "gconv-modules",
];
const ZONES: &str = "/usr/share/zoneinfo";
/// The same zones in other forms, and tables for people.
const NOT_ZONES: &[&str] = &[
    "posix",
    "right",
    "posixrules",
    "localtime",
    "leapseconds",
    "leap-seconds.list",
    "tzdata.zi",
    "zone.tab",
    "iso3166.tab",
];

/// The libraries that R's own compiled code needs.
pub(super) fn libraries(home: &Home) -> Result<Libraries, PackageError> {
    let folders = search(home);
    Ok(libraries::closure(&compiled_parts(home)?, &folders, &Libraries::new())?.found)
}

fn search(home: &Home) -> Vec<PathBuf> {
    let own = [home.folder.join("lib")].into_iter();
    own.chain(libraries::machines_folders()).collect()
}

fn compiled_parts(home: &Home) -> Result<Vec<PathBuf>, PackageError> {
    let mut parts = libraries::compiled(&home.folder.join("lib"))?;
    parts.extend(libraries::compiled(&home.folder.join("modules"))?);
    for package in BASE {
        let folder = home.own_library().join(package).join("libs");
        if folder.is_dir() {
            parts.extend(libraries::compiled(&folder)?);
        }
    }
    parts.retain(|file| !SCREENS.iter().any(|screen| file.ends_with(screen)));
    Ok(parts)
}

/// A layer that is being made.
pub(super) struct Draft {
    pub(super) opt: PathBuf,
    pub(super) home: Home,
    pub(super) resolved: Resolved,
    pub(super) program: PathBuf,
    pub(super) strip: Option<PathBuf>,
    pub(super) parts: Vec<Part>,
    pub(super) notes: Vec<String>,
}

impl Draft {
    pub(super) fn fill(mut self) -> Result<Self, PackageError> {
        let home = self.copy_home()?;
        self.part("R", home);
        let mut packages = Copied::default();
        for (name, chosen) in &self.resolved.packages {
            let to = self.opt.join(PACKAGES).join(name);
            packages += copy::package(&chosen.found.folder, &to)?;
        }
        if packages != Copied::default() {
            self.part("packages", packages);
        }
        self.copy_program()?;
        self.copy_libraries()?;
        let around = self.copy_surroundings()?;
        self.part("locale, encodings, time zones", around);
        self.finish()?;
        Ok(self)
    }

    fn part(&mut self, name: &str, copied: Copied) {
        self.parts.push(Part {
            name: name.to_owned(),
            plain_bytes: copied.plain_bytes,
            bytes: copied.bytes,
        });
    }

    fn copy_home(&self) -> Result<Copied, PackageError> {
        let (from, to) = (&self.home.folder, self.opt.join(HOME));
        let is_screen = |path: &str| SCREENS.iter().any(|screen| path.ends_with(screen));
        let mut all = copy::folder(&from.join("lib"), &to.join("lib"), &|_| true)?;
        all += copy::folder(&from.join("modules"), &to.join("modules"), &|path| {
            !is_screen(path)
        })?;
        all += copy::folder(&from.join("etc"), &to.join("etc"), &|path| {
            SETTINGS.contains(&path)
        })?;
        for package in BASE {
            let folder = from.join("library").join(package);
            if folder.is_dir() {
                let to = to.join("library").join(package);
                all += copy::package(&folder, &to)?;
                let cairo = to.join("libs/cairo.so");
                if let Ok(meta) = fs::metadata(&cairo) {
                    fs::remove_file(&cairo).what(|| format!("remove {}", cairo.display()))?;
                    all.bytes -= meta.len();
                }
            }
        }
        let profile = to.join(PROFILE);
        let writing = || format!("write {}", profile.display());
        let mut text = fs::read_to_string(&profile).what(writing)?;
        text.push_str(OUR_PROFILE);
        fs::write(&profile, text).what(writing)?;
        // What stays behind is part of what there was.
        for unused in ["tcltk", "translations"] {
            let folder = from.join("library").join(unused);
            if folder.is_dir() {
                all += copy::folder(&folder, &to, &|_| false)?;
            }
        }
        Ok(all)
    }

    fn copy_program(&mut self) -> Result<(), PackageError> {
        let to = self.opt.join(PROGRAM);
        let plain_bytes = copy::file(&self.program, &to)?;
        let stripped = self.strip.as_deref();
        let stripped = stripped.and_then(|program| strip::strip_one(program, &to));
        self.part(
            "squall, R's client",
            Copied {
                plain_bytes,
                bytes: stripped.unwrap_or(plain_bytes),
            },
        );
        Ok(())
    }

    /// Everything that the loader looks for, and the loader.
    fn copy_libraries(&mut self) -> Result<(), PackageError> {
        let mut folders = search(&self.home);
        folders.extend(self.resolved.folders.iter().cloned());
        let mut files = libraries::compiled(&self.opt)?;
        files.push(self.program.clone());
        let closure = libraries::closure(&files, &folders, &Libraries::new())?;
        let mut found = closure.found;
        // It is in R's own folder already.
        found.retain(|name, _| !self.opt.join(HOME).join("lib").join(name).is_file());
        found.extend(libraries::unsaid(&folders));
        let loader = closure.loader.and_then(|name| {
            let file = libraries::find(&name, &folders)?;
            Some((name, file))
        });
        let Some((loader, file)) = loader else {
            return Err(PackageError::NoLoader {
                program: self.program.clone(),
            });
        };
        found.insert(loader.clone(), file);
        let bytes = copy_all(&found, &self.opt.join(LIBRARIES))?;
        // Tells what it is for, and the loader by name.
        let bootstrap = self.opt.join("bootstrap");
        let text = BOOTSTRAP.replace("@LOADER@", &loader);
        fs::write(&bootstrap, text).what(|| format!("write {}", bootstrap.display()))?;
        for path in [self.opt.join(LIBRARIES).join(&loader), bootstrap] {
            executable(&path)?;
        }
        if !closure.missing.is_empty() {
            self.notes.push(format!(
                "shared libraries that are not on this machine: {}",
                closure.missing.join(", ")
            ));
        }
        let count = Copied {
            plain_bytes: bytes,
            bytes,
        };
        self.part("shared libraries", count);
        Ok(())
    }

    fn copy_surroundings(&self) -> Result<Copied, PackageError> {
        let mut all = Copied::default();
        let to = self.opt.join("r");
        if let Some(locale) = LOCALES.iter().map(Path::new).find(|path| path.is_dir()) {
            all += copy::folder(locale, &to.join("locale/C.UTF-8"), &|_| true)?;
        }
        let converters = libraries::machines_folders().into_iter();
        let mut converters = converters.map(|folder| folder.join("gconv"));
        if let Some(folder) = converters.find(|folder| folder.is_dir()) {
            let wanted = |path: &str| CONVERTERS.contains(&path);
            let copied = copy::folder(&folder, &to.join("gconv"), &wanted)?;
            all.plain_bytes += copied.bytes;
            all.bytes += copied.bytes;
        }
        if Path::new(ZONES).is_dir() {
            let wanted = |path: &str| !NOT_ZONES.contains(&path);
            all += copy::folder(Path::new(ZONES), &to.join("zoneinfo"), &wanted)?;
        }
        Ok(all)
    }

    /// Symbols go, and all may read what is left.
    fn finish(&mut self) -> Result<(), PackageError> {
        let mut files = installed::files(&self.opt)?;
        if let Some(program) = &self.strip {
            strip::strip(program, &self.opt, &mut files);
        }
        for part in &mut self.parts {
            let folder = match part.name.as_str() {
                "R" => HOME,
                "packages" => PACKAGES,
                "shared libraries" => LIBRARIES,
                _ => continue,
            };
            let own = files
                .iter()
                .filter(|file| Path::new(&file.path).starts_with(folder));
            part.bytes = own.map(|file| file.bytes).sum();
        }
        installed::set_modes(&self.opt, &files)?;
        copy::open_folders(&self.opt)
    }

    /// What must load.
    pub(super) fn loaded(&self) -> Vec<String> {
        let base = BASE.iter().map(|name| (*name).to_owned());
        let there = base.filter(|name| self.home.own_library().join(name).is_dir());
        there
            .chain(self.resolved.packages.keys().cloned())
            .collect()
    }

    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let packages = self.resolved.packages.iter();
        packages
            .map(|(name, chosen)| (name.clone(), chosen.found.description.version.clone()))
            .collect()
    }
}

fn executable(path: &Path) -> Result<(), PackageError> {
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, mode).what(|| format!("set the mode of {}", path.display()))
}
