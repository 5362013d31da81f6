//! What a request's head must be before a port sees it. HTTP/1.1 and HTTP/2 come out
//! alike: the path alone as the target, the host in the header. What could be read in
//! two ways is refused, because whoever stands before us may have read it in the other.

use std::net::{IpAddr, SocketAddr};

use aws_wire::{Body, body};
use engine::http_apis::IpRange;
use http::header::{
    ALLOW, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Response, StatusCode, Uri, Version};

use super::body::closing;
use super::connections::Listening;
use super::hosts::{host_of, is_host};

/// The most that all headers of a request may have by HTTP/2's way of counting.
pub(super) const LIST_BYTES: u32 = 64 * 1024;

/// The most headers of one request; hyper has the same bound for HTTP/1.1.
const MOST_HEADERS: usize = 100;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Longer than any method that is registered. It is kept with the last requests.
pub(super) const LONGEST_METHOD: usize = 32;

/// The addresses that `X-Forwarded-For` is read for, from its end.
const MOST_PROXIES: usize = 16;

/// Why a request is not answered by its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// In words.
    Head(&'static str),
    Coding,
    Tunnel,
    TooMany,
    Misdirected,
}

/// Brings a head into its one form, and notes on it who asks and how: the client's
/// `SocketAddr` and the `Scheme` are among its extensions.
pub(super) fn examine(
    head: &mut Parts,
    listening: &Listening,
    peer: SocketAddr,
    secure: bool,
) -> Result<(), Wrong> {
    if head.method == Method::CONNECT {
        return Err(Wrong::Tunnel);
    }
    if head.method.as_str().len() > LONGEST_METHOD {
        return Err(Wrong::Head("the method is longer than any that there is"));
    }
    if head.version == Version::HTTP_2 {
        if head.headers.len() > MOST_HEADERS {
            return Err(Wrong::TooMany);
        }
        join_cookies(&mut head.headers);
    } else {
        check_coding(&head.headers)?;
    }
    take_host(head)?;
    let host = host_of(head);
    let hosts = &listening.hosts;
    if !host.is_empty() && !hosts.admit(host) && !hosts.admit_signed(head) {
        return Err(Wrong::Misdirected);
    }
    let mut scheme = if secure { Scheme::HTTPS } else { Scheme::HTTP };
    let mut client = peer;
    if listening
        .proxies
        .iter()
        .any(|range| range.contains(peer.ip()))
    {
        let told = Told::of(&head.headers, &listening.proxies);
        if let Some(address) = told.client {
            client = SocketAddr::new(address, 0);
        }
        scheme = told.scheme.unwrap_or(scheme);
    }
    // For those who want to know where a request came from.
    head.extensions.insert(client);
    head.extensions.insert(scheme);
    Ok(())
}

/// Chunked, or not at all. Where it stands beside a length, it counts and the
/// connection ends: hyper sees to that.
fn check_coding(headers: &HeaderMap) -> Result<(), Wrong> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Wrong::Coding),
    }
}

/// One host, in its header, whichever way it came.
fn take_host(head: &mut Parts) -> Result<(), Wrong> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let named = hosts.next();
    if hosts.next().is_some() {
        return Err(Wrong::Head("there is more than one host"));
    }
    if named.is_none() && head.version == Version::HTTP_11 {
        return Err(Wrong::Head("there is no host"));
    }
    let is_right = |host: &HeaderValue| host.to_str().is_ok_and(is_host);
    if named.is_some_and(|host| !is_right(host)) {
        return Err(Wrong::Head("the host is not a name or an address"));
    }
    if head.uri.authority().is_some() && head.uri.scheme().is_none() {
        return Err(Wrong::Head("the path does not begin with /"));
    }
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.ok().filter(is_right);
        let host = host.ok_or(Wrong::Head("the host is not a name or an address"))?;
        let differs =
            named.is_some_and(|named| !named.as_bytes().eq_ignore_ascii_case(host.as_bytes()));
        // The target's counts, as a proxy would have it; HTTP/2 lets both be there only
        // if they are the same.
        if differs && head.version == Version::HTTP_2 {
            return Err(Wrong::Head("the host is not the authority"));
        }
        head.headers.insert(HOST, host);
        let path = head.uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.uri = Uri::from(path);
    } else if named.is_none() && head.version == Version::HTTP_2 {
        return Err(Wrong::Head("there is no host"));
    }
    let path = head.uri.path();
    let is_of_all = path == "*" && head.method == Method::OPTIONS;
    if !path.starts_with('/') && !is_of_all {
        return Err(Wrong::Head("the path does not begin with /"));
    }
    Ok(())
}

