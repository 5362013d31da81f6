//! Creating, reading, updating and deleting functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{
    CodeRef, FunctionName, FunctionVersion, InstanceOptions, LayerRef, Qualifier, Timestamp,
    Version,
};

use super::error::ControlError;
use super::model::{
    CodeUpdate, ConfigPatch, Facts, Function, LogLevels, Logging, NewFunction, Page, Paging,
    VersionEntry,
};
use super::state::{Draft, State};
use super::{Catalog, fresh_id, paging, tags};

impl Catalog {
    /// Creates a function; with `publish`, the answer is version 1.
    pub async fn create_function(
        &self,
        new: NewFunction,
    ) -> Result<Arc<VersionEntry>, ControlError> {
        self.check_runtime(new.runtime)?;
        let options = self.check_environment(&new.environment)?;
        tags::check(&new.tags)?;
        self.read(|state| check_free(state, &new.name))?;
        let upload = self.upload(new.code.clone()).await?;
        let code = upload.code();
        let catalog = self.clone();
        self.change_with(Some(upload), move |draft| {
            check_free(&draft.state, &new.name)?;
            let copies = if new.publish { 2 } else { 1 };
            catalog.check_storage(&draft.state, code.zip_bytes * copies)?;
            let layers = catalog.find_layers(&draft.state, &new.layers)?;
            catalog.check_unzipped(&code, &layers)?;
            let entry = entry_of(&new, code, layers, options);
            let mut function = Function {
                name: new.name.clone(),
                facts: Facts::new(new.tags),
                versions: BTreeMap::from([(Version::Latest, Arc::new(entry))]),
            };
            let answer = if new.publish {
                function.publish(None)
            } else {
                Arc::clone(function.latest())
            };
            draft.save(function);
            Ok(answer)
        })
        .await
    }

    /// The version that a qualifier stands for.
    pub fn get_function(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<VersionEntry>, ControlError> {
        self.read(|state| {
            let entry = state.version(&self.inner.scope, name, qualifier)?;
            Ok(Arc::clone(entry))
        })
    }

    /// `$LATEST` of each function, or every version of each.
    pub fn list_functions(
        &self,
        all_versions: bool,
        paging: &Paging,
    ) -> Result<Page<Arc<VersionEntry>>, ControlError> {
        self.read(|state| {
            let entries = state.functions.values().flat_map(|f| f.versions.values());
            let listed =
                entries.filter(|entry| all_versions || entry.config.version == Version::Latest);
            let keyed = listed.map(|entry| {
                let key = format!("{} {}", entry.config.name, sortable(entry.config.version));
                (key, Arc::clone(entry))
            });
            // The names come sorted as names; the separator sorts before any of
            // their characters, so the keys are sorted as well.
            paging::cut(keyed, paging)
        })
    }

    pub async fn update_code(
        &self,
        name: FunctionName,
        update: CodeUpdate,
    ) -> Result<Arc<VersionEntry>, ControlError> {
        self.get_function(&name, None)?;
        let upload = self.upload(update.code.clone()).await?;
        let catalog = self.clone();
        let code = upload.code();
        self.change_with(Some(upload), move |draft: &mut Draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            let latest = Arc::clone(function.latest());
            check_revision(&latest, update.revision.as_deref())?;
            catalog.check_storage(
                &draft.state,
                code.zip_bytes.saturating_sub(latest.config.code.zip_bytes),
            )?;
            catalog.check_unzipped(&code, &latest.config.layers)?;
            let mut config = FunctionVersion::clone(&latest.config);
            config.code = code;
            if let Some(architecture) = update.architecture {
                config.architecture = architecture;
            }
            let answer = function.replace_latest(config, latest.log_levels.clone());
            if update.dry_run {
                return Ok(answer);
            }
            let answer = if update.publish {
                function.publish(None)
            } else {
                answer
            };
            draft.save(function);
            Ok(answer)
        })
        .await
    }

