//! GetObject and HeadObject.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use aws_wire::{Body, body};
use buckets::{Bucket, BucketError, ByteRange, Checksums, GetObject};
use bytes::Bytes;
use futures::stream;
use http::{Extensions, HeaderMap};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use s3s::dto::{
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range as WireRange,
};
use s3s::{S3Request, S3Response, S3Result};
use store::Stored;
use types::{ObjectKey, VersionId};

use crate::caller::Caller;
use crate::error::{detailed, fault, fault_with, http_date, refused, wire_time};
use crate::ops::attributes::{
    checksum_type, content_type, encryption, extra_headers, metadata, refuse_keys, set_checksums,
    told_class,
};
use crate::ops::conditions::Conditions;
use crate::ops::{etag, key, tags, version};
use crate::service::Service;

/// The bytes of an answer, past the protocol crate: it wants streams that threads
/// can share, and readers of the store are not. Taken by whoever writes the answer.
#[derive(Clone)]
pub(crate) struct Outgoing(Arc<Mutex<Option<Body>>>);

impl Outgoing {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    pub fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An object and what of it is asked for.
struct Read {
    bucket: Arc<Bucket>,
    object: GetObject,
    range: Range<u64>,
    /// Whether a part of it is asked for, even if that is all of it.
    partial: bool,
    /// Those that go with the range.
    checksums: Option<Checksums>,
}

/// What both ways of reading ask.
struct Asked<'a> {
    bucket: &'a str,
    key: &'a str,
    version: Option<&'a str>,
    range: Option<WireRange>,
    part: Option<i32>,
    checksums: bool,
}

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = &request.input;
    let asked = Asked {
        bucket: &input.bucket,
        key: &input.key,
        version: input.version_id.as_deref(),
        range: input.range,
        part: input.part_number,
        checksums: input.checksum_mode.is_some(),
    };
    refuse_overrides(&request)?;
    let read = find(service, &asked, &request.headers, &request.extensions).await?;
    let (object, attributes) = (&read.object, &read.object.attributes);
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: attributes.headers.cache_control.clone(),
        content_disposition: attributes.headers.content_disposition.clone(),
        content_encoding: attributes.headers.content_encoding.clone(),
        content_language: attributes.headers.content_language.clone(),
        content_length: Some(length(&read.range)),
        content_range: read.content_range(),
        content_type: Some(content_type(attributes)),
        e_tag: Some(etag(object.etag())),
        expiration: read.expiration(),
        last_modified: Some(wire_time(object.stored().modified)),
        metadata: metadata(attributes),
        parts_count: read.parts_count(input.part_number),
        server_side_encryption: Some(encryption()),
        storage_class: told_class(attributes),
        tag_count: tag_count(attributes.tags.len()),
        version_id: read.version(),
        website_redirect_location: attributes.website_redirect.clone(),
        ..GetObjectOutput::default()
    };
    if let Some(checksums) = &read.checksums {
        set_checksums!(output, checksums);
        // Of a part too: it says how the sums of the whole came about.
        output.checksum_type = checksum_type(&attributes.checksums);
    }
    let extra = extra_headers(attributes);
    let mut response = S3Response::with_headers(output, extra);
    let outgoing = Outgoing::new(stream_out(service, &read).await?);
    response.extensions.insert(outgoing);
    Ok(response)
}

