//! `/_squall/usage/keys`: what was used with API keys, by key, plan and day. API Gateway's
//! own operation tells requests alone.

use aws_wire::form::Form;
use engine::api_keys::ApiKeys;
use engine::usage::{Usage, day_of};
use serde_json::{Value, json};
use types::Timestamp;

use super::{Page, Refused, answer};

/// `?since=MILLISECONDS`; else all that is counted.
pub(super) async fn page(usage: &Usage, keys: &ApiKeys, query: Option<&str>) -> Page {
    let query = Form::parse(query.unwrap_or_default());
    let since = query.get("since").map(str::parse).transpose();
    let since = since.map_err(|_| Refused::invalid("since is a number of milliseconds."))?;
    let since = Timestamp(since.unwrap_or(0));
    let today = day_of(Timestamp::now());
    let used = usage.all(day_of(since), today).await;
    let used = used.map_err(|error| Refused::failed(&error))?;
    let names = keys.all();
    let lines = used.iter().map(|(plan, key, reading)| {
        let name = names.iter().find(|known| known.id == *key);
        let plan = plan.as_ref().map(|id| {
            let known = usage.plan(id).ok();
            json!({ "id": id, "name": known.map(|plan| plan.name.clone()) })
        });
        let amounts = reading.amounts;
        json!({
            "key": key,
            "name": name.map(|key| &key.name),
            "plan": plan,
            "day": reading.day,
            "requests": amounts.requests,
            "errors": amounts.errors,
            "invocations": amounts.invocations,
            "memory_ms": amounts.memory_ms,
            "rows": amounts.rows,
            "bytes_in": amounts.bytes_in,
            "bytes_out": amounts.bytes_out,
        })
    });
    let lines: Vec<Value> = lines.collect();
    Ok(answer(&json!({ "keys": lines })))
}
