//! A package is tried out before it is used: started once in a jail, with nothing but
//! itself, as it will be in the cloud. What fails here would fail there, later and
//! with fewer words.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox::spec::Network;
use sandbox::{
    AwsSdk, FunctionFiles, Interpreter, Isolation, Readiness, Sandbox, SandboxSettings, Template,
};
use serde_json::Value;

use crate::archive::{Content, Member};
use crate::cache::{self, Cache};
use crate::error::{PackageError, What};
use crate::layer::blocking;
use crate::options::Options;

/// Twelve times what AWS gives.
const PATIENCE: Duration = Duration::from_mins(2);
/// Uid and gid of nobody, for whoever builds packages as root.
const NOBODY: (u32, u32) = (65_534, 65_534);
const OPEN_FILES: u32 = 1024;
const PROCESSES: u32 = 1024;
/// What is kept of what the code said.
const LOG_MAX: usize = 8 << 10;

/// What stands where a package was started.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) python: Interpreter,
    pub(crate) files: FunctionFiles,
    pub(crate) environment: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tried {
    Loaded,
    /// The module has this name.
    NoModule(String),
    /// What AWS would say, and what the code printed.
    Failed(String),
}

/// Makes the jail, with what it needs below `scratch`; `None` where nothing is to be
/// tried out.
pub(crate) async fn sandbox(
    cache: &Cache,
    scratch: &Path,
    options: &Options,
    wants_sdk: bool,
    mut packages: Vec<PathBuf>,
) -> Result<Option<Sandbox>, PackageError> {
    let Some(helper) = options.helper.clone() else {
        return Ok(None);
    };
    let (cache, folders) = (cache.clone(), options.python_folders.clone());
    let guests = scratch.join("guests");
    blocking(move || {
        if wants_sdk {
            packages.extend(sdk(&cache, &helper, &folders)?);
        }
        let sandbox = Sandbox::new(settings(helper, guests, packages))?;
        Ok(Some(sandbox))
    })
    .await
}

fn settings(helper: PathBuf, guests: PathBuf, packages: Vec<PathBuf>) -> SandboxSettings {
    let walls = sandbox::doctor();
    let walls = walls.iter().find(|check| check.name == "namespaces");
    SandboxSettings {
        // Without walls it is the user's own code with the user's own rights.
        isolation: if walls.is_some_and(|check| check.ok) {
            Isolation::Namespaces
        } else {
            Isolation::None
        },
        helper,
        unprivileged: NOBODY,
        guest_directory: guests,
        group_name: group_name(),
        open_files: OPEN_FILES,
        processes: PROCESSES,
        python_packages: packages,
    }
}

/// A sandbox removes what it finds of its name, and several are at work at one time.
fn group_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("squall-package-{}-{number}", std::process::id())
}

/// The folder of AWS's SDK, which its Python has: copied once, as it is large.
fn sdk(cache: &Cache, helper: &Path, folders: &[PathBuf]) -> Result<Vec<PathBuf>, PackageError> {
    let Some(sdk) = AwsSdk::find(folders) else {
        return Ok(vec![]);
    };
    let _turn = cache.turn("sdk")?;
    let keeper = Sandbox::new(settings(helper.to_owned(), cache.guests(), vec![]))?;
    keeper.provide(&sdk)?;
    Ok(vec![cache.guests().join("python").join("aws-sdk")])
}

/// Lays the code out as it will be unpacked.
pub(crate) fn lay_out(members: &[Member], task: &Path) -> Result<(), PackageError> {
    fs::create_dir_all(task).what(|| format!("make {}", task.display()))?;
    cache::open_to_all(task)?;
    for member in members {
        let path = task.join(&member.path);
        let making = || format!("make {}", path.display());
        let mut folder = path.parent();
        if let Some(folder) = folder {
            fs::create_dir_all(folder).what(making)?;
        }
        while let Some(path) = folder.filter(|path| *path != task) {
            cache::open_to_all(path)?;
            folder = path.parent();
        }
        match &member.content {
            Content::Text(text) => fs::write(&path, text).what(making)?,
            Content::File(from) => {
                fs::copy(from, &path).map_err(|source| PackageError::Unreadable {
                    path: from.clone(),
                    source,
                })?;
            }
        }
        let mode = if member.executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).what(making)?;
    }
    Ok(())
}

