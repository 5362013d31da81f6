//! Usage plans on the wire, as the first version of API Gateway's protocol has them: how
//! often and how much the keys of a plan may call, and what they did.

use std::collections::BTreeMap;

use engine::usage::{NewPlan, Period, Plan, PlanError, Quota, Reading, Throttle, day_of};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use types::Timestamp;

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::required;
use crate::patch::{Patch, PatchOperation, bad_operation};
use crate::position;

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
    /// By path and method, as in `/pets/GET`.
    #[serde(default)]
    throttle: BTreeMap<String, ThrottleMembers>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleMembers {
    burst_limit: Option<u32>,
    rate_limit: Option<f64>,
}

impl ThrottleMembers {
    fn read(self) -> Result<Throttle, ApiError> {
        let (rate, burst) = (self.rate_limit, self.burst_limit);
        Ok(Throttle {
            rate: rate.ok_or_else(|| ApiError::invalid("throttle needs rateLimit"))?,
            burst: burst.ok_or_else(|| ApiError::invalid("throttle needs burstLimit"))?,
        })
    }
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
            let mut plans = usage.plans();
            plans.retain(|plan| of_key.as_ref().is_none_or(|key| plan.keys.contains(key)));
            let page = position::page(call, &plans, |plan| plan.id.clone(), |plan| show(plan))?;
            Ok((StatusCode::OK, page))
        }
        (&Method::GET, [id]) => Ok((StatusCode::OK, show(&*usage.plan(id)?))),
        (&Method::PATCH, [id]) => {
            let patch: Patch = call.members()?;
            let patch = patch.patch_operations;
            let mut bad = None;
            let apply = |plan: &mut Plan| {
                // What the whole comes to is judged, not each step; of steps that cannot
                // all be done, none is.
                let mut steps = patch.iter();
                bad = steps.find_map(|operation| apply(plan, operation).err());
                match bad {
                    None => Ok(()),
                    Some(_) => Err(PlanError::Invalid(String::new())),
                }
            };
            let changed = usage.change_plan(id, apply).await;
            if let Some(bad) = bad {
                return Err(bad);
            }
            Ok((StatusCode::OK, show(&*changed?)))
        }
        (&Method::DELETE, [id]) => {
            usage.delete_plan(id).await?;
            Ok((StatusCode::ACCEPTED, json!({})))
        }
        (&Method::PATCH, [id, "keys", key, "usage"]) => grant(call, id, key).await,
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
            let named = call.query("name").next().unwrap_or_default();
            let mut shown: Vec<Value> = vec![];
            for key in &usage.plan(plan)?.keys {
                let key = show_key(call, key);
                let name = key["name"].as_str().unwrap_or_default();
                if name.starts_with(&named) {
                    shown.push(key);
                }
            }
            let id = |key: &Value| key["id"].as_str().unwrap_or_default().to_owned();
            Ok((
                StatusCode::OK,
                position::page(call, &shown, id, Value::clone)?,
            ))
        }
        (&Method::GET, [key]) => {
            if !usage.plan(plan)?.keys.contains(*key) {
                return Err(PlanError::NoKey.into());
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
        let usage = call.usage();
        let readings = usage.of_key(Some(id), key, began, last).await?;
        let left = |day| usage.allowed_on(&plan, key, day);
        items.insert(key.clone(), days(&plan, &readings, first, last, left));
    }
    Ok((
        StatusCode::OK,
        json!({ "usagePlanId": id, "startDate": from.0, "endDate": to.0, "values": items }),
    ))
}

/// What a key may still call in the period of now, whatever it has called, until it ends.
async fn grant(call: &Call<'_>, id: &str, key: &str) -> Answer {
    let patch: Patch = call.members()?;
    let now = Timestamp::now();
    for operation in &patch.patch_operations {
        let PatchOperation { op, path, value } = operation;
        let bad = || bad_operation(operation, "replace /remaining with a number");
        let remaining = value.parse::<u64>().map_err(|_| bad())?;
        if (op.as_str(), path.as_str()) != ("replace", "/remaining") {
            return Err(bad());
        }
        call.usage().set_remaining(id, key, remaining, now).await?;
    }
    let usage = call.usage();
    let plan = usage.plan(id)?;
    let today = day_of(now);
    let began = plan
        .quota
        .map_or(today, |quota| quota.period.days(now).first);
    let readings = usage.of_key(Some(id), key, began, today).await?;
    let left = |day| usage.allowed_on(&plan, key, day);
    let date = now.rfc3339().chars().take(10).collect::<String>();
    Ok((
        StatusCode::OK,
        json!({
            "usagePlanId": id,
            "startDate": date,
            "endDate": date,
            "values": { key: days(&plan, &readings, today, today, left) },
        }),
    ))
}

