//! Route keys: `GET /pets/{id}`, `ANY /{proxy+}`, `$default`.

use std::fmt;
use std::str::FromStr;

use http::Method;
use serde::{Deserialize, Serialize};

/// The longest path of a key.
const LONGEST: usize = 512;
/// Those of routes, sorted.
pub(super) const METHODS: [Method; 7] = [
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];
const ANY: &str = "ANY";

/// What a route is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RouteKey {
    /// Everything that no other route is for.
    Default,
    /// `method` is None for any.
    Path {
        method: Option<Method>,
        path: PathTemplate,
    },
}

/// A path with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
}

/// What stands between two slashes of a template. The order is from what says most to
/// what says least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// `{name}`: one segment, whatever it is.
    Variable(String),
    /// `{name+}`: all that is left, one segment or more.
    Greedy(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The provided route key is not formatted properly for HTTP protocol: {0}")]
pub struct BadRouteKey(&'static str);

impl FromStr for RouteKey {
    type Err = BadRouteKey;

    fn from_str(text: &str) -> Result<Self, BadRouteKey> {
        if text == "$default" {
            return Ok(Self::Default);
        }
        let (method, path) = text
            .split_once(' ')
            .ok_or(BadRouteKey("use METHOD /path, or $default"))?;
        let known = METHODS.into_iter().find(|known| *known == method);
        if known.is_none() && method != ANY {
            return Err(BadRouteKey(
                "the method is ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST or PUT",
            ));
        }
        Ok(Self::Path {
            method: known,
            path: path.parse()?,
        })
    }
}

impl RouteKey {
    /// Whether both are for the same requests: the names of variables do not matter.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Default, Self::Default) => true,
            (Self::Path { method, path }, Self::Path { method: m, path: p }) => {
                method == m && path.is_same(p)
            }
            _ => false,
        }
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("$default"),
            Self::Path { method, path } => {
                let method = method.as_ref().map_or(ANY, Method::as_str);
                write!(f, "{method} {}", path.as_str())
            }
        }
    }
}

impl TryFrom<String> for RouteKey {
    type Error = BadRouteKey;

    fn try_from(text: String) -> Result<Self, BadRouteKey> {
        text.parse()
    }
}

impl From<RouteKey> for String {
    fn from(key: RouteKey) -> String {
        key.to_string()
    }
}

impl PathTemplate {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many segments stand before the greedy variable, if there is one.
    pub fn before_greedy(&self) -> Option<usize> {
        let (last, before) = self.segments.split_last()?;
        matches!(last, Segment::Greedy(_)).then_some(before.len())
    }

    pub(super) fn has_variables(&self) -> bool {
        self.segments.iter().any(|segment| segment.rank() > 0)
    }

    /// The names of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn is_same(&self, other: &Self) -> bool {
        let pairs = self.segments.iter().zip(&other.segments);
        self.segments.len() == other.segments.len()
            && pairs.into_iter().all(|pair| match pair {
                (Segment::Literal(a), Segment::Literal(b)) => a == b,
                (a, b) => a.rank() == b.rank(),
            })
    }
}

impl FromStr for PathTemplate {
    type Err = BadRouteKey;

    fn from_str(text: &str) -> Result<Self, BadRouteKey> {
        let inner = text
            .strip_prefix('/')
            .ok_or(BadRouteKey("the path begins with /"))?;
        if text.len() > LONGEST {
            return Err(BadRouteKey("the path has at most 512 characters"));
        }
        let segments = inner.split('/').map(str::parse);
        let segments: Vec<Segment> = segments.collect::<Result<_, _>>()?;
        let (last, before) = segments.split_last().expect("splitting gives one at least");
        for segment in before {
            match segment {
                Segment::Greedy(_) => {
                    return Err(BadRouteKey("a variable with + stands at the end"));
                }
                Segment::Literal(text) if text.is_empty() => {
                    return Err(BadRouteKey("no segment but the last is empty"));
                }
                Segment::Literal(_) | Segment::Variable(_) => {}
            }
        }
        if let Some(name) = last.name()
            && before.iter().any(|segment| segment.name() == Some(name))
        {
            return Err(BadRouteKey("each variable has a name of its own"));
        }
        let mut names: Vec<&str> = before.iter().filter_map(Segment::name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(BadRouteKey("each variable has a name of its own"));
        }
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }
}

impl Segment {
    /// The less it says, the higher.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Variable(_) => 1,
            Self::Greedy(_) => 2,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Variable(name) | Self::Greedy(name) => Some(name),
        }
    }
}

impl FromStr for Segment {
    type Err = BadRouteKey;

    fn from_str(text: &str) -> Result<Self, BadRouteKey> {
        let Some(inner) = text.strip_prefix('{') else {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=%".contains(&byte);
            return if text.bytes().all(plain) && !matches!(text, "." | "..") {
                Ok(Self::Literal(text.to_owned()))
            } else {
                Err(BadRouteKey(
                    "a segment is plain text or one {variable}, and neither . nor ..",
                ))
            };
        };
        let inner = inner.strip_suffix('}').ok_or(BadRouteKey(
            "a variable is a whole segment, {name} or {name+}",
        ))?;
        let (name, greedy) = match inner.strip_suffix('+') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(BadRouteKey(
                "the name of a variable has letters, digits and -._:",
            ));
        }
        let name = name.to_owned();
        Ok(if greedy {
            Self::Greedy(name)
        } else {
            Self::Variable(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_for_a_key_is_written_as_it_was_read(
            text in "(GET|ANY|get|PUT )? ?[/{}+a.$%ä]{0,20}",
        ) {
            if let Ok(key) = text.parse::<RouteKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn keys_are_read_and_written_the_same() {
        for text in [
            "$default",
            "GET /",
            "ANY /",
            "POST /pets",
            "GET /pets/{id}",
            "ANY /{proxy+}",
            "PUT /a/{b}/c/{d+}",
            "GET /a/",
            "GET /a%20b",
        ] {
            assert_eq!(text.parse::<RouteKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "$defaults",
            "GET",
            "get /",
            "FETCH /",
            "GET pets",
            "GET  /",
            "GET //",
            "GET /a//b",
            "GET /../a",
            "GET /{a",
            "GET /a}",
            "GET /x{a}",
            "GET /{}",
            "GET /{+}",
            "GET /{a b}",
            "GET /{a+}/b",
            "GET /{a}/{a}",
            "GET /{a}/{a}/b",
            "GET /a?b",
            "GET /ä",
        ] {
            assert!(text.parse::<RouteKey>().is_err(), "{text}");
        }
        let long = format!("GET /{}", "a".repeat(LONGEST));
        assert!(long.parse::<RouteKey>().is_err());
    }

    #[test]
    fn names_of_variables_make_no_difference() {
        let same = |a: &str, b: &str| {
            let (a, b): (RouteKey, RouteKey) = (a.parse().unwrap(), b.parse().unwrap());
            a.is_same(&b)
        };
        assert!(same("GET /{a}", "GET /{b}"));
        assert!(same("GET /x/{a+}", "GET /x/{b+}"));
        assert!(same("$default", "$default"));
        assert!(!same("GET /{a}", "POST /{a}"));
        assert!(!same("GET /{a}", "GET /{a+}"));
        assert!(!same("GET /a", "GET /b"));
        assert!(!same("GET /a", "GET /a/{b}"));
        assert!(!same("$default", "ANY /"));
    }
}