impl Stage {
    /// Variables that AWS sets, then the function's own.
    pub(crate) fn variables(&self, handler: &str) -> Vec<(String, String)> {
        let task = self.sandbox.task_root(&self.files).display().to_string();
        let fixed = [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", "import-test".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                self.files.memory_mb.to_string(),
            ),
            ("LAMBDA_TASK_ROOT", task),
            (
                "LAMBDA_RUNTIME_DIR",
                self.sandbox.runtime_directory().display().to_string(),
            ),
            ("LANG", "en_US.UTF-8".to_owned()),
            (
                "LD_LIBRARY_PATH",
                "/var/task:/var/task/lib:/opt/lib".to_owned(),
            ),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
            ("TZ", ":UTC".to_owned()),
        ];
        let mut all: BTreeMap<String, String> = fixed
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        all.extend(self.environment.clone());
        all.insert("_HANDLER".to_owned(), handler.to_owned());
        all.into_iter().collect()
    }

    /// The same with other libraries.
    pub(crate) fn with_layer(&self, folder: &Path) -> Self {
        let mut stage = self.clone();
        stage.files.layers = vec![folder.to_owned()];
        stage
    }

    /// Loads the handler's module, as a cold start does.
    pub(crate) async fn load(&self, handler: &str) -> Result<Tried, PackageError> {
        let environment = self.variables(handler);
        let template = self
            .sandbox
            .start_template(&self.python, &self.files, environment, Network::Host)
            .await?;
        let ready = tokio::time::timeout(PATIENCE, template.ready()).await;
        let log = log_of(&template);
        let tried = match ready {
            Ok(Ok(Readiness::Ready { .. })) => Tried::Loaded,
            Ok(Ok(Readiness::InitError { error })) => of_error(&error, &log),
            // It ended before it could say anything: its log says it, or a limit.
            Ok(Err(_)) if template.out_of_memory() => Tried::Failed(format!(
                "  it needs more than its {} MB of memory to load",
                self.files.memory_mb
            )),
            Ok(Err(_)) => Tried::Failed(indented(&log, "it ended while it was loaded")),
            Err(_) => Tried::Failed(format!(
                "  it was not loaded within {} seconds",
                PATIENCE.as_secs()
            )),
        };
        Ok(tried)
    }
}

fn log_of(template: &Template) -> String {
    let mut bytes = Vec::new();
    template.logs.drain(|part| bytes.extend(part));
    let from = bytes.len().saturating_sub(LOG_MAX);
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

fn of_error(error: &Value, log: &str) -> Tried {
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let (kind, message) = (text("errorType"), text("errorMessage"));
    if kind == "Runtime.ImportModuleError"
        && let Some(module) = missing_module(message)
    {
        return Tried::NoModule(module.to_owned());
    }
    let mut lines = format!("{kind}: {message}");
    for frame in error["stackTrace"].as_array().into_iter().flatten() {
        lines.push('\n');
        lines.push_str(frame.as_str().unwrap_or_default().trim_end());
    }
    // The guest writes the same error to its log: only what came before is new.
    let printed = log.split("[ERROR]").next().unwrap_or_default().trim();
    if !printed.is_empty() {
        lines = format!("{printed}\n{lines}");
    }
    Tried::Failed(indented(&lines, "it does not say why"))
}

fn missing_module(message: &str) -> Option<&str> {
    let rest = message.split_once("No module named '")?.1;
    rest.split_once('\'').map(|(module, _)| module)
}

fn indented(text: &str, otherwise: &str) -> String {
    let text = text.trim_end();
    let text = if text.is_empty() { otherwise } else { text };
    let lines = text.lines().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_module_is_told_from_other_failures() {
        let missing = json!({
            "errorType": "Runtime.ImportModuleError",
            "errorMessage": "Unable to import module 'h': No module named 'scipy.stats'",
        });
        assert_eq!(
            of_error(&missing, ""),
            Tried::NoModule("scipy.stats".to_owned())
        );
        let other = json!({
            "errorType": "ZeroDivisionError",
            "errorMessage": "division by zero",
            "stackTrace": ["  File \"h.py\", line 1\n    1/0\n"],
        });
        assert_eq!(
            of_error(&other, "hello\n[ERROR] ZeroDivisionError"),
            Tried::Failed(
                "  hello\n  ZeroDivisionError: division by zero\n    File \"h.py\", line 1\n      1/0"
                    .to_owned()
            )
        );
    }
}
