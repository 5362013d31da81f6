//! The libraries of a function as a layer of their own: installed once for the same
//! requirements, whatever function wants them and however often it is deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::{self, Artifact};
use crate::bytecode;
use crate::cache::{self, Cache};
use crate::error::{PackageError, What};
use crate::installed::{self, Distribution, Installed, Owners};
use crate::machine::Machine;
use crate::options::{Options, Place};
use crate::prune::{self, DroppedBy, Reason};
use crate::requirements::Wanted;
use crate::resolver;
use crate::strip;
use crate::target::Target;

/// Counts up when layers are built in another way, so that none is mixed up with an
/// older one.
const FORMAT: u32 = 1;
/// Where AWS's Python looks inside a layer.
pub(crate) const PREFIX: &str = "python/";
/// Byte code is worth its place as long as there is some: so much is left for the code.
pub(crate) const LEFT_FOR_CODE: u64 = 10 << 20;

/// So much of it is left for the code that comes with our wrapper.
pub(crate) const ROOM: u64 = 1 << 20;

/// What is known of a layer without unpacking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) artifact: Artifact,
    /// Of what was asked for.
    pub(crate) hash: String,
    pub(crate) has_bytecode: bool,
    /// As it was installed.
    pub(crate) plain_bytes: u64,
    pub(crate) distributions: Vec<Distribution>,
    /// Whose what is at the top of the folder is.
    pub(crate) tops: BTreeMap<String, usize>,
    pub(crate) dropped: DroppedBy,
    pub(crate) notes: Vec<String>,
}

/// A layer in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) manifest: Manifest,
    /// Its files as they appear below `/opt`.
    pub(crate) folder: PathBuf,
}

impl Layer {
    /// Its name in the cache.
    pub(crate) fn layer_key(&self) -> String {
        let folder = self.folder.parent().and_then(Path::file_name);
        folder.unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Finds the layer or builds it.
pub(crate) async fn prepare(
    function: &str,
    wanted: &Wanted,
    target: Target,
    cache: &Cache,
    machine: &Machine,
    options: &Options,
) -> Result<Layer, PackageError> {
    let key = key(wanted, target, options);
    if !options.fresh
        && let Some(layer) = find(cache, &key)
    {
        return Ok(layer);
    }
    let _turn = turn(cache, &key).await?;
    if !options.fresh
        && let Some(layer) = find(cache, &key)
    {
        return Ok(layer);
    }
    options.say.it(&format!(
        "install {} for {target}",
        shown(&wanted.names.iter().map(String::as_str).collect::<Vec<_>>())
    ));
    let scratch = cache.scratch()?;
    let root = scratch.path().join(PREFIX);
    let notes = resolver::install(function, wanted, target, &root, cache, machine, options).await?;
    let asked = wanted.names.clone();
    let mut draft = Draft {
        root: root.clone(),
        files: vec![],
        owners: Owners::default(),
        plain_bytes: 0,
        dropped: DroppedBy::new(),
        notes,
    };
    let strip = machine.program("strip");
    draft = blocking(move || {
        draft.clean(&asked, strip.as_deref())?;
        Ok(draft)
    })
    .await?;
    let has_bytecode = match machine.python(target.minor).await {
        Some(python) => {
            options.say.it("compile byte code");
            bytecode::compile(&python.executable, &root).await?;
            true
        }
        None => false,
    };
    options.say.it("pack the libraries");
    let (cache, fresh, max) = (cache.clone(), options.fresh, options.unpacked_bytes_max);
    blocking(move || draft.finish(&cache, &key, has_bytecode, &scratch.keep(), fresh, max)).await
}

/// The first few names.
fn shown(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    if names.len() <= SHOWN {
        return names.join(", ");
    }
    format!(
        "{} and {} more",
        names[..SHOWN].join(", "),
        names.len() - SHOWN
    )
}

fn key(wanted: &Wanted, target: Target, options: &Options) -> String {
    // Only an engine of this machine takes what was made for this machine.
    let place = match options.place {
        Place::Engine => "engine",
        Place::Aws => "aws",
    };
    cache::key(&[
        format!("{FORMAT} {target} {place} {}", options.unpacked_bytes_max).as_bytes(),
        wanted.key.as_bytes(),
        options.origin.as_bytes(),
    ])
}

pub(crate) fn find(cache: &Cache, key: &str) -> Option<Layer> {
    let mut manifest: Manifest = cache.manifest(key)?;
    let folder = cache.layer(key);
    // The cache may have moved since.
    manifest.artifact.path = folder.join("layer.zip");
    Some(Layer {
        manifest,
        folder: folder.join("opt"),
    })
}

pub(crate) async fn turn(cache: &Cache, key: &str) -> Result<cache::Turn, PackageError> {
    let (cache, key) = (cache.clone(), key.to_owned());
    blocking(move || cache.turn(&key)).await
}

/// Work that waits for disks and processors, away from the threads of the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PackageError> + Send + 'static,
) -> Result<T, PackageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(std::io::Error::other(error)).what(|| "finish the work".to_owned()),
    }
}

