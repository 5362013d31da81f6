//! From an event to what it runs.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use store::{EventSource, NewEvent};
use types::{RequestId, Scope, Timestamp};

use crate::clock::Clock;
use crate::input::Occasion;
use crate::model::{Rule, Target};
use crate::pattern::Fields;

/// The service on whose behalf rules call functions.
pub(crate) const EVENTS: &str = "events.amazonaws.com";

/// The enabled rules of a bus at one moment, so that the most that an event can
/// cause and what it does cause come from the same rules.
#[derive(Debug, Clone)]
pub struct Routes {
    scope: Scope,
    clock: Clock,
    rules: Vec<Arc<Rule>>,
}

impl Routes {
    pub(crate) fn new(scope: Scope, clock: Clock, rules: Vec<Arc<Rule>>) -> Self {
        Self {
            scope,
            clock,
            rules,
        }
    }

    /// No event runs more functions than this.
    pub fn most(&self) -> usize {
        self.rules.iter().map(|rule| rule.targets.len()).sum()
    }

    /// What the event is to run. It computes, and waits for nothing.
    pub fn route(&self, event: &Value) -> Vec<NewEvent> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let fields = Fields::of(event);
        let wanting = self.rules.iter().filter(|rule| {
            let pattern = rule.pattern.as_ref();
            pattern.is_some_and(|pattern| pattern.matches_fields(&fields))
        });
        let subject = subject(event);
        wanting
            .flat_map(|rule| calls(&self.scope, rule, event, &subject, self.clock.now()))
            .collect()
    }
}

/// One call for each target of a rule.
pub(crate) fn calls(
    scope: &Scope,
    rule: &Rule,
    event: &Value,
    subject: &str,
    ingested: Timestamp,
) -> Vec<NewEvent> {
    let arn = rule.arn(scope);
    let occasion = Occasion {
        event,
        rule_arn: &arn,
        rule_name: rule.name.as_str(),
        ingested,
    };
    rule.targets
        .values()
        .filter_map(|target| call(target, &occasion, subject))
        .collect()
}

fn call(target: &Target, occasion: &Occasion<'_>, subject: &str) -> Option<NewEvent> {
    let payload = match target.input.payload(occasion) {
        Ok(payload) => payload,
        Err(error) => {
            tracing::warn!(
                rule = occasion.rule_arn,
                target = %target.id,
                %error,
                "a rule's target was not called"
            );
            return None;
        }
    };
    let function = target.arn.function();
    let mut event = NewEvent::new(
        RequestId::random(),
        function.name.clone(),
        Bytes::from(payload),
    );
    event.qualifier.clone_from(&function.qualifier);
    event.source = Some(EventSource {
        service: EVENTS.to_owned(),
        arn: occasion.rule_arn.to_owned(),
        role: target.role.clone(),
        subject: subject.to_owned(),
    });
    Some(event)
}

/// `order.created from shop`
pub(crate) fn subject(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or("?");
    format!("{} from {}", text("detail-type"), text("source"))
}
