//! The words of the book: jobs, their states and their failures.

use std::fmt;
use std::str::FromStr;

use types::Timestamp;

use crate::error::StoreError;

/// What results depend on beside their item: a hash of the function's code and
/// settings, and of the options that matter.
pub type Identity = [u8; 32];

/// A hash of all that a function sees of an item.
pub type ItemKey = [u8; 16];

/// Short and easy to type, such as `j-7f3k2m`; of a job that is shown to others than the
/// owner of the book so long that nobody guesses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(String);

/// Without those that are taken for one another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 6;
/// 128 bits, five to a letter.
const LONG: usize = 26;

impl JobId {
    pub(super) fn short(number: u64) -> Self {
        Self::of(number.into(), LENGTH)
    }

    pub(super) fn long(number: u128) -> Self {
        Self::of(number, LONG)
    }

    fn of(number: u128, length: usize) -> Self {
        let letter = |place| {
            let index = (number >> (5 * place)) & 31;
            char::from(LETTERS[usize::try_from(index).expect("five bits are an index")])
        };
        Self(format!("j-{}", (0..length).map(letter).collect::<String>()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the id of a job, such as j-7f3k2m")]
pub struct BadJobId(String);

impl FromStr for JobId {
    type Err = BadJobId;

    fn from_str(text: &str) -> Result<Self, BadJobId> {
        let letters = text.strip_prefix("j-");
        let letters = letters.filter(|rest| [LENGTH, LONG].contains(&rest.len()));
        let good = letters.is_some_and(|rest| rest.bytes().all(|byte| LETTERS.contains(&byte)));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadJobId(text.to_owned()))
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Accepted, and not begun.
    Waiting,
    Running,
    Complete,
    /// An item failed, and that was to end it.
    Stopped,
    Cancelled,
    OutOfTime,
    OutOfMoney,
    /// It could not go on: no function, no room on the disk.
    Failed,
    /// Its process ended before it did.
    Interrupted,
}

impl JobState {
    const ALL: [(Self, &str); 9] = [
        (Self::Waiting, "waiting"),
        (Self::Running, "running"),
        (Self::Complete, "complete"),
        (Self::Stopped, "stopped"),
        (Self::Cancelled, "cancelled"),
        (Self::OutOfTime, "out-of-time"),
        (Self::OutOfMoney, "out-of-money"),
        (Self::Failed, "failed"),
        (Self::Interrupted, "interrupted"),
    ];

    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.expect("all states are in the list").1
    }

    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text);
        found
            .map(|(state, _)| *state)
            .ok_or_else(|| StoreError::Corrupt {
                what: "the state of a job",
                detail: format!("there is no state {text:?}"),
            })
    }

    /// Whether nothing will become of it unless somebody asks for it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A job that begins.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Whose job it is, such as `map` or `service`: only its maker reads the recipe.
    pub maker: &'static str,
    pub function: String,
    /// Where the data is: a path, an address, or how it came.
    pub input: String,
    /// All that is needed to begin it anew, as JSON that only its maker reads.
    pub recipe: String,
    pub items: u64,
}

/// A job as the book has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub maker: String,
    pub function: String,
    pub input: String,
    pub recipe: String,
    /// What its results depend on, the latest last: several, where it went on with a
    /// function that had changed. None before it begins.
    pub identities: Vec<Identity>,
    pub state: JobState,
    /// Why it failed, if it did.
    pub error: Option<String>,
    pub items: u64,
    pub created: Timestamp,
    /// When something was last heard of it.
    pub updated: Timestamp,
    /// Of the process that runs it, or did last.
    pub pid: Option<u32>,
    /// Somebody asked that it stops.
    pub cancel: bool,
    /// How far it is, as JSON that only those who run it read.
    pub progress: Option<String>,
}

/// What a job that is begun again does with results of before, if the function has
/// changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// They count no more.
    Drop,
    /// They count as they are: only what is missing is the changed function's.
    Take,
}

/// An item that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// Its place among the sorted ids.
    pub rank: u32,
    pub id: String,
    pub error_type: String,
    pub message: String,
    pub stack: Vec<String>,
    pub attempts: u32,
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub state: JobState,
    /// Why, where the state does not say it.
    pub error: Option<String>,
    pub progress: Option<String>,
}

/// What became of the wish that a job stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It runs, and will hear of it within a moment.
    Asked,
    /// It did not run, and will not.
    Done,
    /// It had ended so before.
    Over(JobState),
}

/// Why a job of the book cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    #[error("{id} is still running, in process {pid}")]
    Running { id: JobId, pid: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for JobError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_shown() {
        for number in [0, 1, 31, 32, u64::MAX, 0x1234_5678] {
            let id = JobId::short(number);
            assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        }
        assert_eq!(JobId::short(1).as_str(), "j-100000");
        let long = JobId::long(u128::MAX);
        assert_eq!(
            long.as_str(),
            "j-zzzzzzzzzzzzzzzzzzzzzzzzz7",
            "all of its bits"
        );
        assert_eq!(long.to_string().parse::<JobId>().unwrap(), long);
        for bad in [
            "",
            "j-",
            "7f3k2m",
            "j-7f3k2",
            "j-7f3k2mm",
            "j-zzzzzzzzzzzzzzzzzzzzzzzzzzz",
            "j-7F3K2M",
            "j-7f3k2l",
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        for (state, word) in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()).unwrap(), state);
            assert_eq!(state.to_string(), word);
        }
        assert!(JobState::parse("odd").is_err());
    }
}
