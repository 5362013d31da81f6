//! Reading what operations bring, and the checks that several of them share.

use std::collections::BTreeMap;

use engine::catalog::Cors;
use engine::http_apis::{ApiId, FunctionTarget, PartId, PayloadFormat, StageName, check_cors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use types::{FunctionName, FunctionRef, Qualifier, Scope};

use crate::api::Call;
use crate::error::ApiError;

const LONGEST_DESCRIPTION: usize = 1024;
const LONGEST_MAX_AGE: i64 = 86_400;

impl Call<'_> {
    /// The body as the members of an operation.
    pub fn members<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let body: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            self.body
        };
        serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid(format!("Unable to parse the request: {error}")))
    }

    /// A function of this account by an ARN, or by the path that invokes it.
    pub fn function(&self, uri: &str) -> Result<(FunctionName, Option<Qualifier>), ApiError> {
        let arn = uri
            .split_once(":lambda:path/2015-03-31/functions/")
            .and_then(|(_, rest)| rest.strip_suffix("/invocations"))
            .unwrap_or(uri);
        if !arn.starts_with("arn:") {
            return Err(bad_function(uri));
        }
        self.named_function(arn)
    }

    /// A function of this account by its name or an ARN.
    pub fn named_function(
        &self,
        text: &str,
    ) -> Result<(FunctionName, Option<Qualifier>), ApiError> {
        let named: FunctionRef = text.parse().map_err(|_| bad_function(text))?;
        let Scope { account, region } = self.apis().scope();
        let elsewhere = named.account.as_ref().is_some_and(|named| named != account)
            || named.region.as_ref().is_some_and(|named| named != region);
        if elsewhere {
            return Err(ApiError::invalid(format!(
                "{text} is not a function of account {account} in {region}, which is all that there is here"
            )));
        }
        Ok((named.name, named.qualifier))
    }

    pub fn function_target(
        &self,
        uri: String,
        payload: PayloadFormat,
        role: Option<String>,
    ) -> Result<FunctionTarget, ApiError> {
        let (function, qualifier) = self.function(&uri)?;
        Ok(FunctionTarget {
            uri,
            function,
            qualifier,
            payload,
            role: role.filter(|role| !role.is_empty()),
        })
    }
}

fn bad_function(text: &str) -> ApiError {
    let shown: String = text.chars().take(200).collect();
    ApiError::invalid(format!("Invalid function ARN or invalid uri: {shown}"))
}

/// The id of an API that may be there.
pub(crate) fn api_id(text: &str) -> Result<ApiId, ApiError> {
    text.parse().map_err(|_| no("API", text))
}

/// The id of a route, an integration or a deployment that may be there.
pub(crate) fn part_id(what: &'static str, text: &str) -> Result<PartId, ApiError> {
    text.parse().map_err(|_| no(what, text))
}

pub(crate) fn stage_name(text: &str) -> Result<StageName, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(
            "Invalid stage name. Use $default, or 1 to 128 letters, digits, hyphens and underscores",
        )
    })
}

pub(crate) fn no(what: &'static str, text: &str) -> ApiError {
    let id = text.chars().take(100).collect();
    ApiError::Refused(engine::http_apis::HttpApiError::NotFound { what, id })
}

/// A member that must be there.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::invalid(format!("Missing required member {name}")))
}

pub(crate) fn check_length(
    name: &str,
    text: Option<&String>,
    least: usize,
    most: usize,
) -> Result<(), ApiError> {
    let length = text.map(|text| text.chars().count());
    match length {
        Some(length) if !(least..=most).contains(&length) => Err(ApiError::invalid(format!(
            "{name} has {least} to {most} characters"
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn check_description(text: Option<&String>) -> Result<(), ApiError> {
    check_length("description", text, 0, LONGEST_DESCRIPTION)
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    for (key, value) in tags {
        check_length("the key of a tag", Some(key), 1, 128)?;
        check_length("the value of a tag", Some(value), 0, 1600)?;
    }
    Ok(())
}

/// Cross-origin rules as they are spelled here.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CorsText {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_origins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expose_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<i64>,
}

impl CorsText {
    pub fn read(self) -> Result<Cors, ApiError> {
        let age = self.max_age.unwrap_or(0);
        if !(-1..=LONGEST_MAX_AGE).contains(&age) {
            return Err(ApiError::invalid(format!(
                "maxAge is from -1 to {LONGEST_MAX_AGE}"
            )));
        }
        let cors = Cors {
            allow_credentials: self.allow_credentials,
            allow_headers: self.allow_headers,
            allow_methods: self.allow_methods,
            allow_origins: self.allow_origins,
            expose_headers: self.expose_headers,
            // -1 says what 0 says: nothing is to be remembered.
            max_age: self.max_age.map(|age| u32::try_from(age).unwrap_or(0)),
        };
        check_cors(&cors).map_err(ApiError::Invalid)?;
        Ok(cors)
    }

    pub fn show(cors: &Cors) -> Self {
        let cors = cors.clone();
        Self {
            allow_credentials: cors.allow_credentials,
            allow_headers: cors.allow_headers,
            allow_methods: cors.allow_methods,
            allow_origins: cors.allow_origins,
            expose_headers: cors.expose_headers,
            max_age: cors.max_age.map(i64::from),
        }
    }
}