    pub async fn update_configuration(
        &self,
        name: FunctionName,
        patch: ConfigPatch,
    ) -> Result<Arc<VersionEntry>, ControlError> {
        if let Some(runtime) = patch.runtime {
            self.check_runtime(runtime)?;
        }
        let options = match &patch.environment {
            Some(environment) => Some(self.check_environment(environment)?),
            None => None,
        };
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            let latest = Arc::clone(function.latest());
            check_revision(&latest, patch.revision.as_deref())?;
            let mut config = FunctionVersion::clone(&latest.config);
            if let Some(arns) = &patch.layers {
                config.layers = catalog.find_layers(&draft.state, arns)?;
                catalog.check_unzipped(&config.code, &config.layers)?;
            }
            config.options = options.unwrap_or(config.options);
            let log_levels = patch.apply(&mut config, latest.log_levels.clone());
            let answer = function.replace_latest(config, log_levels);
            draft.save(function);
            Ok(answer)
        })
        .await
    }

    /// Deletes a function with everything, or one published version of it.
    pub async fn delete_function(
        &self,
        name: FunctionName,
        qualifier: Option<Qualifier>,
    ) -> Result<(), ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let Some(qualifier) = qualifier else {
                catalog.own(&draft.state, &name)?;
                draft.remove(&name);
                return Ok(());
            };
            let number = match &qualifier {
                Qualifier::Version(Version::Number(number)) => *number,
                Qualifier::Version(Version::Latest) => {
                    return Err(ControlError::invalid(
                        "$LATEST version cannot be deleted without deleting the function.",
                    ));
                }
                Qualifier::Alias(_) => {
                    return Err(ControlError::invalid(
                        "Deletion of an alias is done with DeleteAlias, not with DeleteFunction.",
                    ));
                }
            };
            let scope = &catalog.inner.scope;
            draft.state.version(scope, &name, Some(&qualifier))?;
            let mut function = catalog.own(&draft.state, &name)?;
            function.remove_version(number, &qualifier)?;
            draft.save(function);
            Ok(())
        })
        .await
    }

    /// A copy of a function to edit.
    pub(super) fn own(&self, state: &State, name: &FunctionName) -> Result<Function, ControlError> {
        let function = state.function(&self.inner.scope, name)?;
        Ok(Function::clone(function))
    }
}

impl Function {
    /// Makes a new state of `$LATEST`, which new instances serve.
    fn replace_latest(
        &mut self,
        mut config: FunctionVersion,
        log_levels: Option<LogLevels>,
    ) -> Arc<VersionEntry> {
        config.revision_id = fresh_id();
        config.last_modified = Timestamp::now();
        let entry = Arc::new(VersionEntry {
            revision: config.revision_id.clone(),
            config: Arc::new(config),
            log_levels,
            source_description: None,
        });
        self.versions.insert(Version::Latest, Arc::clone(&entry));
        entry
    }

    fn remove_version(&mut self, number: u64, qualifier: &Qualifier) -> Result<(), ControlError> {
        let version = Version::Number(number);
        let aliases = self.facts.aliases.values();
        let users: Vec<&str> = aliases
            .filter(|alias| alias.version == version || alias.weights.contains_key(&number))
            .map(|alias| alias.name.as_str())
            .collect();
        if !users.is_empty() {
            return Err(ControlError::conflict(format!(
                "Unable to delete version because the following aliases reference it: [{}]",
                users.join(", ")
            )));
        }
        self.versions.remove(&version);
        self.forget(qualifier);
        self.facts.runtime_management.remove(&version);
        Ok(())
    }

    /// Drops what was configured for a qualifier that goes.
    pub(super) fn forget(&mut self, qualifier: &Qualifier) {
        let text = qualifier.to_string();
        self.facts.provisioned.remove(qualifier);
        self.facts.event_configs.remove(qualifier);
        self.facts.policies.remove(&text);
        self.facts.urls.remove(&text);
    }
}

