//! The HTTP APIs of an engine, for commands that name one, or a route of one: what there
//! is, what is meant, and what to say where it is not there.

use std::collections::BTreeMap;

use aws_wire::form;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Client;
use crate::deployment;
use crate::failure::{Failure, Kind};

/// The stage that deployments make, and who makes an API by hand.
pub const STAGE: &str = "$default";
/// Things that are asked for at one time.
const PAGE: usize = 500;
/// Names in a hint; more would hide what it says.
const SHOWN: usize = 12;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    pub api_id: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    #[serde(rename = "routeKey")]
    pub key: String,
    pub target: Option<String>,
    #[serde(default)]
    pub api_key_required: bool,
    #[serde(default)]
    pub authorization_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    stage_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    #[serde(default)]
    request_parameters: BTreeMap<String, String>,
}

impl Route {
    /// Without the method.
    pub fn path(&self) -> &str {
        let key = &self.key;
        key.split_once(' ').map_or(key, |(_, path)| path)
    }
}

/// One API and one stage of it, both there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub api: String,
    pub stage: String,
}

pub async fn all(client: &Client) -> Result<Vec<Api>, Failure> {
    list(client, "/v2/apis").await
}

pub async fn routes(client: &Client, api: &str) -> Result<Vec<Route>, Failure> {
    list(client, &format!("/v2/apis/{}/routes", form::encode(api))).await
}

pub async fn stages(client: &Client, api: &str) -> Result<Vec<String>, Failure> {
    let target = format!("/v2/apis/{}/stages", form::encode(api));
    let stages: Vec<Stage> = list(client, &target).await?;
    Ok(stages.into_iter().map(|stage| stage.stage_name).collect())
}

/// What the target of a route is told by a parameter of the name.
pub async fn parameter(
    client: &Client,
    api: &str,
    route: &Route,
    name: &str,
) -> Result<Option<String>, Failure> {
    let target = route.target.as_deref().unwrap_or_default();
    let Some(id) = target.strip_prefix("integrations/") else {
        return Ok(None);
    };
    let target = format!(
        "/v2/apis/{}/integrations/{}",
        form::encode(api),
        form::encode(id)
    );
    let integration = get(client, &target).await?;
    let mut integration: Integration = read(integration)?;
    Ok(integration.request_parameters.remove(name))
}

/// `API` or `API/STAGE`, by the API's id or its name.
pub async fn place(client: &Client, all: &[Api], named: &str) -> Result<Place, Failure> {
    let (api, stage) = named.split_once('/').unwrap_or((named, STAGE));
    let api = one(all, api)?.api_id.clone();
    let stages = stages(client, &api).await?;
    if !stages.iter().any(|known| known == stage) {
        let message = format!("the API {api} has no stage {stage:?}");
        return Err(Failure::mistake(message).hint(if stages.is_empty() {
            "it has none yet".to_owned()
        } else {
            format!("it has {}", shown(stages))
        }));
    }
    Ok(Place {
        api,
        stage: stage.to_owned(),
    })
}

/// The one that is meant.
pub fn one<'a>(all: &'a [Api], named: &str) -> Result<&'a Api, Failure> {
    if let Some(api) = all.iter().find(|api| api.api_id == named) {
        return Ok(api);
    }
    let mut fits = all.iter().filter(|api| api.name == named);
    let Some(first) = fits.next() else {
        let failure = Failure::mistake(format!("there is no API {named:?}"));
        return Err(failure.hint(what_there_is(all)));
    };
    let others: Vec<&str> = fits.map(|api| api.api_id.as_str()).collect();
    if others.is_empty() {
        return Ok(first);
    }
    let message = format!("there are several APIs that are called {named:?}");
    let ids = format!("name its id: {}, {}", first.api_id, others.join(", "));
    Err(Failure::mistake(message).hint(ids))
}

/// A hint for who named none of these.
pub fn what_there_is(all: &[Api]) -> String {
    if all.is_empty() {
        return "there are none yet; squall deploy makes one of [[routes]]".to_owned();
    }
    let name = |api: &Api| {
        if api.name == api.api_id {
            api.name.clone()
        } else {
            format!("{} ({})", api.name, api.api_id)
        }
    };
    let names = shown(all.iter().map(name).collect());
    if all.len() == 1 {
        format!("there is {names}")
    } else {
        format!("there are {names}")
    }
}

/// Names in their order, and how many there are besides.
pub fn shown(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let text = names.join(", ");
    if more == 0 {
        text
    } else {
        format!("{text} and {more} more")
    }
}

async fn list<T: DeserializeOwned>(client: &Client, target: &str) -> Result<Vec<T>, Failure> {
    let mut found = Vec::new();
    let mut more = String::new();
    loop {
        let mut page = get(client, &format!("{target}?maxResults={PAGE}{more}")).await?;
        if let Value::Array(items) = page["items"].take() {
            for item in items {
                found.push(read(item)?);
            }
        }
        match page["nextToken"].as_str() {
            Some(token) => more = format!("&nextToken={}", form::encode(token)),
            None => return Ok(found),
        }
    }
}

pub async fn get(client: &Client, target: &str) -> Result<Value, Failure> {
    let answer = client.rest_json("apigateway", Method::GET, target, None);
    answer.await.map_err(deployment::failed_call)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        let error = anyhow::anyhow!("what API Gateway answers cannot be read: {error}");
        Failure::new(Kind::Bug, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apis(names: &[(&str, &str)]) -> Vec<Api> {
        let all = names.iter().map(|(id, name)| Api {
            api_id: (*id).to_owned(),
            name: (*name).to_owned(),
        });
        all.collect()
    }

    #[test]
    fn an_api_is_meant_by_its_id_or_its_name() {
        let all = apis(&[("a", "shop"), ("b", "a"), ("c", "two"), ("d", "two")]);
        assert_eq!(one(&all, "a").unwrap().api_id, "a");
        assert_eq!(one(&all, "shop").unwrap().api_id, "a");
        for (named, told) in [
            (
                "two",
                "error: there are several APIs that are called \"two\"\nhint: name its id: c, d",
            ),
            (
                "three",
                "error: there is no API \"three\"\nhint: there are a (b), shop (a), two (c), two (d)",
            ),
        ] {
            assert_eq!(one(&all, named).unwrap_err().to_string(), told);
        }
        assert_eq!(what_there_is(&apis(&[("lab", "lab")])), "there is lab");
        assert!(what_there_is(&[]).contains("squall deploy"));
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let names = (10..30).map(|n| n.to_string()).collect();
        assert_eq!(
            shown(names),
            "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 and 8 more"
        );
    }
}
