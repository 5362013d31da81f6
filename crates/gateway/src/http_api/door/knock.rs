//! A request at the door, and what can be read off it: by what names policies know it, and
//! what stands at the places that an authorizer looks at.

use std::borrow::Cow;
use std::net::IpAddr;

use aws_wire::form;
use engine::http_apis::{Match, RouteKey, Served};
use http::Method;
use http::header::USER_AGENT;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use types::{RequestId, Scope};

use crate::event;
use crate::gateway::source;
use crate::target::Target;

/// A request whose route is known.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Knock<'a> {
    pub parts: &'a Parts,
    pub target: &'a Target,
    pub served: &'a Served,
    /// No other state of a stage has it: what is kept of one is not used for another.
    pub state: u64,
    pub found: &'a Match,
    /// As the route has it: one for GET takes HEAD as well.
    pub method: &'a Method,
    /// The path below the stage, as it came.
    pub below: &'a str,
    pub request_id: RequestId,
    /// Its key was counted at the door of a route that led here: it has to be good here
    /// too, and it is one call.
    pub is_counted: bool,
}

impl Knock<'_> {
    pub fn source(&self) -> IpAddr {
        source(self.parts)
    }

    /// `API/STAGE`
    pub fn stage(&self) -> String {
        format!("{}/{}", self.target.id, self.served.stage)
    }

    /// The path of the route, as it was made.
    pub fn template(&self) -> &str {
        match &self.found.endpoint.route.key {
            RouteKey::Default => "$default",
            RouteKey::Path { path, .. } => path.as_str(),
        }
    }

    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`, by which policies know
    /// what is asked for.
    pub fn arn(&self, scope: &Scope) -> String {
        format!(
            "{}/{}/{}{}",
            self.api_arn(scope),
            self.served.stage,
            self.method,
            one_spelling(self.below)
        )
    }

    pub fn api_arn(&self, scope: &Scope) -> String {
        let (region, account, id) = (&scope.region, &scope.account, &self.target.id);
        format!("arn:aws:execute-api:{region}:{account}:{id}")
    }

    /// What stands at a place such as `$request.header.Authorization`. What is empty is
    /// not there.
    pub fn at(&self, place: &str, scope: &Scope) -> Option<String> {
        let (kind, name) = match place.strip_prefix("$request.") {
            Some(rest) => rest.split_once('.')?,
            None => place.strip_prefix('$')?.split_once('.')?,
        };
        let found = match kind {
            "header" => self.header(name),
            "querystring" => self.query(name),
            "stageVariables" => self.served.variables.get(name).cloned(),
            "context" => self.context(name, scope),
            _ => None,
        };
        found.filter(|text| !text.is_empty())
    }

    fn header(&self, name: &str) -> Option<String> {
        let values = self.parts.headers.get_all(name).iter();
        let values: Vec<_> = values.map(event::text).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn query(&self, name: &str) -> Option<String> {
        let pairs = form::pairs(self.parts.uri.query().unwrap_or_default());
        let values: Vec<_> = pairs
            .into_iter()
            .filter_map(|(own, value)| (own == name).then_some(value))
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn context(&self, name: &str, scope: &Scope) -> Option<String> {
        Some(match name {
            "accountId" => scope.account.to_string(),
            "apiId" | "domainPrefix" => self.target.id.clone(),
            "domainName" => self.target.domain.clone(),
            "httpMethod" => self.parts.method.to_string(),
            "identity.sourceIp" => self.source().to_string(),
            "identity.userAgent" => event::text(self.parts.headers.get(USER_AGENT)?),
            "path" => self.target.path.clone(),
            "protocol" => event::protocol(self.parts.version).to_owned(),
            "requestId" => self.request_id.to_string(),
            "routeKey" => self.found.endpoint.route.key.to_string(),
            "stage" => self.served.stage.to_string(),
            _ => return None,
        })
    }
}

/// A path as routes are found by it, decoded; but a slash that belongs to its segment stays
/// coded. So what a policy says of `/admin/*` holds for `/%61dmin/x` as well.
fn one_spelling(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        if decoded.contains('/') {
            Cow::Owned(decoded.replace('/', "%2F"))
        } else {
            decoded
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling_for_policies() {
        for (path, spelled) in [
            ("/", "/"),
            ("/admin/x", "/admin/x"),
            ("/%61dmin/%78", "/admin/x"),
            ("/a%2Fb/c%2fd", "/a%2Fb/c%2Fd"),
            ("/a%252Fb", "/a%2Fb"),
            ("/a%20b/*", "/a b/*"),
            ("/%ff", "/\u{fffd}"),
        ] {
            assert_eq!(one_spelling(path), spelled, "{path}");
        }
    }
}
