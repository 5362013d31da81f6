//! What is configured per qualifier: asynchronous invocations and function URLs.

use types::{AliasName, FunctionName, FunctionRef, Qualifier, Timestamp, Version};

use super::error::ControlError;
use super::model::{
    Cors, EventInvokeConfig, Function, FunctionUrl, Page, Paging, UrlAuth, UrlInvokeMode,
};
use super::state::{Draft, State};
use super::{Catalog, paging};

/// Services that may receive the outcome of an asynchronous invocation.
const DESTINATION_SERVICES: [&str; 5] = ["lambda", "sqs", "sns", "events", "s3"];

/// The letters and digits of a URL id; 32 of them are drawn from the system.
const ID_ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The members of an event-invoke config that a client sent. An empty
/// destination takes one away.
#[derive(Debug, Clone, Default)]
pub struct EventConfigPatch {
    pub max_retries: Option<u32>,
    pub max_age_seconds: Option<u32>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    /// Whether the client sent destinations at all.
    pub destinations: bool,
}

/// What a client sent to create or update a function URL.
#[derive(Debug, Clone, Default)]
pub struct UrlPatch {
    pub auth: Option<UrlAuth>,
    pub cors: Option<Cors>,
    pub invoke_mode: Option<UrlInvokeMode>,
}

impl Catalog {
    /// Sets the whole config, or with `merge` changes one that is there.
    pub async fn put_event_config(
        &self,
        name: FunctionName,
        qualifier: Option<Qualifier>,
        patch: EventConfigPatch,
        merge: bool,
    ) -> Result<EventInvokeConfig, ControlError> {
        let catalog = self.clone();
        self.change(move |draft: &mut Draft| {
            let qualifier = qualifier.unwrap_or(LATEST);
            let scope = &catalog.inner.scope;
            if draft.state.version(scope, &name, Some(&qualifier)).is_err() {
                return Err(ControlError::not_found("The function doesn't exist."));
            }
            let mut function = catalog.own(&draft.state, &name)?;
            let nothing = patch.max_retries.is_none()
                && patch.max_age_seconds.is_none()
                && !patch.destinations;
            if nothing {
                return Err(ControlError::invalid(
                    "You must specify at least one of error handling or destination setting.",
                ));
            }
            for arn in [&patch.on_success, &patch.on_failure].into_iter().flatten() {
                catalog.check_destination(&draft.state, &name, arn)?;
            }
            let configs = &mut function.facts.event_configs;
            let old = configs.get(&qualifier).cloned();
            if merge && old.is_none() {
                return Err(catalog.no_event_config(&name, &qualifier));
            }
            let base = if merge {
                old.unwrap_or_default()
            } else {
                EventInvokeConfig::default()
            };
            let new = patch.over(base);
            configs.insert(qualifier, new.clone());
            draft.save(function);
            Ok(new)
        })
        .await
    }

