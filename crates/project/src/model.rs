//! A project as everyone else sees it: for one stage, with all defaults filled in.

mod route;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::text::Text;

pub use route::{
    Auth, Authorizer, Cors, Gateway, Handling, JwksSource, Rate, Route, RouteTarget, Who, variables,
};

/// What a project wants to be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The folder of `squall.toml`, absolute.
    pub root: PathBuf,
    /// Lower-case letters, digits and `-`; part of all names.
    pub name: String,
    pub stage: String,
    /// Of AWS, where the project says one.
    pub region: Option<String>,
    /// By their names in the project: `clean`, not `pipeline-dev-clean`.
    pub functions: BTreeMap<String, Function>,
    pub buckets: BTreeMap<String, Bucket>,
    pub routes: Vec<Route>,
    /// Who looks at what callers bring, by the names that routes know.
    pub auth: BTreeMap<String, Authorizer>,
    pub gateway: Gateway,
    pub schedules: BTreeMap<String, Schedule>,
    pub triggers: Vec<Trigger>,
    /// How long logs are kept, in days.
    pub log_days: u32,
    /// What was not said and is taken for granted, a sentence each.
    pub assumed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub runtime: FunctionRuntime,
    /// What is called: `file.function`, or the entry of an app.
    pub entry: Entry,
    /// Folder of the code, absolute.
    pub source: PathBuf,
    /// Of files in the source, as globs.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub requirements: Requirements,
    /// Of R: a list, or a lock file of renv.
    pub packages: Requirements,
    /// ARNs of layers that exist already.
    pub layers: Vec<String>,
    pub architecture: Architecture,
    pub memory_mb: u32,
    pub timeout_s: u32,
    pub tmp_mb: u32,
    pub environment: BTreeMap<String, Text>,
    /// Names of secrets; the function finds each in its environment.
    pub secrets: Vec<String>,
    /// Reserved concurrency.
    pub concurrency: Option<u32>,
    pub start: Start,
    pub keep_warm: Option<KeepWarm>,
    /// Asynchronous invocations: retries, the oldest age in seconds, where outcomes go.
    pub retries: Option<u32>,
    pub max_age_s: Option<u32>,
    pub on_success: Option<Destination>,
    pub on_failure: Option<Destination>,
    pub url: Option<Url>,
    /// Other functions of the project that it invokes.
    pub calls: Vec<String>,
    /// What its role may get and list, and what it may put and remove.
    pub reads: Vec<Objects>,
    pub writes: Vec<Objects>,
    /// Statements of a policy, in IAM's own words. Their texts may have places to fill:
    /// [`crate::text::fill_value`].
    pub permissions: Vec<serde_json::Value>,
    /// How a map gives it its items.
    pub item: Option<String>,
    pub slim: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    X86_64,
    Arm64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionRuntime {
    /// `3.11` of `python3.11`.
    Python { major: u8, minor: u8 },
    /// R, in any version or in the 4.2 of `r4.2`.
    R { version: Option<(u8, u8)> },
    /// An executable named `bootstrap`, ready or built by a command.
    Provided { build: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// `handler.lambda_handler`.
    Handler(String),
    /// `app:app`, an object that speaks WSGI or ASGI.
    App(String),
}

impl Entry {
    /// As the project says it.
    pub fn name(&self) -> &str {
        match self {
            Self::Handler(name) | Self::App(name) => name,
        }
    }
}

/// As `squall.toml` has it.
impl fmt::Display for FunctionRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python { major, minor } => write!(f, "python{major}.{minor}"),
            Self::R { version: None } => f.write_str("r"),
            Self::R {
                version: Some((major, minor)),
            } => write!(f, "r{major}.{minor}"),
            Self::Provided { .. } => f.write_str("provided.al2023"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirements {
    None,
    /// `requirements.txt`, `pyproject.toml`, `uv.lock` or `renv.lock`, absolute.
    File(PathBuf),
    List(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Forked where that is safe: what the engine does by itself.
    Auto,
    Fork,
    Spawn,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepWarm {
    /// An expression of Scheduler, such as `rate(5 minutes)`.
    pub every: String,
    pub instances: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Of the project.
    Function(String),
    Arn(String),
}

/// Some of the objects of a bucket: those whose keys begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    pub bucket: BucketRef,
    /// Empty: all of them.
    pub prefix: String,
}

/// One object, whose key is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    pub bucket: BucketRef,
    pub key: String,
}

impl ObjectRef {
    /// The name of its file, without what tells its format: `admission` of
    /// `models/admission.rds`.
    pub fn stem(&self) -> &str {
        let file = self.key.rsplit('/').next().unwrap_or(&self.key);
        match file.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => file,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BucketRef {
    /// Of the project, by its name there.
    Project(String),
    /// Of somebody else, by its whole name.
    Foreign(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub signed: bool,
    pub stream: bool,
    /// Origins; none is no CORS.
    pub cors: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its whole name, where the project says one; else it is made of project and stage.
    pub name: Option<String>,
    /// Local folder whose files are put there by a deployment, absolute.
    pub folder: Option<PathBuf>,
    pub prefix: String,
    /// Served as a website: the index and the error page.
    pub site: Option<Site>,
    /// Whether `undeploy` leaves it and its objects.
    pub keep: bool,
    /// Origins of pages that may read it.
    pub cors: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub index: String,
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `rate(...)`, `cron(...)` or `at(...)`.
    pub when: String,
    pub timezone: Option<String>,
    pub function: String,
    pub input: serde_json::Value,
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Of the project.
    pub bucket: String,
    /// Such as `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    pub prefix: Option<String>,
    pub suffix: Option<String>,
    pub function: String,
}
