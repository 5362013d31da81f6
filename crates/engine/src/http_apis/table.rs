//! How a request finds its route, by the rules of API Gateway: a path that fits as a
//! whole before one that fits by its greedy variable, the more literal one before the
//! other, a named method before `ANY`, and `$default` if nothing else fits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Integration, Route, Snapshot};
use super::route_key::{RouteKey, Segment};
use super::who::{Authorization, Authorizer};

/// A route and what serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub route: Route,
    /// None: the route has no target, and whoever asks for it gets an error.
    pub integration: Option<Integration>,
    /// Whom the route's authorization names.
    pub authorizer: Option<Authorizer>,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    pub endpoint: Arc<Endpoint>,
    /// What stands for the variables of the path, decoded.
    pub variables: BTreeMap<String, String>,
}

/// The routes of a deployment in the order in which they are tried.
#[derive(Debug, Default)]
pub(super) struct Table {
    paths: Vec<Arc<Endpoint>>,
    default: Option<Arc<Endpoint>>,
}

impl Table {
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut table = Self::default();
        for route in snapshot.routes.values() {
            let integration = route.target.as_ref();
            let integration = integration.and_then(|id| snapshot.integrations.get(id));
            let endpoint = Arc::new(Endpoint {
                route: route.clone(),
                integration: integration.cloned(),
                authorizer: match &route.authorization {
                    Authorization::By { authorizer, .. } => {
                        snapshot.authorizers.get(authorizer).cloned()
                    }
                    Authorization::Open | Authorization::Iam => None,
                },
            });
            match &route.key {
                RouteKey::Default => table.default = Some(endpoint),
                RouteKey::Path { .. } => table.paths.push(endpoint),
            }
        }
        table.paths.sort_by_cached_key(|endpoint| order(endpoint));
        table
    }

    /// `path` is as it came, below the stage.
    pub fn find(&self, method: &str, path: &str) -> Option<Match> {
        let path = path.strip_prefix('/').unwrap_or(path);
        // First cut, then decoded: a slash that was sent as %2F belongs to its segment.
        let segments: Vec<Cow<'_, str>> = path.split('/').map(decode).collect();
        let found = self.paths.iter().find_map(|endpoint| {
            let RouteKey::Path { method: own, path } = &endpoint.route.key else {
                return None;
            };
            if own.as_ref().is_some_and(|own| own != method) {
                return None;
            }
            let variables = variables(path.segments(), &segments)?;
            Some(Match {
                endpoint: Arc::clone(endpoint),
                variables,
            })
        });
        found.or_else(|| {
            self.default.as_ref().map(|endpoint| Match {
                endpoint: Arc::clone(endpoint),
                variables: BTreeMap::new(),
            })
        })
    }
}

fn order(endpoint: &Endpoint) -> (bool, Vec<u8>, bool) {
    match &endpoint.route.key {
        RouteKey::Default => (true, Vec::new(), true),
        RouteKey::Path { method, path } => {
            let ranks: Vec<u8> = path.segments().iter().map(Segment::rank).collect();
            let greedy = matches!(path.segments().last(), Some(Segment::Greedy(_)));
            (greedy, ranks, method.is_none())
        }
    }
}

