//! How a request finds its route, by the rules of API Gateway: a path that fits as a
//! whole before one that fits by its greedy variable, the more literal one before the
//! other, a named method before `ANY`, and `$default` if nothing else fits.
//!
//! This is asked at each request. Paths without variables are found by one look into a
//! map, which copies nothing; the others stand in a tree of segments, in which no branch
//! is gone into twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::Method;

use super::model::{Integration, Route, Snapshot, Stage};
use super::route_key::{METHODS, PathTemplate, RouteKey, Segment};
use super::throttle::Throttle;
use super::who::{Authorization, Authorizer};

/// A route and what serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub route: Route,
    /// None: the route has no target, and whoever asks for it gets an error.
    pub integration: Option<Integration>,
    /// Whom the route's authorization names.
    pub authorizer: Option<Authorizer>,
    /// How often it may be called, as its stage says.
    pub throttle: Option<Throttle>,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    pub endpoint: Arc<Endpoint>,
    /// What stands for the variables of the path, decoded.
    pub variables: BTreeMap<String, String>,
}

/// The routes of a deployment.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Paths without variables, by their canonical texts.
    literals: HashMap<String, Ends>,
    root: Node,
    /// Whether the root leads to anything.
    has_variables: bool,
    default: Option<Arc<Endpoint>>,
    /// All of them, in the order in which they are tried.
    all: Vec<Arc<Endpoint>>,
}

/// What templates have in common from their beginnings on.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    variable: Option<Box<Node>>,
    /// Routes whose paths end here.
    here: Ends,
    /// Routes that take one segment more, or all that follow.
    greedy: Ends,
}

/// Routes of the same paths, with different methods; `ANY` is the last one.
#[derive(Debug, Default)]
struct Ends(Vec<Arc<Endpoint>>);

impl Ends {
    fn add(&mut self, endpoint: Arc<Endpoint>) {
        self.0.push(endpoint);
        self.0.sort_by_key(|endpoint| method_of(endpoint).is_none());
    }

    fn find(&self, method: &str) -> Option<&Arc<Endpoint>> {
        let mut all = self.0.iter();
        all.find(|endpoint| method_of(endpoint).is_none_or(|own| own == method))
    }
}

/// None: any.
fn method_of(endpoint: &Endpoint) -> Option<&Method> {
    match &endpoint.route.key {
        RouteKey::Default => None,
        RouteKey::Path { method, .. } => method.as_ref(),
    }
}

fn path_of(endpoint: &Endpoint) -> Option<&PathTemplate> {
    match &endpoint.route.key {
        RouteKey::Default => None,
        RouteKey::Path { path, .. } => Some(path),
    }
}

impl Table {
    pub fn new(snapshot: &Snapshot, stage: &Stage) -> Self {
        let mut table = Self::default();
        for route in snapshot.routes.values() {
            let integration = route.target.as_ref();
            let integration = integration.and_then(|id| snapshot.integrations.get(id));
            table.add(Endpoint {
                route: route.clone(),
                integration: integration.cloned(),
                authorizer: match &route.authorization {
                    Authorization::By { authorizer, .. } => {
                        snapshot.authorizers.get(authorizer).cloned()
                    }
                    Authorization::Open | Authorization::Iam => None,
                },
                throttle: Throttle::of(stage, &route.key),
            });
        }
        table.all.sort_by_cached_key(|endpoint| order(endpoint));
        table
    }

