//! Host names of an account's own, and which APIs stand behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::HttpApis;
use super::apis::{check_tags, set, set_text, too_many};
use super::error::HttpApiError;
use super::ids::{ApiId, DomainName, PartId, StageName};
use super::state::State;

const MOST_DOMAINS: usize = 120;
const MOST_MAPPINGS: usize = 200;
const LONGEST_KEY: usize = 300;

/// A host name that leads to APIs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// In lower case, without a port; `*.example.com` stands for all names below.
    pub name: DomainName,
    /// Kept for the client: the certificates that count here are those of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    pub created: Timestamp,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub mappings: BTreeMap<PartId, Mapping>,
}

/// What of a domain's paths goes to which API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    pub id: PartId,
    pub api: ApiId,
    pub stage: StageName,
    /// What paths begin with, such as `v1` or `orders/v1`; empty is all that no other
    /// mapping takes.
    #[serde(default)]
    pub key: String,
}

#[derive(Debug, Clone)]
pub struct NewDomain {
    pub name: DomainName,
    pub certificate: Option<String>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub struct NewMapping {
    pub api: ApiId,
    pub stage: StageName,
    pub key: String,
}

/// What is not named stays.
#[derive(Debug, Clone, Default)]
pub struct MappingPatch {
    pub api: Option<ApiId>,
    pub stage: Option<StageName>,
    pub key: Option<String>,
}

impl Domain {
    /// The mapping with the longest key that a path begins with, and what of the path
    /// lies below it. Keys end where segments do.
    pub fn mapping<'a>(&self, path: &'a str) -> Option<(&Mapping, &'a str)> {
        let fits = |mapping: &'_ Mapping| -> Option<&'a str> {
            if mapping.key.is_empty() {
                return Some(path);
            }
            let below = path.strip_prefix('/')?.strip_prefix(&*mapping.key)?;
            match below {
                "" => Some("/"),
                _ => below.starts_with('/').then_some(below),
            }
        };
        let all = self.mappings.values();
        let fitting = all.filter_map(|mapping| Some((mapping, fits(mapping)?)));
        fitting.max_by_key(|(mapping, _)| mapping.key.len())
    }

    pub fn mapping_of(&self, id: &PartId) -> Result<&Mapping, HttpApiError> {
        let found = self.mappings.get(id);
        found.ok_or_else(|| HttpApiError::not_found("ApiMapping", id.as_str()))
    }

