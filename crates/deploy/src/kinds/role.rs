//! Roles, one for each function and one for the schedules, each with a single policy
//! in it that is derived from the project. What someone attached to a role by hand
//! stays, until the role goes.

use std::collections::BTreeMap;

use aws_client::{ClientError, Xml};
use aws_wire::form;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{policy, schedule};
use crate::calls::{all_members, gone, if_there, unless_there};
use crate::error::{DeployError, StepError};
use crate::site::{Cloud, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "role";
const POLICY: &str = "squall";

#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub name: String,
    /// Who takes it on: `lambda.amazonaws.com`.
    pub service: &'static str,
    pub policy: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub trust: Value,
    /// The one policy that is ours, if it got that far.
    pub policy: Option<Value>,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let functions = site.project.functions.keys();
    functions
        .map(|function| Wanted {
            name: site.names().of(function),
            service: "lambda.amazonaws.com",
            policy: policy::of_function(site, function),
        })
        .chain(schedule::role(site))
        .collect()
}

/// All roles under the path of project and stage: being there makes them ours.
pub async fn read(cloud: &Cloud) -> Result<BTreeMap<String, Found>, DeployError> {
    let path = cloud.names.role_path();
    let roles = all_members("Roles", |marker| {
        let path = path.clone();
        async move {
            let mut parameters = vec![("PathPrefix", path.as_str())];
            parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            call(cloud, "ListRoles", &parameters).await
        }
    });
    let roles = roles.await.map_err(DeployError::read("roles"))?;
    // Not every endpoint filters as it was asked to.
    let ours = roles.iter().filter(|role| role.at(&["Path"]) == path);
    let found = try_join_all(ours.map(|role| read_one(cloud, role))).await;
    let found = found.map_err(DeployError::read("policies of roles"))?;
    Ok(found.into_iter().collect())
}

async fn read_one(cloud: &Cloud, role: &Xml) -> Result<(String, Found), ClientError> {
    let name = role.at(&["RoleName"]).to_owned();
    let parameters = [("RoleName", name.as_str()), ("PolicyName", POLICY)];
    let policy = if_there(call(cloud, "GetRolePolicy", &parameters)).await?;
    let found = Found {
        trust: document(role.at(&["AssumeRolePolicyDocument"])),
        policy: policy.map(|answer| document(answer.at(&["PolicyDocument"]))),
    };
    Ok((name, found))
}

/// IAM gives documents percent-encoded.
fn document(text: &str) -> Value {
    serde_json::from_str(&form::decode(text)).unwrap_or_default()
}

pub fn plan(wanted: &[Wanted], found: &BTreeMap<String, Found>) -> Vec<Step> {
    let mut steps = Vec::new();
    for role in wanted {
        let (action, details) = match found.get(&role.name) {
            None => (Action::Create, policy::summary(&role.policy)),
            Some(there) if is_as_wanted(role, there) => continue,
            Some(there) => {
                let before = there.policy.as_ref().map(policy::summary);
                let after = policy::summary(&role.policy);
                (
                    Action::Update,
                    changes(before.as_deref().unwrap_or_default(), &after),
                )
            }
        };
        let step = Step::draft(action, Phase::Role, KIND, &role.name).details(details);
        steps.push(step.work(Work::Put(role.clone())));
    }
    let left = found
        .keys()
        .filter(|name| !wanted.iter().any(|role| role.name == **name));
    for name in left {
        let step = Step::draft(Action::Remove, Phase::Role, KIND, name);
        steps.push(step.work(Work::Remove(name.clone())));
    }
    steps
}

/// A role of that name under another path is somebody else's: AWS has one space of
/// names for all paths.
pub async fn check(cloud: &Cloud, steps: &[Step]) -> Result<(), DeployError> {
    let new = steps.iter().filter_map(|step| match &step.work {
        super::Work::Role(Work::Put(role)) if step.action == Action::Create => Some(&role.name),
        _ => None,
    });
    let looks = new.map(|name| async move {
        let parameters = [("RoleName", name.as_str())];
        let there = if_there(call(cloud, "GetRole", &parameters)).await;
        let there = there.map_err(DeployError::read(format!("role {name}")))?;
        match there.map(|answer| answer.at(&["Role", "Path"]).to_owned()) {
            Some(path) if path != cloud.names.role_path() => Err(DeployError::in_the_way(
                &cloud.names,
                &format!("role {name}"),
            )),
            _ => Ok(()),
        }
    });
    try_join_all(looks).await.map(drop)
}

fn is_as_wanted(role: &Wanted, there: &Found) -> bool {
    there.policy.as_ref() == Some(&role.policy) && there.trust == trust(role.service)
}

