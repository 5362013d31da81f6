//! The coordinator on AWS: this binary as a function. What the engine's gateway does itself
//! (maps, models, redirects, sites) is there a function, with the route leading to it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use aws_wire::form;
use project::Project;
use project::model::{
    Architecture, BucketRef, Entry, Function, FunctionRuntime, ObjectRef, Objects, Requirements,
    Route, RouteTarget, Start,
};
use project::text::BadText;
use serde_json::{Value, json};

use crate::keys;
use crate::kinds::api::below_paths;
use crate::names::{ALIAS, Names};

/// An HTTP API waits no longer for any function.
const TIMEOUT_S: u32 = 30;
/// On AWS so much memory comes with one whole processor.
const MEMORY_MB: u32 = 1769;
/// A model answers in microseconds, and so does what only points elsewhere; what takes
/// time is a cold start.
pub(crate) const SMALL_MEMORY_MB: u32 = 1024;
/// What a custom runtime's package has to be called inside.
const BOOTSTRAP: &str = "bootstrap";

/// Names of functions have no more; what is made of a key of a bucket is cut to it.
const LONGEST_KEY: usize = 40;

/// What a coordinator is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Map(String),
    Model(ObjectRef),
    Redirect {
        location: String,
        status: u16,
    },
    Site {
        bucket: BucketRef,
        prefix: String,
        index: String,
        error: Option<String>,
    },
}

/// That, and what it enforces. Routes with the same wish share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    of: Of,
    options: BTreeMap<String, String>,
    body_bytes: Option<u64>,
    allow: Vec<String>,
    concurrency: Option<u32>,
}

/// Whether a coordinator has something to do for this route.
pub fn is_needed(route: &Route) -> bool {
    route.who.key || !matches!(route.target, RouteTarget::Function(_))
}

/// Puts a coordinator before each function that a route maps over, each model that
/// answers, each redirect and each site, and leads the route there; and before routes that
/// ask for a key the one that knows keys. `folder` is where the binary is, as [`stage`] made
/// it.
pub fn expand(project: &mut Project, names: &Names, folder: &Path) -> Result<(), BadText> {
    keys::guard(project, folder)?;
    let mut made: BTreeMap<Wish, String> = BTreeMap::new();
    let mut routes = std::mem::take(&mut project.routes);
    let mut below = Vec::new();
    for route in &mut routes {
        let Some(wish) = wish(route) else {
            continue;
        };
        let key = if let Some(key) = made.get(&wish) {
            key.clone()
        } else {
            let key = free_key(project, &wish.of.key());
            let coordinator = wish.function(names, folder)?;
            project.functions.insert(key.clone(), coordinator);
            made.insert(wish.clone(), key.clone());
            key
        };
        route.target = RouteTarget::Function(key);
        if matches!(wish.of, Of::Site { .. }) {
            let paths = below_paths(&route.path).into_iter();
            below.extend(paths.map(|path| Route {
                path,
                ..route.clone()
            }));
        }
    }
    // What the project says itself goes before.
    below.retain(|below| {
        let mut there = routes.iter();
        !there.any(|route| route.path == below.path && route.methods == below.methods)
    });
    routes.append(&mut below);
    project.routes = routes;
    Ok(())
}

fn wish(route: &Route) -> Option<Wish> {
    let none = BTreeMap::new;
    let (of, options) = match &route.target {
        RouteTarget::Function(_) | RouteTarget::Route { .. } => return None,
        RouteTarget::Map { function, options } => (Of::Map(function.clone()), options.clone()),
        RouteTarget::Model { model, options } => (Of::Model(model.clone()), options.clone()),
        RouteTarget::Redirect { location, status } => {
            let (location, status) = (location.clone(), *status);
            (Of::Redirect { location, status }, none())
        }
        RouteTarget::Site {
            objects: Objects { bucket, prefix },
            index,
            error,
        } => {
            let site = Of::Site {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                index: index.clone(),
                error: error.clone(),
            };
            (site, none())
        }
    };
    Some(Wish {
        of,
        options,
        body_bytes: route.handling.body_bytes,
        allow: route.who.allow.clone(),
        concurrency: route.handling.concurrency,
    })
}