pub(crate) async fn head(
    service: &Service,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = &request.input;
    let asked = Asked {
        bucket: &input.bucket,
        key: &input.key,
        version: input.version_id.as_deref(),
        range: input.range,
        part: input.part_number,
        checksums: input.checksum_mode.is_some(),
    };
    let read = find(service, &asked, &request.headers, &request.extensions).await?;
    let (object, attributes) = (&read.object, &read.object.attributes);
    let own = &attributes.headers;
    let or = |chosen: &Option<String>, kept: &Option<String>| chosen.clone().or(kept.clone());
    let given_type = input.response_content_type.clone();
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: or(&input.response_cache_control, &own.cache_control),
        content_disposition: or(
            &input.response_content_disposition,
            &own.content_disposition,
        ),
        content_encoding: or(&input.response_content_encoding, &own.content_encoding),
        content_language: or(&input.response_content_language, &own.content_language),
        content_length: Some(length(&read.range)),
        content_range: read.content_range(),
        content_type: Some(given_type.unwrap_or_else(|| content_type(attributes))),
        e_tag: Some(etag(object.etag())),
        expiration: read.expiration(),
        last_modified: Some(wire_time(object.stored().modified)),
        metadata: metadata(attributes),
        parts_count: read.parts_count(input.part_number),
        server_side_encryption: Some(encryption()),
        storage_class: told_class(attributes),
        version_id: read.version(),
        website_redirect_location: attributes.website_redirect.clone(),
        ..HeadObjectOutput::default()
    };
    if let Some(checksums) = &read.checksums {
        set_checksums!(output, checksums);
        // Of a part too: it says how the sums of the whole came about.
        output.checksum_type = checksum_type(&attributes.checksums);
    }
    let mut extra = extra_headers(attributes);
    if let Some(count) = tag_count(attributes.tags.len()) {
        // The protocol crate knows it of GetObject only.
        extra.insert("x-amz-tagging-count", count.into());
    }
    Ok(S3Response::with_headers(output, extra))
}

