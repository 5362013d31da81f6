//! uv and pip, asked the same.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::reason;
use crate::error::{PackageError, What as _};
use crate::machine::{Machine, Run};
use crate::requirements::{self, Wanted, What};
use crate::target::Target;

/// Not every command of pip knows the option.
pub(super) const QUIET_ROOT: (&str, &str) = ("PIP_ROOT_USER_ACTION", "ignore");

#[derive(Debug, Clone)]
pub(super) enum Program {
    Uv(PathBuf),
    /// pip of this interpreter.
    Pip(PathBuf),
}

/// It ran, and said no.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: String,
    without_wheel: Option<String>,
    may_be_source: bool,
}

impl Refused {
    /// The package that has no wheel for the target, if that was the matter.
    pub(super) fn without_wheel(&self) -> Option<&str> {
        self.without_wheel.as_deref()
    }

    pub(super) fn may_be_source(&self) -> bool {
        self.may_be_source
    }
}

/// Those that are here, the better one first. Of packages in the project there are no
/// wheels: uv then refuses, and pip builds them.
pub(super) async fn all(machine: &Machine, target: Target, wanted: &Wanted) -> Vec<Program> {
    let mut programs = Vec::new();
    if let Some(uv) = machine.program("uv") {
        programs.push(Program::Uv(uv));
    }
    // pip takes markers such as python_version from the Python that it runs in.
    if let Some(python) = machine.with_pip(target.minor).await {
        programs.push(Program::Pip(python));
    }
    if wanted.has_local {
        programs.reverse();
    }
    programs
}

/// What is to be installed, and where.
pub(super) struct Request<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) target: Target,
    pub(super) into: &'a Path,
    /// Wheels that were built here.
    pub(super) wheels: &'a Path,
    /// Packages that uv may build, as there are no wheels of them.
    pub(super) sources: &'a [String],
}

impl Program {
    pub(super) async fn install(
        &self,
        request: &Request<'_>,
    ) -> Result<Result<(), Refused>, PackageError> {
        let (target, into) = (request.target, request.into);
        let scratch = tempfile::tempdir().what(|| "make a folder".to_owned())?;
        let file = match &request.wanted.what {
            What::File(path) => path.clone(),
            What::Lines(lines) => {
                let path = scratch.path().join("requirements.txt");
                fs::write(&path, lines.join("\n")).what(|| format!("write {}", path.display()))?;
                path
            }
            What::Lock(path) => match self.export(path, scratch.path()).await? {
                Ok(path) => path,
                Err(refused) => return Ok(Err(refused)),
            },
        };
        let mut run = match self {
            Self::Uv(uv) => of_uv(uv, target),
            Self::Pip(python) => of_pip(python, target),
        };
        run.arg("--only-binary=:all:");
        if matches!(self, Self::Uv(_)) {
            // Its cache takes a file of the same name for the same file.
            if request
                .wanted
                .indexes
                .iter()
                .any(|line| !line.contains("://"))
            {
                run.arg("--refresh");
            }
            for source in request.sources {
                run.arg("--no-binary").arg(requirements::name(source));
            }
        }
        run.arg("--find-links").arg(request.wheels);
        run.arg("--target").arg(into);
        run.arg("--requirement").arg(&file);
        run.folder(&request.wanted.folder);
        // Someone may want no more than a file that is there all the same.
        fs::create_dir_all(into).what(|| format!("make {}", into.display()))?;
        refusal(run).await
    }

    /// What a lock file of uv's holds, as requirements.
    async fn export(
        &self,
        lock: &Path,
        scratch: &Path,
    ) -> Result<Result<PathBuf, Refused>, PackageError> {
        let Self::Uv(uv) = self else {
            return Ok(Err(Refused {
                reason: "  uv.lock is for uv, which is not on this machine".to_owned(),
                without_wheel: None,
                may_be_source: false,
            }));
        };
        let path = scratch.join("locked.txt");
        let mut run = Run::new(uv);
        run.args([
            "export",
            "--frozen",
            "--no-dev",
            "--no-emit-project",
            "--quiet",
        ]);
        run.arg("--output-file").arg(&path);
        run.folder(lock.parent().unwrap_or(Path::new(".")));
        Ok(refusal(run).await?.map(|()| path))
    }
}

async fn refusal(run: Run) -> Result<Result<(), Refused>, PackageError> {
    let ended = run.run().await?;
    if ended.success {
        return Ok(Ok(()));
    }
    let output = ended.output;
    Ok(Err(Refused {
        reason: reason::short(&output),
        without_wheel: reason::without_wheel(&output),
        may_be_source: reason::may_be_source(&output),
    }))
}

fn of_uv(uv: &Path, target: Target) -> Run {
    let mut run = Run::new(uv);
    // Linked files would be those of uv's cache, and what we strip would be, too.
    run.args([
        "pip",
        "install",
        "--quiet",
        "--link-mode=copy",
        "--color=never",
    ]);
    run.arg("--python-version").arg(target.python());
    run.arg("--python-platform").arg(target.uv_platform());
    // The certificates of the machine, under the option's old name and its new one.
    run.env("UV_NATIVE_TLS", "1").env("UV_SYSTEM_CERTS", "1");
    run
}

fn of_pip(python: &Path, target: Target) -> Run {
    let mut run = Run::new(python);
    run.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-compile",
    ]);
    run.args(["--disable-pip-version-check", "--no-warn-script-location"]);
    run.arg("--no-warn-conflicts")
        .env(QUIET_ROOT.0, QUIET_ROOT.1);
    run.args(["--implementation", "cp", "--python-version"]);
    run.arg(target.python());
    for platform in target.pip_platforms() {
        run.arg("--platform").arg(OsString::from(platform));
    }
    run
}
