//! What runs at a time: schedules of EventBridge Scheduler in a group of their own, and
//! those that keep functions warm. Only groups have tags, so the group says whose its
//! schedules are.

use std::collections::BTreeMap;

use aws_client::ClientError;
use aws_wire::form;
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

use super::{policy, role};
use crate::calls::{Pauses, SETTLE, all_pages, gone, if_there, patiently, unless_there};
use crate::error::{DeployError, StepError};
use crate::names::{PROJECT_TAG, STAGE_TAG};
use crate::site::{Cloud, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "schedule";
const GROUP: &str = "schedule group";
/// Of the schedule that keeps a function warm; no schedule of a project has a dot.
const WARM: &str = ".warm";
/// As if it were a function of the project, which no function's name can be.
const ROLE: &str = "-schedules";

#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub name: String,
    pub when: String,
    pub timezone: String,
    /// Of an alias.
    pub target: String,
    pub role: String,
    /// JSON.
    pub input: String,
    pub enabled: bool,
}

/// The group, and what is in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Whether there is a group with our tags.
    pub group: bool,
    pub schedules: BTreeMap<String, Wanted>,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let (names, project) = (site.names(), &site.project);
    let role = names.role_arn(ROLE);
    let schedules = project.schedules.iter().map(|(name, schedule)| Wanted {
        name: name.clone(),
        when: schedule.when.clone(),
        timezone: schedule
            .timezone
            .clone()
            .unwrap_or_else(|| "UTC".to_owned()),
        target: names.alias_arn(&schedule.function),
        role: role.clone(),
        input: schedule.input.to_string(),
        enabled: schedule.enabled,
    });
    let warm = project.functions.iter().filter_map(|(name, function)| {
        let warm = function.keep_warm.as_ref()?;
        Some(Wanted {
            name: format!("{name}{WARM}"),
            when: warm.every.clone(),
            timezone: "UTC".to_owned(),
            target: names.alias_arn(name),
            role: role.clone(),
            input: json!({ "squall": { "warm": warm.instances } }).to_string(),
            enabled: true,
        })
    });
    schedules.chain(warm).collect()
}

/// What the scheduler may: invoke the functions that are scheduled, and nothing else.
pub fn role(site: &Site) -> Option<role::Wanted> {
    let mut targets: Vec<_> = wanted(site).into_iter().map(|it| it.target).collect();
    targets.sort();
    targets.dedup();
    (!targets.is_empty()).then(|| role::Wanted {
        name: site.names().of(ROLE),
        service: "scheduler.amazonaws.com",
        policy: policy::document(&[policy::allow(&["lambda:InvokeFunction"], &targets)]),
    })
}

pub async fn read(cloud: &Cloud) -> Result<Found, DeployError> {
    let read = async {
        let group = cloud.names.whole();
        let arn = cloud
            .names
            .arn("scheduler", &format!("schedule-group/{group}"));
        let target = format!("/schedule-groups/{group}");
        let there = if_there(call(cloud, Method::GET, &target, None)).await?;
        // One that is going takes its schedules along.
        if there.is_none_or(|there| there["State"] == "DELETING") {
            return Ok(Found::default());
        }
        let target = format!("/tags/{}", form::encode(&arn));
        let tags = if_there(call(cloud, Method::GET, &target, None)).await?;
        if !cloud.names.are_ours(|tag| tag_of(tags.as_ref()?, tag)) {
            return Ok(Found::default());
        }
        let listed = all_pages("Schedules", "NextToken", |token| {
            let mut target = format!("/schedules?ScheduleGroup={group}&MaxResults=100");
            if let Some(token) = token {
                target = format!("{target}&NextToken={}", form::encode(&token));
            }
            async move { call(cloud, Method::GET, &target, None).await }
        });
        let listed = listed.await?;
        let looks = listed.iter().map(|it| look(cloud, &group, it));
        let schedules = try_join_all(looks).await?.into_iter().flatten();
        Ok(Found {
            group: true,
            schedules: schedules.map(|it| (it.name.clone(), it)).collect(),
        })
    };
    read.await.map_err(DeployError::read("schedules"))
}

fn tag_of<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    let tags = answer["Tags"].as_array()?;
    let tag = tags.iter().find(|tag| tag["Key"] == name)?;
    tag["Value"].as_str()
}

async fn look(cloud: &Cloud, group: &str, listed: &Value) -> Result<Option<Wanted>, ClientError> {
    let name = listed["Name"].as_str().unwrap_or_default();
    let target = format!("/schedules/{}?groupName={group}", form::encode(name));
    let found = if_there(call(cloud, Method::GET, &target, None)).await?;
    Ok(found.map(|found| read_one(name, &found)))
}

