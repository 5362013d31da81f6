//! Which bucket a request to a website is for. Browsers use the host,
//! `BUCKET.s3-website.localhost` or AWS's `BUCKET.s3-website-REGION...`; where
//! names below `localhost` do not resolve, the path `/s3-website/BUCKET/...` says
//! the same.

use http::header::HOST;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::target::is_own_host;

const LABEL: &str = "s3-website";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub bucket: String,
    /// Host and port, and what stands before the website's own paths, so that a
    /// redirect to itself leads back here.
    pub base: String,
    /// As it is on the wire, without the leading `/`.
    path: String,
}

impl Address {
    pub fn of(parts: &Parts) -> Option<Self> {
        let path = parts.uri.path();
        let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let host = host.unwrap_or_default();
        if let Some(bucket) = bucket_of_host(host) {
            return Some(Self {
                bucket,
                base: host.to_owned(),
                path: path.strip_prefix('/').unwrap_or(path).to_owned(),
            });
        }
        if is_own_host(host) {
            return None;
        }
        let rest = path.strip_prefix('/')?.strip_prefix(LABEL)?;
        let rest = rest.strip_prefix('/')?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self {
            bucket: bucket.to_owned(),
            base: format!("{host}/{LABEL}/{bucket}"),
            path: path.to_owned(),
        })
    }

    /// The path as a key; `None` where it is not text.
    pub fn key(&self) -> Option<String> {
        let decoded = percent_decode_str(&self.path).decode_utf8();
        decoded.ok().map(std::borrow::Cow::into_owned)
    }
}

/// From the right, because the names of buckets may have dots.
fn bucket_of_host(host: &str) -> Option<String> {
    // Nearly all hosts are others', and asked for this at each request.
    let mut places = host.as_bytes().windows(LABEL.len());
    if !places.any(|place| place.eq_ignore_ascii_case(LABEL.as_bytes())) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    let marks = [format!(".{LABEL}."), format!(".{LABEL}-")];
    let at = marks.iter().filter_map(|mark| host.rfind(mark)).max()?;
    (at > 0).then(|| host[..at].to_owned())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn address(host: &str, path: &str) -> Option<(String, String, Option<String>)> {
        let request = Request::get(path).header(HOST, host).body(()).unwrap();
        let found = Address::of(&request.into_parts().0)?;
        let key = found.key();
        Some((found.bucket, found.base, key))
    }

    #[test]
    fn the_host_or_the_path_names_the_bucket() {
        for (host, path, bucket, base, key) in [
            (
                "b.s3-website.localhost:8080",
                "/a/b.html?x=1",
                "b",
                "b.s3-website.localhost:8080",
                "a/b.html",
            ),
            (
                "B.S3-Website.localhost",
                "/",
                "b",
                "B.S3-Website.localhost",
                "",
            ),
            (
                "a.b.s3-website.localhost",
                "/x%20y+z",
                "a.b",
                "a.b.s3-website.localhost",
                "x y+z",
            ),
            (
                "b.s3-website-us-east-1.amazonaws.com",
                "//",
                "b",
                "b.s3-website-us-east-1.amazonaws.com",
                "/",
            ),
            (
                "b.s3-website.eu-west-1.amazonaws.com",
                "/%2F",
                "b",
                "b.s3-website.eu-west-1.amazonaws.com",
                "/",
            ),
            (
                "localhost:8080",
                "/s3-website/b/x/y",
                "b",
                "localhost:8080/s3-website/b",
                "x/y",
            ),
            (
                "localhost",
                "/s3-website/b",
                "b",
                "localhost/s3-website/b",
                "",
            ),
            (
                "localhost",
                "/s3-website/b/",
                "b",
                "localhost/s3-website/b",
                "",
            ),
        ] {
            let expected = (bucket.to_owned(), base.to_owned(), Some(key.to_owned()));
            assert_eq!(address(host, path), Some(expected), "{host}{path}");
        }
    }

    #[test]
    fn others_are_for_nobody() {
        for (host, path) in [
            ("localhost:8080", "/"),
            ("s3-website.localhost", "/"),
            (".s3-website.localhost", "/"),
            ("b.s3.localhost", "/"),
            ("abc.lambda-url.us-east-1.localhost", "/"),
            ("abc.lambda-url.us-east-1.localhost:80", "/s3-website/b/"),
            ("localhost", "/s3-website"),
            ("localhost", "/s3-website/"),
            ("localhost", "/s3-websites/b"),
        ] {
            assert_eq!(address(host, path), None, "{host}{path}");
        }
    }

    #[test]
    fn a_path_that_is_not_text_names_no_key() {
        let (_, _, key) = address("b.s3-website.localhost", "/%FF").unwrap();
        assert_eq!(key, None);
    }
}
