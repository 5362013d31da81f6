//! Function URLs, of the alias.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::function::{Found, FoundUrl, path};
use super::permission::{self, Source};
use crate::calls::{gone, text};
use crate::error::StepError;
use crate::names::ALIAS;
use crate::site::{Made, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "url";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub signed: bool,
    pub stream: bool,
    /// Origins.
    pub cors: Vec<String>,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let functions = site.project.functions.iter();
    functions
        .filter_map(|(key, function)| {
            let url = function.url.as_ref()?;
            Some(Wanted {
                name: site.names().of(key),
                signed: url.signed,
                stream: url.stream,
                cors: url.cors.clone(),
            })
        })
        .collect()
}

/// Who may call an address that needs no signature: everyone.
pub fn permissions(site: &Site) -> Vec<permission::Wanted> {
    let urls = wanted(site).into_iter().filter(|url| !url.signed);
    urls.flat_map(|url| {
        [Source::Url, Source::InvokedByUrl].map(|source| permission::Wanted {
            function: url.name.clone(),
            source,
        })
    })
    .collect()
}

impl Wanted {
    fn auth(&self) -> &'static str {
        if self.signed { "AWS_IAM" } else { "NONE" }
    }

    fn mode(&self) -> &'static str {
        if self.stream {
            "RESPONSE_STREAM"
        } else {
            "BUFFERED"
        }
    }

    fn is(&self, there: &FoundUrl) -> bool {
        there.auth == self.auth()
            && there.mode.eq_ignore_ascii_case(self.mode())
            && there.cors == self.cors
    }

    fn body(&self) -> Value {
        let cors = if self.cors.is_empty() {
            json!({})
        } else {
            json!({
                "AllowOrigins": self.cors,
                "AllowMethods": ["*"],
                "AllowHeaders": ["*"],
                "MaxAge": 600,
            })
        };
        json!({ "AuthType": self.auth(), "InvokeMode": self.mode(), "Cors": cors })
    }
}

pub fn plan(wanted: &[Wanted], found: &BTreeMap<String, Found>) -> Vec<Step> {
    let mut steps = Vec::new();
    for url in wanted {
        let there = found.get(&url.name).and_then(|there| there.url.as_ref());
        let action = match there {
            None => Action::Create,
            Some(there) if url.is(there) => continue,
            Some(_) => Action::Update,
        };
        let step = Step::draft(action, Phase::Url, KIND, &url.name);
        let details = if url.signed { "signed" } else { "public" };
        let step = step.details([details.to_owned()]);
        steps.push(step.work(Work::Put(url.clone())));
    }
    steps
}

/// Of functions that stay and are to have none; with a function its address goes.
pub fn removals(
    wanted: &[Wanted],
    staying: &[super::function::Wanted],
    found: &BTreeMap<String, Found>,
) -> Vec<Step> {
    let stay = staying.iter().filter(|function| {
        let there = found.get(&function.name);
        there.is_some_and(|there| there.url.is_some())
    });
    let left = stay.filter(|function| !wanted.iter().any(|url| url.name == function.name));
    left.map(|function| {
        let step = Step::draft(Action::Remove, Phase::Url, KIND, &function.name);
        step.work(Work::Remove(function.name.clone()))
    })
    .collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Put(Wanted),
    Remove(String),
}

impl Work {
    pub async fn run(&self, site: &Site, made: &Made) -> Result<(), StepError> {
        let client = &site.cloud.client;
        let target = |name: &str| path("2021-10-31", name, &format!("/url?Qualifier={ALIAS}"));
        match self {
            Self::Put(url) => {
                let (body, target) = (url.body(), target(&url.name));
                let create = client.rest_json("lambda", Method::POST, &target, Some(&body));
                let answer = match create.await {
                    Err(error) if error.code() == "ResourceConflictException" => {
                        let update = client.rest_json("lambda", Method::PUT, &target, Some(&body));
                        update.await?
                    }
                    other => other?,
                };
                let address = text(&answer, "FunctionUrl", "CreateFunctionUrlConfig")?;
                let mut known = made.now();
                known.urls.insert(url.name.clone(), address.to_owned());
            }
            Self::Remove(name) => {
                let target = target(name);
                gone(client.rest_json("lambda", Method::DELETE, &target, None)).await?;
                made.now().urls.remove(name);
            }
        }
        Ok(())
    }
}
