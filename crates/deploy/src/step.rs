//! One change: told before it is done, done so that doing it again does no harm.

use crate::kinds::Work;

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub phase: Phase,
    pub action: Action,
    /// `function`, `role`, `bucket`, ...
    pub kind: &'static str,
    /// As the cloud has it.
    pub name: String,
    /// What differs, one short phrase each: `memory 512 -> 1024`.
    pub details: Vec<String>,
    pub work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Remove,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Remove => "remove",
        }
    }
}

/// What is made and changed is so in this order, what is removed in the opposite one,
/// after everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Bucket,
    LogGroup,
    Role,
    /// Packages that go through a bucket.
    Upload,
    Layer,
    Function,
    /// A new version is published.
    Version,
    /// Where there is no alias yet, it is made: all that follows points to it.
    Entry,
    /// Reserved concurrency, retries, destinations.
    Setting,
    Url,
    Api,
    /// Who looks at what callers of the API bring.
    Authorizer,
    /// Who may invoke.
    Permission,
    Route,
    /// How often routes may be called.
    Rate,
    Host,
    Schedule,
    Notification,
    /// The new version begins to answer.
    Alias,
    /// What only the old version needed goes.
    Prune,
}

impl Step {
    pub fn draft(action: Action, phase: Phase, kind: &'static str, name: &str) -> Draft {
        Draft {
            phase,
            action,
            kind,
            name: name.to_owned(),
            details: Vec::new(),
        }
    }

    /// `role features-dev-clean`, for messages.
    pub fn what(&self) -> String {
        format!("{} of {} {}", self.noun(), self.kind, self.name)
    }

    fn noun(&self) -> &'static str {
        match self.action {
            Action::Create => "creation",
            Action::Update => "update",
            Action::Remove => "removal",
        }
    }
}

/// A step whose work is yet to be said.
#[derive(Debug)]
pub struct Draft {
    phase: Phase,
    action: Action,
    kind: &'static str,
    name: String,
    details: Vec<String>,
}

impl Draft {
    #[must_use]
    pub fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    pub fn work(self, work: impl Into<Work>) -> Step {
        Step {
            phase: self.phase,
            action: self.action,
            kind: self.kind,
            name: self.name,
            details: self.details,
            work: work.into(),
        }
    }
}
