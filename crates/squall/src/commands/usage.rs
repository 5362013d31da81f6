//! `squall usage`: what was called with which API key, and what AWS would ask for it.

use std::collections::BTreeMap;

use map::prices::PriceTable;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cost::{GB, date, float, since};
use super::keys;
use super::schedules::get;
use crate::args::{Global, UsageArgs};
use crate::client;
use crate::failure::Failure;
use crate::output::{self, Table};

#[derive(Debug, Deserialize)]
struct Page {
    keys: Vec<Line>,
}

/// What a key used on one day.
#[derive(Debug, Deserialize)]
struct Line {
    key: String,
    name: Option<String>,
    plan: Option<PlanOfLine>,
    day: i64,
    #[serde(flatten)]
    used: Used,
}

#[derive(Debug, Deserialize)]
struct PlanOfLine {
    id: String,
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
struct Used {
    requests: u64,
    errors: u64,
    invocations: u64,
    #[serde(skip_serializing)]
    memory_ms: u64,
    rows: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// A line of the answer.
#[derive(Debug, PartialEq, Serialize)]
struct Sum {
    key: String,
    name: Option<String>,
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(flatten)]
    used: Used,
    gb_seconds: f64,
    usd: f64,
}

pub async fn run(global: &Global, args: &UsageArgs) -> Result<(), Failure> {
    keys::counted_at(args.to)?;
    let client = client::find(global)?;
    let since = since(&args.since)?;
    let target = format!("/_squall/usage/keys?since={}", since.0);
    let page: Page = client.send(get(&target)).await?.json()?;
    let prices = PriceTable::carried();
    let sums = sums(page.keys, args, &prices);
    if global.json {
        output::json(&json!({ "usage": sums, "currency": "USD", "prices_dated": prices.dated }))?;
        return Ok(());
    }
    if sums.is_empty() {
        output::note("no route that asks for a key was called in that time");
        return Ok(());
    }
    output::bytes(table(&sums, args.by_day).render().as_bytes())?;
    output::note(&format!(
        "cost: functions and transfer at AWS's prices of {} as of {}",
        prices.region, prices.dated
    ));
    Ok(())
}

fn sums(lines: Vec<Line>, args: &UsageArgs, prices: &PriceTable) -> Vec<Sum> {
    let wanted = |line: &Line| match &args.key {
        None => true,
        Some(key) => line.key == *key || line.name.as_ref() == Some(key),
    };
    let mut all: BTreeMap<_, (Line, Used)> = BTreeMap::new();
    for line in lines.into_iter().filter(wanted) {
        let day = args.by_day.then_some(line.day);
        let plan = line.plan.as_ref().map(|plan| plan.id.clone());
        let place = (line.name.clone(), line.key.clone(), plan, day);
        let used = line.used;
        let entry = all.entry(place).or_insert((line, Used::default()));
        entry.1.add(&used);
    }
    let sum = |(line, used): (Line, Used)| {
        let gb_seconds = float(used.memory_ms) / 1024.0 / 1000.0;
        // Which processor each ran on is not counted.
        let rate = prices.lambda.of(false);
        let compute = gb_seconds * rate.gigabyte_second + float(used.invocations) * rate.request;
        Sum {
            usd: compute + float(used.bytes_out) / GB * prices.transfer.gb_out,
            gb_seconds,
            key: line.key,
            name: line.name,
            plan: line.plan.map(|plan| plan.name.unwrap_or(plan.id)),
            day: args.by_day.then(|| date(line.day)),
            used,
        }
    };
    all.into_values().map(sum).collect()
}

impl Used {
    fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        self.errors += more.errors;
        self.invocations += more.invocations;
        self.memory_ms += more.memory_ms;
        self.rows += more.rows;
        self.bytes_in += more.bytes_in;
        self.bytes_out += more.bytes_out;
    }
}

fn table(sums: &[Sum], by_day: bool) -> Table {
    let titles = [
        "KEY",
        "PLAN",
        ">REQUESTS",
        ">ERRORS",
        ">INVOCATIONS",
        ">GB-SECONDS",
        ">ROWS",
        ">IN",
        ">OUT",
        ">COST",
    ];
    let titles: Vec<&str> = by_day.then_some("DAY").into_iter().chain(titles).collect();
    let mut table = Table::new(&titles);
    for sum in sums {
        let Used {
            requests,
            errors,
            invocations,
            rows,
            bytes_in,
            bytes_out,
            ..
        } = sum.used;
        let cells = [
            sum.name.clone().unwrap_or_else(|| sum.key.clone()),
            sum.plan.clone().unwrap_or_else(|| "-".to_owned()),
            requests.to_string(),
            errors.to_string(),
            invocations.to_string(),
            format!("{:.1}", sum.gb_seconds),
            rows.to_string(),
            output::size(bytes_in),
            output::size(bytes_out),
            format!("${:.4}", sum.usd),
        ];
        table.row(sum.day.clone().into_iter().chain(cells));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, day: i64, requests: u64) -> Line {
        Line {
            key: format!("id-{name}"),
            name: Some(name.to_owned()),
            plan: None,
            day,
            used: Used {
                requests,
                invocations: requests,
                memory_ms: requests * 1024 * 1000,
                ..Used::default()
            },
        }
    }

    #[test]
    fn days_are_summed_unless_each_is_asked_for() {
        let prices = PriceTable::carried();
        let lines = || vec![line("a", 1, 2), line("a", 2, 3), line("b", 1, 1)];
        let mut args = UsageArgs {
            key: None,
            since: "1d".to_owned(),
            by_day: false,
            to: crate::args::PlaceArg::Local,
        };
        let all = sums(lines(), &args, &prices);
        let seen: Vec<_> = all
            .iter()
            .map(|sum| (sum.name.as_deref().unwrap(), sum.used.requests))
            .collect();
        assert_eq!(seen, [("a", 5), ("b", 1)]);
        assert!((all[0].gb_seconds - 5.0).abs() < 1e-9);
        assert!((all[0].usd - 5.0 * (0.000_016_666_7 + 0.000_000_2)).abs() < 1e-9);
        args.by_day = true;
        args.key = Some("a".to_owned());
        let days = sums(lines(), &args, &prices);
        assert_eq!(days[1].day.as_deref(), Some("1970-01-03"));
        assert_eq!(days.len(), 2);
    }
}
