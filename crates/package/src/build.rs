//! The way from a function of a project to its package.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use project::Project;
use project::model::{Function, FunctionRuntime};
use sandbox::{FunctionFiles, Interpreter, Sandbox};

use crate::archive::{self, Artifact, Member};
use crate::cache::{self, Cache};
use crate::entry::{self, Called};
use crate::error::{PackageError, What};
use crate::files;
use crate::imports::Imports;
use crate::layer::{self, Layer, blocking};
use crate::machine::{Machine, Run};
use crate::missing;
use crate::options::{Options, Test};
use crate::report::{Report, size};
use crate::requirements;
use crate::target::{Target, architecture_here};
use crate::trial::{self, Stage, Tried};

/// Files that are named one by one.
const SECRETS_SHOWN: usize = 5;

/// All that one function needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub code: Artifact,
    /// In the order in which they are laid over each other.
    pub layers: Vec<LayerPackage>,
    /// As AWS's `Runtime` and `Handler`: of the wrapper, where one is needed.
    pub runtime: String,
    pub handler: String,
    /// What the wrapper wants to find, beside the project's own.
    pub environment: BTreeMap<String, String>,
    /// What did not fit: it goes to the bucket and is fetched as an instance starts.
    pub rest: Option<Artifact>,
    /// What whoever packs should know, a sentence each.
    pub notes: Vec<String>,
    pub report: Report,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPackage {
    pub kind: LayerKind,
    /// Of the requirements: equal for equal ones, whatever function wants them.
    pub hash: String,
    pub artifact: Artifact,
}

/// What a layer brings. A function has one of each kind: AWS takes no two versions of one
/// layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    /// What the code requires.
    Libraries,
    /// The language itself.
    R,
}

/// Builds the package of a function, or finds what of it is built already.
pub async fn build(
    project: &Project,
    name: &str,
    options: &Options,
) -> Result<Package, PackageError> {
    let function = project
        .functions
        .get(name)
        .ok_or_else(|| PackageError::NoFunction {
            name: name.to_owned(),
        })?;
    let root = options.cache.clone();
    let work = Work {
        project,
        name,
        function,
        options,
        cache: blocking(move || Cache::open(&root)).await?,
        machine: Machine::new(options),
    };
    work.run().await
}

/// Libraries in the size in which they are deployed.
#[derive(Debug, Default)]
struct Fitted {
    layer: Option<Layer>,
    /// With what is fetched: what the code will see.
    whole: Option<Layer>,
    rest: Option<Artifact>,
    /// Distributions of the rest.
    names: Vec<String>,
    notes: Vec<String>,
}

/// What all steps know.
pub(crate) struct Work<'a> {
    pub(crate) project: &'a Project,
    pub(crate) name: &'a str,
    pub(crate) function: &'a Function,
    pub(crate) options: &'a Options,
    pub(crate) cache: Cache,
    pub(crate) machine: Machine,
}

