//! What this machine gives the sandbox, said in a way that helps.

use std::fs;

use nix::unistd::Uid;
use serde::Serialize;

use crate::cgroup::Cgroups;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub found: String,
    pub advice: Option<String>,
}

/// Looks at the machine; changes nothing that stays.
pub fn doctor() -> Vec<Check> {
    vec![user(), namespaces(), seccomp(), overlay(), groups()]
}

fn user() -> Check {
    let root = Uid::effective().is_root();
    Check {
        name: "user".to_owned(),
        ok: true,
        found: if root {
            "root; functions run as an unprivileged user".to_owned()
        } else {
            "not root; functions run in a user namespace".to_owned()
        },
        advice: None,
    }
}

fn namespaces() -> Check {
    let limit = read_number("/proc/sys/user/max_user_namespaces");
    let forbidden = read_number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0)
        || read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    let ok = limit.is_some_and(|limit| limit > 0) && (!forbidden || Uid::effective().is_root());
    Check {
        name: "namespaces".to_owned(),
        ok,
        found: match limit {
            Some(limit) if !forbidden => format!("user namespaces allowed, up to {limit}"),
            Some(_) => "user namespaces are forbidden to unprivileged users".to_owned(),
            None => "the kernel has no user namespaces".to_owned(),
        },
        advice: (!ok).then(|| {
            "set kernel.unprivileged_userns_clone=1 and \
             kernel.apparmor_restrict_unprivileged_userns=0 (where they exist), or start \
             with --isolation none, which runs functions without walls"
                .to_owned()
        }),
    }
}

fn seccomp() -> Check {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").ok();
    Check {
        name: "seccomp".to_owned(),
        ok: actions.is_some(),
        found: actions.map_or("not available".to_owned(), |_| "available".to_owned()),
        advice: None,
    }
}

fn overlay() -> Check {
    let known = fs::read_to_string("/proc/filesystems")
        .is_ok_and(|text| text.lines().any(|line| line.ends_with("\toverlay")));
    Check {
        name: "overlay".to_owned(),
        ok: known,
        found: if known { "available" } else { "not loaded" }.to_owned(),
        advice: (!known).then(|| {
            "functions with more than one layer need it: load the kernel module overlay".to_owned()
        }),
    }
}

fn groups() -> Check {
    let groups = Cgroups::detect(&format!("squall-doctor-{}", std::process::id()));
    let ok = !matches!(groups, Cgroups::None { .. });
    let found = groups.describe();
    groups.remove();
    Check {
        name: "control groups".to_owned(),
        ok,
        found,
        advice: (!ok).then(|| {
            "for limits that the kernel enforces, start the engine with delegation: \
             systemd-run --user --scope -p Delegate=yes squall up"
                .to_owned()
        }),
    }
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
