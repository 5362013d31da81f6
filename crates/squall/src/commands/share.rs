//! `squall share`: a signed address that others can follow, for a while.

use aws_wire::sigv4::{self, Signing};
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::json;
use types::Timestamp;

use crate::args::{Global, ShareArgs};
use crate::client::{self, Client};
use crate::commands::schedules;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::span;

/// The name under which requests to APIs are signed.
const SERVICE: &str = "execute-api";
/// What a signature may last.
const LONGEST: u64 = 7 * 86_400;
/// What stands before the paths of APIs where the path names the API.
const PREFIX: &str = "/execute-api/";

#[derive(Debug, Deserialize)]
struct Info {
    gateway: String,
}

pub async fn run(global: &Global, args: ShareArgs) -> Result<(), Failure> {
    let seconds = seconds(&args.expires)?;
    let client = client::find(global)?;
    let address = address(&client, &args.what).await?;
    let uri = read(&address)?;
    let credentials = client.credentials().await?;
    let credentials = credentials.ok_or_else(|| {
        Failure::mistake("there are no keys to sign with").hint("eval \"$(squall env)\" sets them")
    })?;
    let now = Timestamp::now();
    let signing = Signing {
        credentials: &credentials,
        region: client.region(),
        service: SERVICE,
        now,
    };
    let signed = sigv4::presign(Method::GET, &uri, seconds, signing);
    let signed = signed.map_err(|error| Failure::new(Kind::Mistake, error))?;
    let end = now.plus_millis(i64::from(seconds) * 1000).rfc3339();
    if credentials.session_token.is_some() {
        output::note("these keys are temporary: the link ends with them, if that is earlier");
    }
    if global.json {
        output::json(&json!({ "url": signed.to_string(), "expires": end }))?;
    } else {
        output::line(&signed.to_string())?;
    }
    Ok(())
}

fn seconds(text: &str) -> Result<u32, Failure> {
    let seconds = span::seconds(text).filter(|seconds| *seconds <= LONGEST);
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| {
        Failure::mistake(format!(
            "--expires {text:?} is no time that a link can last"
        ))
        .hint("such as 30m, 12h or 7d, which is the longest")
    })
}

/// A path is one at the gateway of the engine.
async fn address(client: &Client, what: &str) -> Result<String, Failure> {
    if !what.starts_with('/') {
        return Ok(what.to_owned());
    }
    if !what.starts_with(PREFIX) {
        return Err(
            Failure::mistake(format!("{what:?} does not say of which API it is"))
                .hint(format!("use its address, or {PREFIX}API{what}")),
        );
    }
    let info = client.send(schedules::get("/_squall/info")).await?;
    let info: Info = info.json()?;
    Ok(format!("{}{what}", info.gateway.trim_end_matches('/')))
}

fn read(address: &str) -> Result<Uri, Failure> {
    let bad = |why: &str| Failure::mistake(format!("{address:?} cannot be shared: {why}"));
    let uri: Uri = address.parse().map_err(|_| bad("it is no address"))?;
    let usual = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err(bad("it must begin with http://, https:// or /execute-api/")),
    };
    let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("names and passwords have no place in it"));
    }
    if uri.query().is_some_and(|query| query.contains("X-Amz-")) {
        return Err(bad("it is signed already"));
    }
    if authority.port_u16() != Some(usual) {
        return Ok(uri);
    }
    // Clients do not say the usual port, and what they say is signed.
    let host = authority
        .host()
        .parse()
        .map_err(|_| bad("it has no host"))?;
    let mut parts = uri.into_parts();
    parts.authority = Some(host);
    Uri::from_parts(parts).map_err(|_| bad("it is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_shared_and_not_for_ever() {
        for (address, read_as) in [
            (
                "http://a.localhost:8080/x?y=1",
                "http://a.localhost:8080/x?y=1",
            ),
            ("https://a:443/x", "https://a/x"),
            ("http://a:443/x", "http://a:443/x"),
            ("http://[::1]:80/", "http://[::1]/"),
        ] {
            assert_eq!(read(address).unwrap().to_string(), read_as);
        }
        for bad in [
            "a/b",
            "ftp://a/b",
            "http://me:secret@a/b",
            "http://a/b?X-Amz-Signature=x",
            "http://a/b c",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("7d").unwrap(), 604_800);
        for bad in ["8d", "0s", "", "1", "x"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
