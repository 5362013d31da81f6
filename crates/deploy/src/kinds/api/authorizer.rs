//! Who looks at what callers of an API bring: takers of tokens, and functions that are
//! asked. Each is changed in place, so that no route is without it meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::ClientError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use project::model::{Authorizer, JwksSource};
use serde_json::{Value, json};

use super::Api;
use super::work::call;
use crate::calls::{gone, text};
use crate::error::StepError;
use crate::site::{Cloud, Made, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "authorizer";
/// What keys that travel themselves begin with, in the place of their address.
const KEYS: &str = "data:application/json;base64,";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Jwt {
        issuer: String,
        audience: BTreeSet<String>,
        token: Vec<String>,
        /// Where the keys are; none is where the issuer says.
        keys: Option<String>,
    },
    Function {
        /// As API Gateway has it.
        uri: String,
        identity: BTreeSet<String>,
        ttl_s: u32,
        is_simple: bool,
    },
}

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: String,
    pub kind: Kind,
}

/// Names with a dot are no names of the project's own: one that changes its kind is
/// another one.
pub fn cloud_name(name: &str, authorizer: &Authorizer) -> String {
    match authorizer {
        Authorizer::Jwt { .. } => name.to_owned(),
        Authorizer::Function { .. } => format!("{name}.function"),
    }
}

/// By their names in the cloud.
pub fn wanted(site: &Site) -> BTreeMap<String, Kind> {
    let all = site.project.auth.iter();
    all.map(|(name, authorizer)| (cloud_name(name, authorizer), kind(site, authorizer)))
        .collect()
}

fn kind(site: &Site, authorizer: &Authorizer) -> Kind {
    match authorizer {
        Authorizer::Jwt {
            issuer,
            audience,
            jwks,
            token,
        } => Kind::Jwt {
            issuer: issuer.clone(),
            audience: audience.iter().cloned().collect(),
            token: vec![token.clone()],
            keys: jwks.as_ref().map(|jwks| match jwks {
                JwksSource::Address(address) => address.clone(),
                JwksSource::Keys(keys) => format!("{KEYS}{}", STANDARD.encode(keys)),
            }),
        },
        Authorizer::Function {
            function,
            identity,
            ttl_s,
            simple,
        } => {
            let names = site.names();
            let (partition, region) = (names.partition(), &names.region);
            let arn = names.alias_arn(function);
            Kind::Function {
                uri: format!(
                    "arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations"
                ),
                identity: identity.iter().cloned().collect(),
                ttl_s: *ttl_s,
                is_simple: *simple,
            }
        }
    }
}

impl Kind {
    fn read(authorizer: &Value) -> Self {
        let texts = |value: &Value| -> Vec<String> {
            let texts = value.as_array().into_iter().flatten();
            texts.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
        };
        if authorizer["authorizerType"] == "JWT" {
            let jwt = &authorizer["jwtConfiguration"];
            return Self::Jwt {
                issuer: text(&jwt["issuer"]).unwrap_or_default(),
                audience: texts(&jwt["audience"]).into_iter().collect(),
                token: texts(&authorizer["identitySource"]),
                keys: text(&authorizer["authorizerUri"]),
            };
        }
        let ttl_s = authorizer["authorizerResultTtlInSeconds"].as_u64();
        Self::Function {
            uri: text(&authorizer["authorizerUri"]).unwrap_or_default(),
            identity: texts(&authorizer["identitySource"]).into_iter().collect(),
            ttl_s: ttl_s.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
            is_simple: authorizer["enableSimpleResponses"] == true,
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::Jwt {
                issuer,
                audience,
                token,
                keys,
            } => {
                let mut body = json!({
                    "authorizerType": "JWT",
                    "identitySource": token,
                    "jwtConfiguration": { "issuer": issuer, "audience": audience },
                });
                // AWS has no place for it: where none is wanted, nothing is said of it.
                if let Some(keys) = keys {
                    body["authorizerUri"] = keys.as_str().into();
                }
                body
            }
            Self::Function {
                uri,
                identity,
                ttl_s,
                is_simple,
            } => json!({
                "authorizerType": "REQUEST",
                "authorizerUri": uri,
                "authorizerPayloadFormatVersion": "2.0",
                "identitySource": identity,
                "authorizerResultTtlInSeconds": ttl_s,
                "enableSimpleResponses": is_simple,
            }),
        }
    }

    fn introduction(&self) -> Vec<String> {
        match self {
            Self::Jwt { issuer, keys, .. } => {
                let mut words = vec![format!("tokens of {issuer}")];
                words.extend(keys.as_ref().map(|keys| told_keys(keys)));
                words
            }
            Self::Function { uri, ttl_s, .. } => {
                vec![
                    format!("asks {}", function_in(uri)),
                    format!("kept {ttl_s} s"),
                ]
            }
        }
    }

