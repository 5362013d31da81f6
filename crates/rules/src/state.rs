//! What was made, in memory. Every put and removal notes the document and the
//! plan that it changes, so no operation can forget to store something or to
//! tell the timetable.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use store::Change;
use types::{BusName, GroupName, RuleName, ScheduleName, Timestamp};

use crate::error::{RuleError, ScheduleError};
use crate::model::{Bus, Group, Rule, Schedule};
use crate::timetable::{Key, Planned};

pub(crate) const BUS: &str = "event-bus";
pub(crate) const RULE: &str = "event-rule";
pub(crate) const GROUP: &str = "schedule-group";
pub(crate) const SCHEDULE: &str = "schedule";

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    buses: BTreeMap<BusName, Arc<Bus>>,
    rules: BTreeMap<(BusName, RuleName), Arc<Rule>>,
    groups: BTreeMap<GroupName, Arc<Group>>,
    schedules: BTreeMap<(GroupName, ScheduleName), Arc<Schedule>>,
    noted: Noted,
}

/// What has to become of the changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    pub changes: Vec<Change>,
    /// `None` runs no more.
    pub plans: Vec<(Key, Option<Planned>)>,
}

impl State {
    pub fn bus(&self, name: &BusName) -> Result<&Arc<Bus>, RuleError> {
        let found = self.buses.get(name);
        found.ok_or_else(|| RuleError::NoBus(name.clone()))
    }

    /// Sorted by name.
    pub fn buses(&self) -> impl Iterator<Item = &Arc<Bus>> {
        self.buses.values()
    }

    pub fn put_bus(&mut self, bus: Bus) -> Arc<Bus> {
        self.note(BUS, bus.name.as_str(), Some(&bus));
        let bus = Arc::new(bus);
        self.buses.insert(bus.name.clone(), bus.clone());
        bus
    }

    pub fn remove_bus(&mut self, name: &BusName) {
        self.buses.remove(name);
        self.note(BUS, name.as_str(), None::<&Bus>);
    }

    /// The bus is looked for first: that it is missing says more.
    pub fn rule(&self, bus: &BusName, name: &RuleName) -> Result<&Arc<Rule>, RuleError> {
        self.bus(bus)?;
        let found = self.rules.get(&(bus.clone(), name.clone()));
        found.ok_or_else(|| RuleError::NoRule {
            rule: name.clone(),
            bus: bus.clone(),
        })
    }

    /// Of one bus, sorted by name.
    pub fn rules<'a>(&'a self, bus: &'a BusName) -> impl Iterator<Item = &'a Arc<Rule>> {
        let all = self.rules.values();
        all.filter(move |rule| rule.bus == *bus)
    }

    /// Of all buses.
    pub fn all_rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.values()
    }

    pub fn put_rule(&mut self, rule: Rule) -> Arc<Rule> {
        self.note(RULE, &rule_key(&rule.bus, &rule.name), Some(&rule));
        let plan = rule.plan().map(|plan| Planned {
            plan,
            done: rule.since,
        });
        if rule.bus == BusName::standard() {
            self.noted.plans.push((Key::Rule(rule.name.clone()), plan));
        }
        let rule = Arc::new(rule);
        let key = (rule.bus.clone(), rule.name.clone());
        self.rules.insert(key, rule.clone());
        rule
    }

    pub fn remove_rule(&mut self, bus: &BusName, name: &RuleName) {
        self.rules.remove(&(bus.clone(), name.clone()));
        self.note(RULE, &rule_key(bus, name), None::<&Rule>);
        if *bus == BusName::standard() {
            self.noted.plans.push((Key::Rule(name.clone()), None));
        }
    }

    pub fn group(&self, name: &GroupName) -> Result<&Arc<Group>, ScheduleError> {
        let found = self.groups.get(name);
        found.ok_or_else(|| ScheduleError::NoGroup(name.clone()))
    }

    /// Sorted by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    pub fn put_group(&mut self, group: Group) -> Arc<Group> {
        self.note(GROUP, group.name.as_str(), Some(&group));
        let group = Arc::new(group);
        self.groups.insert(group.name.clone(), group.clone());
        group
    }

    /// With all schedules in it.
    pub fn remove_group(&mut self, name: &GroupName) {
        let inside: Vec<ScheduleName> = self
            .schedules()
            .filter(|schedule| schedule.group == *name)
            .map(|schedule| schedule.name.clone())
            .collect();
        for schedule in inside {
            self.remove_schedule(name, &schedule);
        }
        self.groups.remove(name);
        self.note(GROUP, name.as_str(), None::<&Group>);
    }

    pub fn schedule(
        &self,
        group: &GroupName,
        name: &ScheduleName,
    ) -> Result<&Arc<Schedule>, ScheduleError> {
        let found = self.schedules.get(&(group.clone(), name.clone()));
        found.ok_or_else(|| ScheduleError::NoSchedule(name.clone()))
    }

    /// Sorted by group and name.
    pub fn schedules(&self) -> impl Iterator<Item = &Arc<Schedule>> {
        self.schedules.values()
    }

    pub fn put_schedule(&mut self, schedule: Schedule) -> Arc<Schedule> {
        let key = schedule_key(&schedule.group, &schedule.name);
        self.note(SCHEDULE, &key, Some(&schedule));
        let plan = schedule.plan().map(|plan| Planned {
            plan,
            // A rate without a start runs at this very moment.
            done: schedule.since.plus_millis(-1),
        });
        let key = Key::Schedule(schedule.group.clone(), schedule.name.clone());
        self.noted.plans.push((key, plan));
        let schedule = Arc::new(schedule);
        let key = (schedule.group.clone(), schedule.name.clone());
        self.schedules.insert(key, schedule.clone());
        schedule
    }

    pub fn remove_schedule(&mut self, group: &GroupName, name: &ScheduleName) {
        self.schedules.remove(&(group.clone(), name.clone()));
        self.note(SCHEDULE, &schedule_key(group, name), None::<&Schedule>);
        let key = Key::Schedule(group.clone(), name.clone());
        self.noted.plans.push((key, None));
    }

    pub fn take_noted(&mut self) -> Noted {
        std::mem::take(&mut self.noted)
    }

    fn note<T: Serialize>(&mut self, kind: &'static str, key: &str, body: Option<&T>) {
        let body = body.map(|body| serde_json::to_vec(body).expect("a record is plain data"));
        self.noted.changes.push(Change {
            kind,
            key: key.to_owned(),
            body,
        });
    }
}

impl Bus {
    /// The one that nobody has to make.
    pub(crate) fn standard(created: Timestamp) -> Self {
        Self {
            name: BusName::standard(),
            description: None,
            kms_key: None,
            dead_letter: None,
            statements: BTreeMap::new(),
            tags: BTreeMap::new(),
            created,
            updated: created,
        }
    }
}

impl Group {
    /// The one that nobody has to make.
    pub(crate) fn standard(created: Timestamp) -> Self {
        Self {
            name: GroupName::standard(),
            tags: BTreeMap::new(),
            created,
            updated: created,
        }
    }
}

/// The name of a bus may have slashes, that of a rule has none.
fn rule_key(bus: &BusName, name: &RuleName) -> String {
    format!("{bus}/{name}")
}

fn schedule_key(group: &GroupName, name: &ScheduleName) -> String {
    format!("{group}/{name}")
}
