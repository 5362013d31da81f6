//! R itself as a layer for AWS: what is loaded of it and no documentation, with all the
//! libraries that it needs down to the C library and its loader, because those of Lambda
//! are older; and this program, which is its client.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::content::Draft;
use super::find;
use super::home::Home;
use super::trial;
use super::wanted::Wanted;
use crate::archive::{self, Artifact};
use crate::cache::{self, Cache};
use crate::error::PackageError;
use crate::installed;
use crate::layer::blocking;
use crate::machine::Machine;
use crate::options::{Options, Test};

/// Counts up when the layer is built in another way.
const FORMAT: u32 = 1;
/// Under this name the cache knows which layer with R was built last.
const LAST: &str = "r-layer";

/// A layer with R.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RLayer {
    pub artifact: Artifact,
    /// Its name in the cache: what was asked for, and of which R and program.
    pub key: String,
    /// Its name in the cloud: what it became.
    pub hash: String,
    /// Of R: `4.2.2`.
    pub version: String,
    /// Packages beside R's own, with their versions.
    pub packages: BTreeMap<String, String>,
    /// What it is made of.
    pub parts: Vec<Part>,
    pub notes: Vec<String>,
    /// The program in it: another one is a reason to build it anew.
    pub program: String,
}

/// How large a part of it was, and is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub plain_bytes: u64,
    pub bytes: u64,
}

impl RLayer {
    pub fn plain_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.plain_bytes).sum()
    }

    /// Of R as runtimes have it: `(4, 2)`.
    pub(super) fn series(&self) -> Option<(u8, u8)> {
        let mut numbers = self.version.split('.').map(|part| part.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }
}

/// Its files as they appear below `/opt`.
pub(super) fn folder(cache: &Cache, layer: &RLayer) -> PathBuf {
    cache.layer(&layer.key).join("opt")
}

/// The layer that was built last, if it is still there.
pub(super) fn last(cache: &Cache) -> Option<RLayer> {
    find(cache, &cache.recall(LAST)?)
}

fn find(cache: &Cache, key: &str) -> Option<RLayer> {
    let mut layer: RLayer = cache.manifest(key)?;
    layer.artifact.path = cache.layer(key).join("layer.zip");
    layer.artifact.path.is_file().then_some(layer)
}

/// Builds the layer, or finds it. `packages` go into it beside R's own; `program` is what
/// becomes R's client.
pub async fn build_r(
    packages: &[String],
    program: &Path,
    options: &Options,
) -> Result<RLayer, PackageError> {
    let root = options.cache.clone();
    let cache = blocking(move || Cache::open(&root)).await?;
    let machine = Machine::new(options);
    let home = Home::find(None, options, &machine).await?;
    if !home.is_shared {
        return Err(PackageError::NoSharedR {
            home: home.folder.clone(),
        });
    }
    let wanted = Wanted::of(packages);
    let key = key(&wanted, &home, program)?;
    let known = find(&cache, &key).filter(|_| !options.fresh);
    let layer = if let Some(layer) = known {
        layer
    } else {
        make(&key, &wanted, home, program, &cache, &machine, options).await?
    };
    cache.remember(LAST, &layer.key);
    Ok(layer)
}

fn key(wanted: &Wanted, home: &Home, program: &Path) -> Result<String, PackageError> {
    let r = identity(&home.folder.join("lib/libR.so"))?;
    let base = format!("r {FORMAT} {} {r} {}", home.version, std::env::consts::ARCH);
    Ok(cache::key(&[
        base.as_bytes(),
        wanted.key().as_bytes(),
        identity(program)?.as_bytes(),
    ]))
}

/// Which file it is, without reading all of it.
pub(super) fn identity(file: &Path) -> Result<String, PackageError> {
    let meta = fs::metadata(file).map_err(|source| PackageError::Unreadable {
        path: file.to_owned(),
        source,
    })?;
    let modified = meta.modified().ok();
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |since| since.as_nanos());
    Ok(format!("{}-{modified}", meta.size()))
}

async fn make(
    key: &str,
    wanted: &Wanted,
    home: Home,
    program: &Path,
    cache: &Cache,
    machine: &Machine,
    options: &Options,
) -> Result<RLayer, PackageError> {
    let _turn = crate::layer::turn(cache, key).await?;
    let scratch = cache.scratch()?;
    let fetched = scratch.path().join("fetched");
    let nowhere = scratch.path().join("none");
    let resolved = find::resolve(
        "the layer",
        wanted,
        &nowhere,
        &home,
        machine,
        &fetched,
        options,
    )
    .await?;
    options.say.it(&format!("copy R {}", home.version));
    let draft = Draft {
        opt: scratch.path().join("opt"),
        home,
        resolved,
        program: program.to_owned(),
        strip: machine.program("strip"),
        parts: Vec::new(),
        notes: Vec::new(),
    };
    let draft = blocking(move || draft.fill()).await?;
    let names: Vec<String> = draft.loaded();
    if options.test != Test::Never {
        options.say.it("try it out without this machine's R");
        trial::check(cache, std::slice::from_ref(&draft.opt), &names, options).await?;
    }
    options.say.it("pack it");
    let (cache, folder, key) = (cache.clone(), scratch.keep(), key.to_owned());
    let program = identity(program)?;
    blocking(move || {
        let _ = fs::remove_dir_all(&fetched);
        let files = installed::files(&draft.opt)?;
        let members = installed::members(&draft.opt, &files, "");
        let artifact = archive::write(&folder.join("layer.zip"), members)?;
        let layer = RLayer {
            hash: cache::key(&[artifact.sha256.as_bytes()]),
            key: key.clone(),
            artifact,
            version: draft.home.version.clone(),
            packages: draft.versions(),
            parts: draft.parts,
            notes: draft
                .resolved
                .notes
                .into_iter()
                .chain(draft.notes)
                .collect(),
            program,
        };
        cache.place(&key, &folder, &layer)?;
        Ok(find(&cache, &key).expect("it was placed"))
    })
    .await
}