    fn differences(&self, there: &Self) -> Vec<String> {
        let list = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(" ");
        let mut told = Vec::new();
        match (self, there) {
            (
                Self::Jwt {
                    issuer,
                    audience,
                    token,
                    keys,
                },
                Self::Jwt {
                    issuer: issuer_there,
                    audience: audience_there,
                    token: token_there,
                    keys: keys_there,
                },
            ) => {
                told.extend((issuer != issuer_there).then(|| format!("issuer {issuer}")));
                told.extend(
                    (audience != audience_there).then(|| format!("audience {}", list(audience))),
                );
                told.extend(
                    (token != token_there).then(|| format!("token in {}", token.join(" "))),
                );
                told.extend((keys != keys_there).then(|| {
                    keys.as_ref().map_or_else(
                        || "keys where the issuer says".to_owned(),
                        |keys| told_keys(keys),
                    )
                }));
            }
            (
                Self::Function {
                    uri,
                    identity,
                    ttl_s,
                    is_simple,
                },
                Self::Function {
                    uri: uri_there,
                    identity: identity_there,
                    ttl_s: ttl_there,
                    is_simple: simple_there,
                },
            ) => {
                told.extend((uri != uri_there).then(|| format!("asks {}", function_in(uri))));
                told.extend(
                    (identity != identity_there).then(|| format!("identity {}", list(identity))),
                );
                told.extend((ttl_s != ttl_there).then(|| format!("kept {ttl_s} s")));
                told.extend((is_simple != simple_there).then(|| {
                    let simple = if *is_simple {
                        "simple answers"
                    } else {
                        "answers are policies"
                    };
                    simple.to_owned()
                }));
            }
            _ => told.push("of another kind".to_owned()),
        }
        told
    }
}

fn told_keys(keys: &str) -> String {
    if keys.starts_with("data:") {
        "keys of the project".to_owned()
    } else {
        format!("keys at {keys}")
    }
}

/// `p-dev-f` of an URI that API Gateway calls.
fn function_in(uri: &str) -> &str {
    let rest = uri.split_once(":function:").map_or(uri, |(_, rest)| rest);
    rest.split([':', '/']).next().unwrap_or(rest)
}

/// By name; of several with one name the one that routes have.
pub fn read(authorizers: &[Value]) -> BTreeMap<String, Found> {
    let found = authorizers.iter().map(|authorizer| {
        let text = |member: &str| authorizer[member].as_str().unwrap_or_default().to_owned();
        let kind = Kind::read(authorizer);
        let id = text("authorizerId");
        (text("name"), Found { id, kind })
    });
    found.collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Create {
        name: String,
        kind: Kind,
    },
    Update {
        name: String,
        id: String,
        kind: Kind,
        had_keys: bool,
    },
    Remove {
        id: String,
    },
}

/// `there` is the API that stays, if there is one.
pub fn plan(wanted: &BTreeMap<String, Kind>, there: Option<&Api>) -> Vec<Step> {
    let nothing = BTreeMap::new();
    let found = there.map_or(&nothing, |api| &api.authorizers);
    let mut steps = Vec::new();
    for (name, kind) in wanted {
        let (kind, name) = (kind.clone(), name.clone());
        match found.get(&name) {
            None => {
                let step = Step::draft(Action::Create, Phase::Authorizer, KIND, &name);
                let step = step.details(kind.introduction());
                steps.push(step.work(super::Work::Authorizer(Work::Create { name, kind })));
            }
            Some(there) if there.kind != kind => {
                let step = Step::draft(Action::Update, Phase::Authorizer, KIND, &name);
                let step = step.details(kind.differences(&there.kind));
                let had_keys = matches!(&there.kind, Kind::Jwt { keys: Some(_), .. });
                let id = there.id.clone();
                let work = Work::Update {
                    name,
                    id,
                    kind,
                    had_keys,
                };
                steps.push(step.work(super::Work::Authorizer(work)));
            }
            Some(_) => {}
        }
    }
    // Those of attempts that nobody heard of go by their ids.
    let twins = there.into_iter().flat_map(|api| &api.twins);
    for id in twins {
        let step = Step::draft(Action::Remove, Phase::Authorizer, KIND, id);
        let id = id.clone();
        steps.push(step.work(super::Work::Authorizer(Work::Remove { id })));
    }
    for (name, there) in found.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
        let step = Step::draft(Action::Remove, Phase::Authorizer, KIND, name);
        let id = there.id.clone();
        steps.push(step.work(super::Work::Authorizer(Work::Remove { id })));
    }
    steps
}

