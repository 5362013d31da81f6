//! Routes of a project: what one leads to, who may call it, and how its requests are
//! handled.

use std::collections::BTreeMap;

use super::{ObjectRef, Objects, Project};

#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its place among those of the file; a list of models makes several routes of one.
    pub place: usize,
    /// As HTTP APIs have it: `/`, `/items/{id}`, `/{proxy+}`; `$default` is all that no
    /// other route takes.
    pub path: String,
    /// None is all of them.
    pub methods: Vec<String>,
    pub target: RouteTarget,
    pub who: Who,
    /// Pages of other origins that may call it.
    pub cors: Option<Cors>,
    pub handling: Handling,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RouteTarget {
    Function(String),
    /// A table that comes is mapped over a function, with these options for requests
    /// that name none.
    Map {
        function: String,
        options: BTreeMap<String, String>,
    },
    /// What a model that lies in a bucket predicts for the rows that come.
    Model {
        model: ObjectRef,
        options: BTreeMap<String, String>,
    },
    /// Another address, in which variables of the path may stand.
    Redirect {
        location: String,
        status: u16,
    },
    /// Objects of a bucket, as pages.
    Site {
        objects: Objects,
        /// The page of a folder.
        index: String,
        /// The page for what is not there.
        error: Option<String>,
    },
    /// Another route of the project, by a path that it takes.
    Route {
        path: String,
    },
}

/// Who may call a route. Without anything said, everybody may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Whether calls must bring an API key.
    pub key: bool,
    pub auth: Auth,
    /// Whether signed links let in whoever has them.
    pub share: bool,
    /// Addresses and ranges of them, `10.0.0.0/8`; none is all.
    pub allow: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    #[default]
    Open,
    /// A signature of AWS's kind, of somebody whose policy allows it.
    Iam,
    /// One of the project's [`Authorizer`]s. Of tokens: with one of these scopes.
    By { name: String, scopes: Vec<String> },
}

impl Who {
    pub fn is_open(&self) -> bool {
        !self.key && self.auth == Auth::Open && self.allow.is_empty()
    }
}

/// `[auth.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorizer {
    /// Takes tokens that an issuer signed.
    Jwt {
        issuer: String,
        audience: Vec<String>,
        /// None: where the issuer itself says.
        jwks: Option<JwksSource>,
        /// Where the token stands.
        token: String,
    },
    /// Asks a function of the project.
    Function {
        function: String,
        /// What must be there, and by what its answers are kept.
        identity: Vec<String>,
        ttl_s: u32,
        /// Whether it answers `{"isAuthorized": true}` instead of a policy.
        simple: bool,
    },
}

/// Where the public keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    Address(String),
    /// The keys themselves, as they were in a file: nothing but public ones.
    Keys(String),
}

/// What pages of other origins may do, in the words of CORS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    pub headers: Vec<String>,
    pub expose: Vec<String>,
    pub credentials: bool,
    pub max_age_s: u32,
}

/// What is not said is as the gateway has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handling {
    /// How long the gateway waits for an answer.
    pub timeout_s: Option<u32>,
    /// The largest body that is taken.
    pub body_bytes: Option<u64>,
    /// Requests that are worked on at one time.
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
    /// For how long answers to GET and HEAD are given again.
    pub cache_s: Option<u32>,
    pub compress: Option<bool>,
    /// Whether a function's answer goes out while it is made.
    pub stream: bool,
    /// What the route is for, in one line.
    pub summary: Option<String>,
}

/// Requests in a second, and how many more may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// What holds for all routes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Host names under which the routes answer, besides their own address.
    pub hosts: Vec<String>,
    /// Who may see the OpenAPI document of the routes; None: it is not served.
    pub docs: Option<Who>,
    /// Of the hosts, on AWS: the ARN of a certificate.
    pub certificate: Option<String>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            docs: Some(Who::default()),
            certificate: None,
        }
    }
}

impl Project {
    /// The routes that a path leads to: those with the template that fits best, which
    /// differ in their methods. Variables in `path` stand for any text, so they fit
    /// variables alone.
    pub fn routes_at(&self, path: &str) -> Vec<&Route> {
        let fitting = self.routes.iter().filter_map(|route| {
            let rank = fit(&route.path, path)?;
            Some((rank, route))
        });
        let fitting: Vec<_> = fitting.collect();
        let best = fitting.iter().map(|(rank, _)| rank).min().cloned();
        let best = fitting
            .into_iter()
            .filter(|(rank, _)| Some(rank) == best.as_ref());
        best.map(|(_, route)| route).collect()
    }
}

/// How well a template takes a path, part by part: text before a variable before a
/// greedy one; less is better.
fn fit(template: &str, path: &str) -> Option<Vec<u8>> {
    if template == "$default" {
        return Some(vec![u8::MAX]);
    }
    let mut wanted = template.split('/').skip(1);
    let mut said = path.split('/').skip(1);
    let mut ranks = Vec::new();
    loop {
        let (part, given) = match (wanted.next(), said.next()) {
            (None, None) => return Some(ranks),
            (Some(part), Some(given)) => (part, given),
            _ => return None,
        };
        let is_free = part.starts_with('{');
        if part.ends_with("+}") {
            ranks.push(2);
            return (!given.is_empty()).then_some(ranks);
        } else if is_free && !given.is_empty() && !given.ends_with("+}") {
            ranks.push(1);
        } else if !is_free && part == given {
            ranks.push(0);
        } else {
            return None;
        }
    }
}

/// The names of the variables of a path, or of an address with such.
pub fn variables(text: &str) -> Vec<&str> {
    let parts = text.split('{').skip(1);
    let names = parts.filter_map(|part| part.split_once('}'));
    names.map(|(name, _)| name.trim_end_matches('+')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_before_variables() {
        assert_eq!(fit("/a", "/a"), Some(vec![0]));
        assert_eq!(fit("/{x}", "/a"), Some(vec![1]));
        assert_eq!(fit("/a/{rest+}", "/a/b/c"), Some(vec![0, 2]));
        assert_eq!(fit("/a", "/{x}"), None);
        assert_eq!(fit("/{x}", "/{y+}"), None);
        assert_eq!(fit("/{x+}", "/{y+}"), Some(vec![2]));
        assert_eq!(fit("/a", "/a/b"), None);
        assert_eq!(fit("/", "/"), Some(vec![0]));
        assert_eq!(fit("/{x}", "/"), None);
        assert!(fit("$default", "/") > fit("/{x+}", "/a"));
        assert_eq!(variables("/a/{id}/{rest+}"), ["id", "rest"]);
    }
}
