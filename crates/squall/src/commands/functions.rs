//! `squall functions`: what is deployed.

use aws_wire::form;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::args::Global;
use crate::client::{self, Call};
use crate::failure::Failure;
use crate::output::{self, Table};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    functions: Vec<Value>,
    next_marker: Option<String>,
}

pub async fn run(global: &Global) -> Result<(), Failure> {
    let client = client::find(global)?;
    let mut functions = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut target = "/2015-03-31/functions/".to_owned();
        if let Some(marker) = &marker {
            target.push_str("?Marker=");
            target.push_str(&form::encode(marker));
        }
        let call = Call {
            service: "lambda",
            method: Method::GET,
            target,
            headers: vec![],
            body: Bytes::new(),
        };
        let page: Page = client.send(call).await?.json()?;
        functions.extend(page.functions);
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    if global.json {
        output::json(&functions)?;
        return Ok(());
    }
    let table = table(&functions);
    if table.is_empty() {
        output::note("no functions yet; make one with boto3 or: aws lambda create-function");
    } else {
        output::bytes(table.render().as_bytes())?;
    }
    Ok(())
}

fn table(functions: &[Value]) -> Table {
    let titles = [
        "NAME", "RUNTIME", "HANDLER", ">MEMORY", ">TIMEOUT", ">CODE", "MODIFIED",
    ];
    let mut table = Table::new(&titles);
    for function in functions {
        let text = |name: &str| function[name].as_str().unwrap_or("-").to_owned();
        let number = |name: &str| function[name].as_u64().unwrap_or(0);
        // `2026-11-21T02:37:16.123+0000`: the part that people look at.
        let modified = text("LastModified");
        let modified = modified.get(..19).unwrap_or(&modified).replace('T', " ");
        table.row([
            text("FunctionName"),
            text("Runtime"),
            text("Handler"),
            format!("{} MB", number("MemorySize")),
            format!("{} s", number("Timeout")),
            output::size(number("CodeSize")),
            modified,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_a_row() {
        let functions = serde_json::json!([{
            "FunctionName": "fit", "Runtime": "python3.11", "Handler": "app.handler",
            "MemorySize": 128, "Timeout": 3, "CodeSize": 2048,
            "LastModified": "2026-11-21T02:37:16.123+0000",
        }]);
        let text = table(functions.as_array().unwrap()).render();
        assert_eq!(
            text,
            "NAME  RUNTIME     HANDLER      MEMORY  TIMEOUT    CODE  MODIFIED\n\
             fit   python3.11  app.handler  128 MB      3 s  2.0 KB  2026-11-21 02:37:16\n"
        );
    }
}
