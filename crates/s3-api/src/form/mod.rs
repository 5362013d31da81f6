//! Uploads from forms in browsers (POST Object). The protocol crate would hold
//! the whole file in memory; here it goes straight to the store.
//!
//! [`reader`] takes the form apart, [`policy`] checks who may send it; this file
//! writes the object and answers.

mod policy;
mod reader;

use std::collections::BTreeMap;
use std::error::Error;

use aws_wire::{Body, body};
use buckets::{Bucket, ChecksumAlgorithm, Write, WriteKind};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use policy::Allowed;
use s3s::dto::Tagging;
use s3s::xml::{Deserialize, Deserializer};
use s3s::{S3Error, S3Result, StdError};

use crate::api::Target;
use crate::caller::{Asked, Caller};
use crate::checksum::{Declared, content_md5};
use crate::error::{bad_argument, detailed, fault, fault_with, refused};
use crate::form::reader::Reader;
use crate::gate::Request;
use crate::ops::put::{etag_of, version_of};
use crate::ops::receive::{Incoming, receive};
use crate::ops::{attributes, conditions, key, tags};
use crate::service::Service;
use crate::wire::admit::header;
use crate::wire::framing::Faults;

/// The fields of a form, their names in lower case.
pub(crate) type Fields = BTreeMap<String, String>;

pub(crate) fn is_form(parts: &Parts) -> bool {
    parts.method == Method::POST && boundary(parts).is_some()
}

fn boundary(parts: &Parts) -> Option<&str> {
    let kind = header(parts, "content-type")?;
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters.split(';').map(str::trim);
    let boundary = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let boundary = boundary.trim_matches('"');
    (1..=200).contains(&boundary.len()).then_some(boundary)
}

/// Takes a form and its file.
pub(crate) async fn upload<B>(
    service: &Service,
    parts: &Parts,
    content: B,
    faults: Faults,
    asked: Asked,
    target: &Target,
) -> S3Result<Response<Body>>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Target {
        bucket: Some(bucket),
        key: None,
    } = target
    else {
        return Err(fault("MethodNotAllowed"));
    };
    let boundary = boundary(parts).ok_or_else(|| fault("MalformedPOSTRequest"))?;
    let mut reader = Reader::new(content, boundary, faults.clone());
    let (mut fields, file_name) = reader.fields().await?;
    let name = fields.get_mut("key").ok_or_else(no_key)?;
    // Conditions speak of the key as it is going to be.
    *name = name.replace("${filename}", base_name(&file_name));
    let allowed = policy::check(service, &fields, bucket, asked)?;
    let bucket = service.bucket(bucket)?;
    let headers = headers_of(&fields);
    permit(service, &allowed.caller, &bucket, &fields).await?;

    let mut kept = attributes::read(&headers, Some(metadata_of(&fields)))?;
    if let Some(document) = fields.get("tagging") {
        kept.tags = read_tagging(document)?;
    }
    let incoming = Incoming {
        length: None,
        declared: Declared::read(&headers)?,
        default: ChecksumAlgorithm::Crc64nvme,
        md5: content_md5(&headers)?,
        trailers: None,
        faults,
        most: allowed.largest,
    };
    let pieces = Box::pin(stream::unfold(reader, |mut reader| async {
        let piece = reader.piece().await.transpose()?;
        Some((piece.map_err(|error| Box::new(error) as StdError), reader))
    }));
    let received = receive(service, Some(pieces.fuse()), incoming).await?;
    check_smallest(received.content.size, &allowed)?;
    kept.checksums = received.checksums;
    let write = Write {
        key: key(&fields["key"])?,
        content: received.content,
        attributes: kept,
        precondition: conditions::of_write(&headers)?,
        kind: WriteKind::Post,
        origin: allowed.caller.origin(),
    };
    let committed = service.buckets.put(&bucket, write).await.map_err(refused)?;
    let etag = etag_of(&committed).unwrap_or_default();
    let version = version_of(&committed);
    let mut answer = answer(&fields, &allowed.caller, &bucket, &etag);
    if let Some(version) = version.and_then(|version| version.parse().ok()) {
        answer.headers_mut().insert("x-amz-version-id", version);
    }
    Ok(answer)
}

fn no_key() -> S3Error {
    bad_argument(
        "key",
        "",
        "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
    )
}

