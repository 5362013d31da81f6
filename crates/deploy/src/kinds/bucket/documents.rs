//! The documents by which a bucket is set: XML as S3 has it, and its policy.

use std::collections::BTreeMap;

use aws_client::Xml;
use aws_wire::xml::Xml as Writer;
use project::model::Site;
use serde_json::{Value, json};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// By which our statement in a bucket's policy is found again.
const SITE_STATEMENT: &str = "SquallSite";
/// How long browsers may remember what CORS allowed.
const CORS_SECONDS: &str = "3600";

/// Where it is, for regions that have to be told.
pub fn location(region: &str) -> Option<String> {
    (region != "us-east-1").then(|| {
        write("CreateBucketConfiguration", |xml| {
            xml.text("LocationConstraint", region);
        })
    })
}

pub fn tagging(tags: &BTreeMap<String, String>) -> String {
    write("Tagging", |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in tags {
                xml.element("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    })
}

pub fn read_tags(document: &Xml) -> BTreeMap<String, String> {
    let tags = document.list("TagSet", "Tag");
    tags.map(|tag| (tag.at(&["Key"]).to_owned(), tag.at(&["Value"]).to_owned()))
        .collect()
}

pub fn website(site: &Site) -> String {
    write("WebsiteConfiguration", |xml| {
        if let Some(error) = &site.error {
            xml.element("ErrorDocument", |xml| xml.text("Key", error));
        }
        xml.element("IndexDocument", |xml| xml.text("Suffix", &site.index));
    })
}

pub fn read_website(document: &Xml) -> Option<Site> {
    let index = document.at(&["IndexDocument", "Suffix"]);
    let error = document.at(&["ErrorDocument", "Key"]);
    (!index.is_empty()).then(|| Site {
        index: index.to_owned(),
        error: (!error.is_empty()).then(|| error.to_owned()),
    })
}

/// Pages of these origins may read, and know what they have read.
pub fn cors(origins: &[String]) -> String {
    write("CORSConfiguration", |xml| {
        xml.element("CORSRule", |xml| {
            for origin in origins {
                xml.text("AllowedOrigin", origin);
            }
            xml.text("AllowedMethod", "GET");
            xml.text("AllowedMethod", "HEAD");
            xml.text("AllowedHeader", "*");
            for header in ["ETag", "Content-Range", "Accept-Ranges"] {
                xml.text("ExposeHeader", header);
            }
            xml.text("MaxAgeSeconds", CORS_SECONDS);
        });
    })
}

/// The origins, sorted.
pub fn read_cors(document: &Xml) -> Vec<String> {
    let rules = document.children.iter();
    let values = rules.flat_map(|rule| &rule.children);
    let mut origins: Vec<String> = values
        .filter(|value| value.name == "AllowedOrigin")
        .map(|value| value.text.clone())
        .collect();
    origins.sort();
    origins.dedup();
    origins
}

/// A policy with our statement, which lets everyone read, beside those of others; none
/// if nothing is left.
pub fn policy(before: Option<&Value>, arn: &str, is_public: bool) -> Option<Value> {
    let others = before.and_then(|policy| policy["Statement"].as_array());
    let others = others.into_iter().flatten();
    let mut statements: Vec<Value> = others
        .filter(|statement| statement["Sid"] != SITE_STATEMENT)
        .cloned()
        .collect();
    if is_public {
        statements.push(json!({
            "Sid": SITE_STATEMENT,
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": format!("{arn}/*"),
        }));
    }
    (!statements.is_empty()).then(|| json!({ "Version": "2012-10-17", "Statement": statements }))
}

pub fn has_site_statement(policy: &Value) -> bool {
    let statements = policy["Statement"].as_array();
    let mut statements = statements.into_iter().flatten();
    statements.any(|statement| statement["Sid"] == SITE_STATEMENT)
}

/// Keys with their versions, of a page of `?versions`: delete markers included.
pub fn versions(page: &Xml) -> Vec<(String, String)> {
    let versions = page.children.iter();
    versions
        .filter(|child| matches!(child.name.as_str(), "Version" | "DeleteMarker"))
        .map(|version| {
            let (key, id) = (version.at(&["Key"]), version.at(&["VersionId"]));
            (key.to_owned(), id.to_owned())
        })
        .collect()
}

pub fn delete(versions: &[(String, String)]) -> String {
    write("Delete", |xml| {
        for (key, version) in versions {
            xml.element("Object", |xml| {
                xml.text("Key", key);
                if !version.is_empty() {
                    xml.text("VersionId", version);
                }
            });
        }
        xml.text("Quiet", "true");
    })
}

fn write(root: &str, inside: impl FnOnce(&mut Writer)) -> String {
    let mut xml = Writer::with_declaration();
    xml.root(root, NAMESPACE, inside);
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Xml {
        Xml::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let tags = BTreeMap::from([("a&b".to_owned(), "<1>".to_owned())]);
        assert_eq!(read_tags(&read(&tagging(&tags))), tags);
        for error in [None, Some("404.html".to_owned())] {
            let site = Site {
                index: "index.html".to_owned(),
                error,
            };
            assert_eq!(read_website(&read(&website(&site))), Some(site));
        }
        let origins = ["http://a".to_owned(), "http://b".to_owned()];
        assert_eq!(read_cors(&read(&cors(&origins))), origins);
    }

    #[test]
    fn the_first_region_is_not_named() {
        assert_eq!(location("us-east-1"), None);
        let document = read(&location("eu-west-1").unwrap());
        assert_eq!(document.at(&["LocationConstraint"]), "eu-west-1");
    }

    #[test]
    fn statements_of_others_stay_in_a_policy() {
        let other = json!({ "Sid": "x", "Effect": "Deny" });
        let before = json!({ "Statement": [other] });
        let arn = "arn:aws:s3:::b";
        let public = policy(Some(&before), arn, true).unwrap();
        assert_eq!(public["Statement"][0], other);
        assert_eq!(public["Statement"][1]["Resource"], "arn:aws:s3:::b/*");
        assert!(has_site_statement(&public) && !has_site_statement(&before));
        // Twice is once, and without it is as before.
        assert_eq!(policy(Some(&public), arn, true).unwrap(), public);
        let private = policy(Some(&public), arn, false).unwrap();
        assert_eq!(private["Statement"], before["Statement"]);
        assert_eq!(policy(None, arn, false), None);
        assert_eq!(policy(policy(None, arn, true).as_ref(), arn, false), None);
    }

    #[test]
    fn versions_and_markers_are_removed_alike() {
        let page = read(
            "<R><Name>b</Name><Version><Key>a&lt;</Key><VersionId>1</VersionId></Version>\
             <DeleteMarker><Key>c</Key><VersionId>null</VersionId></DeleteMarker></R>",
        );
        let found = versions(&page);
        assert_eq!(found.len(), 2);
        let request = read(&delete(&found));
        assert_eq!(request.children[0].at(&["Key"]), "a<");
        assert_eq!(request.children[1].at(&["VersionId"]), "null");
    }
}
