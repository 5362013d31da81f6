//! A layer with R is started once where there is no R beside it: in a jail that shows a
//! shell and nothing else of this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::FunctionFiles;
use sandbox::spec::{Bind, Network};

use super::libraries::{self, Libraries};
use crate::cache::{self, Cache};
use crate::error::{PackageError, What};
use crate::options::Options;
use crate::trial;

/// R with all of its packages is loaded in a few seconds, also where others work.
const PATIENCE: Duration = Duration::from_mins(2);
const SHELL: &str = "/bin/sh";
const OUTPUT_MAX: usize = 256 << 10;
const LAST_LINES: usize = 12;
const MEMORY_MB: u32 = 1_024;

/// Loads R and these packages from the layers alone. Without jails it is not tried.
pub(super) async fn check(
    cache: &Cache,
    layers: &[PathBuf],
    packages: &[String],
    options: &Options,
) -> Result<(), PackageError> {
    let scratch = cache.scratch()?;
    let sandbox = trial::sandbox(cache, scratch.path(), options, false, vec![]).await?;
    let Some(sandbox) = sandbox.filter(|it| it.isolation() == sandbox::Isolation::Namespaces)
    else {
        return Ok(());
    };
    let task = scratch.path().join("task");
    fs::create_dir(&task).what(|| format!("make {}", task.display()))?;
    cache::open_to_all(&task)?;
    let files = FunctionFiles {
        code: task,
        layers: layers.to_vec(),
        tmp_mb: 64,
        memory_mb: MEMORY_MB,
    };
    let mut program = vec!["/opt/bootstrap".to_owned(), "check".to_owned()];
    program.extend(packages.iter().cloned());
    let environment = BTreeMap::from([
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ("TZ", ":UTC"),
    ]);
    let environment = environment.into_iter();
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let network = Network::Isolated { ports: vec![] };
    let process = sandbox
        .spawn_bare(program, &files, environment.collect(), network, shell()?)
        .await?;
    let read = crate::slim::read_all(&process.logs, OUTPUT_MAX);
    let ended = tokio::time::timeout(PATIENCE, async {
        let output = read.await;
        (output, process.exited().await)
    });
    let ended = ended.await;
    process.kill();
    let reason = match ended {
        Ok((_, sandbox::Exit::Code(0))) => return Ok(()),
        Ok((output, _)) => last_lines(&output),
        Err(_) => format!("it was not loaded within {} s", PATIENCE.as_secs()),
    };
    Err(PackageError::RLayer { reason })
}

fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter();
    last.map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The shell, with its libraries where it looks for them.
fn shell() -> Result<Vec<Bind>, PackageError> {
    let shell = fs::canonicalize(SHELL).what(|| format!("find {SHELL}"))?;
    let folders = libraries::machines_folders();
    let closure = libraries::closure(std::slice::from_ref(&shell), &folders, &Libraries::new())?;
    let mut binds = vec![bind(&shell, Path::new(SHELL))?];
    for place in closure.found.values() {
        binds.push(bind(place, place)?);
    }
    // Programs name their loader by its whole path.
    let loader = fs::read(&shell).ok();
    let loader = loader.and_then(|bytes| crate::elf::links(&bytes)?.interpreter);
    if let Some(loader) = loader.map(PathBuf::from) {
        binds.retain(|bind| bind.target != loader);
        binds.push(bind(&loader, &loader)?);
    }
    Ok(binds)
}

fn bind(source: &Path, target: &Path) -> Result<Bind, PackageError> {
    let source = fs::canonicalize(source).what(|| format!("find {}", source.display()))?;
    Ok(Bind {
        source,
        target: target.to_owned(),
    })
}
