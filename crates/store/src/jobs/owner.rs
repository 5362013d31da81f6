//! Which process runs a job, told so that a process which was killed is not taken for
//! one that lives: by its number, and by when it started, because numbers come again.

use std::fs;
use std::time::Duration;

use types::Timestamp;

/// A process that cannot be looked at from here is believed to live for so long after
/// it was last heard of. It says something each second.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The machine's start and the namespace in which the number means something.
    space: String,
    pub pid: u32,
    /// In ticks since the machine started; 0 where that is not known.
    started: u64,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self {
            space: space(),
            pid,
            started: started(pid).unwrap_or(0),
        }
    }

    pub fn to_text(&self) -> String {
        format!("{}/{}/{}", self.pid, self.started, self.space)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once('/')?;
        let (started, space) = rest.split_once('/')?;
        Some(Self {
            space: space.to_owned(),
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }

    /// Whether it lives, as far as `here` can see, when it was last `heard` of.
    pub fn lives(&self, here: &Self, heard: Timestamp, now: Timestamp) -> bool {
        if self.space == here.space && self.started != 0 {
            return started(self.pid) == Some(self.started);
        }
        let silence = u64::try_from(now.0.saturating_sub(heard.0)).unwrap_or(0);
        Duration::from_millis(silence) < SILENCE
    }
}

fn space() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

/// When a process started; None if there is none.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    // What has ended and was not waited for by its parent does no work.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // The field after the state is the fourth of the whole, the start the 22nd.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn the_living_are_told_from_the_dead() {
        let here = Owner::this();
        assert_eq!(Owner::parse(&here.to_text()), Some(here.clone()));
        assert!(here.lives(&here, Timestamp(0), NOW));

        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let other = Owner {
            pid: child.id(),
            started: started(child.id()).unwrap(),
            ..here.clone()
        };
        assert!(other.lives(&here, Timestamp(0), NOW));
        let earlier = Owner {
            started: other.started + 1,
            ..other.clone()
        };
        assert!(
            !earlier.lives(&here, NOW, NOW),
            "the number was given again"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!other.lives(&here, NOW, NOW));
    }

    #[test]
    fn who_cannot_be_seen_is_believed_for_a_while() {
        let here = Owner::this();
        let elsewhere = Owner {
            space: "another machine".to_owned(),
            ..here.clone()
        };
        assert!(elsewhere.lives(&here, Timestamp(NOW.0 - 1_000), NOW));
        assert!(!elsewhere.lives(&here, Timestamp(NOW.0 - 60_000), NOW));
    }
}
