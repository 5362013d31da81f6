//! Routes that lead to another address.

use aws_wire::{Body, body};
use engine::http_apis::RedirectTarget;
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};

use super::fill;
use super::refusal::ApiRefusal;

/// Where a request came to, as the client sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came<'a> {
    /// What stands before the paths of the API's routes.
    pub base: &'a str,
    pub template: &'a str,
    /// The path below the stage, as it came.
    pub below: &'a str,
    pub query: Option<&'a str>,
}

pub(super) fn answer(
    target: &RedirectTarget,
    came: &Came<'_>,
) -> Result<Response<Body>, ApiRefusal> {
    let location = location(&target.location, came).ok_or(ApiRefusal::NoTarget)?;
    let location = HeaderValue::from_str(&location).map_err(|_| ApiRefusal::NoTarget)?;
    let status = StatusCode::from_u16(target.status).ok();
    let status = status.filter(StatusCode::is_redirection);
    let mut response = Response::new(body::empty());
    *response.status_mut() = status.unwrap_or(StatusCode::PERMANENT_REDIRECT);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// A path of the API itself becomes one under the address that the client took. The
/// client's query follows the one that is there.
fn location(to: &str, came: &Came<'_>) -> Option<String> {
    let values = fill::variables(came.template, came.below);
    let mut location = fill::fill(to, &values)?;
    if location.starts_with('/') && !location.starts_with("//") {
        location.insert_str(0, came.base);
    }
    let Some(query) = came.query.filter(|query| !query.is_empty()) else {
        return Some(location);
    };
    let (before, mark) = match location.split_once('#') {
        Some((before, mark)) => (before.to_owned(), Some(mark.to_owned())),
        None => (location, None),
    };
    let between = match before.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let mark = mark.map(|mark| format!("#{mark}")).unwrap_or_default();
    Some(format!("{before}{between}{query}{mark}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(location_of: &str, template: &str, below: &str, query: Option<&str>) -> String {
        let came = Came {
            base: "/execute-api/shop",
            template,
            below,
            query,
        };
        location(location_of, &came).unwrap()
    }

    #[test]
    fn the_query_comes_with_it() {
        let at = |text| to(text, "/a", "/a", Some("x=1&y=%0A"));
        assert_eq!(at("https://b.example/c"), "https://b.example/c?x=1&y=%0A");
        assert_eq!(at("https://b.example/?"), "https://b.example/?x=1&y=%0A");
        assert_eq!(at("/b?z=2#m"), "/execute-api/shop/b?z=2&x=1&y=%0A#m");
        assert_eq!(to("/b", "/a", "/a", Some("")), "/execute-api/shop/b");
    }

    #[test]
    fn a_client_does_not_choose_the_host() {
        let at = |below| to("/{rest}", "/{rest+}", below, None);
        assert_eq!(at("/%2Fevil.example"), "/execute-api/shop/%2Fevil.example");
        assert_eq!(at("/%5C%5Cevil"), "/execute-api/shop/%5C%5Cevil");
        let at = |below| to("{rest}", "/{rest+}", below, None);
        assert_eq!(at("/https:%2F%2Fevil"), "https%3A%2F%2Fevil");
        let at = |below| to("https://{host}.example/", "/{host}", below, None);
        assert_eq!(at("/evil%2F@"), "https://evil%2F%40.example/");
    }
}