    /// Refuses a key that another mapping has.
    fn check_key(&self, key: &str, own: Option<&PartId>) -> Result<(), HttpApiError> {
        check_key(key)?;
        let mut all = self.mappings.values();
        if all.any(|other| other.key == key && Some(&other.id) != own) {
            return Err(HttpApiError::Conflict(
                "ApiMapping key already exists for this domain name".to_owned(),
            ));
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), HttpApiError> {
    if key.starts_with('/') || key.ends_with('/') || key.contains("//") {
        return Err(HttpApiError::invalid(
            "API mapping key should not start or end with a '/' or have consecutive '/'s.",
        ));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'(),/".contains(&byte);
    let dots = key.split('/').any(|part| matches!(part, "." | ".."));
    if key.len() > LONGEST_KEY || dots || !key.bytes().all(plain) {
        return Err(HttpApiError::invalid(format!(
            "API mapping key has at most {LONGEST_KEY} letters, digits and characters of $-_.+!*'(),/"
        )));
    }
    Ok(())
}

/// All domains, for who asks by a host at each request.
#[derive(Debug, Clone, Default)]
pub(super) struct Domains {
    all: BTreeMap<DomainName, Arc<Domain>>,
    /// Those that begin with `*.`, by what follows.
    wild: BTreeMap<String, Arc<Domain>>,
}

impl Domains {
    pub fn all(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.all.values()
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Domain>> {
        self.all.get(name)
    }

    pub fn put(&mut self, domain: Domain) -> Arc<Domain> {
        let domain = Arc::new(domain);
        if let Some(below) = domain.name.as_str().strip_prefix("*.") {
            self.wild.insert(below.to_owned(), Arc::clone(&domain));
        }
        self.all.insert(domain.name.clone(), Arc::clone(&domain));
        domain
    }

    /// Whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        if let Some(below) = name.strip_prefix("*.") {
            self.wild.remove(below);
        }
        self.all.remove(name).is_some()
    }

    /// The domain that a host belongs to: its own, else the nearest that stands for all
    /// names below.
    pub fn of_host(&self, host: &str) -> Option<&Arc<Domain>> {
        if self.all.is_empty() {
            return None;
        }
        let host = match host.rsplit_once(':') {
            Some((host, _port)) => host,
            None => host,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.of_lower(&host.to_ascii_lowercase());
        }
        self.of_lower(host)
    }

    fn of_lower(&self, host: &str) -> Option<&Arc<Domain>> {
        // A `*` in a host is not what it is in a name.
        let exact = self.all.get(host).filter(|_| !host.starts_with('*'));
        if exact.is_some() || self.wild.is_empty() {
            return exact;
        }
        let dots = host.match_indices('.');
        dots.filter(|(at, _)| *at > 0)
            .find_map(|(at, _)| self.wild.get(&host[at + 1..]))
    }
}

impl HttpApis {
    /// The domain that a request is for, by its `Host`, with or without a port.
    pub fn domain(&self, host: &str) -> Option<Arc<Domain>> {
        self.state.read().domains.of_host(host).cloned()
    }

    /// Sorted by name.
    pub fn domains(&self) -> Vec<Arc<Domain>> {
        self.state.read().domains.all().cloned().collect()
    }

    pub fn domain_named(&self, name: &str) -> Result<Arc<Domain>, HttpApiError> {
        let found = self.state.read().domains.get(name).cloned();
        found.ok_or_else(|| no_domain(name))
    }

    pub async fn create_domain(&self, new: NewDomain) -> Result<Arc<Domain>, HttpApiError> {
        check_tags(&new.tags)?;
        self.state
            .change(|state| {
                if state.domains.get(new.name.as_str()).is_some() {
                    return Err(HttpApiError::invalid(
                        "The domain name you provided already exists.",
                    ));
                }
                if state.domains.all().count() >= MOST_DOMAINS {
                    return Err(too_many("domain names", MOST_DOMAINS));
                }
                Ok(state.put_domain(Domain {
                    name: new.name,
                    certificate: new.certificate,
                    created: Timestamp::now(),
                    tags: new.tags,
                    mappings: BTreeMap::new(),
                }))
            })
            .await
    }

    pub async fn update_domain(
        &self,
        name: &str,
        certificate: Option<String>,
    ) -> Result<Arc<Domain>, HttpApiError> {
        self.change_domain(name, |_, domain| {
            set_text(&mut domain.certificate, certificate);
            Ok(())
        })
        .await?;
        self.domain_named(name)
    }

    /// Deletes a domain with its mappings; the APIs stay.
    pub async fn delete_domain(&self, name: &str) -> Result<(), HttpApiError> {
        self.state
            .change(|state| {
                if state.remove_domain(name) {
                    Ok(())
                } else {
                    Err(no_domain(name))
                }
            })
            .await
    }

    pub async fn create_mapping(
        &self,
        domain: &str,
        new: NewMapping,
    ) -> Result<Mapping, HttpApiError> {
        self.change_domain(domain, |state, domain| {
            if domain.mappings.len() >= MOST_MAPPINGS {
                return Err(too_many("API mappings", MOST_MAPPINGS));
            }
            domain.check_key(&new.key, None)?;
            let mapping = Mapping {
                id: PartId::random()?,
                api: new.api,
                stage: new.stage,
                key: new.key,
            };
            mapping.check(state)?;
            domain.mappings.insert(mapping.id.clone(), mapping.clone());
            Ok(mapping)
        })
        .await
    }

    pub async fn update_mapping(
        &self,
        domain: &str,
        id: &PartId,
        patch: MappingPatch,
    ) -> Result<Mapping, HttpApiError> {
        self.change_domain(domain, |state, domain| {
            let mut mapping = domain.mapping_of(id)?.clone();
            if let Some(key) = &patch.key {
                domain.check_key(key, Some(id))?;
            }
            set(&mut mapping.api, patch.api);
            set(&mut mapping.stage, patch.stage);
            set(&mut mapping.key, patch.key);
            mapping.check(state)?;
            domain.mappings.insert(id.clone(), mapping.clone());
            Ok(mapping)
        })
        .await
    }

    pub async fn delete_mapping(&self, domain: &str, id: &PartId) -> Result<(), HttpApiError> {
        self.change_domain(domain, |_, domain| {
            domain.mapping_of(id)?;
            domain.mappings.remove(id);
            Ok(())
        })
        .await
    }

    pub(super) async fn change_domain<T>(
        &self,
        name: &str,
        operation: impl FnOnce(&State, &mut Domain) -> Result<T, HttpApiError>,
    ) -> Result<T, HttpApiError> {
        self.state
            .change(|state| {
                let domain = state.domains.get(name).ok_or_else(|| no_domain(name))?;
                let mut domain = Domain::clone(domain);
                let result = operation(state, &mut domain)?;
                state.put_domain(domain);
                Ok(result)
            })
            .await
    }
}

impl Mapping {
    /// Refuses one that leads nowhere.
    fn check(&self, state: &State) -> Result<(), HttpApiError> {
        let entry = state.get(self.api.as_str());
        let entry = entry.ok_or_else(|| HttpApiError::not_found("API", self.api.as_str()))?;
        entry.api.stage(&self.stage).map(drop)
    }
}

impl State {
    /// Refuses to take away what domains lead to: an API, or one of its stages.
    pub(super) fn check_unmapped(
        &self,
        api: &ApiId,
        stage: Option<&StageName>,
    ) -> Result<(), HttpApiError> {
        let leads = |mapping: &Mapping| {
            mapping.api == *api && stage.is_none_or(|stage| mapping.stage == *stage)
        };
        let mut all = self.domains.all();
        match all.find(|domain| domain.mappings.values().any(leads)) {
            None => Ok(()),
            Some(domain) => Err(HttpApiError::invalid(format!(
                "Please remove all API mappings related to the {} before deletion: {}",
                if stage.is_some() { "stage" } else { "API" },
                domain.name
            ))),
        }
    }
}

fn no_domain(name: &str) -> HttpApiError {
    HttpApiError::not_found("domain name", name)
}
