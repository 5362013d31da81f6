//! The state in memory, how it is read from the store, and the draft of its
//! next state. A draft finds out by itself which documents a change touches and
//! what the data plane must be told, so no operation can forget either.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Change, Documents};
use types::{AliasName, FunctionName, FunctionVersion, LayerName, Qualifier, Scope, Version};

use super::error::ControlError;
use super::model::{Facts, Function, Layer, VersionEntry};
use super::{CatalogChange, OpenError};

const FUNCTION: &str = "function";
const VERSION: &str = "function-version";
const LAYER: &str = "layer";

/// Everything the catalog knows; a clone is cheap, since the parts are shared.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub functions: BTreeMap<FunctionName, Arc<Function>>,
    pub layers: BTreeMap<LayerName, Arc<Layer>>,
    /// From the id of a function URL to its place.
    pub urls: HashMap<String, (FunctionName, Option<AliasName>)>,
}

impl State {
    pub fn load(documents: &Documents) -> Result<Self, OpenError> {
        let mut versions: HashMap<String, BTreeMap<Version, Arc<VersionEntry>>> = HashMap::new();
        for (key, body) in documents.load(VERSION)? {
            let entry: VersionEntry = parse(VERSION, &key, &body)?;
            versions
                .entry(entry.config.name.to_string())
                .or_default()
                .insert(entry.config.version, Arc::new(entry));
        }
        let mut state = Self::default();
        for (key, body) in documents.load(FUNCTION)? {
            let facts: Facts = parse(FUNCTION, &key, &body)?;
            let name: FunctionName = key
                .parse()
                .map_err(|_| OpenError::corrupt(FUNCTION, &key))?;
            let versions = versions.remove(&key).unwrap_or_default();
            if !versions.contains_key(&Version::Latest) {
                return Err(OpenError::corrupt(FUNCTION, &key));
            }
            state.insert(Function {
                name,
                facts,
                versions,
            });
        }
        for (key, body) in documents.load(LAYER)? {
            let layer: Layer = parse(LAYER, &key, &body)?;
            let name = key.parse().map_err(|_| OpenError::corrupt(LAYER, &key))?;
            state.layers.insert(name, Arc::new(layer));
        }
        Ok(state)
    }

    fn insert(&mut self, function: Function) {
        for url in function.facts.urls.values() {
            self.urls
                .insert(url.id.clone(), (function.name.clone(), url.alias.clone()));
        }
        self.functions
            .insert(function.name.clone(), Arc::new(function));
    }

    /// The packages that something refers to, by digest.
    pub fn code_in_use(&self) -> HashSet<&str> {
        let versions = self.functions.values().flat_map(|f| f.versions.values());
        let of_functions = versions.flat_map(|entry| code_of(&entry.config));
        let of_layers = self.layers.values().flat_map(|layer| {
            layer
                .versions
                .values()
                .map(|version| version.code.sha256.as_str())
        });
        of_functions.chain(of_layers).collect()
    }

    /// What AWS counts as code storage: each version and layer version by itself,
    /// whether or not they share their bytes.
    pub fn code_bytes(&self) -> u64 {
        let functions = self
            .functions
            .values()
            .flat_map(|f| f.versions.values())
            .map(|entry| entry.config.code.zip_bytes);
        let layers = self
            .layers
            .values()
            .flat_map(|layer| layer.versions.values())
            .map(|version| version.code.zip_bytes);
        functions.chain(layers).sum()
    }

    pub fn function(
        &self,
        scope: &Scope,
        name: &FunctionName,
    ) -> Result<&Arc<Function>, ControlError> {
        self.functions
            .get(name)
            .ok_or_else(|| ControlError::FunctionNotFound {
                arn: scope.function_arn(name),
            })
    }

    /// The version that a qualifier stands for, weights aside.
    pub fn version(
        &self,
        scope: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<&Arc<VersionEntry>, ControlError> {
        let found = self.functions.get(name).and_then(|function| {
            let version = match qualifier {
                None => Version::Latest,
                Some(Qualifier::Version(version)) => *version,
                Some(Qualifier::Alias(alias)) => function.facts.aliases.get(alias)?.version,
            };
            function.versions.get(&version)
        });
        found.ok_or_else(|| ControlError::FunctionNotFound {
            arn: arn(scope, name, qualifier),
        })
    }

    pub fn reserved_total(&self) -> u32 {
        self.functions
            .values()
            .filter_map(|function| function.facts.reserved)
            .fold(0, u32::saturating_add)
    }
}

/// The ARN of a function, with its qualifier if there is one.
pub(super) fn arn(scope: &Scope, name: &FunctionName, qualifier: Option<&Qualifier>) -> String {
    match qualifier {
        None => scope.function_arn(name),
        Some(qualifier) => scope.qualified_arn(name, qualifier),
    }
}

/// The packages of a version: its own and those of its layers.
pub(super) fn code_of(config: &FunctionVersion) -> impl Iterator<Item = &str> {
    std::iter::once(&config.code)
        .chain(config.layers.iter().map(|layer| &layer.code))
        .map(|code| code.sha256.as_str())
}

/// The next state in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub state: State,
    pub documents: Vec<Change>,
    pub notices: Vec<CatalogChange>,
    /// Versions that are no more; their packages may be garbage.
    pub retired: Vec<Arc<FunctionVersion>>,
    /// Packages of layer versions that are no more.
    pub unlisted: Vec<String>,
}

