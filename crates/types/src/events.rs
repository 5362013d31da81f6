//! Names of what makes functions run by themselves: event buses, rules and their
//! targets, schedules and their groups.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::{BadName, name};

/// Letters, digits, `.`, `-` and `_`, between one and 64 of them.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

name!(
    /// The name of an event bus; one is named `default`.
    BusName,
    "event bus name",
    "use 1 to 256 letters, digits, '/', '.', '-' and '_'",
    |text| {
        (1..=256).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/.-_".contains(&b))
    }
);

name!(
    /// The name of a rule on its bus.
    RuleName,
    "rule name",
    "use 1 to 64 letters, digits, '.', '-' and '_'",
    is_plain
);

name!(
    /// What a rule calls one of its targets.
    TargetId,
    "target id",
    "use 1 to 64 letters, digits, '.', '-' and '_'",
    is_plain
);

name!(
    /// The name of a schedule in its group.
    ScheduleName,
    "schedule name",
    "use 1 to 64 letters, digits, '.', '-' and '_'",
    is_plain
);

name!(
    /// The name of a group of schedules; one is named `default`.
    GroupName,
    "schedule group name",
    "use 1 to 64 letters, digits, '.', '-' and '_'",
    is_plain
);

impl BusName {
    /// The bus that every account has.
    pub fn standard() -> Self {
        "default".parse().expect("it keeps to the form")
    }
}

impl GroupName {
    /// The group that every account has.
    pub fn standard() -> Self {
        "default".parse().expect("it keeps to the form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_forms() {
        assert!("keep-warm_1.x".parse::<RuleName>().is_ok());
        assert!("a/b".parse::<BusName>().is_ok());
        let long = "x".repeat(65);
        for bad in ["", "a b", "a/b", "ä", long.as_str()] {
            assert!(bad.parse::<RuleName>().is_err(), "{bad}");
            assert!(bad.parse::<TargetId>().is_err(), "{bad}");
            assert!(bad.parse::<ScheduleName>().is_err(), "{bad}");
            assert!(bad.parse::<GroupName>().is_err(), "{bad}");
        }
        assert_eq!(BusName::standard().as_str(), "default");
    }
}
