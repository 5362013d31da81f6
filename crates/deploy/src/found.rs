//! Everything that is there, read side by side.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::DeployError;
use crate::kinds::{api, bucket, function, host, layer, log_group, role, schedule, upload};
use crate::site::{Cloud, Known};

/// By kind; most by their names in the cloud.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    pub buckets: BTreeMap<String, bucket::Found>,
    pub log_groups: BTreeMap<String, log_group::Found>,
    pub roles: BTreeMap<String, role::Found>,
    /// Keys in the bucket of packages.
    pub uploads: BTreeSet<String>,
    pub layers: Vec<layer::Found>,
    pub functions: BTreeMap<String, function::Found>,
    pub schedules: schedule::Found,
    pub apis: api::Found,
    pub hosts: host::Found,
}

impl Found {
    pub async fn read(cloud: &Cloud) -> Result<Self, DeployError> {
        let (buckets, log_groups, roles, uploads, layers, functions, schedules, apis, hosts) = tokio::try_join!(
            bucket::read(cloud),
            log_group::read(cloud),
            role::read(cloud),
            upload::read(cloud),
            layer::read(cloud),
            function::read(cloud),
            schedule::read(cloud),
            api::read(cloud),
            host::read(cloud),
        )?;
        Ok(Self {
            buckets,
            log_groups,
            roles,
            uploads,
            layers,
            functions,
            schedules,
            apis,
            hosts,
        })
    }

    /// Only what an update of functions has to know. Of all functions, also if few are
    /// updated: only all together know which release it is.
    pub async fn read_functions(cloud: &Cloud) -> Result<Self, DeployError> {
        let (uploads, layers, functions, apis) = tokio::try_join!(
            upload::read(cloud),
            layer::read(cloud),
            function::read(cloud),
            api::read(cloud),
        )?;
        Ok(Self {
            uploads,
            layers,
            functions,
            apis,
            ..Self::default()
        })
    }

    /// What later steps need and need not make.
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        layer::known(&self.layers, &mut known);
        api::known(&self.apis, &mut known);
        host::known(&self.hosts, &mut known);
        for (name, function) in &self.functions {
            if let Some(url) = &function.url {
                known.urls.insert(name.clone(), url.address.clone());
            }
        }
        known
    }
}
