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
mod tests;