    pub fn get_event_config(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<EventInvokeConfig, ControlError> {
        let qualifier = qualifier.unwrap_or(&LATEST);
        self.read(|state| {
            let function = state.functions.get(name);
            let config = function.and_then(|f| f.facts.event_configs.get(qualifier));
            config
                .cloned()
                .ok_or_else(|| self.no_event_config(name, qualifier))
        })
    }

    pub fn list_event_configs(
        &self,
        name: &FunctionName,
        paging: &Paging,
    ) -> Result<Page<(Qualifier, EventInvokeConfig)>, ControlError> {
        self.read(|state| {
            let Some(function) = state.functions.get(name) else {
                return Err(ControlError::not_found("The function doesn't exist."));
            };
            paging::cut(by_qualifier(function.facts.event_configs.iter()), paging)
        })
    }

    pub async fn delete_event_config(
        &self,
        name: FunctionName,
        qualifier: Option<Qualifier>,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let qualifier = qualifier.unwrap_or(LATEST);
            let missing = || catalog.no_event_config(&name, &qualifier);
            let mut function = catalog.own(&draft.state, &name).map_err(|_| missing())?;
            let old = function.facts.event_configs.remove(&qualifier);
            old.ok_or_else(missing)?;
            draft.save(function);
            Ok(())
        })
        .await
    }

    pub async fn create_url(
        &self,
        name: FunctionName,
        alias: Option<AliasName>,
        auth: UrlAuth,
        patch: UrlPatch,
    ) -> Result<FunctionUrl, ControlError> {
        let catalog = self.clone();
        let id = url_id()?;
        self.change(move |draft| {
            let mut function = own_for_url(&draft.state, &name, alias.as_ref())?;
            let key = url_key(alias.as_ref());
            if function.facts.urls.contains_key(&key) {
                let arn = match &alias {
                    None => catalog.inner.scope.function_arn(&name),
                    Some(alias) => catalog.alias_arn(&name, alias),
                };
                return Err(ControlError::conflict(format!(
                    "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function"
                )));
            }
            let now = Timestamp::now();
            let url = FunctionUrl {
                id,
                function: name,
                alias,
                auth,
                cors: patch.cors,
                invoke_mode: patch.invoke_mode,
                created: now,
                modified: now,
            };
            function.facts.urls.insert(key, url.clone());
            draft.save(function);
            Ok(url)
        })
        .await
    }

    pub fn get_url(
        &self,
        name: &FunctionName,
        alias: Option<&AliasName>,
    ) -> Result<FunctionUrl, ControlError> {
        self.read(|state| {
            let function = state.functions.get(name);
            let url = function.and_then(|f| f.facts.urls.get(&url_key(alias)));
            url.cloned().ok_or_else(ControlError::no_such_resource)
        })
    }

    pub fn list_urls(
        &self,
        name: &FunctionName,
        paging: &Paging,
    ) -> Result<Page<FunctionUrl>, ControlError> {
        self.read(|state| {
            let Some(function) = state.functions.get(name) else {
                return Err(ControlError::not_found("Function does not exist"));
            };
            let urls = function.facts.urls.iter();
            paging::cut(urls.map(|(key, url)| (key.clone(), url.clone())), paging)
        })
    }

    pub async fn update_url(
        &self,
        name: FunctionName,
        alias: Option<AliasName>,
        patch: UrlPatch,
    ) -> Result<FunctionUrl, ControlError> {
        self.change(move |draft| {
            let mut function = own_for_url(&draft.state, &name, alias.as_ref())?;
            let urls = &mut function.facts.urls;
            let Some(url) = urls.get_mut(&url_key(alias.as_ref())) else {
                return Err(ControlError::no_such_resource());
            };
            url.auth = patch.auth.unwrap_or(url.auth);
            url.invoke_mode = patch.invoke_mode.or(url.invoke_mode);
            if let Some(cors) = patch.cors {
                // An empty CORS object is how a client takes the rules away.
                url.cors = Some(cors).filter(|cors| *cors != Cors::default());
            }
            url.modified = Timestamp::now();
            let url = url.clone();
            draft.save(function);
            Ok(url)
        })
        .await
    }

    pub async fn delete_url(
        &self,
        name: FunctionName,
        alias: Option<AliasName>,
    ) -> Result<(), ControlError> {
        self.change(move |draft| {
            let function = draft.state.functions.get(&name);
            let function = function.ok_or_else(ControlError::no_such_resource)?;
            let mut function = Function::clone(function);
            let old = function.facts.urls.remove(&url_key(alias.as_ref()));
            old.ok_or_else(ControlError::no_such_resource)?;
            draft.save(function);
            Ok(())
        })
        .await
    }

    fn no_event_config(&self, name: &FunctionName, qualifier: &Qualifier) -> ControlError {
        let arn = self.inner.scope.qualified_arn(name, qualifier);
        ControlError::not_found(format!(
            "The function {arn} doesn't have an EventInvokeConfig"
        ))
    }

    /// A function as destination must be there and must not be the function
    /// itself; other services are taken by the look of their ARN.
    fn check_destination(
        &self,
        state: &State,
        name: &FunctionName,
        arn: &str,
    ) -> Result<(), ControlError> {
        if arn.is_empty() {
            return Ok(());
        }
        let invalid = || ControlError::invalid(format!("The destination ARN {arn} is invalid."));
        let service = arn.split(':').nth(2).unwrap_or_default();
        if !DESTINATION_SERVICES.contains(&service) {
            return Err(invalid());
        }
        if service != "lambda" {
            return Ok(());
        }
        let target: FunctionRef = arn.parse().map_err(|_| invalid())?;
        let scope = &self.inner.scope;
        let ours = target.account.as_ref() == Some(&scope.account)
            && target.region.as_ref() == Some(&scope.region);
        if ours && target.name == *name {
            return Err(ControlError::invalid(
                "You can't specify the function as a destination for itself.",
            ));
        }
        let found = state.version(scope, &target.name, target.qualifier.as_ref());
        if ours && found.is_ok() {
            Ok(())
        } else {
            Err(invalid())
        }
    }
}

const LATEST: Qualifier = Qualifier::Version(Version::Latest);

impl EventConfigPatch {
    fn over(self, old: EventInvokeConfig) -> EventInvokeConfig {
        let pick = |new: Option<String>, old: Option<String>| match new {
            None => old,
            Some(arn) => Some(arn).filter(|arn| !arn.is_empty()),
        };
        EventInvokeConfig {
            max_retries: self.max_retries.or(old.max_retries),
            max_age_seconds: self.max_age_seconds.or(old.max_age_seconds),
            on_success: pick(self.on_success, old.on_success),
            on_failure: pick(self.on_failure, old.on_failure),
            last_modified: Timestamp::now(),
        }
    }
}

/// Items in an order that pages can continue in: by the text of the qualifier.
pub(super) fn by_qualifier<'a, T: Clone + 'a>(
    items: impl Iterator<Item = (&'a Qualifier, &'a T)>,
) -> impl Iterator<Item = (String, (Qualifier, T))> {
    let mut items: Vec<_> = items
        .map(|(qualifier, item)| (qualifier.to_string(), (qualifier.clone(), item.clone())))
        .collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items.into_iter()
}

/// A copy of a function that has the alias, if one is meant.
fn own_for_url(
    state: &State,
    name: &FunctionName,
    alias: Option<&AliasName>,
) -> Result<Function, ControlError> {
    let function = state
        .functions
        .get(name)
        .filter(|function| alias.is_none_or(|alias| function.facts.aliases.contains_key(alias)));
    function
        .map(|function| Function::clone(function))
        .ok_or_else(|| ControlError::not_found("Function does not exist"))
}

fn url_key(alias: Option<&AliasName>) -> String {
    alias.map(ToString::to_string).unwrap_or_default()
}

fn url_id() -> Result<String, ControlError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| ControlError::Internal {
        detail: error.to_string(),
    })?;
    let letters = bytes.iter().map(|byte| ID_ALPHABET[usize::from(byte % 32)]);
    Ok(letters.map(char::from).collect())
}
