//! Usage plans on the wire, as the first version of API Gateway's protocol has them: how
//! often and how much the keys of a plan may call, and what they did.

use std::collections::BTreeMap;

use engine::usage::{NewPlan, Period, Plan, Quota, Reading, Throttle, day_of};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use types::Timestamp;

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::required;
use crate::patch::{Patch, PatchOperation, bad_operation};

/// Of one question about usage, as at AWS.
const MOST_DAYS: i64 = 366;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    api_stages: Vec<ApiStage>,
    throttle: Option<ThrottleMembers>,
    quota: Option<QuotaMembers>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiStage {
    api_id: Option<String>,
    stage: Option<String>,
    #[serde(default)]
    throttle: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleMembers {
    burst_limit: Option<u32>,
    rate_limit: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct QuotaMembers {
    limit: Option<u64>,
    #[serde(default)]
    offset: u64,
    period: Option<Period>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyMembers {
    key_id: Option<String>,
    key_type: Option<String>,
}

pub(crate) async fn operation(call: &Call<'_>, method: &Method, rest: &[&str]) -> Answer {
    let usage = call.usage();
    match (method, rest) {
        (&Method::POST, []) => {
            let plan = usage.create_plan(new(call.members()?)?).await?;
            Ok((StatusCode::CREATED, show(&plan)))
        }
        (&Method::GET, []) => {
            let of_key = call.query("keyId").next();
            let plans = usage.plans();
            let plans = plans
                .iter()
                .filter(|plan| of_key.as_ref().is_none_or(|key| plan.keys.contains(key)));
            let shown: Vec<Value> = plans.map(|plan| show(plan)).collect();
            Ok((StatusCode::OK, json!({ "item": shown })))
        }
        (&Method::GET, [id]) => Ok((StatusCode::OK, show(&*usage.plan(id)?))),
        (&Method::PATCH, [id]) => {
            let patch: Patch = call.members()?;
            let patch = patch.patch_operations;
            let mut bad = None;
            let changed = usage
                .change_plan(id, |plan| {
                    // What the whole comes to is judged, not each step.
                    bad = patch
                        .into_iter()
                        .find_map(|operation| apply(plan, &operation).err());
                    Ok(())
                })
                .await;
            if let Some(bad) = bad {
                return Err(bad);
            }
            Ok((StatusCode::OK, show(&*changed?)))
        }
        (&Method::DELETE, [id]) => {
            usage.delete_plan(id).await?;
            Ok((StatusCode::ACCEPTED, json!({})))
        }
        (_, [id, "keys", rest @ ..]) => keys(call, method, id, rest).await,
        (&Method::GET, [id, "usage"]) => used(call, id).await,
        _ => not_built(method, "/usageplans"),
    }
}

/// The keys of a plan.
async fn keys(call: &Call<'_>, method: &Method, plan: &str, rest: &[&str]) -> Answer {
    let usage = call.usage();
    match (method, rest) {
        (&Method::POST, []) => {
            let members: KeyMembers = call.members()?;
            if members.key_type.as_deref() != Some("API_KEY") {
                return Err(ApiError::invalid("Invalid keyType: it is API_KEY"));
            }
            let key = required(members.key_id, "keyId")?;
            usage.add_key(plan, &key).await?;
            Ok((StatusCode::CREATED, show_key(call, &key)))
        }
        (&Method::GET, []) => {
            let plan = usage.plan(plan)?;
            let shown: Vec<Value> = plan.keys.iter().map(|key| show_key(call, key)).collect();
            Ok((StatusCode::OK, json!({ "item": shown })))
        }
        (&Method::GET, [key]) => {
            if !usage.plan(plan)?.keys.contains(*key) {
                return Err(engine::usage::PlanError::NoKey.into());
            }
            Ok((StatusCode::OK, show_key(call, key)))
        }
        (&Method::DELETE, [key]) => {
            usage.remove_key(plan, key).await?;
            Ok((StatusCode::ACCEPTED, json!({})))
        }
        _ => not_built(method, "/usageplans/.../keys"),
    }
}

/// For each key a list of days, each with what was used and what was left.
async fn used(call: &Call<'_>, id: &str) -> Answer {
    let plan = call.usage().plan(id)?;
    let (from, to) = (date(call, "startDate")?, date(call, "endDate")?);
    let (first, last) = (day_of(from.1), day_of(to.1));
    if last < first || last - first >= MOST_DAYS {
        return Err(ApiError::invalid(format!(
            "Invalid dates: endDate is not before startDate, and at most {MOST_DAYS} days are told at once"
        )));
    }
    let wanted = call.query("keyId").next();
    let mut items = Map::new();
    for key in plan
        .keys
        .iter()
        .filter(|key| wanted.as_ref().is_none_or(|one| one == *key))
    {
        // The period that the first day lies in may have begun before it.
        let began = plan
            .quota
            .map_or(first, |quota| quota.period.days(from.1).first);
        let readings = call.usage().of_key(Some(id), key, began, last).await?;
        items.insert(key.clone(), days(&plan, &readings, first, last));
    }
    Ok((
        StatusCode::OK,
        json!({ "usagePlanId": id, "startDate": from.0, "endDate": to.0, "values": items }),
    ))
}

fn days(plan: &Plan, readings: &[Reading], first: i64, last: i64) -> Value {
    let requests: BTreeMap<i64, u64> = readings
        .iter()
        .map(|reading| (reading.day, reading.amounts.requests))
        .collect();
    let on = |day: &i64| requests.get(day).copied().unwrap_or(0);
    let day = |day: i64| {
        let left = plan.quota.map(|quota| {
            let now = Timestamp(day * 86_400_000);
            let began = quota.period.days(now).first;
            let used: u64 = (began..=day).map(|day| on(&day)).sum();
            Plan::allowed(quota, plan.created, now).saturating_sub(used)
        });
        json!([on(&day), left.unwrap_or(0)])
    };
    (first..=last).map(day).collect()
}

/// `2026-11-21`, and the moment at which that day begins.
fn date(call: &Call<'_>, name: &str) -> Result<(String, Timestamp), ApiError> {
    let text = required(call.query(name).next(), name)?;
    let moment = Timestamp::of_day(&text);
    let moment = moment.ok_or_else(|| {
        ApiError::invalid(format!("Invalid {name}: use a day such as 2026-11-21"))
    })?;
    Ok((text, moment))
}

fn new(members: Members) -> Result<NewPlan, ApiError> {
    let mut stages = vec![];
    for stage in members.api_stages {
        if !stage.throttle.is_empty() {
            return Err(ApiError::invalid(
                "Squall does not provide throttles of single methods: give the plan one",
            ));
        }
        let api = required(stage.api_id, "apiId")?;
        stages.push(format!("{api}/{}", required(stage.stage, "stage")?));
    }
    let throttle = members.throttle.map(|throttle| {
        let rate = throttle.rate_limit;
        let rate = rate.ok_or_else(|| ApiError::invalid("throttle needs rateLimit"))?;
        let burst = throttle.burst_limit;
        let burst = burst.ok_or_else(|| ApiError::invalid("throttle needs burstLimit"))?;
        Ok::<_, ApiError>(Throttle { rate, burst })
    });
    let quota = members.quota.map(|quota| {
        let limit = quota.limit;
        let period = quota.period;
        Ok::<_, ApiError>(Quota {
            limit: limit.ok_or_else(|| ApiError::invalid("quota needs limit"))?,
            offset: quota.offset,
            period: period
                .ok_or_else(|| ApiError::invalid("quota needs period: DAY, WEEK or MONTH"))?,
        })
    });
    Ok(NewPlan {
        name: required(members.name, "name")?,
        description: members.description,
        stages,
        throttle: throttle.transpose()?,
        quota: quota.transpose()?,
        tags: members.tags,
    })
}

fn apply(plan: &mut Plan, operation: &PatchOperation) -> Result<(), ApiError> {
    let PatchOperation { op, path, value } = operation;
    let bad = || bad_operation(operation, "see UpdateUsagePlan");
    let set = matches!(op.as_str(), "replace" | "add");
    let number = || value.parse::<u64>().map_err(|_| bad());
    match path.as_str() {
        "/name" if set => plan.name.clone_from(value),
        "/description" if set => plan.description.clone_from(value),
        // `API:STAGE`, unlike everywhere else.
        "/apiStages" => {
            let stage = value.replacen(':', "/", 1);
            if op == "add" {
                plan.stages.insert(stage);
            } else if op == "remove" {
                plan.stages.remove(&stage);
            } else {
                return Err(bad());
            }
        }
        "/throttle" if op == "remove" => plan.throttle = None,
        "/throttle/rateLimit" if set => {
            let rate = value.parse().map_err(|_| bad())?;
            let burst = plan.throttle.map_or(1, |throttle| throttle.burst);
            plan.throttle = Some(Throttle { rate, burst });
        }
        "/throttle/burstLimit" if set => {
            let burst = value.parse().map_err(|_| bad())?;
            let rate = plan.throttle.map_or(1.0, |throttle| throttle.rate);
            plan.throttle = Some(Throttle { rate, burst });
        }
        "/quota" if op == "remove" => plan.quota = None,
        "/quota/limit" if set => quota(plan).limit = number()?,
        "/quota/offset" if set => quota(plan).offset = number()?,
        "/quota/period" if set => {
            let period = serde_json::from_value(value.as_str().into());
            quota(plan).period = period.map_err(|_| bad())?;
        }
        _ => return Err(bad()),
    }
    Ok(())
}

fn quota(plan: &mut Plan) -> &mut Quota {
    plan.quota.get_or_insert(Quota {
        limit: 1,
        offset: 0,
        period: Period::Month,
    })
}

fn show(plan: &Plan) -> Value {
    let stages = plan.stages.iter().filter_map(|stage| {
        let (api, stage) = stage.split_once('/')?;
        Some(json!({ "apiId": api, "stage": stage }))
    });
    let mut shown = json!({
        "id": plan.id,
        "name": plan.name,
        "apiStages": stages.collect::<Vec<_>>(),
    });
    if !plan.description.is_empty() {
        shown["description"] = plan.description.as_str().into();
    }
    if let Some(Throttle { rate, burst }) = plan.throttle {
        shown["throttle"] = json!({ "rateLimit": rate, "burstLimit": burst });
    }
    if let Some(quota) = plan.quota {
        shown["quota"] = json!(quota);
    }
    if !plan.tags.is_empty() {
        shown["tags"] = json!(plan.tags);
    }
    shown
}

fn show_key(call: &Call<'_>, id: &str) -> Value {
    let known = call.keys().get(id);
    let name = known.map(|key| key.name.clone()).unwrap_or_default();
    json!({ "id": id, "type": "API_KEY", "name": name })
}
