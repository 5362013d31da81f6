//! What targets of Squall's own say in texts: addresses and paths in which variables of a
//! route's path may stand.

use super::error::HttpApiError;
use super::model::{IntegrationTarget, RedirectTarget, RouteTarget, SiteTarget};
use super::route_key::RouteKey;

const LONGEST: usize = 2048;
const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

impl IntegrationTarget {
    /// Refuses a route whose path has not the variables that its target names.
    pub(super) fn check_variables(&self, key: &RouteKey) -> Result<(), HttpApiError> {
        let text = match self {
            Self::Redirect(redirect) => &redirect.location,
            Self::Route(route) => &route.path,
            Self::Function(_) | Self::Map(_) | Self::Model(_) | Self::Site(_) => return Ok(()),
        };
        let named = variables(text).map_err(HttpApiError::Invalid)?;
        let has = |name: &str| match key {
            RouteKey::Default => false,
            RouteKey::Path { path, .. } => path.variables().any(|own| own == name),
        };
        match named.into_iter().find(|name| !has(name)) {
            None => Ok(()),
            Some(name) => Err(HttpApiError::invalid(format!(
                "{text} names the variable {{{name}}}, which the path of the route {key} has not"
            ))),
        }
    }
}

impl RedirectTarget {
    pub const STATUS: u16 = 308;

    /// Refuses what is no address that a browser could be sent to, and one whose host
    /// callers could choose.
    pub fn check(&self) -> Result<(), String> {
        let form = "location is a path that begins with one /, or an address that begins with https:// or http://";
        check_text("location", &self.location)?;
        if !STATUSES.contains(&self.status) {
            return Err("status is 301, 302, 303, 307 or 308".to_owned());
        }
        let location = self.location.as_str();
        let address = ["https://", "http://"];
        let Some(rest) = address
            .iter()
            .find_map(|scheme| location.strip_prefix(scheme))
        else {
            let mut letters = location.chars();
            let local = letters.next() == Some('/') && !matches!(letters.next(), Some('/' | '\\'));
            return if local { Ok(()) } else { Err(form.to_owned()) };
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(
                "location has a host of its own, without variables and names of users".to_owned(),
            );
        }
        Ok(())
    }
}

impl RouteTarget {
    pub fn check(&self) -> Result<(), String> {
        check_text("path", &self.path)?;
        let path = self.path.as_str();
        if !path.starts_with('/') || path.starts_with("//") || path.contains(['?', '#']) {
            return Err("path begins with one / and has neither ? nor #".to_owned());
        }
        Ok(())
    }
}

impl SiteTarget {
    pub const INDEX: &str = "index.html";

    pub fn check(&self) -> Result<(), String> {
        let Self {
            prefix,
            index,
            error,
            ..
        } = self;
        let long = |text: &str| text.len() > LONGEST || text.chars().any(char::is_control);
        if long(prefix) || prefix.starts_with('/') || !(prefix.is_empty() || prefix.ends_with('/'))
        {
            return Err("prefix is a folder such as web/, without a / before it".to_owned());
        }
        if long(index) || index.is_empty() || index.contains('/') {
            return Err("index is the name of a page, such as index.html".to_owned());
        }
        if error
            .as_ref()
            .is_some_and(|page| long(page) || page.starts_with('/'))
        {
            return Err("error is a page below the prefix, such as 404.html".to_owned());
        }
        Ok(())
    }
}

fn check_text(name: &str, text: &str) -> Result<(), String> {
    if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{name} has at most {LONGEST} characters, without spaces and letters beyond ASCII"
        ));
    }
    variables(text).map(drop)
}

/// The names of the variables in a text.
fn variables(text: &str) -> Result<Vec<&str>, String> {
    let bad = || format!("{text} has a brace that is no part of a variable, such as {{id}}");
    let mut names = Vec::new();
    let mut parts = text.split('{');
    if parts.next().is_some_and(|before| before.contains('}')) {
        return Err(bad());
    }
    for part in parts {
        let (name, after) = part.split_once('}').ok_or_else(bad)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) || after.contains('}') {
            return Err(bad());
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(location: &str) -> RedirectTarget {
        RedirectTarget {
            location: location.to_owned(),
            status: RedirectTarget::STATUS,
        }
    }

    #[test]
    fn a_redirect_leads_to_a_place_that_its_maker_chose() {
        for location in [
            "/",
            "/new/{id}?a=1#{id}",
            "https://example.com",
            "http://localhost:8080/{proxy}",
            "https://[::1]/x",
        ] {
            assert_eq!(redirect(location).check(), Ok(()), "{location}");
        }
        for location in [
            "",
            "new",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "HTTPS:/x",
            "https://",
            "https:///x",
            "https://{host}/",
            "https://example.com{host}/",
            "https://user@example.com/",
            "/a b",
            "/a\r\nSet-Cookie: a=b",
            "/\u{e4}",
            "/{a",
            "/a}",
            "/{}",
            "/{a{b}}",
            "/{a+}",
        ] {
            assert!(redirect(location).check().is_err(), "{location}");
        }
        let odd = RedirectTarget {
            status: 304,
            ..redirect("/")
        };
        assert!(odd.check().is_err());
    }

    #[test]
    fn routes_and_sites_have_their_forms() {
        let route = |path: &str| {
            let path = path.to_owned();
            RouteTarget { path }.check()
        };
        assert_eq!(route("/v2/{id}/x"), Ok(()));
        for path in ["", "v2", "//v2", "/a?b", "/a#b", "/{"] {
            assert!(route(path).is_err(), "{path}");
        }
        let site = |prefix: &str, index: &str, error: Option<&str>| {
            let site = SiteTarget {
                bucket: "web".parse().unwrap(),
                prefix: prefix.to_owned(),
                index: index.to_owned(),
                error: error.map(str::to_owned),
            };
            site.check()
        };
        assert_eq!(site("", "index.html", None), Ok(()));
        assert_eq!(site("a/b/", "i", Some("e/404.html")), Ok(()));
        for (prefix, index, error) in [
            ("a", "i", None),
            ("/", "i", None),
            ("/a/", "i", None),
            ("", "", None),
            ("", "a/b", None),
            ("", "i", Some("/e")),
            ("\n/", "i", None),
        ] {
            assert!(
                site(prefix, index, error).is_err(),
                "{prefix:?} {index:?} {error:?}"
            );
        }
    }
}