/// What the variables stand for, if the template fits.
fn variables(template: &[Segment], segments: &[Cow<'_, str>]) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (at, part) in template.iter().enumerate() {
        let segment = segments.get(at)?;
        match part {
            Segment::Literal(text) => {
                if decode(text) != *segment {
                    return None;
                }
            }
            Segment::Variable(_) | Segment::Greedy(_) if segment.is_empty() => return None,
            Segment::Variable(name) => {
                found.insert(name.clone(), segment.clone().into_owned());
            }
            Segment::Greedy(name) => {
                found.insert(name.clone(), segments[at..].join("/"));
                return Some(found);
            }
        }
    }
    (template.len() == segments.len()).then_some(found)
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever stands for a variable comes out of the path as it was put in, and
        /// no more specific route is passed over for it.
        #[test]
        fn variables_are_what_was_put_in_their_places(
            id in "\\PC{1,8}|[a-z/%?#.+ ]{1,8}",
            rest in prop::collection::vec("[a-z% ]{1,4}", 1..4),
        ) {
            let table = table(&["GET /x/{id}/{rest+}", "GET /x/{id}", "$default"]);
            let code = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let short = format!("/x/{}", code(&id));
            prop_assert_eq!(found(&table, "GET", &short), Some(format!("GET /x/{{id}} id={id}")));
            let coded: Vec<String> = rest.iter().map(|part| code(part)).collect();
            let long = format!("{short}/{}", coded.join("/"));
            let expected = format!("GET /x/{{id}}/{{rest+}} id={id} rest={}", rest.join("/"));
            prop_assert_eq!(found(&table, "GET", &long), Some(expected));
        }

        #[test]
        fn no_path_breaks_the_search(path in "[/a%2F.{}\\x00-\\xff]{0,30}") {
            let table = table(&["GET /{a}/{rest+}", "GET /a", "GET /"]);
            let _ = found(&table, "GET", &path);
        }
    }

    fn table(keys: &[&str]) -> Table {
        let routes = keys.iter().enumerate().map(|(at, key)| {
            let id: super::super::PartId = format!("r{at}").parse().unwrap();
            let route = Route {
                id: id.clone(),
                key: key.parse().unwrap(),
                target: None,
                operation_name: None,
                key_required: false,
                authorization: Authorization::Open,
                managed: false,
            };
            (id, route)
        });
        Table::new(&Snapshot {
            routes: routes.collect(),
            ..Snapshot::default()
        })
    }

    fn found(table: &Table, method: &str, path: &str) -> Option<String> {
        let found = table.find(method, path)?;
        let mut words = vec![found.endpoint.route.key.to_string()];
        let variables = found.variables.into_iter();
        words.extend(variables.map(|(name, value)| format!("{name}={value}")));
        Some(words.join(" "))
    }

    #[test]
    fn the_most_specific_route_is_found_whatever_the_order() {
        let mut keys = vec![
            "$default",
            "ANY /{proxy+}",
            "GET /pets/{rest+}",
            "GET /pets/dog/{id}",
            "GET /pets/dog/1",
            "ANY /pets/dog/1",
            "POST /pets/{kind}/1",
            "GET /",
        ];
        for _ in 0..keys.len() {
            keys.rotate_left(1);
            let table = table(&keys);
            for (method, path, expected) in [
                ("GET", "/pets/dog/1", "GET /pets/dog/1"),
                ("PUT", "/pets/dog/1", "ANY /pets/dog/1"),
                // A literal path with any method says more than a variable.
                ("POST", "/pets/dog/1", "ANY /pets/dog/1"),
                ("POST", "/pets/cat/1", "POST /pets/{kind}/1 kind=cat"),
                ("GET", "/pets/dog/2", "GET /pets/dog/{id} id=2"),
                ("GET", "/pets/cat/1", "GET /pets/{rest+} rest=cat/1"),
                ("POST", "/test/5", "ANY /{proxy+} proxy=test/5"),
                ("GET", "/", "GET /"),
                ("POST", "/", "$default"),
                ("GET", "/pets/", "ANY /{proxy+} proxy=pets/"),
            ] {
                let found = found(&table, method, path);
                assert_eq!(found.as_deref(), Some(expected), "{method} {path}");
            }
        }
    }

    #[test]
    fn nothing_fits_where_nothing_is() {
        let table = table(&["GET /a", "POST /b/{id}", "GET /c/{rest+}"]);
        for (method, path) in [
            ("POST", "/a"),
            ("GET", "/a/"),
            ("GET", "/A"),
            ("GET", "/a/b"),
            ("POST", "/b/"),
            ("POST", "/b"),
            ("GET", "/c"),
            ("GET", "/c/"),
            ("GET", "/"),
            ("GET", "//a"),
        ] {
            assert_eq!(found(&table, method, path), None, "{method} {path}");
        }
        let empty = Table::new(&Snapshot::default());
        assert_eq!(found(&empty, "GET", "/"), None);
    }

    #[test]
    fn segments_are_decoded_after_they_were_cut() {
        let table = table(&["GET /a%20b/{id}", "GET /f/{rest+}"]);
        let found = |path| found(&table, "GET", path);
        assert_eq!(
            found("/a%20b/x%2Fy%3F").as_deref(),
            Some("GET /a%20b/{id} id=x/y?")
        );
        assert_eq!(
            found("/f/x%20y/%C3%A4").as_deref(),
            Some("GET /f/{rest+} rest=x y/ä")
        );
        // What is no UTF-8 is a value like any other, and no panic.
        assert!(found("/f/%ff").is_some());
        assert!(found("/f/%").is_some());
    }
}
