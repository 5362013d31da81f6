//! What `squall dev` says: a line for each thing that happens, or a JSON object.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use types::Timestamp;

use super::release::{LoadError, Outcome, Released};
use super::tail::Request;
use crate::deployment::steps_json;
use crate::failure::Failure;
use crate::output;

#[derive(Debug)]
pub struct Show {
    as_json: bool,
}

/// One invocation, by the last line of its log.
#[derive(Debug, PartialEq, Serialize)]
pub struct Ran {
    pub ms: f64,
    pub memory_mb: u32,
}

impl Ran {
    /// Of `REPORT RequestId: ...\tDuration: 1.5 ms\t...\tMax Memory Used: 31 MB`.
    pub fn of(message: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = message.split('\t');
            let value = fields.find_map(|field| field.strip_prefix(name))?;
            value.split(' ').next()
        };
        Some(Self {
            ms: field("Duration: ")?.parse().ok()?,
            memory_mb: field("Max Memory Used: ")?.parse().ok()?,
        })
    }
}

impl Show {
    pub fn new(as_json: bool) -> Self {
        Self { as_json }
    }

    /// `object` for programs, `text` for people.
    fn say(&self, object: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.as_json {
            output::json(object)?;
        } else {
            output::line(&text())?;
        }
        Ok(())
    }

    pub fn first(&self, folder: &Path) -> Result<(), Failure> {
        self.say(&json!({ "event": "watching", "folder": folder }), || {
            format!("watching {}; Ctrl-C ends it", folder.display())
        })
    }

    pub fn stopping(&self, stops_engine: bool) {
        if !self.as_json {
            let engine = if stops_engine {
                ", and so does the engine"
            } else {
                ""
            };
            output::note(&format!(
                "ends{engine}; what is deployed stays: squall undeploy"
            ));
        }
    }

    pub fn outcome(&self, outcome: &Outcome, took: Duration) -> Result<(), Failure> {
        let seconds = took.as_secs_f64();
        match outcome {
            Outcome::Unchanged if self.as_json => self.say(
                &json!({ "event": "unchanged", "seconds": seconds }),
                String::new,
            ),
            // A file that is in no package: a test, a page of the documentation.
            Outcome::Unchanged => Ok(()),
            Outcome::Released(released) => self.released(released, seconds),
            Outcome::Broken(broken) => self.broken(broken),
            Outcome::Failed(failure) => {
                let object = json!({ "event": "failed", "message": failure.message() });
                self.say(&object, || failure.to_string())
            }
        }
    }

    fn released(&self, released: &Released, seconds: f64) -> Result<(), Failure> {
        let object = json!({
            "event": "released",
            "release": released.release,
            "steps": steps_json(&released.steps),
            "left": released.left,
            "url": released.url,
            "urls": released.urls,
            "seconds": seconds,
        });
        self.say(&object, || {
            let mut lines = vec![summary(released, seconds)];
            let left = released.left.iter();
            lines.extend(
                left.map(|it| format!("  {it} is not in the project: squall deploy removes it")),
            );
            if released.is_first {
                let api = released.known.api.iter().map(|(_, url)| format!("  {url}"));
                let urls = released.urls.iter();
                lines.extend(api);
                lines.extend(urls.map(|(function, url)| format!("  {function}  {url}")));
            }
            lines.join("\n")
        })
    }

    fn broken(&self, broken: &[(String, LoadError)]) -> Result<(), Failure> {
        for (function, error) in broken {
            let object = json!({
                "event": "broken",
                "function": function,
                "errorType": error.kind,
                "errorMessage": error.message,
                "stackTrace": error.stack,
            });
            self.say(&object, || traceback(function, error))?;
        }
        Ok(())
    }

    pub fn request(&self, request: &Request, path: &str) -> Result<(), Failure> {
        let (method, status) = (&request.method, request.status);
        let ms = to_ms(request.micros);
        let object = json!({
            "event": "request",
            "time": request.time.rfc3339(),
            "method": method,
            "path": path,
            "status": status,
            "ms": ms,
        });
        self.say(&object, || {
            let clock = clock(request.time);
            clean(&format!(
                "{clock}  {method:<6} {path}  {status}  {ms:.0} ms"
            ))
        })
    }

