//! May who asks do this? Only what roles sign is asked about: the owner of the
//! account may everything.

use aws_wire::form;
use aws_wire::sigv4::Identity;
use bytes::Bytes;
use engine::iam::{Ask, request_context};
use http::{Method, Request};
use policy::Context;
use serde_json::Value;

use crate::api::EventsApi;
use crate::error::{EventsError, SchedulerError};

const SCHEDULER: &str = "scheduler.amazonaws.com";

impl EventsApi {
    pub(crate) fn permit_events(
        &self,
        operation: &str,
        request: &Request<Bytes>,
    ) -> Result<(), EventsError> {
        if self.role_that_asks(request).is_none() {
            return Ok(());
        }
        let input: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let action = format!("events:{operation}");
        for resource in self.events_resources(operation, &input) {
            let context = request_context(request.extensions());
            self.ask(request, &action, &resource, &context)
                .map_err(EventsError::Denied)?;
        }
        Ok(())
    }

    pub(crate) fn permit_scheduler(&self, request: &Request<Bytes>) -> Result<(), SchedulerError> {
        if self.role_that_asks(request).is_none() {
            return Ok(());
        }
        let (action, resource) = self.scheduler_resource(request);
        let context = request_context(request.extensions());
        self.ask(request, &action, &resource, &context)
            .map_err(SchedulerError::Denied)?;
        // Who gives a schedule a role must be allowed to hand it on: it could else
        // call as any role, or as one that nothing is known of.
        let role = text(&body(request), &["Target", "RoleArn"]);
        match (action.as_str(), role) {
            ("scheduler:CreateSchedule" | "scheduler:UpdateSchedule", Some(role)) => {
                let context = context.with("iam:PassedToService", SCHEDULER);
                self.ask(request, "iam:PassRole", &role, &context)
                    .map_err(SchedulerError::Denied)
            }
            _ => Ok(()),
        }
    }

    /// What an operation is about, by ARN; those that are about no one thing ask
    /// for all.
    fn events_resources(&self, operation: &str, input: &Value) -> Vec<String> {
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let bus = text("EventBusName").unwrap_or("default");
        match operation {
            "PutEvents" => {
                let entries = input.get("Entries").and_then(Value::as_array);
                let buses = entries.into_iter().flatten().map(|entry| {
                    let bus = entry.get("EventBusName").and_then(Value::as_str);
                    self.bus_arn(bus.unwrap_or("default"))
                });
                buses.collect()
            }
            "PutRule" | "DescribeRule" | "DeleteRule" | "EnableRule" | "DisableRule" => {
                vec![self.rule_arn(bus, text("Name"))]
            }
            "PutTargets" | "RemoveTargets" | "ListTargetsByRule" => {
                vec![self.rule_arn(bus, text("Rule"))]
            }
            "CreateEventBus" | "DescribeEventBus" | "UpdateEventBus" | "DeleteEventBus" => {
                vec![self.bus_arn(text("Name").unwrap_or("default"))]
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                vec![text("ResourceARN").unwrap_or("*").to_owned()]
            }
            _ => vec!["*".to_owned()],
        }
    }

    fn scheduler_resource(&self, request: &Request<Bytes>) -> (String, String) {
        let scope = self.rules.scope();
        let own = format!("arn:aws:scheduler:{}:{}:", scope.region, scope.account);
        let path = form::decode(request.uri().path().trim_matches('/')).into_owned();
        let (kind, name) = path.split_once('/').unwrap_or((path.as_str(), ""));
        let word = match (kind, request.method()) {
            ("tags", &Method::POST) => "Tag",
            ("tags", &Method::DELETE) => "Untag",
            ("tags", _) => "ListTagsFor",
            (_, &Method::POST) => "Create",
            (_, &Method::PUT) => "Update",
            (_, &Method::DELETE) => "Delete",
            _ if name.is_empty() => "List",
            _ => "Get",
        };
        let plural = if word == "List" { "s" } else { "" };
        match kind {
            "tags" => (format!("scheduler:{word}Resource"), name.to_owned()),
            "schedule-groups" => (
                format!("scheduler:{word}ScheduleGroup{plural}"),
                format!("{own}schedule-group/{}", or_all(name)),
            ),
            _ => {
                // From where the operation itself takes it: a group named elsewhere
                // must not decide over another.
                let query = |name: &str| {
                    let query = request.uri().query().unwrap_or_default();
                    let mut pairs = form::pairs(query);
                    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
                };
                let (group, otherwise) = match word {
                    "List" => (query("ScheduleGroup"), "*"),
                    "Create" | "Update" => (text(&body(request), &["GroupName"]), "default"),
                    _ => (query("groupName"), "default"),
                };
                let group = group.unwrap_or_else(|| otherwise.to_owned());
                (
                    format!("scheduler:{word}Schedule{plural}"),
                    format!("{own}schedule/{group}/{}", or_all(name)),
                )
            }
        }
    }

    fn bus_arn(&self, bus: &str) -> String {
        self.events_arn("event-bus", bus_name(bus))
    }

    fn rule_arn(&self, bus: &str, name: Option<&str>) -> String {
        let name = name.unwrap_or("*");
        match bus_name(bus) {
            "default" => self.events_arn("rule", name),
            bus => self.events_arn("rule", &format!("{bus}/{name}")),
        }
    }

    fn events_arn(&self, kind: &str, name: &str) -> String {
        let scope = self.rules.scope();
        format!(
            "arn:aws:events:{}:{}:{kind}/{name}",
            scope.region, scope.account
        )
    }

    fn role_that_asks<'a>(&self, request: &'a Request<Bytes>) -> Option<&'a str> {
        let iam = self.iam.as_ref()?;
        let identity = request.extensions().get::<Identity>()?;
        let arn = identity.principal.arn.as_str();
        (!iam.is_root(arn)).then_some(arn)
    }

    fn ask(
        &self,
        request: &Request<Bytes>,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), String> {
        let (Some(iam), Some(principal_arn)) = (&self.iam, self.role_that_asks(request)) else {
            return Ok(());
        };
        let ask = Ask {
            principal_arn,
            action,
            resource,
            resource_policy: None,
            context,
        };
        iam.authorize(&ask).map_err(|denied| denied.to_string())
    }
}

/// What cannot be read is refused by the operation itself.
fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap_or_default()
}

/// The text at the end of a way through objects.
fn text(value: &Value, way: &[&str]) -> Option<String> {
    let found = way.iter().try_fold(value, |value, name| value.get(name));
    found.and_then(Value::as_str).map(str::to_owned)
}

/// A bus by its name or ARN.
fn bus_name(bus: &str) -> &str {
    match bus.split_once(":event-bus/") {
        Some((_, name)) => name,
        None => bus,
    }
}

fn or_all(name: &str) -> &str {
    if name.is_empty() { "*" } else { name }
}
