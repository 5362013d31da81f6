//! HTTP APIs as records, and what clients ask for when they change one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{BadName, BucketName, FunctionName, ObjectKey, Qualifier, Timestamp};

use super::authorizers::AuthorizationType;
use super::handling::Handling;
use super::ids::{ApiId, PartId, StageName};
use super::route_key::RouteKey;
use super::who::{Authorization, Authorizer, AuthorizerKind};
use crate::catalog::Cors;

/// An API with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
    pub id: ApiId,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its owner calls this state of it; it means nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// It is not served under its own address.
    #[serde(default)]
    pub is_hidden: bool,
    pub created: Timestamp,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub routes: BTreeMap<PartId, Route>,
    #[serde(default)]
    pub integrations: BTreeMap<PartId, Integration>,
    #[serde(default)]
    pub authorizers: BTreeMap<PartId, Authorizer>,
    #[serde(default)]
    pub stages: BTreeMap<StageName, Stage>,
    #[serde(default)]
    pub deployments: BTreeMap<PartId, Deployment>,
}

/// Which requests go to which integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub id: PartId,
    pub key: RouteKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PartId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Whether calls must bring an API key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_required: bool,
    #[serde(default, skip_serializing_if = "Authorization::is_open")]
    pub authorization: Authorization,
    /// Made by creating the API with a target.
    #[serde(default)]
    pub managed: bool,
}

/// What serves requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    pub id: PartId,
    pub target: IntegrationTarget,
    #[serde(default)]
    pub handling: Handling,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    #[serde(default)]
    pub managed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntegrationTarget {
    Function(FunctionTarget),
    Map(MapTarget),
    Model(ModelTarget),
    Redirect(RedirectTarget),
    Site(SiteTarget),
    Route(RouteTarget),
}

/// A function that gets requests as events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionTarget {
    /// As the client named it.
    pub uri: String,
    pub function: FunctionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    pub payload: PayloadFormat,
    /// The role that invokes it. Without one, the function's policy must let API
    /// Gateway in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// Tables that go in items to instances of a function. This is Squall's own: on AWS a
/// function stands there that does the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapTarget {
    pub function: FunctionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    /// By the names that they have in a query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// A model that lies in a bucket and answers by itself, without a function. Squall's own
/// as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelTarget {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// By the names that they have in a query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl ModelTarget {
    /// `s3://BUCKET/KEY`, without options.
    pub fn at(uri: &str) -> Result<Self, BadName> {
        let rest = uri.strip_prefix("s3://").unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            bucket: bucket.parse()?,
            key: key.parse()?,
            options: BTreeMap::new(),
        })
    }

    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// Another address. Variables of the path may stand in it: `/new/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectTarget {
    pub location: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Objects of a bucket, as pages: what the path's greedy variable says, below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteTarget {
    pub bucket: BucketName,
    /// What keys begin with; empty, or with a slash at its end.
    #[serde(default)]
    pub prefix: String,
    /// The page of a folder.
    pub index: String,
    /// The page where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Another route of the same API, by a path; variables of the path may stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTarget {
    pub path: String,
}

/// In which form a function sees requests and answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadFormat {
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "2.0")]
    V2,
}

/// What of an API was served, or may be served again, from some moment on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: PartId,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Made because a stage deploys by itself.
    #[serde(default)]
    pub automatic: bool,
    pub snapshot: Snapshot,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub routes: BTreeMap<PartId, Route>,
    pub integrations: BTreeMap<PartId, Integration>,
    pub authorizers: BTreeMap<PartId, Authorizer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
}

/// A name under which a deployment is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub name: StageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Every change of the API is deployed to it at once.
    #[serde(default)]
    pub deploys_by_itself: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<PartId>,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_settings: Option<RouteSettings>,
    /// By route key.
    #[serde(default)]
    pub route_settings: BTreeMap<String, RouteSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
    #[serde(default)]
    pub managed: bool,
}

/// How often a route may be called, and what is noted of it; the latter is kept for the
/// client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_trace_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detailed_metrics_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttling_burst_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttling_rate_limit: Option<f64>,
}

/// Kept for the client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLog {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

#[derive(Debug, Clone)]
pub struct NewApi {
    pub name: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub cors: Option<Cors>,
    pub is_hidden: bool,
    pub tags: BTreeMap<String, String>,
    pub quick: Option<QuickCreate>,
}

/// A target that is named with the API: a route to it and a stage that deploys by
/// itself are made as well.
#[derive(Debug, Clone)]
pub struct QuickCreate {
    pub key: RouteKey,
    pub target: FunctionTarget,
}

/// What is not named stays.
#[derive(Debug, Clone, Default)]
pub struct ApiPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    pub cors: Option<Cors>,
    pub is_hidden: Option<bool>,
    /// Of the route and the integration that were made with the API.
    pub key: Option<RouteKey>,
    pub target: Option<FunctionTarget>,
}

#[derive(Debug, Clone)]
pub struct NewRoute {
    pub key: RouteKey,
    pub target: Option<PartId>,
    pub operation_name: Option<String>,
    pub key_required: bool,
    pub authorization: AuthorizationPatch,
}

#[derive(Debug, Clone)]
pub struct NewAuthorizer {
    pub name: String,
    pub kind: AuthorizerKind,
}

/// Who may call a route, in the members that AWS has for it.
#[derive(Debug, Clone, Default)]
pub struct AuthorizationPatch {
    pub kind: Option<AuthorizationType>,
    /// `Some(None)` takes away what was there.
    pub authorizer: Option<Option<PartId>>,
    pub scopes: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default)]
pub struct RoutePatch {
    pub key: Option<RouteKey>,
    pub target: Option<PartId>,
    pub operation_name: Option<String>,
    pub key_required: Option<bool>,
    pub authorization: AuthorizationPatch,
}

#[derive(Debug, Clone)]
pub struct NewIntegration {
    pub target: IntegrationTarget,
    pub handling: Handling,
    pub description: Option<String>,
    pub timeout_ms: Option<u32>,
}

/// What is not named stays, also of a target.
#[derive(Debug, Clone, Default)]
pub struct IntegrationPatch {
    /// Another function.
    pub uri: Option<(String, FunctionName, Option<Qualifier>)>,
    pub payload: Option<PayloadFormat>,
    pub role: Option<String>,
    /// Something else of Squall's own, of the same kind.
    pub target: Option<IntegrationTarget>,
    pub handling: Option<Handling>,
    pub description: Option<String>,
    pub timeout_ms: Option<u32>,
}

#[derive(Debug, Clone)]
pub struct NewStage {
    pub name: StageName,
    pub tags: BTreeMap<String, String>,
    pub rest: StagePatch,
}

/// What is not named stays, also among variables and settings of routes.
#[derive(Debug, Clone, Default)]
pub struct StagePatch {
    pub description: Option<String>,
    pub deploys_by_itself: Option<bool>,
    pub deployment: Option<PartId>,
    pub variables: Option<BTreeMap<String, String>>,
    pub default_settings: Option<RouteSettings>,
    pub route_settings: Option<BTreeMap<String, RouteSettings>>,
    pub access_log: Option<AccessLog>,
}