impl Of {
    /// What its function is called, if nothing else is called so.
    fn key(&self) -> String {
        match self {
            Self::Map(function) => format!("map-{function}"),
            Self::Model(model) => model_key(model),
            Self::Redirect { .. } => "redirect".to_owned(),
            Self::Site { bucket, .. } => match bucket {
                BucketRef::Project(key) => format!("site-{key}"),
                BucketRef::Foreign(_) => "site".to_owned(),
            },
        }
    }
}

impl Wish {
    fn function(&self, names: &Names, folder: &Path) -> Result<Function, BadText> {
        let mut environment = self.enforced();
        let function = match &self.of {
            Of::Map(function) => {
                let mapped = format!("{}:{ALIAS}", names.of(function));
                environment.push(("SQUALL_MAP_FUNCTION", mapped));
                environment.push(("SQUALL_MAP_OPTIONS", query(&self.options)));
                Function {
                    calls: vec![function.clone()],
                    permissions: map_permissions(names, function),
                    ..coordinator(&environment, folder)?
                }
            }
            Of::Model(model) => {
                let (bucket, key) = (place(&model.bucket), &model.key);
                environment.push(("SQUALL_MODEL", format!("s3://{bucket}/{}", plain(key))));
                environment.push(("SQUALL_MODEL_OPTIONS", query(&self.options)));
                Function {
                    memory_mb: SMALL_MEMORY_MB,
                    permissions: model_permissions(names, &bucket, &plain(key)),
                    ..coordinator(&environment, folder)?
                }
            }
            Of::Redirect { location, status } => {
                environment.push(("SQUALL_REDIRECT", plain(location)));
                environment.push(("SQUALL_REDIRECT_STATUS", status.to_string()));
                Function {
                    memory_mb: SMALL_MEMORY_MB,
                    ..coordinator(&environment, folder)?
                }
            }
            Of::Site {
                bucket,
                prefix,
                index,
                error,
            } => {
                let place = format!("s3://{}/{}", place(bucket), plain(prefix));
                environment.push(("SQUALL_SITE", place));
                environment.push(("SQUALL_SITE_INDEX", plain(index)));
                let error = error
                    .iter()
                    .map(|error| ("SQUALL_SITE_ERROR", plain(error)));
                environment.extend(error);
                Function {
                    memory_mb: SMALL_MEMORY_MB,
                    reads: vec![Objects {
                        bucket: bucket.clone(),
                        prefix: prefix.clone(),
                    }],
                    ..coordinator(&environment, folder)?
                }
            }
        };
        Ok(Function {
            concurrency: self.concurrency,
            ..function
        })
    }

    /// What HTTP APIs do not look at, it does itself. That an instance has one request at
    /// a time bounds how many are under way.
    fn enforced(&self) -> Vec<(&'static str, String)> {
        let body = self.body_bytes.map(|bytes| bytes.to_string());
        let allow = (!self.allow.is_empty()).then(|| self.allow.join(","));
        let body = body.map(|bytes| ("SQUALL_BODY_BYTES", bytes));
        let allow = allow.map(|ranges| ("SQUALL_ALLOW", ranges));
        body.into_iter().chain(allow).collect()
    }
}

/// `model-admission`, in the letters that names of functions have.
fn model_key(model: &ObjectRef) -> String {
    let letters = model.stem().chars();
    let letters = letters.map(|letter| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    });
    let mut key = format!("model-{}", letters.collect::<String>());
    key.truncate(LONGEST_KEY);
    key.trim_end_matches('-').to_owned()
}

/// `map-features`, `map-features-2`, ...
pub(crate) fn free_key(project: &Project, plain: &str) -> String {
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.to_owned())
        .chain(numbered)
        .find(|key| !project.functions.contains_key(key))
        .unwrap_or_else(|| plain.to_owned())
}

/// A bucket in a text that is filled in by the deployment.
pub(crate) fn place(bucket: &BucketRef) -> String {
    match bucket {
        BucketRef::Project(key) => format!("${{bucket.{key}}}"),
        BucketRef::Foreign(name) => name.clone(),
    }
}

