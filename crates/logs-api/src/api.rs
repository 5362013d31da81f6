//! Which operation is asked for, and what its parameters are.

use std::fmt;
use std::sync::Arc;

use aws_wire::Body;
use aws_wire::error::respond;
use bytes::Bytes;
use engine::iam::Iam;
use http::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{Logs, Store, StoreError};
use types::Scope;

use crate::error::ApiError;
use crate::tags::Tags;

/// Answers for `logs`.
#[derive(Clone)]
pub struct LogsApi {
    pub(crate) store: Arc<Store>,
    pub(crate) scope: Scope,
    pub(crate) tags: Arc<Tags>,
    /// Who may what. Without it, everybody may everything.
    pub(crate) iam: Option<Arc<Iam>>,
}

impl fmt::Debug for LogsApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogsApi").finish_non_exhaustive()
    }
}

impl LogsApi {
    /// Reads the tags of log groups. It blocks: call it at the start.
    pub fn new(store: Arc<Store>, scope: Scope) -> Result<Self, StoreError> {
        let tags = Arc::new(Tags::open(&store)?);
        Ok(Self {
            store,
            scope,
            tags,
            iam: None,
        })
    }

    /// Holds roles to their policies.
    #[must_use]
    pub fn with_iam(mut self, iam: Arc<Iam>) -> Self {
        self.iam = Some(iam);
        self
    }

    pub(crate) fn logs(&self) -> &Logs {
        self.store.logs()
    }

    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let target = request.headers().get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("Logs_20140328."));
        let operation = operation.unwrap_or_default().to_owned();
        let answer = match self.permit(&operation, &request) {
            Ok(()) => self.operation(&operation, request.body()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Value::Null) => respond(StatusCode::OK, "application/x-amz-json-1.1", ""),
            Ok(answer) => respond(
                StatusCode::OK,
                "application/x-amz-json-1.1",
                answer.to_string(),
            ),
            Err(error) => error.respond(),
        }
    }

    /// `Null` stands for an empty answer.
    async fn operation(&self, operation: &str, body: &Bytes) -> Result<Value, ApiError> {
        match operation {
            "CreateLogGroup" => self.create_log_group(read(body)?).await,
            "DeleteLogGroup" => self.delete_log_group(read(body)?).await,
            "DescribeLogGroups" => self.describe_log_groups(&read(body)?),
            "PutRetentionPolicy" => self.put_retention_policy(read(body)?).await,
            "DeleteRetentionPolicy" => self.delete_retention_policy(read(body)?).await,
            "CreateLogStream" => self.create_log_stream(read(body)?).await,
            "DeleteLogStream" => self.delete_log_stream(read(body)?).await,
            "DescribeLogStreams" => self.describe_log_streams(&read(body)?),
            "PutLogEvents" => self.put_log_events(read(body)?).await,
            "GetLogEvents" => self.get_log_events(read(body)?).await,
            "FilterLogEvents" => self.filter_log_events(read(body)?).await,
            "ListTagsForResource" => self.list_tags_for_resource(&read(body)?),
            "TagResource" => self.tag_resource(read(body)?).await,
            "UntagResource" => self.untag_resource(read(body)?).await,
            "ListTagsLogGroup" => self.list_tags_log_group(&read(body)?),
            "TagLogGroup" => self.tag_log_group(read(body)?).await,
            "UntagLogGroup" => self.untag_log_group(read(body)?).await,
            // There are none; tools ask before they delete a group.
            "DescribeSubscriptionFilters" => Ok(json!({ "subscriptionFilters": [] })),
            "DescribeMetricFilters" => Ok(json!({ "metricFilters": [] })),
            _ => Err(ApiError::UnknownOperation),
        }
    }

    /// The name of a group that the client gave by name, by identifier (which
    /// may be an ARN), or not at all.
    pub(crate) fn group_name(
        &self,
        name: Option<String>,
        identifier: Option<String>,
    ) -> Result<String, ApiError> {
        match (name, identifier) {
            (Some(_), Some(_)) => Err(ApiError::invalid(
                "LogGroup name and LogGroup identifier are mutually exclusive parameters.",
            )),
            (None, Some(identifier)) if identifier.starts_with("arn:") => {
                self.name_in_arn(&identifier)
            }
            (Some(name), None) | (None, Some(name)) => groups_name(name),
            (None, None) => Err(ApiError::missing("logGroupName")),
        }
    }

    /// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, and perhaps `:*` after it.
    pub(crate) fn name_in_arn(&self, arn: &str) -> Result<String, ApiError> {
        let name = arn
            .strip_prefix(&self.scope.log_group_arn(""))
            .map(|name| name.strip_suffix(":*").unwrap_or(name));
        name.map(str::to_owned)
            .ok_or(ApiError::NotFound(
                "The specified log group does not exist.",
            ))
            .and_then(groups_name)
    }
}

fn groups_name(name: String) -> Result<String, ApiError> {
    crate::groups::check_name(&name)?;
    Ok(name)
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::Unreadable(error.to_string()))
}
