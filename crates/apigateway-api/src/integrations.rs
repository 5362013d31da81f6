//! Integrations on the wire: functions, and Squall's own, maps and models.

use std::collections::BTreeMap;

use engine::http_apis::{
    Handling, Integration, IntegrationPatch, IntegrationTarget, MapTarget, ModelTarget,
    NewIntegration, PayloadFormat,
};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::{api_id, check_description, part_id, required};
use crate::paging;

/// The subtype of integrations that map tables over a function. AWS has none of this
/// name; there a function stands in its place.
pub(crate) const MAP: &str = "Squall-Map";
/// The subtype of integrations that answer with what a model predicts.
pub(crate) const MODEL: &str = "Squall-Model";
/// What of the parameters of a map is no option.
const FUNCTION: &str = "function";
const QUALIFIER: &str = "qualifier";
/// What of the parameters of a model is no option.
const OBJECT: &str = "model";

const LEAST_TIMEOUT: u32 = 50;
const MOST_TIMEOUT: u32 = 30_000;

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
    request_parameters: Option<BTreeMap<String, String>>,
    response_parameters: Option<BTreeMap<String, Value>>,
    timeout_in_millis: Option<u32>,
}

impl Members {
    /// What would change requests or answers must not be passed over.
    fn check(&self) -> Result<(), ApiError> {
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
        match self.integration_subtype.as_deref() {
            None | Some(MAP | MODEL) => {}
            Some(other) => {
                let shown: String = other.chars().take(100).collect();
                return Err(ApiError::invalid(format!(
                    "Squall does not provide the subtype {shown}; it has {MAP} and {MODEL}."
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
        if timeout.is_some_and(|millis| !(LEAST_TIMEOUT..=MOST_TIMEOUT).contains(&millis)) {
            return Err(ApiError::invalid(format!(
                "Timeout should be between {LEAST_TIMEOUT} ms and {MOST_TIMEOUT} ms"
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

    /// Parameters that change requests on their way to a function.
    fn maps_requests(&self) -> bool {
        let parameters = self.request_parameters.as_ref();
        parameters.is_some_and(|parameters| !parameters.is_empty())
    }
}

/// The map that parameters describe.
fn read_map(call: &Call<'_>, parameters: BTreeMap<String, String>) -> Result<MapTarget, ApiError> {
    let mut options = given(parameters);
    let function = required(options.remove(FUNCTION), "requestParameters.function")?;
    let (function, named) = call.named_function(&function)?;
    let qualifier = options.remove(QUALIFIER).map(|text| text.parse());
    let qualifier = qualifier
        .transpose()
        .map_err(|error: types::BadName| ApiError::invalid(error.to_string()))?;
    let map = MapTarget {
        function,
        qualifier: qualifier.or(named),
        options,
    };
    (call.parts.check_map)(&map).map_err(ApiError::Invalid)?;
    Ok(map)
}

/// The model that parameters describe.
fn read_model(
    call: &Call<'_>,
    parameters: BTreeMap<String, String>,
) -> Result<ModelTarget, ApiError> {
    let mut options = given(parameters);
    let uri = required(options.remove(OBJECT), "requestParameters.model")?;
    let at = ModelTarget::at(&uri).map_err(|error| {
        ApiError::invalid(format!(
            "requestParameters.model is s3://BUCKET/KEY: {error}"
        ))
    })?;
    let model = ModelTarget { options, ..at };
    (call.parts.check_model)(&model).map_err(ApiError::Invalid)?;
    Ok(model)
}

/// As at AWS, an empty text takes a parameter away.
fn given(parameters: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let parameters = parameters.into_iter();
    parameters.filter(|(_, value)| !value.is_empty()).collect()
}

fn read_new(call: &Call<'_>) -> Result<NewIntegration, ApiError> {
    let members: Members = call.members()?;
    required(members.integration_type.as_deref(), "integrationType")?;
    members.check()?;
    let payload = members.payload()?;
    let parameters = |members: Members| members.request_parameters.unwrap_or_default();
    let (description, timeout_ms) = (members.description.clone(), members.timeout_in_millis);
    let target = match members.integration_subtype.as_deref() {
        Some(MODEL) => IntegrationTarget::Model(read_model(call, parameters(members))?),
        Some(_) => IntegrationTarget::Map(read_map(call, parameters(members))?),
        None => {
            if members.maps_requests() {
                return Err(unmapped());
            }
            let uri = required(members.integration_uri, "integrationUri")?;
            let payload = payload.unwrap_or(PayloadFormat::V1);
            let role = members.credentials_arn;
            IntegrationTarget::Function(call.function_target(uri, payload, role)?)
        }
    };
    Ok(NewIntegration {
        target,
        handling: Handling::default(),
        description,
        timeout_ms,
    })
}

fn read_patch(call: &Call<'_>, there: &IntegrationTarget) -> Result<IntegrationPatch, ApiError> {
    let members: Members = call.members()?;
    members.check()?;
    let payload = members.payload()?;
    let (mut map, mut model) = (None, None);
    match (there, members.request_parameters.clone()) {
        (IntegrationTarget::Map(_), Some(parameters)) => map = Some(read_map(call, parameters)?),
        (IntegrationTarget::Model(_), Some(parameters)) => {
            model = Some(read_model(call, parameters)?);
        }
        (IntegrationTarget::Function(_), Some(_)) if members.maps_requests() => {
            return Err(unmapped());
        }
        _ => {}
    }
    let uri = members.integration_uri.map(|uri| {
        let (function, qualifier) = call.function(&uri)?;
        Ok::<_, ApiError>((uri, function, qualifier))
    });
    Ok(IntegrationPatch {
        uri: uri.transpose()?,
        payload,
        role: members.credentials_arn,
        map,
        model,
        description: members.description,
        timeout_ms: members.timeout_in_millis,
    })
}

fn unmapped() -> ApiError {
    ApiError::invalid("Squall does not provide the mapping of request parameters.")
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
            let shown = all.map(|integration| (integration.id.to_string(), show(integration)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let integration = apis.create_integration(&api, read_new(call)?).await?;
            Ok((StatusCode::CREATED, show(&integration)))
        }
        (&Method::GET, [id]) => {
            let entry = apis.api(&api)?;
            let integration = entry.api.integration(&part_id("Integration", id)?)?;
            Ok((StatusCode::OK, show(integration)))
        }
        (&Method::PATCH, [id]) => {
            let id = part_id("Integration", id)?;
            let entry = apis.api(&api)?;
            let patch = read_patch(call, &entry.api.integration(&id)?.target)?;
            let integration = apis.update_integration(&api, &id, patch).await?;
            Ok((StatusCode::OK, show(&integration)))
        }
        (&Method::DELETE, [id]) => {
            let id = part_id("Integration", id)?;
            apis.delete_integration(&api, &id).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../integrations"),
    }
}

fn show(integration: &Integration) -> Value {
    let mut shown = json!({
        "connectionType": "INTERNET",
        "integrationId": integration.id,
        "integrationType": "AWS_PROXY",
    });
    match &integration.target {
        IntegrationTarget::Function(target) => {
            shown["integrationMethod"] = "POST".into();
            shown["integrationUri"] = target.uri.as_str().into();
            shown["payloadFormatVersion"] = json!(target.payload);
            shown["timeoutInMillis"] = integration.timeout_ms.unwrap_or(MOST_TIMEOUT).into();
            if let Some(role) = &target.role {
                shown["credentialsArn"] = role.as_str().into();
            }
        }
        IntegrationTarget::Map(map) => {
            let mut parameters = map.options.clone();
            parameters.insert(FUNCTION.to_owned(), map.function.to_string());
            if let Some(qualifier) = &map.qualifier {
                parameters.insert(QUALIFIER.to_owned(), qualifier.to_string());
            }
            show_own(&mut shown, MAP, &parameters, integration.timeout_ms);
        }
        IntegrationTarget::Model(model) => {
            let mut parameters = model.options.clone();
            parameters.insert(OBJECT.to_owned(), model.uri());
            show_own(&mut shown, MODEL, &parameters, integration.timeout_ms);
        }
        IntegrationTarget::Redirect(_)
        | IntegrationTarget::Site(_)
        | IntegrationTarget::Route(_) => {}
    }
    if let Some(description) = &integration.description {
        shown["description"] = description.as_str().into();
    }
    if integration.managed {
        shown["apiGatewayManaged"] = true.into();
    }
    shown
}

/// An integration of Squall's own.
fn show_own(
    shown: &mut Value,
    subtype: &str,
    parameters: &BTreeMap<String, String>,
    timeout_ms: Option<u32>,
) {
    shown["integrationSubtype"] = subtype.into();
    shown["payloadFormatVersion"] = "1.0".into();
    shown["requestParameters"] = json!(parameters);
    if let Some(millis) = timeout_ms {
        shown["timeoutInMillis"] = millis.into();
    }
}
