//! The packages of a function in R as a layer: copied once for the same wishes, with the
//! shared libraries that they need and R does not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::content;
use super::copy::{self, Copied};
use super::find::{self, Resolved};
use super::home::Home;
use super::libraries::{self, Libraries};
use super::wanted::Wanted;
use super::{LIBRARIES, PACKAGES};
use crate::archive;
use crate::build::Work;
use crate::cache;
use crate::error::{PackageError, What};
use crate::installed::{self, Distribution};
use crate::layer::{self, Layer, Manifest, blocking};
use crate::strip;

/// Counts up when layers are built in another way.
const FORMAT: u32 = 1;

impl Work<'_> {
    /// The layer with the packages of this function, if it wants any.
    pub(super) async fn r_packages(
        &self,
        home: &Home,
        wanted: &Wanted,
    ) -> Result<Layer, PackageError> {
        let own = self.function.source.join("library");
        let key = key(wanted, home, &own);
        if !self.options.fresh
            && let Some(layer) = layer::find(&self.cache, &key)
        {
            return Ok(layer);
        }
        let _turn = layer::turn(&self.cache, &key).await?;
        if !self.options.fresh
            && let Some(layer) = layer::find(&self.cache, &key)
        {
            return Ok(layer);
        }
        let scratch = self.cache.scratch()?;
        let (machine, options) = (&self.machine, self.options);
        let fetched = scratch.path().join("fetched");
        let resolved =
            find::resolve(self.name, wanted, &own, home, machine, &fetched, options).await?;
        self.options.say.it("pack the packages of R");
        let (strip, home) = (self.machine.program("strip"), home.clone());
        let (cache, fresh) = (self.cache.clone(), self.options.fresh);
        let mut notes = resolved.notes.clone();
        if let Some(r) = wanted.r.as_deref().filter(|r| series(r) != home.series()) {
            notes.push(format!(
                "the lock file is of R {r}, and this machine has R {}",
                home.version
            ));
        }
        let folder = scratch.keep();
        blocking(move || {
            let opt = folder.join("opt");
            let draft = Draft {
                opt: opt.clone(),
                home,
                resolved,
            };
            let mut manifest = draft.make(strip.as_deref())?;
            let _ = std::fs::remove_dir_all(folder.join("fetched"));
            copy::open_folders(&opt)?;
            let mut files = installed::files(&opt)?;
            installed::set_modes(&opt, &files)?;
            files.sort_by(|a, b| a.path.cmp(&b.path));
            let members = installed::members(&opt, &files, "");
            manifest.artifact = archive::write(&folder.join("layer.zip"), members)?;
            manifest.notes.extend(notes);
            manifest.hash = if fresh {
                cache::key(&[key.as_bytes(), manifest.artifact.sha256.as_bytes()])
            } else {
                key.clone()
            };
            cache.place(&key, &folder, &manifest)?;
            Ok(layer::find(&cache, &key).expect("it was placed"))
        })
        .await
    }
}

fn key(wanted: &Wanted, home: &Home, own: &Path) -> String {
    // What goes along with the code is not in the layer.
    let entries = std::fs::read_dir(own).into_iter().flatten().flatten();
    let mut own: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    own.sort();
    let base = format!(
        "r-packages {FORMAT} {} {}",
        home.series(),
        std::env::consts::ARCH
    );
    cache::key(&[
        base.as_bytes(),
        wanted.key().as_bytes(),
        own.join(" ").as_bytes(),
    ])
}

fn series(version: &str) -> &str {
    version
        .rsplit_once('.')
        .map_or(version, |(series, _)| series)
}

/// A layer that is being made.
struct Draft {
    opt: PathBuf,
    home: Home,
    resolved: Resolved,
}

impl Draft {
    fn make(&self, strip: Option<&Path>) -> Result<Manifest, PackageError> {
        std::fs::create_dir_all(&self.opt).what(|| format!("make {}", self.opt.display()))?;
        let mut distributions = Vec::new();
        let mut all = Copied::default();
        let site = self.opt.join(PACKAGES);
        for (name, chosen) in &self.resolved.packages {
            let copied = copy::package(&chosen.found.folder, &site.join(name))?;
            all += copied;
            distributions.push(Distribution {
                name: name.clone(),
                version: chosen.found.description.version.clone(),
                wanted_by: chosen.wanted_by.iter().cloned().collect(),
                plain_bytes: copied.plain_bytes,
                bytes: copied.bytes,
            });
        }
        let mut notes = Vec::new();
        if site.is_dir() {
            notes.extend(bring_libraries(
                &self.home,
                &site,
                &self.opt,
                &self.resolved.folders,
            )?);
        }
        let mut files = installed::files(&self.opt)?;
        if let Some(program) = strip {
            strip::strip(program, &self.opt, &mut files);
        }
        for distribution in &mut distributions {
            let folder = format!("{PACKAGES}/{}/", distribution.name);
            let own = files.iter().filter(|file| file.path.starts_with(&folder));
            distribution.bytes = own.map(|file| file.bytes).sum();
        }
        Ok(Manifest {
            artifact: archive::Artifact {
                path: PathBuf::new(),
                sha256: String::new(),
                zip_bytes: 0,
                unpacked_bytes: 0,
            },
            hash: String::new(),
            has_bytecode: false,
            plain_bytes: all.plain_bytes,
            distributions,
            tops: BTreeMap::new(),
            dropped: BTreeMap::new(),
            notes,
        })
    }
}

/// Shared libraries of packages, beside those that R itself needs.
fn bring_libraries(
    home: &Home,
    site: &Path,
    opt: &Path,
    more: &[PathBuf],
) -> Result<Option<String>, PackageError> {
    let known = content::libraries(home)?;
    let mut folders = vec![home.folder.join("lib")];
    folders.extend(more.iter().cloned());
    folders.extend(libraries::machines_folders());
    let closure = libraries::closure(&libraries::compiled(site)?, &folders, &known)?;
    copy_all(&closure.found, &opt.join(LIBRARIES))?;
    let missing = closure.missing;
    Ok((!missing.is_empty()).then(|| {
        format!(
            "shared libraries that packages need are not on this machine: {}",
            missing.join(", ")
        )
    }))
}

pub(super) fn copy_all(libraries: &Libraries, to: &Path) -> Result<u64, PackageError> {
    let mut bytes = 0;
    for (name, file) in libraries {
        bytes += copy::file(file, &to.join(name))?;
    }
    Ok(bytes)
}
