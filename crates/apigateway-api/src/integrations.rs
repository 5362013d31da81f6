//! Integrations on the wire: functions, and Squall's own, which `targets` reads. All of
//! them have parameters of how their requests are handled.

use std::collections::BTreeMap;

use engine::http_apis::{
    Handling, Integration, IntegrationPatch, IntegrationTarget, NewIntegration, PayloadFormat,
};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::{api_id, check_description, part_id, required};
use crate::paging;
use crate::targets::{self, Parameters, Subtype};

const LEAST_TIMEOUT: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    integration_type: Option<String>,
    integration_subtype: Option<String>,
    integration_uri: Option<String>,
    integration_method: Option<String>,
    connection_type: Option<String>,
    credentials_arn: Option<String>,
    description: Option<String>,
    payload_format_version: Option<String>,
    request_parameters: Option<Parameters>,
    response_parameters: Option<BTreeMap<String, Value>>,
    timeout_in_millis: Option<u32>,
}

impl Members {
    /// What would change requests or answers must not be passed over.
    fn check(&self, most_timeout: u32) -> Result<(), ApiError> {
        check_description(self.description.as_ref())?;
        match self.integration_type.as_deref() {
            None | Some("AWS_PROXY") => {}
            Some(other) => {
                let shown: String = other.chars().take(50).collect();
                return Err(ApiError::invalid(format!(
                    "Squall does not provide integrations of type {shown} yet: use AWS_PROXY."
                )));
            }
        }
        if !matches!(
            self.integration_method.as_deref(),
            None | Some("POST" | "ANY")
        ) {
            return Err(ApiError::invalid(
                "IntegrationMethod must be POST for a function",
            ));
        }
        if !matches!(self.connection_type.as_deref(), None | Some("INTERNET")) {
            return Err(ApiError::invalid("Squall does not provide VPC links."));
        }
        let answers = self.response_parameters.as_ref();
        if answers.is_some_and(|mapped| !mapped.is_empty()) {
            return Err(ApiError::invalid(
                "Squall does not provide the mapping of response parameters.",
            ));
        }
        let timeout = self.timeout_in_millis;
        if timeout.is_some_and(|millis| !(LEAST_TIMEOUT..=most_timeout).contains(&millis)) {
            return Err(ApiError::invalid(format!(
                "Timeout should be between {LEAST_TIMEOUT} ms and {most_timeout} ms"
            )));
        }
        Ok(())
    }

    fn payload(&self) -> Result<Option<PayloadFormat>, ApiError> {
        match self.payload_format_version.as_deref() {
            None => Ok(None),
            Some("1.0") => Ok(Some(PayloadFormat::V1)),
            Some("2.0") => Ok(Some(PayloadFormat::V2)),
            Some(_) => Err(ApiError::invalid(
                "PayloadFormatVersion is 1.0 or 2.0 for a function",
            )),
        }
    }

    fn subtype(&self) -> Result<Option<Subtype>, ApiError> {
        let subtype = self.integration_subtype.as_deref();
        subtype.map(str::parse).transpose()
    }

    /// The parameters, and what of them says how requests are handled. As at AWS, an
    /// empty text takes a parameter away.
    fn parameters(&mut self) -> Result<Option<(Parameters, Handling)>, ApiError> {
        let Some(mut parameters) = self.request_parameters.take() else {
            return Ok(None);
        };
        let handling = Handling::take(&mut parameters);
        let handling = handling.map_err(|error| ApiError::invalid(error.to_string()))?;
        parameters.retain(|_, value| !value.is_empty());
        Ok(Some((parameters, handling)))
    }
}

fn read_new(call: &Call<'_>) -> Result<NewIntegration, ApiError> {
    let mut members: Members = call.members()?;
    required(members.integration_type.as_deref(), "integrationType")?;
    members.check(call.most_timeout)?;
    let (subtype, payload) = (members.subtype()?, members.payload()?);
    let (parameters, handling) = members.parameters()?.unwrap_or_default();
    let target = if let Some(subtype) = subtype {
        targets::read(call, subtype, parameters)?
    } else {
        check_unmapped(&parameters)?;
        let uri = required(members.integration_uri, "integrationUri")?;
        let payload = payload.unwrap_or(PayloadFormat::V1);
        let role = members.credentials_arn;
        IntegrationTarget::Function(call.function_target(uri, payload, role)?)
    };
    Ok(NewIntegration {
        target,
        handling,
        description: members.description,
        timeout_ms: members.timeout_in_millis,
    })
}

