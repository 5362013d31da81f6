//! Who may invoke a function: statements of the alias's own policy. The id of each is
//! a hash of what it says, so that two are the same if their ids are, however an
//! endpoint writes them.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::function::{self, Found, is_busy, is_there_already, path};
use super::{api, notification, url};
use crate::calls::{gone, patiently};
use crate::error::StepError;
use crate::names::{ALIAS, Names};
use crate::site::{Cloud, Known, Made, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "permission";
/// How ids of statements begin that a deployment made.
pub const PREFIX: &str = "squall-";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The function's name in the cloud.
    pub function: String,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Everyone, by a URL that needs no signature. AWS asks for both.
    Url,
    InvokedByUrl,
    /// A bucket, by its ARN.
    Bucket(String),
    /// The HTTP API of the project, whose id may not be known yet.
    Api,
    /// One of that API's authorizers, by its name.
    Authorizer(String),
    /// A service, for one of its things.
    Service {
        principal: String,
        arn: String,
    },
}

/// Of everything that invokes functions by their policies.
pub fn wanted(site: &Site) -> Vec<Wanted> {
    let urls = url::permissions(site);
    urls.into_iter()
        .chain(notification::permissions(site))
        .chain(api::permissions(site))
        .collect()
}

impl Source {
    fn word(&self) -> &'static str {
        match self {
            Self::Url | Self::InvokedByUrl => "url",
            Self::Bucket(_) => "bucket",
            Self::Api => "api",
            Self::Authorizer(_) => "authorizer",
            Self::Service { .. } => "service",
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Url => "everyone, at its URL".to_owned(),
            Self::InvokedByUrl => "its URL".to_owned(),
            Self::Bucket(arn) => arn.rsplit(':').next().unwrap_or_default().to_owned(),
            Self::Api => "the HTTP API".to_owned(),
            Self::Authorizer(name) => format!("the HTTP API, as its authorizer {name}"),
            Self::Service { principal, .. } => principal.clone(),
        }
    }

    /// What is sent, but for the id.
    fn members(&self, names: &Names, known: &Known) -> Value {
        let invoke = "lambda:InvokeFunction";
        // Of an API that is yet to be made, no function knows.
        let api = known.api.as_ref().map_or("", |(id, _)| id);
        match self {
            Self::Url => json!({
                "Action": "lambda:InvokeFunctionUrl",
                "Principal": "*",
                "FunctionUrlAuthType": "NONE",
            }),
            Self::InvokedByUrl => json!({
                "Action": invoke,
                "Principal": "*",
                "InvokedViaFunctionUrl": true,
            }),
            Self::Bucket(arn) => json!({
                "Action": invoke,
                "Principal": "s3.amazonaws.com",
                "SourceArn": arn,
                "SourceAccount": names.account,
            }),
            Self::Api => json!({
                "Action": invoke,
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": names.arn("execute-api", &format!("{api}/*/*")),
            }),
            Self::Authorizer(name) => {
                let id = known.authorizers.get(name).map_or("", String::as_str);
                json!({
                    "Action": invoke,
                    "Principal": "apigateway.amazonaws.com",
                    "SourceArn": names.arn("execute-api", &format!("{api}/authorizers/{id}")),
                })
            }
            Self::Service { principal, arn } => json!({
                "Action": invoke,
                "Principal": principal,
                "SourceArn": arn,
            }),
        }
    }

    fn id(&self, names: &Names, known: &Known) -> String {
        let content = self.members(names, known).to_string();
        let hash = hex::encode(Sha256::digest(content));
        format!("{PREFIX}{}-{}", self.word(), &hash[..12])
    }
}

/// `known` is what is there.
pub fn plan(
    names: &Names,
    wanted: &[Wanted],
    staying: &[function::Wanted],
    found: &BTreeMap<String, Found>,
    known: &Known,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let id = |source: &Source| source.id(names, known);
    for permission in wanted {
        let there = found.get(&permission.function);
        let id = id(&permission.source);
        if there.is_some_and(|there| there.statements.contains(&id)) {
            continue;
        }
        let step = Step::draft(
            Action::Create,
            Phase::Permission,
            KIND,
            &permission.function,
        );
        let step = step.details([format!("for {}", permission.source.told())]);
        steps.push(step.work(Work::Add(permission.clone())));
    }
    for function in staying {
        let there = found.get(&function.name);
        let statements = there.map(|there| &there.statements);
        let left = statements.into_iter().flatten().filter(|statement| {
            let of_function = wanted.iter().filter(|it| it.function == function.name);
            !of_function
                .map(|it| id(&it.source))
                .any(|id| id == **statement)
        });
        for id in left {
            let step = Step::draft(Action::Remove, Phase::Permission, KIND, &function.name);
            let work = Work::Remove {
                function: function.name.clone(),
                id: id.clone(),
            };
            steps.push(step.work(work));
        }
    }
    steps
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Add(Wanted),
    Remove { function: String, id: String },
}

impl Work {
    pub async fn run(&self, cloud: &Cloud, made: &Made) -> Result<(), StepError> {
        let (client, names) = (&cloud.client, &cloud.names);
        match self {
            Self::Add(wanted) => {
                let known = made.now().clone();
                let needs = match &wanted.source {
                    Source::Api => known.api.is_none().then(|| "the HTTP API".to_owned()),
                    Source::Authorizer(name) => (!known.authorizers.contains_key(name))
                        .then(|| format!("the authorizer {name}")),
                    _ => None,
                };
                if let Some(needs) = needs {
                    return Err(StepError::Order(needs));
                }
                let mut body = wanted.source.members(names, &known);
                body["StatementId"] = wanted.source.id(names, &known).into();
                let target = format!("/policy?Qualifier={ALIAS}");
                let target = path("2015-03-31", &wanted.function, &target);
                let add = || client.rest_json("lambda", Method::POST, &target, Some(&body));
                match patiently(is_busy, add).await {
                    // Its id says what it allows, so it is the same.
                    Err(error) if !is_there_already(&error) => return Err(error.into()),
                    _ => {}
                }
            }
            Self::Remove { function, id } => {
                let target = format!("/policy/{id}?Qualifier={ALIAS}");
                let target = path("2015-03-31", function, &target);
                let remove = || client.rest_json("lambda", Method::DELETE, &target, None);
                gone(patiently(is_busy, remove)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::function::tests::{found, names, wanted as function};

    fn of(source: Source) -> Wanted {
        Wanted {
            function: "p-dev-f".to_owned(),
            source,
        }
    }

    #[test]
    fn ids_say_what_a_statement_allows() {
        let names = names();
        let api = |id: &str, authorizer: &str| Known {
            api: Some((id.to_owned(), String::new())),
            authorizers: [("who".to_owned(), authorizer.to_owned())].into(),
            ..Known::default()
        };
        let (none, a, b) = (Known::default(), api("a", "1"), api("b", "1"));
        let bucket = |name: &str| Source::Bucket(format!("arn:aws:s3:::{name}"));
        assert_eq!(bucket("a").id(&names, &none), bucket("a").id(&names, &a));
        assert_ne!(bucket("a").id(&names, &a), bucket("b").id(&names, &a));
        assert_ne!(Source::Api.id(&names, &a), Source::Api.id(&names, &b));
        assert_ne!(
            Source::Url.id(&names, &none),
            Source::InvokedByUrl.id(&names, &none)
        );
        let who = || Source::Authorizer("who".to_owned());
        assert_ne!(who().id(&names, &a), who().id(&names, &api("a", "2")));
        let arn = who().members(&names, &a)["SourceArn"].clone();
        assert!(arn.as_str().unwrap().ends_with(":a/authorizers/1"), "{arn}");
    }

    #[test]
    fn statements_of_others_stay() {
        let names = names();
        let mut there = found("code");
        let known = Known::default();
        there.statements.insert(Source::Url.id(&names, &known));
        there.statements.insert("squall-bucket-0".to_owned());
        let found = [("p-dev-f".to_owned(), there)].into();
        let wanted = [of(Source::Url), of(Source::Api)];
        let steps = plan(&names, &wanted, &[function("f", "code")], &found, &known);
        let told: Vec<_> = steps.iter().map(|step| &step.work).collect();
        assert_eq!(
            told,
            [
                &Work::Add(of(Source::Api)).into(),
                &Work::Remove {
                    function: "p-dev-f".to_owned(),
                    id: "squall-bucket-0".to_owned()
                }
                .into(),
            ]
        );
    }
}
