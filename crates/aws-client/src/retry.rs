//! What is tried again, and after how long: as AWS's own clients do it in their standard
//! mode, with shorter first pauses, since an engine of one's own is nearer.

use std::time::Duration;

use crate::error::ClientError;
use crate::pool::TransportError;

/// How often a call is sent at most, unless `AWS_MAX_ATTEMPTS` says otherwise.
pub(crate) const ATTEMPTS: u32 = 5;
/// How long one waits for the beginning of an answer, unless `SQUALL_ANSWER_SECONDS` says
/// otherwise. What is sent takes its time on top.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);
/// After so long no further attempt begins.
pub(crate) const LONGEST: Duration = Duration::from_mins(2);
/// Silence is tried again only so often: it costs much time.
const SILENCES: u32 = 1;
/// The slowest upload that is waited for.
const BYTES_PER_SECOND: u64 = 64 << 10;

const LONGEST_PAUSE_MS: u64 = 20_000;
/// After what may have been a moment's trouble.
const FIRST_MS: u64 = 100;
/// After one was told to slow down.
const FIRST_THROTTLED_MS: u64 = 500;

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlook {
    Hopeless,
    Trouble,
    Throttled,
    Silent,
}

/// The pause before the next attempt after `attempt` (the first is 1); `None` if there is
/// none. `met`: whether the endpoint was ever there.
pub(crate) fn pause(error: &ClientError, attempt: u32, met: bool) -> Option<Duration> {
    // Without randomness from the system the wait is only less well spread.
    let random = getrandom::u64().unwrap_or(u64::MAX / 2);
    pause_with(outlook(error, met), attempt, random)
}

fn pause_with(outlook: Outlook, attempt: u32, random: u64) -> Option<Duration> {
    let first = match outlook {
        Outlook::Hopeless => return None,
        Outlook::Silent if attempt > SILENCES => return None,
        Outlook::Silent | Outlook::Trouble => FIRST_MS,
        Outlook::Throttled => FIRST_THROTTLED_MS,
    };
    let bound = (first << (attempt - 1).min(16)).min(LONGEST_PAUSE_MS);
    // Never at once: many who failed together would come back together.
    let half = bound / 2;
    Some(Duration::from_millis(half + random % (half + 1)))
}

fn outlook(error: &ClientError, met: bool) -> Outlook {
    match error {
        ClientError::Config { .. } | ClientError::Garbled { .. } => Outlook::Hopeless,
        ClientError::Transport { source, .. } => match source {
            // An endpoint that was there a moment ago may be starting anew.
            TransportError::Connect { .. } if met => Outlook::Trouble,
            TransportError::Connect { .. } | TransportError::TooLong { .. } => Outlook::Hopeless,
            TransportError::Broken(_) => Outlook::Trouble,
            TransportError::Silent => Outlook::Silent,
        },
        ClientError::Api { status, code, .. } => of_answer(*status, code),
    }
}

fn of_answer(status: u16, code: &str) -> Outlook {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown" => Outlook::Throttled,
        // Two changes of one thing at once: one of them has to wait.
        "TooManyUpdates"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "OperationAborted"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "IDPCommunicationError" => Outlook::Trouble,
        _ => match status {
            429 => Outlook::Throttled,
            500 | 502..=504 => Outlook::Trouble,
            _ => Outlook::Hopeless,
        },
    }
}

/// For how long an answer to a body of this size is waited for.
pub(crate) fn patience(answer: Duration, body: usize) -> Duration {
    answer + Duration::from_secs(body as u64 / BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, code, expected) in [
            (400, "ThrottlingException", Outlook::Throttled),
            (429, "TooManyRequestsException", Outlook::Throttled),
            (429, "Odd", Outlook::Throttled),
            (503, "SlowDown", Outlook::Throttled),
            (500, "ServiceException", Outlook::Trouble),
            (502, "502 Bad Gateway", Outlook::Trouble),
            (400, "TooManyUpdates", Outlook::Trouble),
            (501, "NotImplemented", Outlook::Hopeless),
            (409, "ResourceConflictException", Outlook::Hopeless),
            (400, "LimitExceededException", Outlook::Hopeless),
            (403, "AccessDenied", Outlook::Hopeless),
        ] {
            assert_eq!(of_answer(status, code), expected, "{code}");
        }
        let silent = |call: &str| ClientError::Transport {
            call: call.to_owned(),
            source: TransportError::Silent,
        };
        assert!(pause(&silent("x"), 1, true).is_some());
        assert_eq!(pause(&silent("x"), 2, true), None);
        let absent = || ClientError::Transport {
            call: "x".to_owned(),
            source: TransportError::connect("nobody".to_owned(), ""),
        };
        assert_eq!(pause(&absent(), 1, false), None);
        assert!(pause(&absent(), 1, true).is_some());
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_are_spread() {
        let ms = |outlook, attempt, random| {
            let pause = pause_with(outlook, attempt, random).unwrap();
            pause.as_millis()
        };
        assert_eq!(
            (
                ms(Outlook::Trouble, 1, 0),
                ms(Outlook::Trouble, 1, 50),
                ms(Outlook::Trouble, 3, 0)
            ),
            (50, 100, 200)
        );
        assert_eq!(ms(Outlook::Throttled, 1, 0), 250);
        assert_eq!(ms(Outlook::Throttled, 90, 10_000), 20_000);
        assert_eq!(patience(ANSWER, 64 << 10), ANSWER + Duration::from_secs(1));
    }
}
