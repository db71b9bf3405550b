//! The filter: a few instructions of BPF that see the call's numbers, not what they point at.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

use libc::{sock_filter, sock_fprog};

/// `AUDIT_ARCH_…` of linux/audit.h: calls of other kinds have other numbers.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;

/// Where `struct seccomp_data` holds the call's number, the kind of machine, and the lower half of
/// the third argument (all of these machines are little-endian).
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const LENGTH: u32 = 32;

/// `sockaddr_in`; `sockaddr_in6` without its scope (RFC 2133) and with it.
const INET_LENGTHS: [u32; 3] = [16, 24, 28];
/// One byte more than a `sockaddr_un`: such as `sockaddr_storage`, which many pass for all.
const LONGER: u32 = 111;

/// That the kernel's structures have the sizes that libc knows.
pub(super) fn check_sizes() -> io::Result<()> {
    let mut sizes = libc::seccomp_notif_sizes {
        seccomp_notif: 0,
        seccomp_notif_resp: 0,
        seccomp_data: 0,
    };
    let ask = libc::SECCOMP_GET_NOTIF_SIZES;
    // SAFETY: the kernel writes three numbers of 16 bits, for which there is room.
    if unsafe { libc::syscall(libc::SYS_seccomp, ask, 0, &raw mut sizes) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let same = usize::from(sizes.seccomp_notif) == size_of::<libc::seccomp_notif>()
        && usize::from(sizes.seccomp_notif_resp) == size_of::<libc::seccomp_notif_resp>();
    if same {
        Ok(())
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Puts the filter on this process, which cannot take it off again. Makes system calls only.
pub(super) fn install() -> io::Result<OwnedFd> {
    // Not to be disturbed by signals while it is answered (Linux 5.19).
    let calm = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    match install_with(calm) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install_with(0),
        done => done,
    }
}

fn install_with(flags: libc::c_ulong) -> io::Result<OwnedFd> {
    match set_filter(flags) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            rustix::thread::set_no_new_privs(true)?;
            set_filter(flags)
        }
        done => done,
    }
}

fn set_filter(flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let mut program = program();
    let program = sock_fprog {
        len: LINES,
        filter: program.as_mut_ptr(),
    };
    let set = libc::SECCOMP_SET_MODE_FILTER;
    let flags = flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the kernel copies the `len` lines of the program, which live until then.
    let calls = unsafe { libc::syscall(libc::SYS_seccomp, set, flags, &raw const program) };
    if calls < 0 {
        return Err(io::Error::last_os_error());
    }
    let calls = i32::try_from(calls).map_err(io::Error::other)?;
    // SAFETY: a descriptor that was just made and that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(calls) })
}

const LINES: u16 = 11;

/// Tells of each `bind` whose length may be that of an IPv4 or IPv6 address. Others, above all
/// those of unix sockets, cost nothing, and do not depend on us.
fn program() -> [sock_filter; LINES as usize] {
    let [v4, v6_old, v6] = INET_LENGTHS;
    let bind = u32::try_from(libc::SYS_bind).unwrap_or_default();
    [
        load(MACHINE),
        unless_equal(ARCH, 7),
        load(NUMBER),
        unless_equal(bind, 5),
        load(LENGTH),
        if_equal(v4, 4),
        if_equal(v6_old, 3),
        if_equal(v6, 2),
        if_at_least(LONGER, 1),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_USER_NOTIF),
    ]
}

fn load(offset: u32) -> sock_filter {
    line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

/// The distances are in lines after the next one.
fn if_equal(value: u32, skip: u8) -> sock_filter {
    line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, skip, 0)
}

fn unless_equal(value: u32, skip: u8) -> sock_filter {
    line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 0, skip)
}

fn if_at_least(value: u32, skip: u8) -> sock_filter {
    line(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, value, skip, 0)
}

fn answer(what: u32) -> sock_filter {
    line(libc::BPF_RET | libc::BPF_K, what, 0, 0)
}

fn line(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "opcodes have 16 bits")]
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}
