//! `squall share`: a signed address that others can follow, for a while.

use aws_client::Origin;
use aws_wire::form;
use aws_wire::sigv4::{self, Signing};
use engine::http_apis::choose;
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::json;
use types::Timestamp;

use crate::apis::{self, Route, STAGE};
use crate::args::{Global, ShareArgs};
use crate::client::{self, Client};
use crate::commands::schedules;
use crate::deployment;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::span;

/// The name under which requests to APIs are signed.
const SERVICE: &str = "execute-api";
/// What a signature may last.
const LONGEST: u64 = 7 * 86_400;
/// What stands before the paths of APIs where the path names the API.
const PREFIX: &str = "/execute-api/";
/// By which the engine is told that a route shares.
const SHARE: &str = "squall:share";
/// Who knows of APIs.
const API: &str = "apigateway";

#[derive(Debug, Deserialize)]
struct Info {
    gateway: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    api_id: String,
    #[serde(default)]
    api_mapping_key: String,
    stage: String,
}

pub async fn run(global: &Global, args: ShareArgs) -> Result<(), Failure> {
    let seconds = seconds(&args.expires)?;
    let client = client::find(global)?;
    let address = address(&client, &args.what).await?;
    let uri = read(&address)?;
    check(&client, &uri).await?;
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

/// A link that lets nobody in, or whom nothing keeps out, is not worth making.
async fn check(client: &Client, uri: &Uri) -> Result<(), Failure> {
    if client.endpoint(API).origin == Origin::Aws {
        // Which routes are there is not for these keys to see, maybe.
        return Ok(());
    }
    let (named, path) = target(client, uri).await?;
    let all = apis::all(client).await?;
    let api = &apis::one(&all, &named)?.api_id;
    let stages = apis::stages(client, api).await?;
    let path = below_stage(&path, &stages);
    let routes = apis::routes(client, api).await?;
    let keys = routes.iter().filter_map(|route| route.key.parse().ok());
    let found = choose(keys, Method::GET.as_str(), path).map(|key| key.to_string());
    let route = routes
        .iter()
        .find(|route| Some(&route.key) == found.as_ref());
    let route = route.ok_or_else(|| {
        let failure = Failure::mistake(format!("the API {api} has nothing to GET at {path}"));
        let keys = routes.iter().map(|route| route.key.clone()).collect();
        failure.hint(format!("its routes: {}", apis::shown(keys)))
    })?;
    let shares = apis::parameter(client, api, route, SHARE).await?;
    opens(route, shares.as_deref() == Some("true"), uri)
}

/// Whether a link opens the route to who could not call it otherwise.
fn opens(route: &Route, shares: bool, uri: &Uri) -> Result<(), Failure> {
    let signature_is_enough = route.authorization_type == "AWS_IAM" && !route.api_key_required;
    if shares || signature_is_enough {
        return Ok(());
    }
    let key = &route.key;
    if !route.api_key_required && matches!(route.authorization_type.as_str(), "" | "NONE") {
        let failure =
            Failure::mistake(format!("everybody may call the route {key} without a link"));
        return Err(failure.hint(format!("give them its address: {uri}")));
    }
    let failure = Failure::mistake(format!("the route {key} does not let in who has a link"));
    Err(failure.hint("say share = true in its [[routes]] of squall.toml, and squall deploy"))
}

/// The API that an address is of, and the path below that.
async fn target(client: &Client, uri: &Uri) -> Result<(String, String), Failure> {
    let host = uri.host().unwrap_or_default();
    let path = uri.path();
    if let Some((api, rest)) = host.split_once('.')
        && rest.split('.').next() == Some(SERVICE)
    {
        return Ok((api.to_owned(), path.to_owned()));
    }
    if let Some(rest) = path.strip_prefix(PREFIX) {
        let (api, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Ok((api.to_owned(), format!("/{path}")));
    }
    let target = format!("/v2/domainnames/{}/apimappings", form::encode(host));
    let mappings = client.rest_json(API, Method::GET, &target, None).await;
    let mappings = match mappings {
        Ok(mappings) => mappings["items"].as_array().cloned().unwrap_or_default(),
        Err(error) if error.is_missing() => Vec::new(),
        Err(error) => return Err(deployment::failed_call(error)),
    };
    let mappings = mappings.into_iter().map(serde_json::from_value);
    let mappings: Vec<Mapping> = mappings.filter_map(Result::ok).collect();
    mapped(&mappings, path).ok_or_else(|| {
        Failure::mistake(format!("{uri} is no address of an API of this engine"))
            .hint("squall status shows the project's; or use /execute-api/API/PATH")
    })
}

/// What the longest key that a path begins with leads to.
fn mapped(mappings: &[Mapping], path: &str) -> Option<(String, String)> {
    let inner = path.trim_start_matches('/');
    let below = |mapping: &Mapping| {
        let rest = inner.strip_prefix(mapping.api_mapping_key.as_str())?;
        let is_whole = mapping.api_mapping_key.is_empty() || rest.is_empty();
        let fits = is_whole || rest.starts_with('/');
        fits.then(|| format!("/{}", rest.trim_start_matches('/')))
    };
    let fitting = mappings.iter().filter(|mapping| below(mapping).is_some());
    let best = fitting.max_by_key(|mapping| mapping.api_mapping_key.len())?;
    let path = below(best)?;
    Some(match best.stage.as_str() {
        STAGE => (best.api_id.clone(), path),
        stage => (best.api_id.clone(), format!("/{stage}{path}")),
    })
}

/// A path without the stage that it begins with.
fn below_stage<'a>(path: &'a str, stages: &[String]) -> &'a str {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let first = inner.split('/').next().unwrap_or_default();
    let named = |stage: &String| stage != STAGE && stage == first;
    match inner.strip_prefix(first) {
        Some("") if stages.iter().any(named) => "/",
        Some(rest) if stages.iter().any(named) => rest,
        _ => path,
    }
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
    #[test]
    fn only_routes_that_a_link_opens_are_shared() {
        let uri: Uri = "http://a/x".parse().unwrap();
        for (route, shares, said) in [
            (json!({"authorizationType": "JWT"}), true, None),
            (json!({"apiKeyRequired": true}), true, None),
            (json!({"authorizationType": "AWS_IAM"}), false, None),
            (
                json!({"authorizationType": "AWS_IAM", "apiKeyRequired": true}),
                false,
                Some("say share = true"),
            ),
            (
                json!({"apiKeyRequired": true}),
                false,
                Some("does not let in who has a link"),
            ),
            (
                json!({"authorizationType": "JWT"}),
                false,
                Some("say share = true"),
            ),
            (
                json!({"authorizationType": "NONE"}),
                false,
                Some("its address: http://a/x"),
            ),
        ] {
            let mut route = route;
            route["routeKey"] = "GET /x".into();
            let shown = route.to_string();
            let route: Route = serde_json::from_value(route).unwrap();
            let failure = opens(&route, shares, &uri).err().map(|it| it.to_string());
            match said {
                None => assert_eq!(failure, None, "{shown}"),
                Some(said) => assert!(failure.unwrap().contains(said), "{shown}"),
            }
        }
    }

    #[test]
    fn a_path_is_found_below_hosts_and_stages() {
        let mapping = |key: &str, api: &str, stage: &str| Mapping {
            api_id: api.to_owned(),
            api_mapping_key: key.to_owned(),
            stage: stage.to_owned(),
        };
        let all = [mapping("", "shop", STAGE), mapping("lab", "lab", "dev")];
        for (path, api, below) in [
            ("/lab/x/7", "lab", "/dev/x/7"),
            ("/lab", "lab", "/dev/"),
            ("/labs", "shop", "/labs"),
            ("/", "shop", "/"),
        ] {
            let found = mapped(&all, path).unwrap();
            assert_eq!((found.0.as_str(), found.1.as_str()), (api, below), "{path}");
        }
        assert_eq!(mapped(&all[1..], "/x"), None);
        let stages = [STAGE.to_owned(), "dev".to_owned()];
        for (path, below) in [
            ("/dev/x", "/x"),
            ("/dev", "/"),
            ("/devs/x", "/devs/x"),
            ("/$default/x", "/$default/x"),
        ] {
            assert_eq!(below_stage(path, &stages), below);
        }
    }
}
