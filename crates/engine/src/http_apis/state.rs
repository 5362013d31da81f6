//! The APIs in memory, with the tables by which they are served. Every put and removal
//! notes the document that it changes, so no operation can forget to store something.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::Change;

use super::error::HttpApiError;
use super::ids::{ApiId, StageName};
use super::model::{Api, Snapshot};
use super::table::{Match, Table};
use crate::catalog::Cors;

pub(super) const DOCUMENTS: &str = "http-api";

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
    table: Table,
}

impl Served {
    /// What a request is for. `path` is that below the stage, as it came.
    pub fn find(&self, method: &str, path: &str) -> Option<Match> {
        self.table.find(method, path)
    }
}

impl Entry {
    fn new(api: Api) -> Self {
        let served = api.stages.values().filter_map(|stage| {
            let deployment = api.deployments.get(stage.deployment.as_ref()?)?;
            let Snapshot { cors, .. } = &deployment.snapshot;
            let served = Served {
                stage: stage.name.clone(),
                variables: stage.variables.clone(),
                cors: cors.clone(),
                table: Table::new(&deployment.snapshot),
            };
            Some((stage.name.clone(), Arc::new(served)))
        });
        Self {
            served: served.collect(),
            api,
        }
    }

    /// The stage that a path names with its first segment, else the default one; and
    /// what of the path lies below it.
    pub fn stage<'a>(&self, path: &'a str) -> Option<(&Arc<Served>, &'a str)> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let (first, below) = match inner.find('/') {
            Some(at) => inner.split_at(at),
            None => (inner, ""),
        };
        let named = first.parse::<StageName>().ok();
        let named = named.filter(|name| !name.is_default());
        if let Some(served) = named.and_then(|name| self.served.get(&name)) {
            return Some((served, if below.is_empty() { "/" } else { below }));
        }
        let default = self.served.iter().find(|(name, _)| name.is_default());
        default.map(|(_, served)| (served, path))
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    apis: BTreeMap<ApiId, Arc<Entry>>,
    changes: Vec<Change>,
}

impl State {
    pub fn get(&self, id: &ApiId) -> Option<&Arc<Entry>> {
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
        let entry = self.get(id);
        let entry = entry.ok_or_else(|| HttpApiError::not_found("API", id.as_str()))?;
        Ok(entry.api.clone())
    }

    pub fn put(&mut self, api: Api) -> Arc<Entry> {
        let body = serde_json::to_vec(&api).expect("a record is plain data");
        self.note(&api.id, Some(body));
        let entry = Arc::new(Entry::new(api));
        self.apis.insert(entry.api.id.clone(), Arc::clone(&entry));
        entry
    }

    /// Whether it was there.
    pub fn remove(&mut self, id: &ApiId) -> bool {
        let was = self.apis.remove(id).is_some();
        if was {
            self.note(id, None);
        }
        was
    }

    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn note(&mut self, id: &ApiId, body: Option<Vec<u8>>) {
        self.changes.push(Change {
            kind: DOCUMENTS,
            key: id.to_string(),
            body,
        });
    }
}
