//! Where requests go: one address for all services, or those of AWS.

use http::Uri;

use crate::failure::Failure;

/// One address that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// From the data directory: where nobody answers, no engine runs.
    pub own: bool,
}

impl Endpoint {
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::mistake(format!("{url:?} is not a usable endpoint: {why}"));
        let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
        let host = uri.host().ok_or_else(|| bad("it has no host"))?.to_owned();
        let (tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(bad("it must begin with http:// or https://")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it must end with the host or the port"));
        }
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(usual),
            tls,
            own: false,
        })
    }

    /// Of a service of AWS itself.
    pub fn of_aws(service: &str, region: &str) -> Self {
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Self {
            host: format!("{service}.{region}.{suffix}"),
            port: 443,
            tls: true,
            own: false,
        }
    }

    /// As the `Host` header has it: the usual port is not said.
    pub fn authority(&self) -> String {
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// As one would type it.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The host as the resolver wants it: an IPv6 address without its brackets.
    pub fn bare_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[test]
    fn endpoints_are_read() {
        let endpoint = Endpoint::parse("http://[::1]:4566/").unwrap();
        assert_eq!(endpoint.authority(), "[::1]:4566");
        assert_eq!(endpoint.bare_host(), "::1");
        assert_eq!(Endpoint::parse("http://x").unwrap().port, 80);
        let safe = Endpoint::parse("https://lambda.us-east-1.amazonaws.com").unwrap();
        assert_eq!(safe, Endpoint::of_aws("lambda", "us-east-1"));
        assert_eq!(safe.authority(), "lambda.us-east-1.amazonaws.com");
        assert_eq!(safe.url(), "https://lambda.us-east-1.amazonaws.com");
        let china = Endpoint::of_aws("s3", "cn-north-1");
        assert_eq!(china.host, "s3.cn-north-1.amazonaws.com.cn");
        for bad in ["", "x", "ftp://x", "http://x/path", "http://x/?a"] {
            let failure = Endpoint::parse(bad).unwrap_err();
            assert_eq!(failure.kind, Kind::Mistake, "{bad}");
        }
    }
}
