//! The names under which we may be asked. A page of another site can have its own name
//! lead to this machine and then ask us as if we were that site, past all that browsers
//! do against it; what it cannot do is hide that name. So a name that is not ours is
//! not answered.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;

/// Whose names nobody gets who could turn them against us: those that mean this machine,
/// a machine of the same network, or AWS, whose clients and tests use AWS's names.
const SAFE: [&str; 5] = [
    "localhost",
    "on.aws",
    "amazonaws.com",
    "amazonaws.com.cn",
    "docker.internal",
];

/// The longest name that there is, with a port.
const LONGEST: usize = 255 + ":65535".len();

type Known = dyn Fn(&str) -> bool + Send + Sync;

/// Which hosts are ours.
#[derive(Clone, Default)]
pub struct Hosts {
    /// In lower case; `*` is any, `*.NAME` all below a name.
    given: Vec<String>,
    /// The machine's own name.
    machine: String,
    /// Names that came since the start, such as those of HTTP APIs.
    known: Option<Arc<Known>>,
    /// Whether all that is signed is checked by who answers it.
    signatures_count: bool,
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts")
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl Hosts {
    pub fn new(given: &[String], machine: &str) -> Self {
        Self {
            given: given.iter().map(|name| name.to_ascii_lowercase()).collect(),
            machine: machine.to_ascii_lowercase(),
            known: None,
            signatures_count: false,
        }
    }

    /// Besides, those of which this is true. It is asked in lower case.
    #[must_use]
    pub fn or(mut self, known: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.known = Some(Arc::new(known));
        self
    }

    /// Besides, all names where a request is signed: the signature covers the name, and
    /// pages of other sites cannot make one. Only for who refuses signatures that are bad.
    #[must_use]
    pub fn or_signed(mut self) -> Self {
        self.signatures_count = true;
        self
    }

    /// Whether a request comes with a signature that will be checked.
    pub fn admit_signed(&self, head: &Parts) -> bool {
        let signed = || {
            let header = head.headers.get(AUTHORIZATION);
            let query = head.uri.query().unwrap_or_default();
            header.is_some_and(|value| value.as_bytes().starts_with(b"AWS"))
                || query.split('&').any(|pair| {
                    pair.starts_with("X-Amz-Signature=") || pair.starts_with("AWSAccessKeyId=")
                })
        };
        self.signatures_count && signed()
    }

    /// Whether a request is for us, by the host that it names. One that names none comes
    /// from no browser.
    pub fn admit_request(&self, head: &Parts) -> bool {
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        let mut hosts = head.headers.get_all(HOST).iter();
        let named = hosts.next().map(|host| host.to_str().unwrap_or_default());
        if hosts.next().is_some() {
            return false;
        }
        let host = authority.or(named);
        host.is_none_or(|host| is_host(host) && self.admit(host))
    }

    /// Whether a host, which has the form of one, is ours. Its port does not matter.
    pub fn admit(&self, host: &str) -> bool {
        let name = without_port(host);
        if name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        if name == "localhost" {
            return true;
        }
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        // A name without a dot is one of this network, or of the containers of one machine.
        !name.contains('.')
            || SAFE.iter().any(|parent| is_below(name, parent))
            || self.is_machine(name)
            || self.given.iter().any(|given| matches(given, name))
            || self.known.as_ref().is_some_and(|known| known(name))
    }

    fn is_machine(&self, name: &str) -> bool {
        !self.machine.is_empty()
            && (name == self.machine || name.strip_suffix(".local") == Some(&self.machine))
    }
}

fn matches(given: &str, name: &str) -> bool {
    match given.strip_prefix("*.") {
        Some(parent) => is_below(name, parent) && name != parent,
        None => given == "*" || given == name,
    }
}

/// Is it this name, or one below it?
fn is_below(name: &str, parent: &str) -> bool {
    let rest = name.strip_suffix(parent);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Checks what `hosts` may say.
pub fn check_given(given: &str) -> Result<(), String> {
    let name = given.strip_prefix("*.").unwrap_or(given);
    if given == "*" || (is_host(name) && without_port(name) == name) {
        return Ok(());
    }
    Err(format!(
        "{given:?} is not a name, such as api.example.com or *.example.com"
    ))
}

pub(crate) fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

/// A name or an address, perhaps with a port.
pub(super) fn is_host(host: &str) -> bool {
    if host.len() > LONGEST {
        return false;
    }
    let name = without_port(host);
    let port = &host[name.len()..];
    let port_is_right = match port.strip_prefix(':') {
        Some(port) => port.is_empty() || port.parse::<u16>().is_ok() && !port.starts_with('+'),
        None => port.is_empty(),
    };
    if let Some(address) = name.strip_prefix('[') {
        let address = address.strip_suffix(']');
        return port_is_right && address.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    // The underscore is in names of buckets and of containers.
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    port_is_right && !name.is_empty() && name.bytes().all(is_fit)
}

/// The host that a head was sent to, once it was checked.
pub(crate) fn host_of(head: &Parts) -> &str {
    let host = head.headers.get(HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_form_of_one() {
        for host in [
            "a",
            "a.b:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "a_b.localhost:",
            "a.",
        ] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "", ":80", "a b", "a/b", "a@b", "a:b", "a:99999", "a:+1", "[::1", "[::1]x", "[x]",
            "::1", "a\u{e9}", "a,b", "a:80:80", "a%20",
        ] {
            assert!(!is_host(host), "{host}");
        }
        assert!(!is_host(&"a".repeat(300)));
    }

    #[test]
    fn names_of_ours_and_of_nobody_who_could_turn_them_are_admitted() {
        let given = [
            "api.example.com".to_owned(),
            "*.Apps.example.com".to_owned(),
        ];
        let hosts = Hosts::new(&given, "Workhorse").or(|name| name == "known.example.org");
        for host in [
            "127.0.0.1:8080",
            "10.1.2.3",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "x.execute-api.us-east-1.localhost:8080",
            "x.lambda-url.eu-west-1.on.aws",
            "b.s3-website-us-east-1.amazonaws.com",
            "squall:8080",
            "host.docker.internal",
            "workhorse.local",
            "API.example.com:443",
            "api.example.com.",
            "a.b.apps.example.com",
            "known.example.org:8080",
        ] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "evil.com",
            "x.lambda-url.us-east-1.evil.com",
            "localhost.evil.com",
            "notlocalhost.com",
            "xon.aws.com",
            "evilamazonaws.com",
            "127.0.0.1.nip.io",
            "example.com",
            "apps.example.com",
            "other.local",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
        assert!(Hosts::new(&["*".to_owned()], "").admit("evil.com"));
    }

    #[test]
    fn signed_requests_may_name_any_host_where_signatures_are_checked() {
        let head = |target: &str, authorization: &str| {
            let request = http::Request::get(target).header(AUTHORIZATION, authorization);
            request.body(()).unwrap().into_parts().0
        };
        let signed = [
            head("/", "AWS4-HMAC-SHA256 Credential=a"),
            head("/", "AWS a:b"),
            head("/b/k?x=1&X-Amz-Signature=f", ""),
            head("/b/k?AWSAccessKeyId=a&Signature=f", ""),
        ];
        let plain = [
            head("/", ""),
            head("/", "Bearer a"),
            head("/?x=X-Amz-Signature=", ""),
        ];
        let checked = Hosts::new(&[], "").or_signed();
        assert!(signed.iter().all(|head| checked.admit_signed(head)));
        assert!(!plain.iter().any(|head| checked.admit_signed(head)));
        let not_checked = Hosts::new(&[], "");
        assert!(!signed.iter().any(|head| not_checked.admit_signed(head)));
    }

    #[test]
    fn what_is_given_is_a_name() {
        for good in ["*", "a.example.com", "*.example.com", "10.0.0.1"] {
            assert_eq!(check_given(good), Ok(()));
        }
        for bad in ["", "https://a.b", "a.b:80", "*.", "a.*.b"] {
            assert!(check_given(bad).is_err(), "{bad}");
        }
    }
}
