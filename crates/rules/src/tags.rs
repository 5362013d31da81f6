//! Tags of buses, rules and groups of schedules, which clients name by ARN.

use types::{BusName, GroupName, RuleName};

use crate::error::{RuleError, ScheduleError};
use crate::model::{Group, Rule, Tags};
use crate::rules::Rules;

const MOST: usize = 50;

enum Tagged {
    Bus(BusName),
    Rule(BusName, RuleName),
}

impl Rules {
    pub fn tags(&self, arn: &str) -> Result<Tags, RuleError> {
        let state = self.state.read();
        match self.tagged(arn)? {
            Tagged::Bus(name) => Ok(state.bus(&name)?.tags.clone()),
            Tagged::Rule(bus, name) => Ok(state.rule(&bus, &name)?.tags.clone()),
        }
    }

    pub async fn tag(&self, arn: &str, tags: Tags) -> Result<(), RuleError> {
        self.change_tags(arn, |all| {
            all.extend(tags);
            check_tags(all)
        })
        .await
    }

    pub async fn untag(&self, arn: &str, keys: &[String]) -> Result<(), RuleError> {
        self.change_tags(arn, |all| {
            all.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn change_tags(
        &self,
        arn: &str,
        edit: impl FnOnce(&mut Tags) -> Result<(), String>,
    ) -> Result<(), RuleError> {
        match self.tagged(arn)? {
            Tagged::Bus(name) => {
                let edit =
                    |bus: &mut crate::model::Bus| edit(&mut bus.tags).map_err(RuleError::Invalid);
                self.change_bus(&name, edit).await.map(drop)
            }
            Tagged::Rule(bus, name) => {
                self.change(|state| {
                    let mut rule = Rule::clone(state.rule(&bus, &name)?);
                    edit(&mut rule.tags).map_err(RuleError::Invalid)?;
                    state.put_rule(rule);
                    Ok(())
                })
                .await
            }
        }
    }

    /// `arn:aws:events:REGION:ACCOUNT:event-bus/BUS`, `...:rule/RULE` or
    /// `...:rule/BUS/RULE`.
    fn tagged(&self, arn: &str) -> Result<Tagged, RuleError> {
        let bad = || RuleError::invalid("Parameter ResourceARN is not valid.");
        let own = format!(
            "arn:aws:events:{}:{}:",
            self.scope.region, self.scope.account
        );
        let resource = arn.strip_prefix(&own).ok_or_else(bad)?;
        let (kind, path) = resource.split_once('/').ok_or_else(bad)?;
        match (kind, path.rsplit_once('/')) {
            ("event-bus", _) => path.parse().map(Tagged::Bus).map_err(|_| bad()),
            ("rule", Some((bus, rule))) => {
                let bus = bus.parse().map_err(|_| bad())?;
                let rule = rule.parse().map_err(|_| bad())?;
                Ok(Tagged::Rule(bus, rule))
            }
            ("rule", None) => {
                let rule = path.parse().map_err(|_| bad())?;
                Ok(Tagged::Rule(BusName::standard(), rule))
            }
            _ => Err(bad()),
        }
    }

    pub fn group_tags(&self, arn: &str) -> Result<Tags, ScheduleError> {
        let name = self.tagged_group(arn)?;
        Ok(self.state.read().group(&name)?.tags.clone())
    }

    pub async fn tag_group(&self, arn: &str, tags: Tags) -> Result<(), ScheduleError> {
        self.change_group_tags(arn, |all| {
            all.extend(tags);
            check_tags(all)
        })
        .await
    }

    pub async fn untag_group(&self, arn: &str, keys: &[String]) -> Result<(), ScheduleError> {
        self.change_group_tags(arn, |all| {
            all.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn change_group_tags(
        &self,
        arn: &str,
        edit: impl FnOnce(&mut Tags) -> Result<(), String>,
    ) -> Result<(), ScheduleError> {
        let name = self.tagged_group(arn)?;
        let now = self.clock.now();
        self.change(|state| {
            let mut group = Group::clone(state.group(&name)?);
            edit(&mut group.tags).map_err(ScheduleError::Invalid)?;
            group.updated = now;
            state.put_group(group);
            Ok(())
        })
        .await
    }

    fn tagged_group(&self, arn: &str) -> Result<GroupName, ScheduleError> {
        let own = format!(
            "arn:aws:scheduler:{}:{}:schedule-group/",
            self.scope.region, self.scope.account
        );
        let name = arn.strip_prefix(&own).and_then(|name| name.parse().ok());
        name.ok_or_else(|| ScheduleError::invalid("Invalid resource ARN."))
    }
}

pub(crate) fn check_tags(tags: &Tags) -> Result<(), String> {
    if tags.len() > MOST {
        return Err(format!("A resource can have at most {MOST} tags."));
    }
    for (key, value) in tags {
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err("Tag keys have 1 to 128 characters, and values up to 256.".to_owned());
        }
    }
    Ok(())
}
