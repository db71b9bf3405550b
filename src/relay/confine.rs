//! What a relay gives up before it hears the server's first byte: files, programs, new sockets.
//! Its few system calls are listed; Landlock closes files and the network once more.

use std::io;

use landlock::RulesetStatus;
use rustix::process::{Resource, Rlimit};

use crate::runtime::confine::{allow_calls, close_files_and_network, is, is_long, lacks_bits};

/// Closes the sandbox around this thread and those that it starts, for good.
pub(super) fn enter() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    rustix::thread::set_no_new_privs(true)?;
    // A kernel without Landlock is let be: the list of system calls has none that opens anything.
    if close_files_and_network(None)? == RulesetStatus::NotEnforced {
        tracing::debug!("this kernel has no Landlock: a relay's sandbox is seccomp alone");
    }
    let conditional = vec![
        (libc::SYS_mmap, vec![lacks_bits(2, libc::PROT_EXEC)]),
        (libc::SYS_mprotect, vec![lacks_bits(2, libc::PROT_EXEC)]),
        (libc::SYS_ioctl, vec![is_long(1, libc::FIONBIO)]),
        (libc::SYS_prctl, vec![is(0, libc::PR_SET_NAME)]),
    ];
    allow_calls(ALLOWED, conditional)
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