impl Work {
    pub async fn run(&self, cloud: &Cloud, made: &Made) -> Result<(), StepError> {
        let known = made.now().api.clone();
        let (api, _) = known.ok_or_else(|| StepError::Order("the HTTP API".to_owned()))?;
        let all = format!("/v2/apis/{api}/authorizers");
        match self {
            Self::Create { name, kind } => {
                let mut body = kind.body();
                body["name"] = name.as_str().into();
                let id = create(cloud, &all, name, &body).await?;
                made.now().authorizers.insert(name.clone(), id);
            }
            Self::Update {
                name,
                id,
                kind,
                had_keys,
            } => {
                let mut body = kind.body();
                body["name"] = name.as_str().into();
                if *had_keys && body.get("authorizerUri").is_none() {
                    body["authorizerUri"] = "".into();
                }
                call(cloud, Method::PATCH, &format!("{all}/{id}"), Some(&body)).await?;
            }
            Self::Remove { id } => {
                gone(call(cloud, Method::DELETE, &format!("{all}/{id}"), None)).await?;
            }
        }
        Ok(())
    }
}

/// One that is there already was made by this very call, whose answer was lost.
async fn create(cloud: &Cloud, all: &str, name: &str, body: &Value) -> Result<String, StepError> {
    match call(cloud, Method::POST, all, Some(body)).await {
        Ok(made) => Ok(text(&made, "authorizerId", "CreateAuthorizer")?.to_owned()),
        Err(error) if matches!(error.code(), "ConflictException" | "BadRequestException") => {
            let there = call(cloud, Method::GET, all, None).await?;
            let there = there["items"].as_array().cloned().unwrap_or_default();
            let found = read(&there);
            let id = found.get(name).map(|found| found.id.clone());
            id.ok_or_else(|| StepError::from(error))
        }
        Err(error) => Err(ClientError::into(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::api::tests::api;

    fn jwt(issuer: &str, keys: Option<&str>) -> Kind {
        Kind::Jwt {
            issuer: issuer.to_owned(),
            audience: ["a".to_owned()].into(),
            token: vec!["$request.header.Authorization".to_owned()],
            keys: keys.map(str::to_owned),
        }
    }

    fn asking(ttl_s: u32) -> Kind {
        let arn = "arn:aws:lambda:us-east-1:1:function:p-dev-who:live";
        Kind::Function {
            uri: format!(
                "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
            ),
            identity: ["$request.header.X".to_owned()].into(),
            ttl_s,
            is_simple: true,
        }
    }

    fn told(wanted: &[(&str, Kind)], found: &[(&str, Kind)]) -> Vec<String> {
        let mut there = api("x", &[]);
        for (name, kind) in found {
            let (id, kind) = (format!("id-{name}"), kind.clone());
            there
                .authorizers
                .insert((*name).to_owned(), Found { id, kind });
        }
        let wanted = wanted.iter().cloned();
        let wanted = wanted.map(|(name, kind)| (name.to_owned(), kind)).collect();
        let steps = plan(&wanted, Some(&there));
        steps
            .iter()
            .map(|step| {
                let details = step.details.join("; ");
                format!("{} {} {details}", step.action.name(), step.name)
            })
            .collect()
    }

    #[test]
    fn what_is_sent_is_what_is_read_back() {
        for kind in [
            jwt("https://i", None),
            jwt("https://i", Some("data:application/json;base64,e30=")),
            asking(0),
        ] {
            let mut shown = kind.body();
            shown["name"] = "who".into();
            shown["authorizerId"] = "1".into();
            let found = read(&[shown]);
            assert_eq!(found["who"].kind, kind);
            assert!(told(&[("who", kind.clone())], &[("who", kind)]).is_empty());
        }
    }

    #[test]
    fn authorizers_come_change_and_go() {
        assert_eq!(
            told(&[("who", jwt("https://i", Some("https://k")))], &[]),
            ["create who tokens of https://i; keys at https://k"]
        );
        assert_eq!(
            told(&[("who.function", asking(300))], &[]),
            ["create who.function asks p-dev-who; kept 300 s"]
        );
        let (new, old) = (jwt("https://j", None), jwt("https://i", Some("data:x")));
        assert_eq!(
            told(&[("who", new)], &[("who", old)]),
            ["update who issuer https://j; keys where the issuer says"]
        );
        assert_eq!(
            told(&[("a", asking(1))], &[("a", asking(0)), ("b", asking(0))]),
            ["update a kept 1 s", "remove b "]
        );
    }

    #[test]
    fn one_of_two_with_one_name_goes() {
        let mut there = api("x", &[]);
        there.twins.push("twin".to_owned());
        let steps = plan(&BTreeMap::new(), Some(&there));
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].action, Action::Remove);
    }
}
