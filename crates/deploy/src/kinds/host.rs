//! Host names of a project's own: each leads to its API, as a whole.

use std::collections::BTreeMap;

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{self, call, items};
use crate::calls::{gone, if_there, unless_there};
use crate::error::{DeployError, StepError};
use crate::names::Names;
use crate::site::{Cloud, Known, Made, Site, Target};
use crate::step::{Action, Phase, Step};

const KIND: &str = "host";
const DOMAINS: &str = "/v2/domainnames";

/// By name.
pub type Wanted = BTreeMap<String, WantedHost>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedHost {
    /// Of AWS; the engine has certificates of its own.
    pub certificate: Option<String>,
}

/// All that there are, by name.
pub type Found = BTreeMap<String, Host>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub ours: bool,
    pub certificate: Option<String>,
    /// The name that the world's name servers shall point to, where AWS says one.
    pub target: Option<String>,
    pub mappings: Vec<Mapping>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub id: String,
    pub api: String,
    pub stage: String,
    /// What paths begin with; empty is all.
    pub key: String,
}

pub fn wanted(site: &Site) -> Wanted {
    let project = &site.project;
    if project.routes.is_empty() {
        return Wanted::new();
    }
    let certificate = project.gateway.certificate.clone();
    let certificate = certificate.filter(|_| site.cloud.target == Target::Aws);
    let hosts = project.gateway.hosts.iter().map(|host| {
        let certificate = certificate.clone();
        (host.clone(), WantedHost { certificate })
    });
    hosts.collect()
}

pub async fn read(cloud: &Cloud) -> Result<Found, DeployError> {
    let found = async {
        let hosts = items(cloud, DOMAINS).await?;
        let hosts = try_join_all(hosts.iter().map(|host| look(cloud, host))).await?;
        Ok(hosts.into_iter().collect())
    };
    found.await.map_err(DeployError::read("host names"))
}

