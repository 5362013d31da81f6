//! `squall status`: what is there of a project, and which release answers.

use std::collections::BTreeMap;

use deploy::kinds::bucket::Owner;
use deploy::release::Releases;
use deploy::{Cloud, Found, Target, kinds};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::{Global, StatusArgs};
use crate::commands::schedules;
use crate::deployment::{self, Opened, Shown, callers, urls_json};
use crate::failure::Failure;
use crate::output::{self, Table};

pub async fn run(global: &Global, args: StatusArgs) -> Result<(), Failure> {
    let opened = deployment::open_loosely(global, &args.project).await?;
    let found = Box::pin(Found::read(&opened.cloud)).await?;
    let engine = Engine::of(&opened.cloud).await;
    if global.json {
        let sites = sites_of(&opened, &found).await;
        let mut document = document(&opened, &found, &sites);
        if let Some(engine) = engine {
            document["engine"] = json!(engine);
        }
        output::json(&document)?;
        return Ok(());
    }
    let shown = Shown {
        cloud: &opened.cloud,
    };
    let host = opened.cloud.client.endpoint("lambda").host;
    output::note(&shown.title());
    let releases = Releases::of(&found.functions);
    let Some(current) = releases.current else {
        output::note("nothing is deployed; squall deploy does it");
        return tell_engine(engine.as_ref());
    };
    let all: Vec<_> = releases.known.iter().map(u32::to_string).collect();
    output::note(&format!(
        "release {current} answers; kept: {}",
        all.join(", ")
    ));
    output::bytes(table(&opened, &found).render().as_bytes())?;
    if let Some((_, api)) = &found.known().api {
        output::line(&format!("API  {}", deployment::by_path(&host, api)))?;
    }
    for (name, url) in callers::hosts(&opened.cloud, &found.known()) {
        output::line(&format!("host  {name}  {url}"))?;
    }
    let sites = sites_of(&opened, &found).await;
    for (name, bucket) in found
        .buckets
        .iter()
        .filter(|(_, bucket)| bucket.owner == Owner::Ours)
    {
        let state = if bucket.is_empty { "  empty" } else { "" };
        let site = sites
            .get(name)
            .map_or_else(String::new, |url| format!("  {url}"));
        output::line(&format!("bucket  {name}{site}{state}"))?;
    }
    for (name, schedule) in &found.schedules.schedules {
        let state = if schedule.enabled { "" } else { "  disabled" };
        output::line(&format!("schedule  {name}  {}{state}", schedule.when))?;
    }
    tell_engine(engine.as_ref())
}

/// Where the engine answers, besides the endpoint that the first line has.
#[derive(Debug, Deserialize, Serialize)]
struct Engine {
    gateway: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_authority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
}

impl Engine {
    /// None: it is none of ours, or says it to its owner alone.
    async fn of(cloud: &Cloud) -> Option<Self> {
        if cloud.target == Target::Aws {
            return None;
        }
        let answer = cloud.client.send(schedules::get("/_squall/info")).await;
        answer.ok()?.json().ok()
    }
}

fn tell_engine(engine: Option<&Engine>) -> Result<(), Failure> {
    let Some(engine) = engine else {
        return Ok(());
    };
    output::line(&format!("gateway  {}", engine.gateway))?;
    if let Some(url) = &engine.gateway_tls {
        let trust = engine.tls_authority.as_ref();
        let trust = trust.map_or_else(String::new, |file| format!("  trust {file}"));
        output::line(&format!("https  {url}{trust}"))?;
    }
    if let Some(url) = &engine.metrics {
        output::line(&format!("metrics  {url}"))?;
    }
    Ok(())
}

async fn sites_of(opened: &Opened, found: &Found) -> BTreeMap<String, String> {
    let sites = found
        .buckets
        .iter()
        .filter(|(_, bucket)| bucket.site.is_some());
    deployment::sites(&opened.cloud, sites.map(|(name, _)| name)).await
}

fn table(opened: &Opened, found: &Found) -> Table {
    let titles = [
        "FUNCTION", ">RELEASE", ">VERSION", "RUNTIME", ">MEMORY", "CHANGED", "URL",
    ];
    let mut table = Table::new(&titles);
    let host = opened.cloud.client.endpoint("lambda").host;
    for (name, function) in found.functions.iter().filter(|(_, it)| it.ours) {
        let live = function.live();
        let dash = || "-".to_owned();
        let config = live.map_or(&function.latest.config, |live| &live.facts.config);
        let url = function.url.as_ref();
        let url = url.map(|url| deployment::by_path(&host, &url.address));
        let changed = function.modified.split('.').next().unwrap_or_default();
        table.row([
            opened.cloud.names.short(name).to_owned(),
            live.and_then(|live| live.release)
                .map_or_else(dash, |it| it.to_string()),
            live.map_or_else(dash, |live| live.version.to_string()),
            config.runtime.clone(),
            format!("{} MB", config.memory_mb),
            changed.replace('T', " "),
            url.unwrap_or_else(dash),
        ]);
    }
    table
}

fn document(opened: &Opened, found: &Found, sites: &BTreeMap<String, String>) -> Value {
    let cloud = &opened.cloud;
    let mut document = Shown { cloud }.json();
    let releases = Releases::of(&found.functions);
    let (url, urls) = urls_json(cloud, &found.known());
    let functions = found.functions.iter().filter(|(_, it)| it.ours);
    let functions = functions.map(|(name, function)| {
        let short = cloud.names.short(name);
        let shown = of_function(name, function, urls.get(short));
        (short.to_owned(), shown)
    });
    let buckets = found
        .buckets
        .iter()
        .filter(|(_, bucket)| bucket.owner == Owner::Ours);
    let more = json!({
        "release": releases.current,
        "newest": releases.newest,
        "releases": releases.known,
        "url": url,
        "urls": urls,
        "hosts": callers::hosts(cloud, &found.known()),
        "functions": functions.collect::<serde_json::Map<_, _>>(),
        "buckets": buckets.map(|(name, _)| name).collect::<Vec<_>>(),
        "sites": sites,
        "schedules": found.schedules.schedules.keys().collect::<Vec<_>>(),
    });
    deployment::extend(&mut document, more);
    document
}

fn of_function(name: &str, function: &kinds::function::Found, url: Option<&String>) -> Value {
    let live = function.live();
    let config = live.map_or(&function.latest.config, |live| &live.facts.config);
    json!({
        "name": name,
        "release": live.and_then(|live| live.release),
        "version": live.map(|live| live.version.to_string()),
        "runtime": config.runtime,
        "memory_mb": config.memory_mb,
        "timeout_s": config.timeout_s,
        "modified": function.modified,
        "url": url,
    })
}
