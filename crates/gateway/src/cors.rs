//! Cross-origin rules of a function URL: preflight requests are answered here,
//! without the function, and answers get the headers that browsers ask for.

use engine::catalog::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A browser asking beforehand.
pub(crate) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers of the answer to a preflight request; none if the origin is not
/// welcome, which the browser takes for a no.
pub(crate) fn preflight(cors: &Cors, parts: &Parts) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !allow_origin(cors, parts, &mut headers) {
        return headers;
    }
    let asked = |name: HeaderName| parts.headers.get(name).cloned();
    let methods = cors.allow_methods.as_deref().unwrap_or_default();
    // A star means nothing to browsers that send credentials; what they asked for does.
    let value = if methods.iter().any(|method| method == "*") {
        asked(ACCESS_CONTROL_REQUEST_METHOD)
    } else {
        joined(methods)
    };
    set(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, value);
    let names = cors.allow_headers.as_deref().unwrap_or_default();
    let value = if names.iter().any(|name| name == "*") {
        asked(ACCESS_CONTROL_REQUEST_HEADERS)
    } else {
        joined(names)
    };
    set(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, value);
    if let Some(seconds) = cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    headers
}

/// Puts the URL's rules in the place of whatever the function said itself: two
/// answers to one question would be refused by browsers.
pub(crate) fn decorate(cors: &Cors, parts: &Parts, headers: &mut HeaderMap) {
    if !allow_origin(cors, parts, headers) {
        return;
    }
    let exposed = cors.expose_headers.as_deref().unwrap_or_default();
    let may_send_credentials = headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    let value = if may_send_credentials && exposed.iter().any(|name| name == "*") {
        // A star means nothing to browsers that send credentials; names do.
        let names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        joined(&names)
    } else {
        joined(exposed)
    };
    set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, value);
}

/// Takes away what a function said of its own.
pub(crate) fn clear(headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(name);
    }
}

/// A page of another site asks, and nothing here welcomes it. Browsers send plain POSTs
/// without asking beforehand, so keeping the answer from the page is not enough.
pub(crate) fn is_stranger(cors: Option<&Cors>, parts: &Parts) -> bool {
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return false;
    };
    let origin = origin.to_str().unwrap_or_default();
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, host)| host);
    if own.is_some() && own == host {
        return false;
    }
    let allowed = cors.and_then(|cors| cors.allow_origins.as_deref());
    let allowed = allowed.unwrap_or_default();
    !allowed.iter().any(|pattern| fits(pattern, origin))
}

/// Whether the page may, and as who. Caches between are told that others may get another
/// answer, also where this one gets none.
fn allow_origin(cors: &Cors, parts: &Parts, headers: &mut HeaderMap) -> bool {
    let allowed = cors.allow_origins.as_deref().unwrap_or_default();
    let credentials = cors.allow_credentials == Some(true);
    let everyone = allowed.iter().any(|pattern| pattern == "*");
    if credentials || !everyone {
        vary(headers);
    }
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return false;
    };
    let text = origin.to_str().unwrap_or_default();
    let mut named = allowed.iter().filter(|pattern| *pattern != "*");
    let is_named = named.any(|pattern| fits(pattern, text));
    if credentials && is_named {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let yes = HeaderValue::from_static("true");
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    } else if everyone {
        // To be open to all is not to be open to all in the name of who looks at them.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else if is_named {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    } else {
        return false;
    }
    true
}

fn vary(headers: &mut HeaderMap) {
    let said = headers.get_all(VARY).iter();
    let mut names = said
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    if !names.any(|name| name.trim().eq_ignore_ascii_case("origin")) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// `*`, `https://*`, `https://*.example.com`, or the origin itself.
fn fits(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some((start, end)) => {
            origin.len() >= start.len() + end.len()
                && origin.starts_with(start)
                && origin.ends_with(end)
        }
    }
}