async fn look(cloud: &Cloud, host: &Value) -> Result<(String, Host), ClientError> {
    let name = text(&host["domainName"]).unwrap_or_default();
    let ours = cloud.names.are_ours(|tag| host["tags"][tag].as_str());
    let mappings = if ours {
        items(cloud, &mappings_of(&name)).await?
    } else {
        Vec::new()
    };
    let mappings = mappings.iter().map(|mapping| Mapping {
        id: text(&mapping["apiMappingId"]).unwrap_or_default(),
        api: text(&mapping["apiId"]).unwrap_or_default(),
        stage: text(&mapping["stage"]).unwrap_or_default(),
        key: text(&mapping["apiMappingKey"]).unwrap_or_default(),
    });
    let configuration = &host["domainNameConfigurations"][0];
    let found = Host {
        ours,
        certificate: text(&configuration["certificateArn"]),
        target: text(&configuration["apiGatewayDomainName"]),
        mappings: mappings.collect(),
    };
    Ok((name, found))
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn domain(name: &str) -> String {
    format!("{DOMAINS}/{}", form::encode(name))
}

fn mappings_of(name: &str) -> String {
    format!("{}/apimappings", domain(name))
}

/// `api` is the id of the API that is there.
pub fn plan(
    names: &Names,
    wanted: &Wanted,
    found: &Found,
    api: Option<&str>,
) -> Result<Vec<Step>, DeployError> {
    let mut steps = Vec::new();
    for (name, host) in wanted {
        let there = found.get(name);
        if there.is_some_and(|there| !there.ours) {
            return Err(DeployError::in_the_way(names, &format!("the host {name}")));
        }
        let leads = there.is_some_and(|there| {
            let mut mappings = there.mappings.iter();
            mappings.len() == 1
                && mappings.any(|it| {
                    Some(it.api.as_str()) == api && it.stage == api::STAGE && it.key.is_empty()
                })
        });
        // One that an engine keeps for its clients says nothing to a project.
        let is_same = there.is_some_and(|there| {
            host.certificate.is_none() || there.certificate == host.certificate
        });
        if leads && is_same {
            continue;
        }
        let action = if there.is_some() {
            Action::Update
        } else {
            Action::Create
        };
        let details = [
            (!leads).then(|| format!("leads to {}", names.whole())),
            host.certificate
                .as_ref()
                .filter(|_| !is_same)
                .map(|arn| format!("certificate {arn}")),
        ];
        let step = Step::draft(action, Phase::Host, KIND, name);
        let step = step.details(details.into_iter().flatten());
        steps.push(step.work(Work::Put {
            name: name.clone(),
            certificate: host.certificate.clone(),
            there: there.cloned(),
        }));
    }
    let left = found.iter();
    let left = left.filter(|(name, there)| there.ours && !wanted.contains_key(*name));
    for (name, _) in left {
        let step = Step::draft(Action::Remove, Phase::Host, KIND, name);
        steps.push(step.work(Work::Remove(name.clone())));
    }
    Ok(steps)
}

/// What is known of hosts that stay.
pub fn known(found: &Found, known: &mut Known) {
    let ours = found.iter().filter(|(_, host)| host.ours);
    known.hosts = ours
        .map(|(name, host)| (name.clone(), host.target.clone()))
        .collect();
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Put {
        name: String,
        certificate: Option<String>,
        there: Option<Host>,
    },
    Remove(String),
}

impl Work {
    pub async fn run(&self, cloud: &Cloud, made: &Made) -> Result<(), StepError> {
        match self {
            Self::Put {
                name,
                certificate,
                there,
            } => {
                let known = made.now().api.clone();
                let known = known.ok_or_else(|| StepError::Order("the HTTP API".to_owned()));
                let (api, _) = known?;
                let target = put(cloud, name, certificate.as_ref(), there.as_ref()).await?;
                map(cloud, name, &api, there.as_ref()).await?;
                made.now().hosts.insert(name.clone(), target);
            }
            Self::Remove(name) => {
                let there = if_there(items(cloud, &mappings_of(name))).await?;
                for mapping in there.unwrap_or_default() {
                    let id = text(&mapping["apiMappingId"]).unwrap_or_default();
                    let target = format!("{}/{id}", mappings_of(name));
                    gone(call(cloud, Method::DELETE, &target, None)).await?;
                }
                gone(call(cloud, Method::DELETE, &domain(name), None)).await?;
                made.now().hosts.remove(name);
            }
        }
        Ok(())
    }
}

/// Makes the name, and answers where name servers shall point.
async fn put(
    cloud: &Cloud,
    name: &str,
    certificate: Option<&String>,
    there: Option<&Host>,
) -> Result<Option<String>, ClientError> {
    let mut configuration = json!({ "endpointType": "REGIONAL", "securityPolicy": "TLS_1_2" });
    if let Some(arn) = certificate {
        configuration["certificateArn"] = arn.as_str().into();
    }
    let mut body = json!({ "domainNameConfigurations": [configuration] });
    if let Some(there) = there {
        if certificate.is_some() && there.certificate.as_ref() != certificate {
            call(cloud, Method::PATCH, &domain(name), Some(&body)).await?;
        }
        return Ok(there.target.clone());
    }
    let tags = cloud.names.tags();
    let tags: BTreeMap<_, _> = tags.into_iter().collect();
    body["domainName"] = name.into();
    body["tags"] = json!(tags);
    let created = call(cloud, Method::POST, DOMAINS, Some(&body)).await;
    let made = match created {
        Ok(made) => made,
        // AWS says so of a name that is there. If it is ours, this very call made it, and its
        // answer was lost.
        Err(error) if matches!(error.code(), "BadRequestException" | "ConflictException") => {
            let there = if_there(call(cloud, Method::GET, &domain(name), None)).await?;
            let is_ours = |host: &Value| cloud.names.are_ours(|tag| host["tags"][tag].as_str());
            there.filter(is_ours).ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    Ok(text(
        &made["domainNameConfigurations"][0]["apiGatewayDomainName"],
    ))
}

/// One mapping, to this API: others that a host of ours has go.
async fn map(
    cloud: &Cloud,
    name: &str,
    api: &str,
    there: Option<&Host>,
) -> Result<(), ClientError> {
    let mappings = there.map(|there| there.mappings.as_slice());
    let mappings = mappings.unwrap_or_default();
    let is_right = |it: &&Mapping| it.api == api && it.stage == api::STAGE && it.key.is_empty();
    let right = mappings.iter().find(is_right);
    // Two that take the same paths are refused: so another one makes room first.
    for mapping in mappings.iter().filter(|it| Some(*it) != right) {
        let target = format!("{}/{}", mappings_of(name), mapping.id);
        gone(call(cloud, Method::DELETE, &target, None)).await?;
    }
    if right.is_none() {
        let body = json!({ "apiId": api, "stage": api::STAGE });
        let target = mappings_of(name);
        let create = call(cloud, Method::POST, &target, Some(&body));
        unless_there(create, &["ConflictException"]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::function::tests::names;

    fn host(ours: bool, api: &str) -> Host {
        Host {
            ours,
            certificate: Some("arn".to_owned()),
            target: None,
            mappings: vec![Mapping {
                id: "m".to_owned(),
                api: api.to_owned(),
                stage: api::STAGE.to_owned(),
                key: String::new(),
            }],
        }
    }

    fn steps(wanted: &[(&str, Option<&str>)], found: &[(&str, Host)]) -> Vec<String> {
        let wanted = wanted.iter().map(|(name, certificate)| {
            let certificate = certificate.map(str::to_owned);
            ((*name).to_owned(), WantedHost { certificate })
        });
        let found = found.iter();
        let found = found.map(|(name, host)| ((*name).to_owned(), host.clone()));
        match plan(&names(), &wanted.collect(), &found.collect(), Some("x")) {
            Ok(steps) => steps
                .iter()
                .map(|step| {
                    let details = step.details.join("; ");
                    format!("{} {} {details}", step.action.name(), step.name)
                })
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn hosts_come_change_and_go() {
        assert_eq!(steps(&[("a.b", None)], &[]), ["create a.b leads to p-dev"]);
        assert!(steps(&[("a.b", None)], &[("a.b", host(true, "x"))]).is_empty());
        assert_eq!(
            steps(&[("a.b", Some("new"))], &[("a.b", host(true, "y"))]),
            ["update a.b leads to p-dev; certificate new"]
        );
        assert_eq!(
            steps(&[], &[("a.b", host(true, "x")), ("c.d", host(false, "x"))]),
            ["remove a.b "]
        );
        let refused = steps(&[("a.b", None)], &[("a.b", host(false, "x"))]);
        assert!(
            refused[0].contains("the host a.b is there already"),
            "{refused:?}"
        );
    }
}
