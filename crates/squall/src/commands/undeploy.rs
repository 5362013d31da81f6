//! `squall undeploy`: everything goes that a deployment made, and nothing else.
//! `squall rollback`: what answered before answers again.

use std::collections::BTreeMap;
use std::time::Instant;

use deploy::kinds::bucket::Data;
use deploy::{Found, Plan, Site, release};

use crate::args::{Global, RollbackArgs, UndeployArgs};
use crate::deployment::{self, Prepared, Shown, steps_json};
use crate::failure::Failure;
use crate::output;

/// Kinds that hold what was not in the project.
const DATA: [&str; 1] = ["log group"];

pub async fn run(global: &Global, args: UndeployArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let opened = deployment::open_loosely(global, &args.project).await?;
    let data = if args.keep_data {
        Data::Keep
    } else {
        Data::Remove
    };
    let mut prepared = opened.prepare_removal(data).await?;
    if args.keep_data {
        prepared
            .plan
            .steps
            .retain(|step| !DATA.contains(&step.kind));
    }
    let shown = Shown::of(&prepared);
    if !global.json {
        shown.plan(&prepared.plan);
    }
    let count = prepared.plan.steps.len();
    if count > 0 {
        let what = format!("all of this from {}", shown.title());
        deployment::confirm(global, &what, args.yes)?;
    }
    prepared.run(global.json).await?;
    if global.json {
        let mut document = Shown::of(&prepared).json();
        document["steps"] = steps_json(&prepared.plan.steps);
        output::json(&document)?;
    } else if count == 0 {
        output::note("nothing to do: nothing is there");
    } else {
        output::note(&format!(
            "removed in {:.1} s",
            began.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

pub async fn rollback(global: &Global, args: RollbackArgs) -> Result<(), Failure> {
    let opened = deployment::open_loosely(global, &args.project).await?;
    let found = Box::pin(Found::read_functions(&opened.cloud)).await?;
    let (to, steps) = release::rollback(&found.functions, args.release)?;
    let site = Site {
        cloud: opened.cloud,
        project: opened.project,
        packages: BTreeMap::new(),
        secrets: BTreeMap::new(),
    };
    let prepared = Prepared {
        plan: Plan::only(steps, Some(to)),
        site,
        found,
    };
    let shown = Shown::of(&prepared);
    if !global.json {
        shown.plan(&prepared.plan);
    }
    prepared.run(global.json).await?;
    if global.json {
        let mut document = shown.json();
        document["release"] = to.into();
        document["steps"] = steps_json(&prepared.plan.steps);
        output::json(&document)?;
    } else {
        output::note(&format!("release {to} answers"));
    }
    Ok(())
}
