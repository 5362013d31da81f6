//! What was used, times what it costs. Nothing here asks anybody.

use std::collections::BTreeMap;

use map::prices::PriceTable;
use serde::{Deserialize, Serialize};

pub const GB: f64 = 1_073_741_824.0;
const MS_A_DAY: i64 = 24 * 3600 * 1000;

/// What the engine says was used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Usage {
    pub functions: Vec<Used>,
    pub buckets: Vec<Held>,
}

/// By a function on one day, with one size of memory.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Used {
    pub function: String,
    /// Since 1970.
    pub day: i64,
    pub memory_mb: u32,
    pub arm: bool,
    /// None where the function is no more.
    pub tmp_mb: Option<u32>,
    pub invocations: u64,
    pub failed: u64,
    pub billed_ms: u64,
    pub init_us: u64,
    pub answer_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Held {
    pub bucket: String,
    pub objects: u64,
    pub bytes: u64,
}

/// Dollars, with what they are for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    pub days: Vec<Line>,
    pub functions: Vec<Line>,
    pub storage: Vec<Storage>,
    pub total: Sums,
}

/// Of a function on a day, or in all days.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    pub function: String,
    #[serde(flatten)]
    pub sums: Sums,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Sums {
    pub invocations: u64,
    pub failed: u64,
    pub gb_seconds: f64,
    pub out_gb: f64,
    /// Of memory, and of what /tmp has more than is free.
    pub compute_usd: f64,
    pub requests_usd: f64,
    /// As if all answers went out of AWS.
    pub transfer_usd: f64,
    pub total_usd: f64,
}

/// What a bucket holds now, for a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Storage {
    pub bucket: String,
    pub objects: u64,
    pub gb: f64,
    pub usd_a_month: f64,
}

impl Bill {
    /// Of the functions and buckets that `is_ours` knows.
    pub fn of(usage: &Usage, prices: &PriceTable, is_ours: impl Fn(&str) -> bool) -> Self {
        let mut days: BTreeMap<(i64, &str), Sums> = BTreeMap::new();
        let mut functions: BTreeMap<&str, Sums> = BTreeMap::new();
        let mut total = Sums::default();
        for used in usage.functions.iter().filter(|it| is_ours(&it.function)) {
            let sums = price(used, prices);
            for place in [
                days.entry((used.day, &used.function)).or_default(),
                functions.entry(&used.function).or_default(),
                &mut total,
            ] {
                place.add(&sums);
            }
        }
        let storage = usage.buckets.iter().filter(|it| is_ours(&it.bucket));
        Self {
            days: days
                .into_iter()
                .map(|((day, function), sums)| Line::new(Some(date(day)), function, sums))
                .collect(),
            functions: functions
                .into_iter()
                .map(|(function, sums)| Line::new(None, function, sums))
                .collect(),
            storage: storage
                .map(|held| Storage {
                    bucket: held.bucket.clone(),
                    objects: held.objects,
                    gb: float(held.bytes) / GB,
                    usd_a_month: float(held.bytes) / GB * prices.storage.gb_month,
                })
                .collect(),
            total,
        }
    }
}

impl Line {
    fn new(day: Option<String>, function: &str, sums: Sums) -> Self {
        Self {
            day,
            function: function.to_owned(),
            sums,
        }
    }
}

impl Sums {
    fn add(&mut self, more: &Self) {
        self.invocations += more.invocations;
        self.failed += more.failed;
        self.gb_seconds += more.gb_seconds;
        self.out_gb += more.out_gb;
        self.compute_usd += more.compute_usd;
        self.requests_usd += more.requests_usd;
        self.transfer_usd += more.transfer_usd;
        self.total_usd += more.total_usd;
    }
}

