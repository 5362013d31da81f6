//! `squall store check`: whether every object is what it was when it was stored.

use std::fmt::Write;
use std::ops::ControlFlow;

use anyhow::{Context, anyhow};
use aws_client::Reply;
use bytes::{Bytes, BytesMut};
use http::Method;
use serde::Deserialize;
use store::{CheckProgress, CheckReport, OpenError};

use crate::args::{Global, StoreAction, StoreArgs};
use crate::client::{self, Answer, Call, Client};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::progress::Spinner;
use crate::transfer::count;

/// Damage and orphans that are listed one by one.
const SHOWN: usize = 20;

/// One line of what a running engine says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress(CheckProgress),
    Report(CheckReport),
    Error(String),
}

pub async fn run(global: &Global, args: StoreArgs) -> Result<(), Failure> {
    match args.action {
        StoreAction::Check => check(global).await,
    }
}

async fn check(global: &Global) -> Result<(), Failure> {
    let spinner = Spinner::new("checking", global.json);
    let report = match engine(global).await? {
        Some(client) => by_engine(&client, spinner).await?,
        None => offline(global, spinner).await?,
    };
    if global.json {
        output::json(&report)?;
    } else {
        output::bytes(render(&report).as_bytes())?;
    }
    match report.damaged.len() as u64 {
        0 => Ok(()),
        damaged => Err(Failure::new(
            Kind::Function,
            anyhow!("{} damaged", count(damaged, "object")),
        )
        .hint("put these objects anew; what is damaged cannot be mended from here")),
    }
}

/// The engine that has the data, if one runs.
async fn engine(global: &Global) -> Result<Option<Client>, Failure> {
    let named = global.endpoint.is_some() || client::endpoint_variable(global).is_some();
    if named {
        return client::find(global).map(Some);
    }
    if client::running(global).is_err() {
        return Ok(None);
    }
    let client = client::find(global)?;
    // One that was killed left its address behind.
    Ok(client.pool("squall").answers().await.then_some(client))
}

async fn by_engine(client: &Client, spinner: Spinner) -> Result<CheckReport, Failure> {
    let call = Call {
        service: "squall",
        method: Method::POST,
        target: "/_squall/store/check".to_owned(),
        headers: vec![],
        body: Bytes::new(),
    };
    let mut reply = client.open(call).await?;
    if !reply.status.is_success() {
        return Err(Answer::read(reply).await?.refusal().into());
    }
    let mut pending = BytesMut::new();
    while let Some(line) = next_line(&mut reply, &mut pending).await? {
        let line: Line = serde_json::from_slice(&line).context("the answer is not as expected")?;
        match line {
            Line::Progress(done) => spinner.set(progress(&done)),
            Line::Report(report) => return Ok(report),
            Line::Error(error) => return Err(Failure::from(anyhow!("{error}"))),
        }
    }
    Err(anyhow!("the engine ended the check without a report").into())
}

async fn next_line(reply: &mut Reply, pending: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    loop {
        if let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line = pending.split_to(end + 1).freeze();
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
            continue;
        }
        match reply.piece().await? {
            Some(piece) => pending.extend_from_slice(&piece),
            None if pending.is_empty() => return Ok(None),
            None => return Ok(Some(pending.split().freeze())),
        }
    }
}

/// On a data directory that no engine has open.
async fn offline(global: &Global, spinner: Spinner) -> Result<CheckReport, Failure> {
    let data = global.data.clone();
    if !data.join("squall.db").exists() {
        return Err(
            Failure::mistake(format!("there is no store in {}", data.display()))
                .hint("name the data directory: --data DIR"),
        );
    }
    let check = move || {
        store::check(&data, |done| {
            spinner.set(progress(&done));
            ControlFlow::Continue(())
        })
    };
    let checked = tokio::task::spawn_blocking(check).await;
    checked
        .context("the check ended early")?
        .map_err(|error| match error {
            OpenError::InUse { .. } => Failure::new(Kind::Mistake, error)
                .hint("an engine has it, but does not answer; look for it: squall ps"),
            OpenError::TooNew { .. } => Failure::new(Kind::Mistake, error),
            OpenError::Store(_) => Failure::new(Kind::Bug, error),
        })
}

fn progress(done: &CheckProgress) -> String {
    format!(
        "checking: {} of {}, {}",
        done.contents,
        count(done.of, "content"),
        output::size(done.bytes)
    )
}

fn render(report: &CheckReport) -> String {
    let mut text = String::new();
    let plain = |text: &str| text.replace(char::is_control, "?");
    for damage in report.damaged.iter().take(SHOWN) {
        let version = damage
            .version
            .as_deref()
            .filter(|version| *version != "null");
        let version = version.map_or_else(String::new, |id| format!(" (version {id})"));
        text.push_str(&plain(&format!(
            "damaged  s3://{}/{}{version}: {}",
            damage.bucket, damage.key, damage.problem
        )));
        text.push('\n');
    }
    more(&mut text, report.damaged.len());
    for orphan in report.orphans.iter().take(SHOWN) {
        text.push_str(&plain(&format!(
            "orphan   {} ({})",
            orphan.what,
            output::size(orphan.bytes)
        )));
        text.push('\n');
    }
    more(&mut text, report.orphans.len());
    let unlisted = match report.unlisted {
        0 => String::new(),
        unlisted => format!(", {unlisted} not listed"),
    };
    let _ = writeln!(
        text,
        "{}, {} in {}: {} damaged, {}{unlisted}",
        count(report.objects, "object"),
        output::size(report.bytes),
        count(report.contents, "content"),
        report.damaged.len(),
        count(report.orphans.len() as u64, "orphan")
    );
    text
}

fn more(text: &mut String, all: usize) {
    if all > SHOWN {
        let _ = writeln!(text, "... and {} more; --json lists all", all - SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_comes_before_orphans_and_the_sum_last() {
        let line = serde_json::json!({"report": {
            "objects": 3, "bytes": 1_536, "damaged": [
                {"bucket": "lake", "key": "a", "version": "null", "problem": "its bytes differ"},
                {"bucket": "lake", "key": "b", "version": "v1", "problem": "its file is missing"},
            ],
            "orphans": [{"what": "objects/ab/abcd", "bytes": 12}], "later": true,
            "contents": 2, "unlisted": 0, "stopped": false,
        }});
        let Line::Report(report) = serde_json::from_value(line).unwrap() else {
            panic!("it is a report");
        };
        assert_eq!(
            render(&report),
            "\
damaged  s3://lake/a: its bytes differ
damaged  s3://lake/b (version v1): its file is missing
orphan   objects/ab/abcd (12 B)
3 objects, 1.5 KB in 2 contents: 2 damaged, 1 orphan
"
        );
    }

    #[test]
    fn progress_is_read_and_said() {
        let line = r#"{"progress":{"contents":1,"of":3,"bytes":1536}}"#;
        let Ok(Line::Progress(done)) = serde_json::from_str(line) else {
            panic!("it is progress");
        };
        assert_eq!(progress(&done), "checking: 1 of 3 contents, 1.5 KB");
    }
}
