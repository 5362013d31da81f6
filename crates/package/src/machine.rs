//! What this machine has: interpreters, resolvers, tools. Looked for once, and only
//! when something must be built.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sandbox::{Interpreter, find_interpreters};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::error::{PackageError, What};
use crate::options::Options;

/// How long a program may take: large wheels come over slow lines, and builds of
/// Fortran take their time.
const PROGRAM_PATIENCE: Duration = Duration::from_mins(30);
/// What is kept of the words of a program: its end, where the reasons are.
const OUTPUT_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Machine {
    folders: Vec<PathBuf>,
    programs: Vec<PathBuf>,
    interpreters: OnceCell<Vec<Interpreter>>,
}

impl Machine {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            folders: options.python_folders.clone(),
            programs: options.programs.clone(),
            interpreters: OnceCell::new(),
        }
    }

    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let paths = self.programs.iter().map(|folder| folder.join(name));
        paths.into_iter().find(|path| path.is_file())
    }

    async fn interpreters(&self) -> &[Interpreter] {
        self.interpreters
            .get_or_init(|| async {
                let folders = self.folders.clone();
                let found = tokio::task::spawn_blocking(move || find_interpreters(&folders));
                found.await.unwrap_or_default()
            })
            .await
    }

    /// `python3.MINOR`
    pub(crate) async fn python(&self, minor: u8) -> Option<&Interpreter> {
        let mut all = self.interpreters().await.iter();
        all.find(|python| python.minor == minor)
    }

    /// An interpreter that has pip: of this version if there is one.
    pub(crate) async fn with_pip(&self, minor: u8) -> Option<PathBuf> {
        if let Some(python) = self.exactly_with_pip(minor).await {
            return Some(python);
        }
        for python in self.interpreters().await {
            if python.minor != minor && has_pip(&python.executable).await {
                return Some(python.executable.clone());
            }
        }
        None
    }

    pub(crate) async fn exactly_with_pip(&self, minor: u8) -> Option<PathBuf> {
        let python = self.python(minor).await?;
        has_pip(&python.executable)
            .await
            .then(|| python.executable.clone())
    }

    /// The 36 of glibc 2.36, as an interpreter says.
    pub(crate) async fn glibc(&self, minor: u8) -> Option<u32> {
        let all = self.interpreters().await;
        let python = all.iter().find(|python| python.minor == minor);
        let mut run = Run::new(&python.or(all.first())?.executable);
        run.args(["-I", "-S", "-c"]);
        run.arg("import os; print(os.confstr('CS_GNU_LIBC_VERSION'))");
        let output = run.run().await.ok()?.output;
        output.trim().rsplit('.').next()?.parse().ok()
    }
}

async fn has_pip(python: &Path) -> bool {
    let mut run = Run::new(python);
    run.args(["-c", "import pip"]);
    run.run().await.is_ok_and(|ended| ended.success)
}

/// A program on its way.
#[derive(Debug)]
pub(crate) struct Run {
    name: String,
    command: Command,
}

/// How it came out.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    /// Both streams, the end of them.
    pub(crate) output: String,
}

impl Run {
    pub(crate) fn new(program: &Path) -> Self {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            name: program.display().to_string(),
            command,
        }
    }

    pub(crate) fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: Into<OsString>>(
        &mut self,
        args: impl IntoIterator<Item = S>,
    ) -> &mut Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    pub(crate) fn folder(&mut self, folder: &Path) -> &mut Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) async fn run(mut self) -> Result<Ended, PackageError> {
        let name = self.name;
        let running = || format!("run {name}");
        let mut child = self.command.spawn().what(running)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = tokio::time::timeout(PROGRAM_PATIENCE, async {
            tokio::join!(end_of(stdout), end_of(stderr), child.wait())
        });
        let (stdout, stderr, status) = ended
            .await
            .map_err(|_| std::io::Error::other("it took longer than half an hour"))
            .what(running)?;
        Ok(Ended {
            success: status.what(running)?.success(),
            output: stdout + &stderr,
        })
    }
}

/// Reads to the end, and keeps what came last.
async fn end_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        kept.extend(&buffer[..count]);
        if kept.len() > 2 * OUTPUT_MAX {
            kept.drain(..kept.len() - OUTPUT_MAX);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_says_how_it_went_and_its_last_words_are_kept() {
        let mut run = Run::new(Path::new("/bin/sh"));
        run.args(["-c", "yes no | head -c 500000; echo why >&2; exit 3"]);
        let ended = run.run().await.unwrap();
        assert!(!ended.success);
        assert!(ended.output.ends_with("why\n"));
        assert!(ended.output.len() < 3 * OUTPUT_MAX);
        let error = Run::new(Path::new("/no/such")).run().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot run /no/such");
    }
}