async fn find(
    service: &Service,
    asked: &Asked<'_>,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> S3Result<Read> {
    refuse_keys(headers)?;
    if asked.range.is_some() && asked.part.is_some() {
        return Err(fault_with(
            "InvalidRequest",
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    let bucket = service.bucket(asked.bucket)?;
    let version = version(asked.version)?;
    let key = key(asked.key)?;
    let caller = Caller::of(extensions);
    let object = look_up(service, &bucket, &key, version.as_ref(), &caller).await?;
    let told = extra_headers(&object.attributes);
    let modified = object.stored().modified;
    Conditions::read(headers, "").check(object.etag(), modified, told)?;
    let size = object.object.size;
    let (range, partial, checksums) = match (asked.part, asked.range) {
        (Some(number), _) => {
            let (range, checksums) = part_of(&object, number)?;
            (range, size > 0, Some(checksums))
        }
        (None, Some(range)) => (range_of(range, size, headers)?, true, None),
        (None, None) => (0..size, false, Some(object.attributes.checksums.clone())),
    };
    Ok(Read {
        bucket,
        object,
        range,
        partial,
        checksums: checksums.filter(|_| asked.checksums),
    })
}

/// Finds an object. Who may not list is not told what is not there.
pub(crate) async fn look_up(
    service: &Service,
    bucket: &Bucket,
    key: &ObjectKey,
    version: Option<&VersionId>,
    caller: &Caller,
) -> S3Result<GetObject> {
    match service.buckets.get(bucket, key, version).await {
        Ok(object) => Ok(object),
        Err(BucketError::NoSuchKey { .. } | BucketError::Deleted { .. })
            if !service.gate.may_list(caller, bucket) =>
        {
            Err(fault("AccessDenied"))
        }
        Err(error) => Err(refused(error)),
    }
}

fn part_of(object: &GetObject, number: i32) -> S3Result<(Range<u64>, Checksums)> {
    let parsed = u32::try_from(number)
        .ok()
        .filter(|n| (1..=10_000).contains(n));
    let parsed = parsed.ok_or_else(|| refused(BucketError::BadPartNumber))?;
    if object.object.part_count == 0 && parsed == 1 {
        let all = 0..object.object.size;
        return Ok((all, object.attributes.checksums.clone()));
    }
    object.part(parsed).ok_or_else(|| {
        let (number, count) = (parsed.to_string(), object.found.parts.len().to_string());
        let details = [
            ("PartNumberRequested", &*number),
            ("ActualPartCount", &*count),
        ];
        detailed(fault("InvalidPartNumber"), &details)
    })
}

fn range_of(range: WireRange, size: u64, headers: &HeaderMap) -> S3Result<Range<u64>> {
    let range = match range {
        WireRange::Int { first, last: None } => ByteRange::From(first),
        WireRange::Int {
            first,
            last: Some(last),
        } => ByteRange::Between(first, last),
        WireRange::Suffix { length } => ByteRange::Last(length),
    };
    range.of(size).map_err(|error| {
        let size = size.to_string();
        let asked = headers.get("range").and_then(|range| range.to_str().ok());
        let details = [
            ("RangeRequested", asked.unwrap_or_default()),
            ("ActualObjectSize", &*size),
        ];
        detailed(refused(error), &details)
    })
}

impl Read {
    fn content_range(&self) -> Option<String> {
        let Range { start, end } = self.range;
        let size = self.object.object.size;
        (self.partial && end > start).then(|| format!("bytes {start}-{}/{size}", end - 1))
    }

    /// Told where a part is asked for.
    fn parts_count(&self, asked: Option<i32>) -> Option<i32> {
        asked?;
        let count = i32::try_from(self.object.object.part_count).ok()?;
        (count > 0).then_some(count)
    }

    /// When a lifecycle rule ends it. Older versions have rules of their own.
    fn expiration(&self) -> Option<String> {
        let stored = self.object.stored();
        let attributes = &self.object.attributes;
        let current = Some(stored).filter(|stored| stored.is_latest)?;
        expiration(
            &self.bucket,
            current,
            self.object.object.size,
            &attributes.tags,
        )
    }

    fn version(&self) -> Option<String> {
        let version = &self.object.stored().version;
        tags::named(version, self.bucket.settings.versioning)
    }
}

/// `expiry-date="Fri, 21 Dec 2012 00:00:00 GMT", rule-id="..."`
pub(crate) fn expiration(
    bucket: &Bucket,
    stored: &Stored,
    size: u64,
    tags: &BTreeMap<String, String>,
) -> Option<String> {
    let lifecycle = bucket.settings.lifecycle.as_ref()?;
    let (at, rule) = lifecycle.expires(&stored.key, size, tags, stored.modified)?;
    let at = http_date(at);
    let rule = aws_wire::form::encode(rule);
    Some(format!("expiry-date=\"{at}\", rule-id=\"{rule}\""))
}

pub(crate) fn length(range: &Range<u64>) -> i64 {
    i64::try_from(range.end - range.start).unwrap_or(i64::MAX)
}

fn tag_count(count: usize) -> Option<i32> {
    i32::try_from(count).ok().filter(|count| *count > 0)
}

/// Who is not known cannot choose the headers of an answer: they would be those
/// of the owner's page.
fn refuse_overrides(request: &S3Request<GetObjectInput>) -> S3Result {
    let query = request.uri.query().unwrap_or_default();
    let overrides = query.split('&').any(|pair| pair.starts_with("response-"));
    if overrides && Caller::of(&request.extensions).principal.is_none() {
        return Err(fault_with(
            "InvalidRequest",
            "Request specific response headers cannot be used for anonymous GET requests.",
        ));
    }
    Ok(())
}

/// The first piece is read before the answer begins, so that what cannot be read
/// at all is an error and not half an answer.
async fn stream_out(service: &Service, read: &Read) -> S3Result<Body> {
    let wanted = read.range.end - read.range.start;
    if wanted == 0 {
        return Ok(body::empty());
    }
    let mut reader = service.buckets.read(&read.object.found, read.range.clone());
    let failed = |error: store::StoreError| refused(error.into());
    let first = reader.next().await.map_err(failed)?;
    let first: Bytes = first.ok_or_else(|| {
        tracing::error!(key = %read.object.stored().key, "the bytes of an object are missing");
        fault("InternalError")
    })?;
    if first.len() as u64 == wanted {
        return Ok(body::full(first));
    }
    let rest = stream::unfold(Some((Some(first), reader)), |state| async {
        let (first, mut reader) = state?;
        let next = match first {
            Some(first) => Ok(Some(first)),
            None => reader.next().await,
        };
        match next {
            Ok(Some(piece)) => Some((Ok(Frame::data(piece)), Some((None, reader)))),
            Ok(None) => None,
            Err(error) => {
                // The connection breaks off, so that half an object is not taken
                // for a whole one.
                tracing::error!(%error, "an object could not be read to its end");
                Some((Err(io::Error::other(error)), None))
            }
        }
    });
    Ok(StreamBody::new(rest).boxed_unsync())
}
