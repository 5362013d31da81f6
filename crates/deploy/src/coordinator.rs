//! The coordinator of maps and models on AWS: this binary as a function. What the engine's
//! gateway does itself is there a function, with the route leading to it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use aws_wire::form;
use project::Project;
use project::model::{
    Architecture, BucketRef, Entry, Function, FunctionRuntime, ObjectRef, Requirements,
    RouteTarget, Start,
};
use project::text::BadText;
use serde_json::{Value, json};

use crate::names::{ALIAS, Names};

/// An HTTP API waits no longer for any function.
const TIMEOUT_S: u32 = 30;
/// On AWS so much memory comes with one whole processor.
const MEMORY_MB: u32 = 1769;
/// A model answers in microseconds; what takes time is a cold start.
const MODEL_MEMORY_MB: u32 = 1024;
/// What a custom runtime's package has to be called inside.
const BOOTSTRAP: &str = "bootstrap";

/// Names of functions have no more; what is made of a key of a bucket is cut to it.
const LONGEST_KEY: usize = 40;

/// What a coordinator is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Map(String),
    Model(ObjectRef),
}

/// Puts a coordinator before each function that a route maps over and each model that
/// answers, and leads the route there. Routes with the same function or model and the same
/// options share one. `folder` is where the binary is, as [`stage`] made it.
pub fn expand(project: &mut Project, names: &Names, folder: &Path) -> Result<(), BadText> {
    let mut made: BTreeMap<(Of, BTreeMap<String, String>), String> = BTreeMap::new();
    let mut routes = std::mem::take(&mut project.routes);
    for route in &mut routes {
        let (of, options) = match &route.target {
            RouteTarget::Function(_) => continue,
            RouteTarget::Map { function, options } => (Of::Map(function.clone()), options),
            RouteTarget::Model { model, options } => (Of::Model(model.clone()), options),
        };
        let wish = (of, options.clone());
        let key = if let Some(key) = made.get(&wish) {
            key.clone()
        } else {
            let (key, coordinator) = match &wish.0 {
                Of::Map(function) => (
                    free_key(project, &format!("map-{function}")),
                    mapper(names, function, options, folder)?,
                ),
                Of::Model(model) => (
                    free_key(project, &model_key(model)),
                    predictor(names, model, options, folder)?,
                ),
            };
            project.functions.insert(key.clone(), coordinator);
            made.insert(wish, key.clone());
            key
        };
        route.target = RouteTarget::Function(key);
    }
    project.routes = routes;
    Ok(())
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
fn free_key(project: &Project, plain: &str) -> String {
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.to_owned())
        .chain(numbered)
        .find(|key| !project.functions.contains_key(key))
        .unwrap_or_else(|| plain.to_owned())
}

