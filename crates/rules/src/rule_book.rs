//! What clients do with rules and their targets.

use std::sync::Arc;

use types::{BusName, RuleName, TargetId, Timestamp};

use crate::error::RuleError;
use crate::input::{BadInput, Input, InputText};
use crate::model::{FunctionArn, RetryText, Rule, RunState, Tags, Target};
use crate::pattern::Pattern;
use crate::rules::Rules;
use crate::schedule::{Dialect, Expression};
use crate::tags::check_tags;

/// AWS's quotas.
const RULES_OF_BUS: usize = 300;
const TARGETS_OF_RULE: usize = 5;

#[derive(Debug, Clone)]
pub struct NewRule {
    pub name: RuleName,
    pub bus: BusName,
    pub description: Option<String>,
    pub state: RunState,
    pub pattern: Option<String>,
    pub schedule: Option<String>,
    pub role: Option<String>,
    /// Those of a rule that is there already stay as they are.
    pub tags: Tags,
}

#[derive(Debug, Clone)]
pub struct NewTarget {
    pub id: TargetId,
    pub arn: String,
    pub input: InputText,
    pub role: Option<String>,
    pub retry: Option<RetryText>,
    pub dead_letter: Option<String>,
}

/// A target that was not taken, while others were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedTarget {
    pub id: TargetId,
    pub reason: String,
}

impl Rules {
    pub fn rule(&self, bus: &BusName, name: &RuleName) -> Result<Arc<Rule>, RuleError> {
        self.state.read().rule(bus, name).cloned()
    }

    /// Sorted by name.
    pub fn rules(&self, bus: &BusName, prefix: &str) -> Result<Vec<Arc<Rule>>, RuleError> {
        let state = self.state.read();
        state.bus(bus)?;
        let fitting = state
            .rules(bus)
            .filter(|rule| rule.name.as_str().starts_with(prefix));
        Ok(fitting.cloned().collect())
    }

    /// The rules of a bus that have a target, sorted by name.
    pub fn rules_with_target(&self, bus: &BusName, arn: &str) -> Result<Vec<Arc<Rule>>, RuleError> {
        let mut rules = self.rules(bus, "")?;
        rules.retain(|rule| {
            rule.targets
                .values()
                .any(|target| target.arn.as_str() == arn)
        });
        Ok(rules)
    }

    /// Makes a rule, or puts another in its place that keeps targets and tags.
    pub async fn put_rule(&self, new: NewRule) -> Result<Arc<Rule>, RuleError> {
        if new.pattern.is_none() && new.schedule.is_none() {
            return Err(RuleError::invalid(
                "Parameter(s) EventPattern or ScheduleExpression must be specified.",
            ));
        }
        if new.schedule.is_some() && new.bus != BusName::standard() {
            return Err(RuleError::invalid(
                "ScheduleExpression is supported only on the default event bus.",
            ));
        }
        check_tags(&new.tags).map_err(RuleError::Invalid)?;
        let pattern = new.pattern.as_deref().map(Pattern::parse).transpose()?;
        let schedule = new.schedule.as_deref().map(|text| {
            Expression::parse(text, Dialect::Rule, self.policy.schedule_seconds)
                .map_err(|_| RuleError::invalid("Parameter ScheduleExpression is not valid."))
        });
        let schedule = schedule.transpose()?;
        let now = whole_seconds(self.clock.now());
        self.change(|state| {
            state.bus(&new.bus)?;
            let old = state.rule(&new.bus, &new.name).ok().cloned();
            if old.is_none() && state.rules(&new.bus).count() >= RULES_OF_BUS {
                return Err(RuleError::TooMany);
            }
            let mut rule = Rule {
                name: new.name,
                bus: new.bus,
                description: new.description,
                state: new.state,
                pattern,
                schedule,
                role: new.role,
                tags: new.tags,
                targets: std::collections::BTreeMap::new(),
                since: now,
            };
            if let Some(old) = old {
                rule.tags.clone_from(&old.tags);
                rule.targets.clone_from(&old.targets);
                // Putting the same again does not begin the period of a rate anew.
                if old.schedule == rule.schedule && old.is_enabled() {
                    rule.since = old.since;
                }
            }
            Ok(state.put_rule(rule))
        })
        .await
    }

