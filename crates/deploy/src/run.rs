//! Doing the steps of a plan, those of one phase side by side, and telling how far it
//! is. If a step fails, those beside it come to their end and nothing after it begins:
//! what was done holds, and the next deployment goes on from there.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};

use crate::error::{DeployError, StepError};
use crate::plan::{Plan, order};
use crate::site::{Known, Made, Site};
use crate::step::Step;

/// Calls that are made at once. AWS throttles those that change things at few a second.
const SIDE_BY_SIDE: usize = 8;

/// What a deployment tells of itself.
#[derive(Debug)]
pub enum Event<'a> {
    Began(&'a Step),
    Done(&'a Step, Duration),
    Failed(&'a Step, &'a StepError),
}

/// What is known after it.
pub async fn run(
    plan: &Plan,
    site: &Site,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Result<Known, DeployError> {
    let made = Made::of(plan.known.clone());
    let phases = plan.steps.chunk_by(|one, other| order(one) == order(other));
    for phase in phases {
        let steps = phase.iter().map(|step| run_one(step, site, &made, tell));
        let ends: Vec<_> = stream::iter(steps)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        ends.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    let known = made.now().clone();
    Ok(known)
}

async fn run_one(
    step: &Step,
    site: &Site,
    made: &Made,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Result<(), DeployError> {
    tell(Event::Began(step));
    let began = Instant::now();
    match step.work.run(site, made).await {
        Ok(()) => {
            tell(Event::Done(step, began.elapsed()));
            Ok(())
        }
        Err(source) => {
            tell(Event::Failed(step, &source));
            let what = step.what();
            Err(DeployError::Step { what, source })
        }
    }
}
