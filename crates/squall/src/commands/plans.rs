//! `squall plans`: usage plans, made, changed and filled with keys over API Gateway's
//! protocol.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{self, call};
use crate::apis::{Place, STAGE};
use crate::args::{Global, PlanBounds, PlansAction, PlansArgs};
use crate::client::{self, Client};
use crate::deployment;
use crate::failure::{Failure, Kind};
use crate::output::{self, Table};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    api_stages: Vec<Stage>,
    throttle: Option<Throttle>,
    pub quota: Option<Quota>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    api_id: String,
    stage: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttle {
    rate_limit: f64,
    burst_limit: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Quota {
    pub limit: u64,
    pub period: String,
}

pub async fn run(global: &Global, args: PlansArgs) -> Result<(), Failure> {
    keys::counted_at(args.to)?;
    let client = client::find(global)?;
    match args.action {
        None | Some(PlansAction::List) => list(global, &client).await,
        Some(PlansAction::Create { name, bounds }) => {
            let places = keys::places(&client, &bounds.api).await?;
            let body = wish(&name, &bounds, &places)?;
            let made = call(&client, Method::POST, "/usageplans", Some(&body)).await?;
            tell(global, &read(made)?, "made the plan")
        }
        Some(PlansAction::Set { plan, bounds }) => {
            let plan = find(&client, &plan).await?;
            let places = keys::places(&client, &bounds.api).await?;
            let body = json!({ "patchOperations": changes(&plan, &bounds, &places)? });
            let target = format!("/usageplans/{}", plan.id);
            let changed = call(&client, Method::PATCH, &target, Some(&body)).await?;
            tell(global, &read(changed)?, "changed the plan")
        }
        Some(PlansAction::Add { plan, key }) => {
            let (plan, id) = (find(&client, &plan).await?, key_id(&client, &key).await?);
            let body = json!({ "keyId": id, "keyType": "API_KEY" });
            let target = format!("/usageplans/{}/keys", plan.id);
            call(&client, Method::POST, &target, Some(&body)).await?;
            tell(
                global,
                &plan,
                &format!("the key {key} calls under the plan"),
            )
        }
        Some(PlansAction::Remove { plan, key }) => {
            let (plan, id) = (find(&client, &plan).await?, key_id(&client, &key).await?);
            let target = format!("/usageplans/{}/keys/{id}", plan.id);
            call(&client, Method::DELETE, &target, None).await?;
            let what = format!("the key {key} is no longer in the plan");
            tell(global, &plan, &what)
        }
        Some(PlansAction::Rm { plan, yes }) => {
            let plan = find(&client, &plan).await?;
            let what = format!("the plan {}; its keys are without bounds then", plan.name);
            deployment::confirm(global, &what, yes)?;
            let target = format!("/usageplans/{}", plan.id);
            let remove = |it: &Stage| {
                let stage = format!("{}:{}", it.api_id, it.stage);
                json!({ "op": "remove", "path": "/apiStages", "value": stage })
            };
            let stages: Vec<Value> = plan.api_stages.iter().map(remove).collect();
            let body = json!({ "patchOperations": stages });
            call(&client, Method::PATCH, &target, Some(&body)).await?;
            call(&client, Method::DELETE, &target, None).await?;
            tell(global, &plan, "removed the plan")
        }
    }
}

fn tell(global: &Global, plan: &Plan, what: &str) -> Result<(), Failure> {
    if global.json {
        output::json(&described(plan))?;
    } else {
        output::note(&format!("{what} {} ({})", plan.name, plan.id));
    }
    Ok(())
}

fn wish(name: &str, bounds: &PlanBounds, places: &[Place]) -> Result<Value, Failure> {
    let stages = places
        .iter()
        .map(|place| json!({ "apiId": place.api, "stage": place.stage }));
    let mut body = json!({ "name": name, "apiStages": stages.collect::<Vec<_>>() });
    match (bounds.rate, bounds.burst) {
        (Some(rate), burst) => {
            let burst = burst.unwrap_or_else(|| burst_of(rate));
            body["throttle"] = json!({ "rateLimit": rate, "burstLimit": burst });
        }
        (None, Some(_)) => {
            return Err(Failure::mistake("--burst needs --rate")
                .hint("--rate says how many calls a second are served in the long run"));
        }
        (None, None) => {}
    }
    if let Some(text) = &bounds.quota {
        let (limit, period) = quota(text)?;
        body["quota"] = json!({ "limit": limit, "period": period });
    }
    Ok(body)
}

fn changes(plan: &Plan, bounds: &PlanBounds, places: &[Place]) -> Result<Vec<Value>, Failure> {
    let change =
        |op: &str, path: &str, value: String| json!({ "op": op, "path": path, "value": value });
    let join = |place: &Place| {
        let stage = format!("{}:{}", place.api, place.stage);
        change("add", "/apiStages", stage)
    };
    let mut all: Vec<Value> = places.iter().map(join).collect();
    if let Some(rate) = bounds.rate {
        all.push(change("replace", "/throttle/rateLimit", rate.to_string()));
        if plan.throttle.is_none() && bounds.burst.is_none() {
            let burst = burst_of(rate).to_string();
            all.push(change("replace", "/throttle/burstLimit", burst));
        }
    }
    if let Some(burst) = bounds.burst {
        all.push(change("replace", "/throttle/burstLimit", burst.to_string()));
    }
    if let Some(text) = &bounds.quota {
        let (limit, period) = quota(text)?;
        all.push(change("replace", "/quota/limit", limit.to_string()));
        all.push(change("replace", "/quota/period", period.to_owned()));
    }
    if all.is_empty() {
        return Err(Failure::mistake("nothing is said that shall be different")
            .hint("--api, --rate, --burst or --quota"));
    }
    Ok(all)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that is no sensible number is refused by who keeps the plan"
)]
fn burst_of(rate: f64) -> u32 {
    rate.ceil().max(1.0) as u32
}

