//! Where buckets that are websites answer.

use std::collections::BTreeMap;

use deploy::Cloud;
use serde::Deserialize;

use crate::commands::schedules;

/// Regions whose websites have a dash before the region; in all later ones it is a dot.
const DASHED: [&str; 9] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-gov-west-1",
];

#[derive(Debug, Deserialize)]
struct Info {
    gateway: String,
}

/// Addresses by the buckets' names; none where the place does not say where it serves
/// websites.
pub async fn sites(
    cloud: &Cloud,
    buckets: impl IntoIterator<Item = &String>,
) -> BTreeMap<String, String> {
    let buckets: Vec<&String> = buckets.into_iter().collect();
    let client = &cloud.client;
    if buckets.is_empty() {
        return BTreeMap::new();
    }
    let is_aws = client.endpoint("s3").origin == aws_client::Origin::Aws;
    let port = if is_aws {
        None
    } else {
        let info = client.send(schedules::get("/_squall/info")).await;
        let info = info.ok().and_then(|answer| answer.json::<Info>().ok());
        match info.as_ref().and_then(|info| port(&info.gateway)) {
            Some(port) => Some(port),
            None => return BTreeMap::new(),
        }
    };
    let address = |name: &String| match &port {
        Some(port) => format!("http://{name}.s3-website.localhost:{port}/"),
        None => of_aws(name, &cloud.names.region),
    };
    buckets
        .into_iter()
        .map(|name| (name.clone(), address(name)))
        .collect()
}

/// The text after the last colon of an address.
fn port(address: &str) -> Option<String> {
    let (_, port) = address.trim_end_matches('/').rsplit_once(':')?;
    port.parse::<u16>().ok().map(|port| port.to_string())
}

fn of_aws(bucket: &str, region: &str) -> String {
    let sign = if DASHED.contains(&region) { '-' } else { '.' };
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("http://{bucket}.s3-website{sign}{region}.amazonaws.com{end}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_region() {
        assert_eq!(
            of_aws("b", "us-east-1"),
            "http://b.s3-website-us-east-1.amazonaws.com/"
        );
        assert_eq!(
            of_aws("b", "eu-central-1"),
            "http://b.s3-website.eu-central-1.amazonaws.com/"
        );
        assert_eq!(
            of_aws("b", "cn-north-1"),
            "http://b.s3-website.cn-north-1.amazonaws.com.cn/"
        );
        assert_eq!(port("http://127.0.0.1:8080").as_deref(), Some("8080"));
        assert_eq!(port("nowhere"), None);
    }
}
