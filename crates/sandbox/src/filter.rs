//! Seccomp programs. They deny what a function never needs and what widens the
//! kernel's attack surface; all else is allowed, as the C library's choice of
//! system calls changes from release to release.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::spec::Role;

/// Flags with which a template's fork mounts its `/tmp` and `/dev/shm`.
pub(crate) const TMP_MOUNT_FLAGS: u64 = libc::MS_NOSUID | libc::MS_NODEV;
/// Flags with which a template's fork mounts its `/proc`.
pub(crate) const PROC_MOUNT_FLAGS: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// Never, in any role.
const DENIED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[libc::SYS_ioperm, libc::SYS_iopl, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Namespaces that no guest may make, by `clone` or `unshare`.
const NAMESPACE_FLAGS: &[i32] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// Those that a template unshares on behalf of its forks.
const TEMPLATE_UNSHARES: &[i32] = &[libc::CLONE_NEWNS, libc::CLONE_NEWPID, libc::CLONE_NEWIPC];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The programs for a role, in the order in which they are to be installed.
pub(crate) fn programs(role: Role) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let build = |rules: Rules, errno: i32| -> Result<BpfProgram, seccompiler::Error> {
        let action = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?;
        Ok(filter.try_into()?)
    };
    // The flags of `clone3` lie behind a pointer, out of a filter's sight. Told
    // that it does not exist, the C library falls back on `clone`.
    let clone3 = Rules::from([(libc::SYS_clone3, vec![])]);
    Ok(vec![
        build(denied(role)?, libc::EPERM)?,
        build(clone3, libc::ENOSYS)?,
    ])
}

/// Loads the programs into this thread, for good.
pub(crate) fn install(role: Role) -> Result<(), seccompiler::Error> {
    for program in programs(role)? {
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

/// The programs in the kernel's own form, for a guest that installs them itself.
pub(crate) fn encoded(role: Role) -> Result<Vec<Vec<u8>>, seccompiler::Error> {
    let encode = |program: BpfProgram| {
        program
            .iter()
            .flat_map(|op| {
                let mut bytes = [0; 8];
                bytes[..2].copy_from_slice(&op.code.to_ne_bytes());
                bytes[2] = op.jt;
                bytes[3] = op.jf;
                bytes[4..].copy_from_slice(&op.k.to_ne_bytes());
                bytes
            })
            .collect()
    };
    Ok(programs(role)?.into_iter().map(encode).collect())
}

fn denied(role: Role) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = DENIED
        .iter()
        .chain(DENIED_HERE)
        .map(|call| (*call, vec![]))
        .collect();
    rules.insert(libc::SYS_clone, any_flag(0, NAMESPACE_FLAGS)?);
    rules.insert(libc::SYS_ioctl, terminal_injection()?);
    rules.insert(libc::SYS_socket, socket_listing()?);
    match role {
        Role::Instance => {
            for call in [libc::SYS_mount, libc::SYS_setns, libc::SYS_unshare] {
                rules.insert(call, vec![]);
            }
        }
        Role::Template => {
            let others: Vec<i32> = NAMESPACE_FLAGS
                .iter()
                .copied()
                .filter(|flag| !TEMPLATE_UNSHARES.contains(flag))
                .collect();
            rules.insert(libc::SYS_unshare, any_flag(0, &others)?);
            rules.insert(libc::SYS_mount, all_mounts_but_ours()?);
        }
    }
    Ok(rules)
}

/// Matches when any of the flags is set in the argument.
fn any_flag(argument: u8, flags: &[i32]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    flags
        .iter()
        .map(|flag| {
            let bit = u64::from(flag.unsigned_abs());
            SeccompRule::new(vec![SeccompCondition::new(
                argument,
                SeccompCmpArgLen::Qword,
                SeccompCmpOp::MaskedEq(bit),
                bit,
            )?])
        })
        .collect()
}

/// Bind mounts, moves and remounts stay out of reach: they could uncover what
/// the jail covers.
fn all_mounts_but_ours() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let differs =
        |flags| SeccompCondition::new(3, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, flags);
    Ok(vec![SeccompRule::new(vec![
        differs(TMP_MOUNT_FLAGS)?,
        differs(PROC_MOUNT_FLAGS)?,
    ])?])
}

/// `TIOCSTI` and `TIOCLINUX` put words into a terminal's input.
fn terminal_injection() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    [libc::TIOCSTI, libc::TIOCLINUX]
        .into_iter()
        .map(|request| {
            SeccompRule::new(vec![SeccompCondition::new(
                1,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Eq,
                request,
            )?])
        })
        .collect()
}

/// `NETLINK_SOCK_DIAG` lists every socket of the network namespace.
fn socket_listing() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let is = |argument, value: i32| {
        SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            u64::from(value.unsigned_abs()),
        )
    };
    Ok(vec![SeccompRule::new(vec![
        is(0, libc::AF_NETLINK)?,
        is(2, libc::NETLINK_SOCK_DIAG)?,
    ])?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_roles_compile_to_programs_the_kernel_can_take() {
        for role in [Role::Template, Role::Instance] {
            let encoded = encoded(role).unwrap();
            assert_eq!(encoded.len(), 2);
            for program in encoded {
                assert!(program.len() % 8 == 0 && program.len() / 8 <= 4096);
            }
        }
    }
}
