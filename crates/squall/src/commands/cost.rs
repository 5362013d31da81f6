//! `squall cost`: what AWS would have asked for what was recorded here.

mod bill;

use anyhow::Context;
use map::prices::PriceTable;
use project::Project;
use serde::Serialize;
use types::Timestamp;

use super::schedules::get;
use crate::args::{CostArgs, Global};
use crate::client;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::span;

use bill::{Bill, Sums, Usage};
pub(super) use bill::{GB, date, float};

/// One JSON object: the bill, and by which prices.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    bill: &'a Bill,
    currency: &'static str,
    prices_dated: &'a str,
    prices_region: &'a str,
}

pub async fn run(global: &Global, args: CostArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    let since = since(&args.since)?;
    let target = format!("/_squall/usage?since={}", since.0);
    let usage: Usage = client.send(get(&target)).await?.json()?;
    let project = project(&args)?;
    let is_ours = |name: &str| project.as_ref().is_none_or(|project| is_of(project, name));
    let prices = PriceTable::carried();
    let bill = Bill::of(&usage, &prices, is_ours);
    if global.json {
        output::json(&Document {
            bill: &bill,
            currency: "USD",
            prices_dated: &prices.dated,
            prices_region: &prices.region,
        })?;
        return Ok(());
    }
    if bill.days.is_empty() && bill.storage.is_empty() {
        output::note("nothing is recorded in that time; --all shows everything of the engine");
        return Ok(());
    }
    output::bytes(days(&bill).render().as_bytes())?;
    if !bill.storage.is_empty() {
        output::bytes(format!("\n{}", storage(&bill).render()).as_bytes())?;
    }
    output::note(&format!(
        "prices of {} as of {}; transfer as if all answers went out to the internet; a month's \
         free {} requests, {} GB-seconds and {} GB out are not taken off; requests of API Gateway, \
         Scheduler and S3, and logs, are not counted",
        prices.region,
        prices.dated,
        prices.lambda.free_requests_a_month,
        prices.lambda.free_gb_seconds_a_month,
        prices.transfer.free_gb_a_month,
    ));
    Ok(())
}

/// The moment that lies a span of time back.
pub(super) fn since(text: &str) -> Result<Timestamp, Failure> {
    let seconds = span::seconds(text).ok_or_else(|| {
        Failure::mistake(format!("--since {text}: no span of time")).hint("such as 12h, 7d or 30d")
    })?;
    let millis = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    Ok(Timestamp(Timestamp::now().0.saturating_sub(millis).max(0)))
}

/// The project whose bill it is; none is everything of the engine.
fn project(args: &CostArgs) -> Result<Option<Project>, Failure> {
    let folder = std::env::current_dir().context("the current folder is not known")?;
    if args.all || !folder.join(project::FILE).exists() && args.stage.is_none() {
        return Ok(None);
    }
    Ok(Some(Project::load(&folder, args.stage.as_deref())?))
}

/// Whether a function or a bucket has a name of this project and stage.
fn is_of(project: &Project, name: &str) -> bool {
    let whole = format!("{}-{}-", project.name, project.stage);
    if let Some(key) = name.strip_prefix(&whole) {
        let coordinator = key.strip_prefix("map-").unwrap_or_default();
        let has = |key: &str| project.functions.contains_key(key);
        let number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let bucket = key.rsplit_once('-').filter(|(_, rest)| number(rest));
        let numbered = coordinator.rsplit_once('-');
        let numbered = numbered.filter(|(_, rest)| number(rest));
        if has(key) || has(coordinator) || numbered.is_some_and(|(key, _)| has(key)) {
            return true;
        }
        if bucket.is_some_and(|(key, _)| project.buckets.contains_key(key) || key == "packages") {
            return true;
        }
    }
    let mut buckets = project.buckets.values();
    buckets.any(|bucket| bucket.name.as_deref() == Some(name))
}

fn days(bill: &Bill) -> Table {
    let mut table = Table::new(&[
        "DAY",
        "FUNCTION",
        ">INVOCATIONS",
        ">FAILED",
        ">GB-SECONDS",
        ">COMPUTE",
        ">REQUESTS",
        ">TRANSFER",
        ">TOTAL",
    ]);
    let mut row = |day: &str, function: &str, sums: &Sums| {
        table.row([
            day.to_owned(),
            function.to_owned(),
            sums.invocations.to_string(),
            sums.failed.to_string(),
            format!("{:.3}", sums.gb_seconds),
            dollars(sums.compute_usd),
            dollars(sums.requests_usd),
            dollars(sums.transfer_usd),
            dollars(sums.total_usd),
        ]);
    };
    for line in &bill.days {
        row(
            line.day.as_deref().unwrap_or_default(),
            &line.function,
            &line.sums,
        );
    }
    row("all", "", &bill.total);
    table
}

fn storage(bill: &Bill) -> Table {
    let mut table = Table::new(&["BUCKET", ">OBJECTS", ">SIZE", ">A MONTH"]);
    for held in &bill.storage {
        table.row([
            held.bucket.clone(),
            held.objects.to_string(),
            format!("{:.3} GB", held.gb),
            dollars(held.usd_a_month),
        ]);
    }
    table
}

/// `$12.34`; four digits of what is less than a dollar, in full only as many as matter.
fn dollars(amount: f64) -> String {
    if amount >= 1.0 || amount == 0.0 {
        format!("${amount:.2}")
    } else if amount >= 0.0001 {
        format!("${amount:.4}")
    } else {
        format!("${amount:.7}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_row() {
        let usage = serde_json::from_value(serde_json::json!({
            "functions": [{
                "function": "p-dev-f", "day": 20_000, "memory_mb": 512, "arm": false,
                "tmp_mb": 512, "invocations": 20, "failed": 2, "billed_ms": 40_000,
                "init_us": 0, "answer_bytes": 4000,
            }],
            "buckets": [{ "bucket": "p-dev-lake", "objects": 2, "bytes": 5_368_709_120_u64 }],
        }));
        let bill = Bill::of(&usage.unwrap(), &PriceTable::carried(), |_| true);
        assert_eq!(
            days(&bill).render(),
            "\
DAY         FUNCTION  INVOCATIONS  FAILED  GB-SECONDS  COMPUTE    REQUESTS    TRANSFER    TOTAL
2024-10-04  p-dev-f            20       2      20.000  $0.0003  $0.0000040  $0.0000003  $0.0003
all                            20       2      20.000  $0.0003  $0.0000040  $0.0000003  $0.0003
"
        );
        assert_eq!(
            storage(&bill).render(),
            "\
BUCKET      OBJECTS      SIZE  A MONTH
p-dev-lake        2  5.000 GB  $0.1150
"
        );
    }

    #[test]
    fn small_sums_keep_their_digits() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (12.345, "$12.35"),
            (0.25, "$0.2500"),
            (0.000_000_2, "$0.0000002"),
        ] {
            assert_eq!(dollars(amount), text);
        }
    }
}
