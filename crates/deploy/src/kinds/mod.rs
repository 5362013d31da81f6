//! A file for each kind of thing. All have the same four parts: what the project wants
//! (`wanted`, pure), what is there (`read`), the steps between them (`plan`, pure), and
//! how a step is done (`Work::run`). A step is done so that it may be done again: it
//! may have been done by a call whose answer was lost.

pub mod api;
pub mod bucket;
pub mod function;
pub mod host;
pub mod layer;
pub mod log_group;
pub mod notification;
pub mod permission;
pub mod policy;
pub mod role;
pub mod schedule;
pub mod setting;
pub mod upload;
pub mod url;
pub mod version;

use crate::error::StepError;
use crate::secret;
use crate::site::{Made, Site};

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    Api(api::Work),
    Host(host::Work),
    Bucket(bucket::Work),
    Schedule(schedule::Work),
    Notification(notification::Work),
    LogGroup(log_group::Work),
    Role(role::Work),
    Upload(upload::Work),
    Layer(layer::Work),
    Function(function::Work),
    Version(version::Work),
    Setting(setting::Work),
    Url(url::Work),
    Permission(permission::Work),
    Secret(secret::Work),
}

impl Work {
    pub async fn run(&self, site: &Site, made: &Made) -> Result<(), StepError> {
        let cloud = &site.cloud;
        match self {
            Self::Api(work) => work.run(cloud, made).await,
            Self::Host(work) => work.run(cloud, made).await,
            Self::Bucket(work) => work.run(cloud).await,
            Self::Schedule(work) => work.run(cloud).await,
            Self::Notification(work) => work.run(cloud).await,
            Self::LogGroup(work) => work.run(cloud).await,
            Self::Role(work) => work.run(cloud).await,
            Self::Upload(work) => work.run(cloud).await,
            Self::Layer(work) => work.run(site, made).await,
            Self::Function(work) => work.run(site, made).await,
            Self::Version(work) => work.run(cloud, made).await,
            Self::Setting(work) => work.run(cloud).await,
            Self::Url(work) => work.run(site, made).await,
            Self::Permission(work) => work.run(cloud, made).await,
            Self::Secret(work) => work.run(cloud).await,
        }
    }
}

/// `Work::Role(work)` from a `role::Work`, and so on.
macro_rules! works {
    ($($variant:ident: $kind:ident),* $(,)?) => {
        $(impl From<$kind::Work> for Work {
            fn from(work: $kind::Work) -> Self {
                Self::$variant(work)
            }
        })*
    };
}

works! {
    Api: api,
    Host: host,
    Bucket: bucket,
    Schedule: schedule,
    Notification: notification,
    LogGroup: log_group,
    Role: role,
    Upload: upload,
    Layer: layer,
    Function: function,
    Version: version,
    Setting: setting,
    Url: url,
    Permission: permission,
    Secret: secret,
}