impl ConfigPatch {
    fn apply(self, config: &mut FunctionVersion, levels: Option<LogLevels>) -> Option<LogLevels> {
        config.runtime = self.runtime.unwrap_or(config.runtime);
        config.memory_mb = self.memory_mb.unwrap_or(config.memory_mb);
        config.timeout_seconds = self.timeout_seconds.unwrap_or(config.timeout_seconds);
        config.tmp_mb = self.tmp_mb.unwrap_or(config.tmp_mb);
        config.tracing = self.tracing.unwrap_or(config.tracing);
        config.snap_start = self.snap_start.unwrap_or(config.snap_start);
        set(&mut config.handler, self.handler);
        set(&mut config.role, self.role);
        set(&mut config.description, self.description);
        set(&mut config.environment, self.environment);
        self.dead_letter_target
            .apply(&mut config.dead_letter_target);
        self.vpc.apply(&mut config.vpc);
        self.kms_key_arn.apply(&mut config.kms_key_arn);
        let Some(logging) = self.logging else {
            return levels;
        };
        if logging.group.is_some() {
            config.log_group.clone_from(&logging.group);
        }
        set(&mut config.log_format, logging.format.clone());
        log_levels(&config.log_format, &logging, levels)
    }
}

fn check_free(state: &State, name: &FunctionName) -> Result<(), ControlError> {
    if state.functions.contains_key(name) {
        let message = format!("Function already exist: {name}");
        return Err(ControlError::Conflict { message });
    }
    Ok(())
}

fn set<T>(field: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *field = new;
    }
}

fn entry_of(
    new: &NewFunction,
    code: CodeRef,
    layers: Vec<LayerRef>,
    options: InstanceOptions,
) -> VersionEntry {
    let revision = fresh_id();
    let log_format = new
        .logging
        .format
        .clone()
        .unwrap_or_else(|| "Text".to_owned());
    VersionEntry {
        log_levels: log_levels(&log_format, &new.logging, None),
        config: Arc::new(FunctionVersion {
            name: new.name.clone(),
            version: Version::Latest,
            runtime: new.runtime,
            handler: new.handler.clone(),
            role: new.role.clone(),
            description: new.description.clone(),
            memory_mb: new.memory_mb,
            timeout_seconds: new.timeout_seconds,
            tmp_mb: new.tmp_mb,
            environment: new.environment.clone(),
            code,
            layers,
            architecture: new.architecture,
            tracing: new.tracing,
            snap_start: new.snap_start,
            options,
            log_group: new.logging.group.clone(),
            log_format,
            dead_letter_target: new.dead_letter_target.clone(),
            vpc: new.vpc.clone(),
            kms_key_arn: new.kms_key_arn.clone(),
            last_modified: Timestamp::now(),
            revision_id: revision.clone(),
        }),
        revision,
        source_description: None,
    }
}

/// Levels exist only in JSON; what is not named stays, or is INFO.
fn log_levels(format: &str, logging: &Logging, old: Option<LogLevels>) -> Option<LogLevels> {
    if format != "JSON" {
        return None;
    }
    let (application, system) = old.map_or((None, None), |old| {
        (Some(old.application), Some(old.system))
    });
    let pick = |new: &Option<String>, old: Option<String>| {
        new.clone().or(old).unwrap_or_else(|| "INFO".to_owned())
    };
    Some(LogLevels {
        application: pick(&logging.application_level, application),
        system: pick(&logging.system_level, system),
    })
}

pub(super) fn check_revision(
    entry: &VersionEntry,
    expected: Option<&str>,
) -> Result<(), ControlError> {
    match expected {
        Some(expected) if expected != entry.revision => Err(ControlError::StaleRevision {
            api: "GetFunction/GetAlias",
        }),
        _ => Ok(()),
    }
}

/// A text that sorts as versions do: `$LATEST` before all numbers.
pub(super) fn sortable(version: Version) -> String {
    match version {
        Version::Latest => String::new(),
        Version::Number(number) => format!("{number:020}"),
    }
}
