//! Log groups and how long they keep their lines.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use store::LogGroup;

use crate::api::LogsApi;
use crate::error::ApiError;

const PAGE: usize = 50;
/// The numbers of days that AWS offers.
const RETENTION_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateLogGroup {
    log_group_name: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneGroup {
    log_group_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeLogGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutRetentionPolicy {
    log_group_name: Option<String>,
    retention_in_days: Option<u32>,
}

impl LogsApi {
    pub(crate) async fn create_log_group(&self, input: CreateLogGroup) -> Result<Value, ApiError> {
        let name = self.group_name(input.log_group_name, None)?;
        self.logs().create_group(&name).await?;
        if !input.tags.is_empty() {
            self.tags.add(&self.store, &name, input.tags).await?;
        }
        Ok(Value::Null)
    }

    pub(crate) async fn delete_log_group(&self, input: OneGroup) -> Result<Value, ApiError> {
        let name = self.group_name(input.log_group_name, None)?;
        self.logs().delete_group(&name).await?;
        self.tags.forget(&self.store, &name).await?;
        Ok(Value::Null)
    }

    pub(crate) fn describe_log_groups(&self, input: &DescribeLogGroups) -> Result<Value, ApiError> {
        let prefix = input.log_group_name_prefix.as_deref();
        let pattern = input.log_group_name_pattern.as_deref();
        if prefix.is_some() && pattern.is_some() {
            return Err(ApiError::invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let after = input.next_token.as_deref().unwrap_or_default();
        let limit = page_size(input.limit)?;
        // Sorted by name, so the last name of a page says where the next begins.
        let mut groups = self.logs().groups(prefix.unwrap_or_default());
        groups.retain(|group| {
            &*group.name > after && pattern.is_none_or(|pattern| group.name.contains(pattern))
        });
        let more = groups.len() > limit;
        groups.truncate(limit);
        let next_token = groups.last().filter(|_| more).map(|group| &*group.name);
        let mut answer = json!({ "logGroups": groups.iter().map(|group| self.show_group(group)).collect::<Vec<_>>() });
        if let Some(token) = next_token {
            answer["nextToken"] = token.into();
        }
        Ok(answer)
    }

    pub(crate) async fn put_retention_policy(
        &self,
        input: PutRetentionPolicy,
    ) -> Result<Value, ApiError> {
        let name = self.group_name(input.log_group_name, None)?;
        let days = input
            .retention_in_days
            .ok_or_else(|| ApiError::missing("retentionInDays"))?;
        if !RETENTION_DAYS.contains(&days) {
            return Err(ApiError::invalid(format!(
                "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTION_DAYS:?}"
            )));
        }
        self.logs().set_retention(&name, Some(days)).await?;
        Ok(Value::Null)
    }

    pub(crate) async fn delete_retention_policy(&self, input: OneGroup) -> Result<Value, ApiError> {
        let name = self.group_name(input.log_group_name, None)?;
        self.logs().set_retention(&name, None).await?;
        Ok(Value::Null)
    }

    fn show_group(&self, group: &LogGroup) -> Value {
        let arn = self.scope.log_group_arn(&group.name);
        let mut shown = json!({
            "logGroupName": &*group.name,
            "creationTime": group.created.0,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "storedBytes": group.stored_bytes,
        });
        if let Some(days) = group.retention_days {
            shown["retentionInDays"] = days.into();
        }
        shown
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b".-_/#".contains(&b);
    if (1..=512).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{name:.128}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    )))
}

pub(crate) fn page_size(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value between 1 and {PAGE}"
    )))
}
