//! What is kept of buses, rules, schedules and groups. All of it is stored as it
//! stands here.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::{BusName, FunctionRef, GroupName, RuleName, ScheduleName, Scope, TargetId, Timestamp};

use crate::input::Input;
use crate::pattern::Pattern;
use crate::schedule::{Expression, Plan, Zone};

pub type Tags = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bus {
    pub name: BusName,
    pub description: Option<String>,
    pub kms_key: Option<String>,
    pub dead_letter: Option<String>,
    /// Who else may put events, by the id of the statement. Kept and shown: there
    /// is one account here, and so nobody else.
    pub statements: BTreeMap<String, Value>,
    pub tags: Tags,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub name: RuleName,
    pub bus: BusName,
    pub description: Option<String>,
    pub state: RunState,
    pub pattern: Option<Pattern>,
    pub schedule: Option<Expression>,
    pub role: Option<String>,
    pub tags: Tags,
    pub targets: BTreeMap<TargetId, Target>,
    /// Since when it has run by this expression.
    pub since: Timestamp,
}

/// What a rule calls. The functions' own retries hold for it, as on AWS, where
/// the policy here is for handing the event over, which cannot fail here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub id: TargetId,
    pub arn: FunctionArn,
    pub input: Input,
    pub role: Option<String>,
    pub retry: Option<RetryText>,
    pub dead_letter: Option<String>,
}

/// Kept as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryText {
    pub attempts: Option<u32>,
    pub age_seconds: Option<u32>,
}

/// The ARN of a function, perhaps with a qualifier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionArn {
    text: String,
    function: FunctionRef,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub name: ScheduleName,
    pub group: GroupName,
    pub description: Option<String>,
    pub state: RunState,
    pub expression: Expression,
    pub zone: Option<Zone>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// `None` is no flexible window.
    pub window_minutes: Option<u32>,
    pub delete_when_complete: bool,
    pub target: ScheduleTarget,
    pub kms_key: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// Since when it has run by this expression.
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleTarget {
    /// Of a function, or `arn:aws:scheduler:::aws-sdk:lambda:invoke`.
    pub arn: String,
    pub role: String,
    pub input: Option<String>,
    pub retry: Option<RetryText>,
    pub dead_letter: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: GroupName,
    pub tags: Tags,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Bus {
    pub fn arn(name: &BusName, scope: &Scope) -> String {
        format!(
            "arn:aws:events:{}:{}:event-bus/{name}",
            scope.region, scope.account
        )
    }
}

impl Rule {
    /// Rules of the bus that every account has do not name it.
    pub fn arn(&self, scope: &Scope) -> String {
        let place = if self.bus == BusName::standard() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.bus, self.name)
        };
        format!(
            "arn:aws:events:{}:{}:rule/{place}",
            scope.region, scope.account
        )
    }

    /// When it runs by itself, if it does. A rate runs for the first time when one
    /// period is over.
    pub(crate) fn plan(&self) -> Option<Plan> {
        let expression = self.schedule.clone().filter(|_| self.is_enabled())?;
        let period = expression.period_seconds().unwrap_or_default();
        Some(Plan {
            expression,
            zone: Zone::utc(),
            first: self.since.plus_millis(i64::from(period) * 1000),
            start: None,
            end: None,
            window_seconds: 0,
            seed: 0,
        })
    }

    pub fn is_enabled(&self) -> bool {
        self.state == RunState::Enabled
    }
}

impl Schedule {
    pub fn arn(&self, scope: &Scope) -> String {
        format!(
            "arn:aws:scheduler:{}:{}:schedule/{}/{}",
            scope.region, scope.account, self.group, self.name
        )
    }

    pub fn is_enabled(&self) -> bool {
        self.state == RunState::Enabled
    }

    /// A rate runs for the first time at its start, or at once if it names none.
    pub(crate) fn plan(&self) -> Option<Plan> {
        self.is_enabled().then(|| Plan {
            expression: self.expression.clone(),
            zone: self.zone.clone().unwrap_or_else(Zone::utc),
            first: self.start.unwrap_or(self.since),
            start: self.start,
            end: self.end,
            window_seconds: self.window_minutes.unwrap_or_default() * 60,
            seed: seed(&self.group, &self.name),
        })
    }
}

impl Group {
    pub fn arn(&self, scope: &Scope) -> String {
        format!(
            "arn:aws:scheduler:{}:{}:schedule-group/{}",
            scope.region, scope.account, self.name
        )
    }
}

/// FNV-1a: the same on every machine and in every version.
fn seed(group: &GroupName, name: &ScheduleName) -> u64 {
    let bytes = group
        .as_str()
        .bytes()
        .chain([b'/'])
        .chain(name.as_str().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl FunctionArn {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn function(&self) -> &FunctionRef {
        &self.function
    }
}

impl fmt::Debug for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A target that is not the ARN of a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a function")]
pub struct NoFunction(pub String);

impl FromStr for FunctionArn {
    type Err = NoFunction;

    fn from_str(text: &str) -> Result<Self, NoFunction> {
        let function = text
            .starts_with("arn:")
            .then(|| text.parse().ok())
            .flatten();
        let function = function.ok_or_else(|| NoFunction(text.chars().take(200).collect()))?;
        Ok(Self {
            text: text.to_owned(),
            function,
        })
    }
}

impl TryFrom<String> for FunctionArn {
    type Error = NoFunction;

    fn try_from(text: String) -> Result<Self, NoFunction> {
        text.parse()
    }
}

impl From<FunctionArn> for String {
    fn from(arn: FunctionArn) -> String {
        arn.text
    }
}
