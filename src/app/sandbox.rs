//! What the front gives up before it hears from the network: all files but its own, every
//! connection that it would open itself, every program.

use std::path::Path;

use anyhow::{Context as _, Result};
use landlock::{AccessFs, RulesetStatus};
use tracing::{info, warn};

use crate::runtime::confine::{
    allow_calls, close_files_and_network, is, is_long, lacks_bits, masked,
};

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
    let own = OWN_FILES.into_iter().collect();
    let landlock = close_files_and_network(Some((state, own)))
        .context("cannot close the sandbox (Landlock)")?;
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

fn restrict_system_calls() -> std::io::Result<()> {
    let conditional = vec![
        (
            libc::SYS_tgkill,
            vec![is(0, std::process::id().cast_signed())],
        ),
        (libc::SYS_prctl, vec![is(0, libc::PR_SET_NAME)]),
        (libc::SYS_ioctl, vec![is_long(1, libc::FIONBIO)]),
        // reading limits, not setting them
        (libc::SYS_prlimit64, vec![is_long(2, 0)]),
        // no new code
        (libc::SYS_mmap, vec![lacks_bits(2, libc::PROT_EXEC)]),
        (libc::SYS_mprotect, vec![lacks_bits(2, libc::PROT_EXEC)]),
        // For the runtime's own signals. A pair of datagram sockets could send to any path.
        (
            libc::SYS_socketpair,
            vec![is(0, libc::AF_UNIX), masked(1, 0xf, libc::SOCK_STREAM)],
        ),
    ];
    allow_calls(WHATEVER_THE_ARGUMENTS, conditional)
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