impl Work<'_> {
    async fn run(&self) -> Result<Package, PackageError> {
        if let FunctionRuntime::R { version } = self.function.runtime {
            return self.r_function(version).await;
        }
        let mut called = entry::of(self.project, self.name, self.function, false);
        if let FunctionRuntime::Provided {
            build: Some(command),
        } = &self.function.runtime
        {
            self.run_build(command).await?;
        }
        let (mut members, secrets) = self.members(&called).await?;
        let plain = self.layer().await?;
        self.check_entry(&called, &members, plain.as_ref())?;
        let fitted = self.fit(&called, &members, plain).await?;
        if fitted.rest.is_some() && !called.is_wrapped {
            called = entry::of(self.project, self.name, self.function, true);
            members = self.members(&called).await?.0;
        }
        let report = self.report(&members, &fitted);
        self.check_size(&report)?;
        let code = self.zip(members.clone()).await?;
        let mut notes = fitted.notes;
        notes.extend(left_out(&secrets));
        let whole = fitted.whole.as_ref();
        notes.extend(self.try_out(&called, &code, &members, whole).await?);
        Ok(Package {
            code,
            layers: fitted
                .layer
                .into_iter()
                .map(|layer| LayerPackage {
                    kind: LayerKind::Libraries,
                    hash: layer.manifest.hash,
                    artifact: layer.manifest.artifact,
                })
                .collect(),
            runtime: called.runtime,
            handler: called.handler,
            environment: called.environment,
            rest: fitted.rest,
            notes,
            report,
        })
    }

    /// Slims and splits the libraries where that is wanted or needed.
    async fn fit(
        &self,
        called: &Called,
        members: &[Member],
        plain: Option<Layer>,
    ) -> Result<Fitted, PackageError> {
        let mut fitted = Fitted::default();
        let Some(mut layer) = plain else {
            return Ok(fitted);
        };
        let code: u64 = members.iter().map(|member| member.bytes).sum();
        let limit = self.options.unpacked_bytes_max;
        let is_too_large = |layer: &Layer| code + layer.manifest.artifact.unpacked_bytes > limit;
        if self.options.slim || self.function.slim || is_too_large(&layer) {
            let slimmed = self.slim(called, members, layer).await?;
            layer = slimmed.layer;
            fitted.notes = slimmed.notes;
        }
        fitted.notes.extend(layer.manifest.notes.iter().cloned());
        fitted.whole = Some(layer.clone());
        if is_too_large(&layer) && code < limit {
            let split = self.split(&layer, code).await?;
            fitted.notes.push(format!(
                "{} did not fit, and goes to the bucket: each instance fetches {} as it starts",
                split.names.join(", "),
                size(split.rest.zip_bytes)
            ));
            fitted.rest = Some(split.rest);
            fitted.names = split.names;
            layer = split.layer;
        }
        fitted.layer = Some(layer);
        Ok(fitted)
    }

    fn report(&self, members: &[Member], fitted: &Fitted) -> Report {
        let mut report = Report::new(self.name, members);
        if let (Some(layer), Some(whole)) = (&fitted.layer, &fitted.whole) {
            // Also of those that are fetched: their size is what made it too large.
            report
                .distributions
                .clone_from(&whole.manifest.distributions);
            report.plain_bytes = layer.manifest.plain_bytes;
            report.library_bytes = layer.manifest.artifact.unpacked_bytes;
            report.has_bytecode = layer.manifest.has_bytecode;
            report.dropped.clone_from(&layer.manifest.dropped);
            report.rest.clone_from(&fitted.names);
        }
        report
    }

    /// The command that makes `bootstrap`.
    async fn run_build(&self, command: &str) -> Result<(), PackageError> {
        self.options.say.it(&format!("run {command}"));
        let mut run = Run::new(Path::new("/bin/sh"));
        run.args(["-c", command]).folder(&self.function.source);
        let ended = run.run().await?;
        if ended.success {
            return Ok(());
        }
        let lines: Vec<&str> = ended.output.trim_end().lines().collect();
        let last = &lines[lines.len().saturating_sub(15)..];
        Err(PackageError::Build {
            command: command.to_owned(),
            output: last
                .iter()
                .map(|line| format!("  {line}"))
                .collect::<Vec<_>>()
                .join("\n"),
        })
    }

    /// The code, with what of ours comes along; and what was left out as a secret.
    pub(crate) async fn members(
        &self,
        called: &Called,
    ) -> Result<(Vec<Member>, Vec<String>), PackageError> {
        let (root, function) = (self.project.root.clone(), self.function.clone());
        // Folders that go to buckets do not go to functions.
        let folders = self.project.buckets.values();
        let synced: Vec<PathBuf> = folders.filter_map(|bucket| bucket.folder.clone()).collect();
        let found = blocking(move || files::collect(&root, &function, &synced)).await?;
        let mut members = found.members;
        if called.is_wrapped {
            // Theirs would hide ours, and the wrapper would be missing.
            members.retain(|member| !member.path.starts_with("squall/"));
            let ours = sandbox::PYTHON_LIBRARY.iter();
            members.extend(ours.map(|(path, text)| Member::text(path, text, false)));
        }
        Ok((members, found.secrets))
    }

    pub(crate) fn minor(&self) -> Option<u8> {
        match self.function.runtime {
            FunctionRuntime::Python { minor, .. } => Some(minor),
            _ => None,
        }
    }

    async fn layer(&self) -> Result<Option<Layer>, PackageError> {
        let Some(minor) = self.minor() else {
            return Ok(None);
        };
        let (requirements, root) = (&self.function.requirements, &self.project.root);
        let Some(wanted) = requirements::read(requirements, root)? else {
            return Ok(None);
        };
        let target = Target::aws(minor, self.function.architecture);
        let (cache, machine) = (&self.cache, &self.machine);
        let layer =
            layer::prepare(self.name, &wanted, target, cache, machine, self.options).await?;
        Ok(Some(layer))
    }

    pub(crate) fn check_size(&self, report: &Report) -> Result<(), PackageError> {
        let bytes = report.code_bytes() + report.library_bytes;
        let limit = self.options.unpacked_bytes_max;
        if bytes <= limit {
            return Ok(());
        }
        Err(PackageError::TooLarge {
            function: self.name.to_owned(),
            what: "the package",
            size: size(bytes),
            limit: size(limit),
            tree: format!("\n{}", report.tree().trim_end()),
        })
    }

    /// Named by its content, so that what did not change is the same file.
    pub(crate) async fn zip(&self, members: Vec<Member>) -> Result<Artifact, PackageError> {
        let cache = self.cache.clone();
        blocking(move || {
            let key = archive::key(&members)?;
            let known = cache.recall(&key);
            let known = known.and_then(|text| serde_json::from_str::<Artifact>(&text).ok());
            if let Some(artifact) = known.filter(|artifact| artifact.path.is_file()) {
                return Ok(artifact);
            }
            let scratch = cache.scratch()?;
            let made = archive::write(&scratch.path().join("code.zip"), members)?;
            let digest = BASE64_STANDARD.decode(&made.sha256).unwrap_or_default();
            let path = cache.code().join(format!("{}.zip", hex::encode(digest)));
            fs::rename(&made.path, &path).what(|| format!("keep {}", path.display()))?;
            cache.keep_newest_code();
            let artifact = Artifact { path, ..made };
            let text = serde_json::to_string(&artifact).expect("an artifact is plain data");
            cache.remember(&key, &text);
            Ok(artifact)
        })
        .await
    }

    /// Starts it once, unless that was done before. Returns why not, where it cannot.
    async fn try_out(
        &self,
        called: &Called,
        code: &Artifact,
        members: &[Member],
        layer: Option<&Layer>,
    ) -> Result<Option<String>, PackageError> {
        let Some(minor) = self.minor() else {
            return Ok(None);
        };
        if self.options.test == Test::Never || self.options.helper.is_none() {
            return Ok(None);
        }
        let imports = Imports::read(members)?;
        let layer_hash = layer.map_or("", |layer| &layer.manifest.artifact.sha256);
        let variables = self.environment();
        let base = format!("{} {layer_hash} {minor} {variables:?}", called.own);
        let whole = cache::key(&[b"whole", base.as_bytes(), code.sha256.as_bytes()]);
        let roughly = cache::key(&[b"imports", base.as_bytes(), imports.text.as_bytes()]);
        let passed = self.cache.has_passed(&whole)
            || (self.options.test == Test::Changed && self.cache.has_passed(&roughly));
        if passed {
            return Ok(None);
        }
        let not_tried = |why: &str| Ok(Some(format!("it was not tried out: {why}")));
        if !self.function.layers.is_empty() {
            return not_tried("it has layers that are not here");
        }
        if architecture_here() != Some(self.function.architecture) {
            return not_tried("it is for another processor");
        }
        let scratch = self.cache.scratch()?;
        let (wants_sdk, options) = (imports.wants_sdk, self.options);
        let sandbox = trial::sandbox(&self.cache, scratch.path(), options, wants_sdk, vec![]);
        let (Some(sandbox), Some(python)) = (sandbox.await?, self.machine.python(minor).await)
        else {
            return not_tried(&format!("this machine has no python3.{minor}"));
        };
        self.options.say.it(&format!("try out {}", self.name));
        let task = scratch.path().join("task");
        trial::lay_out(members, &task)?;
        let folder = layer.map(|layer| layer.folder.as_path());
        let stage = self.stage(sandbox, python.clone(), task, folder);
        let tried = stage.load(&called.own.replace('/', ".")).await?;
        self.judge(tried, members, layer, minor).await?;
        self.cache.pass(&whole);
        self.cache.pass(&roughly);
        Ok(None)
    }

    pub(crate) fn stage(
        &self,
        sandbox: Sandbox,
        python: Interpreter,
        task: PathBuf,
        layer: Option<&Path>,
    ) -> Stage {
        Stage {
            sandbox,
            python,
            files: FunctionFiles {
                code: task,
                layers: layer.into_iter().map(Path::to_owned).collect(),
                tmp_mb: self.function.tmp_mb,
                memory_mb: self.function.memory_mb,
            },
            environment: self.environment(),
        }
    }

    /// As the function will find it, but for what only the cloud knows.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let known = |name: &str| name.to_owned();
        let set = self.function.environment.iter();
        let set = set.map(|(name, text)| (name.clone(), text.fill(|_| known("import-test"))));
        let secrets = self.function.secrets.iter();
        let secrets = secrets.map(|name| (name.clone(), known("import-test")));
        set.chain(secrets).collect()
    }

    async fn judge(
        &self,
        tried: Tried,
        members: &[Member],
        layer: Option<&Layer>,
        minor: u8,
    ) -> Result<(), PackageError> {
        let function = self.name.to_owned();
        match tried {
            Tried::Loaded => Ok(()),
            Tried::Failed(error) => Err(PackageError::UserCode { function, error }),
            Tried::NoModule(module) => {
                let manifest = layer.map(|layer| &layer.manifest);
                let machine = &self.machine;
                let hint = missing::hint(&module, self.function, members, manifest, machine, minor);
                Err(PackageError::MissingModule {
                    hint: hint.await,
                    place: missing::place(&module, members)
                        .unwrap_or_else(|| "one of its libraries".to_owned()),
                    function,
                    module,
                })
            }
        }
    }
}

/// Whoever has a certificate where others have keys must know that it is not there.
pub(crate) fn left_out(secrets: &[String]) -> Option<String> {
    let names = match secrets {
        [] => return None,
        few if few.len() <= SECRETS_SHOWN => few.join(", "),
        many => format!(
            "{} and {} more",
            many[..SECRETS_SHOWN].join(", "),
            many.len() - SECRETS_SHOWN
        ),
    };
    Some(format!(
        "left out, as it looks like a secret: {names} (include = [\"...\"] in squall.toml brings \
         it back, squall secrets is the place for secrets)"
    ))
}
