//! Which API and stage a request is for: by the API's own host, by a host name of the
//! account's, or by a path where names below `localhost` do not resolve.

use std::sync::Arc;

use engine::http_apis::{Entry, Served};
use http::header::HOST;
use http::request::Parts;

use super::HttpApiGateway;
use crate::target::{Kind, Target, is_own_host, without_port};

/// A stage of an API, and where in it a request goes.
#[derive(Debug)]
pub(super) struct Address {
    pub target: Target,
    pub entry: Arc<Entry>,
    pub served: Arc<Served>,
    /// What stands before the paths of routes in that of the request: a stage's name, or
    /// the key of a host's mapping, with its slash.
    pub lead: String,
    /// The path below it, as it came.
    pub below: String,
}

/// What is known of an address.
#[derive(Debug)]
pub(super) enum Located {
    At(Box<Address>),
    /// It is one of an API, and there is none.
    Nowhere,
}

impl HttpApiGateway {
    /// Whether the host of a request is one of the account's own names.
    pub fn has_domain(&self, parts: &Parts) -> bool {
        let host = host(parts);
        !is_own_host(host) && self.apis.domain(host).is_some()
    }

    /// None: neither host nor path name an API.
    pub(super) fn locate(&self, parts: &Parts) -> Option<Located> {
        let host = host(parts);
        // The host decides, whatever the path says.
        if !is_own_host(host)
            && let Some(domain) = self.apis.domain(host)
        {
            let path = path(parts);
            let Some((mapping, below)) = domain.mapping(path) else {
                return Some(Located::Nowhere);
            };
            let entry = self.apis.find(&mapping.api);
            let served = entry
                .as_ref()
                .and_then(|entry| entry.served(&mapping.stage));
            let (Some(served), Some(entry)) = (served.cloned(), entry) else {
                return Some(Located::Nowhere);
            };
            return Some(Located::At(Box::new(Address {
                target: Target {
                    id: mapping.api.as_str().to_owned(),
                    path: path.to_owned(),
                    domain: without_port(host)
                        .trim_end_matches('.')
                        .to_ascii_lowercase(),
                    prefix: None,
                },
                entry,
                served,
                lead: if mapping.key.is_empty() {
                    String::new()
                } else {
                    format!("/{}", mapping.key)
                },
                below: below.to_owned(),
            })));
        }
        let target = Target::of(parts, Kind::HttpApi, &self.engine.scope().region)?;
        let entry = self.apis.named(&target.id);
        let Some(entry) = entry.filter(|entry| !entry.api.is_hidden) else {
            return Some(Located::Nowhere);
        };
        let Some((served, below)) = entry.stage(&target.path) else {
            return Some(Located::Nowhere);
        };
        let (served, below) = (Arc::clone(served), below.to_owned());
        Some(Located::At(Box::new(Address {
            lead: if served.stage.is_default() {
                String::new()
            } else {
                format!("/{}", served.stage)
            },
            target,
            entry,
            served,
            below,
        })))
    }
}

fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    host.unwrap_or_default()
}

fn path(parts: &Parts) -> &str {
    match parts.uri.path() {
        "" => "/",
        path => path,
    }
}
