//! From a checked tree to a [`Project`], with all defaults filled in and all
//! assumptions told.

mod auth;
mod function;
mod gateway;
mod route;
mod section;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::check::Report;
use crate::detect;
use crate::model::{Bucket, Entry, Function, Project, RouteTarget, Schedule, Site, Trigger, Url};
use crate::tree::{self, Table, Value};
use section::Section;

const LOG_DAYS: u32 = 14;

/// What cannot be read is left away, and told in the report.
pub fn project(root: &Path, stage: String, merged: &Table, report: &mut Report<'_>) -> Project {
    let file = Section::new(Vec::new(), merged);
    let head = file.section("project");
    let head = head.as_ref();
    let mut assumed = Vec::new();
    let name = head.and_then(|head| head.owned("name")).unwrap_or_else(|| {
        let name = detect::project_name(root);
        assumed.push(format!("the project's name is {name}, after its folder"));
        name
    });
    let mut functions = BTreeMap::new();
    for (name, section) in file.sections("functions") {
        if let Some(function) = function::read(root, name, &section, merged, report, &mut assumed) {
            functions.insert(name.to_owned(), function);
        }
    }
    if !file.has("functions") && !file.has("buckets") {
        functions.extend(found(root, &mut assumed));
    }
    let buckets: BTreeMap<String, Bucket> = file
        .sections("buckets")
        .map(|(name, section)| (name.to_owned(), bucket(root, &section)))
        .collect();
    let routes = file.items("routes").iter().enumerate();
    let routes = routes.flat_map(|(place, item)| route::read(place, item, &buckets, report));
    let routes = routes.collect();
    let mut project = Project {
        root: root.to_owned(),
        name,
        stage,
        region: head.and_then(|head| head.owned("region")),
        functions,
        buckets,
        routes,
        auth: file
            .sections("auth")
            .filter_map(|(name, section)| {
                Some((name.to_owned(), auth::read(root, &section, merged, report)?))
            })
            .collect(),
        gateway: gateway::common(head),
        schedules: file
            .sections("schedules")
            .map(|(name, section)| (name.to_owned(), schedule(&section)))
            .collect(),
        triggers: file.items("triggers").iter().filter_map(trigger).collect(),
        log_days: head
            .and_then(|head| head.number("log_days"))
            .unwrap_or(LOG_DAYS),
        assumed,
    };
    open_apps(&mut project, &file);
    project
}

/// A folder that says nothing about functions may have one all the same.
fn found(root: &Path, assumed: &mut Vec<String>) -> Option<(String, Function)> {
    let found = detect::code(root)?;
    let name = found.name.clone();
    assumed.push(format!(
        "function {name} is {}, found in {}",
        found.entry.name(),
        found.file
    ));
    let mut function = function::standard(found.runtime, found.entry, root);
    function::look_around(root, &name, &mut function, assumed);
    assumed.push(format!(
        "{name} gets {} MB of memory and {} s",
        function.memory_mb, function.timeout_s
    ));
    Some((name, function))
}

/// An app that nothing leads to would answer nobody.
fn open_apps(project: &mut Project, file: &Section<'_>) {
    let sections: BTreeMap<&str, Section<'_>> = file.sections("functions").collect();
    for (name, function) in &mut project.functions {
        let is_said = sections
            .get(name.as_str())
            .is_some_and(|section| section.has("url"));
        let is_routed = project.routes.iter().any(|route| match &route.target {
            RouteTarget::Function(target) => target == name,
            _ => false,
        });
        if matches!(function.entry, Entry::App(_)) && !is_said && !is_routed {
            function.url = Some(Url {
                signed: false,
                stream: false,
                cors: Vec::new(),
            });
            project.assumed.push(format!(
                "{name} is an app, so it has an address that everybody may call"
            ));
        }
    }
}

fn schedule(section: &Section<'_>) -> Schedule {
    Schedule {
        when: section.owned("when").unwrap_or_default(),
        timezone: section.owned("timezone"),
        function: section.owned("function").unwrap_or_default(),
        input: section
            .node("input")
            .map_or_else(|| serde_json::json!({}), tree::to_json),
        enabled: section.truth("enabled").unwrap_or(true),
    }
}

fn trigger(item: &tree::Node) -> Option<Trigger> {
    let Value::Table(table) = &item.value else {
        return None;
    };
    let section = Section::new(Vec::new(), table);
    Some(Trigger {
        bucket: section.owned("bucket")?,
        events: section
            .texts("events")
            .unwrap_or_else(|| vec!["s3:ObjectCreated:*".to_owned()]),
        prefix: section.owned("prefix").filter(|text| !text.is_empty()),
        suffix: section.owned("suffix").filter(|text| !text.is_empty()),
        function: section.owned("function")?,
    })
}

fn bucket(root: &Path, section: &Section<'_>) -> Bucket {
    let site = match section.section("site") {
        Some(site) => Some(Site {
            index: site
                .owned("index")
                .unwrap_or_else(|| route::INDEX.to_owned()),
            error: site.owned("error"),
        }),
        None => section
            .truth("site")
            .filter(|is_site| *is_site)
            .map(|_| Site {
                index: route::INDEX.to_owned(),
                error: None,
            }),
    };
    Bucket {
        name: section.owned("name"),
        folder: section.text("folder").map(|folder| within(root, folder)),
        prefix: section.owned("prefix").unwrap_or_default(),
        site,
        keep: section.truth("keep").unwrap_or(false),
        cors: section.texts("cors").unwrap_or_default(),
    }
}

/// `.` adds nothing to a path that people will read.
fn within(root: &Path, folder: &str) -> PathBuf {
    let parts = folder.split('/');
    let parts = parts.filter(|part| !part.is_empty() && *part != ".");
    parts.fold(root.to_owned(), |path, part| path.join(part))
}
