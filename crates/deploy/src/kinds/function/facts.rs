//! Configuration of a function: as it is wanted, as the wire has it, and how the two
//! differ.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::site::Known;

/// What a layer is called before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerRef {
    Arn(String),
    /// One of this project's, by the hash of its requirements.
    Hash(String),
}

impl LayerRef {
    pub fn arn<'a>(&'a self, known: &'a Known) -> Option<&'a String> {
        match self {
            Self::Arn(arn) => Some(arn),
            Self::Hash(hash) => known.layers.get(hash),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub memory_mb: u32,
    pub timeout_s: u32,
    pub tmp_mb: u32,
    /// Changes with the code: it is a member of the update of that.
    pub architecture: String,
    pub environment: BTreeMap<String, String>,
    pub layers: Vec<LayerRef>,
}

/// What is there, of `$LATEST` or of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub config: Config,
    pub code_sha256: String,
}

impl Facts {
    /// From a `FunctionConfiguration`. What an endpoint leaves out has AWS's default.
    pub fn of(shape: &Value) -> Self {
        let text = |member: &str| shape[member].as_str().unwrap_or_default().to_owned();
        let number = |value: &Value, default: u32| {
            let number = value.as_u64().and_then(|number| number.try_into().ok());
            number.unwrap_or(default)
        };
        let variables = shape["Environment"]["Variables"].as_object();
        let variables = variables.into_iter().flatten();
        let layers = shape["Layers"].as_array().into_iter().flatten();
        let arns = layers.filter_map(|layer| layer["Arn"].as_str());
        let architecture = shape["Architectures"][0].as_str();
        Self {
            config: Config {
                runtime: text("Runtime"),
                handler: text("Handler"),
                role: text("Role"),
                memory_mb: number(&shape["MemorySize"], 128),
                timeout_s: number(&shape["Timeout"], 3),
                tmp_mb: number(&shape["EphemeralStorage"]["Size"], 512),
                architecture: architecture.unwrap_or("x86_64").to_owned(),
                environment: variables
                    .map(|(name, value)| {
                        (name.clone(), value.as_str().unwrap_or_default().to_owned())
                    })
                    .collect(),
                layers: arns.map(|arn| LayerRef::Arn(arn.to_owned())).collect(),
            },
            code_sha256: text("CodeSha256"),
        }
    }

    /// Whether it is this configuration, and this code.
    pub fn are(&self, config: &Config, code_sha256: &str, known: &Known) -> bool {
        self.code_sha256 == code_sha256
            && self.config.architecture == config.architecture
            && config.differences(&self.config, known).is_empty()
    }

    pub fn layer_arns(&self) -> impl Iterator<Item = &str> {
        self.config.layers.iter().filter_map(|layer| match layer {
            LayerRef::Arn(arn) => Some(arn.as_str()),
            LayerRef::Hash(_) => None,
        })
    }
}

impl Config {
    /// What a person would want to know. Values of variables are not shown.
    pub fn differences(&self, there: &Self, known: &Known) -> Vec<String> {
        let mut all = Vec::new();
        let mut word = |what: &str, before: &str, after: &str| {
            if before != after {
                all.push(format!("{what} {before} -> {after}"));
            }
        };
        let number = |number: u32| number.to_string();
        word("runtime", &there.runtime, &self.runtime);
        word("handler", &there.handler, &self.handler);
        word("role", &there.role, &self.role);
        word("memory", &number(there.memory_mb), &number(self.memory_mb));
        word("timeout", &number(there.timeout_s), &number(self.timeout_s));
        word("tmp", &number(there.tmp_mb), &number(self.tmp_mb));
        all.extend(variables(&there.environment, &self.environment));
        if !self.has_layers_of(there, known) {
            all.push("layers".to_owned());
        }
        all
    }

    fn has_layers_of(&self, there: &Self, known: &Known) -> bool {
        let arns = |layers: &[LayerRef]| -> Option<Vec<String>> {
            let arns = layers.iter().map(|layer| layer.arn(known).cloned());
            arns.collect()
        };
        // One that is yet to be made is not there.
        arns(&self.layers).is_some_and(|wanted| arns(&there.layers) == Some(wanted))
    }

    /// The members that creation and update share.
    pub fn members(&self, layers: &[String]) -> Value {
        json!({
            "Runtime": self.runtime,
            "Handler": self.handler,
            "Role": self.role,
            "MemorySize": self.memory_mb,
            "Timeout": self.timeout_s,
            "EphemeralStorage": { "Size": self.tmp_mb },
            "Environment": { "Variables": self.environment },
            "Layers": layers,
        })
    }
}

fn variables(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Option<String> {
    let new = after.iter().filter_map(|(name, value)| {
        let sign = match before.get(name) {
            None => '+',
            Some(old) if old != value => '~',
            Some(_) => return None,
        };
        Some(format!("{sign}{name}"))
    });
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let all: Vec<_> = new.chain(gone.map(|name| format!("-{name}"))).collect();
    (!all.is_empty()).then(|| format!("environment {}", all.join(" ")))
}
