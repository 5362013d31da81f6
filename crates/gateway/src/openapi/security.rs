//! Who may call, in OpenAPI's words: each way to say who one is becomes a scheme, and each
//! operation says which of them it wants together.

use std::sync::Arc;

use engine::http_apis::{
    Authorization, Authorizer, AuthorizerKind, Endpoint, FunctionAuthorizer, JwtAuthorizer,
};
use serde_json::{Map, Value, json};
use types::Region;

const KEY: &str = "ApiKey";
const SIGNATURE: &str = "Signature";
/// Routes in a chain multiply the ways through their doors.
const MOST_WAYS: usize = 32;

/// The schemes of a document, as far as operations name them.
#[derive(Debug, Default)]
pub(super) struct Schemes {
    all: Map<String, Value>,
}

/// What a request must bring at the same time, with the scopes of it.
type Together = Vec<(String, Vec<String>)>;

impl Schemes {
    /// What a route wants, together with what those want to which it leads on; of several
    /// any one will do, and none is wanted if there is none.
    pub fn wanted_by_all(
        &mut self,
        endpoint: &Endpoint,
        doors: &[Arc<Endpoint>],
        region: &Region,
    ) -> Vec<Value> {
        let mut ways = self.wanted(endpoint, region);
        for door in doors {
            let others = self.wanted(door, region);
            let both = |way: &Together| {
                let joined = others.iter().map(|other| {
                    let more = other.iter().filter(|one| !way.contains(one));
                    way.iter().chain(more).cloned().collect()
                });
                joined.collect::<Vec<_>>()
            };
            ways = ways.iter().flat_map(both).take(MOST_WAYS).collect();
        }
        ways.retain(|way| !way.is_empty());
        let shown = ways.into_iter().map(|way| {
            let way = way.into_iter().map(|(name, scopes)| (name, scopes.into()));
            Value::Object(way.collect())
        });
        shown.collect()
    }

    fn wanted(&mut self, endpoint: &Endpoint, region: &Region) -> Vec<Together> {
        let mut ways: Vec<Together> = match &endpoint.route.authorization {
            Authorization::Open => vec![vec![]],
            Authorization::Iam => {
                self.all
                    .entry(SIGNATURE)
                    .or_insert_with(|| signature(region));
                vec![vec![(SIGNATURE.to_owned(), vec![])]]
            }
            Authorization::By { scopes, .. } => match &endpoint.authorizer {
                Some(authorizer) => self.of(authorizer, scopes),
                None => vec![vec![]],
            },
        };
        if endpoint.route.key_required {
            self.all.entry(KEY).or_insert_with(key);
            for way in &mut ways {
                way.push((KEY.to_owned(), vec![]));
            }
        }
        ways
    }

    fn of(&mut self, authorizer: &Authorizer, scopes: &[String]) -> Vec<Together> {
        match &authorizer.kind {
            AuthorizerKind::Jwt(jwt) => {
                let name = self.put(&authorizer.name, token(jwt));
                if scopes.is_empty() {
                    return vec![vec![(name, vec![])]];
                }
                // One of the scopes is enough, and OpenAPI wants all that stand in a list.
                let ways = scopes.iter();
                ways.map(|scope| vec![(name.clone(), vec![scope.clone()])])
                    .collect()
            }
            AuthorizerKind::Function(function) => vec![self.asked(&authorizer.name, function)],
        }
    }

    /// All that must be there before a function is asked.
    fn asked(&mut self, name: &str, function: &FunctionAuthorizer) -> Together {
        let places: Vec<_> = function.sources.iter().filter_map(|it| place(it)).collect();
        let several = places.len() > 1;
        let schemes = places.into_iter().map(|(place, what)| {
            let name = if several {
                format!("{name}-{what}")
            } else {
                name.to_owned()
            };
            let scheme = json!({
                "type": "apiKey",
                "in": place,
                "name": what,
                "description": "A function decides by it who is let in.",
                "x-amazon-apigateway-authtype": "custom",
            });
            (self.put(&name, scheme), vec![])
        });
        schemes.collect()
    }

    /// The name under which it stands: names of components are of few letters.
    fn put(&mut self, name: &str, scheme: Value) -> String {
        let plain = |letter: char| {
            let plain = letter.is_ascii_alphanumeric() || "._-".contains(letter);
            if plain { letter } else { '_' }
        };
        let name: String = name.chars().map(plain).collect();
        let mut own = if name.is_empty() {
            "Authorizer".to_owned()
        } else {
            name.clone()
        };
        let mut count = 1;
        while self.all.get(&own).is_some_and(|there| *there != scheme) {
            count += 1;
            own = format!("{name}_{count}");
        }
        self.all.insert(own.clone(), scheme);
        own
    }

    pub fn finish(self) -> Map<String, Value> {
        self.all
    }
}

/// `$request.header.X` and `$request.querystring.x`: the others come by themselves.
fn place(source: &str) -> Option<(&'static str, &str)> {
    let source = source.strip_prefix("$request.")?;
    let (place, name) = source.split_once('.')?;
    match place {
        "header" => Some(("header", name)),
        "querystring" => Some(("query", name)),
        _ => None,
    }
}

fn key() -> Value {
    json!({
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A key that the owner of the API gives.",
    })
}

fn signature(region: &Region) -> Value {
    json!({
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A signature as AWS's clients make it (SigV4), for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
        "x-squall-region": region.as_str(),
    })
}

fn token(jwt: &JwtAuthorizer) -> Value {
    let audience = jwt.audience.join(", ");
    let description = format!("A token of {} for {audience}.", jwt.issuer);
    match place(&jwt.source) {
        Some((place, name)) if !name.eq_ignore_ascii_case("authorization") => json!({
            "type": "apiKey",
            "in": place,
            "name": name,
            "description": description,
            "x-squall-token": "JWT",
        }),
        _ => match &jwt.keys {
            None => {
                let issuer = jwt.issuer.trim_end_matches('/');
                json!({
                    "type": "openIdConnect",
                    "openIdConnectUrl": format!("{issuer}/.well-known/openid-configuration"),
                    "description": description,
                })
            }
            Some(_) => json!({
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": description,
            }),
        },
    }
}
