//! Settings beside the configuration: reserved concurrency, of the whole function; and
//! what becomes of events, of the alias.

use std::collections::BTreeMap;

use aws_client::ClientError;
use http::Method;
use project::model::{Destination, Function};
use serde_json::{Value, json};

use super::function::{Found, path};
use crate::calls::{gone, patiently};
use crate::error::StepError;
use crate::names::ALIAS;
use crate::site::{Cloud, Site};
use crate::step::{Action, Phase, Step};

const CONCURRENCY: &str = "concurrency";
const EVENTS: &str = "events";
const USUAL_RETRIES: u32 = 2;
const USUAL_AGE_S: u32 = 21_600;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub reserved: Option<u32>,
    /// None: as AWS has it.
    pub events: Option<Events>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    pub retries: Option<u32>,
    pub max_age_s: Option<u32>,
    /// ARNs.
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let functions = site.project.functions.iter();
    functions
        .map(|(key, function)| Wanted {
            name: site.names().of(key),
            reserved: function.concurrency,
            events: events(site, function),
        })
        .collect()
}

fn events(site: &Site, function: &Function) -> Option<Events> {
    let arn = |destination: &Option<Destination>| match destination {
        None => None,
        Some(Destination::Arn(arn)) => Some(arn.clone()),
        Some(Destination::Function(key)) => Some(site.names().alias_arn(key)),
    };
    let events = Events {
        retries: function.retries,
        max_age_s: function.max_age_s,
        on_success: arn(&function.on_success),
        on_failure: arn(&function.on_failure),
    };
    events.unless_usual()
}

impl Events {
    /// What AWS does where nothing is said need not be said; some endpoints say it.
    fn unless_usual(self) -> Option<Self> {
        let events = Self {
            retries: self.retries.filter(|it| *it != USUAL_RETRIES),
            max_age_s: self.max_age_s.filter(|it| *it != USUAL_AGE_S),
            ..self
        };
        (events != Self::default()).then_some(events)
    }

    /// From the answer about an alias's event-invoke config.
    fn of(shape: &Value) -> Self {
        let number = |member: &str| shape[member].as_u64().and_then(|it| it.try_into().ok());
        let arn = |outcome: &str| {
            let arn = shape["DestinationConfig"][outcome]["Destination"].as_str();
            arn.map(str::to_owned)
        };
        Self {
            retries: number("MaximumRetryAttempts"),
            max_age_s: number("MaximumEventAgeInSeconds"),
            on_success: arn("OnSuccess"),
            on_failure: arn("OnFailure"),
        }
    }

    fn body(&self) -> Value {
        let destination = |arn: &Option<String>| match arn {
            None => json!({}),
            Some(arn) => json!({ "Destination": arn }),
        };
        let mut body = json!({
            "DestinationConfig": {
                "OnSuccess": destination(&self.on_success),
                "OnFailure": destination(&self.on_failure),
            },
        });
        if let Some(retries) = self.retries {
            body["MaximumRetryAttempts"] = retries.into();
        }
        if let Some(age) = self.max_age_s {
            body["MaximumEventAgeInSeconds"] = age.into();
        }
        body
    }

    fn details(&self) -> Vec<String> {
        let word = |what: &str, value: Option<String>| value.map(|it| format!("{what} {it}"));
        let short = |arn: &Option<String>| {
            let arn = arn.as_ref()?;
            arn.splitn(6, ':').last().map(str::to_owned)
        };
        let all = [
            word("retries", self.retries.map(|it| it.to_string())),
            word("max age", self.max_age_s.map(|it| format!("{it} s"))),
            word("on success", short(&self.on_success)),
            word("on failure", short(&self.on_failure)),
        ];
        all.into_iter().flatten().collect()
    }
}

pub fn plan(wanted: &[Wanted], found: &BTreeMap<String, Found>) -> Vec<Step> {
    let mut steps = Vec::new();
    for function in wanted {
        let there = found.get(&function.name);
        steps.extend(reservation(
            function,
            there.and_then(|there| there.reserved),
        ));
        let events = there.and_then(|there| there.events.as_ref());
        let events = events.map(Events::of).and_then(Events::unless_usual);
        steps.extend(handling(function, events.as_ref()));
    }
    steps
}

