//! Where requests go: one address for all services, or those of AWS.

use http::Uri;

use crate::error::ClientError;

/// One address that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub origin: Origin,
}

/// By whom an address was named: what helps where nobody answers depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// By the data directory: where nobody answers, no engine runs.
    Engine,
    /// By the user.
    User,
    /// By us, from service and region.
    Aws,
}

impl Endpoint {
    /// Reads an address that the user named.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let bad =
            |why: &str| ClientError::config(format!("{url:?} is not a usable endpoint: {why}"));
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
            origin: Origin::User,
        })
    }

    /// Of a service of AWS itself.
    pub fn of_aws(service: &str, region: &str) -> Self {
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let host = match service {
            // One for all regions of a partition.
            "iam" if region.starts_with("cn-") => format!("iam.cn-north-1.{suffix}"),
            "iam" if region.starts_with("us-gov-") => format!("iam.us-gov.{suffix}"),
            "iam" => format!("iam.{suffix}"),
            "sso" => format!("portal.sso.{region}.{suffix}"),
            _ => format!("{service}.{region}.{suffix}"),
        };
        Self {
            host,
            port: 443,
            tls: true,
            origin: Origin::Aws,
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

/// The region in whose name requests to a service are signed: services that are one for
/// all regions have one of their own.
pub(crate) fn signing_region<'a>(service: &str, region: &'a str) -> &'a str {
    match service {
        "iam" if region.starts_with("cn-") => "cn-north-1",
        "iam" if region.starts_with("us-gov-") => "us-gov-west-1",
        "iam" => "us-east-1",
        _ => region,
    }
}

/// As the variables `AWS_ENDPOINT_URL_...` call a service, which are made of another
/// name than the one that is signed.
pub(crate) fn variable_name(service: &str) -> String {
    match service {
        "apigateway" => "APIGATEWAYV2".to_owned(),
        "logs" => "CLOUDWATCH_LOGS".to_owned(),
        "events" => "EVENTBRIDGE".to_owned(),
        "oidc" => "SSO_OIDC".to_owned(),
        "monitoring" => "CLOUDWATCH".to_owned(),
        other => other.to_ascii_uppercase().replace('-', "_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read() {
        let endpoint = Endpoint::parse("http://[::1]:4566/").unwrap();
        assert_eq!(endpoint.authority(), "[::1]:4566");
        assert_eq!(endpoint.bare_host(), "::1");
        assert_eq!(Endpoint::parse("http://x").unwrap().port, 80);
        let safe = Endpoint::parse("https://lambda.us-east-1.amazonaws.com").unwrap();
        let origin = Origin::Aws;
        assert_eq!(
            Endpoint { origin, ..safe },
            Endpoint::of_aws("lambda", "us-east-1")
        );
        for bad in ["", "x", "ftp://x", "http://x/path", "http://x/?a"] {
            let error = Endpoint::parse(bad).unwrap_err();
            assert!(matches!(error, ClientError::Config { .. }), "{bad}");
        }
    }

    #[test]
    fn services_of_aws_have_their_hosts_and_regions() {
        let url = |service, region| Endpoint::of_aws(service, region).url();
        assert_eq!(
            url("lambda", "us-east-1"),
            "https://lambda.us-east-1.amazonaws.com"
        );
        assert_eq!(
            url("s3", "cn-north-1"),
            "https://s3.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(url("iam", "eu-west-1"), "https://iam.amazonaws.com");
        assert_eq!(
            url("sts", "eu-west-1"),
            "https://sts.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            url("sso", "eu-west-1"),
            "https://portal.sso.eu-west-1.amazonaws.com"
        );
        assert_eq!(signing_region("iam", "eu-west-1"), "us-east-1");
        assert_eq!(signing_region("iam", "us-gov-east-1"), "us-gov-west-1");
        assert_eq!(signing_region("sts", "eu-west-1"), "eu-west-1");
        assert_eq!(variable_name("logs"), "CLOUDWATCH_LOGS");
        assert_eq!(variable_name("scheduler"), "SCHEDULER");
    }
}
