//! Runs a function's tests and sample events in the jail, and watches what is opened.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sandbox::spec::Network;
use serde::Deserialize;
use serde_json::json;

use crate::error::PackageError;
use crate::trial::Stage;

const TRACE: &str = include_str!("trace.py");
/// Tests of a project may take their time; those that never end do not count.
const PATIENCE: Duration = Duration::from_mins(5);
/// What is read of the output, in all.
const OUTPUT_MAX: usize = 32 << 20;
/// What is shown of a run that came to no end.
const LAST_LINES: usize = 5;
/// pytest found nothing to run.
const NO_TESTS: i64 = 5;

/// What to do with the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Files with events, and files and folders of tests, by where they lie in the code.
    pub(crate) events: Vec<String>,
    pub(crate) tests: Vec<String>,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Trace {
    /// Paths in the layer.
    pub(crate) opened: BTreeSet<String>,
    load: Option<String>,
    /// What went wrong with each event, if anything did.
    events: Vec<Option<String>>,
    tests: Option<i64>,
    tests_failed: Option<String>,
}

impl Trace {
    /// What is worth saying about how it went.
    pub(crate) fn trouble(&self) -> Option<String> {
        let event = self.events.iter().flatten().next();
        let tests = self.tests.filter(|code| *code != 0 && *code != NO_TESTS);
        let tests = tests.map(|code| format!("its tests failed (pytest: {code})"));
        let text = |text: &String| Some(text.clone());
        let load = self.load.as_ref().and_then(text);
        let event = event.map(|text| format!("its sample event failed: {text}"));
        let failed = self.tests_failed.as_ref().and_then(text);
        load.or(event).or(tests).or(failed)
    }

    /// Whether what went well before still does.
    pub(crate) fn is_as_good_as(&self, before: &Self) -> bool {
        let is_worse =
            |now: &Option<String>, before: &Option<String>| now.is_some() && before.is_none();
        let mut events = self.events.iter().zip(&before.events);
        !is_worse(&self.load, &before.load)
            && self.events.len() == before.events.len()
            && !events.any(|(now, before)| is_worse(now, before))
            && (self.tests == before.tests || before.tests.is_some_and(|code| code != 0))
            && !is_worse(&self.tests_failed, &before.tests_failed)
    }

    /// All that went wrong, to find in it what is missing.
    pub(crate) fn words(&self) -> String {
        let all = self.events.iter().flatten();
        let all = all.chain(&self.load).chain(&self.tests_failed);
        all.cloned().collect::<Vec<_>>().join("\n")
    }
}

/// `Err` with the last words where it came to no end.
pub(crate) async fn run(
    stage: &Stage,
    handler: &str,
    samples: &Samples,
) -> Result<Result<Trace, String>, PackageError> {
    let text = |path: &Path| path.display().to_string();
    let mark = format!("squall-trace-{:032x} ", rand_like(stage));
    let roots = stage.sandbox.layer_roots(&stage.files);
    let plan = json!({
        "mark": mark,
        "runtime": text(&stage.sandbox.runtime_directory()),
        "task": text(&stage.sandbox.task_root(&stage.files)),
        "layers": roots.iter().map(|root| text(root)).collect::<Vec<_>>(),
        "packages": stage.sandbox.package_roots().iter().map(|path| text(path)).collect::<Vec<_>>(),
        "events": samples.events,
        "tests": samples.tests,
    });
    let mut arguments: Vec<String> = ["-I", "-S", "-B", "-X", "utf8", "-c", TRACE]
        .iter()
        .map(|text| (*text).to_owned())
        .collect();
    arguments.push(plan.to_string());
    let environment = stage.variables(handler);
    let process = stage
        .sandbox
        .spawn_script(
            &stage.python,
            arguments,
            &stage.files,
            environment,
            // Samples are tried, and must change nothing elsewhere.
            Network::Isolated { ports: vec![] },
        )
        .await?;
    let output = tokio::time::timeout(PATIENCE, read_all(&process.logs, OUTPUT_MAX)).await;
    process.kill();
    let Ok(output) = output else {
        return Ok(Err(format!("it took longer than {} s", PATIENCE.as_secs())));
    };
    let output = String::from_utf8_lossy(&output);
    let line = output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(&mark));
    if let Some(Ok(trace)) = line.map(serde_json::from_str) {
        return Ok(Ok(trace));
    }
    let lines: Vec<&str> = output.trim_end().lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    Ok(Err(last.join("\n")))
}

/// To tell our line from those of the function; nobody gains by guessing it.
fn rand_like(stage: &Stage) -> u128 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let one = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write(stage.files.code.as_os_str().as_encoded_bytes());
        u128::from(hasher.finish())
    };
    (one() << 64) | one()
}

/// All that a process says, up to some bytes.
pub(crate) async fn read_all(logs: &sandbox::LogPipe, most: usize) -> Vec<u8> {
    let mut output = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = logs.read(&mut buffer).await {
        if count == 0 || output.len() > most {
            break;
        }
        output.extend(&buffer[..count]);
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(load: Option<&str>, event: Option<&str>, tests: Option<i64>) -> Trace {
        Trace {
            opened: BTreeSet::new(),
            load: load.map(str::to_owned),
            events: vec![event.map(str::to_owned)],
            tests,
            tests_failed: None,
        }
    }

    #[test]
    fn only_what_got_worse_counts() {
        let well = trace(None, None, Some(0));
        assert!(well.is_as_good_as(&well) && well.trouble().is_none());
        for worse in [
            trace(Some("x"), None, Some(0)),
            trace(None, Some("x"), Some(0)),
            trace(None, None, Some(1)),
        ] {
            assert!(!worse.is_as_good_as(&well), "{worse:?}");
            assert!(worse.trouble().is_some());
        }
        let offline = trace(None, Some("no network"), Some(2));
        assert!(offline.is_as_good_as(&offline));
        assert!(trace(None, Some("other words"), Some(1)).is_as_good_as(&offline));
        assert_eq!(trace(None, None, Some(NO_TESTS)).trouble(), None);
    }
}