/// A layer that is being made.
struct Draft {
    root: PathBuf,
    files: Vec<Installed>,
    owners: Owners,
    plain_bytes: u64,
    dropped: DroppedBy,
    notes: Vec<String>,
}

impl Draft {
    /// Removes what no function needs.
    fn clean(
        &mut self,
        asked: &BTreeSet<String>,
        strip: Option<&Path>,
    ) -> Result<(), PackageError> {
        let installed = installed::files(&self.root)?;
        self.plain_bytes = installed.iter().map(|file| file.bytes).sum();
        self.owners = Owners::read(&self.root, &installed, asked);
        let (kept, dropped) = prune::prune(&self.root, installed.clone());
        self.files = kept;
        self.dropped = dropped;
        remove_others(&self.root, &installed, &self.files)?;
        if let Some(program) = strip {
            let dropped = strip::strip(program, &self.root, &mut self.files);
            if dropped.files > 0 {
                self.dropped.insert(Reason::Symbols, dropped);
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        cache: &Cache,
        key: &str,
        has_bytecode: bool,
        scratch: &Path,
        fresh: bool,
        max: u64,
    ) -> Result<Layer, PackageError> {
        let mut all = installed::files(&self.root)?;
        let bytes: u64 = all.iter().map(|file| file.bytes).sum();
        let room = max.saturating_sub(LEFT_FOR_CODE);
        let has_bytecode = has_bytecode && bytes <= room;
        if !has_bytecode {
            remove_others(&self.root, &all, &self.files)?;
            all = self.files;
        }
        self.owners.weigh(&all);
        let opt = scratch.join("opt");
        let manifest = pack(&self.root, &all, scratch, &opt)?;
        let hash = if fresh {
            // Resolved again: what is there may be another thing under the same names.
            cache::key(&[key.as_bytes(), manifest.sha256.as_bytes()])
        } else {
            key.to_owned()
        };
        let manifest = Manifest {
            artifact: manifest,
            hash,
            has_bytecode,
            plain_bytes: self.plain_bytes,
            tops: self.owners.tops().clone(),
            distributions: self.owners.distributions,
            dropped: self.dropped,
            notes: self.notes,
        };
        cache.place(key, scratch, &manifest)?;
        Ok(find(cache, key).expect("it was placed"))
    }
}

/// Makes `opt` of the installed files, and the zip of it.
pub(crate) fn pack(
    root: &Path,
    files: &[Installed],
    scratch: &Path,
    opt: &Path,
) -> Result<Artifact, PackageError> {
    installed::set_modes(root, files)?;
    let moving = || format!("make {}", opt.display());
    fs::create_dir_all(opt).what(moving)?;
    cache::open_to_all(opt)?;
    let place = opt.join(PREFIX.trim_end_matches('/'));
    fs::rename(root, &place).what(moving)?;
    let members = installed::members(&place, files, PREFIX);
    archive::write(&scratch.join("layer.zip"), members)
}

fn remove_others(root: &Path, all: &[Installed], kept: &[Installed]) -> Result<(), PackageError> {
    let kept: BTreeSet<&str> = kept.iter().map(|file| file.path.as_str()).collect();
    for file in all.iter().filter(|file| !kept.contains(file.path.as_str())) {
        let path = root.join(&file.path);
        fs::remove_file(&path).what(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}
