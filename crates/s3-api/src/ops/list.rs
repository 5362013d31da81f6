//! ListObjects and ListObjectsV2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use buckets::{Entry, Page};
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, Owner,
};
use s3s::{S3Request, S3Response, S3Result};
use store::{ListMark, ListQuery, StoredBody};
use types::Scope;

use crate::error::{bad_argument, refused, wire_time};
use crate::ops::attributes::{checksum_type, class};
use crate::ops::{done, etag, owner};
use crate::service::Service;

/// As many lines as one page has.
const MOST: i32 = 1000;

pub(crate) async fn first(
    service: &Service,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let writing = Writing::of(input.encoding_type.as_ref())?;
    let limit = limit("max-keys", input.max_keys)?;
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let prefix = input.prefix.unwrap_or_default();
    let marker = input.marker.unwrap_or_default();
    let after = after_marker(&marker, &prefix, delimiter.as_deref());
    let page = page(
        service,
        &input.bucket,
        &prefix,
        delimiter.clone(),
        after,
        limit,
    )
    .await?;
    let next = page.next.as_ref().map(mark_text);
    done(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(writing.text(&prefix)),
        marker: Some(writing.text(&marker)),
        max_keys: Some(limit),
        is_truncated: Some(page.next.is_some()),
        contents: Some(writing.objects(&page.entries, Some(&service.scope))),
        common_prefixes: Some(writing.prefixes(&page.prefixes)),
        // Without a delimiter the last key says where to go on.
        next_marker: next
            .filter(|_| delimiter.is_some())
            .map(|next| writing.text(&next)),
        delimiter: delimiter.map(|delimiter| writing.text(&delimiter)),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

pub(crate) async fn second(
    service: &Service,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let writing = Writing::of(input.encoding_type.as_ref())?;
    let limit = limit("max-keys", input.max_keys)?;
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let prefix = input.prefix.unwrap_or_default();
    let after = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => read_token(token)?,
        (None, Some(key)) if !key.is_empty() => ListMark::Key(key.clone()),
        (None, _) => ListMark::Start,
    };
    let page = page(
        service,
        &input.bucket,
        &prefix,
        delimiter.clone(),
        after,
        limit,
    )
    .await?;
    let count = page.entries.len() + page.prefixes.len();
    let owner = service_owner(service, input.fetch_owner == Some(true));
    done(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(writing.text(&prefix)),
        max_keys: Some(limit),
        key_count: Some(i32::try_from(count).unwrap_or(MOST)),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(write_token),
        contents: Some(writing.objects(&page.entries, owner)),
        common_prefixes: Some(writing.prefixes(&page.prefixes)),
        delimiter: delimiter.map(|delimiter| writing.text(&delimiter)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|start| writing.text(&start)),
        request_charged: None,
    })
}

fn service_owner(service: &Service, wanted: bool) -> Option<&Scope> {
    wanted.then_some(&service.scope)
}

async fn page(
    service: &Service,
    bucket: &str,
    prefix: &str,
    delimiter: Option<String>,
    after: ListMark,
    limit: i32,
) -> S3Result<Page> {
    let bucket = service.bucket(bucket)?;
    let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 0) else {
        return Ok(Page {
            entries: Vec::new(),
            prefixes: Vec::new(),
            next: None,
        });
    };
    let query = ListQuery {
        bucket: bucket.id,
        prefix: prefix.to_owned(),
        delimiter,
        after,
        limit,
    };
    service.buckets.list(&bucket, query).await.map_err(refused)
}

/// How many lines a page may have.
pub(crate) fn limit(name: &str, asked: Option<i32>) -> S3Result<i32> {
    match asked {
        None => Ok(MOST),
        Some(asked) if asked >= 0 => Ok(asked.min(MOST)),
        Some(asked) => Err(bad_argument(
            name,
            &asked.to_string(),
            format!("Argument {name} must be an integer between 0 and 2147483647"),
        )),
    }
}

/// A marker that is a common prefix stands for all that begins with it.
pub(crate) fn after_marker(marker: &str, prefix: &str, delimiter: Option<&str>) -> ListMark {
    if marker.is_empty() {
        return ListMark::Start;
    }
    let within = marker.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    match (within, delimiter) {
        (Some(rest), Some(delimiter)) if rest.ends_with(delimiter) => {
            ListMark::Prefix(marker.to_owned())
        }
        _ => ListMark::Key(marker.to_owned()),
    }
}

