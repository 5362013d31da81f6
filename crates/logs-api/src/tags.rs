//! Tags of log groups: kept, so that tools which set them read the same again.

use std::collections::BTreeMap;

use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Change, Store, StoreError};

use crate::api::LogsApi;
use crate::error::ApiError;

const KIND: &str = "log-group-tags";
const MOST: usize = 50;

type TagSet = BTreeMap<String, String>;

#[derive(Debug)]
pub(crate) struct Tags {
    by_group: RwLock<BTreeMap<String, TagSet>>,
    /// Held from reading tags to storing what became of them.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    #[serde(rename = "resourceArn")]
    arn: Option<String>,
    #[serde(default)]
    tags: TagSet,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// The operations that came before `TagResource` and name the group itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group<T> {
    log_group_name: Option<String>,
    tags: Option<T>,
}

impl Tags {
    pub fn open(store: &Store) -> Result<Self, StoreError> {
        let documents = store.documents().load(KIND)?;
        let readable = documents.into_iter().filter_map(|(group, body)| {
            let tags = serde_json::from_slice(&body);
            tags.inspect_err(|error| tracing::error!(group, %error, "skipped unreadable tags"))
                .ok()
                .map(|tags| (group, tags))
        });
        Ok(Self {
            by_group: RwLock::new(readable.collect()),
            writing: tokio::sync::Mutex::default(),
        })
    }

    fn of(&self, group: &str) -> TagSet {
        self.by_group.read().get(group).cloned().unwrap_or_default()
    }

    pub async fn add(&self, store: &Store, group: &str, tags: TagSet) -> Result<(), ApiError> {
        let _turn = self.writing.lock().await;
        let mut all = self.of(group);
        all.extend(tags);
        if all.len() > MOST {
            return Err(ApiError::invalid(format!(
                "A resource can have at most {MOST} tags."
            )));
        }
        self.set(store, group, all).await
    }

    async fn remove(&self, store: &Store, group: &str, keys: &[String]) -> Result<(), ApiError> {
        let _turn = self.writing.lock().await;
        let mut rest = self.of(group);
        rest.retain(|key, _| !keys.contains(key));
        self.set(store, group, rest).await
    }

    pub async fn forget(&self, store: &Store, group: &str) -> Result<(), ApiError> {
        let _turn = self.writing.lock().await;
        if self.of(group).is_empty() {
            return Ok(());
        }
        self.set(store, group, TagSet::new()).await
    }

    /// Stored first, visible afterwards.
    async fn set(&self, store: &Store, group: &str, tags: TagSet) -> Result<(), ApiError> {
        let body = (!tags.is_empty())
            .then(|| serde_json::to_vec(&tags).expect("a map of texts is valid JSON"));
        let change = Change {
            kind: KIND,
            key: group.to_owned(),
            body,
        };
        store.documents().commit(vec![change]).await?;
        let mut all = self.by_group.write();
        if tags.is_empty() {
            all.remove(group);
        } else {
            all.insert(group.to_owned(), tags);
        }
        Ok(())
    }
}

impl LogsApi {
    pub(crate) fn list_tags_for_resource(&self, input: &Resource) -> Result<Value, ApiError> {
        let group = self.tagged(input.arn.as_deref())?;
        Ok(json!({ "tags": self.tags.of(&group) }))
    }

    pub(crate) async fn tag_resource(&self, input: Resource) -> Result<Value, ApiError> {
        let group = self.tagged(input.arn.as_deref())?;
        self.tags.add(&self.store, &group, input.tags).await?;
        Ok(Value::Null)
    }

    pub(crate) async fn untag_resource(&self, input: Resource) -> Result<Value, ApiError> {
        let group = self.tagged(input.arn.as_deref())?;
        self.tags
            .remove(&self.store, &group, &input.tag_keys)
            .await?;
        Ok(Value::Null)
    }

    pub(crate) fn list_tags_log_group(&self, input: &Group<Value>) -> Result<Value, ApiError> {
        let group = self.existing(self.group_name(input.log_group_name.clone(), None)?)?;
        Ok(json!({ "tags": self.tags.of(&group) }))
    }

    pub(crate) async fn tag_log_group(&self, input: Group<TagSet>) -> Result<Value, ApiError> {
        let group = self.existing(self.group_name(input.log_group_name, None)?)?;
        let tags = input.tags.unwrap_or_default();
        self.tags.add(&self.store, &group, tags).await?;
        Ok(Value::Null)
    }

    pub(crate) async fn untag_log_group(
        &self,
        input: Group<Vec<String>>,
    ) -> Result<Value, ApiError> {
        let group = self.existing(self.group_name(input.log_group_name, None)?)?;
        let keys = input.tags.unwrap_or_default();
        self.tags.remove(&self.store, &group, &keys).await?;
        Ok(Value::Null)
    }

    fn tagged(&self, arn: Option<&str>) -> Result<String, ApiError> {
        let arn = arn.ok_or_else(|| ApiError::missing("resourceArn"))?;
        self.existing(self.name_in_arn(arn)?)
    }

    fn existing(&self, group: String) -> Result<String, ApiError> {
        match self.logs().group(&group) {
            Some(_) => Ok(group),
            None => Err(ApiError::NotFound(
                "The specified log group does not exist.",
            )),
        }
    }
}
