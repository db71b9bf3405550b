//! What the front gives up before it hears from the network: all files but its own, every
//! connection that it would open itself, every program.
//!
//! Landlock and seccomp overlap on purpose: either alone still keeps most of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tracing::{info, warn};

/// The newest Landlock that is asked for; the crate leaves out what the kernel lacks.
const LANDLOCK: ABI = ABI::V6;

/// What may be done beneath the state directory: what SQLite does with its files.
const OWN_FILES: [AccessFs; 6] = [
    AccessFs::ReadFile,
    AccessFs::WriteFile,
    AccessFs::ReadDir,
    AccessFs::RemoveFile,
    AccessFs::MakeReg,
    AccessFs::Truncate,
];

/// Closes the sandbox around this process, for good: only files beneath `state` remain.
///
/// # Errors
/// When seccomp cannot be had. A kernel without Landlock is told in the log.
pub fn enter(state: &Path) -> Result<()> {
    let landlock = restrict_files_and_network(state)?;
    restrict_system_calls().context("cannot close the sandbox (seccomp)")?;
    match landlock {
        RulesetStatus::FullyEnforced => info!("sandbox closed: Landlock whole, seccomp"),
        RulesetStatus::PartiallyEnforced => {
            info!("sandbox closed: Landlock as far as this kernel has it, seccomp");
        }
        RulesetStatus::NotEnforced => warn!(
            "this kernel has no Landlock: the sandbox is seccomp alone, and the process that \
             talks to the network can open files that the user `deskway` can"
        ),
    }
    Ok(())
}

fn restrict_files_and_network(state: &Path) -> Result<RulesetStatus> {
    let own: BitFlags<AccessFs> = OWN_FILES.into_iter().collect();
    let state_fd =
        PathFd::new(state).with_context(|| format!("cannot open {}", state.display()))?;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rule(PathBeneath::new(state_fd, own))?
        .restrict_self()
        .context("cannot close the sandbox (Landlock)")?;
    Ok(status.ruleset)
}

/// Two filters: one says of `clone3` that it does not exist, so that the C library takes `clone`,
/// whose flags a filter can see; the other lets through what the front does and refuses the rest.
fn restrict_system_calls() -> Result<()> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let no_clone3 = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
        architecture,
    )?;
    let allowed = SeccompFilter::new(
        allowed()?,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        architecture,
    )?;
    for filter in [no_clone3, allowed] {
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = WHATEVER_THE_ARGUMENTS
        .iter()
        .map(|call| (*call, Vec::new()))
        .collect();
    let own_pid = u64::from(std::process::id());
    let conditional = [
        // threads of our own, and no process
        (libc::SYS_clone, has_bits(0, libc::CLONE_THREAD)?),
        (libc::SYS_tgkill, is(0, own_pid)?),
        (libc::SYS_prctl, is(0, unsigned(libc::PR_SET_NAME))?),
        (libc::SYS_ioctl, is(1, libc::FIONBIO)?),
        // reading limits, not setting them
        (libc::SYS_prlimit64, is_long(2, 0)?),
        // no new code
        (libc::SYS_mmap, lacks_bits(2, libc::PROT_EXEC)?),
        (libc::SYS_mprotect, lacks_bits(2, libc::PROT_EXEC)?),
    ];
    for (call, condition) in conditional {
        rules.insert(call, vec![SeccompRule::new(vec![condition])?]);
    }
    // For the runtime's own signals. A pair of datagram sockets could send to any path.
    let pair = vec![is(0, unsigned(libc::AF_UNIX))?, is_stream(1)?];
    rules.insert(libc::SYS_socketpair, vec![SeccompRule::new(pair)?]);
    Ok(rules)
}

/// SOCK_STREAM, with whatever flags.
fn is_stream(argument: u8) -> Result<SeccompCondition> {
    let operator = SeccompCmpOp::MaskedEq(0xf);
    let length = SeccompCmpArgLen::Dword;
    let stream = unsigned(libc::SOCK_STREAM);
    Ok(SeccompCondition::new(argument, length, operator, stream)?)
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition> {
    let length = SeccompCmpArgLen::Dword;
    Ok(SeccompCondition::new(
        argument,
        length,
        SeccompCmpOp::Eq,
        value,
    )?)
}

fn is_long(argument: u8, value: u64) -> Result<SeccompCondition> {
    let length = SeccompCmpArgLen::Qword;
    Ok(SeccompCondition::new(
        argument,
        length,
        SeccompCmpOp::Eq,
        value,
    )?)
}

fn has_bits(argument: u8, bits: i32) -> Result<SeccompCondition> {
    let bits = unsigned(bits);
    let operator = SeccompCmpOp::MaskedEq(bits);
    Ok(SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Qword,
        operator,
        bits,
    )?)
}

fn lacks_bits(argument: u8, bits: i32) -> Result<SeccompCondition> {
    let operator = SeccompCmpOp::MaskedEq(unsigned(bits));
    Ok(SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Qword,
        operator,
        0,
    )?)
}

fn unsigned(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

const WHATEVER_THE_ARGUMENTS: &[i64] = &[
    // the sockets that are there
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // from one of them to the other without a copy
    libc::SYS_pipe2,
    libc::SYS_splice,
    // waiting
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    // files, of which Landlock leaves the database
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fcntl,
    libc::SYS_fchmod,
    libc::SYS_unlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_dup,
    // memory
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // threads
    libc::SYS_clone3, // the other filter says that it does not exist
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    // signals
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // the time, chance, and what machine this is
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];
