//! Who may see the description of an API: everybody, nobody, or who brings what its owner
//! asks for. AWS has no member for it, so it is a tag of the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use super::error::HttpApiError;
use super::model::{Route, Snapshot};
use super::route_key::RouteKey;
use super::table::Endpoint;
use super::who::{Authorization, Authorizer};

/// The tag of an API that says it.
const TAG: &str = "squall:docs";
const OFF: &str = "off";
const ON: &str = "on";
const KEY: &str = "key";
const AUTH: &str = "auth=";
const IAM: &str = "iam";

/// Who may see the description of an API.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Docs {
    Nobody,
    #[default]
    Everybody,
    /// Whom a route would let in that asks for the same. It is asked at the same door, so
    /// it looks like one.
    Asked(Arc<Endpoint>),
}

/// What a tag says, before it is known who is meant.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Nobody,
    Everybody,
    Asked { key: bool, auth: Option<&'a str> },
}

impl Docs {
    /// By which keys, policies and authorizers know the document.
    pub const PATH: &str = "/_squall/openapi.json";

    /// A tag that means nothing lets nobody in; none lets everybody in.
    pub(super) fn of(tags: &BTreeMap<String, String>, snapshot: &Snapshot) -> Self {
        match Said::read(tags) {
            None | Some(Said::Nobody) => Self::Nobody,
            Some(Said::Everybody) => Self::Everybody,
            Some(Said::Asked { key, auth }) => {
                let (authorization, authorizer) = match auth {
                    None => (Authorization::Open, None),
                    Some(IAM) => (Authorization::Iam, None),
                    Some(name) => by(name, snapshot),
                };
                Self::Asked(Arc::new(endpoint(key, authorization, authorizer)))
            }
        }
    }

    pub fn is_off(&self) -> bool {
        *self == Self::Nobody
    }
}

/// What is said in `tags`, as it stands there.
pub(super) fn tag(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(TAG).map(String::as_str)
}

/// It decides who may see something, so a word that is not known is an error.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), HttpApiError> {
    if Said::read(tags).is_some() {
        return Ok(());
    }
    let said: String = tag(tags).unwrap_or_default().chars().take(100).collect();
    Err(HttpApiError::invalid(format!(
        "Invalid tag {TAG} {said}: it is {ON}, {OFF}, {KEY}, {AUTH}{IAM}, {AUTH} and the name of an authorizer, or \
         {KEY} and one of these"
    )))
}

impl<'a> Said<'a> {
    /// None if it means nothing. The name of an authorizer may have blanks in it.
    fn read(tags: &'a BTreeMap<String, String>) -> Option<Self> {
        let text = match tag(tags) {
            None | Some(ON) => return Some(Self::Everybody),
            Some(text) if text.eq_ignore_ascii_case(OFF) => return Some(Self::Nobody),
            Some(text) => text,
        };
        let asked = |key, auth| Some(Self::Asked { key, auth });
        let name = |text: &'a str| text.strip_prefix(AUTH).filter(|name| !name.is_empty());
        if text == KEY {
            return asked(true, None);
        }
        match text.strip_prefix(KEY) {
            Some(rest) => asked(true, Some(name(rest.strip_prefix(' ')?)?)),
            None => asked(false, Some(name(text)?)),
        }
    }
}

/// One that is not there, or of which there are two, lets nobody in.
fn by(name: &str, snapshot: &Snapshot) -> (Authorization, Option<Authorizer>) {
    let mut named = snapshot.authorizers.values().filter(|it| it.name == name);
    let found = named.next().filter(|_| named.next().is_none()).cloned();
    let id = found.as_ref().map(|it| it.id.clone());
    let nobody = || "none".parse().expect("letters are an id");
    let authorization = Authorization::By {
        authorizer: id.unwrap_or_else(nobody),
        scopes: Vec::new(),
    };
    (authorization, found)
}

fn endpoint(
    key_required: bool,
    authorization: Authorization,
    authorizer: Option<Authorizer>,
) -> Endpoint {
    Endpoint {
        route: Route {
            id: "docs".parse().expect("letters are an id"),
            key: RouteKey::Path {
                method: Some(Method::GET),
                path: Docs::PATH.parse().expect("it is a path without variables"),
            },
            target: None,
            operation_name: None,
            key_required,
            authorization,
            managed: true,
        },
        integration: None,
        authorizer,
        throttle: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> BTreeMap<String, String> {
        [(TAG.to_owned(), text.to_owned())].into()
    }

    #[test]
    fn a_tag_says_who_may_see() {
        let asked = |key, auth| Said::Asked { key, auth };
        for (text, said) in [
            ("on", Said::Everybody),
            ("off", Said::Nobody),
            ("OFF", Said::Nobody),
            ("key", asked(true, None)),
            ("auth=iam", asked(false, Some("iam"))),
            ("auth=our login", asked(false, Some("our login"))),
            ("key auth=login", asked(true, Some("login"))),
        ] {
            let tags = tags(text);
            assert_eq!(Said::read(&tags), Some(said), "{text}");
            assert!(check(&tags).is_ok());
        }
        assert_eq!(Said::read(&BTreeMap::new()), Some(Said::Everybody));
    }

    /// Somebody meant to close something.
    #[test]
    fn a_tag_that_means_nothing_is_refused_and_lets_nobody_in() {
        for text in [
            "",
            "yes",
            "Key",
            "key ",
            "keys",
            "auth",
            "auth=",
            "key login",
            "key auth=",
        ] {
            let tags = tags(text);
            assert!(check(&tags).is_err(), "{text}");
            assert_eq!(
                Docs::of(&tags, &Snapshot::default()),
                Docs::Nobody,
                "{text}"
            );
        }
    }

    #[test]
    fn an_authorizer_that_is_not_there_lets_nobody_in() {
        let Docs::Asked(endpoint) = Docs::of(&tags("auth=gone"), &Snapshot::default()) else {
            panic!("somebody is asked");
        };
        assert!(endpoint.authorizer.is_none() && !endpoint.route.authorization.is_open());
    }
}