    pub fn log(&self, function: &str, time: i64, message: &str) -> Result<(), Failure> {
        let object = json!({
            "event": "log",
            "time": Timestamp(time).rfc3339(),
            "function": function,
            "message": message,
        });
        self.say(&object, || {
            let text = output::unfolded(message);
            format!("{}  {function}: {text}", clock(Timestamp(time)))
        })
    }

    pub fn ran(&self, function: &str, time: i64, ran: &Ran) -> Result<(), Failure> {
        let object = json!({
            "event": "ran",
            "time": Timestamp(time).rfc3339(),
            "function": function,
            "ms": ran.ms,
            "memory_mb": ran.memory_mb,
        });
        self.say(&object, || {
            let clock = clock(Timestamp(time));
            format!(
                "{clock}  {function} ran  {:.0} ms  {} MB",
                ran.ms, ran.memory_mb
            )
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
fn to_ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// `release 3 in 0.21 s: web`
fn summary(released: &Released, seconds: f64) -> String {
    let number = match released.release {
        Some(release) => format!("release {release}"),
        None => "all is there".to_owned(),
    };
    let functions = released.steps.iter().filter(|step| step.kind == "function");
    let functions: Vec<&str> = functions
        .map(|step| {
            let mut names = released.functions.iter();
            let own = names.find(|(_, name)| **name == step.name);
            own.map_or(step.name.as_str(), |(key, _)| key.as_str())
        })
        .collect();
    let what = match functions.as_slice() {
        [] if released.steps.is_empty() => String::new(),
        [] => format!(": {} steps", released.steps.len()),
        some => format!(": {}", some.join(", ")),
    };
    format!("{number} in {seconds:.2} s{what}")
}

/// As Python shows one; what runs instead is said last, where the eye is.
fn traceback(function: &str, error: &LoadError) -> String {
    let mut text = String::new();
    if !error.stack.is_empty() {
        text.push_str("Traceback (most recent call last):\n");
        // Python leaves those out, too, where it shows one itself.
        let frames = error.stack.iter();
        for line in frames.filter(|line| !line.contains("<frozen importlib")) {
            text.push_str(line.trim_end_matches('\n'));
            text.push('\n');
        }
    }
    let LoadError { kind, message, .. } = error;
    format!(
        "{text}{kind}: {message}\nerror: {function} cannot be loaded; what was there before goes on to answer"
    )
}

/// `10:01:03`, in UTC as all times here.
fn clock(time: Timestamp) -> String {
    let text = time.rfc3339();
    text.get(11..19).unwrap_or_default().to_owned()
}

/// Clients choose methods and paths: nothing of those may steer a terminal.
fn clean(line: &str) -> String {
    line.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let line = "REPORT RequestId: a\tDuration: 12.34 ms\tBilled Duration: 13 ms\t\
                    Memory Size: 512 MB\tMax Memory Used: 31 MB";
        let ran = Ran {
            ms: 12.34,
            memory_mb: 31,
        };
        assert_eq!(Ran::of(line), Some(ran));
        assert_eq!(Ran::of("REPORT by hand"), None);
    }

    #[test]
    fn a_traceback_looks_like_one() {
        let error = LoadError {
            kind: "KeyError".to_owned(),
            message: "'x'".to_owned(),
            stack: vec![
                "  File \"/var/task/app.py\", line 1, in <module>\n    d['x']\n".to_owned(),
            ],
        };
        assert_eq!(
            traceback("web", &error),
            "Traceback (most recent call last):\n  \
             File \"/var/task/app.py\", line 1, in <module>\n    d['x']\n\
             KeyError: 'x'\n\
             error: web cannot be loaded; what was there before goes on to answer"
        );
    }

    #[test]
    fn a_path_cannot_steer_a_terminal() {
        assert_eq!(clean("GET /\x1b[31m\r\n"), "GET / [31m  ");
    }
}