fn read_one(name: &str, found: &Value) -> Wanted {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let timezone = found["ScheduleExpressionTimezone"].as_str();
    let target = &found["Target"];
    Wanted {
        name: name.to_owned(),
        when: text(&found["ScheduleExpression"]),
        timezone: timezone.unwrap_or("UTC").to_owned(),
        target: text(&target["Arn"]),
        role: text(&target["RoleArn"]),
        input: text(&target["Input"]),
        enabled: found["State"] != "DISABLED",
    }
}

pub fn plan(wanted: &[Wanted], found: &Found, group: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    if wanted.is_empty() {
        if found.group {
            let left = found.schedules.values();
            let left = left.map(|schedule| format!("with {}", schedule.name));
            let step = Step::draft(Action::Remove, Phase::Schedule, GROUP, group);
            steps.push(step.details(left).work(Work::RemoveGroup));
        }
        return steps;
    }
    for schedule in wanted {
        let (action, details) = match found.schedules.get(&schedule.name) {
            None => (Action::Create, vec![shown(schedule)]),
            Some(there) if is_same(there, schedule) => continue,
            Some(there) => (Action::Update, differences(there, schedule)),
        };
        let step = Step::draft(action, Phase::Schedule, KIND, &schedule.name);
        let work = Work::Put {
            schedule: schedule.clone(),
            needs_group: !found.group,
        };
        steps.push(step.details(details).work(work));
    }
    let left = found.schedules.keys();
    let left = left.filter(|name| !wanted.iter().any(|schedule| schedule.name == **name));
    for name in left {
        let step = Step::draft(Action::Remove, Phase::Schedule, KIND, name);
        steps.push(step.work(Work::Remove(name.clone())));
    }
    steps
}

fn is_same(one: &Wanted, other: &Wanted) -> bool {
    let input = |wanted: &Wanted| serde_json::from_str::<Value>(&wanted.input).ok();
    let same_input = input(one) == input(other);
    let other = Wanted {
        input: one.input.clone(),
        ..other.clone()
    };
    same_input && *one == other
}

/// `cron(0 3 * * ? *) -> features-dev-fit`
fn shown(schedule: &Wanted) -> String {
    let zone = match schedule.timezone.as_str() {
        "UTC" => String::new(),
        zone => format!(" {zone}"),
    };
    let off = if schedule.enabled { "" } else { ", off" };
    let mut parts = schedule.target.rsplit(':').skip(1);
    let function = parts.next().unwrap_or(&schedule.target);
    format!("{}{zone} -> {function}{off}", schedule.when)
}

fn differences(there: &Wanted, schedule: &Wanted) -> Vec<String> {
    let (before, after) = (shown(there), shown(schedule));
    if before != after {
        return vec![format!("{before}, now {after}")];
    }
    let input = there.input != schedule.input;
    let role = there.role != schedule.role;
    let words = [(input, "input"), (role, "role")];
    let words = words.into_iter().filter(|(differs, _)| *differs);
    words.map(|(_, word)| word.to_owned()).collect()
}

#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    Put { schedule: Wanted, needs_group: bool },
    Remove(String),
    RemoveGroup,
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        let group = cloud.names.whole();
        match self {
            Self::Put {
                schedule,
                needs_group,
            } => {
                if *needs_group {
                    make_group(cloud, &group).await?;
                }
                put(cloud, &group, schedule).await?;
            }
            Self::Remove(name) => {
                let target = format!("/schedules/{}?groupName={group}", form::encode(name));
                gone(call(cloud, Method::DELETE, &target, None)).await?;
            }
            // AWS removes what is in it, in its own time.
            Self::RemoveGroup => {
                let target = format!("/schedule-groups/{group}");
                gone(call(cloud, Method::DELETE, &target, None)).await?;
            }
        }
        Ok(())
    }
}

async fn make_group(cloud: &Cloud, group: &str) -> Result<(), StepError> {
    let names = &cloud.names;
    let tags = json!([
        { "Key": PROJECT_TAG, "Value": names.project },
        { "Key": STAGE_TAG, "Value": names.stage },
    ]);
    let body = json!({ "Tags": tags });
    let target = format!("/schedule-groups/{group}");
    let mut pauses = Pauses::new();
    loop {
        let create = call(cloud, Method::POST, &target, Some(&body));
        if unless_there(create, &["ConflictException"]).await? {
            return Ok(());
        }
        // One that was just removed is not gone at once.
        let there = if_there(call(cloud, Method::GET, &target, None)).await?;
        if there.is_some_and(|there| there["State"] != "DELETING") {
            return Ok(());
        }
        if !pauses.next().await {
            return Err(StepError::Unready {
                what: format!("{GROUP} {group}"),
                seconds: SETTLE.as_secs(),
                reason: "the one before it is still being removed".to_owned(),
            });
        }
    }
}

