//! The same function over AWS's Runtime API: for Lambda, where a layer brings R.

use std::env;
use std::io;

use crate::Places;
use crate::channel::ended;
use crate::error::Failure;
use crate::function::{Function, Meta};
use crate::http::{Answer, Client};

/// Where layers bring R, if nobody says where.
const HOME: &str = "/opt/r/home";
const LAYERS: &str = "/opt";
const API: &str = "/2018-06-01/runtime";
/// Errors travel in a header, too: without what no header can hold.
const HEADER: &str = "Lambda-Runtime-Function-Error-Type";

/// Where the environment says that things are.
pub(crate) fn places() -> Places {
    let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    Places {
        home: path("R_HOME").unwrap_or_else(|| HOME.into()).into(),
        task: path("LAMBDA_TASK_ROOT")
            .unwrap_or_else(|| ".".into())
            .into(),
        layers: vec![LAYERS.into()],
    }
}

pub(crate) fn run() -> i32 {
    ended(&serve())
}

fn serve() -> io::Result<()> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API")
        .map_err(|_| io::Error::other("AWS_LAMBDA_RUNTIME_API is not set"))?;
    let mut client = Client::new(address);
    let function = match crate::channel::load(&places()) {
        Ok(function) => function,
        Err(failure) => {
            report(&mut client, "init/error", &failure)?;
            return Err(io::Error::other(failure.message));
        }
    };
    loop {
        let next = client.request("GET", &format!("{API}/invocation/next"), "", &[])?;
        if next.status != 200 {
            return Err(io::Error::other(format!("next: status {}", next.status)));
        }
        one(&mut client, &function, &next)?;
    }
}

fn one(client: &mut Client, function: &Function, next: &Answer) -> io::Result<()> {
    let text = |name: &str| next.header(name).unwrap_or_default().to_owned();
    let meta = Meta {
        id: text("lambda-runtime-aws-request-id"),
        arn: text("lambda-runtime-invoked-function-arn"),
        deadline: text("lambda-runtime-deadline-ms")
            .parse()
            .unwrap_or_default(),
        trace: next.header("lambda-runtime-trace-id").map(str::to_owned),
    };
    let path = format!("invocation/{}", meta.id);
    match function.answer(&meta, &next.body) {
        Ok(answer) => {
            let headers = "Content-Type: application/json\r\n";
            let path = format!("{API}/{path}/response");
            client.request("POST", &path, headers, &answer)?;
        }
        Err(failure) => report(client, &format!("{path}/error"), &failure)?,
    }
    Ok(())
}

fn report(client: &mut Client, path: &str, failure: &Failure) -> io::Result<()> {
    let headers = format!("{HEADER}: {}\r\n", header_text(&failure.kind));
    client.request("POST", &format!("{API}/{path}"), &headers, &failure.json())?;
    Ok(())
}

fn header_text(text: &str) -> String {
    let plain = |letter: char| {
        if (' '..='~').contains(&letter) {
            letter
        } else {
            '?'
        }
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_plain_letters_only() {
        assert_eq!(header_text("bad\r\nX: ä"), "bad??X: ?");
    }
}