/// What it may from now on, and what no longer.
fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let lost = before.iter().filter(|word| !after.contains(word));
    let new = after.iter().filter(|word| !before.contains(word));
    let lost = lost.map(|word| format!("no more {word}"));
    new.cloned().chain(lost).collect()
}

fn trust(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    })
}

#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Made if it is not there, and then as it is wanted.
    Put(Wanted),
    Remove(String),
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        match self {
            Self::Put(role) => put(cloud, role).await?,
            Self::Remove(name) => remove(cloud, name).await?,
        }
        Ok(())
    }
}

async fn put(cloud: &Cloud, role: &Wanted) -> Result<(), ClientError> {
    let (name, path) = (role.name.as_str(), cloud.names.role_path());
    let trust = trust(role.service).to_string();
    let [(project, project_value), (stage, stage_value)] = cloud.names.tags();
    let create = [
        ("RoleName", name),
        ("Path", &path),
        ("AssumeRolePolicyDocument", &trust),
        ("Description", "Made by squall deploy"),
        ("Tags.member.1.Key", project),
        ("Tags.member.1.Value", project_value),
        ("Tags.member.2.Key", stage),
        ("Tags.member.2.Value", stage_value),
    ];
    let create = call(cloud, "CreateRole", &create);
    if !unless_there(create, &["EntityAlreadyExists"]).await? {
        let update = [("RoleName", name), ("PolicyDocument", &trust)];
        call(cloud, "UpdateAssumeRolePolicy", &update).await?;
    }
    let document = role.policy.to_string();
    let policy = [
        ("RoleName", name),
        ("PolicyName", POLICY),
        ("PolicyDocument", &document),
    ];
    call(cloud, "PutRolePolicy", &policy).await?;
    Ok(())
}

/// A role goes only after everything that is in it or attached to it.
async fn remove(cloud: &Cloud, name: &str) -> Result<(), ClientError> {
    let role = ("RoleName", name);
    let inline = if_there(call(cloud, "ListRolePolicies", &[role])).await?;
    for policy in members(inline.as_ref(), "PolicyNames") {
        let policy = [role, ("PolicyName", policy.text.as_str())];
        gone(call(cloud, "DeleteRolePolicy", &policy)).await?;
    }
    let attached = if_there(call(cloud, "ListAttachedRolePolicies", &[role])).await?;
    for policy in members(attached.as_ref(), "AttachedPolicies") {
        let policy = [role, ("PolicyArn", policy.at(&["PolicyArn"]))];
        gone(call(cloud, "DetachRolePolicy", &policy)).await?;
    }
    gone(call(cloud, "DeleteRole", &[role])).await
}

fn members<'a>(answer: Option<&'a Xml>, list: &str) -> &'a [Xml] {
    let list = answer.and_then(|answer| answer.child(list));
    list.map_or(&[], |list| &list.children)
}

async fn call(
    cloud: &Cloud,
    action: &str,
    parameters: &[(&str, &str)],
) -> Result<Xml, ClientError> {
    let client = &cloud.client;
    client.query("iam", "2010-05-08", action, parameters).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, action: &str) -> Wanted {
        Wanted {
            name: name.to_owned(),
            service: "lambda.amazonaws.com",
            policy: policy::document(&[policy::allow(&[action], &["*".to_owned()])]),
        }
    }

    fn as_found(role: &Wanted) -> Found {
        Found {
            trust: trust(role.service),
            policy: Some(role.policy.clone()),
        }
    }

    #[test]
    fn what_is_there_as_wanted_is_left_alone() {
        let role = role("a", "s3:GetObject");
        let found = [("a".to_owned(), as_found(&role))].into();
        assert_eq!(plan(&[role], &found), []);
    }

    #[test]
    fn what_a_role_may_and_may_no_more_is_told() {
        let (old, new) = (role("a", "s3:GetObject"), role("a", "s3:PutObject"));
        let found = BTreeMap::from([
            ("a".to_owned(), as_found(&old)),
            ("left".to_owned(), as_found(&old)),
        ]);
        let steps = plan(std::slice::from_ref(&new), &found);
        assert_eq!(steps[0].action, Action::Update);
        assert_eq!(
            steps[0].details,
            ["s3:PutObject on *", "no more s3:GetObject on *"]
        );
        assert_eq!(steps[1].work, Work::Remove("left".to_owned()).into());
    }

    #[test]
    fn a_role_without_its_policy_is_finished() {
        let role = role("a", "s3:GetObject");
        let found = Found {
            policy: None,
            ..as_found(&role)
        };
        let steps = plan(&[role], &[("a".to_owned(), found)].into());
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].action, Action::Update);
    }
}
