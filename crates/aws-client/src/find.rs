//! A client made of what was asked for, of the environment, and of the profile files,
//! which count in this order.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use types::Region;

use crate::client::{Client, Places, Settings};
use crate::endpoint::{Endpoint, variable_name};
use crate::error::ClientError;
use crate::keys::Keys;
use crate::pool::Road;
use crate::profile::{Files, Profile, Variable};
use crate::proxy::Proxy;
use crate::retry;

/// Where nobody names a region, an endpoint that is no host of AWS takes this one.
const USUAL_REGION: &str = "us-east-1";
/// Services whose endpoints may be named one by one.
const SERVICES: [&str; 11] = [
    "apigateway",
    "events",
    "iam",
    "lambda",
    "logs",
    "oidc",
    "s3",
    "scheduler",
    "ssm",
    "sso",
    "sts",
];

/// What was said on the command line: it goes before environment and files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// For all services.
    pub endpoint: Option<&'a str>,
    pub profile: Option<&'a str>,
    pub region: Option<&'a str>,
}

/// What all parts of the search look at.
pub(crate) struct Search<'a> {
    pub variable: &'a Variable<'a>,
    pub files: Files,
    /// The profile that is used, if there is one.
    pub profile: Profile,
    /// Whether the command line named it: then keys of the environment are not meant.
    pub explicit: bool,
    road: Road,
    endpoint: Option<&'a str>,
}

impl Client {
    /// Finds endpoint, region and keys as the aws CLI does. Keys that must be fetched
    /// are fetched by the first call.
    pub fn find(variable: &Variable<'_>, asked: Asked<'_>) -> Result<Self, ClientError> {
        let search = Search::new(variable, asked)?;
        let places = search.places(&search.profile)?;
        let shown = asked.endpoint.map(str::to_owned);
        let shown = shown.or_else(|| variable("AWS_ENDPOINT_URL"));
        let shown = shown.unwrap_or_else(|| "AWS".to_owned());
        let keys = Keys::find(&search, &shown)?;
        let region = asked.region.map(str::to_owned);
        let region = search.region(region, &search.profile, &places)?;
        Ok(Self::made(
            places,
            region,
            keys,
            search.settings(&search.profile)?,
        ))
    }
}

impl<'a> Search<'a> {
    fn new(variable: &'a Variable<'a>, asked: Asked<'a>) -> Result<Self, ClientError> {
        let files = Files::read(variable)?;
        let named = asked.profile.map(str::to_owned);
        let named = named
            .or_else(|| variable("AWS_PROFILE"))
            .or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let profile = match named {
            Some(name) => files
                .profile(&name)
                .ok_or_else(|| no_profile(&name, asked))?,
            // A profile that nobody asked for need not be there.
            None => files
                .profile("default")
                .unwrap_or_else(|| Profile::empty("default")),
        };
        let bundle = variable("AWS_CA_BUNDLE");
        let bundle = bundle.or_else(|| profile.get("ca_bundle").map(str::to_owned));
        Ok(Self {
            variable,
            files,
            profile,
            explicit: asked.profile.is_some(),
            road: Road {
                bundle: bundle.map(Arc::from),
                proxy: Proxy::find(variable)?.map(Arc::new),
            },
            endpoint: asked.endpoint,
        })
    }

    fn settings(&self, profile: &Profile) -> Result<Settings, ClientError> {
        let attempts = (self.variable)("AWS_MAX_ATTEMPTS");
        let attempts = attempts.or_else(|| profile.get("max_attempts").map(str::to_owned));
        let attempts = number("AWS_MAX_ATTEMPTS", attempts)?;
        let patience = (self.variable)("SQUALL_ANSWER_SECONDS");
        let patience = number("SQUALL_ANSWER_SECONDS", patience)?;
        let patience = patience.map(|seconds| Duration::from_secs(seconds.get().into()));
        Ok(Settings {
            attempts: attempts.map_or(retry::ATTEMPTS, NonZeroU32::get),
            answer: patience.unwrap_or(retry::ANSWER),
        })
    }

    /// Endpoints as a profile, the environment and the command line name them, from the
    /// last that counts to the first.
    fn places(&self, profile: &Profile) -> Result<Places, ClientError> {
        let ignored = (self.variable)("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let ignored = ignored.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let configured = |url: Option<String>| url.filter(|_| !ignored);
        if let Some(url) = self.endpoint {
            return Ok(Places::one(Endpoint::parse(url)?, self.road.clone()));
        }
        let variable = |name: &str| configured((self.variable)(name));
        let services = profile
            .get("services")
            .and_then(|name| self.files.section("services", name));
        let all = variable("AWS_ENDPOINT_URL");
        let mut named = BTreeMap::new();
        for service in SERVICES {
            let name = variable_name(service);
            let url = variable(&format!("AWS_ENDPOINT_URL_{name}")).or_else(|| {
                // The environment's for all goes before the file's for one.
                let of_file = || {
                    let key = format!("{}.endpoint_url", name.to_ascii_lowercase());
                    services?.get(&key).cloned()
                };
                all.is_none().then(of_file).and_then(configured)
            });
            if let Some(url) = url {
                named.insert(service.to_owned(), Endpoint::parse(&url)?);
            }
        }
        let of_profile = || configured(profile.get("endpoint_url").map(str::to_owned));
        let all = all.or_else(of_profile);
        let all = all.map(|url| Endpoint::parse(&url)).transpose()?;
        Ok(Places::new(all, named, self.road.clone()))
    }

    fn region(
        &self,
        asked: Option<String>,
        profile: &Profile,
        places: &Places,
    ) -> Result<String, ClientError> {
        let region = asked
            .or_else(|| (self.variable)("AWS_REGION"))
            .or_else(|| (self.variable)("AWS_DEFAULT_REGION"))
            .or_else(|| profile.get("region").map(str::to_owned));
        match region {
            Some(region) if places.is_elsewhere() => Ok(region),
            // It becomes a part of the hosts of AWS.
            Some(region) => match region.parse::<Region>() {
                Ok(_) => Ok(region),
                Err(bad) => Err(ClientError::config(bad)),
            },
            None if places.is_elsewhere() => Ok(USUAL_REGION.to_owned()),
            None => Err(ClientError::config("there is no region of AWS to go to")
                .with_hint("--region, AWS_REGION, or region in ~/.aws/config says which")),
        }
    }

    /// A client in the region and at the endpoints of this search, with other keys: to
    /// get keys by it.
    pub fn client_with(&self, keys: Keys, region: Option<&str>) -> Result<Client, ClientError> {
        let places = self.places(&self.profile)?;
        let region = self.region(region.map(str::to_owned), &self.profile, &places)?;
        Ok(Client::made(
            places,
            region,
            keys,
            self.settings(&self.profile)?,
        ))
    }
}

/// A setting that must be a number from 1 on.
fn number(name: &str, text: Option<String>) -> Result<Option<NonZeroU32>, ClientError> {
    let number = text.map(|text| {
        text.parse().map_err(|_| {
            ClientError::config(format!("{name} is {text:?}, and no number from 1 on"))
        })
    });
    number.transpose()
}

fn no_profile(name: &str, asked: Asked<'_>) -> ClientError {
    let who = match asked.profile {
        Some(_) => "--profile",
        None => "AWS_PROFILE",
    };
    ClientError::config(format!(
        "{who} names the profile {name:?}, and neither ~/.aws/credentials nor ~/.aws/config has it"
    ))
    .with_hint("aws configure list-profiles shows those that are there")
}
