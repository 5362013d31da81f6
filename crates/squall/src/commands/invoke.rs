//! `squall invoke`: one event in, one answer out.

use std::io::Read;

use anyhow::Context;
use aws_wire::form;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::args::{Global, InvokeArgs};
use crate::client::{self, Answer, Call};
use crate::failure::{Failure, Kind};
use crate::output;

pub async fn run(global: &Global, args: InvokeArgs) -> Result<(), Failure> {
    let body = event(&args.payload)?;
    let client = client::find(global)?;
    let mut target = format!(
        "/2015-03-31/functions/{}/invocations",
        form::encode(&args.name)
    );
    if let Some(qualifier) = &args.qualifier {
        target.push_str("?Qualifier=");
        target.push_str(&form::encode(qualifier));
    }
    let kind = if args.asynchronous {
        "Event"
    } else {
        "RequestResponse"
    };
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-amz-invocation-type", kind.to_owned()),
    ];
    // AWS takes the log type for synchronous invocations only.
    if !args.asynchronous && (args.tail || global.json) {
        headers.push(("x-amz-log-type", "Tail".to_owned()));
    }
    let answer = client
        .send(Call {
            service: "lambda",
            method: Method::POST,
            target,
            headers,
            body,
        })
        .await?;
    if !answer.status.is_success() {
        return Err(Failure::from(answer.refusal()));
    }
    show(global, &args, &answer)
}

fn show(global: &Global, args: &InvokeArgs, answer: &Answer) -> Result<(), Failure> {
    let tail = answer
        .header("x-amz-log-result")
        .and_then(|text| STANDARD.decode(text).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let failed = answer.header("x-amz-function-error");
    if global.json {
        let payload = match serde_json::from_slice::<Value>(&answer.body) {
            Ok(value) => value,
            Err(_) if answer.body.is_empty() => Value::Null,
            Err(_) => String::from_utf8_lossy(&answer.body).into(),
        };
        output::json(&json!({
            "status": answer.status.as_u16(),
            "function_error": failed,
            "executed_version": answer.header("x-amz-executed-version"),
            "request_id": answer.header("x-amzn-requestid"),
            "payload": payload,
            "log": tail,
        }))?;
    } else if args.asynchronous {
        let id = answer.header("x-amzn-requestid").unwrap_or_default();
        output::note(&format!("accepted as {id}"));
    } else {
        if args.tail {
            output::note(&output::unfolded(tail.unwrap_or_default().trim_end()));
        }
        output::bytes(&answer.body)?;
        output::bytes(b"\n")?;
    }
    if failed.is_none() {
        return Ok(());
    }
    let error = what_failed(&answer.body);
    let failure = Failure::new(Kind::Function, anyhow::anyhow!("{error}"));
    Err(failure.hint(format!("squall logs {} shows its log", args.name)))
}

/// The payload as the client sends it: checked, so that a typing error is seen here.
fn event(data: &str) -> Result<Bytes, Failure> {
    let bytes = match (data, data.strip_prefix('@')) {
        ("-", _) => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.context("cannot read stdin")?;
            bytes
        }
        (_, Some(path)) => std::fs::read(path)
            .map_err(|error| Failure::mistake(format!("cannot read {path}: {error}")))?,
        (text, None) => text.as_bytes().to_vec(),
    };
    // An empty event is one that AWS takes.
    if !bytes.is_empty() {
        serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map_err(|error| {
            Failure::mistake(format!("the event is not JSON: {error}"))
                .hint("quote it for the shell, such as -d '{\"x\": 1}'")
        })?;
    }
    Ok(bytes.into())
}

/// `ValueError: text` from an error payload.
fn what_failed(payload: &[u8]) -> String {
    let payload: Value = serde_json::from_slice(payload).unwrap_or_default();
    let message = payload["errorMessage"].as_str().unwrap_or("no message");
    match payload["errorType"].as_str() {
        Some(kind) => format!("the function failed: {kind}: {message}"),
        None => format!("the function failed: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_from_the_argument_or_a_file_and_must_be_json() {
        assert_eq!(event("{\"x\": 1}").unwrap(), "{\"x\": 1}");
        assert_eq!(event("").unwrap(), "");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        std::fs::write(&path, "[1]").unwrap();
        assert_eq!(event(&format!("@{}", path.display())).unwrap(), "[1]");
        for bad in ["{x: 1}", "@/no/such/file", "1 2"] {
            assert_eq!(event(bad).unwrap_err().kind, Kind::Mistake, "{bad}");
        }
    }

    #[test]
    fn an_error_payload_is_said_in_one_line() {
        assert_eq!(
            what_failed(br#"{"errorType":"ValueError","errorMessage":"no x"}"#),
            "the function failed: ValueError: no x"
        );
        assert_eq!(what_failed(b"?"), "the function failed: no message");
    }
}
