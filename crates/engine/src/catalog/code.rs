//! Packages: how code gets into the store, and how what nobody refers to any
//! more gets out of it.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use store::{BlobInfo, StoreError, UnpackError, UnpackLimits};
use tokio::sync::OwnedRwLockReadGuard;
use tracing::warn;
use types::{CodeRef, FunctionVersion, LayerRef};

use super::error::ControlError;
use super::model::CodeSource;
use super::state::{State, code_of};
use super::{Catalog, Inner, OpenError};

/// A package in the store that nothing refers to yet. While it lives, nothing is
/// collected.
pub(super) struct Upload {
    catalog: Catalog,
    code: CodeRef,
    guard: Option<OwnedRwLockReadGuard<()>>,
}

impl Upload {
    pub fn code(&self) -> CodeRef {
        self.code.clone()
    }
}

/// A zip that begins with the record that ends every zip has no entries.
const ZIP_END: &[u8] = b"PK\x05\x06";

impl Drop for Upload {
    fn drop(&mut self) {
        // If the transaction failed, or never came, this is garbage; if it went
        // well, the next collection finds it in use and forgets it.
        self.catalog.inner.garbage.lock().push(Garbage {
            sha256: self.code.sha256.clone(),
            holder: Weak::new(),
        });
        self.guard.take();
    }
}

/// A package that may be unused. Instances of a retired version go on reading
/// its files until they end: while the data plane holds the version, they stay.
#[derive(Debug)]
pub(super) struct Garbage {
    sha256: String,
    holder: Weak<FunctionVersion>,
}

impl Catalog {
    /// Brings code into the store and unpacks it, which also proves that it can be.
    pub(super) async fn upload(&self, source: CodeSource) -> Result<Upload, ControlError> {
        let guard = Arc::clone(&self.inner.uploads).read_owned().await;
        let blob = match source {
            CodeSource::Zip(zip) => self.keep_zip(zip).await?,
            CodeSource::Object(object) => self.keep_object(&object).await?,
        };
        let mut upload = Upload {
            catalog: self.clone(),
            code: CodeRef {
                sha256: blob.sha,
                zip_bytes: blob.bytes,
                unzipped_bytes: 0,
            },
            guard: Some(guard),
        };
        let limits = &self.inner.limits;
        let unpack_limits = UnpackLimits {
            unzipped_bytes: limits.unzipped_bytes,
            entries: limits.zip_entries,
        };
        let packages = self.inner.store.packages();
        match packages.unpack(&upload.code.sha256, &unpack_limits).await {
            Ok(unpacked) => upload.code.unzipped_bytes = unpacked.bytes,
            Err(error) => {
                drop(upload);
                self.collect().await;
                return Err(refusal(error));
            }
        }
        Ok(upload)
    }

    /// A zip that a client sent along.
    async fn keep_zip(&self, zip: Bytes) -> Result<BlobInfo, ControlError> {
        let bytes = zip.len() as u64;
        let limit = self.inner.limits.zip_bytes;
        if bytes > limit {
            return Err(ControlError::ZipTooLarge { limit });
        }
        check_not_empty(&zip)?;
        let sha = self.inner.store.blobs().put(zip).await?;
        Ok(BlobInfo { sha, bytes })
    }

    /// Code and layers of one function share one limit.
    pub(super) fn check_unzipped(
        &self,
        code: &CodeRef,
        layers: &[LayerRef],
    ) -> Result<(), ControlError> {
        let layers: u64 = layers.iter().map(|layer| layer.code.unzipped_bytes).sum();
        let actual = code.unzipped_bytes + layers;
        let limit = self.inner.limits.unzipped_bytes;
        if actual > limit {
            return Err(ControlError::invalid(format!(
                "Function code combined with layers exceeds the maximum allowed size of {limit} bytes. The actual size is {actual} bytes."
            )));
        }
        Ok(())
    }

