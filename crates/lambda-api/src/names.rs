//! How clients name functions, versions and layers, and what they are told when
//! a name cannot be meant.

use types::{AliasName, FunctionName, FunctionRef, LayerName, Qualifier};

use crate::error::ApiError;
use crate::request::Call;
use crate::validate::{Faults, is_word};

const FUNCTION_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
const ALIAS_PATTERN: &str = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
const URL_QUALIFIER_PATTERN: &str = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)";
const LAYER_PATTERN: &str =
    "(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
const VERSION_PATTERN: &str = r"(\$LATEST(\.PUBLISHED)?|[0-9]+)";

const LONGEST_QUALIFIER: usize = 128;

/// A function of ours, and what its name or the query said about the version.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub name: FunctionName,
    pub qualifier: Option<Qualifier>,
}

impl Call<'_> {
    /// A function for an operation that takes a qualifier.
    pub fn target(&self, text: &str) -> Result<Target, ApiError> {
        let named = match self.query("Qualifier") {
            None => None,
            Some(qualifier) => Some(self.qualifier(text, &qualifier)?),
        };
        let target = self.function_ref(text)?;
        let qualifier = match (target.qualifier, named) {
            (Some(derived), Some(named)) if derived != named => {
                return Err(ApiError::invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (derived, named) => derived.or(named),
        };
        Ok(Target {
            name: target.name,
            qualifier,
        })
    }

    /// A function for an operation that is about functions as a whole.
    pub fn function(&self, text: &str) -> Result<FunctionName, ApiError> {
        let target = self.function_ref(text)?;
        if target.qualifier.is_some() {
            return Err(ApiError::invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
            ));
        }
        Ok(target.name)
    }

    /// A function reference that means our account and region.
    pub fn function_ref(&self, text: &str) -> Result<FunctionRef, ApiError> {
        let Ok(target) = text.parse::<FunctionRef>() else {
            return Err(self.bad_function(text));
        };
        let scope = self.scope();
        if let Some(region) = target
            .region
            .as_ref()
            .filter(|region| **region != scope.region)
        {
            return Err(ApiError::NotFound(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                scope.region
            )));
        }
        if target
            .account
            .as_ref()
            .is_some_and(|account| *account != scope.account)
        {
            return Err(ApiError::AccessDenied(format!(
                "User: arn:aws:iam::{}:root is not authorized to perform this action on resource: {text} because no resource-based policy allows it",
                scope.account
            )));
        }
        Ok(target)
    }

    /// What could be a function but cannot be one of ours, such as a name of 65
    /// letters, is not found; the rest breaks the pattern.
    fn bad_function(&self, text: &str) -> ApiError {
        let name = text.rsplit("function:").next().unwrap_or(text);
        let mut parts = name.splitn(2, ':');
        let fits = parts.next().is_some_and(|name| is_word(name, "-_."))
            && parts
                .next()
                .is_none_or(|qualifier| is_word(qualifier, "-_"));
        let is_arn = text.starts_with("arn:");
        let known_prefix =
            name.len() == text.len() || text[..text.len() - name.len()] == *"function:";
        if fits && known_prefix && !is_arn {
            let scope = self.scope();
            return ApiError::NotFound(format!(
                "Function not found: arn:aws:lambda:{}:{}:function:{name}",
                scope.region, scope.account
            ));
        }
        let mut faults = Faults::default();
        faults.min_length(text, "functionName", 1);
        faults.pattern(text, "functionName", false, FUNCTION_PATTERN);
        refused(faults)
    }

    fn qualifier(&self, function: &str, text: &str) -> Result<Qualifier, ApiError> {
        let mut faults = Faults::default();
        faults.min_length(text, "qualifier", 1);
        faults.max_length(text, "qualifier", LONGEST_QUALIFIER);
        faults.pattern(text, "qualifier", is_word(text, "-_$"), QUALIFIER_PATTERN);
        faults.none()?;
        text.parse().map_err(|_| {
            // A word that no version or alias can have.
            let scope = self.scope();
            let name = function.rsplit("function:").next().unwrap_or(function);
            ApiError::NotFound(format!(
                "Function not found: arn:aws:lambda:{}:{}:function:{name}:{text}",
                scope.region, scope.account
            ))
        })
    }

    /// The qualifier of a function URL, which can only be an alias.
    pub fn url_target(&self, text: &str) -> Result<(FunctionName, Option<AliasName>), ApiError> {
        if let Some(qualifier) = self.query("Qualifier")
            && qualifier.parse::<AliasName>().is_err()
        {
            let mut faults = Faults::default();
            faults.max_length(&qualifier, "qualifier", LONGEST_QUALIFIER);
            faults.pattern(&qualifier, "qualifier", false, URL_QUALIFIER_PATTERN);
            return Err(refused(faults));
        }
        let target = self.target(text)?;
        match target.qualifier {
            None => Ok((target.name, None)),
            Some(Qualifier::Alias(alias)) => Ok((target.name, Some(alias))),
            Some(Qualifier::Version(version)) => {
                let mut faults = Faults::default();
                let version = version.to_string();
                faults.pattern(&version, "qualifier", false, URL_QUALIFIER_PATTERN);
                Err(refused(faults))
            }
        }
    }
}

pub(crate) fn alias(text: &str) -> Result<AliasName, ApiError> {
    text.parse().map_err(|_| {
        let mut faults = Faults::default();
        faults.max_length(text, "name", LONGEST_QUALIFIER);
        let fits = is_word(text, "-_") && !text.bytes().all(|b| b.is_ascii_digit());
        faults.pattern(text, "name", fits, ALIAS_PATTERN);
        refused(faults)
    })
}

/// A version as the target of an alias.
pub(crate) fn version(text: &str) -> Result<types::Version, ApiError> {
    text.parse().map_err(|_| {
        let mut faults = Faults::default();
        faults.pattern(text, "functionVersion", false, VERSION_PATTERN);
        refused(faults)
    })
}

/// A layer by its name or its ARN.
pub(crate) fn layer(text: &str) -> Result<LayerName, ApiError> {
    let name = match text.strip_prefix("arn:") {
        Some(rest) => match rest.split(':').collect::<Vec<_>>().as_slice() {
            [_, "lambda", _, _, "layer", name] => *name,
            _ => "",
        },
        None => text,
    };
    name.parse().map_err(|_| {
        let mut faults = Faults::default();
        faults.max_length(text, "layerName", 140);
        let fits = is_word(name, "-_");
        faults.pattern(text, "layerName", fits, LAYER_PATTERN);
        refused(faults)
    })
}

pub(crate) fn layer_number(text: &str) -> Result<u64, ApiError> {
    let number: i64 = text.parse().map_err(|_| {
        ApiError::Serialization("STRING_VALUE can not be converted to a Long".to_owned())
    })?;
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(ApiError::invalid("Layer Version Cannot be less than 1")),
    }
}

fn refused(faults: Faults) -> ApiError {
    match faults.none() {
        Err(error) => error,
        Ok(()) => ApiError::invalid("A name in the request is not valid."),
    }
}
