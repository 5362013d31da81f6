//! Chunks and answers that are too large for an event: fetched from, and put to, a store
//! by the addresses that the event brought.
//!
//! An engine's store is asked by plain HTTP. One that wants TLS is asked by curl, as all
//! objects are that functions in R get: see `squall$get_object`.

use std::env;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::error::Failure;
use crate::http::Client;

/// Of an error's text.
const MOST_SHOWN: usize = 300;
/// In MB, where the function does not say.
const USUAL_MEMORY: u64 = 10_240;

fn failed(what: impl Into<String>) -> Failure {
    Failure::new("Squall.Exchange", what)
}

/// What lies there. It is refused if it is larger than the function's memory.
pub(super) fn get(url: &str) -> Result<Vec<u8>, Failure> {
    let memory = env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok();
    let memory = memory.and_then(|text| text.parse().ok());
    let most = memory.unwrap_or(USUAL_MEMORY).saturating_mul(1024 * 1024);
    ask("GET", url, &[], most)
}

pub(super) fn put(url: &str, body: &[u8]) -> Result<(), Failure> {
    ask("PUT", url, body, MOST_SHOWN as u64).map(drop)
}

fn ask(method: &str, url: &str, body: &[u8], most: u64) -> Result<Vec<u8>, Failure> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed("the address of a chunk is none"));
    }
    if let Some(rest) = url.strip_prefix("http://") {
        return plain(method, rest, body, most);
    }
    let host = url.strip_prefix("https://").map(host_of);
    let host = host.ok_or_else(|| failed("chunks are fetched by http and https alone"))?;
    // Who may send events may not ask through this function what only it can reach.
    if !is_store(host) {
        return Err(failed(format!(
            "chunks are not fetched from {host:?}: it is neither S3 nor AWS_ENDPOINT_URL_S3"
        )));
    }
    by_curl(method, url, body, most)
}

fn host_of(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    host.split(':').next().unwrap_or(host)
}

fn endpoint() -> Option<String> {
    let set = |name| env::var(name).ok().filter(|url| !url.is_empty());
    set("AWS_ENDPOINT_URL_S3").or_else(|| set("AWS_ENDPOINT_URL"))
}

fn is_store(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    if let Some(own) = endpoint()
        && let Some(rest) = own.strip_prefix("https://")
    {
        let own = host_of(rest).to_ascii_lowercase();
        if host == own || host.ends_with(&format!(".{own}")) {
            return true;
        }
    }
    let Some(rest) = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))
    else {
        return false;
    };
    // However a bucket is named: in front of it, behind it, by an endpoint of a VPC.
    rest.split('.')
        .any(|part| part == "s3" || part.starts_with("s3-"))
}

/// From the engine, wherever that is from here: the signature covers the host that the
/// address says.
fn plain(method: &str, rest: &str, body: &[u8], most: u64) -> Result<Vec<u8>, Failure> {
    let own = endpoint();
    let address = own.as_deref().and_then(|url| url.strip_prefix("http://"));
    let address = address
        .ok_or_else(|| failed("chunks are not fetched by http, but from AWS_ENDPOINT_URL_S3"))?;
    let address = address.split('/').next().unwrap_or(address);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let answer = Client::new(address.to_owned())
        .of_host(host)
        .request(method, &format!("/{path}"), "", body)
        .map_err(|error| failed(format!("{method} of a chunk: {error}")))?;
    if answer.status != 200 {
        let text = &answer.body[..answer.body.len().min(MOST_SHOWN)];
        let text = String::from_utf8_lossy(text);
        return Err(failed(format!(
            "{method} of a chunk: {} {text}",
            answer.status
        )));
    }
    if answer.body.len() as u64 > most {
        return Err(failed(format!(
            "{method} of a chunk: it is larger than {most} bytes"
        )));
    }
    Ok(answer.body)
}

fn by_curl(method: &str, url: &str, body: &[u8], most: u64) -> Result<Vec<u8>, Failure> {
    let of = |error: std::io::Error| failed(format!("{method} of a chunk, by curl: {error}"));
    let mut command = Command::new("curl");
    command.args(["--fail", "--silent", "--show-error", "--retry", "2"]);
    command.args([
        "--max-time",
        "300",
        "--proto",
        "=https",
        "--request",
        method,
    ]);
    if method == "PUT" {
        command.args(["--data-binary", "@-", "--header", "Content-Type:"]);
    }
    command.args(["--url", url]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(of)?;
    if let Some(mut input) = child.stdin.take() {
        // It reads all before it answers.
        input.write_all(body).map_err(of)?;
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(most + 1).read_to_end(&mut answer).map_err(of)?;
    }
    if answer.len() as u64 > most {
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!(
            "{method} of a chunk: it is larger than {most} bytes"
        )));
    }
    let done = child.wait_with_output().map_err(of)?;
    if done.status.success() {
        return Ok(answer);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said: String = said.trim().chars().take(MOST_SHOWN).collect();
    Err(failed(format!("{method} of a chunk: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stores_are_asked() {
        for host in [
            "s3.amazonaws.com",
            "bucket.s3.eu-west-1.amazonaws.com",
            "a.b.s3-us-west-2.amazonaws.com",
            "bucket.s3.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(is_store(host), "{host}");
        }
        for host in [
            "169.254.169.254",
            "amazonaws.com",
            "s3.amazonaws.com.example.org",
            "lambda.eu-west-1.amazonaws.com",
        ] {
            assert!(!is_store(host), "{host}");
        }
        assert_eq!(host_of("user@host:1/path?x"), "host");
        assert!(get("ftp://s3.amazonaws.com/x").is_err());
    }
}