impl Draft {
    pub fn new(state: State) -> Self {
        Self {
            state,
            documents: Vec::new(),
            notices: Vec::new(),
            retired: Vec::new(),
            unlisted: Vec::new(),
        }
    }

    /// Puts a function into the place of what there was under its name.
    pub fn save(&mut self, function: Function) {
        let old = self.state.functions.get(&function.name).cloned();
        let nothing = BTreeMap::new();
        let old_versions = old.as_ref().map_or(&nothing, |old| &old.versions);
        for (version, entry) in old_versions {
            if !function.versions.contains_key(version) {
                self.drop_version(&function.name, entry);
            }
        }
        for (version, entry) in &function.versions {
            let before = old_versions.get(version);
            if before.is_some_and(|before| Arc::ptr_eq(before, entry)) {
                continue;
            }
            self.write(VERSION, version_key(&function.name, *version), &**entry);
            if before.is_some_and(|before| Arc::ptr_eq(&before.config, &entry.config)) {
                continue;
            }
            if let Some(before) = before {
                self.retire(before);
            }
            // A function with an alias is called by it: what is published next is prepared,
            // and an import of the same code beside that would slow both down.
            if *version != Version::Latest || function.facts.aliases.is_empty() {
                self.notices
                    .push(CatalogChange::Prepare(Arc::clone(&entry.config)));
            }
        }
        self.notice_facts(old.as_deref(), &function);
        self.write(FUNCTION, function.name.to_string(), &function.facts);
        self.forget_urls(old.as_deref());
        self.state.insert(function);
    }

    /// Takes a function away with all that belongs to it.
    pub fn remove(&mut self, name: &FunctionName) {
        let Some(old) = self.state.functions.remove(name) else {
            return;
        };
        for entry in old.versions.values() {
            self.drop_version(name, entry);
        }
        self.delete(FUNCTION, name.to_string());
        self.forget_urls(Some(&old));
        self.notices.push(CatalogChange::Removed(name.clone()));
    }

    pub fn save_layer(&mut self, name: LayerName, layer: Layer) {
        if let Some(old) = self.state.layers.get(&name) {
            let gone = old
                .versions
                .iter()
                .filter(|(number, _)| !layer.versions.contains_key(number))
                .map(|(_, version)| version.code.sha256.clone());
            self.unlisted.extend(gone);
        }
        self.write(LAYER, name.to_string(), &layer);
        self.state.layers.insert(name, Arc::new(layer));
    }

    fn notice_facts(&mut self, old: Option<&Function>, new: &Function) {
        let reserved = old.and_then(|old| old.facts.reserved);
        if reserved != new.facts.reserved {
            self.notices
                .push(CatalogChange::Concurrency(new.name.clone()));
        }
        let had = old.is_some_and(|old| !old.facts.provisioned.is_empty());
        if !had && new.facts.provisioned.is_empty() {
            return;
        }
        // A moved alias takes its provisioned instances along.
        let same = old.is_some_and(|old| {
            old.facts.provisioned == new.facts.provisioned && old.facts.aliases == new.facts.aliases
        });
        if !same {
            self.notices
                .push(CatalogChange::Provisioned(new.name.clone()));
        }
    }

    fn forget_urls(&mut self, old: Option<&Function>) {
        for url in old.iter().flat_map(|old| old.facts.urls.values()) {
            self.state.urls.remove(&url.id);
        }
    }

    fn drop_version(&mut self, name: &FunctionName, entry: &VersionEntry) {
        self.delete(VERSION, version_key(name, entry.config.version));
        self.retire(entry);
    }

    fn retire(&mut self, entry: &VersionEntry) {
        self.notices.push(CatalogChange::Retire(entry.config.key()));
        self.retired.push(Arc::clone(&entry.config));
    }

    fn write(&mut self, kind: &'static str, key: String, value: &impl Serialize) {
        let body = serde_json::to_vec(value).expect("documents are plain data with text keys");
        self.documents.push(Change {
            kind,
            key,
            body: Some(body),
        });
    }

    fn delete(&mut self, kind: &'static str, key: String) {
        self.documents.push(Change {
            kind,
            key,
            body: None,
        });
    }
}

fn version_key(name: &FunctionName, version: Version) -> String {
    format!("{name}/{version}")
}

fn parse<T: DeserializeOwned>(kind: &'static str, key: &str, body: &[u8]) -> Result<T, OpenError> {
    serde_json::from_slice(body).map_err(|source| OpenError::Unreadable {
        kind,
        key: key.to_owned(),
        source,
    })
}