    fn add(&mut self, endpoint: Endpoint) {
        let endpoint = Arc::new(endpoint);
        self.all.push(Arc::clone(&endpoint));
        let Some(template) = path_of(&endpoint) else {
            self.default = Some(endpoint);
            return;
        };
        if !template.has_variables() {
            let path = canonical(trimmed(template.as_str())).into_owned();
            self.literals.entry(path).or_default().add(endpoint);
            return;
        }
        self.has_variables = true;
        let mut node = &mut self.root;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(text) => {
                    let text = decode(text).into_owned();
                    node.literals.entry(text).or_default()
                }
                Segment::Variable(_) => node.variable.get_or_insert_default(),
                Segment::Greedy(_) => {
                    // It is the last one.
                    node.greedy.add(Arc::clone(&endpoint));
                    return;
                }
            };
        }
        node.here.add(Arc::clone(&endpoint));
    }

    /// All there are, in the order in which they are tried.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.all.iter()
    }

    /// `path` is as it came, below the stage.
    pub fn find(&self, method: &str, path: &str) -> Option<Match> {
        let path = trimmed(path);
        let literal = self.literals.get(&*canonical(path));
        if let Some(endpoint) = literal.and_then(|ends| ends.find(method)) {
            return Some(Match::plain(endpoint));
        }
        let by_variables = || {
            let mut found = None;
            self.visit(path, &mut |ends| {
                found = ends.find(method);
                found.is_some()
            });
            found
        };
        let found = self.has_variables.then(by_variables).flatten();
        match found {
            Some(endpoint) => Some(Match {
                endpoint: Arc::clone(endpoint),
                variables: path_of(endpoint).map_or_else(BTreeMap::new, |template| {
                    variables(template.segments(), path)
                }),
            }),
            None => self.default.as_ref().map(Match::plain),
        }
    }

    /// The methods that a path has routes for, `$default` aside.
    pub fn methods(&self, path: &str) -> Vec<Method> {
        let path = trimmed(path);
        let mut methods = Vec::new();
        let mut any = false;
        let mut note = |ends: &Ends| {
            for endpoint in &ends.0 {
                match method_of(endpoint) {
                    Some(method) if !methods.contains(method) => methods.push(method.clone()),
                    Some(_) => {}
                    None => any = true,
                }
            }
            false
        };
        if let Some(ends) = self.literals.get(&*canonical(path)) {
            note(ends);
        }
        self.visit(path, &mut note);
        if any {
            return METHODS.to_vec();
        }
        methods.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        methods
    }

    /// Shows routes with variables whose paths fit, the better ones first, until one is
    /// taken.
    fn visit<'a>(&'a self, path: &str, take: &mut impl FnMut(&'a Ends) -> bool) {
        let _ = self.root.whole(Some(path), take) || self.root.greedy(Some(path), take);
    }
}

/// Which of some routes a request is for, as who only knows their keys asks. `path` is as
/// it came, below the stage.
pub fn choose(
    keys: impl IntoIterator<Item = RouteKey>,
    method: &str,
    path: &str,
) -> Option<RouteKey> {
    let mut table = Table::default();
    for key in keys {
        table.add(Endpoint {
            route: Route {
                id: "r".parse().expect("it is one of the forms"),
                key,
                target: None,
                operation_name: None,
                key_required: false,
                authorization: Authorization::Open,
                managed: false,
            },
            integration: None,
            authorizer: None,
            throttle: None,
        });
    }
    let found = table.find(method, path)?;
    Some(found.endpoint.route.key.clone())
}

fn order(endpoint: &Endpoint) -> (bool, Vec<u8>, bool) {
    let Some(template) = path_of(endpoint) else {
        return (true, vec![u8::MAX], true);
    };
    let ranks: Vec<u8> = template.segments().iter().map(Segment::rank).collect();
    let greedy = template.before_greedy().is_some();
    (greedy, ranks, method_of(endpoint).is_none())
}

impl Match {
    fn plain(endpoint: &Arc<Endpoint>) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            variables: BTreeMap::new(),
        }
    }
}

impl Node {
    /// Routes that fit as a whole. `rest` is what of the path is left; None: nothing.
    fn whole<'a>(&'a self, rest: Option<&str>, take: &mut impl FnMut(&'a Ends) -> bool) -> bool {
        let Some(rest) = rest else {
            return take(&self.here);
        };
        let (segment, rest) = cut(rest);
        self.below(segment).any(|node| node.whole(rest, take))
    }

