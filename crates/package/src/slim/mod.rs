//! Packages that are too large, or that are to be small: what the function's own tests
//! and sample events never open is dropped. Then they run again without it, and if
//! anything is worse than before, it comes back. What is still too large goes to the
//! bucket, and is fetched as an instance starts.

mod lacking;
mod samples;
mod select;
mod trace;

pub(crate) use trace::read_all;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::archive::{self, Artifact, Member};
use crate::build::Work;
use crate::bytecode;
use crate::cache;
use crate::entry::Called;
use crate::error::{PackageError, What};
use crate::imports::Imports;
use crate::installed::{self, Installed, Owners};
use crate::layer::{self, Layer, Manifest, blocking};
use crate::options::Test;
use crate::prune::{Dropped, Reason};
use crate::requirements::{Wanted, What as Asked};
use crate::target::{Target, architecture_here};
use crate::trial::{self, Stage};
use lacking::missing_in;
use samples::Found;
use trace::Trace;

/// How often something comes back before slimming is given up.
const TRIES: usize = 6;
/// Counts up when other files are chosen.
const FORMAT: u32 = 1;

/// A layer without what is not needed.
pub(crate) struct Slimmed {
    pub(crate) layer: Layer,
    pub(crate) notes: Vec<String>,
}

/// A layer that fits, and what did not.
pub(crate) struct Split {
    pub(crate) layer: Layer,
    pub(crate) rest: Artifact,
    /// Names of distributions.
    pub(crate) names: Vec<String>,
}