/// `1000/day`.
fn quota(text: &str) -> Result<(u64, &'static str), Failure> {
    let read = text.split_once('/').and_then(|(limit, period)| {
        let period = match period {
            "day" => "DAY",
            "week" => "WEEK",
            "month" => "MONTH",
            _ => return None,
        };
        Some((limit.parse().ok()?, period))
    });
    read.ok_or_else(|| {
        Failure::mistake(format!("{text:?} is no quota")).hint("such as 1000/day or 20000/month")
    })
}

async fn list(global: &Global, client: &Client) -> Result<(), Failure> {
    let plans = all(client).await?;
    if global.json {
        let shown: Vec<Value> = plans.iter().map(described).collect();
        output::json(&shown)?;
        return Ok(());
    }
    if plans.is_empty() {
        output::note("no plans yet: squall plans create --name NAME makes one");
        return Ok(());
    }
    let mut table = Table::new(&["PLAN", "ID", "APIS", ">RATE", ">BURST", ">QUOTA"]);
    for plan in &plans {
        let (rate, burst) = plan.throttle.as_ref().map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |it| (format!("{}/s", it.rate_limit), it.burst_limit.to_string()),
        );
        let quota = plan.quota.as_ref().map_or_else(
            || "-".to_owned(),
            |it| format!("{}/{}", it.limit, it.period.to_lowercase()),
        );
        let apis = plan.apis().join(" ");
        table.row([plan.name.clone(), plan.id.clone(), apis, rate, burst, quota]);
    }
    output::bytes(table.render().as_bytes())?;
    Ok(())
}

impl Plan {
    fn apis(&self) -> Vec<String> {
        let stages = self.api_stages.iter();
        stages
            .map(|it| match it.stage.as_str() {
                STAGE => it.api_id.clone(),
                stage => format!("{}/{stage}", it.api_id),
            })
            .collect()
    }
}

fn described(plan: &Plan) -> Value {
    json!({
        "id": plan.id,
        "name": plan.name,
        "apis": plan.apis(),
        "rate": plan.throttle.as_ref().map(|it| it.rate_limit),
        "burst": plan.throttle.as_ref().map(|it| it.burst_limit),
        "quota": plan.quota.as_ref().map(|it| json!({
            "limit": it.limit,
            "period": it.period.to_lowercase(),
        })),
    })
}

pub(super) async fn all(client: &Client) -> Result<Vec<Plan>, Failure> {
    let mut page = call(client, Method::GET, "/usageplans?limit=500", None).await?;
    let items = page["item"].take();
    let items = items.as_array().into_iter().flatten();
    items.cloned().map(read).collect()
}

async fn find(client: &Client, named: &str) -> Result<Plan, Failure> {
    let plans = all(client).await?;
    let found = plans
        .into_iter()
        .find(|plan| plan.id == named || plan.name == named);
    found.ok_or_else(|| {
        Failure::mistake(format!("there is no plan {named:?}"))
            .hint("squall plans lists what is there")
    })
}

pub(super) async fn key_id(client: &Client, named: &str) -> Result<String, Failure> {
    Ok(keys::one(keys::all(client).await?, named)?.id)
}

fn read(plan: Value) -> Result<Plan, Failure> {
    let plan = serde_json::from_value(plan);
    plan.map_err(|error| {
        let error = anyhow::anyhow!("a usage plan cannot be read: {error}");
        Failure::new(Kind::Bug, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> PlanBounds {
        PlanBounds {
            api: vec!["r-model-dev".to_owned()],
            rate: Some(2.5),
            burst: None,
            quota: Some("1000/day".to_owned()),
        }
    }

    #[test]
    fn bounds_become_what_the_protocol_has() {
        let places = [Place {
            api: "r-model-dev".to_owned(),
            stage: STAGE.to_owned(),
        }];
        assert_eq!(
            wish("free", &bounds(), &places).unwrap(),
            json!({
                "name": "free",
                "apiStages": [{ "apiId": "r-model-dev", "stage": "$default" }],
                "throttle": { "rateLimit": 2.5, "burstLimit": 3 },
                "quota": { "limit": 1000, "period": "DAY" },
            })
        );
        for bad in ["1000", "x/day", "10/year", "-1/day"] {
            assert!(quota(bad).is_err(), "{bad}");
        }
        let burst_alone = PlanBounds {
            rate: None,
            burst: Some(1),
            ..bounds()
        };
        assert!(wish("free", &burst_alone, &places).is_err());
    }
}
