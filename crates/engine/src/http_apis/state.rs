//! The APIs and domains in memory, with the tables by which they are served. Every put and removal
//! notes the document that it changes, so no operation can forget to store something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use store::Change;

use super::docs::{self, Docs};
use super::domains::{Domain, Domains};
use super::error::HttpApiError;
use super::ids::{ApiId, PartId, StageName};
use super::model::{AccessLog, Api, Snapshot, Stage, StagePatch};
use super::table::{Endpoint, Match, Table};
use crate::catalog::Cors;
use crate::kept::Draft;

pub(super) const DOCUMENTS: &str = "http-api";
pub(super) const DOMAINS: &str = "http-domain";

/// How many [`Served`] were made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// An API, and what of it is served.
#[derive(Debug)]
pub struct Entry {
    pub api: Api,
    /// Stages that have a deployment.
    served: BTreeMap<StageName, Arc<Served>>,
}

/// A stage as it is served.
#[derive(Debug)]
pub struct Served {
    pub stage: StageName,
    pub variables: BTreeMap<String, String>,
    pub cors: Option<Cors>,
    pub access_log: Option<AccessLog>,
    /// Which callers may see a description of the API.
    pub docs: Docs,
    /// What its API said of them when it was made.
    docs_said: Option<String>,
    /// None: it is not deployed, only shown.
    deployment: Option<PartId>,
    /// What its stage looked like when it was made.
    made_of: Stage,
    /// Greater than that of all that was made before.
    pub made: u64,
    table: Table,
}

impl Served {
    /// None: nothing is deployed to the stage.
    fn new(api: &Api, stage: &Stage) -> Option<Self> {
        let deployment = api.deployments.get(stage.deployment.as_ref()?)?;
        Some(Self::of(api, stage, &deployment.snapshot))
    }

    fn of(api: &Api, stage: &Stage, snapshot: &Snapshot) -> Self {
        Self {
            stage: stage.name.clone(),
            variables: stage.variables.clone(),
            cors: snapshot.cors.clone(),
            access_log: stage.access_log.clone(),
            docs: Docs::of(&api.tags, snapshot),
            docs_said: docs::tag(&api.tags).map(str::to_owned),
            deployment: stage.deployment.clone(),
            made_of: stage.clone(),
            made: MADE.fetch_add(1, Ordering::Relaxed),
            table: Table::new(snapshot, stage),
        }
    }

    /// Whether it would be made in the same way again.
    fn is_of(&self, api: &Api, stage: &Stage) -> bool {
        stage.deployment == self.deployment
            && self.made_of == *stage
            && self.docs_said.as_deref() == docs::tag(&api.tags)
    }

    /// What a request is for. `path` is that below the stage, as it came.
    pub fn find(&self, method: &str, path: &str) -> Option<Match> {
        self.table.find(method, path)
    }

    /// What it has routes to, in the order in which they are tried.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.table.endpoints()
    }

    /// The methods that a path has routes for, sorted. Ask it where nothing is found: an
    /// empty list says that the path is not there at all.
    pub fn methods_at(&self, path: &str) -> Vec<Method> {
        self.table.methods(path)
    }
}

impl Entry {
    /// Stages of which nothing has changed stay the same objects: the gateway keeps
    /// things by them.
    fn new(api: Api, before: Option<&Self>) -> Self {
        let stages = api.stages.values();
        let served = stages.filter_map(|stage| {
            let same = before.and_then(|before| before.served.get(&stage.name));
            let served = match same.filter(|served| served.is_of(&api, stage)) {
                Some(served) => Arc::clone(served),
                None => Arc::new(Served::new(&api, stage)?),
            };
            Some((stage.name.clone(), served))
        });
        Self {
            served: served.collect(),
            api,
        }
    }

    /// The API as it is now, whatever of it is deployed, as its default stage would serve
    /// it.
    pub fn latest(&self) -> Arc<Served> {
        let name = StageName::DEFAULT.parse().expect("it is one of the forms");
        let stage = Stage::new(name, BTreeMap::new(), StagePatch::default());
        Arc::new(Served::of(&self.api, &stage, &self.api.snapshot()))
    }

    /// A stage by its name, if it serves anything.
    pub fn served(&self, stage: &StageName) -> Option<&Arc<Served>> {
        self.served.get(stage)
    }

    /// The stage that a path names with its first segment, else the default one; and
    /// what of the path lies below it.
    pub fn stage<'a>(&self, path: &'a str) -> Option<(&Arc<Served>, &'a str)> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let (first, below) = match inner.find('/') {
            Some(at) => inner.split_at(at),
            None => (inner, ""),
        };
        let named = Some(first).filter(|name| *name != StageName::DEFAULT);
        if let Some(served) = named.and_then(|name| self.served.get(name)) {
            return Some((served, if below.is_empty() { "/" } else { below }));
        }
        let default = self.served.get(StageName::DEFAULT);
        default.map(|served| (served, path))
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    apis: BTreeMap<ApiId, Arc<Entry>>,
    pub domains: Domains,
    changes: Vec<Change>,
}

impl State {
    pub fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.apis.get(id)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.apis.values()
    }

    pub fn count(&self) -> usize {
        self.apis.len()
    }

    /// An API to be changed and put back.
    pub fn copy(&self, id: &ApiId) -> Result<Api, HttpApiError> {
        let entry = self.get(id.as_str());
        let entry = entry.ok_or_else(|| HttpApiError::not_found("API", id.as_str()))?;
        Ok(entry.api.clone())
    }

    pub fn put(&mut self, api: Api) -> Arc<Entry> {
        let body = serde_json::to_vec(&api).expect("a record is plain data");
        self.note(DOCUMENTS, api.id.as_str(), Some(body));
        let before = self.apis.get(&api.id).map(Arc::as_ref);
        let entry = Arc::new(Entry::new(api, before));
        self.apis.insert(entry.api.id.clone(), Arc::clone(&entry));
        entry
    }

    /// Whether it was there.
    pub fn remove(&mut self, id: &ApiId) -> bool {
        let was = self.apis.remove(id).is_some();
        if was {
            self.note(DOCUMENTS, id.as_str(), None);
        }
        was
    }

    pub fn put_domain(&mut self, domain: Domain) -> Arc<Domain> {
        let body = serde_json::to_vec(&domain).expect("a record is plain data");
        self.note(DOMAINS, domain.name.as_str(), Some(body));
        self.domains.put(domain)
    }

    /// Whether it was there.
    pub fn remove_domain(&mut self, name: &str) -> bool {
        let was = self.domains.remove(name);
        if was {
            self.note(DOMAINS, name, None);
        }
        was
    }

    fn note(&mut self, kind: &'static str, key: &str, body: Option<Vec<u8>>) {
        self.changes.push(Change {
            kind,
            key: key.to_owned(),
            body,
        });
    }
}

impl Draft for State {
    fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}