    /// Deleting what is not there is no error.
    pub async fn delete_rule(&self, bus: &BusName, name: &RuleName) -> Result<(), RuleError> {
        self.change(|state| {
            state.bus(bus)?;
            let Ok(rule) = state.rule(bus, name) else {
                return Ok(());
            };
            if !rule.targets.is_empty() {
                return Err(RuleError::invalid(
                    "Rule can't be deleted since it has targets.",
                ));
            }
            state.remove_rule(bus, name);
            Ok(())
        })
        .await
    }

    pub async fn set_rule_state(
        &self,
        bus: &BusName,
        name: &RuleName,
        to: RunState,
    ) -> Result<(), RuleError> {
        let now = whole_seconds(self.clock.now());
        self.change_rule(bus, name, |rule| {
            if rule.state != to {
                rule.state = to;
                rule.since = now;
            }
            Ok(())
        })
        .await
    }

    /// Adds targets, or replaces those of the same id. Targets that this engine
    /// cannot call are refused one by one.
    pub async fn put_targets(
        &self,
        bus: &BusName,
        name: &RuleName,
        targets: Vec<NewTarget>,
    ) -> Result<Vec<RefusedTarget>, RuleError> {
        let mut refused = Vec::new();
        let mut taken = Vec::new();
        for new in targets {
            let input = Input::new(new.input).map_err(|why| bad_input(&new.id, &why))?;
            match self.function_arn(&new.arn) {
                Ok(arn) => taken.push(Target {
                    id: new.id,
                    arn,
                    input,
                    role: new.role,
                    retry: new.retry,
                    dead_letter: new.dead_letter,
                }),
                Err(reason) => refused.push(RefusedTarget { id: new.id, reason }),
            }
        }
        self.change_rule(bus, name, |rule| {
            for target in taken {
                rule.targets.insert(target.id.clone(), target);
            }
            if rule.targets.len() > TARGETS_OF_RULE {
                return Err(RuleError::TooMany);
            }
            Ok(())
        })
        .await?;
        Ok(refused)
    }

    /// The ids that were not there are given back.
    pub async fn remove_targets(
        &self,
        bus: &BusName,
        name: &RuleName,
        ids: &[TargetId],
    ) -> Result<(), RuleError> {
        self.change_rule(bus, name, |rule| {
            rule.targets.retain(|id, _| !ids.contains(id));
            Ok(())
        })
        .await
    }

    /// Functions are what there is to call, and only those of this engine.
    pub(crate) fn function_arn(&self, text: &str) -> Result<FunctionArn, String> {
        let arn: FunctionArn = text.parse().map_err(|_| {
            format!("{text:.200} is not the ARN of a Lambda function, and other targets are not part of this engine.")
        })?;
        let function = arn.function();
        let is_own = function.region.as_ref() == Some(&self.scope.region)
            && function.account.as_ref() == Some(&self.scope.account);
        if is_own {
            return Ok(arn);
        }
        Err(format!(
            "{text:.200} is not in account {} and region {}, which this engine stands for.",
            self.scope.account, self.scope.region
        ))
    }

    async fn change_rule(
        &self,
        bus: &BusName,
        name: &RuleName,
        edit: impl FnOnce(&mut Rule) -> Result<(), RuleError>,
    ) -> Result<(), RuleError> {
        self.change(|state| {
            let mut rule = Rule::clone(state.rule(bus, name)?);
            edit(&mut rule)?;
            state.put_rule(rule);
            Ok(())
        })
        .await
    }
}

fn bad_input(id: &TargetId, why: &BadInput) -> RuleError {
    RuleError::Invalid(match why {
        BadInput::TooMany => format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        ),
        BadInput::NotJson => format!("JSON syntax error in input for target {id}."),
        BadInput::BadPath(path) => format!("Invalid JSON path {path} for target {id}."),
        BadInput::Undefined(name) => {
            format!("InputTemplate for target {id} contains invalid placeholder {name}.")
        }
        BadInput::BadVariable(name) => {
            format!("InputPathsMap for target {id} contains invalid key {name}.")
        }
    })
}

/// Times of runs are to the second.
pub(crate) fn whole_seconds(t: Timestamp) -> Timestamp {
    Timestamp(t.0.div_euclid(1000) * 1000)
}
