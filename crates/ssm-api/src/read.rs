//! Reading parameters: one, some, or all below a path.

use engine::parameters::{Parameter, ParameterError, Parameters};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::SsmApi;
use crate::error::ApiError;
use crate::listing::{Filter, page};

/// What may be asked for at once.
const NAMES: usize = 10;
const PAGE: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameter {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameters {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParametersByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    with_decryption: bool,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl SsmApi {
    pub(crate) fn get_parameter(&self, input: &GetParameter) -> Result<Value, ApiError> {
        let found = self.find(&input.name, input.with_decryption)?;
        Ok(json!({ "Parameter": found }))
    }

    pub(crate) fn get_parameters(&self, input: &GetParameters) -> Result<Value, ApiError> {
        some(&input.names)?;
        let (mut found, mut invalid) = (vec![], vec![]);
        for name in &input.names {
            match self.find(name, input.with_decryption) {
                Ok(parameter) => found.push(parameter),
                Err(ApiError::Parameter(ParameterError::NotFound(_)) | ApiError::NoVersion(_)) => {
                    invalid.push(name);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(json!({ "Parameters": found, "InvalidParameters": invalid }))
    }

    pub(crate) fn get_parameters_by_path(
        &self,
        input: &GetParametersByPath,
    ) -> Result<Value, ApiError> {
        if !input.path.starts_with('/') {
            return Err(ApiError::invalid(format!(
                "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". Parameter name: {:.128}",
                input.path
            )));
        }
        let mut below = self.parameters.all();
        below.retain(|parameter| {
            parameter.name.is_below(&input.path, input.recursive)
                && input
                    .parameter_filters
                    .iter()
                    .all(|filter| filter.takes(parameter))
        });
        for filter in &input.parameter_filters {
            filter.check()?;
        }
        let token = input.next_token.as_deref();
        let (below, next) = page(below, input.max_results, PAGE, token)?;
        let shown: Result<Vec<Value>, ApiError> = below
            .iter()
            .map(|parameter| self.show(parameter, input.with_decryption))
            .collect();
        let mut answer = json!({ "Parameters": shown? });
        if let Some(next) = next {
            answer["NextToken"] = next.into();
        }
        Ok(answer)
    }

    /// By name, name and version, or ARN.
    fn find(&self, asked: &str, open: bool) -> Result<Value, ApiError> {
        let (name, version) = own_name(&self.parameters, asked);
        let parameter = self.parameters.get(name)?;
        let Some(version) = version else {
            return self.show(&parameter, open);
        };
        // Only the last version of each is kept.
        if version.parse() != Ok(parameter.version) {
            return Err(ApiError::NoVersion(format!(
                "Systems Manager could not find version {version:.32} of {name}. Verify the version and try again."
            )));
        }
        let mut shown = self.show(&parameter, open)?;
        shown["Selector"] = format!(":{version}").into();
        Ok(shown)
    }

    fn show(&self, parameter: &Parameter, open: bool) -> Result<Value, ApiError> {
        let name = parameter.name.as_str();
        Ok(json!({
            "Name": name,
            "Type": parameter.kind,
            "Value": self.parameters.value(parameter, open)?,
            "Version": parameter.version,
            "LastModifiedDate": parameter.modified.seconds(),
            "ARN": self.parameters.arn(name),
            "DataType": "text",
        }))
    }
}

/// Name and version of what a client asks for: `NAME`, `NAME:VERSION`, or the ARN of
/// either.
pub(crate) fn own_name<'a>(parameters: &Parameters, asked: &'a str) -> (&'a str, Option<&'a str>) {
    let prefix = parameters.arn("");
    let prefix = prefix.trim_end_matches('/');
    let named = match asked.strip_prefix(prefix) {
        // ARNs do not tell names with a slash before them from those without.
        Some(path) if path.matches('/').count() > 1 || parameters.get(path).is_ok() => path,
        Some(path) => path.trim_start_matches('/'),
        None => asked,
    };
    match named.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (named, None),
    }
}

/// As many names as may be asked for at once.
pub(crate) fn some(names: &[String]) -> Result<(), ApiError> {
    if (1..=NAMES).contains(&names.len()) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and {NAMES}, inclusive"
    )))
}