/// AWS bills the time of the init phase like that of the handler.
fn price(used: &Used, prices: &PriceTable) -> Sums {
    let lambda = &prices.lambda;
    let seconds = float(used.billed_ms) / 1e3 + (float(used.init_us) / 1e3).ceil() / 1e3;
    let rate = lambda.of(used.arm);
    let tmp_mb = used.tmp_mb.unwrap_or(0).saturating_sub(lambda.tmp_free_mb);
    let tmp = seconds * f64::from(tmp_mb) / 1024.0 * lambda.tmp_gb_second;
    let compute_usd = seconds * rate.second(used.memory_mb) + tmp;
    let requests_usd = float(used.invocations) * rate.request;
    let out_gb = float(used.answer_bytes) / GB;
    let transfer_usd = out_gb * prices.transfer.gb_out;
    Sums {
        invocations: used.invocations,
        failed: used.failed,
        gb_seconds: seconds * f64::from(used.memory_mb) / 1024.0,
        out_gb,
        compute_usd,
        requests_usd,
        transfer_usd,
        total_usd: compute_usd + requests_usd + transfer_usd,
    }
}

/// `2026-11-21`
pub fn date(day: i64) -> String {
    let text = types::Timestamp(day.saturating_mul(MS_A_DAY)).rfc3339();
    text.get(..10).unwrap_or(&text).to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(function: &str, day: i64) -> Used {
        Used {
            function: function.to_owned(),
            day,
            memory_mb: 1024,
            arm: false,
            tmp_mb: Some(512),
            invocations: 1_000_000,
            failed: 1,
            billed_ms: 999_000,
            init_us: 1_000_000,
            answer_bytes: 1 << 30,
        }
    }

    fn near(value: f64, expected: f64) {
        let off = (value - expected).abs();
        assert!(off < expected * 1e-6, "{value}, not {expected}");
    }

    #[test]
    fn a_bill_can_be_checked_by_hand() {
        let prices = PriceTable::carried();
        let usage = Usage {
            functions: vec![used("p-dev-f", 20_000), used("other", 20_000)],
            buckets: vec![
                Held {
                    bucket: "p-dev-lake".to_owned(),
                    objects: 3,
                    bytes: 10 << 30,
                },
                Held {
                    bucket: "other".to_owned(),
                    objects: 1,
                    bytes: 1,
                },
            ],
        };
        let bill = Bill::of(&usage, &prices, |name| name.starts_with("p-dev-"));
        assert_eq!((bill.days.len(), bill.storage.len()), (1, 1));
        assert_eq!(bill.days[0].day.as_deref(), Some("2024-10-04"));
        // A thousand seconds with a gigabyte, a million requests, a gigabyte out.
        let sums = bill.total;
        near(sums.gb_seconds, 1000.0);
        near(sums.compute_usd, 0.016_666_7);
        near(sums.requests_usd, 0.2);
        near(sums.transfer_usd, 0.09);
        near(sums.total_usd, 0.306_666_7);
        near(bill.storage[0].usd_a_month, 0.23);
    }

    #[test]
    fn days_and_functions_add_up_to_the_same() {
        let prices = PriceTable::carried();
        let mut large = used("f", 20_001);
        large.memory_mb = 2048;
        large.tmp_mb = Some(10_240);
        let mut arm = used("g", 20_001);
        arm.arm = true;
        let usage = Usage {
            functions: vec![used("f", 20_000), used("f", 20_001), large, arm],
            buckets: vec![],
        };
        let bill = Bill::of(&usage, &prices, |_| true);
        let names = |lines: &[Line]| -> Vec<String> {
            let lines = lines.iter();
            lines.map(|line| line.function.clone()).collect()
        };
        assert_eq!(names(&bill.days), ["f", "f", "g"]);
        assert_eq!(names(&bill.functions), ["f", "g"]);
        for lines in [&bill.days, &bill.functions] {
            let sum: f64 = lines.iter().map(|line| line.sums.total_usd).sum();
            near(sum, bill.total.total_usd);
        }
        // Nine and a half gigabytes of /tmp more than are free, for a thousand seconds.
        let (small, all) = (price(&usage.functions[0], &prices), bill.functions[0].sums);
        near(
            all.compute_usd - 4.0 * small.compute_usd,
            1000.0 * 9.5 * 0.000_000_030_9,
        );
        assert!(bill.functions[1].sums.compute_usd < small.compute_usd);
    }
}