fn joined(values: &[String]) -> Option<HeaderValue> {
    let text = values.join(",");
    HeaderValue::from_str(&text)
        .ok()
        .filter(|value| !value.is_empty())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| {
                let name = name.as_str().trim_start_matches("access-control-");
                format!("{name}: {}", value.to_str().unwrap())
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_preflight_is_answered_from_the_rules() {
        let cors = Cors {
            allow_origins: Some(list(&["https://a.example", "http://localhost:5173"])),
            allow_methods: Some(list(&["GET", "POST"])),
            allow_headers: Some(list(&["content-type", "x-api-key"])),
            allow_credentials: Some(true),
            expose_headers: Some(list(&["x-one"])),
            max_age: Some(60),
        };
        let asked = [
            ("origin", "https://a.example"),
            ("access-control-request-method", "POST"),
        ];
        let preflight_parts = parts("OPTIONS", &asked);
        assert!(is_preflight(&preflight_parts));
        assert_eq!(
            shown(&preflight(&cors, &preflight_parts)),
            [
                "allow-credentials: true",
                "allow-headers: content-type,x-api-key",
                "allow-methods: GET,POST",
                "allow-origin: https://a.example",
                "max-age: 60",
                "vary: Origin",
            ]
        );
        let evil = [("origin", "https://evil.example"), asked[1]];
        let evil = preflight(&cors, &parts("OPTIONS", &evil));
        assert_eq!(shown(&evil), ["vary: Origin"]);
        assert!(!is_preflight(&parts("OPTIONS", &asked[..1])));
        assert!(!is_preflight(&parts("POST", &asked)));
    }

    #[test]
    fn a_star_lets_everyone_in() {
        let cors = Cors {
            allow_origins: Some(list(&["*"])),
            allow_methods: Some(list(&["*"])),
            allow_headers: Some(list(&["*"])),
            ..Cors::default()
        };
        let asked = [
            ("origin", "http://x"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "a,b"),
        ];
        assert_eq!(
            shown(&preflight(&cors, &parts("OPTIONS", &asked))),
            [
                "allow-headers: a,b",
                "allow-methods: PUT",
                "allow-origin: *"
            ]
        );
    }

    #[test]
    fn answers_carry_one_origin_only() {
        let cors = Cors {
            allow_origins: Some(list(&["https://*.a.example"])),
            expose_headers: Some(list(&["x-one", "x-two"])),
            ..Cors::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let request = parts("GET", &[("origin", "https://b.a.example")]);
        decorate(&cors, &request, &mut headers);
        assert_eq!(
            shown(&headers),
            [
                "allow-origin: https://b.a.example",
                "expose-headers: x-one,x-two",
                "vary: Origin"
            ]
        );
        let mut headers = HeaderMap::new();
        decorate(
            &cors,
            &parts("GET", &[("origin", "https://a.example")]),
            &mut headers,
        );
        decorate(&cors, &parts("GET", &[]), &mut headers);
        assert_eq!(shown(&headers), ["vary: Origin"], "once");
    }

    #[test]
    fn what_everybody_may_is_done_in_nobodys_name() {
        let cors = Cors {
            allow_origins: Some(list(&["*", "https://a.example"])),
            allow_credentials: Some(true),
            ..Cors::default()
        };
        let answer = |origin: &str| {
            let mut headers = HeaderMap::new();
            let request = parts("GET", &[("origin", origin)]);
            decorate(&cors, &request, &mut headers);
            shown(&headers)
        };
        assert_eq!(
            answer("https://a.example"),
            [
                "allow-credentials: true",
                "allow-origin: https://a.example",
                "vary: Origin"
            ]
        );
        for origin in [
            "https://b.example",
            "null",
            "https://a.example.evil.example",
        ] {
            assert_eq!(
                answer(origin),
                ["allow-origin: *", "vary: Origin"],
                "{origin}"
            );
        }
    }

    #[test]
    fn a_star_for_headers_exposes_those_that_are_there() {
        let cors = Cors {
            allow_origins: Some(list(&["*", "http://x"])),
            expose_headers: Some(list(&["*"])),
            allow_credentials: Some(true),
            ..Cors::default()
        };
        let mut headers = HeaderMap::new();
        decorate(
            &cors,
            &parts("GET", &[("origin", "http://y")]),
            &mut headers,
        );
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "*");
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_static("1"));
        headers.append(VARY, HeaderValue::from_static("Accept, origin"));
        decorate(
            &cors,
            &parts("GET", &[("origin", "http://x")]),
            &mut headers,
        );
        let exposed = headers[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.split(',').any(|name| name == "x-one"), "{exposed}");
        assert_eq!(headers.get_all(VARY).iter().count(), 1);
    }
}