/// For each day how many calls there were, and how many were left.
fn days(
    plan: &Plan,
    readings: &[Reading],
    first: i64,
    last: i64,
    allowed: impl Fn(Timestamp) -> Option<u64>,
) -> Value {
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
            allowed(now).unwrap_or(0).saturating_sub(used)
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
    let mut methods = BTreeMap::new();
    for stage in members.api_stages {
        let api = required(stage.api_id, "apiId")?;
        let name = format!("{api}/{}", required(stage.stage, "stage")?);
        let mut of_stage = BTreeMap::new();
        for (method, throttle) in stage.throttle {
            of_stage.insert(method, throttle.read()?);
        }
        if !of_stage.is_empty() {
            methods.insert(name.clone(), of_stage);
        }
        stages.push(name);
    }
    let throttle = members.throttle.map(ThrottleMembers::read);
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
        methods,
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
                plan.methods.remove(&stage);
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
        path => match path.strip_prefix("/apiStages/") {
            Some(below) => of_stage(plan, op, below, value).ok_or_else(bad)?,
            None => return Err(bad()),
        },
    }
    Ok(())
}

/// Throttles of single methods: `API:STAGE/throttle/PATH/METHOD/rateLimit`, where the
/// path may be written with `~1` for its slashes, as in a JSON pointer.
fn of_stage(plan: &mut Plan, op: &str, below: &str, value: &str) -> Option<()> {
    let (stage, below) = below.split_once('/')?;
    let stage = stage.replacen(':', "/", 1);
    let below = below.strip_prefix("throttle")?;
    if below.is_empty() && op == "remove" {
        plan.methods.remove(&stage);
        return Some(());
    }
    let (below, what) = match below.rsplit_once('/') {
        Some((below, what @ ("rateLimit" | "burstLimit"))) => (below, Some(what)),
        _ => (below, None),
    };
    let method = below
        .strip_prefix('/')?
        .replace("~1", "/")
        .replace("~0", "~");
    let method = if method.starts_with(['/', '$']) {
        method
    } else {
        format!("/{method}")
    };
    let methods = plan.methods.entry(stage.clone()).or_default();
    match (op, what) {
        ("remove", _) => drop(methods.remove(&method)),
        ("add" | "replace", Some(what)) => {
            let throttle = methods.entry(method).or_insert(Throttle {
                rate: 1.0,
                burst: 1,
            });
            if what == "rateLimit" {
                throttle.rate = value.parse().ok()?;
            } else {
                throttle.burst = value.parse().ok()?;
            }
        }
        _ => return None,
    }
    if methods.is_empty() {
        plan.methods.remove(&stage);
    }
    Some(())
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
        let (api, name) = stage.split_once('/')?;
        let mut shown = json!({ "apiId": api, "stage": name });
        if let Some(methods) = plan.methods.get(stage) {
            let methods = methods.iter();
            shown["throttle"] = methods
                .map(|(method, throttle)| (method.clone(), show_throttle(*throttle)))
                .collect();
        }
        Some(shown)
    });
    let mut shown = json!({
        "id": plan.id,
        "name": plan.name,
        "apiStages": stages.collect::<Vec<_>>(),
    });
    if !plan.description.is_empty() {
        shown["description"] = plan.description.as_str().into();
    }
    if let Some(throttle) = plan.throttle {
        shown["throttle"] = show_throttle(throttle);
    }
    if let Some(quota) = plan.quota {
        shown["quota"] = json!(quota);
    }
    if !plan.tags.is_empty() {
        shown["tags"] = json!(plan.tags);
    }
    shown
}

fn show_throttle(Throttle { rate, burst }: Throttle) -> Value {
    json!({ "rateLimit": rate, "burstLimit": burst })
}

fn show_key(call: &Call<'_>, id: &str) -> Value {
    let known = call.keys().get(id);
    let name = known.map(|key| key.name.clone()).unwrap_or_default();
    json!({ "id": id, "type": "API_KEY", "name": name })
}