pub(crate) fn mark_text(mark: &ListMark) -> String {
    match mark {
        ListMark::Start => String::new(),
        ListMark::Key(text) | ListMark::Version(text, _) | ListMark::Prefix(text) => text.clone(),
    }
}

/// Tokens mean nothing to clients, but they must come back as they went.
fn write_token(mark: &ListMark) -> String {
    let kind = match mark {
        ListMark::Prefix(_) => 'p',
        ListMark::Start | ListMark::Key(_) | ListMark::Version(..) => 'k',
    };
    URL_SAFE_NO_PAD.encode(format!("{kind}{}", mark_text(mark)))
}

fn read_token(token: &str) -> S3Result<ListMark> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let mark = text.and_then(|text| {
        let rest = text.get(1..)?.to_owned();
        match text.as_bytes()[0] {
            b'k' => Some(ListMark::Key(rest)),
            b'p' => Some(ListMark::Prefix(rest)),
            _ => None,
        }
    });
    mark.ok_or_else(|| {
        bad_argument(
            "continuation-token",
            token,
            "The continuation token provided is incorrect",
        )
    })
}

/// How keys are written: as they are, or encoded because XML cannot hold all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Plain,
    Encoded,
}

impl Writing {
    pub fn of(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Encoded),
            Some(other) => Err(bad_argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub fn text(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Encoded => aws_wire::form::encode(text).replace("%2F", "/"),
        }
    }

    pub fn prefixes(self, prefixes: &[String]) -> Vec<CommonPrefix> {
        let prefixes = prefixes.iter().map(|prefix| CommonPrefix {
            prefix: Some(self.text(prefix)),
        });
        prefixes.collect()
    }

    /// `owned` where the owner is to be told.
    fn objects(self, entries: &[Entry], owned: Option<&Scope>) -> Vec<Object> {
        let told: Option<Owner> = owned.map(owner);
        let objects = entries.iter().filter_map(|entry| {
            let StoredBody::Object(object) = &entry.stored.body else {
                return None;
            };
            Some(Object {
                checksum_algorithm: algorithms(entry),
                checksum_type: checksum_type(&entry.attributes.checksums),
                e_tag: Some(etag(&object.etag)),
                key: Some(self.text(entry.stored.key.as_str())),
                last_modified: Some(wire_time(entry.stored.modified)),
                owner: told.clone(),
                restore_status: None,
                size: Some(i64::try_from(object.size).unwrap_or(i64::MAX)),
                storage_class: Some(ObjectStorageClass::from(class(&entry.attributes))),
            })
        });
        objects.collect()
    }
}

pub(crate) fn algorithms(entry: &Entry) -> Option<Vec<ChecksumAlgorithm>> {
    let found = entry.attributes.checksums.iter();
    let names: Vec<_> = found
        .map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name()))
        .collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for mark in [
            ListMark::Key("a/b c".to_owned()),
            ListMark::Prefix("é/".to_owned()),
        ] {
            assert_eq!(read_token(&write_token(&mark)).unwrap(), mark);
        }
        for bad in ["", "!", "eA"] {
            assert!(read_token(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn markers_that_are_prefixes_stand_for_all_of_them() {
        let key = |text: &str| ListMark::Key(text.to_owned());
        let all = |text: &str| ListMark::Prefix(text.to_owned());
        assert_eq!(after_marker("", "", Some("/")), ListMark::Start);
        assert_eq!(after_marker("a/", "", None), key("a/"));
        assert_eq!(after_marker("a/", "", Some("/")), all("a/"));
        assert_eq!(after_marker("a/b", "", Some("/")), key("a/b"));
        // A key of its own, where the listing is of what begins with it.
        assert_eq!(after_marker("a/", "a/", Some("/")), key("a/"));
        assert_eq!(after_marker("a/b/", "a/", Some("/")), all("a/b/"));
    }

    #[test]
    fn pages_have_bounds() {
        assert_eq!(limit("max-keys", None).unwrap(), 1000);
        assert_eq!(limit("max-keys", Some(0)).unwrap(), 0);
        assert_eq!(limit("max-keys", Some(5000)).unwrap(), 1000);
        assert!(limit("max-keys", Some(-1)).is_err());
    }

    #[test]
    fn keys_can_be_encoded() {
        assert_eq!(Writing::Encoded.text("a/b c+\u{1}é"), "a/b%20c%2B%01%C3%A9");
        assert_eq!(Writing::Plain.text("a b"), "a b");
        assert!(Writing::of(Some(&EncodingType::from("xml".to_owned()))).is_err());
    }
}
