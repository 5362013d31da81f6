//! Targets of Squall's own on the wire: each is a subtype of integrations that AWS has
//! not, and stands in the parameters of its integration. On AWS a function stands in the
//! place of most of them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use engine::http_apis::{
    IntegrationTarget, MapTarget, ModelTarget, RedirectTarget, RouteTarget, SiteTarget,
};

use crate::api::Call;
use crate::error::ApiError;
use crate::members::required;

pub(crate) type Parameters = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subtype {
    /// Tables over a function.
    Map,
    /// What a model predicts.
    Model,
    Redirect,
    /// Objects of a bucket.
    Site,
    /// Another route of the API.
    Route,
}

impl Subtype {
    const ALL: [Self; 5] = [
        Self::Map,
        Self::Model,
        Self::Redirect,
        Self::Site,
        Self::Route,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Map => "Squall-Map",
            Self::Model => "Squall-Model",
            Self::Redirect => "Squall-Redirect",
            Self::Site => "Squall-Site",
            Self::Route => "Squall-Route",
        }
    }

    /// None: it is a function, as on AWS.
    pub fn of(target: &IntegrationTarget) -> Option<Self> {
        match target {
            IntegrationTarget::Function(_) => None,
            IntegrationTarget::Map(_) => Some(Self::Map),
            IntegrationTarget::Model(_) => Some(Self::Model),
            IntegrationTarget::Redirect(_) => Some(Self::Redirect),
            IntegrationTarget::Site(_) => Some(Self::Site),
            IntegrationTarget::Route(_) => Some(Self::Route),
        }
    }
}

impl FromStr for Subtype {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            let names = Self::ALL.map(Self::name).join(", ");
            ApiError::invalid(format!(
                "Squall does not provide the subtype {shown}; it has {names}."
            ))
        })
    }
}

/// What parameters describe. `given` has no empty ones, and none of `squall:`.
pub(crate) fn read(
    call: &Call<'_>,
    subtype: Subtype,
    given: Parameters,
) -> Result<IntegrationTarget, ApiError> {
    Ok(match subtype {
        Subtype::Map => IntegrationTarget::Map(read_map(call, given)?),
        Subtype::Model => IntegrationTarget::Model(read_model(call, given)?),
        Subtype::Redirect => IntegrationTarget::Redirect(read_redirect(given)?),
        Subtype::Site => IntegrationTarget::Site(read_site(given)?),
        Subtype::Route => IntegrationTarget::Route(read_route(given)?),
    })
}

fn read_map(call: &Call<'_>, mut options: Parameters) -> Result<MapTarget, ApiError> {
    let function = required(options.remove("function"), "requestParameters.function")?;
    let (function, named) = call.named_function(&function)?;
    let qualifier = options.remove("qualifier").map(|text| text.parse());
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

fn read_model(call: &Call<'_>, mut options: Parameters) -> Result<ModelTarget, ApiError> {
    let uri = required(options.remove("model"), "requestParameters.model")?;
    let at = ModelTarget::at(&uri).map_err(|error| {
        ApiError::invalid(format!(
            "requestParameters.model is s3://BUCKET/KEY: {error}"
        ))
    })?;
    let model = ModelTarget { options, ..at };
    (call.parts.check_model)(&model).map_err(ApiError::Invalid)?;
    Ok(model)
}

fn read_redirect(mut given: Parameters) -> Result<RedirectTarget, ApiError> {
    let status = given.remove("status").map(|text| text.parse());
    let redirect = RedirectTarget {
        location: required(given.remove("location"), "requestParameters.location")?,
        // What is no number is no status either.
        status: status.map_or(RedirectTarget::STATUS, |status| status.unwrap_or(0)),
    };
    redirect.check().map_err(bad)?;
    nothing_else(&given, "location and status")?;
    Ok(redirect)
}

fn read_site(mut given: Parameters) -> Result<SiteTarget, ApiError> {
    let bucket = required(given.remove("bucket"), "requestParameters.bucket")?;
    let site = SiteTarget {
        bucket: bucket
            .parse()
            .map_err(|error: types::BadName| bad(format!("bucket is one of S3: {error}")))?,
        prefix: given.remove("prefix").unwrap_or_default(),
        index: given
            .remove("index")
            .unwrap_or_else(|| SiteTarget::INDEX.to_owned()),
        error: given.remove("error"),
    };
    site.check().map_err(bad)?;
    nothing_else(&given, "bucket, prefix, index and error")?;
    Ok(site)
}

fn read_route(mut given: Parameters) -> Result<RouteTarget, ApiError> {
    let route = RouteTarget {
        path: required(given.remove("path"), "requestParameters.path")?,
    };
    route.check().map_err(bad)?;
    nothing_else(&given, "path")?;
    Ok(route)
}

fn bad(why: impl Display) -> ApiError {
    ApiError::invalid(format!("requestParameters: {why}"))
}

fn nothing_else(left: &Parameters, known: &str) -> Result<(), ApiError> {
    match left.keys().next() {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(60).collect();
            Err(bad(format!("there is no {name}, there are {known}")))
        }
    }
}

/// As parameters again; what was not said is shown as it is.
pub(crate) fn parameters(target: &IntegrationTarget) -> Parameters {
    let mut shown = Parameters::new();
    let mut show = |name: &str, value: String| shown.insert(name.to_owned(), value);
    match target {
        IntegrationTarget::Function(_) => {}
        IntegrationTarget::Map(map) => {
            show("function", map.function.to_string());
            if let Some(qualifier) = &map.qualifier {
                show("qualifier", qualifier.to_string());
            }
            shown.extend(map.options.clone());
        }
        IntegrationTarget::Model(model) => {
            show("model", model.uri());
            shown.extend(model.options.clone());
        }
        IntegrationTarget::Redirect(redirect) => {
            show("location", redirect.location.clone());
            show("status", redirect.status.to_string());
        }
        IntegrationTarget::Site(site) => {
            show("bucket", site.bucket.to_string());
            show("index", site.index.clone());
            if !site.prefix.is_empty() {
                show("prefix", site.prefix.clone());
            }
            if let Some(error) = &site.error {
                show("error", error.clone());
            }
        }
        IntegrationTarget::Route(route) => {
            show("path", route.path.clone());
        }
    }
    shown
}