fn reservation(wanted: &Wanted, there: Option<u32>) -> Option<Step> {
    let action = match (wanted.reserved, there) {
        (after, before) if after == before => return None,
        (Some(_), None) => Action::Create,
        (Some(_), Some(_)) => Action::Update,
        (None, _) => Action::Remove,
    };
    let step = Step::draft(action, Phase::Setting, CONCURRENCY, &wanted.name);
    let details = wanted.reserved.map(|after| match there {
        Some(before) => format!("{before} -> {after}"),
        None => format!("{after} at once"),
    });
    Some(step.details(details).work(Work::Reserve {
        function: wanted.name.clone(),
        reserved: wanted.reserved,
    }))
}

fn handling(wanted: &Wanted, there: Option<&Events>) -> Option<Step> {
    let action = match (&wanted.events, there) {
        (None, None) => return None,
        (Some(after), Some(before)) if after == before => return None,
        (Some(_), None) => Action::Create,
        (Some(_), Some(_)) => Action::Update,
        (None, Some(_)) => Action::Remove,
    };
    let step = Step::draft(action, Phase::Setting, EVENTS, &wanted.name);
    let details = wanted.events.as_ref().map(Events::details);
    let step = step.details(details.into_iter().flatten());
    Some(step.work(Work::Handle {
        function: wanted.name.clone(),
        events: wanted.events.clone(),
    }))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Reserve {
        function: String,
        reserved: Option<u32>,
    },
    Handle {
        function: String,
        events: Option<Events>,
    },
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        let client = &cloud.client;
        match self {
            Self::Reserve { function, reserved } => {
                let target = path("2017-10-31", function, "/concurrency");
                if let Some(reserved) = reserved {
                    let body = json!({ "ReservedConcurrentExecutions": reserved });
                    client
                        .rest_json("lambda", Method::PUT, &target, Some(&body))
                        .await?;
                } else {
                    gone(client.rest_json("lambda", Method::DELETE, &target, None)).await?;
                }
            }
            Self::Handle { function, events } => {
                let target = format!("/event-invoke-config?Qualifier={ALIAS}");
                let target = path("2019-09-25", function, &target);
                if let Some(events) = events {
                    let body = events.body();
                    let put = || client.rest_json("lambda", Method::PUT, &target, Some(&body));
                    patiently(policy_is_new, put).await?;
                } else {
                    gone(client.rest_json("lambda", Method::DELETE, &target, None)).await?;
                }
            }
        }
        Ok(())
    }
}

/// Lambda asks IAM whether the role may use a destination, and IAM takes some seconds
/// to know of a new policy.
fn policy_is_new(error: &ClientError) -> bool {
    error.code() == "InvalidParameterValueException"
        && error.to_string().contains("does not have permissions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_as_the_same() {
        let events = Events {
            retries: Some(0),
            max_age_s: None,
            on_success: None,
            on_failure: Some("arn:aws:sqs:eu-west-1:000000000000:dead".to_owned()),
        };
        assert_eq!(Events::of(&events.body()), events);
        assert_eq!(events.details(), ["retries 0", "on failure dead"]);
    }

    #[test]
    fn what_is_usual_is_no_change() {
        let usual = json!({
            "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21600,
            "DestinationConfig": { "OnSuccess": {}, "OnFailure": {} },
        });
        assert_eq!(Events::of(&usual).unless_usual(), None);
    }

    #[test]
    fn reservations_come_change_and_go() {
        let wanted = |reserved| Wanted {
            name: "f".to_owned(),
            reserved,
            events: None,
        };
        let action = |after, before| reservation(&wanted(after), before).map(|step| step.action);
        assert_eq!(action(Some(2), Some(2)), None);
        assert_eq!(action(Some(2), None), Some(Action::Create));
        assert_eq!(action(Some(2), Some(3)), Some(Action::Update));
        assert_eq!(action(None, Some(3)), Some(Action::Remove));
    }
}