impl Work<'_> {
    /// Drops what is never opened. Where that cannot be found out, nothing is dropped,
    /// and a note says why.
    pub(crate) async fn slim(
        &self,
        called: &Called,
        members: &[Member],
        layer: Layer,
    ) -> Result<Slimmed, PackageError> {
        let found = samples::find(self.project, self.function, members)?;
        let key = self.slim_key(called, members, &layer, &found)?;
        let known = self.cache.recall(&key);
        if let Some(layer) = known.and_then(|key| layer::find(&self.cache, &key)) {
            let notes = vec![];
            return Ok(Slimmed { layer, notes });
        }
        match self.slimmer(called, members, &layer, &found).await? {
            Ok(slim) => {
                self.cache.remember(&key, &slim.layer_key());
                let notes = vec![];
                Ok(Slimmed { layer: slim, notes })
            }
            Err(why) => Ok(Slimmed {
                layer,
                notes: vec![format!("nothing was slimmed: {why}")],
            }),
        }
    }

    fn slim_key(
        &self,
        called: &Called,
        members: &[Member],
        layer: &Layer,
        found: &Found,
    ) -> Result<String, PackageError> {
        let mut parts: Vec<Vec<u8>> =
            vec![format!("slim {FORMAT} {} {}", called.own, layer.manifest.hash).into_bytes()];
        // Between deployments code opens what it imports.
        if self.options.test == Test::Changed {
            parts.push(Imports::read(members)?.text.into_bytes());
        } else {
            for member in members {
                parts.push(member.path.clone().into_bytes());
                parts.push(member.read()?);
            }
        }
        for member in &found.members {
            parts.push(member.path.clone().into_bytes());
            parts.push(member.read()?);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(cache::key(&parts))
    }

    /// The slim layer, or why there is none.
    async fn slimmer(
        &self,
        called: &Called,
        members: &[Member],
        layer: &Layer,
        found: &Found,
    ) -> Result<Result<Layer, String>, PackageError> {
        let scratch = self.cache.scratch()?;
        let stage = match self
            .slim_stage(members, layer, found, scratch.path())
            .await?
        {
            Ok(stage) => stage,
            Err(why) => return Ok(Err(why)),
        };
        let handler = called.own.replace('/', ".");
        self.options
            .say
            .it(&format!("watch what {} opens", self.name));
        let before = match trace::run(&stage, &handler, &found.samples).await? {
            Ok(trace) => trace,
            Err(words) => return Ok(Err(format!("it came to no end: {words}"))),
        };
        let files = self.files_of(layer).await?;
        let mut owners = owners_of(layer);
        owners.weigh(&files);
        let mut also = BTreeSet::new();
        for number in 0..TRIES {
            let (kept, dropped) = select::select(&files, &owners, &before.opened, &also);
            let folder = scratch.path().join(format!("slim{number}"));
            let root = folder.join(layer::PREFIX);
            self.link(layer, kept.clone(), &root).await?;
            let stage = stage.with_layer(&folder);
            self.options
                .say
                .it(&format!("try {} without the rest", self.name));
            let missing = match trace::run(&stage, &handler, &found.samples).await? {
                Ok(after) if after.is_as_good_as(&before) => {
                    let made = self.make(layer, owners, kept, &dropped, root, &before, found);
                    return made.await.map(Ok);
                }
                Ok(after) => missing_in(&after.words(), &dropped),
                Err(words) => missing_in(&words, &dropped),
            };
            let known = also.len();
            also.extend(missing);
            if also.len() == known {
                return Ok(Err("without what it never opened it fails".to_owned()));
            }
        }
        Ok(Err("again and again something was missing".to_owned()))
    }

    /// A jail for the function with its tests and their tools.
    async fn slim_stage(
        &self,
        members: &[Member],
        layer: &Layer,
        found: &Found,
        scratch: &Path,
    ) -> Result<Result<Stage, String>, PackageError> {
        let minor = self.minor().expect("only Python has layers");
        if architecture_here() != Some(self.function.architecture) {
            return Ok(Err("it is for another processor".to_owned()));
        }
        let mut packages = vec![];
        if !found.samples.tests.is_empty() {
            packages.push(self.pytest(minor).await?);
        }
        let imports = Imports::read(members)?;
        let sandbox = trial::sandbox(
            &self.cache,
            scratch,
            self.options,
            imports.wants_sdk,
            packages,
        )
        .await?;
        let (Some(sandbox), Some(python)) = (sandbox, self.machine.python(minor).await) else {
            return Ok(Err(format!("this machine has no python3.{minor}")));
        };
        let task = scratch.join("task");
        let all: Vec<Member> = members.iter().chain(&found.members).cloned().collect();
        trial::lay_out(&all, &task)?;
        Ok(Ok(self.stage(
            sandbox,
            python.clone(),
            task,
            Some(&layer.folder),
        )))
    }

    /// pytest, kept as a layer is.
    async fn pytest(&self, minor: u8) -> Result<PathBuf, PackageError> {
        let wanted = Wanted {
            what: Asked::Lines(vec!["pytest".to_owned()]),
            folder: self.project.root.clone(),
            key: "pytest".to_owned(),
            names: BTreeSet::from(["pytest".to_owned()]),
            has_local: false,
            has_hashes: false,
            indexes: vec![],
        };
        let target = Target::aws(minor, self.function.architecture);
        let (cache, machine) = (&self.cache, &self.machine);
        let tools = layer::prepare(self.name, &wanted, target, cache, machine, self.options);
        Ok(tools.await?.folder.join(layer::PREFIX))
    }

    async fn files_of(&self, layer: &Layer) -> Result<Vec<Installed>, PackageError> {
        let root = layer.folder.join(layer::PREFIX);
        blocking(move || installed::files(&root)).await
    }

    async fn link(
        &self,
        layer: &Layer,
        kept: Vec<Installed>,
        root: &Path,
    ) -> Result<(), PackageError> {
        let (from, to) = (layer.folder.join(layer::PREFIX), root.to_owned());
        blocking(move || {
            installed::link(&from, &kept, &to)?;
            installed::set_modes(&to, &kept)
        })
        .await
    }

    /// Packs what is left, with byte code where there was no room for it before.
    #[expect(clippy::too_many_arguments, reason = "all that was found out")]
    async fn make(
        &self,
        layer: &Layer,
        owners: Owners,
        kept: Vec<Installed>,
        dropped: &[Installed],
        root: PathBuf,
        trace: &Trace,
        found: &Found,
    ) -> Result<Layer, PackageError> {
        let mut manifest = layer.manifest.clone();
        manifest
            .dropped
            .insert(Reason::Unused, Dropped::of(dropped));
        if let Some(trouble) = trace.trouble() {
            manifest
                .notes
                .push(format!("slimmed by what it opened, although {trouble}"));
        } else if found.samples.events.is_empty() && found.samples.tests.is_empty() {
            manifest.notes.push(
                "slimmed by what its import opens alone: tests or an event.json beside the code \
                 would show more"
                    .to_owned(),
            );
        }
        let mut kept = kept;
        let python = self.machine.python(self.minor().unwrap_or_default()).await;
        if !manifest.has_bytecode
            && let Some(python) = python
        {
            bytecode::compile(&python.executable, &root).await?;
            let with = self.all_files(&root).await?;
            let bytes: u64 = with.iter().map(|file| file.bytes).sum();
            if bytes + layer::LEFT_FOR_CODE <= self.options.unpacked_bytes_max {
                kept = with;
                manifest.has_bytecode = true;
            }
        }
        self.place("slim", manifest, owners, kept, root).await
    }

    async fn all_files(&self, root: &Path) -> Result<Vec<Installed>, PackageError> {
        let root = root.to_owned();
        blocking(move || installed::files(&root)).await
    }

    /// A layer of its own in the cache, named by what is in it.
    async fn place(
        &self,
        word: &str,
        mut manifest: Manifest,
        mut owners: Owners,
        kept: Vec<Installed>,
        root: PathBuf,
    ) -> Result<Layer, PackageError> {
        let paths: Vec<&str> = kept.iter().map(|file| file.path.as_str()).collect();
        let key = cache::key(&[
            word.as_bytes(),
            manifest.hash.as_bytes(),
            paths.join("\n").as_bytes(),
        ]);
        let _turn = layer::turn(&self.cache, &key).await?;
        if let Some(layer) = layer::find(&self.cache, &key) {
            return Ok(layer);
        }
        self.options.say.it("pack the libraries");
        let cache = self.cache.clone();
        blocking(move || {
            owners.weigh(&kept);
            manifest.distributions = owners.distributions;
            manifest.hash.clone_from(&key);
            let scratch = cache.scratch()?;
            manifest.artifact =
                layer::pack(&root, &kept, scratch.path(), &scratch.path().join("opt"))?;
            cache.place(&key, &scratch.keep(), &manifest)?;
            Ok(layer::find(&cache, &key).expect("it was placed"))
        })
        .await
    }

    /// Takes whole distributions out until the rest fits.
    pub(crate) async fn split(
        &self,
        layer: &Layer,
        code_bytes: u64,
    ) -> Result<Split, PackageError> {
        let limit = self.options.unpacked_bytes_max - layer::ROOM;
        let files = self.files_of(layer).await?;
        let mut owners = owners_of(layer);
        owners.weigh(&files);
        let gone = select::split(&files, &owners, code_bytes, limit);
        let is_gone = |file: &Installed| owners.of(&file.path).is_some_and(|of| gone.contains(&of));
        let (rest, kept): (Vec<Installed>, Vec<Installed>) =
            files.iter().cloned().partition(is_gone);
        let names = gone
            .iter()
            .map(|index| owners.distributions[*index].name.clone());
        let names: Vec<String> = names.collect();
        let mut manifest = layer.manifest.clone();
        manifest.dropped.insert(Reason::Rest, Dropped::of(&rest));
        let scratch = self.cache.scratch()?;
        let root = scratch.path().join(layer::PREFIX);
        self.link(layer, kept.clone(), &root).await?;
        let fitting = self.place("split", manifest, owners, kept, root).await?;
        self.options.say.it("pack what does not fit");
        let from = layer.folder.join(layer::PREFIX);
        let cache = self.cache.clone();
        let rest = blocking(move || {
            let scratch = cache.scratch()?;
            let members = installed::members(&from, &rest, layer::PREFIX);
            let made = archive::write(&scratch.path().join("rest.zip"), members)?;
            let digest = BASE64_STANDARD.decode(&made.sha256).unwrap_or_default();
            let path = cache.code().join(format!("{}.zip", hex::encode(digest)));
            fs::rename(&made.path, &path).what(|| format!("keep {}", path.display()))?;
            Ok(Artifact { path, ..made })
        })
        .await?;
        Ok(Split {
            layer: fitting,
            rest,
            names,
        })
    }
}

fn owners_of(layer: &Layer) -> Owners {
    let manifest = &layer.manifest;
    Owners::of_layer(manifest.distributions.clone(), manifest.tops.clone())
}
