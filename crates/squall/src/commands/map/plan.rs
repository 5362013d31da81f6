//! `squall map --plan`: some items are run, and what all of them would take is said.

use std::time::Duration;

use anyhow::anyhow;
use map::forecast::{self, Forecast, ProbeError};
use serde::Serialize;

use super::recipe::Recipe;
use super::report::FailureKind;
use super::watch::Watch;
use super::{fan_out, figures, interrupt, report};
use crate::args::{Global, MapArgs};
use crate::failure::{Failure, Kind};
use crate::output;

/// A forecast for programs.
#[derive(Debug, Serialize)]
struct Said {
    rows: u64,
    items: u64,
    sampled: u64,
    failed: u64,
    seconds: f64,
    peak_memory_mb: Option<u32>,
    memory_mb: u32,
    concurrency: u32,
    chunk_items: u32,
    invocations: u64,
    aws_dollars_x86: f64,
    aws_dollars_arm: f64,
    failures: Vec<FailureKind>,
}

pub async fn run(global: &Global, recipe: Recipe, args: &MapArgs) -> Result<(), Failure> {
    let quiet = args.quiet || global.json;
    let ready = fan_out::prepare(global, &recipe, quiet).await?;
    let cancel = interrupt::watch();
    let watch = Watch::new(quiet);
    let (invoke, exchange) = (
        ready.target.way.invoke(),
        ready.target.exchange(ready.bucket()),
    );
    let job = ready.job(None);
    let forecast = forecast::probe(invoke, exchange, &job, cancel, |progress| {
        watch.see(progress);
    });
    let forecast = forecast.await;
    watch.clear();
    let said = Said::new(
        forecast.map_err(|error| no_forecast(error, &ready))?,
        &ready,
    );
    if global.json {
        output::json(&said)?;
    } else {
        output::bytes(said.text().as_bytes())?;
        if !said.failures.is_empty() {
            output::note(report::table(&said.failures).trim_end());
        }
    }
    Ok(())
}

fn no_forecast(error: ProbeError, ready: &fan_out::Ready) -> Failure {
    match error {
        ProbeError::Broken(broken) => report::broken(&broken, ready.target.way.name.as_str()),
        ProbeError::Cancelled => Failure::new(Kind::Interrupted, anyhow!("stopped")),
        ProbeError::Run(error) => ready.broken_off(error, None),
        ProbeError::AllFailed(kinds) => {
            let failed: u64 = kinds.iter().map(|kind| kind.count).sum();
            output::note(report::table(&report::shown(kinds)).trim_end());
            let error = anyhow!("all {failed} items that were tried have failed");
            Failure::new(Kind::Function, error)
        }
    }
}

impl Said {
    fn new(forecast: Forecast, ready: &fan_out::Ready) -> Self {
        Self {
            rows: ready.data.summary.rows,
            items: ready.data.len() as u64,
            sampled: forecast.sampled,
            failed: forecast.failures.iter().map(|kind| kind.count).sum(),
            seconds: forecast.time.as_secs_f64(),
            peak_memory_mb: forecast.peak_memory_mb,
            memory_mb: ready.target.function.memory_size,
            concurrency: forecast.width,
            chunk_items: forecast.chunk_items,
            invocations: forecast.invocations,
            aws_dollars_x86: forecast.cost_x86,
            aws_dollars_arm: forecast.cost_arm,
            failures: report::shown(forecast.failures),
        }
    }

    fn text(&self) -> String {
        let memory = match self.peak_memory_mb {
            Some(peak) => format!("{peak} MB of {} MB in an instance", self.memory_mb),
            None => format!("not reported; an instance has {} MB", self.memory_mb),
        };
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} of them failed"),
        };
        let lines = [
            (
                "data",
                format!("{} rows in {} items", self.rows, self.items),
            ),
            ("probed", format!("{} items{failed}", self.sampled)),
            ("time", figures::time(Duration::from_secs_f64(self.seconds))),
            ("memory", memory),
            (
                "invocations",
                format!(
                    "{}, {} items each, {} at once",
                    self.invocations, self.chunk_items, self.concurrency
                ),
            ),
            (
                "AWS cost",
                format!(
                    "{} on x86, {} on arm",
                    figures::dollars(self.aws_dollars_x86),
                    figures::dollars(self.aws_dollars_arm)
                ),
            ),
        ];
        let mut text = String::new();
        for (name, value) in lines {
            let padded = format!("{name:<12}");
            text.push_str(&padded);
            text.push_str(&value);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_is_a_table() {
        let said = Said {
            rows: 1_000,
            items: 100,
            sampled: 20,
            failed: 1,
            seconds: 75.0,
            peak_memory_mb: Some(88),
            memory_mb: 256,
            concurrency: 2,
            chunk_items: 12,
            invocations: 9,
            aws_dollars_x86: 0.001_2,
            aws_dollars_arm: 0.001,
            failures: vec![],
        };
        assert_eq!(
            said.text(),
            "data        1000 rows in 100 items\n\
             probed      20 items, 1 of them failed\n\
             time        1:15\n\
             memory      88 MB of 256 MB in an instance\n\
             invocations 9, 12 items each, 2 at once\n\
             AWS cost    $0.0012 on x86, $0.0010 on arm\n"
        );
    }
}
