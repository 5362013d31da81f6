//! `squall ps`: what runs, how it started and what it takes.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use types::Timestamp;

use crate::args::Global;
use crate::client::{self, Call};
use crate::failure::Failure;
use crate::output::{self, Table};

#[derive(Debug, Deserialize)]
struct Listing {
    instances: Vec<Instance>,
    templates: Vec<Template>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    function: String,
    version: String,
    pid: i32,
    start: String,
    state: String,
    memory_bytes: u64,
    born: Timestamp,
    invocations: u64,
}

#[derive(Debug, Deserialize)]
struct Template {
    function: String,
    version: String,
    state: String,
    pid: Option<i32>,
    memory_bytes: u64,
    load_ms: Option<u64>,
    reason: Option<String>,
}

pub async fn run(global: &Global) -> Result<(), Failure> {
    let client = client::find(global)?;
    let call = Call {
        service: "squall",
        method: Method::GET,
        target: "/_squall/ps".to_owned(),
        headers: vec![],
        body: Bytes::new(),
    };
    let answer = client.send(call).await?;
    if global.json {
        output::json(&answer.json::<Value>()?)?;
        return Ok(());
    }
    let listing: Listing = answer.json()?;
    if listing.instances.is_empty() && listing.templates.is_empty() {
        output::note("nothing runs");
    } else {
        output::bytes(render(&listing, Timestamp::now()).as_bytes())?;
    }
    Ok(())
}

fn render(listing: &Listing, now: Timestamp) -> String {
    let mut text = instances(&listing.instances, now);
    if !text.is_empty() && !listing.templates.is_empty() {
        text.push('\n');
    }
    text + &templates(&listing.templates)
}

fn instances(instances: &[Instance], now: Timestamp) -> String {
    let titles = [
        "INSTANCE OF",
        "VERSION",
        "STATE",
        "START",
        ">SERVED",
        ">MEMORY",
        ">AGE",
        ">PID",
    ];
    let mut table = Table::new(&titles);
    for instance in instances {
        let age = u64::try_from(now.0 - instance.born.0).unwrap_or(0);
        table.row([
            instance.function.clone(),
            instance.version.clone(),
            instance.state.clone(),
            instance.start.clone(),
            instance.invocations.to_string(),
            output::size(instance.memory_bytes),
            output::age(age),
            instance.pid.to_string(),
        ]);
    }
    if table.is_empty() {
        String::new()
    } else {
        table.render()
    }
}

fn templates(templates: &[Template]) -> String {
    let titles = [
        "TEMPLATE OF",
        "VERSION",
        "STATE",
        ">LOADED IN",
        ">MEMORY",
        ">PID",
        "NOTE",
    ];
    let mut table = Table::new(&titles);
    for template in templates {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let memory = template.pid.map(|_| output::size(template.memory_bytes));
        // A traceback has its say in the log; here one line must do.
        let reason = template.reason.as_deref().unwrap_or_default();
        let reason: String = reason
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(100)
            .collect();
        table.row([
            template.function.clone(),
            template.version.clone(),
            template.state.replace('_', " "),
            or_dash(template.load_ms.map(|ms| format!("{ms} ms"))),
            or_dash(memory),
            or_dash(template.pid.map(|pid| pid.to_string())),
            reason,
        ]);
    }
    if table.is_empty() {
        String::new()
    } else {
        table.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_shown_in_two_tables() {
        let listing = serde_json::json!({
            "instances": [{
                "function": "fit", "version": "$LATEST", "pid": 42, "start": "fork",
                "state": "idle", "memory_bytes": 3_145_728, "born": 1_000, "invocations": 7,
                "log_stream": "s",
            }],
            "templates": [
                {"function": "fit", "version": "$LATEST", "state": "ready", "pid": 41,
                 "memory_bytes": 104_857_600, "load_ms": 812, "reason": null},
                {"function": "lake", "version": "3", "state": "not_used", "pid": null,
                 "memory_bytes": 0, "load_ms": null, "reason": "9 live threads"},
            ],
        });
        let listing: Listing = serde_json::from_value(listing).unwrap();
        assert_eq!(
            render(&listing, Timestamp(61_000)),
            "\
INSTANCE OF  VERSION  STATE  START  SERVED  MEMORY  AGE  PID
fit          $LATEST  idle   fork        7  3.0 MB   1m   42

TEMPLATE OF  VERSION  STATE     LOADED IN  MEMORY  PID  NOTE
fit          $LATEST  ready        812 ms  100 MB   41
lake         3        not used          -       -    -  9 live threads
"
        );
    }
}