    pub(super) fn check_storage(&self, state: &State, more: u64) -> Result<(), ControlError> {
        let limit = self.inner.limits.code_storage_bytes;
        if state.code_bytes().saturating_add(more) > limit {
            return Err(ControlError::CodeStorageExceeded { limit });
        }
        Ok(())
    }

    /// Removes packages that nothing refers to and no instance uses. It runs after
    /// each change; the data plane calls it when it has let go of retired versions.
    pub async fn collect(&self) {
        // While something is being uploaded, leave it for the next time.
        let Ok(_alone) = self.inner.uploads.try_write() else {
            return;
        };
        for sha256 in self.inner.take_unused() {
            if let Err(error) = self.inner.remove_package(&sha256).await {
                warn!(
                    sha256,
                    error = &error as &dyn std::error::Error,
                    "could not remove a package"
                );
            }
        }
    }

    /// Removes what a crash left behind.
    pub(super) async fn sweep(&self) -> Result<(), OpenError> {
        let stored = self.inner.store.blobs().list().await?;
        let unused: Vec<String> = self.read(|state| {
            let used = state.code_in_use();
            let shas = stored.into_iter().map(|blob| blob.sha);
            shas.filter(|sha| !used.contains(sha.as_str())).collect()
        });
        for sha256 in unused {
            self.inner.remove_package(&sha256).await?;
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn note_garbage(&self, retired: &[Arc<FunctionVersion>], unlisted: Vec<String>) {
        let mut garbage = self.garbage.lock();
        for version in retired {
            garbage.extend(code_of(version).map(|sha256| Garbage {
                sha256: sha256.to_owned(),
                holder: Arc::downgrade(version),
            }));
        }
        garbage.extend(unlisted.into_iter().map(|sha256| Garbage {
            sha256,
            holder: Weak::new(),
        }));
    }

    /// Takes out of the garbage what can go now, and forgets what is in use again.
    fn take_unused(&self) -> HashSet<String> {
        let state = self.state.read();
        let mut garbage = self.garbage.lock();
        if garbage.is_empty() {
            return HashSet::new();
        }
        let used = state.code_in_use();
        garbage.retain(|item| !used.contains(item.sha256.as_str()));
        let held: HashSet<String> = garbage
            .iter()
            .filter(|item| item.holder.strong_count() > 0)
            .map(|item| item.sha256.clone())
            .collect();
        let (kept, unused): (Vec<_>, Vec<_>) = garbage
            .drain(..)
            .partition(|item| held.contains(&item.sha256));
        *garbage = kept;
        unused.into_iter().map(|item| item.sha256).collect()
    }

    async fn remove_package(&self, sha256: &str) -> Result<(), StoreError> {
        self.store.packages().remove(sha256).await?;
        self.store.blobs().remove(sha256).await
    }
}

/// Looks at how a zip begins.
pub(super) fn check_not_empty(zip: &[u8]) -> Result<(), ControlError> {
    if zip.is_empty() || zip.starts_with(ZIP_END) {
        return Err(ControlError::invalid(
            "Uploaded file must be a non-empty zip",
        ));
    }
    Ok(())
}

pub(super) fn too_large_unzipped(limit: u64) -> ControlError {
    ControlError::invalid(format!("Unzipped size must be smaller than {limit} bytes"))
}

/// What a client is told about a zip that cannot be used. The first sentence is
/// AWS's; what follows it helps to find the entry.
fn refusal(error: UnpackError) -> ControlError {
    match error {
        UnpackError::Io(error) => ControlError::Store(error),
        UnpackError::TooLarge { limit } => too_large_unzipped(limit),
        UnpackError::NotAZip(_) => ControlError::invalid(
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        error @ (UnpackError::TooManyEntries { .. }
        | UnpackError::BadPath { .. }
        | UnpackError::BadLink { .. }
        | UnpackError::Duplicate { .. }
        | UnpackError::Encrypted { .. }) => ControlError::invalid(format!(
            "Could not unzip uploaded file. Please check your file, then try to upload again. ({error})"
        )),
    }
}
