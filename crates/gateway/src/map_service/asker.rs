//! Who asks, where a route knows its callers: jobs belong to who made them.

use std::sync::Arc;

/// A caller, as far as jobs are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Asker {
    /// The route asks nobody who they are.
    #[default]
    Anyone,
    /// Known by a key, a token or a signature: the same text for all that is one caller.
    Owner(Arc<str>),
    /// Somebody to whom a caller gave a link: good for looking, and for nothing else.
    Shared,
}

impl Asker {
    /// To whom a job belongs that is made now.
    pub(super) fn owner(&self) -> Option<String> {
        match self {
            Self::Owner(owner) => Some(owner.to_string()),
            Self::Anyone | Self::Shared => None,
        }
    }

    /// Whether they may see a job. One that belongs to nobody was made when the route was
    /// open to all: whoever knows its id may.
    pub(super) fn may(&self, reads: bool, owner: Option<&str>) -> bool {
        match (self, owner) {
            (Self::Shared, _) => reads,
            (Self::Anyone | Self::Owner(_), None) => true,
            (Self::Owner(own), Some(owner)) => **own == *owner,
            (Self::Anyone, Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_its_owners() {
        let owner = |text: &str| Asker::Owner(text.into());
        for (asker, reads, belongs, may) in [
            (owner("key:a"), true, Some("key:a"), true),
            (owner("key:a"), false, Some("key:a"), true),
            (owner("key:b"), true, Some("key:a"), false),
            (owner("jwt:a"), true, Some("key:a"), false),
            (owner("key:a"), true, None, true),
            (Asker::Anyone, true, None, true),
            (Asker::Anyone, true, Some("key:a"), false),
            (Asker::Shared, true, Some("key:a"), true),
            (Asker::Shared, false, Some("key:a"), false),
            (Asker::Shared, false, None, false),
        ] {
            assert_eq!(asker.may(reads, belongs), may, "{asker:?} {belongs:?}");
        }
    }
}
