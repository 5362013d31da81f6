//! `squall deploy`: the project as squall.toml has it, made so in the cloud.

use std::time::Instant;

use deploy::kinds::bucket;
use deploy::{Action, Plan};
use serde_json::json;

use crate::args::{DeployArgs, DiffArgs, Global, UpdateArgs};
use crate::deployment::{self, Folders, Prepared, Shown, callers, steps_json, urls_json};
use crate::failure::Failure;
use crate::output;

pub async fn run(global: &Global, args: DeployArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let opened = deployment::open(global, &args.project).await?;
    say_assumed(global, &opened.project.assumed);
    let prepared = opened.prepare(global, args.package).await?;
    let folders = Folders::plan(&prepared.site).await?;
    if !global.json {
        Shown::of(&prepared).plan(&prepared.plan);
        folders.show();
        say_left(&prepared);
    }
    confirm_removals(global, &prepared.plan, args.yes)?;
    finish(global, &prepared, folders, began).await
}

/// `squall update`: code and configuration of functions, and nothing around them.
pub async fn update(global: &Global, args: UpdateArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let opened = deployment::open(global, &args.project).await?;
    let prepared = opened
        .prepare_functions(global, &args.functions, args.package)
        .await?;
    if !global.json {
        Shown::of(&prepared).plan(&prepared.plan);
    }
    finish(global, &prepared, Folders::default(), began).await
}

/// `squall diff`: what a deployment would do.
pub async fn diff(global: &Global, args: DiffArgs) -> Result<(), Failure> {
    let opened = deployment::open(global, &args.project).await?;
    let prepared = opened.prepare(global, args.package).await?;
    let folders = Folders::plan(&prepared.site).await?;
    let changes = !prepared.plan.is_empty() || !folders.is_empty();
    let shown = Shown::of(&prepared);
    if global.json {
        let mut document = shown.json();
        document["steps"] = steps_json(&prepared.plan.steps);
        document["changed"] = changes.into();
        output::json(&document)?;
        return Ok(());
    }
    shown.plan(&prepared.plan);
    folders.show();
    if !changes {
        output::note("nothing to do: all is as the project wants it");
    }
    Ok(())
}

fn say_assumed(global: &Global, assumed: &[String]) {
    if !global.json {
        for sentence in assumed {
            output::note(&format!("assumed: {sentence}"));
        }
    }
}

/// Buckets that the project has no more, and that stay because of what is in them.
fn say_left(prepared: &Prepared) {
    let wanted = bucket::wanted(&prepared.site);
    let left = bucket::left(&wanted, &prepared.found.buckets, bucket::Data::Keep);
    // That of packages is needed by releases that are kept.
    let packages = prepared.site.package_bucket();
    for name in left.into_iter().filter(|name| **name != packages) {
        output::note(&format!(
            "  = bucket {name} is not in the project any more and stays, as it has objects; \
             squall rb --force {name} removes it with them"
        ));
    }
}

/// What goes may hold something that is nowhere else.
fn confirm_removals(global: &Global, plan: &Plan, yes: bool) -> Result<(), Failure> {
    let kinds = ["function", "bucket", "api", "log group"];
    let removals = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Remove && kinds.contains(&step.kind));
    let names: Vec<_> = removals
        .map(|step| format!("{} {}", step.kind, step.name))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    deployment::confirm(global, &names.join(", "), yes)
}

async fn finish(
    global: &Global,
    prepared: &Prepared,
    folders: Folders,
    began: Instant,
) -> Result<(), Failure> {
    let (plan, cloud) = (&prepared.plan, &prepared.site.cloud);
    let changes = !plan.is_empty() || !folders.is_empty();
    let known = prepared.run(global.json).await?;
    let files = folders.send(&cloud.client, global.json).await?;
    let (url, urls) = urls_json(cloud, &known);
    let buckets = prepared.site.project.buckets.iter();
    let buckets = buckets.filter(|(_, bucket)| bucket.site.is_some());
    let buckets: Vec<_> = buckets
        .map(|(key, _)| prepared.site.bucket_name(key))
        .collect();
    let sites = deployment::sites(cloud, &buckets).await;
    let project = &prepared.site.project;
    let hosts = callers::hosts(cloud, &known);
    let docs = callers::docs(
        cloud,
        project,
        url.as_deref().filter(|_| known.api.is_some()),
    );
    let release = plan.release.or_else(|| prepared.current_release());
    let seconds = began.elapsed().as_secs_f64();
    if global.json {
        let mut document = Shown::of(prepared).json();
        let more = json!({
            "release": release,
            "changed": changes,
            "files": files,
            "steps": steps_json(&plan.steps),
            "url": url,
            "urls": urls,
            "sites": sites,
            "hosts": hosts,
            "docs": docs,
            "assumed": prepared.site.project.assumed,
            "seconds": seconds,
        });
        deployment::extend(&mut document, more);
        output::json(&document)?;
        return Ok(());
    }
    let number = release
        .map(|it| format!(", release {it}"))
        .unwrap_or_default();
    if changes {
        output::note(&format!("done in {seconds:.1} s{number}"));
    } else {
        output::note(&format!(
            "nothing to do: all is as the project wants it{number}"
        ));
    }
    if known.api.is_some() {
        output::line(url.as_deref().unwrap_or_default())?;
    }
    for (name, url) in hosts.iter().chain(&urls).chain(&sites) {
        output::line(&format!("{name}  {url}"))?;
    }
    if let Some(docs) = &docs {
        output::note(&format!("to see and try: {docs}"));
    }
    if known.api.is_some() {
        let url = url.as_deref().unwrap_or_default().trim_end_matches('/');
        for sentence in callers::words(cloud, project, &known, url) {
            output::note(&sentence);
        }
    }
    if known.api.is_none() && urls.is_empty() {
        // They have no address: so they are called by their names.
        for key in prepared.site.project.functions.keys() {
            output::note(&format!(
                "{key}  squall invoke {}:live",
                cloud.names.of(key)
            ));
        }
    }
    Ok(())
}