/// A text in which nothing is to be filled in.
fn plain(text: &str) -> String {
    text.replace("${", "$${")
}

fn query(options: &BTreeMap<String, String>) -> String {
    let options = options.iter();
    let options: Vec<_> = options
        .map(|(name, value)| format!("{}={}", form::encode(name), form::encode(value)))
        .collect();
    options.join("&")
}

pub(crate) fn coordinator(
    environment: &[(&str, String)],
    folder: &Path,
) -> Result<Function, BadText> {
    let environment = environment
        .iter()
        .map(|(name, value)| Ok(((*name).to_owned(), value.parse()?)));
    Ok(Function {
        runtime: FunctionRuntime::Provided { build: None },
        entry: Entry::Handler(BOOTSTRAP.to_owned()),
        source: folder.to_owned(),
        include: vec![],
        exclude: vec![],
        requirements: Requirements::None,
        packages: Requirements::None,
        layers: vec![],
        architecture: this_machine(),
        memory_mb: MEMORY_MB,
        timeout_s: TIMEOUT_S,
        tmp_mb: 512,
        environment: environment.collect::<Result<_, BadText>>()?,
        secrets: vec![],
        concurrency: None,
        start: Start::Auto,
        keep_warm: None,
        retries: None,
        max_age_s: None,
        on_success: None,
        on_failure: None,
        url: None,
        calls: vec![],
        reads: vec![],
        writes: vec![],
        permissions: vec![],
        item: None,
        slim: false,
    })
}

/// One object, and to be told that it is not there: else it looks as if it were forbidden.
fn model_permissions(names: &Names, bucket: &str, key: &str) -> Vec<Value> {
    let arn = names.bucket_arn(bucket);
    vec![
        json!({
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": format!("{arn}/{key}"),
        }),
        json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn,
            "Condition": { "StringEquals": { "s3:prefix": key } },
        }),
    ]
}

/// What it asks to find out how many instances it may use.
fn map_permissions(names: &Names, function: &str) -> Vec<Value> {
    let arn = names.function_arn(function);
    vec![
        json!({
            "Effect": "Allow",
            "Action": ["lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency"],
            "Resource": [format!("{arn}:*"), arn],
        }),
        json!({ "Effect": "Allow", "Action": "lambda:GetAccountSettings", "Resource": "*" }),
    ]
}

fn this_machine() -> Architecture {
    if cfg!(target_arch = "aarch64") {
        Architecture::Arm64
    } else {
        Architecture::X86_64
    }
}

/// A folder with the binary as a custom runtime wants it, and nothing else: kept in the
/// cache until the binary is another one. Symbols for debuggers are left out, if this
/// machine can do that.
pub fn stage(cache: &Path, binary: &Path) -> io::Result<PathBuf> {
    let about = fs::metadata(binary)?;
    let modified = about.modified()?.duration_since(UNIX_EPOCH);
    let modified = modified.map_or(0, |since| since.as_nanos());
    let all = cache.join("coordinator");
    let folder = all.join(format!("{}-{modified}", about.len()));
    if folder.join(BOOTSTRAP).is_file() {
        return Ok(folder);
    }
    // Only one binary is of use; a folder that another process made meanwhile is as good.
    let _ = fs::remove_dir_all(&all);
    let draft = cache.join(format!("coordinator.{}", std::process::id()));
    fs::create_dir_all(&draft)?;
    let copy = draft.join(BOOTSTRAP);
    if !strip(binary, &copy) {
        fs::copy(binary, &copy)?;
    }
    fs::create_dir_all(&all)?;
    match fs::rename(&draft, &folder) {
        Err(error) if !folder.join(BOOTSTRAP).is_file() => return Err(error),
        Err(_) => fs::remove_dir_all(&draft)?,
        Ok(()) => {}
    }
    Ok(folder)
}

fn strip(binary: &Path, copy: &Path) -> bool {
    let status = Command::new("strip")
        .arg("-o")
        .arg(copy)
        .arg(binary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
pub(crate) mod tests;
