//! Listings of objects, versions and uploads.

use store::{ListMark, ListQuery, Stored};

use super::{Buckets, Upload};
use crate::attributes::Attributes;
use crate::bucket::Bucket;
use crate::error::BucketError;

/// One line of a listing. A delete marker has no attributes.
#[derive(Debug, Clone)]
pub struct Entry {
    pub stored: Stored,
    pub attributes: Attributes,
}

#[derive(Debug, Clone)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub prefixes: Vec<String>,
    /// `None` when there is no more.
    pub next: Option<ListMark>,
}

/// Which uploads to list.
#[derive(Debug, Clone, Default)]
pub struct UploadQuery {
    pub prefix: String,
    pub delimiter: Option<String>,
    /// After all uploads of this key, or after the one in `after_upload`.
    pub after_key: Option<String>,
    pub after_upload: Option<String>,
    pub limit: usize,
}

#[derive(Debug, Clone)]
pub struct UploadPage {
    pub uploads: Vec<Upload>,
    pub prefixes: Vec<String>,
    /// Key (or prefix) and upload to go on after; `None` when there is no more.
    pub next: Option<(String, Option<String>)>,
}

impl Buckets {
    /// Current objects in the order of their keys.
    pub async fn list(&self, bucket: &Bucket, query: ListQuery) -> Result<Page, BucketError> {
        let listed = self.inner.store.objects().list(query).await;
        let page = listed.map_err(|error| BucketError::of_bucket(error, &bucket.name))?;
        Ok(Page::read(page))
    }

    /// All versions, by key and then newest first; delete markers included.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        query: ListQuery,
    ) -> Result<Page, BucketError> {
        let listed = self.inner.store.objects().list_versions(query).await;
        let page = listed.map_err(|error| BucketError::of_bucket(error, &bucket.name))?;
        Ok(Page::read(page))
    }
}

impl Page {
    fn read(page: store::ListPage) -> Self {
        let entries = page.entries.into_iter().map(|stored| Entry {
            attributes: super::objects::attributes_of(&stored),
            stored,
        });
        Self {
            entries: entries.collect(),
            prefixes: page.prefixes,
            next: page.next,
        }
    }
}

impl UploadPage {
    /// `uploads` are all of the bucket, by key and then by their start.
    pub(super) fn of(uploads: impl Iterator<Item = Upload>, query: &UploadQuery) -> Self {
        let mut page = Self {
            uploads: Vec::new(),
            prefixes: Vec::new(),
            next: None,
        };
        let mut last = None;
        for upload in uploads.skip_while(skipping(query)) {
            let key = upload.row.key.as_str();
            let Some(rest) = key.strip_prefix(&query.prefix) else {
                continue;
            };
            let group = group(&query.prefix, rest, query.delimiter.as_deref());
            if let Some(group) = &group
                && (page.prefixes.last() == Some(group)
                    || query
                        .after_key
                        .as_deref()
                        .is_some_and(|k| k.starts_with(group)))
            {
                continue;
            }
            if page.uploads.len() + page.prefixes.len() >= query.limit {
                page.next = last;
                break;
            }
            if let Some(group) = group {
                last = Some((group.clone(), None));
                page.prefixes.push(group);
            } else {
                last = Some((key.to_owned(), Some(upload.row.id.0.clone())));
                page.uploads.push(upload);
            }
        }
        page
    }
}

/// Passes over what an earlier page had: up to and with the upload that is
/// named, or all of its key where that upload is gone or none is named.
fn skipping(query: &UploadQuery) -> impl FnMut(&Upload) -> bool + '_ {
    let mut found = false;
    move |upload| {
        let Some(after) = query.after_key.as_deref() else {
            return false;
        };
        match upload.row.key.as_str().cmp(after) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal if found => false,
            std::cmp::Ordering::Equal => {
                found = query.after_upload.as_ref() == Some(&upload.row.id.0);
                true
            }
        }
    }
}

/// The common prefix that a key is listed under.
fn group(prefix: &str, rest: &str, delimiter: Option<&str>) -> Option<String> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let end = rest.find(delimiter)? + delimiter.len();
    Some(format!("{prefix}{}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use store::{BucketId, UploadId, UploadRow};
    use types::Timestamp;

    use super::*;
    use crate::attributes::Attributes;

    type Listed = (Vec<String>, Vec<String>, Option<(String, Option<String>)>);

    /// Ids, prefixes, and where to go on.
    fn list(query: &UploadQuery) -> Listed {
        let all = [
            ("a", "1"),
            ("a", "2"),
            ("b/x", "3"),
            ("b/y", "4"),
            ("c", "5"),
        ];
        let uploads = all.map(|(key, id)| Upload {
            row: UploadRow {
                id: UploadId(id.to_owned()),
                bucket: BucketId(1),
                key: key.parse().unwrap(),
                started: Timestamp(0),
                attributes: Vec::new(),
            },
            attributes: Attributes::default(),
            checksum: None,
            checksum_kind: None,
        });
        let page = UploadPage::of(uploads.into_iter(), query);
        let ids = page.uploads.into_iter().map(|upload| upload.row.id.0);
        (ids.collect(), page.prefixes, page.next)
    }

    #[test]
    fn pages_of_uploads_join_without_a_gap() {
        for delimiter in [None, Some("/")] {
            for limit in 1..6 {
                let mut query = UploadQuery {
                    delimiter: delimiter.map(str::to_owned),
                    limit,
                    ..UploadQuery::default()
                };
                let (mut ids, mut prefixes) = (Vec::new(), Vec::new());
                loop {
                    let (some, groups, next) = list(&query);
                    ids.extend(some);
                    prefixes.extend(groups);
                    let Some((key, upload)) = next else { break };
                    (query.after_key, query.after_upload) = (Some(key), upload);
                }
                if delimiter.is_some() {
                    assert_eq!(
                        (ids.concat(), prefixes.concat()),
                        ("125".into(), "b/".into())
                    );
                } else {
                    assert_eq!(
                        (ids.concat(), prefixes.concat()),
                        ("12345".into(), String::new())
                    );
                }
            }
        }
    }

    #[test]
    fn an_upload_that_is_gone_takes_its_key_along() {
        let query = UploadQuery {
            after_key: Some("a".to_owned()),
            after_upload: Some("0".to_owned()),
            limit: 10,
            ..UploadQuery::default()
        };
        assert_eq!(list(&query).0.concat(), "345");
    }
}