/// Parameters that are given take the place of all that were there, like those of a new
/// integration.
fn read_patch(call: &Call<'_>, there: &IntegrationTarget) -> Result<IntegrationPatch, ApiError> {
    let mut members: Members = call.members()?;
    members.check(call.most_timeout)?;
    let (subtype, payload) = (Subtype::of(there), members.payload()?);
    if members
        .subtype()?
        .is_some_and(|given| Some(given) != subtype)
    {
        return Err(ApiError::invalid(
            "An integration cannot become one of another kind; make a new one.",
        ));
    }
    let (mut target, mut handling) = (None, None);
    if let Some((parameters, handled)) = members.parameters()? {
        handling = Some(handled);
        match subtype {
            Some(subtype) => target = Some(targets::read(call, subtype, parameters)?),
            None => check_unmapped(&parameters)?,
        }
    }
    let uri = members.integration_uri.map(|uri| {
        let (function, qualifier) = call.function(&uri)?;
        Ok::<_, ApiError>((uri, function, qualifier))
    });
    Ok(IntegrationPatch {
        uri: uri.transpose()?,
        payload,
        role: members.credentials_arn,
        target,
        handling,
        description: members.description,
        timeout_ms: members.timeout_in_millis,
    })
}

/// Parameters would change requests on their way to a function.
fn check_unmapped(parameters: &Parameters) -> Result<(), ApiError> {
    match parameters.keys().next() {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(60).collect();
            Err(ApiError::invalid(format!(
                "Squall does not provide the mapping of request parameters; {name} would be one."
            )))
        }
    }
}

pub(crate) async fn operation(
    call: &Call<'_>,
    method: &Method,
    api: &str,
    rest: &[&str],
) -> Answer {
    let api = api_id(api)?;
    let apis = call.apis();
    match (method, rest) {
        (&Method::GET, []) => {
            let entry = apis.api(&api)?;
            let all = entry.api.integrations.values();
            let shown =
                all.map(|integration| (integration.id.to_string(), show(call, integration)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let integration = apis.create_integration(&api, read_new(call)?).await?;
            Ok((StatusCode::CREATED, show(call, &integration)))
        }
        (&Method::GET, [id]) => {
            let entry = apis.api(&api)?;
            let integration = entry.api.integration(&part_id("Integration", id)?)?;
            Ok((StatusCode::OK, show(call, integration)))
        }
        (&Method::PATCH, [id]) => {
            let id = part_id("Integration", id)?;
            let entry = apis.api(&api)?;
            let patch = read_patch(call, &entry.api.integration(&id)?.target)?;
            let integration = apis.update_integration(&api, &id, patch).await?;
            Ok((StatusCode::OK, show(call, &integration)))
        }
        (&Method::DELETE, [id]) => {
            let id = part_id("Integration", id)?;
            apis.delete_integration(&api, &id).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../integrations"),
    }
}

fn show(call: &Call<'_>, integration: &Integration) -> Value {
    let mut shown = json!({
        "connectionType": "INTERNET",
        "integrationId": integration.id,
        "integrationType": "AWS_PROXY",
    });
    let mut parameters = integration.handling.parameters();
    if let IntegrationTarget::Function(target) = &integration.target {
        shown["integrationMethod"] = "POST".into();
        shown["integrationUri"] = target.uri.as_str().into();
        shown["payloadFormatVersion"] = json!(target.payload);
        shown["timeoutInMillis"] = integration.timeout_ms.unwrap_or(call.most_timeout).into();
        if let Some(role) = &target.role {
            shown["credentialsArn"] = role.as_str().into();
        }
    } else if let Some(subtype) = Subtype::of(&integration.target) {
        shown["integrationSubtype"] = subtype.name().into();
        shown["payloadFormatVersion"] = "1.0".into();
        parameters.extend(targets::parameters(&integration.target));
        if let Some(millis) = integration.timeout_ms {
            shown["timeoutInMillis"] = millis.into();
        }
    }
    if !parameters.is_empty() {
        shown["requestParameters"] = json!(parameters);
    }
    if let Some(description) = &integration.description {
        shown["description"] = description.as_str().into();
    }
    if integration.managed {
        shown["apiGatewayManaged"] = true.into();
    }
    shown
}
