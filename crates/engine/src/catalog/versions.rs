//! Published versions: copies of `$LATEST` that never change.

use std::sync::Arc;

use types::{FunctionName, FunctionVersion, Version};

use super::error::ControlError;
use super::functions::{check_revision, sortable};
use super::model::{Function, Page, Paging, VersionEntry};
use super::{Catalog, fresh_id, paging};

impl Catalog {
    /// Publishes `$LATEST`; unchanged since the last time, it answers that version.
    pub async fn publish_version(
        &self,
        name: FunctionName,
        description: Option<String>,
        code_sha256: Option<String>,
        revision: Option<String>,
    ) -> Result<Arc<VersionEntry>, ControlError> {
        let catalog = self.clone();
        self.change(move |draft| {
            let mut function = catalog.own(&draft.state, &name)?;
            let latest = function.latest();
            check_revision(latest, revision.as_deref())?;
            let current = base64_of_hex(&latest.config.code.sha256);
            if let Some(expected) = code_sha256.filter(|expected| *expected != current) {
                return Err(ControlError::invalid(format!(
                    "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
                )));
            }
            let bytes = latest.config.code.zip_bytes;
            let before = function.facts.last_version;
            let published = function.publish(description);
            if function.facts.last_version != before {
                catalog.check_storage(&draft.state, bytes)?;
                draft.save(function);
            }
            Ok(published)
        })
        .await
    }

    /// `$LATEST` and the published versions, oldest first.
    pub fn list_versions(
        &self,
        name: &FunctionName,
        paging: &Paging,
    ) -> Result<Page<Arc<VersionEntry>>, ControlError> {
        self.read(|state| {
            let function = state.function(&self.inner.scope, name)?;
            let keyed = function
                .versions
                .iter()
                .map(|(version, entry)| (sortable(*version), Arc::clone(entry)));
            paging::cut(keyed, paging)
        })
    }
}

impl Function {
    /// Copies `$LATEST` into a version, unless the last one is the same.
    pub(super) fn publish(&mut self, description: Option<String>) -> Arc<VersionEntry> {
        let latest = Arc::clone(self.latest());
        let last = Version::Number(self.facts.last_version);
        if let Some(last) = self
            .versions
            .get(&last)
            .filter(|last| is_copy(last, &latest))
        {
            return Arc::clone(last);
        }
        self.facts.last_version += 1;
        let version = Version::Number(self.facts.last_version);
        let mut config = FunctionVersion::clone(&latest.config);
        config.version = version;
        config.revision_id = fresh_id();
        if let Some(description) = description {
            config.description = description;
        }
        let entry = Arc::new(VersionEntry {
            revision: config.revision_id.clone(),
            config: Arc::new(config),
            log_levels: latest.log_levels.clone(),
            source_description: Some(latest.config.description.clone()),
        });
        self.versions.insert(version, Arc::clone(&entry));
        entry
    }
}

/// Whether a published version still says what `$LATEST` says. Dates, ids and the
/// description that was given on publishing do not count.
fn is_copy(published: &VersionEntry, latest: &VersionEntry) -> bool {
    let mut config = FunctionVersion::clone(&published.config);
    config.version = latest.config.version;
    config.last_modified = latest.config.last_modified;
    config.revision_id.clone_from(&latest.config.revision_id);
    if let Some(source) = &published.source_description {
        config.description.clone_from(source);
    }
    config == *latest.config && published.log_levels == latest.log_levels
}

/// `CodeSha256` on the wire is base64, in the store it is a name in hexadecimal.
pub fn base64_of_hex(sha256: &str) -> String {
    use base64::Engine as _;
    let bytes = hex::decode(sha256).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
