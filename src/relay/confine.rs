//! What a relay gives up before it hears the server's first byte: files, programs, new sockets.
//! Its few system calls are listed; Landlock closes files and the network once more.

use std::collections::BTreeMap;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The newest Landlock that is asked for; the crate leaves out what the kernel lacks.
const LANDLOCK: ABI = ABI::V6;

/// Closes the sandbox around this thread and those that it starts, for good.
pub(super) fn enter() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    rustix::thread::set_no_new_privs(true)?;
    restrict_files_and_network().map_err(io::Error::other)?;
    restrict_system_calls().map_err(io::Error::other)
}

/// A kernel without Landlock is let be: the list of system calls has none that opens anything.
fn restrict_files_and_network() -> Result<(), landlock::RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced {
        tracing::debug!("this kernel has no Landlock: a relay's sandbox is seccomp alone");
    }
    Ok(())
}

/// As for the front: `clone3`, whose flags no filter can see, does not exist, and `clone` makes
/// threads alone.
fn restrict_system_calls() -> Result<(), seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = |rules, otherwise, listed| -> Result<BpfProgram, seccompiler::Error> {
        Ok(SeccompFilter::new(rules, otherwise, listed, architecture)?.try_into()?)
    };
    let refused = |errno: i32| SeccompAction::Errno(errno.cast_unsigned());
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let conditional = [
        (
            libc::SYS_clone,
            bits(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?,
        ),
        (libc::SYS_mmap, bits(2, libc::PROT_EXEC, 0)?),
        (libc::SYS_mprotect, bits(2, libc::PROT_EXEC, 0)?),
        (libc::SYS_ioctl, value(1, libc::FIONBIO)?),
        (libc::SYS_prctl, value(0, unsigned(libc::PR_SET_NAME))?),
    ];
    for (call, condition) in conditional {
        allowed.insert(call, vec![SeccompRule::new(vec![condition])?]);
    }
    seccompiler::apply_filter(&filter(
        no_clone3,
        SeccompAction::Allow,
        refused(libc::ENOSYS),
    )?)?;
    seccompiler::apply_filter(&filter(
        allowed,
        refused(libc::EPERM),
        SeccompAction::Allow,
    )?)
}

/// That those of an argument's lower 32 bits that are in `mask` are `value`.
fn bits(argument: u8, mask: i32, value: i32) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(unsigned(mask)),
        unsigned(value),
    )?)
}

/// That an argument's lower 32 bits are `value`.
fn value(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::Error> {
    let length = SeccompCmpArgLen::Dword;
    Ok(SeccompCondition::new(
        argument,
        length,
        SeccompCmpOp::Eq,
        value,
    )?)
}

fn unsigned(bits: i32) -> u64 {
    u64::from(bits.cast_unsigned())
}

const ALLOWED: &[i64] = &[
    // the sockets that are there
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_fcntl,
    libc::SYS_close,
    libc::SYS_fstat,
    // waiting
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    // memory
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // the thread that hands the viewer's end over
    libc::SYS_clone3, // the other filter says that it does not exist
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // the time and chance
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];
