//! The tables of a frame: alerts, jobs, routes and functions, with what matters of each
//! first.

use super::amounts::{per, rate, time};
use super::figures::{Figures, Job, Route};
use super::table::{Table, Tone, numbers, words};
use crate::output;

/// Characters of a job's bar.
const BAR: u64 = 20;

/// Those with rows, in their order on the screen.
pub fn of(figures: &Figures) -> Vec<Table> {
    let tables = [
        alerts(figures),
        jobs(figures),
        routes(figures),
        functions(figures),
    ];
    tables.into_iter().filter(|it| !it.is_empty()).collect()
}

fn routes(figures: &Figures) -> Table {
    let columns = [
        words("ROUTE", 10),
        words("API", 2),
        numbers("REQ/S", 9),
        numbers("ERRORS", 8),
        numbers("THROTTLED", 3),
        numbers("REFUSED", 4),
        numbers("P50", 6),
        numbers("P95", 7),
        numbers("P99", 5),
        numbers("IN/S", 0),
        numbers("OUT/S", 1),
    ];
    let mut table = Table::new(&columns);
    for route in &figures.routes {
        let traffic = &route.traffic;
        let (throttled, refused) = traffic.refusals();
        let per_second = |bytes: u64| output::size(per(bytes, figures.seconds));
        let tone = if traffic.errors > 0 {
            Tone::Bad
        } else {
            Tone::Usual
        };
        let cells = vec![
            name_of(route),
            place_of(route),
            rate(traffic.per_second),
            traffic.errors.to_string(),
            throttled.to_string(),
            refused.to_string(),
            time(traffic.times.p50),
            time(traffic.times.p95),
            time(traffic.times.p99),
            per_second(traffic.bytes_in),
            per_second(traffic.bytes_out),
        ];
        table.row(cells, tone);
    }
    table
}

/// A route names its method, unless it takes any.
fn name_of(route: &Route) -> String {
    if route.name.is_empty() {
        return "-".to_owned();
    }
    match route.name.split_once(' ') {
        Some(("ANY", path)) => format!("{} {path}", route.method),
        _ => route.name.clone(),
    }
}

fn place_of(route: &Route) -> String {
    match (route.api.as_str(), route.stage.as_str()) {
        ("", _) => "-".to_owned(),
        (api, "" | "$default") => api.to_owned(),
        (api, stage) => format!("{api}/{stage}"),
    }
}

fn functions(figures: &Figures) -> Table {
    let columns = [
        words("FUNCTION", 10),
        numbers("INV/S", 9),
        numbers("FAILED", 8),
        numbers("THROTTLED", 1),
        numbers("COLD", 2),
        numbers("BUSY", 6),
        numbers("IDLE", 3),
        numbers("MEMORY", 5),
        numbers("P50", 4),
        numbers("P95", 7),
        numbers("P99", 0),
    ];
    let mut table = Table::new(&columns);
    for function in &figures.functions {
        let bad = function.errors > 0 || function.throttles > 0;
        let cells = vec![
            function.name.clone(),
            rate(function.per_second),
            function.errors.to_string(),
            function.throttles.to_string(),
            function.cold_starts.to_string(),
            function.busy().to_string(),
            function.idle.to_string(),
            output::size(function.memory_bytes),
            time(function.times.p50),
            time(function.times.p95),
            time(function.times.p99),
        ];
        table.row(cells, if bad { Tone::Bad } else { Tone::Usual });
    }
    table
}

fn jobs(figures: &Figures) -> Table {
    let columns = [
        words("JOB", 10),
        words("FUNCTION", 4),
        words("STATE", 6),
        words("PROGRESS", 3),
        numbers("DONE", 9),
        numbers("ITEMS", 7),
        numbers("FAILED", 8),
    ];
    let mut table = Table::new(&columns);
    for job in &figures.jobs {
        let cells = vec![
            job.id.clone(),
            job.function.clone(),
            job.state.clone(),
            bar(job),
            job.done.to_string(),
            job.items.to_string(),
            job.failed.to_string(),
        ];
        let tone = if job.failed > 0 {
            Tone::Bad
        } else {
            Tone::Usual
        };
        table.row(cells, tone);
    }
    table
}

fn bar(job: &Job) -> String {
    let ended = (job.done + job.failed).min(job.items);
    let full = (BAR * ended).checked_div(job.items).unwrap_or(0);
    let part = |count: u64, letter: &str| letter.repeat(usize::try_from(count).unwrap_or(0));
    format!("[{}{}]", part(full, "#"), part(BAR - full, "."))
}

fn alerts(figures: &Figures) -> Table {
    let mut table = Table::new(&[
        words("ALERT", 10),
        words("STATE", 9),
        words("WHEN", 7),
        words("NOW", 8),
    ]);
    for alert in &figures.alerts {
        let cells = vec![
            alert.name.clone(),
            alert.state.clone(),
            alert.when.clone(),
            alert.shown.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        let fires = alert.state == "firing";
        table.row(cells, if fires { Tone::Bad } else { Tone::Usual });
    }
    table
}