/// The scheduler tries whether it can take the role on, which a role that was just made
/// does not let it at once.
async fn put(cloud: &Cloud, group: &str, schedule: &Wanted) -> Result<(), ClientError> {
    let target = format!("/schedules/{}", form::encode(&schedule.name));
    let body = body(group, schedule);
    let create = || async {
        let create = call(cloud, Method::POST, &target, Some(&body));
        unless_there(create, &["ConflictException"]).await
    };
    if patiently(is_not_yet_assumable, create).await? {
        return Ok(());
    }
    let update = || call(cloud, Method::PUT, &target, Some(&body));
    patiently(is_not_yet_assumable, update).await?;
    Ok(())
}

fn is_not_yet_assumable(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, message, .. } => {
            code == "ValidationException" && message.contains("assume the role")
        }
        _ => false,
    }
}

fn body(group: &str, schedule: &Wanted) -> Value {
    json!({
        "GroupName": group,
        "ScheduleExpression": schedule.when,
        "ScheduleExpressionTimezone": schedule.timezone,
        "State": if schedule.enabled { "ENABLED" } else { "DISABLED" },
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": {
            "Arn": schedule.target,
            "RoleArn": schedule.role,
            "Input": schedule.input,
        },
    })
}

async fn call(
    cloud: &Cloud,
    method: Method,
    target: &str,
    body: Option<&Value>,
) -> Result<Value, ClientError> {
    let client = &cloud.client;
    client.rest_json("scheduler", method, target, body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str) -> Wanted {
        Wanted {
            name: name.to_owned(),
            when: "rate(1 day)".to_owned(),
            timezone: "UTC".to_owned(),
            target: "arn:aws:lambda:us-east-1:1:function:p-dev-fit:live".to_owned(),
            role: "r".to_owned(),
            input: r#"{"a":1,"b":2}"#.to_owned(),
            enabled: true,
        }
    }

    fn found(schedules: &[Wanted]) -> Found {
        let schedules = schedules.iter().cloned();
        Found {
            group: true,
            schedules: schedules.map(|it| (it.name.clone(), it)).collect(),
        }
    }

    #[test]
    fn a_schedule_is_read_as_it_was_put() {
        let put = schedule("nightly");
        assert_eq!(read_one("nightly", &body("g", &put)), put);
        let off = Wanted {
            enabled: false,
            ..put
        };
        assert_eq!(read_one("nightly", &body("g", &off)), off);
    }

    #[test]
    fn the_order_of_members_in_its_input_does_not_matter() {
        let other = Wanted {
            input: r#"{ "b": 2, "a": 1 }"#.to_owned(),
            ..schedule("a")
        };
        assert_eq!(plan(&[schedule("a")], &found(&[other]), "g"), []);
        let changed = Wanted {
            input: "{}".to_owned(),
            ..schedule("a")
        };
        let steps = plan(&[schedule("a")], &found(&[changed]), "g");
        assert_eq!(steps[0].details, ["input"]);
    }

    #[test]
    fn a_change_of_time_is_told() {
        let zoned = Wanted {
            timezone: "Europe/Berlin".to_owned(),
            ..schedule("a")
        };
        let steps = plan(&[zoned], &found(&[schedule("a"), schedule("b")]), "g");
        assert_eq!(
            steps[0].details,
            ["rate(1 day) -> p-dev-fit, now rate(1 day) Europe/Berlin -> p-dev-fit"]
        );
        assert_eq!(steps[1].action, Action::Remove);
        assert_eq!(steps[1].name, "b");
    }

    #[test]
    fn the_group_goes_with_its_last_schedule() {
        let steps = plan(&[], &found(&[schedule("a")]), "g");
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].work, Work::RemoveGroup.into());
        // Also one that never got a schedule.
        assert_eq!(plan(&[], &found(&[]), "g").len(), 1);
        assert_eq!(plan(&[], &Found::default(), "g"), []);
        let new = plan(&[schedule("a")], &Found::default(), "g");
        assert!(matches!(
            &new[0].work,
            super::super::Work::Schedule(Work::Put {
                needs_group: true,
                ..
            })
        ));
    }
}