/// HTTP/2 may cut cookies into several headers, which HTTP/1.1 knows only as one.
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    headers.insert(
        COOKIE,
        joined.expect("values stay valid with semicolons between them"),
    );
}

/// What a proxy says of the client that it speaks for.
#[derive(Debug, Default, PartialEq)]
struct Told {
    client: Option<IpAddr>,
    scheme: Option<Scheme>,
}

impl Told {
    /// Proxies add to the end: the first address from there that is not a proxy is the
    /// client's. What stands before it is the client's own word.
    fn of(headers: &HeaderMap, proxies: &[IpRange]) -> Self {
        let mut told = Self::default();
        // A line that has what is no text is not passed over: what a proxy wrote to its
        // end still counts.
        let lines: Vec<_> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .map(|line| String::from_utf8_lossy(line.as_bytes()))
            .collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for hop in hops.take(MOST_PROXIES) {
            let Some(address) = address_of(hop.trim()) else {
                break;
            };
            told.client = Some(address);
            if !proxies.iter().any(|range| range.contains(address)) {
                break;
            }
        }
        let proto = headers.get_all(FORWARDED_PROTO).iter().next_back();
        let proto = proto
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let proto = proto.rsplit(',').next().unwrap_or_default().trim();
        told.scheme = match proto.to_ascii_lowercase().as_str() {
            "https" => Some(Scheme::HTTPS),
            "http" => Some(Scheme::HTTP),
            _ => None,
        };
        told
    }
}

/// Some write the port, too.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

