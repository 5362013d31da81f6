//! The operations, each in the fewest words.

use aws_client::Reply;
use bytes::Bytes;
use http::{Method, StatusCode};
use types::Timestamp;

use super::backoff::ATTEMPTS;
use super::call::{Ask, S3, object_path};
use super::checksum::{self, Expected};
use super::error::S3Error;
use super::payload::Payload;
use super::xml::{
    self, BucketLine, Doomed, ListPage, Listed, NotDeleted, Part, VersionPage, unquoted,
};
use crate::args::ObjectArgs;

/// What one request may remove.
pub const DELETE_AT_ONCE: usize = 1_000;
/// Objects that are read whole into memory: answers of functions.
const WHOLE_BYTES: usize = 512 << 20;
/// What one request may copy.
const COPY_AT_ONCE: u64 = 5 << 30;
/// Copied in parts, an object is cut into these.
const COPY_PART: u64 = 512 << 20;

/// What the user says of an object; the rest stays as the service has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
}

impl From<&ObjectArgs> for Headers {
    fn from(args: &ObjectArgs) -> Self {
        Self {
            content_type: args.content_type.clone(),
            cache_control: args.cache_control.clone(),
        }
    }
}

impl Headers {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn on(&self, mut ask: Ask) -> Ask {
        if let Some(value) = &self.content_type {
            ask = ask.header("content-type", value.clone());
        }
        if let Some(value) = &self.cache_control {
            ask = ask.header("cache-control", value.clone());
        }
        ask
    }
}

/// What a HEAD says.
#[derive(Debug, Clone)]
pub struct Head {
    pub size: u64,
    pub modified: Option<Timestamp>,
    /// With its quotes, as conditions want it.
    pub etag: String,
    pub expected: Expected,
}

impl Head {
    pub fn read(reply: &Reply) -> Result<Self, S3Error> {
        let size = reply.header("content-length").and_then(|n| n.parse().ok());
        Ok(Self {
            size: size.ok_or_else(|| S3Error::Garbled("it has no length".to_owned()))?,
            modified: reply.header("last-modified").and_then(http_date),
            etag: reply.header("etag").unwrap_or_default().to_owned(),
            expected: Expected::read(&reply.headers),
        })
    }
}

impl S3 {
    pub async fn buckets(&self) -> Result<Vec<BucketLine>, S3Error> {
        let mut reply = self.call(&Ask::service(Method::GET)).await?;
        xml::buckets(&reply.document().await?)
    }

    pub async fn has_bucket(&self, bucket: &str) -> Result<bool, S3Error> {
        match self.call(&Ask::bucket(Method::HEAD, bucket)).await {
            Ok(mut reply) => Ok(reply.document().await.map(|_| true)?),
            Err(S3Error::Answered { status, .. }) if status == StatusCode::NOT_FOUND => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub async fn create_bucket(&self, bucket: &str) -> Result<(), S3Error> {
        let body = xml::create_bucket_request(self.region());
        let ask = Ask::bucket(Method::PUT, bucket).payload(Payload::Bytes(body.into()));
        self.finish(&ask).await.map(drop)
    }

    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), S3Error> {
        let ask = Ask::bucket(Method::DELETE, bucket);
        self.finish(&ask).await.map(drop)
    }

    /// Up to 1,000 keys; with a delimiter, folders as one.
    pub async fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        token: Option<&str>,
    ) -> Result<ListPage, S3Error> {
        let mut ask = Ask::bucket(Method::GET, bucket)
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("prefix", prefix);
        if let Some(delimiter) = delimiter {
            ask = ask.query("delimiter", delimiter);
        }
        if let Some(token) = token {
            ask = ask.query("continuation-token", token);
        }
        xml::list_page(&self.finish(&ask).await?)
    }

