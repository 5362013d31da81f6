//! Log groups of functions. They are made before the function, so that they have a
//! retention and tags, and the function's role need not be allowed to make any.

use std::collections::BTreeMap;

use aws_client::{ClientError, JsonVersion};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::calls::{all_pages, gone, unless_there};
use crate::error::{DeployError, StepError};
use crate::names::{Names, PROJECT_TAG, STAGE_TAG};
use crate::site::{Cloud, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "log group";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub days: Option<u32>,
    pub owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It has the tags of this project and stage.
    Us,
    /// It has none of ours. Under the name of a function it is that function's, made by
    /// its own lines.
    Nobody,
    /// Another project, or stage.
    Others,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let functions = site.project.functions.keys();
    functions
        .map(|function| Wanted {
            name: site.names().log_group(function),
            days: site.project.log_days,
        })
        .collect()
}

pub async fn read(cloud: &Cloud) -> Result<BTreeMap<String, Found>, DeployError> {
    let prefix = cloud.names.log_group("");
    let groups = all_pages("logGroups", "nextToken", |token| {
        let mut body = json!({ "logGroupNamePrefix": prefix });
        if let Some(token) = token {
            body["nextToken"] = token.into();
        }
        call(cloud, "DescribeLogGroups", body)
    });
    let groups = groups.await.map_err(DeployError::read("log groups"))?;
    let read = groups.iter().map(|group| read_one(cloud, group));
    let found = try_join_all(read).await;
    let found = found.map_err(DeployError::read("tags of log groups"))?;
    Ok(found.into_iter().collect())
}

async fn read_one(cloud: &Cloud, group: &Value) -> Result<(String, Found), ClientError> {
    let name = group["logGroupName"].as_str().unwrap_or_default();
    let body = json!({ "resourceArn": cloud.names.log_group_arn(name) });
    let answer = call(cloud, "ListTagsForResource", body).await?;
    let found = Found {
        days: group["retentionInDays"]
            .as_u64()
            .and_then(|days| days.try_into().ok()),
        owner: match &answer["tags"] {
            tags if cloud.names.are_ours(|tag| tags[tag].as_str()) => Owner::Us,
            tags if tags[PROJECT_TAG].is_string() => Owner::Others,
            _ => Owner::Nobody,
        },
    };
    Ok((name.to_owned(), found))
}

/// A group without tags is taken over, one of another project is in the way.
pub fn plan(
    names: &Names,
    wanted: &[Wanted],
    found: &BTreeMap<String, Found>,
) -> Result<Vec<Step>, DeployError> {
    let mut steps = Vec::new();
    for group in wanted {
        let days = format!("{} days", group.days);
        let (action, details) = match found.get(&group.name) {
            None => (Action::Create, vec![days]),
            Some(there) if there.owner == Owner::Others => {
                let what = format!("log group {}", group.name);
                return Err(DeployError::in_the_way(names, &what));
            }
            Some(there) if there.owner == Owner::Us && there.days == Some(group.days) => continue,
            Some(there) => {
                let before = there.days;
                let before = before.map_or("for ever".to_owned(), |days| format!("{days} days"));
                let details = (before != days).then(|| format!("{before} -> {days}"));
                (Action::Update, details.into_iter().collect())
            }
        };
        let step = Step::draft(action, Phase::LogGroup, KIND, &group.name).details(details);
        steps.push(step.work(Work::Put(group.clone())));
    }
    let left = found.iter().filter(|(name, there)| {
        there.owner == Owner::Us && !wanted.iter().any(|group| group.name == **name)
    });
    for (name, _) in left {
        let step = Step::draft(Action::Remove, Phase::LogGroup, KIND, name);
        steps.push(step.work(Work::Remove(name.clone())));
    }
    Ok(steps)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Made if it is not there, and then as it is wanted.
    Put(Wanted),
    Remove(String),
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        match self {
            Self::Put(group) => put(cloud, group).await?,
            Self::Remove(name) => {
                let body = json!({ "logGroupName": name });
                gone(call(cloud, "DeleteLogGroup", body)).await?;
            }
        }
        Ok(())
    }
}

async fn put(cloud: &Cloud, group: &Wanted) -> Result<(), ClientError> {
    let (names, name) = (&cloud.names, &group.name);
    let tags = json!({ PROJECT_TAG: names.project, STAGE_TAG: names.stage });
    let body = json!({ "logGroupName": name, "tags": tags });
    let create = call(cloud, "CreateLogGroup", body);
    let made = unless_there(create, &["ResourceAlreadyExistsException"]).await?;
    if !made {
        let body = json!({ "resourceArn": names.log_group_arn(name), "tags": tags });
        call(cloud, "TagResource", body).await?;
    }
    let body = json!({ "logGroupName": name, "retentionInDays": group.days });
    call(cloud, "PutRetentionPolicy", body).await?;
    Ok(())
}

async fn call(cloud: &Cloud, operation: &str, body: Value) -> Result<Value, ClientError> {
    let target = format!("Logs_20140328.{operation}");
    let client = &cloud.client;
    client.json("logs", JsonVersion::V1_1, &target, &body).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::function::tests::names;

    fn wanted(name: &str) -> Wanted {
        Wanted {
            name: name.to_owned(),
            days: 14,
        }
    }

    fn found(days: Option<u32>, owner: Owner) -> Found {
        Found { days, owner }
    }

    #[test]
    fn only_what_differs_is_changed_and_only_what_is_ours_removed() {
        let found = [
            ("as-wanted", found(Some(14), Owner::Us)),
            ("other-days", found(Some(7), Owner::Us)),
            ("made-by-itself", found(None, Owner::Nobody)),
            ("left", found(Some(14), Owner::Us)),
            ("somebody's", found(None, Owner::Nobody)),
        ];
        let found = found.map(|(name, group)| (name.to_owned(), group)).into();
        let wanted = ["new", "as-wanted", "other-days", "made-by-itself"].map(wanted);
        let steps = plan(&names(), &wanted, &found).unwrap();
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.action, step.name.as_str(), step.details.join(", ")))
            .collect();
        assert_eq!(
            told,
            [
                (Action::Create, "new", "14 days".to_owned()),
                (Action::Update, "other-days", "7 days -> 14 days".to_owned()),
                (
                    Action::Update,
                    "made-by-itself",
                    "for ever -> 14 days".to_owned()
                ),
                (Action::Remove, "left", String::new()),
            ]
        );
    }

    #[test]
    fn a_group_of_another_project_is_in_the_way() {
        let found = [("theirs".to_owned(), found(Some(14), Owner::Others))].into();
        assert!(plan(&names(), &[wanted("theirs")], &found).is_err());
        assert_eq!(plan(&names(), &[], &found).unwrap(), []);
    }
}
