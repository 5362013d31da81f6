//! What clients do with schedules and their groups.

use std::sync::Arc;

use types::{GroupName, ScheduleName, Timestamp};

use crate::error::ScheduleError;
use crate::model::{Group, RetryText, RunState, Schedule, ScheduleTarget, Tags};
use crate::rule_book::whole_seconds;
use crate::rules::Rules;
use crate::schedule::{Dialect, Expression, Zone};
use crate::schedule_call::check_target;
use crate::tags::check_tags;

/// AWS allows a million; this is what one machine holds in memory without effort.
const SCHEDULES: usize = 20_000;
/// AWS's quota.
const GROUPS: usize = 500;
const INPUT_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub struct NewSchedule {
    pub name: ScheduleName,
    pub group: GroupName,
    pub description: Option<String>,
    pub state: RunState,
    pub expression: String,
    pub zone: Option<String>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub window_minutes: Option<u32>,
    pub delete_when_complete: bool,
    pub target: NewScheduleTarget,
    pub kms_key: Option<String>,
}

#[derive(Debug, Clone)]
pub struct NewScheduleTarget {
    pub arn: String,
    pub role: String,
    pub input: Option<String>,
    pub retry: Option<RetryText>,
    pub dead_letter: Option<String>,
}

impl Rules {
    pub fn schedule(
        &self,
        group: &GroupName,
        name: &ScheduleName,
    ) -> Result<Arc<Schedule>, ScheduleError> {
        self.state.read().schedule(group, name).cloned()
    }

    /// Of one group or of all, sorted by group and name.
    pub fn schedules(
        &self,
        group: Option<&GroupName>,
        prefix: &str,
        state: Option<RunState>,
    ) -> Result<Vec<Arc<Schedule>>, ScheduleError> {
        let book = self.state.read();
        if let Some(group) = group {
            book.group(group)?;
        }
        let fitting = book.schedules().filter(|schedule| {
            group.is_none_or(|group| schedule.group == *group)
                && schedule.name.as_str().starts_with(prefix)
                && state.is_none_or(|state| schedule.state == state)
        });
        Ok(fitting.cloned().collect())
    }

    pub async fn create_schedule(&self, new: NewSchedule) -> Result<Arc<Schedule>, ScheduleError> {
        let schedule = self.checked(new)?;
        self.change(|state| {
            state.group(&schedule.group)?;
            if state.schedule(&schedule.group, &schedule.name).is_ok() {
                return Err(ScheduleError::ScheduleExists(schedule.name));
            }
            if state.schedules().count() >= SCHEDULES {
                return Err(ScheduleError::TooMany("schedules"));
            }
            Ok(state.put_schedule(schedule))
        })
        .await
    }

    /// Puts another in its place: what is absent is unset.
    pub async fn update_schedule(&self, new: NewSchedule) -> Result<Arc<Schedule>, ScheduleError> {
        let mut schedule = self.checked(new)?;
        self.change(|state| {
            let old = state.schedule(&schedule.group, &schedule.name)?;
            schedule.created = old.created;
            // The same expression goes on as it was.
            if old.expression == schedule.expression
                && old.zone == schedule.zone
                && old.start == schedule.start
                && old.is_enabled()
            {
                schedule.since = old.since;
            }
            Ok(state.put_schedule(schedule))
        })
        .await
    }

    pub async fn delete_schedule(
        &self,
        group: &GroupName,
        name: &ScheduleName,
    ) -> Result<(), ScheduleError> {
        self.change(|state| {
            state.schedule(group, name)?;
            state.remove_schedule(group, name);
            Ok(())
        })
        .await
    }

    pub fn group(&self, name: &GroupName) -> Result<Arc<Group>, ScheduleError> {
        self.state.read().group(name).cloned()
    }

    /// Sorted by name.
    pub fn groups(&self, prefix: &str) -> Vec<Arc<Group>> {
        let state = self.state.read();
        let fitting = state
            .groups()
            .filter(|group| group.name.as_str().starts_with(prefix));
        fitting.cloned().collect()
    }

    pub async fn create_group(
        &self,
        name: GroupName,
        tags: Tags,
    ) -> Result<Arc<Group>, ScheduleError> {
        check_tags(&tags).map_err(ScheduleError::Invalid)?;
        let now = self.clock.now();
        self.change(|state| {
            if state.group(&name).is_ok() {
                return Err(ScheduleError::GroupExists(name));
            }
            if state.groups().count() >= GROUPS {
                return Err(ScheduleError::TooMany("schedule groups"));
            }
            Ok(state.put_group(Group {
                name,
                tags,
                created: now,
                updated: now,
            }))
        })
        .await
    }

    /// Its schedules are deleted with it.
    pub async fn delete_group(&self, name: &GroupName) -> Result<(), ScheduleError> {
        if *name == GroupName::standard() {
            return Err(ScheduleError::invalid(
                "The default schedule group cannot be deleted.",
            ));
        }
        self.change(|state| {
            state.group(name)?;
            state.remove_group(name);
            Ok(())
        })
        .await
    }

    fn checked(&self, new: NewSchedule) -> Result<Schedule, ScheduleError> {
        let expression = Expression::parse(
            &new.expression,
            Dialect::Scheduler,
            self.policy.schedule_seconds,
        )
        .map_err(|_| {
            ScheduleError::Invalid(format!("Invalid Schedule Expression {}.", new.expression))
        })?;
        let zone = new.zone.as_deref().map(str::parse::<Zone>).transpose();
        let zone = zone.map_err(|_| {
            let zone = new.zone.as_deref().unwrap_or_default();
            ScheduleError::Invalid(format!("Invalid Schedule Expression Timezone {zone}."))
        })?;
        if let (Some(start), Some(end)) = (new.start, new.end)
            && start >= end
        {
            return Err(ScheduleError::invalid(
                "The StartDate you specify must come before the EndDate.",
            ));
        }
        let target = ScheduleTarget {
            arn: new.target.arn,
            role: new.target.role,
            input: new.target.input,
            retry: new.target.retry,
            dead_letter: new.target.dead_letter,
        };
        if target
            .input
            .as_ref()
            .is_some_and(|input| input.len() > INPUT_BYTES)
        {
            return Err(ScheduleError::invalid("The Input is larger than 256 KB."));
        }
        check_target(self, &target).map_err(ScheduleError::Invalid)?;
        let now = self.clock.now();
        Ok(Schedule {
            name: new.name,
            group: new.group,
            description: new.description,
            state: new.state,
            expression,
            zone,
            start: new.start,
            end: new.end,
            window_minutes: new.window_minutes,
            delete_when_complete: new.delete_when_complete,
            target,
            kms_key: new.kms_key,
            created: now,
            updated: now,
            since: whole_seconds(now),
        })
    }
}