    /// Routes that fit by a greedy variable, the more literal ones first.
    fn greedy<'a>(&'a self, rest: Option<&str>, take: &mut impl FnMut(&'a Ends) -> bool) -> bool {
        let Some((segment, rest)) = rest.map(cut) else {
            return false;
        };
        self.below(segment).any(|node| node.greedy(rest, take))
            || (!segment.is_empty() && take(&self.greedy))
    }

    /// Where a segment leads: by its text, then by a variable.
    fn below(&self, segment: &str) -> impl Iterator<Item = &Self> {
        let literal = self.literals.get(&*decode(segment));
        let variable = self.variable.as_deref().filter(|_| !segment.is_empty());
        literal.into_iter().chain(variable)
    }
}

fn trimmed(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// The first segment, and what follows it. First cut, then decoded: a slash that was sent
/// as %2F belongs to its segment.
fn cut(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    }
}

/// What all ways to write a path have in common: nothing is coded but what would else be
/// taken for a slash or a code.
fn canonical(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let segments = path.split('/').map(|segment| {
        let segment = decode(segment).replace('%', "%25");
        segment.replace('/', "%2F")
    });
    segments.collect::<Vec<_>>().join("/").into()
}

/// What the variables of a template that fits stand for.
fn variables(template: &[Segment], path: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = Some(path);
    for part in template {
        let left = rest.unwrap_or_default();
        let segment;
        (segment, rest) = cut(left);
        match part {
            Segment::Literal(_) => {}
            Segment::Variable(name) => {
                found.insert(name.clone(), decode(segment).into_owned());
            }
            Segment::Greedy(name) => {
                found.insert(name.clone(), decode(left).into_owned());
            }
        }
    }
    found
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::super::model::StagePatch;
    use super::*;

    /// What the search is by definition: all routes in their order, one by one.
    fn by_definition(table: &Table, method: &str, path: &str) -> Option<Match> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let segments: Vec<Cow<'_, str>> = path.split('/').map(decode).collect();
        let found = table.all.iter().find_map(|endpoint| {
            let template = path_of(endpoint)?;
            if method_of(endpoint).is_some_and(|own| own != method) {
                return None;
            }
            Some(Match {
                endpoint: Arc::clone(endpoint),
                variables: fit(template.segments(), &segments)?,
            })
        });
        found.or_else(|| table.default.as_ref().map(Match::plain))
    }

    fn fit(template: &[Segment], segments: &[Cow<'_, str>]) -> Option<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for (at, part) in template.iter().enumerate() {
            let segment = segments.get(at)?;
            match part {
                Segment::Literal(text) if decode(text) == *segment => {}
                Segment::Literal(_) => return None,
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

    /// Few words, so that routes and paths meet often.
    fn key() -> impl Strategy<Value = String> {
        let segment = prop_oneof![
            "[ab]",
            Just("%61".to_owned()),
            Just("a%2Fb".to_owned()),
            Just("a%252Fb".to_owned()),
            Just("{v}".to_owned())
        ];
        let last = prop_oneof![
            "",
            "[ab]",
            Just("a/".to_owned()),
            Just("{w}".to_owned()),
            Just("{w+}".to_owned())
        ];
        let path = (prop::collection::vec(segment, 0..3), last).prop_filter_map(
            "each variable once",
            |(mut segments, last)| {
                for (at, segment) in segments.iter_mut().enumerate() {
                    if segment == "{v}" {
                        *segment = format!("{{v{at}}}");
                    }
                }
                segments.push(last);
                Some(format!("/{}", segments.join("/")))
            },
        );
        let method = prop_oneof![Just("GET"), Just("POST"), Just("ANY")];
        prop_oneof![
            9 => (method, path).prop_map(|(method, path)| format!("{method} {path}")),
            1 => Just("$default".to_owned()),
        ]
    }

    #[test]
    fn keys_alone_are_enough_to_find_a_route() {
        let keys = [
            "ANY /results/{id}",
            "GET /results/last",
            "POST /only",
            "ANY /results/{all+}",
        ];
        let chosen = |path: &str| {
            let keys = keys.iter().map(|key| key.parse().unwrap());
            choose(keys, "GET", path).map(|key| key.to_string())
        };
        for (path, key) in [
            ("/results/7", Some("ANY /results/{id}")),
            ("/results/last", Some("GET /results/last")),
            ("/results/7/page", Some("ANY /results/{all+}")),
            ("/only", None),
            ("/", None),
        ] {
            assert_eq!(chosen(path).as_deref(), key, "{path}");
        }
    }

    proptest! {
        /// The fast search finds what is found by definition, and methods are told for
        /// just those paths that some method has a route for.
        #[test]
        fn the_tree_finds_what_the_list_does(
            keys in prop::collection::vec(key(), 0..12),
            paths in prop::collection::vec("(/?(a|b|%61|a%2Fb|a%252Fb|%2561|c|%|)){0,4}", 12),
        ) {
            let mut distinct: Vec<RouteKey> = Vec::new();
            for key in keys.iter().filter_map(|key| key.parse::<RouteKey>().ok()) {
                if !distinct.iter().any(|other| other.is_same(&key)) {
                    distinct.push(key);
                }
            }
            let keys: Vec<String> = distinct.iter().map(RouteKey::to_string).collect();
            let table = table(&keys.iter().map(String::as_str).collect::<Vec<_>>());
            for path in &paths {
                let mut methods = Vec::new();
                for method in ["GET", "POST", "PUT"] {
                    let expected = by_definition(&table, method, path);
                    prop_assert_eq!(&table.find(method, path), &expected, "{} {}", method, path);
                    let key = expected.map(|found| found.endpoint.route.key.clone());
                    if key.is_some_and(|key| key != RouteKey::Default) {
                        methods.push(method);
                    }
                }
                let told = table.methods(path);
                let told: Vec<&str> = told.iter().map(Method::as_str).collect();
                if methods.contains(&"PUT") {
                    prop_assert_eq!(told.len(), METHODS.len());
                } else {
                    prop_assert_eq!(told, methods);
                }
            }
        }

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
        let snapshot = Snapshot {
            routes: routes.collect(),
            ..Snapshot::default()
        };
        Table::new(&snapshot, &stage())
    }

    fn stage() -> Stage {
        let name = "s".parse().unwrap();
        Stage::new(name, BTreeMap::new(), StagePatch::default())
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
        let empty = Table::new(&Snapshot::default(), &stage());
        assert_eq!(found(&empty, "GET", "/"), None);
    }

    #[test]
    fn methods_are_told_of_a_path() {
        let keys = [
            "GET /a",
            "POST /a",
            "PUT /{x}",
            "DELETE /a/{x+}",
            "ANY /any",
            "$default",
        ];
        let table = table(&keys);
        for (path, expected) in [
            ("/a", "GET POST PUT"),
            ("/%61", "GET POST PUT"),
            ("/b", "PUT"),
            ("/a/b/c", "DELETE"),
            ("/any", "DELETE GET HEAD OPTIONS PATCH POST PUT"),
            ("/", ""),
            ("/b/c", ""),
        ] {
            let methods = table.methods(path);
            let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
            assert_eq!(methods.join(" "), expected, "{path}");
        }
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
        // A code of a code is no slash.
        let table = self::table(&["GET /a%2Fb", "GET /c%252Fd"]);
        let found = |path| self::found(&table, "GET", path);
        assert_eq!(found("/%61%2fb").as_deref(), Some("GET /a%2Fb"));
        assert_eq!(found("/%63%252Fd").as_deref(), Some("GET /c%252Fd"));
        for path in ["/a%252Fb", "/c%2Fd", "/a/b", "/c/d"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_text_is_a_value_like_any_other() {
        let table = table(&["GET /f/{rest+}"]);
        let found = |path| found(&table, "GET", path);
        assert!(found("/f/%ff").is_some());
        assert!(found("/f/%").is_some());
    }
}
