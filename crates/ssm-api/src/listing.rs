//! Descriptions of parameters, which show no values, by filters and in pages.

use std::sync::Arc;

use engine::parameters::{Kind, Parameter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::SsmApi;
use crate::error::ApiError;

const PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeParameters {
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    /// The older form: by the beginning of names.
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Filter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    /// Whether it is one that is known.
    pub fn check(&self) -> Result<(), ApiError> {
        let option = self.option.as_deref();
        let known = match self.key.as_str() {
            "Name" => matches!(option, None | Some("Equals" | "BeginsWith" | "Contains")),
            "Path" => matches!(option, Some("Recursive" | "OneLevel")),
            "Type" | "KeyId" | "Tier" | "DataType" => matches!(option, None | Some("Equals")),
            key => key.starts_with("tag:") && matches!(option, None | Some("Equals")),
        };
        if known {
            return Ok(());
        }
        Err(ApiError::invalid(format!(
            "The filter {:.64} with the option {:.64} is not valid here.",
            self.key,
            option.unwrap_or("Equals")
        )))
    }

    pub fn takes(&self, parameter: &Parameter) -> bool {
        let any = |fits: &dyn Fn(&str) -> bool| self.values.iter().any(|value| fits(value));
        let name = parameter.name.as_str();
        match (self.key.as_str(), self.option.as_deref()) {
            ("Name", Some("BeginsWith")) => any(&|value| begins(name, value)),
            ("Name", Some("Contains")) => any(&|value| name.contains(value)),
            ("Name", _) => any(&|value| name == value),
            ("Path", option) => {
                let deep = option == Some("Recursive");
                any(&|value| parameter.name.is_below(value, deep))
            }
            ("Type", _) => any(&|value| value == type_name(parameter.kind)),
            ("KeyId", _) => any(&|value| parameter.key_id.as_deref() == Some(value)),
            ("Tier", _) => any(&|value| value == "Standard"),
            ("DataType", _) => any(&|value| value == "text"),
            (key, _) => match parameter.tags.get(key.trim_start_matches("tag:")) {
                Some(tag) => self.values.is_empty() || any(&|value| tag == value),
                None => false,
            },
        }
    }
}

/// A name without levels may be asked for with a slash before it.
fn begins(name: &str, with: &str) -> bool {
    name.trim_start_matches('/')
        .starts_with(with.trim_start_matches('/'))
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "String",
        Kind::StringList => "StringList",
        Kind::SecureString => "SecureString",
    }
}

impl SsmApi {
    pub(crate) fn describe_parameters(
        &self,
        input: &DescribeParameters,
    ) -> Result<Value, ApiError> {
        for filter in &input.parameter_filters {
            filter.check()?;
        }
        let mut found = self.parameters.all();
        found.retain(|parameter| {
            let new = input.parameter_filters.iter();
            let old = input.filters.iter();
            new.clone().all(|filter| filter.takes(parameter))
                && old.clone().all(|filter| match filter.key.as_str() {
                    "Name" => {
                        let name = parameter.name.as_str();
                        filter.values.iter().any(|value| begins(name, value))
                    }
                    _ => filter.takes(parameter),
                })
        });
        let token = input.next_token.as_deref();
        let (found, next) = page(found, input.max_results, PAGE, token)?;
        let shown: Vec<Value> = found
            .iter()
            .map(|parameter| self.describe(parameter))
            .collect();
        let mut answer = json!({ "Parameters": shown });
        if let Some(next) = next {
            answer["NextToken"] = next.into();
        }
        Ok(answer)
    }

    fn describe(&self, parameter: &Parameter) -> Value {
        let name = parameter.name.as_str();
        let mut shown = json!({
            "Name": name,
            "ARN": self.parameters.arn(name),
            "Type": parameter.kind,
            "LastModifiedDate": parameter.modified.seconds(),
            "LastModifiedUser": parameter.modified_by,
            "Version": parameter.version,
            "Tier": "Standard",
            "Policies": [],
            "DataType": "text",
        });
        if let Some(description) = &parameter.description {
            shown["Description"] = description.as_str().into();
        }
        if let Some(key) = &parameter.key_id {
            shown["KeyId"] = key.as_str().into();
        }
        shown
    }
}

/// A part of a sorted list, and the token of the next. The token is the name of the last
/// of a part, so that a list that changes meanwhile loses and repeats nothing.
pub(crate) fn page(
    all: Vec<Arc<Parameter>>,
    asked: Option<usize>,
    most: usize,
    token: Option<&str>,
) -> Result<(Vec<Arc<Parameter>>, Option<String>), ApiError> {
    let asked = asked.unwrap_or(most);
    if !(1..=most).contains(&asked) {
        return Err(ApiError::invalid(format!(
            "1 validation error detected: Value '{asked}' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and {most}"
        )));
    }
    let mut rest = all;
    if let Some(token) = token {
        let after = token.parse().map_err(|_| ApiError::BadToken)?;
        rest.retain(|parameter| parameter.name > after);
    }
    let more = rest.len() > asked;
    rest.truncate(asked);
    let next = rest.last().filter(|_| more);
    let next = next.map(|parameter| parameter.name.to_string());
    Ok((rest, next))
}
