//! Domain names of an account's own, and their mappings to APIs, on the wire. Requests
//! that come for such a name are the gateway's business; names and certificates are
//! those of whoever runs it.

use std::collections::BTreeMap;

use engine::http_apis::{BadId, Domain, DomainName, Mapping, MappingPatch, NewDomain, NewMapping};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::{api_id, check_length, check_tags, part_id, required, stage_name};
use crate::paging;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    domain_name: Option<String>,
    domain_name_configurations: Option<Vec<Configuration>>,
    mutual_tls_authentication: Option<Value>,
    routing_mode: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// What says how AWS serves a name. Of it, only the certificate's name is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    certificate_arn: Option<String>,
    endpoint_type: Option<String>,
    security_policy: Option<String>,
    ip_address_type: Option<String>,
}

impl Members {
    fn check(&self) -> Result<(), ApiError> {
        let mutual = self.mutual_tls_authentication.as_ref();
        if mutual.is_some_and(|mutual| mutual["truststoreUri"].as_str().unwrap_or_default() != "") {
            return Err(ApiError::invalid(
                "Squall does not provide mutual TLS of domain names.",
            ));
        }
        one_of(
            "routingMode",
            self.routing_mode.as_deref(),
            "API_MAPPING_ONLY",
        )?;
        self.tags.as_ref().map_or(Ok(()), check_tags)
    }

    /// The certificate that a configuration names. AWS wants a configuration with one.
    fn certificate(&mut self) -> Result<Option<String>, ApiError> {
        let mut given = self.domain_name_configurations.take().unwrap_or_default();
        if given.len() > 1 {
            return Err(ApiError::invalid(
                "Invalid input. Expected one domain name configuration",
            ));
        }
        let given = given.pop().unwrap_or_default();
        one_of("endpointType", given.endpoint_type.as_deref(), "REGIONAL")?;
        one_of(
            "securityPolicy",
            given.security_policy.as_deref(),
            "TLS_1_2",
        )?;
        one_of("ipAddressType", given.ip_address_type.as_deref(), "ipv4")?;
        check_length("certificateArn", given.certificate_arn.as_ref(), 0, 2048)?;
        Ok(given.certificate_arn)
    }
}

fn one_of(name: &str, given: Option<&str>, there: &str) -> Result<(), ApiError> {
    match given {
        Some(given) if given != there => Err(ApiError::invalid(format!(
            "Squall provides {there} as {name}."
        ))),
        _ => Ok(()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MappingMembers {
    api_id: Option<String>,
    api_mapping_key: Option<String>,
    stage: Option<String>,
}

pub(crate) fn domain_name(text: &str) -> Result<DomainName, ApiError> {
    text.parse().map_err(|error: BadId| {
        let shown: String = text.chars().take(100).collect();
        ApiError::invalid(format!("Invalid domain name {shown}: {error}"))
    })
}

pub(crate) async fn operation(call: &Call<'_>, method: &Method, rest: &[&str]) -> Answer {
    let apis = call.apis();
    match (method, rest) {
        (&Method::GET, []) => {
            let all = apis.domains();
            let shown = all
                .iter()
                .map(|domain| (domain.name.to_string(), show(call, domain)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let mut members: Members = call.members()?;
            members.check()?;
            let new = NewDomain {
                certificate: members.certificate()?.filter(|arn| !arn.is_empty()),
                name: domain_name(&required(members.domain_name, "domainName")?)?,
                tags: members.tags.unwrap_or_default(),
            };
            let domain = apis.create_domain(new).await?;
            Ok((StatusCode::CREATED, show(call, &domain)))
        }
        (&Method::GET, [name]) => Ok((StatusCode::OK, show(call, &*apis.domain_named(name)?))),
        (&Method::PATCH, [name]) => {
            let mut members: Members = call.members()?;
            members.check()?;
            let certificate = members.certificate()?;
            let domain = apis.update_domain(name, certificate).await?;
            Ok((StatusCode::OK, show(call, &domain)))
        }
        (&Method::DELETE, [name]) => {
            apis.delete_domain(name).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        (_, [name, "apimappings", rest @ ..]) => mappings(call, method, name, rest).await,
        _ => not_built(method, "/v2/domainnames"),
    }
}

async fn mappings(call: &Call<'_>, method: &Method, name: &str, rest: &[&str]) -> Answer {
    let apis = call.apis();
    let id = |text: &str| part_id("ApiMapping", text);
    match (method, rest) {
        (&Method::GET, []) => {
            let domain = apis.domain_named(name)?;
            let all = domain.mappings.values();
            let shown = all.map(|mapping| (mapping.id.to_string(), show_mapping(mapping)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let members: MappingMembers = call.members()?;
            let new = NewMapping {
                api: api_id(&required(members.api_id, "apiId")?)?,
                stage: stage_name(&required(members.stage, "stage")?)?,
                key: members.api_mapping_key.unwrap_or_default(),
            };
            let mapping = apis.create_mapping(name, new).await?;
            Ok((StatusCode::CREATED, show_mapping(&mapping)))
        }
        (&Method::GET, [mapping]) => {
            let domain = apis.domain_named(name)?;
            let mapping = domain.mapping_of(&id(mapping)?)?;
            Ok((StatusCode::OK, show_mapping(mapping)))
        }
        (&Method::PATCH, [mapping]) => {
            let members: MappingMembers = call.members()?;
            let patch = MappingPatch {
                api: members.api_id.as_deref().map(api_id).transpose()?,
                stage: members.stage.as_deref().map(stage_name).transpose()?,
                key: members.api_mapping_key,
            };
            let mapping = apis.update_mapping(name, &id(mapping)?, patch).await?;
            Ok((StatusCode::OK, show_mapping(&mapping)))
        }
        (&Method::DELETE, [mapping]) => {
            apis.delete_mapping(name, &id(mapping)?).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/domainnames/.../apimappings"),
    }
}

fn show(call: &Call<'_>, domain: &Domain) -> Value {
    let region = &call.apis().scope().region;
    // The name that a record of the DNS would point to. All names below it are served, so
    // it is one of them that no API has.
    let endpoint = call.parts.endpoint.replace("{region}", region.as_str());
    let host = endpoint.split_once("://").map_or("", |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    let mut configuration = json!({
        "apiGatewayDomainName": host.replace("{id}", "domains"),
        "domainNameStatus": "AVAILABLE",
        "endpointType": "REGIONAL",
        "ipAddressType": "ipv4",
        "securityPolicy": "TLS_1_2",
    });
    if let Some(arn) = &domain.certificate {
        configuration["certificateArn"] = arn.as_str().into();
    }
    json!({
        "apiMappingSelectionExpression": "$request.basepath",
        "domainName": domain.name,
        "domainNameArn": format!("arn:aws:apigateway:{region}::/domainnames/{}", domain.name),
        "domainNameConfigurations": [configuration],
        "routingMode": "API_MAPPING_ONLY",
        "tags": domain.tags,
    })
}

fn show_mapping(mapping: &Mapping) -> Value {
    json!({
        "apiId": mapping.api,
        "apiMappingId": mapping.id,
        "apiMappingKey": mapping.key,
        "stage": mapping.stage,
    })
}
