//! Log streams.

use serde::Deserialize;
use serde_json::{Value, json};
use store::{LogStream, StreamOrder};

use crate::api::LogsApi;
use crate::error::ApiError;
use crate::groups::page_size;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneStream {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeLogStreams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<usize>,
}

impl LogsApi {
    pub(crate) async fn create_log_stream(&self, input: OneStream) -> Result<Value, ApiError> {
        let group = self.group_name(input.log_group_name, None)?;
        let stream = stream_name(input.log_stream_name)?;
        self.logs().create_stream(&group, &stream).await?;
        Ok(Value::Null)
    }

    pub(crate) async fn delete_log_stream(&self, input: OneStream) -> Result<Value, ApiError> {
        let group = self.group_name(input.log_group_name, None)?;
        let stream = stream_name(input.log_stream_name)?;
        self.logs().delete_stream(&group, &stream).await?;
        Ok(Value::Null)
    }

    pub(crate) fn describe_log_streams(
        &self,
        input: &DescribeLogStreams,
    ) -> Result<Value, ApiError> {
        let name = input.log_group_name.clone();
        let group = self.group_name(name, input.log_group_identifier.clone())?;
        let order = match input.order_by.as_deref() {
            None | Some("LogStreamName") => StreamOrder::Name,
            Some("LastEventTime") if input.log_stream_name_prefix.is_some() => {
                return Err(ApiError::invalid(
                    "Cannot order by LastEventTime with a logStreamNamePrefix.",
                ));
            }
            Some("LastEventTime") => StreamOrder::LastEvent,
            Some(other) => {
                return Err(ApiError::invalid(format!(
                    "1 validation error detected: Value '{other:.64}' at 'orderBy' failed to satisfy constraint: Member must satisfy enum value set: [LogStreamName, LastEventTime]"
                )));
            }
        };
        let limit = page_size(input.limit)?;
        let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
        let streams = self
            .logs()
            .streams(&group, prefix, order, input.descending)?;
        let start = match &input.next_token {
            None => 0,
            Some(last) => streams
                .iter()
                .position(|stream| *stream.name == **last)
                .map(|index| index + 1)
                .ok_or_else(|| ApiError::invalid("The specified nextToken is invalid."))?,
        };
        let page: Vec<&LogStream> = streams[start..].iter().take(limit).collect();
        let more = start + page.len() < streams.len();
        let next_token = page.last().filter(|_| more).map(|stream| &*stream.name);
        let shown = page.iter().map(|stream| self.show_stream(&group, stream));
        let mut answer = json!({ "logStreams": shown.collect::<Vec<_>>() });
        if let Some(token) = next_token {
            answer["nextToken"] = token.into();
        }
        Ok(answer)
    }

    fn show_stream(&self, group: &str, stream: &LogStream) -> Value {
        let mut shown = json!({
            "logStreamName": &*stream.name,
            "creationTime": stream.created.0,
            "arn": format!("{}:log-stream:{}", self.scope.log_group_arn(group), stream.name),
            // AWS counts bytes for groups only.
            "storedBytes": 0,
        });
        for (name, time) in [
            ("firstEventTimestamp", stream.first_event),
            ("lastEventTimestamp", stream.last_event),
            ("lastIngestionTime", stream.last_ingested),
        ] {
            if let Some(time) = time {
                shown[name] = time.0.into();
            }
        }
        shown
    }
}

pub(crate) fn stream_name(name: Option<String>) -> Result<String, ApiError> {
    let name = name.ok_or_else(|| ApiError::missing("logStreamName"))?;
    if (1..=512).contains(&name.len())
        && !name.contains([':', '*'])
        && !name.contains(char::is_control)
    {
        return Ok(name);
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{name:.128}' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*"
    )))
}