impl Wrong {
    /// For who watches.
    pub fn word(self) -> &'static str {
        match self {
            Self::Head(_) => "head",
            Self::Coding => "coding",
            Self::Tunnel => "tunnel",
            Self::TooMany => "head size",
            Self::Misdirected => "host",
        }
    }

    pub fn respond(self, head: &Parts) -> Response<Body> {
        let (status, detail) = match self {
            Self::Head(detail) => (StatusCode::BAD_REQUEST, detail.to_owned()),
            Self::Coding => {
                let detail = "the only transfer coding here is chunked";
                (StatusCode::BAD_REQUEST, detail.to_owned())
            }
            Self::Tunnel => {
                let detail = "this is no proxy";
                (StatusCode::METHOD_NOT_ALLOWED, detail.to_owned())
            }
            Self::TooMany => {
                let detail = format!("a request has at most {MOST_HEADERS} headers");
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
            }
            Self::Misdirected => {
                let detail = format!(
                    "{} is not a name of this server; if it should be, add it to its setting hosts",
                    host_of(head)
                );
                (StatusCode::MISDIRECTED_REQUEST, detail)
            }
        };
        let title = status.canonical_reason().unwrap_or_default();
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
            "message": title,
        });
        let mut response = Response::new(body::full(problem.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        if self == Self::Tunnel {
            headers.insert(
                ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
        }
        if self == Self::Misdirected {
            return response;
        }
        // Where one request ends and the next begins is not sure.
        closing(response)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn listening(proxies: &[&str]) -> Listening {
        Listening {
            proxies: proxies.iter().map(|range| range.parse().unwrap()).collect(),
            ..Listening::default()
        }
    }

    fn peer() -> SocketAddr {
        "10.0.0.9:1234".parse().unwrap()
    }

    fn head(version: Version, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(version: Version, uri: &str, headers: &[(&str, &str)]) -> Result<Parts, Wrong> {
        let mut head = head(version, uri, headers);
        examine(&mut head, &listening(&[]), peer(), false).map(|()| head)
    }

    #[test]
    fn both_versions_come_out_alike() {
        let one = check(Version::HTTP_11, "/a?b", &[("host", "localhost")]).unwrap();
        let other = check(Version::HTTP_2, "http://localhost/a?b", &[]).unwrap();
        let absolute = [("host", "evil.com")];
        let third = check(Version::HTTP_11, "http://localhost/a?b", &absolute).unwrap();
        for head in [one, other, third] {
            assert_eq!(head.uri.to_string(), "/a?b");
            assert_eq!(host_of(&head), "localhost");
            assert_eq!(head.extensions.get::<SocketAddr>(), Some(&peer()));
            assert_eq!(head.extensions.get::<Scheme>(), Some(&Scheme::HTTP));
        }
        let named = check(Version::HTTP_11, "localhost", &[("host", "localhost")]);
        assert!(matches!(named, Err(Wrong::Head(_))));
        let empty = check(Version::HTTP_11, "http://localhost", &[("host", "a")]).unwrap();
        assert_eq!(empty.uri.to_string(), "/");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let eleven = |headers: &[(&str, &str)]| check(Version::HTTP_11, "/", headers).err();
        assert!(matches!(eleven(&[]), Some(Wrong::Head(_))));
        let two = [("host", "a"), ("host", "a")];
        assert!(matches!(eleven(&two), Some(Wrong::Head(_))));
        assert!(matches!(eleven(&[("host", "a@b")]), Some(Wrong::Head(_))));
        assert_eq!(eleven(&[("host", "evil.com")]), Some(Wrong::Misdirected));
        for coding in ["gzip, chunked", "xchunked", "chunked, chunked", "identity"] {
            let headers = [("host", "a"), ("transfer-encoding", coding)];
            assert_eq!(eleven(&headers), Some(Wrong::Coding), "{coding}");
        }
        let headers = [("host", "a"), ("transfer-encoding", "Chunked")];
        assert_eq!(eleven(&headers), None);
        let differ = check(Version::HTTP_2, "http://localhost/", &[("host", "a")]);
        assert!(matches!(differ, Err(Wrong::Head(_))));
        assert!(check(Version::HTTP_10, "/", &[]).is_ok());
    }

    #[test]
    fn a_method_is_a_word() {
        let asked = |length: usize| {
            let mut head = head(Version::HTTP_11, "/", &[("host", "a")]);
            head.method = Method::from_bytes("A".repeat(length).as_bytes()).unwrap();
            examine(&mut head, &listening(&[]), peer(), false)
        };
        assert_eq!(asked(LONGEST_METHOD), Ok(()));
        assert!(matches!(asked(LONGEST_METHOD + 1), Err(Wrong::Head(_))));
    }

    #[test]
    fn cookies_of_http_2_become_one_header() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2")];
        let head = check(Version::HTTP_2, "http://localhost/", &crumbs).unwrap();
        let all: Vec<_> = head.headers.get_all(COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2"]);
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let headers = [
            ("host", "localhost"),
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.7"),
            ("x-forwarded-proto", "https"),
        ];
        let asked = |proxies: &[&str], headers: &[(&str, &str)]| {
            let mut head = head(Version::HTTP_11, "/", headers);
            examine(&mut head, &listening(proxies), peer(), false).unwrap();
            let client = head.extensions.get::<SocketAddr>().unwrap().ip();
            let scheme = head.extensions.get::<Scheme>().unwrap().to_string();
            (client.to_string(), scheme)
        };
        let said = |address: &str, scheme: &str| (address.to_owned(), scheme.to_owned());
        assert_eq!(asked(&[], &headers), said("10.0.0.9", "http"));
        assert_eq!(asked(&["10.1.0.0/16"], &headers), said("10.0.0.9", "http"));
        // 6.6.6.6 is what the client made up.
        assert_eq!(asked(&["10.0.0.0/8"], &headers), said("1.2.3.4", "https"));
        let garbled = [
            ("host", "a"),
            ("x-forwarded-for", "1.2.3.4, what, 10.0.0.7"),
        ];
        assert_eq!(asked(&["10.0.0.0/8"], &garbled), said("10.0.0.7", "http"));
        let foreign = [("host", "a"), ("x-forwarded-for", "\u{ff}, 1.2.3.4")];
        assert_eq!(asked(&["10.0.0.0/8"], &foreign), said("1.2.3.4", "http"));
        let ported = [("host", "a"), ("x-forwarded-for", "[2001:db8::1]:443")];
        assert_eq!(asked(&["10.0.0.0/8"], &ported), said("2001:db8::1", "http"));
    }
}
