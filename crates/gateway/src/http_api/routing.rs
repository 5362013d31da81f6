//! Which route a request is for, and which it is led on to.

use std::sync::Arc;

use engine::http_apis::{IntegrationTarget, Match, RouteTarget, Served};
use http::Method;

use super::fill;
use super::places::{Place, Stage};
use super::refusal::ApiRefusal;

/// From one route to the next, until it is taken for a loop.
pub(super) const MOST_HOPS: usize = 4;

/// A route and what was asked of it.
#[derive(Debug)]
pub(super) struct Routed {
    pub found: Match,
    pub place: Arc<Place>,
    /// As the route's target sees it: a route for GET answers HEAD as well.
    pub method: Method,
    /// Below the stage, coded.
    pub path: String,
}

/// Finds the route of a path. What is asked for here is what is asked at the door: the
/// path as it came.
pub(super) fn find(
    stage: &Stage,
    served: &Served,
    method: &Method,
    path: &str,
) -> Result<Routed, ApiRefusal> {
    let mut method = method.clone();
    let mut found = served.find(method.as_str(), path);
    if found.is_none() && method == Method::HEAD {
        method = Method::GET;
        found = served.find(method.as_str(), path);
    }
    let Some(found) = found else {
        let methods = served.methods_at(path);
        return Err(if methods.is_empty() {
            ApiRefusal::NotFound
        } else {
            ApiRefusal::Method {
                allow: allow(&methods),
            }
        });
    };
    let place = Arc::clone(stage.place(&found).ok_or(ApiRefusal::NoTarget)?);
    // These know HEAD, and what they would say of a body needs one.
    if method == Method::HEAD && matches!(place.target, "model" | "site") {
        method = Method::GET;
    }
    Ok(Routed {
        found,
        place,
        method,
        path: path.to_owned(),
    })
}

impl Routed {
    /// Where the route leads on to, if it does.
    pub fn onward(&self) -> Option<&RouteTarget> {
        let integration = self.place.endpoint.integration.as_ref()?;
        match &integration.target {
            IntegrationTarget::Route(target) => Some(target),
            _ => None,
        }
    }

    /// The path that this leads to.
    pub fn next(&self, target: &RouteTarget) -> Result<String, ApiRefusal> {
        let values = fill::variables(self.place.template(), &self.path);
        let path = fill::fill(&target.path, &values).ok_or(ApiRefusal::NoTarget)?;
        Ok(path)
    }
}

/// What a path takes, and what the gateway answers for it beside.
fn allow(methods: &[Method]) -> String {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    if !names.contains(&"OPTIONS") {
        names.push("OPTIONS");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_what_is_answered() {
        let of = |methods: &[Method]| allow(methods);
        assert_eq!(of(&[Method::GET, Method::POST]), "GET, POST, HEAD, OPTIONS");
        assert_eq!(of(&[Method::HEAD, Method::GET]), "HEAD, GET, OPTIONS");
        assert_eq!(of(&[Method::OPTIONS, Method::PUT]), "OPTIONS, PUT");
    }
}
