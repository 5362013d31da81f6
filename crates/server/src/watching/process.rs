//! What this process takes of the machine, as the system has it.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};
use watch::top::Process;

/// Reads `/proc`. What is not there is 0.
pub(super) fn read() -> Process {
    Process {
        memory_bytes: resident(),
        open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
        cpu_seconds: cpu_seconds(),
    }
}

pub(super) fn most_files() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| {
            let resident = text.split_ascii_whitespace().nth(1)?;
            resident.parse::<u64>().ok()
        });
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let page = page.and_then(|size| u64::try_from(size).ok());
    pages.unwrap_or(0) * page.unwrap_or(4096)
}

#[expect(clippy::cast_precision_loss, reason = "exact for some 285 years")]
fn cpu_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        micros as f64 / 1e6
    })
}
