//! Tags on the wire.

use std::collections::BTreeMap;

use engine::http_apis::Tagged;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::domains::domain_name;
use crate::error::ApiError;
use crate::members::{api_id, check_tags, stage_name};

#[derive(Debug, Deserialize)]
struct Members {
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

pub(crate) async fn operation(call: &Call<'_>, method: &Method, arn: &str) -> Answer {
    let of = resource(call, arn)?;
    match *method {
        Method::GET => {
            let tags = call.apis().tags(&of)?;
            Ok((StatusCode::OK, json!({ "tags": tags })))
        }
        Method::POST => {
            let members: Members = call.members()?;
            check_tags(&members.tags)?;
            call.apis().tag(&of, members.tags).await?;
            Ok((StatusCode::CREATED, json!({})))
        }
        Method::DELETE => {
            let keys: Vec<String> = call.query("tagKeys").collect();
            call.apis().untag(&of, &keys).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/tags"),
    }
}

/// `arn:aws:apigateway:REGION::/apis/ID`, or the same with `/stages/NAME` at its end, or
/// `/domainnames/NAME`.
fn resource(call: &Call<'_>, arn: &str) -> Result<Tagged, ApiError> {
    let own = format!("arn:aws:apigateway:{}::", call.apis().scope().region);
    let path = arn.strip_prefix(&own).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["", "apis", api] => Ok(Tagged::Api(api_id(api)?)),
        ["", "apis", api, "stages", stage] => Ok(Tagged::Stage(api_id(api)?, stage_name(stage)?)),
        ["", "domainnames", name] => Ok(Tagged::Domain(domain_name(name)?)),
        _ => {
            let shown: String = arn.chars().take(200).collect();
            Err(ApiError::invalid(format!("Invalid resource ARN {shown}")))
        }
    }
}
