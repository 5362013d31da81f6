//! Which function URL or HTTP API a request is for. Browsers and SDKs use the host,
//! `ID.lambda-url.REGION.localhost` or `ID.execute-api.REGION.localhost`; where names
//! below `localhost` do not resolve, the paths `/lambda-url/ID/...` and
//! `/execute-api/ID/...` say the same.

use http::header::HOST;
use http::request::Parts;
use types::Region;

/// What stands behind such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    FunctionUrl,
    HttpApi,
}

impl Kind {
    /// The word for it in hosts and paths.
    fn label(self) -> &'static str {
        match self {
            Self::FunctionUrl => "lambda-url",
            Self::HttpApi => "execute-api",
        }
    }
}

/// The id of a function URL or an API, and the path below it, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub id: String,
    pub path: String,
    /// The host without port that stands for it.
    pub domain: String,
    /// What stands before the path where the path names the target: links need it.
    pub prefix: Option<String>,
}

impl Target {
    pub fn of(parts: &Parts, kind: Kind, region: &Region) -> Option<Self> {
        let path = parts.uri.path();
        let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let host = host.map(without_port).unwrap_or_default();
        match named_in(host) {
            Some((id, named)) if named == kind => {
                return Some(Self {
                    id: id.to_ascii_lowercase(),
                    path: if path.is_empty() { "/" } else { path }.to_owned(),
                    domain: host.to_ascii_lowercase(),
                    prefix: None,
                });
            }
            // The host decides, whatever the path says.
            Some(_) => return None,
            None => {}
        }
        let label = kind.label();
        let rest = path.strip_prefix('/')?.strip_prefix(label)?;
        let rest = rest.strip_prefix('/')?;
        let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
        (!id.is_empty()).then(|| Self {
            id: id.to_owned(),
            path: format!("/{path}"),
            domain: format!("{id}.{label}.{region}.localhost"),
            prefix: Some(format!("/{label}/{id}")),
        })
    }
}

/// Whether a host stands for a function URL or an API, whatever the path.
pub(crate) fn is_own_host(host: &str) -> bool {
    named_in(without_port(host)).is_some()
}

fn named_in(host: &str) -> Option<(&str, Kind)> {
    let (id, rest) = host.split_once('.')?;
    let label = rest.split('.').next()?;
    let kinds = [Kind::FunctionUrl, Kind::HttpApi];
    let kind = kinds.into_iter().find(|kind| kind.label() == label)?;
    Some((id, kind))
}

pub(crate) fn without_port(host: &str) -> &str {
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
        let found = Target::of(&request.into_parts().0, Kind::FunctionUrl, &region)?;
        Some((found.id, found.path, found.domain))
    }

    #[test]
    fn apis_have_addresses_of_the_same_form() {
        let region = "us-east-1".parse().unwrap();
        let of = |host: &str, path: &str, kind| {
            let request = Request::get(path).header(HOST, host).body(()).unwrap();
            Target::of(&request.into_parts().0, kind, &region)
        };
        let host = "my-api.execute-api.us-east-1.localhost:8080";
        let found = of(host, "/a/b", Kind::HttpApi).unwrap();
        assert_eq!((found.id.as_str(), found.path.as_str()), ("my-api", "/a/b"));
        assert_eq!(found.prefix, None);
        let found = of("localhost", "/execute-api/my-api/a", Kind::HttpApi).unwrap();
        assert_eq!((found.id.as_str(), found.path.as_str()), ("my-api", "/a"));
        assert_eq!(found.prefix.as_deref(), Some("/execute-api/my-api"));
        assert_eq!(found.domain, "my-api.execute-api.us-east-1.localhost");
        // Neither is the other, and a host is not overruled by a path.
        assert_eq!(of(host, "/a", Kind::FunctionUrl), None);
        assert_eq!(of(host, "/lambda-url/x/a", Kind::FunctionUrl), None);
        assert_eq!(of("localhost", "/lambda-url/x/a", Kind::HttpApi), None);
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
