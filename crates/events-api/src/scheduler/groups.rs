//! Groups of schedules, and their tags.

use rules::model::Group;
use serde::Deserialize;
use serde_json::{Value, json};
use types::{GroupName, Scope};

use super::{Answer, Query, Tag, bad_token, done, set, show_tags, tags};
use crate::api::EventsApi;
use crate::error::SchedulerError;
use crate::paging;
use crate::validate::{Problems, SCHEDULE_NAME};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tagging {
    #[serde(default)]
    tags: Vec<Tag>,
}

pub(super) async fn create(api: &EventsApi, name: &str, input: Tagging) -> Answer {
    let name = group_name(name)?;
    let group = api.rules.create_group(name, tags(input.tags)).await?;
    Ok(json!({ "ScheduleGroupArn": group.arn(api.rules.scope()) }))
}

pub(super) fn get(api: &EventsApi, name: &str) -> Answer {
    let group = api.rules.group(&group_name(name)?)?;
    Ok(show(&group, api.rules.scope()))
}

pub(super) async fn delete(api: &EventsApi, name: &str) -> Answer {
    api.rules.delete_group(&group_name(name)?).await?;
    Ok(json!({}))
}

pub(super) fn list(api: &EventsApi, query: Query<'_>) -> Answer {
    let mut problems = Problems::default();
    let most = query.most(&mut problems);
    done(problems, Some(()))?;
    let prefix = query.get("NamePrefix").unwrap_or_default();
    let page = paging::cut(
        api.rules.groups(&prefix),
        |group| group.name.to_string(),
        query.get("NextToken").as_deref(),
        most,
    )
    .ok_or_else(bad_token)?;
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|group| show(group, api.rules.scope()))
        .collect();
    let mut answer = json!({ "ScheduleGroups": shown });
    set(&mut answer, "NextToken", page.next);
    Ok(answer)
}

pub(super) fn list_tags(api: &EventsApi, arn: &str) -> Answer {
    let tags = api.rules.group_tags(arn)?;
    Ok(json!({ "Tags": show_tags(&tags) }))
}

pub(super) async fn tag(api: &EventsApi, arn: &str, input: Tagging) -> Answer {
    api.rules.tag_group(arn, tags(input.tags)).await?;
    Ok(json!({}))
}

pub(super) async fn untag(api: &EventsApi, arn: &str, query: Query<'_>) -> Answer {
    let keys: Vec<String> = query.all("TagKeys").collect();
    api.rules.untag_group(arn, &keys).await?;
    Ok(json!({}))
}

fn group_name(name: &str) -> Result<GroupName, SchedulerError> {
    let mut problems = Problems::default();
    let name = problems.name("name", Some(name), SCHEDULE_NAME);
    done(problems, name)
}

fn show(group: &Group, scope: &Scope) -> Value {
    json!({
        "Arn": group.arn(scope),
        "Name": group.name.as_str(),
        "State": "ACTIVE",
        "CreationDate": group.created.seconds(),
        "LastModificationDate": group.updated.seconds(),
    })
}