/// Some browsers send the path of the file.
fn base_name(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

async fn permit(service: &Service, caller: &Caller, bucket: &Bucket, fields: &Fields) -> S3Result {
    let mut context = ::policy::Context::new();
    caller.asked.add_to(&mut context);
    let mut actions = vec!["s3:PutObject"];
    if fields.contains_key("tagging") || fields.contains_key("x-amz-tagging") {
        actions.push("s3:PutObjectTagging");
    }
    for action in actions {
        let request = Request {
            action,
            bucket: Some(bucket.name.as_str()),
            key: fields.get("key").map(String::as_str),
            version: None,
        };
        service.gate.allow(caller, request, &context).await?;
    }
    Ok(())
}

/// Fields that are headers in any other write.
fn headers_of(fields: &Fields) -> HeaderMap {
    const PLAIN: [&str; 9] = [
        "cache-control",
        "content-type",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "expires",
        "if-match",
        "if-none-match",
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let is_header = PLAIN.contains(&name.as_str()) || name.starts_with("x-amz-");
        if is_header
            && let Ok(name) = HeaderName::try_from(name)
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
    }
    if let Some(acl) = fields.get("acl")
        && let Ok(value) = HeaderValue::from_str(acl)
    {
        headers.insert("x-amz-acl", value);
    }
    headers
}

fn metadata_of(fields: &Fields) -> s3s::dto::Metadata {
    let pairs = fields.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("x-amz-meta-")?;
        Some((name.to_owned(), value.clone()))
    });
    pairs.collect()
}

fn read_tagging(document: &str) -> S3Result<BTreeMap<String, String>> {
    let mut reader = Deserializer::new(document.as_bytes());
    let tagging = Tagging::deserialize(&mut reader);
    let tagging = tagging.map_err(|_| fault("MalformedXML"))?;
    tags::from_wire(tagging.tag_set, tags::MOST)
}

fn check_smallest(size: u64, allowed: &Allowed) -> S3Result {
    if size >= allowed.smallest {
        return Ok(());
    }
    let (size, limit) = (size.to_string(), allowed.smallest.to_string());
    let details = [("ProposedSize", &*size), ("MinSizeAllowed", &*limit)];
    let error = fault_with(
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed size",
    );
    Err(detailed(error, &details))
}

/// Redirects, or answers with the status that the form asks for.
fn answer(fields: &Fields, caller: &Caller, bucket: &Bucket, etag: &str) -> Response<Body> {
    let key = &fields["key"];
    let bucket = bucket.name.as_str();
    let encoded = aws_wire::form::encode(key);
    let location = format!("http://{}/{bucket}/{encoded}", caller.asked.host);
    let redirect = fields
        .get("success_action_redirect")
        .or_else(|| fields.get("redirect"))
        .and_then(|target| redirect(target, bucket, &encoded, etag));
    let wanted = fields.get("success_action_status").map(String::as_str);
    let (status, content, location) = match (redirect, wanted) {
        (Some(target), _) => (StatusCode::SEE_OTHER, body::empty(), target),
        (None, Some("200")) => (StatusCode::OK, body::empty(), location),
        (None, Some("201")) => {
            let document = document(&location, bucket, key, etag);
            (StatusCode::CREATED, body::full(document), location)
        }
        (None, _) => (StatusCode::NO_CONTENT, body::empty(), location),
    };
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (http::header::LOCATION, location),
        (http::header::ETAG, format!("\"{etag}\"")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if status == StatusCode::CREATED {
        let xml = HeaderValue::from_static("application/xml");
        headers.insert(http::header::CONTENT_TYPE, xml);
    }
    answer
}

/// `None` where the target is no address: then the status counts.
fn redirect(target: &str, bucket: &str, key: &str, etag: &str) -> Option<String> {
    let uri: http::Uri = target.parse().ok()?;
    uri.scheme()?;
    let join = if target.contains('?') { '&' } else { '?' };
    Some(format!(
        "{target}{join}bucket={bucket}&key={key}&etag=%22{etag}%22"
    ))
}

fn document(location: &str, bucket: &str, key: &str, etag: &str) -> String {
    let mut xml = aws_wire::xml::Xml::with_declaration();
    xml.element("PostResponse", |xml| {
        xml.text("Location", location);
        xml.text("Bucket", bucket);
        xml.text("Key", key);
        xml.text("ETag", &format!("\"{etag}\""));
    });
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(kind: &str) -> Parts {
        let request = http::Request::post("/b").header("content-type", kind);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn forms_are_known_by_their_type() {
        let form = parts("multipart/form-data; boundary=\"x y\"");
        assert_eq!(boundary(&form), Some("x y"));
        assert!(is_form(&form));
        assert!(!is_form(&parts("multipart/form-data")));
        assert!(!is_form(&parts("application/xml; boundary=x")));
    }

    #[test]
    fn redirects_tell_what_was_written() {
        assert_eq!(
            redirect("http://here/x?a=b", "data", "k", "e").unwrap(),
            "http://here/x?a=b&bucket=data&key=k&etag=%22e%22"
        );
        assert_eq!(redirect("nowhere", "data", "k", "e"), None);
    }

    #[test]
    fn names_of_files_lose_their_folders() {
        assert_eq!(base_name("C:\\data\\a.csv"), "a.csv");
        assert_eq!(base_name("a/b.csv"), "b.csv");
    }
}