    /// All objects below a prefix, in the order of their keys; `found` is told
    /// how many there are so far.
    pub async fn list_all(
        &self,
        bucket: &str,
        prefix: &str,
        mut found: impl FnMut(usize),
    ) -> Result<Vec<Listed>, S3Error> {
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .list_page(bucket, prefix, None, token.as_deref())
                .await?;
            all.extend(page.objects);
            found(all.len());
            token = page.next;
            if token.is_none() {
                return Ok(all);
            }
            if self.cancel.is_cancelled() {
                return Err(S3Error::Cancelled);
            }
        }
    }

    /// Versions and delete markers after a mark.
    pub async fn versions_page(
        &self,
        bucket: &str,
        after: Option<&(String, String)>,
    ) -> Result<VersionPage, S3Error> {
        let mut ask = Ask::bucket(Method::GET, bucket)
            .query("versions", "")
            .query("encoding-type", "url");
        if let Some((key, version)) = after {
            ask = ask.query("key-marker", key.clone());
            if !version.is_empty() {
                ask = ask.query("version-id-marker", version.clone());
            }
        }
        xml::versions(&self.finish(&ask).await?)
    }

    pub async fn head(&self, bucket: &str, key: &str) -> Result<Head, S3Error> {
        let ask = Ask::object(Method::HEAD, bucket, key).header("x-amz-checksum-mode", "ENABLED");
        let mut reply = self.call(&ask).await?;
        let head = Head::read(&reply)?;
        reply.document().await?;
        Ok(head)
    }

    /// An object of bytes that are in memory.
    pub async fn put_bytes(&self, to: (&str, &str), bytes: Bytes) -> Result<(), S3Error> {
        let payload = Payload::Bytes(bytes);
        let sum = checksum::spelled(payload.crc().await?);
        let ask = Ask::object(Method::PUT, to.0, to.1)
            .header(checksum::HEADER, sum)
            .payload(payload);
        self.finish(&ask).await.map(drop)
    }

    /// In the place of the object with this entity tag, and of no other.
    pub async fn replace_bytes(
        &self,
        to: (&str, &str),
        etag: &str,
        bytes: Bytes,
    ) -> Result<(), S3Error> {
        let ask = Ask::object(Method::PUT, to.0, to.1)
            .header("if-match", etag.to_owned())
            .payload(Payload::Bytes(bytes));
        self.finish(&ask).await.map(drop)
    }

    /// All of an object, in memory.
    pub async fn get_bytes(&self, from: (&str, &str)) -> Result<Bytes, S3Error> {
        let mut reply = self.get(from.0, from.1, None).await?;
        Ok(reply.whole(WHOLE_BYTES).await?)
    }

    /// All of an object, or a stretch of the one that has this entity tag.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        stretch: Option<(std::ops::Range<u64>, &str)>,
    ) -> Result<Reply, S3Error> {
        let mut ask =
            Ask::object(Method::GET, bucket, key).header("x-amz-checksum-mode", "ENABLED");
        if let Some((range, etag)) = stretch {
            ask = ask
                .header("range", format!("bytes={}-{}", range.start, range.end - 1))
                .header("if-match", etag);
        }
        self.call(&ask).await
    }

    /// A copy of up to any size, made by the service.
    pub async fn copy(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        size: u64,
        headers: &Headers,
    ) -> Result<(), S3Error> {
        let _turn = self.turn().await?;
        if size > COPY_AT_ONCE {
            return self.copy_in_parts(from, to, headers).await;
        }
        let mut ask = Ask::object(Method::PUT, to.0, to.1)
            .header("x-amz-copy-source", object_path(from.0, from.1));
        if !headers.is_empty() {
            ask = headers.on(ask.header("x-amz-metadata-directive", "REPLACE"));
        }
        xml::copy_etag(&self.finish(&ask).await?).map(drop)
    }

    async fn copy_in_parts(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        headers: &Headers,
    ) -> Result<(), S3Error> {
        let head = self.head(from.0, from.1).await?;
        let ask = headers.on(Ask::object(Method::POST, to.0, to.1).query("uploads", ""));
        let id = xml::upload_id(&self.finish(&ask).await?)?;
        let copied = self.copy_parts(from, to, &id, &head);
        let copied = self.unless_cancelled(copied).await;
        let ended = match copied {
            Ok(parts) => self.complete_upload(to, &id, &parts, None).await,
            Err(error) => Err(error),
        };
        if ended.is_err() {
            self.without_cancel().abort_upload(to, &id).await;
        }
        ended
    }

    async fn copy_parts(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        id: &str,
        head: &Head,
    ) -> Result<Vec<Part>, S3Error> {
        let mut parts = Vec::new();
        let size = COPY_PART.max(super::upload::part_size(head.size));
        let mut start = 0;
        let mut number = 0;
        while start < head.size {
            number += 1;
            let end = (start + size).min(head.size);
            let ask = Ask::object(Method::PUT, to.0, to.1)
                .query("partNumber", number.to_string())
                .query("uploadId", id)
                .header("x-amz-copy-source", object_path(from.0, from.1))
                .header("x-amz-copy-source-if-match", head.etag.clone())
                .header(
                    "x-amz-copy-source-range",
                    format!("bytes={start}-{}", end - 1),
                );
            let etag = xml::copy_etag(&self.finish(&ask).await?)?;
            parts.push(Part {
                number,
                etag,
                checksum: None,
            });
            start = end;
        }
        Ok(parts)
    }

    /// Puts an upload together. `whole` is the checksum of all of it.
    pub async fn complete_upload(
        &self,
        to: (&str, &str),
        id: &str,
        parts: &[Part],
        whole: Option<u64>,
    ) -> Result<(), S3Error> {
        let mut ask = Ask::object(Method::POST, to.0, to.1)
            .query("uploadId", id)
            .payload(Payload::Bytes(xml::complete_request(parts).into()));
        if let Some(whole) = whole {
            ask = ask
                .header(checksum::HEADER, checksum::spelled(whole))
                .header("x-amz-checksum-type", "FULL_OBJECT");
        }
        match self.finish(&ask).await {
            Ok(_) => Ok(()),
            // An attempt whose answer was lost may have done it.
            Err(error) if error.has_code("NoSuchUpload") => {
                let etag = checksum::etag_of_parts(parts.iter().map(|part| part.etag.as_str()));
                match self.head(to.0, to.1).await {
                    Ok(head) if Some(unquoted(&head.etag)) == etag => Ok(()),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// As well as it can be done: what failed has been said already.
    pub async fn abort_upload(&self, to: (&str, &str), id: &str) {
        let ask = Ask::object(Method::DELETE, to.0, to.1).query("uploadId", id);
        if let Ok(mut reply) = self.call(&ask).await {
            let _ = reply.document().await;
        }
    }

    pub async fn delete(&self, bucket: &str, doomed: &Doomed) -> Result<(), S3Error> {
        let mut ask = Ask::object(Method::DELETE, bucket, &doomed.key);
        if let Some(version) = &doomed.version {
            ask = ask.query("versionId", version.clone());
        }
        self.finish(&ask).await.map(drop)
    }

    /// Up to 1,000 at once; what could not be removed comes back.
    pub async fn delete_many(
        &self,
        bucket: &str,
        doomed: &[Doomed],
    ) -> Result<Vec<NotDeleted>, S3Error> {
        let (plain, odd): (Vec<Doomed>, Vec<Doomed>) = doomed
            .iter()
            .cloned()
            .partition(|doomed| xml::can_name(&doomed.key));
        let mut failed = Vec::new();
        for doomed in odd {
            if let Err(error) = self.delete(bucket, &doomed).await {
                failed.push(not_deleted(doomed.key, error)?);
            }
        }
        if !plain.is_empty() {
            let body = Bytes::from(xml::delete_request(&plain));
            let ask = Ask::bucket(Method::POST, bucket)
                .query("delete", "")
                .header("content-md5", checksum::content_md5(&body))
                .payload(Payload::Bytes(body));
            failed.extend(xml::not_deleted(&self.finish(&ask).await?)?);
        }
        Ok(failed)
    }

    /// Sends and reads the whole answer. An error may come with the status of
    /// success, and the answer may break off: both are tried again.
    pub(super) async fn finish(&self, ask: &Ask) -> Result<Bytes, S3Error> {
        let mut attempt = 0;
        loop {
            let mut reply = self.call(ask).await?;
            let error = match whole(&mut reply).await {
                Ok(document) => return Ok(document),
                Err(error) => error,
            };
            attempt += 1;
            if attempt == ATTEMPTS || !self.may_pass(&error) {
                return Err(error);
            }
            self.wait(attempt - 1).await?;
        }
    }
}

async fn whole(reply: &mut Reply) -> Result<Bytes, S3Error> {
    let document = reply.document().await?;
    match xml::error(&document) {
        None => Ok(document),
        Some(error) => Err(S3Error::Answered {
            status: match error.code.as_str() {
                "InternalError" | "SlowDown" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            },
            code: error.code,
            message: error.message,
        }),
    }
}

fn not_deleted(key: String, error: S3Error) -> Result<NotDeleted, S3Error> {
    match error {
        S3Error::Answered { code, message, .. } => Ok(NotDeleted { key, code, message }),
        other => Err(other),
    }
}

/// `Sat, 21 Nov 2026 05:46:00 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    time.ok().map(|time| Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        let time = http_date("Sat, 21 Nov 2026 05:46:00 GMT").unwrap();
        assert_eq!(time.rfc3339(), "2026-11-21T05:46:00.000Z");
        assert_eq!(http_date("yesterday"), None);
    }
}
