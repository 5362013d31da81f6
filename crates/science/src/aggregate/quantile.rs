//! What must see all values of a group at once.

use std::thread::ScopedJoinHandle;

use types::table::Values;

use super::{Aggregate, Groups, Plan, Results};
use crate::Error;
use crate::items::{Collected, Shelf};

/// Computes the median or a quantile of each item. Those without values get NaN.
pub fn groups(all: Collected, plan: &Plan) -> Result<Groups, Error> {
    let mut results = Vec::with_capacity(all.len());
    for index in 0..all.shelves() {
        let shelf = all.shelf(index)?;
        let items = shelf.ranks.len();
        let each = items.div_ceil(plan.threads.get()).max(1);
        let parts = std::thread::scope(|scope| {
            let part = |start: usize| {
                let shelf = &shelf;
                let end = items.min(start + each);
                let results = move || (start..end).map(|at| of(shelf, at, plan.aggregate));
                scope.spawn(move || results().collect())
            };
            let parts: Vec<_> = (0..items).step_by(each).map(part).collect();
            let join = |part: ScopedJoinHandle<'_, Vec<f64>>| part.join();
            parts.into_iter().map(join).collect::<Vec<_>>()
        });
        for part in parts {
            results.extend(part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    }
    Ok(Groups {
        by: plan.by.clone(),
        value: plan.value.clone(),
        ids: all.ids,
        results: Results::Floats(results),
        summary: all.summary,
    })
}

fn of(shelf: &Shelf, at: usize, aggregate: Aggregate) -> f64 {
    let row = |at: usize| usize::try_from(shelf.starts[at]).expect("rows are in memory");
    let rows = row(at)..row(at + 1);
    #[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
    let mut values: Vec<f64> = match &shelf.columns[0].values {
        Values::Integers(all) => all[rows].iter().map(|it| *it as f64).collect(),
        Values::Floats(all) => {
            let present = all[rows].iter().filter(|it| !it.is_nan());
            present.copied().collect()
        }
        Values::Booleans(_) | Values::Texts(_) => unreachable!("a column of numbers"),
    };
    match aggregate {
        Aggregate::Quantile(at) => quantile(&mut values, at),
        _ => median(&mut values),
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return f64::NAN;
    }
    let odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if odd {
        return upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp);
    #[expect(clippy::manual_midpoint, reason = "pandas' overflows, too")]
    let middle = (lower.expect("an even number is at least two") + upper) / 2.0;
    middle
}

/// Interpolated between the neighbours, as pandas does by default.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index that is within the values"
)]
fn quantile(values: &mut [f64], quantile: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = quantile * last as f64;
    let fraction = place % 1.0;
    let (_, value, above) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let value = *value;
    if fraction == 0.0 {
        return value;
    }
    let next = above.iter().copied().min_by(f64::total_cmp);
    let next = next.expect("a fraction lies between two values");
    value + (next - value) * fraction
}
