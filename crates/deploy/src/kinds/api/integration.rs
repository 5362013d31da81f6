//! What a route leads to, as an integration of the API: as it is wanted, as it is told and
//! as it is read back.

use std::collections::BTreeMap;

use aws_wire::form;
use project::model::{Cors, RouteTarget};
use serde_json::{Map, Value, json};

use crate::kinds::policy;
use crate::names::ALIAS;
use crate::site::{Site, Target as Place};

/// What begins the names of parameters that are no option of the target, but say how
/// requests are handled.
const HANDLING: &str = "squall:";
const CORS: &str = "squall:cors";
/// AWS says it of integrations that were made without.
const USUAL_TIMEOUT_MS: u32 = 30_000;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Integration {
    pub target: Target,
    pub timeout_ms: Option<u32>,
    /// How requests are handled, by the names of parameters; only the engine knows them.
    pub handling: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An alias, by its ARN.
    Function(String),
    /// The engine's own, in whose place AWS has the coordinator's function.
    Own {
        kind: Own,
        parameters: BTreeMap<String, String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Own {
    Map,
    Model,
    Redirect,
    Site,
    Route,
}

const OWN: [(Own, &str); 5] = [
    (Own::Map, "Squall-Map"),
    (Own::Model, "Squall-Model"),
    (Own::Redirect, "Squall-Redirect"),
    (Own::Site, "Squall-Site"),
    (Own::Route, "Squall-Route"),
];

impl Integration {
    pub fn wanted(site: &Site, route: &project::model::Route) -> Self {
        let handling = match site.cloud.target {
            Place::Engine => handling(route),
            // It knows none of it; what must not be passed over was refused before.
            Place::Aws => BTreeMap::new(),
        };
        let target = Target::wanted(site, &route.target);
        let timeout_ms = route.handling.timeout_s.map(|seconds| seconds * 1_000);
        Self {
            timeout_ms: timeout_ms.filter(|millis| !target.waits_so_long_anyway(*millis)),
            target,
            handling,
        }
    }

    pub fn read(integration: &Value) -> Self {
        let parameters = integration["requestParameters"].as_object();
        let parameters = parameters.into_iter().flatten();
        let parameters = parameters.map(|(name, value)| {
            let value = value.as_str().unwrap_or_default();
            (name.clone(), canonical(name, value))
        });
        let (handling, parameters): (BTreeMap<_, _>, BTreeMap<_, _>) =
            parameters.partition(|(name, _)| name.starts_with(HANDLING));
        let subtype = integration["integrationSubtype"].as_str();
        let own = OWN.iter().find(|(_, name)| Some(*name) == subtype);
        let target = if let Some((kind, _)) = own {
            Target::Own {
                kind: *kind,
                parameters,
            }
        } else {
            let uri = integration["integrationUri"].as_str();
            Target::Function(uri.unwrap_or_default().to_owned())
        };
        let timeout_ms = integration["timeoutInMillis"].as_u64();
        let timeout_ms = timeout_ms.and_then(|millis| u32::try_from(millis).ok());
        Self {
            timeout_ms: timeout_ms.filter(|millis| !target.waits_so_long_anyway(*millis)),
            target,
            handling,
        }
    }

    /// What is sent to make it.
    pub fn body(&self) -> Value {
        let mut body = json!({ "integrationType": "AWS_PROXY" });
        let mut parameters = self.handling.clone();
        match &self.target {
            Target::Function(arn) => {
                body["integrationUri"] = arn.as_str().into();
                body["payloadFormatVersion"] = "2.0".into();
            }
            Target::Own {
                kind,
                parameters: own,
            } => {
                body["integrationSubtype"] = kind.subtype().into();
                body["payloadFormatVersion"] = "1.0".into();
                parameters.extend(own.clone());
            }
        }
        if !parameters.is_empty() {
            body["requestParameters"] = json!(parameters);
        }
        if let Some(millis) = self.timeout_ms {
            body["timeoutInMillis"] = millis.into();
        }
        body
    }

    /// Where it leads to and how, for people.
    pub fn told(&self) -> String {
        let mut words = vec![self.target.told()];
        words.extend(
            self.timeout_ms
                .map(|millis| format!("timeout {} s", millis / 1_000)),
        );
        for (name, value) in &self.handling {
            let name = name.strip_prefix(HANDLING).unwrap_or(name);
            words.push(match name {
                "cors" => told_cors(value),
                "allow" => format!("only from {}", value.replace(',', " ")),
                "compress" if value == "false" => "not compressed".to_owned(),
                "compress" => "compressed".to_owned(),
                "stream" => "streamed".to_owned(),
                "share" => "shared by links".to_owned(),
                "summary" => format!("{value:?}"),
                "body-bytes" => format!("bodies up to {}", told_bytes(value)),
                "concurrency" => format!("{value} at once"),
                "cache-seconds" => format!("cached {value} s"),
                _ => format!("{name} {value}"),
            });
        }
        words.join(", ")
    }

    /// Whether not everybody comes as far as the target.
    pub fn is_guarded(&self) -> bool {
        self.handling.contains_key("squall:allow")
    }
}

impl Own {
    fn subtype(self) -> &'static str {
        let own = OWN.iter().find(|(kind, _)| *kind == self);
        own.map_or("", |(_, name)| name)
    }
}

impl Target {
    fn wanted(site: &Site, target: &RouteTarget) -> Self {
        let names = site.names();
        let text = str::to_owned;
        let (kind, options, own) = match target {
            RouteTarget::Function(function) => return Self::Function(names.alias_arn(function)),
            RouteTarget::Map { function, options } => (
                Own::Map,
                options.clone(),
                vec![("function", names.of(function)), ("qualifier", text(ALIAS))],
            ),
            RouteTarget::Model { model, options } => {
                let bucket = policy::bucket_name(site, &model.bucket);
                let uri = format!("s3://{bucket}/{}", model.key);
                (Own::Model, options.clone(), vec![("model", uri)])
            }
            RouteTarget::Redirect { location, status } => (
                Own::Redirect,
                BTreeMap::new(),
                vec![
                    ("location", location.clone()),
                    ("status", status.to_string()),
                ],
            ),
            RouteTarget::Site {
                objects,
                index,
                error,
            } => {
                let mut own = vec![
                    ("bucket", policy::bucket_name(site, &objects.bucket)),
                    ("index", index.clone()),
                ];
                if !objects.prefix.is_empty() {
                    own.push(("prefix", objects.prefix.clone()));
                }
                own.extend(error.clone().map(|error| ("error", error)));
                (Own::Site, BTreeMap::new(), own)
            }
            RouteTarget::Route { path } => {
                (Own::Route, BTreeMap::new(), vec![("path", path.clone())])
            }
        };
        let mut parameters = options;
        parameters.extend(own.into_iter().map(|(name, value)| (text(name), value)));
        Self::Own { kind, parameters }
    }

    /// For a function so long is waited anyway.
    fn waits_so_long_anyway(&self, millis: u32) -> bool {
        matches!(self, Self::Function(_)) && millis == USUAL_TIMEOUT_MS
    }

    fn told(&self) -> String {
        let (kind, parameters) = match self {
            Self::Function(arn) => {
                let mut parts = arn.rsplit(':').skip(1);
                return parts.next().unwrap_or(arn).to_owned();
            }
            Self::Own { kind, parameters } => (kind, parameters),
        };
        let (word, of) = match kind {
            Own::Map => ("map", "function"),
            Own::Model => ("model", "model"),
            Own::Redirect => ("redirect", "location"),
            Own::Site => ("site", "bucket"),
            Own::Route => ("route", "path"),
        };
        let what = parameters.get(of).map_or("", String::as_str);
        let is_option = |name: &&String| name.as_str() != of && name.as_str() != "qualifier";
        let options = parameters.iter().filter(|(name, _)| is_option(name));
        let options: Vec<_> = options
            .map(|(name, value)| format!("{name}={}", form::encode(value)))
            .collect();
        format!("{word} {what} {}", options.join("&"))
            .trim_end()
            .to_owned()
    }
}

/// How requests of a route are handled, as parameters.
fn handling(route: &project::model::Route) -> BTreeMap<String, String> {
    let handling = &route.handling;
    let yes = |is: bool| is.then(|| "true".to_owned());
    let allow: Vec<String> = route.who.allow.iter().map(|it| range(it)).collect();
    let all = [
        ("body-bytes", handling.body_bytes.map(|it| it.to_string())),
        ("concurrency", handling.concurrency.map(|it| it.to_string())),
        ("cache-seconds", handling.cache_s.map(|it| it.to_string())),
        ("compress", handling.compress.map(|it| it.to_string())),
        ("stream", yes(handling.stream)),
        ("share", yes(route.who.share)),
        ("allow", (!allow.is_empty()).then(|| allow.join(","))),
        (
            "cors",
            route.cors.as_ref().map(|it| cors_document(it).to_string()),
        ),
        ("summary", handling.summary.clone()),
    ];
    let said = all.into_iter();
    let said = said.filter_map(|(name, value)| Some((format!("{HANDLING}{name}"), value?)));
    said.map(|(name, value)| {
        let value = canonical(&name, &value);
        (name, value)
    })
    .collect()
}

/// One address as the range that it is.
fn range(text: &str) -> String {
    match text.split_once('/') {
        Some(_) => text.to_owned(),
        None if text.contains(':') => format!("{text}/128"),
        None => format!("{text}/32"),
    }
}

/// Rules for pages of other origins, in AWS's members.
pub fn cors_document(cors: &Cors) -> Value {
    let mut document = json!({
        "allowOrigins": cors.origins,
        "allowMethods": cors.methods,
        "allowHeaders": cors.headers,
        "exposeHeaders": cors.expose,
        "maxAge": cors.max_age_s,
    });
    if cors.credentials {
        document["allowCredentials"] = true.into();
    }
    document
}

/// The same, however a service words it: without what is empty, its lists in one order, and
/// each name in small letters where these do not count.
pub fn canonical_cors(document: &Value) -> Value {
    let members = document.as_object().into_iter().flatten();
    let members = members.filter_map(|(name, value)| {
        // AWS writes its members in one way and its names of parameters in another.
        let mut letters = name.chars();
        let first = letters.next()?.to_lowercase();
        let name: String = first.chain(letters).collect();
        let value = match value {
            Value::Null | Value::Bool(false) => return None,
            Value::Array(items) if items.is_empty() => return None,
            Value::Array(items) => {
                let mut texts: Vec<String> = items
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|text| match name.as_str() {
                        "allowMethods" => text.to_uppercase(),
                        _ => text.to_lowercase(),
                    })
                    .collect();
                texts.sort();
                json!(texts)
            }
            other => other.clone(),
        };
        Some((name, value))
    });
    Value::Object(members.collect::<Map<_, _>>())
}

fn canonical(name: &str, value: &str) -> String {
    match (name, serde_json::from_str::<Value>(value)) {
        (CORS, Ok(document)) => canonical_cors(&document).to_string(),
        _ => value.to_owned(),
    }
}

/// As squall.toml may have it: `2 MB` of 2097152.
fn told_bytes(text: &str) -> String {
    let bytes = text.parse::<u64>().unwrap_or_default();
    match bytes {
        0 => format!("{text} bytes"),
        _ if bytes % (1 << 20) == 0 => format!("{} MB", bytes >> 20),
        _ if bytes % (1 << 10) == 0 => format!("{} KB", bytes >> 10),
        _ => format!("{text} bytes"),
    }
}

fn told_cors(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let origins = document["allowOrigins"].as_array().into_iter().flatten();
    let origins: Vec<_> = origins.filter_map(Value::as_str).collect();
    let credentials = document["allowCredentials"] == true;
    let more = if credentials { " with credentials" } else { "" };
    format!("cors {}{more}", origins.join(" "))
}
