//! The documents of S3, read and written. Readers name only what is used; what
//! else a document holds is passed over.

use aws_wire::form;
use aws_wire::xml::Xml;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use types::Timestamp;

use super::error::S3Error;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size: u64,
    pub modified: Timestamp,
    /// Without quotes.
    pub etag: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    pub objects: Vec<Listed>,
    pub prefixes: Vec<String>,
    /// The token of the next page.
    pub next: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct BucketLine {
    pub name: String,
    pub created: Timestamp,
}

/// A key, and the version of it that is meant; none means the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    pub key: String,
    pub version: Option<String>,
}

impl Doomed {
    pub fn newest(key: String) -> Self {
        Self { key, version: None }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    pub versions: Vec<Doomed>,
    /// Key marker and version marker of the next page.
    pub next: Option<(String, String)>,
}

/// A key that could not be removed, and why.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NotDeleted {
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorDocument {
    pub code: String,
    pub message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListDocument {
    #[serde(default)]
    contents: Vec<Contents>,
    #[serde(default)]
    common_prefixes: Vec<CommonPrefix>,
    next_continuation_token: Option<String>,
    encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    last_modified: String,
    #[serde(rename = "ETag", default)]
    etag: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BucketsDocument {
    #[serde(default)]
    buckets: BucketList,
}

#[derive(Debug, Default, Deserialize)]
struct BucketList {
    #[serde(rename = "Bucket", default)]
    bucket: Vec<BucketEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BucketEntry {
    name: String,
    creation_date: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionsDocument {
    #[serde(rename = "Version", default)]
    versions: Vec<VersionEntry>,
    #[serde(rename = "DeleteMarker", default)]
    markers: Vec<VersionEntry>,
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<String>,
    encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionEntry {
    key: String,
    version_id: String,
}

#[derive(Debug, Deserialize)]
struct DeleteDocument {
    #[serde(rename = "Error", default)]
    errors: Vec<NotDeleted>,
}

#[derive(Debug, Deserialize)]
struct UploadDocument {
    #[serde(rename = "UploadId")]
    id: String,
}

#[derive(Debug, Deserialize)]
struct CopyDocument {
    #[serde(rename = "ETag")]
    etag: String,
}

/// A part that was taken in.
#[derive(Debug, Clone)]
pub struct Part {
    pub number: u32,
    pub etag: String,
    /// CRC-64/NVME in base64; a part that was copied has none of ours.
    pub checksum: Option<String>,
}

pub fn list_page(text: &[u8]) -> Result<ListPage, S3Error> {
    let document: ListDocument = read(text)?;
    let encoded = is_encoded(document.encoding_type.as_deref());
    let objects = document.contents.into_iter().map(|entry| {
        Ok(Listed {
            key: plain(entry.key, encoded),
            size: entry.size,
            modified: time(&entry.last_modified)?,
            etag: unquoted(&entry.etag),
        })
    });
    let prefixes = document.common_prefixes.into_iter();
    Ok(ListPage {
        objects: objects.collect::<Result<_, S3Error>>()?,
        prefixes: prefixes.map(|entry| plain(entry.prefix, encoded)).collect(),
        next: document.next_continuation_token,
    })
}

pub fn buckets(text: &[u8]) -> Result<Vec<BucketLine>, S3Error> {
    let document: BucketsDocument = read(text)?;
    let entries = document.buckets.bucket.into_iter();
    entries
        .map(|entry| {
            Ok(BucketLine {
                created: time(&entry.creation_date)?,
                name: entry.name,
            })
        })
        .collect()
}

pub fn versions(text: &[u8]) -> Result<VersionPage, S3Error> {
    let document: VersionsDocument = read(text)?;
    let encoded = is_encoded(document.encoding_type.as_deref());
    let entries = document.versions.into_iter().chain(document.markers);
    let versions = entries
        .map(|entry| Doomed {
            key: plain(entry.key, encoded),
            version: Some(entry.version_id),
        })
        .collect();
    let next = document.is_truncated.then(|| {
        let key = document.next_key_marker.unwrap_or_default();
        let version = document.next_version_id_marker.unwrap_or_default();
        (plain(key, encoded), version)
    });
    Ok(VersionPage { versions, next })
}

pub fn not_deleted(text: &[u8]) -> Result<Vec<NotDeleted>, S3Error> {
    Ok(read::<DeleteDocument>(text)?.errors)
}

pub fn upload_id(text: &[u8]) -> Result<String, S3Error> {
    Ok(read::<UploadDocument>(text)?.id)
}

/// The entity tag of a copy, as it stands, quotes included.
pub fn copy_etag(text: &[u8]) -> Result<String, S3Error> {
    Ok(read::<CopyDocument>(text)?.etag)
}

/// The error that a document is, if it is one. S3 sends some of them with the
/// status of success, because it has to begin its answer before it knows.
pub fn error(text: &[u8]) -> Option<ErrorDocument> {
    let text = std::str::from_utf8(text).ok()?;
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            quick_xml::events::Event::Start(tag) if tag.local_name().as_ref() == b"Error" => break,
            quick_xml::events::Event::Start(_)
            | quick_xml::events::Event::Empty(_)
            | quick_xml::events::Event::Eof => return None,
            _ => {}
        }
    }
    quick_xml::de::from_str(text).ok()
}

pub fn delete_request(doomed: &[Doomed]) -> String {
    let mut xml = Xml::with_declaration();
    xml.root("Delete", NAMESPACE, |xml| {
        for Doomed { key, version } in doomed {
            xml.element("Object", |xml| {
                xml.text("Key", key);
                if let Some(version) = version {
                    xml.text("VersionId", version);
                }
            });
        }
        // Only what went wrong is answered.
        xml.text("Quiet", "true");
    });
    xml.finish()
}

/// Whether XML has a way to write this key.
pub fn can_name(key: &str) -> bool {
    !key.contains(|c: char| {
        matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
    })
}

pub fn complete_request(parts: &[Part]) -> String {
    let mut xml = Xml::with_declaration();
    xml.root("CompleteMultipartUpload", NAMESPACE, |xml| {
        for part in parts {
            xml.element("Part", |xml| {
                xml.text("PartNumber", &part.number.to_string());
                xml.text("ETag", &part.etag);
                if let Some(checksum) = &part.checksum {
                    xml.text("ChecksumCRC64NVME", checksum);
                }
            });
        }
    });
    xml.finish()
}

/// For a bucket outside of us-east-1, which has no name of its own here.
pub fn create_bucket_request(region: &str) -> String {
    if region == "us-east-1" {
        return String::new();
    }
    let mut xml = Xml::with_declaration();
    xml.root("CreateBucketConfiguration", NAMESPACE, |xml| {
        xml.text("LocationConstraint", region);
    });
    xml.finish()
}

pub fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, S3Error> {
    let garbled = |detail: String| S3Error::Garbled(detail);
    let text = std::str::from_utf8(text).map_err(|error| garbled(error.to_string()))?;
    quick_xml::de::from_str(text).map_err(|error| garbled(error.to_string()))
}

fn is_encoded(encoding: Option<&str>) -> bool {
    encoding == Some("url")
}

/// Keys come percent-encoded, with `+` for a space, because XML cannot hold all
/// characters that a key can.
fn plain(key: String, encoded: bool) -> String {
    if encoded {
        form::decode(&key.replace('+', " ")).into_owned()
    } else {
        key
    }
}

fn time(text: &str) -> Result<Timestamp, S3Error> {
    text.parse::<jiff::Timestamp>()
        .map(|time| Timestamp(time.as_millisecond()))
        .map_err(|error| S3Error::Garbled(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_with_keys_that_xml_cannot_hold() {
        let text = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/>
<KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>t+/=</NextContinuationToken>
<Contents><Key>a+b%2B%01.csv</Key><LastModified>2026-11-21T05:46:00.000Z</LastModified><ETag>&quot;d41d&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>
<CommonPrefixes><Prefix>raw%2F</Prefix></CommonPrefixes>
<Contents><Key>z</Key><LastModified>2026-11-21T05:46:00Z</LastModified><ETag>"x-2"</ETag><Size>0</Size></Contents>
</ListBucketResult>"#;
        let page = list_page(text).unwrap();
        let keys: Vec<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
        assert_eq!(keys, ["a b+\u{1}.csv", "z"]);
        assert_eq!(page.objects[0].etag, "d41d");
        assert_eq!(page.objects[0].size, 5);
        assert_eq!(
            page.objects[0].modified.rfc3339(),
            "2026-11-21T05:46:00.000Z"
        );
        assert_eq!(page.prefixes, ["raw/"]);
        assert_eq!(page.next.as_deref(), Some("t+/="));
    }

    #[test]
    fn empty_lists_are_lists() {
        let page =
            list_page(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
        assert_eq!(page.unwrap(), ListPage::default());
        let none =
            b"<ListAllMyBucketsResult><Owner><ID>x</ID></Owner><Buckets/></ListAllMyBucketsResult>";
        assert_eq!(buckets(none).unwrap(), []);
        let one = b"<ListAllMyBucketsResult><Buckets><Bucket><Name>lake</Name><CreationDate>2026-11-21T05:46:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>";
        assert_eq!(buckets(one).unwrap()[0].name, "lake");
        assert_eq!(not_deleted(b"<DeleteResult/>").unwrap(), []);
    }

    #[test]
    fn versions_and_delete_markers_are_read_together() {
        let text = b"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>\
            <Version><Key>k</Key><VersionId>v1</VersionId></Version><DeleteMarker><Key>k</Key><VersionId>v2</VersionId></DeleteMarker></ListVersionsResult>";
        let page = versions(text).unwrap();
        assert_eq!(page.versions.len(), 2);
        assert_eq!(page.next, Some(("k".to_owned(), "v2".to_owned())));
    }

    #[test]
    fn errors_are_known_whatever_the_status() {
        let text = b"<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>m &amp; n</Message><X/></Error>";
        let found = error(text).unwrap();
        assert_eq!(
            (found.code.as_str(), found.message.as_str()),
            ("SlowDown", "m & n")
        );
        for other in [
            "",
            "<html>",
            "<CopyObjectResult><Error/></CopyObjectResult>",
            "\u{0}",
            "<Error",
        ] {
            assert_eq!(error(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn documents_that_are_none_of_these_are_refused() {
        for bad in [
            "",
            "<a",
            "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        ] {
            assert!(list_page(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(list_page(b"\xff").is_err());
    }

    #[test]
    fn requests_are_escaped() {
        let doomed = |key: &str, version: Option<&str>| Doomed {
            key: key.to_owned(),
            version: version.map(str::to_owned),
        };
        let text = delete_request(&[doomed("a<b>&", None), doomed("c", Some("v"))]);
        assert!(text.ends_with(
            "<Object><Key>a&lt;b&gt;&amp;</Key></Object><Object><Key>c</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>"
        ));
        assert!(can_name("é\r\n\t") && !can_name("a\u{1}") && !can_name("\u{ffff}"));
        assert_eq!(create_bucket_request("us-east-1"), "");
    }
}
