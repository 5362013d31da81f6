//! What all steps know: the cloud, the project, its packages, and what was made so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_client::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use package::{Artifact, Package};
use project::Project;
use project::text::Reference;

use crate::keys;
use crate::kinds::api::authorizer;
use crate::names::Names;

/// What AWS takes in the body of a call; larger zips go through a bucket.
pub const DIRECT_ZIP_BYTES: u64 = 50 << 20;

/// Where a project goes. The engine serves some routes itself that on AWS are the
/// coordinator's, a function that is this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Engine,
    Aws,
}

/// Who is asked, and under which names: enough to read what is there.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub client: Client,
    pub target: Target,
    pub names: Names,
    /// Names that only this project gives to buckets: an empty one without tags is ours,
    /// because a deployment was interrupted between making it and saying whose it is.
    pub bucket_names: BTreeSet<String>,
    /// Names of authorizers that the project wants, as they are in the cloud: an
    /// interrupted deployment may have left some that no route has.
    pub authorizer_names: BTreeSet<String>,
}

/// The names of a project's authorizers.
pub fn authorizer_names(project: &Project) -> BTreeSet<String> {
    let all = project.auth.iter();
    all.map(|(name, kind)| authorizer::cloud_name(name, kind))
        .collect()
}

/// The names of a project's buckets that are made of project and stage.
pub fn bucket_names(project: &Project, names: &Names) -> BTreeSet<String> {
    let buckets = project.buckets.iter();
    let unnamed = buckets.filter(|(_, bucket)| bucket.name.is_none());
    let own = unnamed.map(|(key, _)| names.bucket(key));
    own.chain([names.bucket(PACKAGES), keys::bucket(names)])
        .collect()
}

/// A project and where it goes. A project without functions, buckets and routes
/// wants nothing to be there: its plan removes everything.
#[derive(Debug)]
pub struct Site {
    pub cloud: Cloud,
    pub project: Project,
    /// By function.
    pub packages: BTreeMap<String, Package>,
    /// When the secrets that functions name were set: a new value is a new release.
    pub secrets: BTreeMap<String, u64>,
}

impl Site {
    pub fn names(&self) -> &Names {
        &self.cloud.names
    }

    /// The name in the cloud of a bucket of the project.
    pub fn bucket_name(&self, key: &str) -> String {
        let named = self.project.buckets.get(key);
        let named = named.and_then(|bucket| bucket.name.clone());
        named.unwrap_or_else(|| self.names().bucket(key))
    }

    /// What a place in a text of the project stands for.
    pub fn value_of(&self, reference: &Reference) -> String {
        let names = self.names();
        match reference {
            Reference::Bucket(key) => self.bucket_name(key),
            Reference::Function(key) => names.of(key),
            Reference::Project => names.project.clone(),
            Reference::Stage => names.stage.clone(),
            Reference::Account => names.account.clone(),
            Reference::Region => names.region.clone(),
        }
    }

    /// Zips that are too large for a call, and the rest of packages that did not fit:
    /// what the bucket of packages has to hold. Empty: no such bucket is wanted.
    pub fn stored_artifacts(&self) -> BTreeMap<String, &Artifact> {
        let mut stored = BTreeMap::new();
        for package in self.packages.values() {
            let layers = package.layers.iter().map(|layer| &layer.artifact);
            let zips = layers.chain([&package.code]);
            let large = zips.filter(|zip| !fits_in_call(zip));
            let all = large.chain(package.rest.as_ref());
            stored.extend(all.map(|artifact| (package_key(artifact), artifact)));
        }
        stored
    }

    /// The bucket of those; it holds nothing that cannot be built again.
    pub fn package_bucket(&self) -> String {
        self.names().bucket(PACKAGES)
    }
}

pub const PACKAGES: &str = "packages";

pub fn fits_in_call(zip: &Artifact) -> bool {
    zip.zip_bytes <= DIRECT_ZIP_BYTES
}

/// Under which key an artifact is in the bucket of packages: by content.
pub fn package_key(artifact: &Artifact) -> String {
    let name = artifact.sha256.replace('/', "_").replace('+', "-");
    format!("packages/{}.zip", name.trim_end_matches('='))
}

/// A project of that name that wants nothing to be there.
pub fn nothing_of(project: &Project) -> Project {
    Project {
        root: project.root.clone(),
        name: project.name.clone(),
        stage: project.stage.clone(),
        region: project.region.clone(),
        functions: BTreeMap::new(),
        buckets: BTreeMap::new(),
        routes: Vec::new(),
        auth: BTreeMap::new(),
        gateway: project::model::Gateway::default(),
        schedules: BTreeMap::new(),
        triggers: Vec::new(),
        log_days: project.log_days,
        assumed: Vec::new(),
    }
}

/// The hash of a zip as most tools write it.
pub fn sha256_hex(artifact: &Artifact) -> String {
    STANDARD
        .decode(&artifact.sha256)
        .map(hex::encode)
        .unwrap_or_default()
}

/// What is known only once it is made; later steps need it.
#[derive(Debug, Default)]
pub struct Made(Mutex<Known>);

#[derive(Debug, Default, Clone)]
pub struct Known {
    /// ARNs of layer versions, by hash.
    pub layers: BTreeMap<String, String>,
    /// The version of each function that the alias is to point to, by the function's
    /// name in the cloud.
    pub versions: BTreeMap<String, u64>,
    /// Id and address of the HTTP API.
    pub api: Option<(String, String)>,
    /// Ids of the API's authorizers, by their names.
    pub authorizers: BTreeMap<String, String>,
    /// Host names, and where name servers shall point for each if AWS says it.
    pub hosts: BTreeMap<String, Option<String>>,
    /// Addresses that answer, by the function's name in the cloud.
    pub urls: BTreeMap<String, String>,
}

impl Made {
    pub fn of(known: Known) -> Self {
        Self(Mutex::new(known))
    }

    /// Not to be held over a call.
    pub fn now(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
