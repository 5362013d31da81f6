//! Which function URL a request is for. Browsers and SDKs use the host,
//! `URLID.lambda-url.REGION.localhost`; where names below `localhost` do not
//! resolve, the path `/lambda-url/URLID/...` says the same.

use http::header::HOST;
use http::request::Parts;
use types::Region;

const LABEL: &str = "lambda-url";

/// A function URL's id and the path below it, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub id: String,
    pub path: String,
    /// The host without port that stands for the URL.
    pub domain: String,
}

impl Target {
    pub fn of(parts: &Parts, region: &Region) -> Option<Self> {
        let path = parts.uri.path();
        let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let host = host.map(without_port).unwrap_or_default();
        if let Some(id) = id_in(host) {
            return Some(Self {
                id: id.to_ascii_lowercase(),
                path: if path.is_empty() { "/" } else { path }.to_owned(),
                domain: host.to_ascii_lowercase(),
            });
        }
        let rest = path.strip_prefix('/')?.strip_prefix(LABEL)?;
        let rest = rest.strip_prefix('/')?;
        let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
        (!id.is_empty()).then(|| Self {
            id: id.to_owned(),
            path: format!("/{path}"),
            domain: format!("{id}.{LABEL}.{region}.localhost"),
        })
    }
}

/// Whether a host stands for a function URL, whatever the path.
pub(crate) fn is_url_host(host: &str) -> bool {
    id_in(without_port(host)).is_some()
}

fn id_in(host: &str) -> Option<&str> {
    let (id, rest) = host.split_once('.')?;
    (rest.split('.').next() == Some(LABEL)).then_some(id)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn target(host: &str, path: &str) -> Option<(String, String, String)> {
        let request = Request::get(path).header(HOST, host).body(()).unwrap();
        let region = "us-east-1".parse().unwrap();
        let found = Target::of(&request.into_parts().0, &region)?;
        Some((found.id, found.path, found.domain))
    }

    fn owned(id: &str, path: &str, domain: &str) -> (String, String, String) {
        (id.to_owned(), path.to_owned(), domain.to_owned())
    }

    #[test]
    fn the_host_or_the_path_names_the_url() {
        let domain = "abc.lambda-url.us-east-1.localhost";
        assert_eq!(
            target("ABC.lambda-url.us-east-1.localhost:8080", "/a/%2F?x=1"),
            Some(owned("abc", "/a/%2F", domain))
        );
        assert_eq!(
            target("abc.lambda-url.eu-west-1.on.aws", "/"),
            Some(owned("abc", "/", "abc.lambda-url.eu-west-1.on.aws"))
        );
        for (path, below) in [
            ("/lambda-url/abc/x/y", "/x/y"),
            ("/lambda-url/abc/", "/"),
            ("/lambda-url/abc", "/"),
            ("/lambda-url/abc//x", "//x"),
        ] {
            assert_eq!(
                target("127.0.0.1:8080", path),
                Some(owned("abc", below, domain))
            );
        }
    }

    #[test]
    fn others_are_for_nobody() {
        for (host, path) in [
            ("localhost:8080", "/"),
            ("127.0.0.1", "/lambda-url"),
            ("127.0.0.1", "/lambda-url/"),
            ("127.0.0.1", "/lambda-urls/abc"),
            ("lambda-url.us-east-1.localhost", "/"),
            ("abc.s3.localhost", "/x"),
            ("[::1]:8080", "/x"),
            ("", "/x"),
        ] {
            assert_eq!(target(host, path), None, "{host}{path}");
        }
    }
}