fn mapper(
    names: &Names,
    function: &str,
    options: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Function, BadText> {
    let mapped = format!("{}:{ALIAS}", names.of(function));
    let environment = [
        ("SQUALL_MAP_FUNCTION", mapped),
        ("SQUALL_MAP_OPTIONS", query(options)),
    ];
    Ok(Function {
        calls: vec![function.to_owned()],
        permissions: map_permissions(names, function),
        ..coordinator(&environment, folder)?
    })
}

fn predictor(
    names: &Names,
    model: &ObjectRef,
    options: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Function, BadText> {
    let (bucket, key) = (place(&model.bucket), &model.key);
    let environment = [
        ("SQUALL_MODEL", format!("s3://{bucket}/{key}")),
        ("SQUALL_MODEL_OPTIONS", query(options)),
    ];
    Ok(Function {
        memory_mb: MODEL_MEMORY_MB,
        permissions: model_permissions(names, &bucket, key),
        ..coordinator(&environment, folder)?
    })
}

/// A bucket in a text that is filled in by the deployment.
fn place(bucket: &BucketRef) -> String {
    match bucket {
        BucketRef::Project(key) => format!("${{bucket.{key}}}"),
        BucketRef::Foreign(name) => name.clone(),
    }
}

fn query(options: &BTreeMap<String, String>) -> String {
    let options = options.iter();
    let options: Vec<_> = options
        .map(|(name, value)| format!("{}={}", form::encode(name), form::encode(value)))
        .collect();
    options.join("&")
}

fn coordinator(environment: &[(&str, String)], folder: &Path) -> Result<Function, BadText> {
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
mod tests {
    use project::model::Route;
    use project::text;

    use super::*;

    fn map(path: &str, function: &str, options: &[(&str, &str)]) -> Route {
        let options = options.iter();
        Route {
            place: 0,
            path: path.to_owned(),
            methods: vec![],
            target: RouteTarget::Map {
                function: function.to_owned(),
                options: options
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            },
            cors: vec![],
            key: false,
        }
    }

    fn project(routes: Vec<Route>) -> Project {
        Project {
            root: PathBuf::from("/p"),
            name: "p".to_owned(),
            stage: "dev".to_owned(),
            region: None,
            functions: BTreeMap::new(),
            buckets: BTreeMap::new(),
            routes,
            schedules: BTreeMap::new(),
            triggers: vec![],
            log_days: 14,
            assumed: vec![],
        }
    }

    fn names() -> Names {
        Names {
            project: "p".to_owned(),
            stage: "dev".to_owned(),
            account: "1".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    #[test]
    fn routes_of_maps_lead_to_coordinators() {
        let mut project = project(vec![
            map("/", "f", &[]),
            map("/again", "f", &[]),
            map("/other", "f", &[("item", "a b")]),
            map("/g", "g", &[]),
        ]);
        expand(&mut project, &names(), Path::new("/cache")).unwrap();
        let targets: Vec<_> = project
            .routes
            .iter()
            .map(|route| match &route.target {
                RouteTarget::Function(key) => key.as_str(),
                RouteTarget::Map { .. } | RouteTarget::Model { .. } => "not led anywhere",
            })
            .collect();
        assert_eq!(targets, ["map-f", "map-f", "map-f-2", "map-g"]);
        let other = &project.functions["map-f-2"];
        let value = |name: &str| other.environment[name].fill(|_| String::new());
        assert_eq!(value("SQUALL_MAP_FUNCTION"), "p-dev-f:live");
        assert_eq!(value("SQUALL_MAP_OPTIONS"), "item=a%20b");
        assert_eq!(other.calls, ["f"]);
    }

    fn model(path: &str, bucket: BucketRef, key: &str) -> Route {
        Route {
            target: RouteTarget::Model {
                model: ObjectRef {
                    bucket,
                    key: key.to_owned(),
                },
                options: BTreeMap::from([("threshold".to_owned(), "0.5".to_owned())]),
            },
            ..map(path, "", &[])
        }
    }

    #[test]
    fn a_model_is_served_by_a_function_that_may_read_it_alone() {
        let own = || BucketRef::Project("models".to_owned());
        let foreign = BucketRef::Foreign("theirs".to_owned());
        let mut project = project(vec![
            model("/a", own(), "2026/admission rate.rds"),
            model("/again", own(), "2026/admission rate.rds"),
            model("/b", foreign, "b.json"),
        ]);
        expand(&mut project, &names(), Path::new("/cache")).unwrap();
        let made: Vec<_> = project.functions.keys().map(String::as_str).collect();
        assert_eq!(made, ["model-admission-rate", "model-b"]);
        let fill = |_: &text::Reference| "p-dev-models-1".to_owned();
        let function = &project.functions["model-admission-rate"];
        assert_eq!(
            function.environment["SQUALL_MODEL"].fill(fill),
            "s3://p-dev-models-1/2026/admission rate.rds"
        );
        assert_eq!(
            function.environment["SQUALL_MODEL_OPTIONS"].fill(fill),
            "threshold=0.5"
        );
        let permissions = function.permissions.iter();
        let permissions: Vec<_> = permissions
            .map(|statement| text::fill_value(statement, &mut |it| fill(it)))
            .collect();
        assert_eq!(
            permissions[0]["Resource"],
            "arn:aws:s3:::p-dev-models-1/2026/admission rate.rds"
        );
        assert_eq!(
            permissions[1]["Condition"]["StringEquals"]["s3:prefix"],
            "2026/admission rate.rds"
        );
        let other = &project.functions["model-b"];
        assert_eq!(
            other.environment["SQUALL_MODEL"].fill(fill),
            "s3://theirs/b.json"
        );
    }

    #[test]
    fn the_binary_is_staged_once() {
        let cache = tempfile::tempdir().unwrap();
        let binary = cache.path().join("squall");
        fs::write(&binary, "one").unwrap();
        let first = stage(cache.path(), &binary).unwrap();
        assert_eq!(fs::read(first.join("bootstrap")).unwrap(), b"one");
        assert_eq!(stage(cache.path(), &binary).unwrap(), first);
        fs::write(&binary, "another").unwrap();
        let second = stage(cache.path(), &binary).unwrap();
        assert_eq!(fs::read(second.join("bootstrap")).unwrap(), b"another");
        assert!(!first.exists());
    }
}
