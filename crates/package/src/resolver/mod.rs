//! Requirements become a folder of libraries that fit the target, by uv where it is
//! and else by pip. Only wheels are taken; what is there as source alone is built here
//! if that makes sense.

mod program;
mod reason;
mod source;

use std::fs;
use std::path::Path;

use crate::cache::Cache;
use crate::error::{PackageError, What as _};
use crate::machine::Machine;
use crate::options::{Options, Place};
use crate::requirements::{Wanted, What};
use crate::target::Target;
use program::{Program, Refused};

/// Packages without wheels that are built for one function.
const SOURCES_MAX: usize = 20;

/// Installs into `into`, which must not exist yet. Returns what whoever packs should
/// know.
pub(crate) async fn install(
    function: &str,
    wanted: &Wanted,
    target: Target,
    into: &Path,
    cache: &Cache,
    machine: &Machine,
    options: &Options,
) -> Result<Vec<String>, PackageError> {
    // Of this job alone: what another project built must not be preferred here.
    let wheels = cache.scratch()?;
    let job = Job {
        function,
        wanted,
        into,
        wheels: wheels.path(),
        programs: program::all(machine, target, wanted).await,
        machine,
        options,
    };
    if job.programs.is_empty() {
        return Err(PackageError::NoResolver);
    }
    job.run(target).await
}

struct Job<'a> {
    function: &'a str,
    wanted: &'a Wanted,
    into: &'a Path,
    wheels: &'a Path,
    programs: Vec<Program>,
    machine: &'a Machine,
    options: &'a Options,
}

impl Job<'_> {
    async fn run(&self, target: Target) -> Result<Vec<String>, PackageError> {
        let here = target.here(self.machine.glibc(target.minor).await);
        let mut notes = Vec::new();
        let mut built: Vec<String> = Vec::new();
        for _ in 0..SOURCES_MAX {
            let refused = match self.try_one(target, &built).await? {
                Ok(()) => {
                    notes.extend(self.judge_built(target, here, &built)?);
                    return Ok(notes);
                }
                Err(refused) => refused,
            };
            let newer = match (self.options.place, here) {
                (Place::Engine, Some(here)) => here,
                _ => target.newest(),
            };
            let without_wheel = match refused.without_wheel() {
                None => return Err(self.unresolvable(target, &refused)),
                Some(_) => match self.try_one(newer, &built).await? {
                    Ok(()) if newer.is_here => {
                        notes.push(format!(
                            "its libraries need this machine's glibc 2.{}; AWS's python{} has \
                             2.{}, so this package runs here and not there",
                            newer.glibc,
                            target.python(),
                            target.glibc
                        ));
                        return Ok(notes);
                    }
                    Ok(()) => return Err(self.too_new(target, &refused)),
                    Err(again) => match again.without_wheel() {
                        Some(name) if again.may_be_source() => name.to_owned(),
                        _ => return Err(self.unresolvable(newer, &again)),
                    },
                },
            };
            if built.contains(&without_wheel) {
                return Err(self.unresolvable(target, &refused));
            }
            self.options
                .say
                .it(&format!("build {without_wheel} from source"));
            // uv builds what it is allowed to; pip takes what was built before.
            if !matches!(self.programs[0], Program::Uv(_)) {
                let source = source::Source {
                    requirement: &without_wheel,
                    target,
                    fits: self.options.place == Place::Engine && here.is_some(),
                    wheels: self.wheels,
                    wanted: self.wanted,
                };
                if !source.build(self.machine).await? {
                    return Err(self.unresolvable(target, &refused));
                }
            }
            built.push(without_wheel);
        }
        Err(PackageError::SourceOnly {
            requirement: built.join(", "),
            why: "there are too many of them".to_owned(),
        })
    }

    /// What was built here with compiled code runs here and nowhere else.
    fn judge_built(
        &self,
        target: Target,
        here: Option<Target>,
        built: &[String],
    ) -> Result<Option<String>, PackageError> {
        let Some(name) = source::compiled(self.into, built) else {
            return Ok(None);
        };
        if self.options.place == Place::Engine && here.is_some() {
            return Ok(Some(format!(
                "{name} was compiled on this machine, so this package runs here and not on AWS"
            )));
        }
        Err(PackageError::SourceOnly {
            requirement: name,
            why: format!("what is built of it here does not run on {target}"),
        })
    }

    /// With each program in turn: they do not know the same tags.
    async fn try_one(
        &self,
        target: Target,
        built: &[String],
    ) -> Result<Result<(), Refused>, PackageError> {
        let mut first = None;
        for program in &self.programs {
            if self.into.exists() {
                fs::remove_dir_all(self.into).what(|| format!("clear {}", self.into.display()))?;
            }
            let request = program::Request {
                wanted: self.wanted,
                target,
                into: self.into,
                wheels: self.wheels,
                sources: built,
            };
            match program.install(&request).await? {
                Ok(()) => return Ok(Ok(())),
                Err(refused) => {
                    let is_wheel = refused.without_wheel().is_some();
                    first.get_or_insert(refused);
                    if !is_wheel {
                        break;
                    }
                }
            }
        }
        Ok(Err(first.expect("there is a program")))
    }

    fn unresolvable(&self, target: Target, refused: &Refused) -> PackageError {
        PackageError::Unresolvable {
            function: self.function.to_owned(),
            target: target.to_string(),
            reason: refused.reason.clone(),
            hint: match self.wanted.what {
                What::File(ref path) | What::Lock(ref path) => {
                    Some(format!("they are in {}", path.display()))
                }
                What::Lines(_) => None,
            },
        }
    }

    /// There are wheels, but for newer systems than AWS's.
    fn too_new(&self, target: Target, refused: &Refused) -> PackageError {
        PackageError::Unresolvable {
            function: self.function.to_owned(),
            target: target.to_string(),
            reason: refused.reason.clone(),
            hint: Some(format!(
                "{} has wheels, but for a newer system than AWS's python{}: allow an older \
                 version of it, or take runtime = \"python3.13\"",
                refused.without_wheel().unwrap_or("it"),
                target.python(),
            )),
        }
    }
}
