//! Programs whose bind(2) is answered by us: seccomp's user notification, seccomp_unotify(2).
//!
//! The filter holds for a program and all that it starts. It guards nothing: a program that wants
//! to can get around it.

mod filter;

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal};

use crate::seqpacket::{Received, pair, receive_with_descriptor, send, send_with_descriptor};
use crate::signals::reset_signals;

/// Longest address that is looked at: an IPv6 one (`struct sockaddr_in6`, ipv6(7)).
const ADDRESS_LEN: usize = 28;

/// The calls of one program and of all that it started.
#[derive(Debug)]
pub struct Binds(OwnedFd);

/// A program that waits in bind(2). It waits until one of [`Bind::done`], [`Bind::failed`],
/// [`Bind::go_on`] and [`Bind::go_on_with`] is called.
#[derive(Debug)]
pub struct Bind<'a> {
    binds: &'a Binds,
    id: u64,
    thread: u32,
    /// Its number there.
    socket: i32,
    /// Where the address is in its memory.
    place: u64,
    len: usize,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It was not tried.
    #[error("its calls of bind cannot be watched: {0}")]
    Watch(io::Error),
    #[error(transparent)]
    Start(io::Error),
}

/// Starts `command`, with `ignored` signals ignored and the others as in a fresh process. Of its
/// calls of bind(2) those are told that may be for an IPv4 or IPv6 address.
///
/// A process without CAP_SYS_ADMIN may do so only for a program that gains no privileges by
/// execve(2) (PR_SET_NO_NEW_PRIVS): `sudo` and the like do not work in it.
pub fn spawn_with_binds(
    command: &mut Command,
    ignored: &[Signal],
) -> Result<(Child, Binds), SpawnError> {
    filter::check_sizes().map_err(SpawnError::Watch)?;
    let (here, there) = pair().map_err(SpawnError::Watch)?;
    let prepare = move || match filter::install() {
        Ok(calls) => send_with_descriptor(there.as_fd(), b"calls", calls.as_fd()),
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(libc::EIO);
            send(there.as_fd(), &number.to_ne_bytes())?;
            Err(error)
        }
    };
    // SAFETY: between fork and exec this makes system calls only; it takes no lock and no memory.
    unsafe { command.pre_exec(prepare) };
    let spawned = spawn(command, ignored);
    let mut message = [0; 8];
    let received = receive_with_descriptor(here.as_fd(), &mut message);
    watched(spawned, received, message)
}

/// The program with its calls, from what became of it and what it sent while it began.
fn watched(
    spawned: io::Result<Child>,
    received: io::Result<Received>,
    message: [u8; 8],
) -> Result<(Child, Binds), SpawnError> {
    match (spawned, received) {
        (Ok(child), Ok(Received::Message(_, Some(calls)))) => Ok((child, Binds(calls))),
        (Ok(mut child), _) => {
            // Nobody would answer its calls, and another one is to start in its place.
            drop(child.kill().and_then(|()| child.wait()));
            Err(SpawnError::Watch(io::ErrorKind::UnexpectedEof.into()))
        }
        (Err(_), Ok(Received::Message(4, None))) => {
            let [a, b, c, d, ..] = message;
            let number = i32::from_ne_bytes([a, b, c, d]);
            Err(SpawnError::Watch(io::Error::from_raw_os_error(number)))
        }
        (Err(error), _) => Err(SpawnError::Start(error)),
    }
}

/// Starts `command`, with `ignored` signals ignored and the others as in a fresh process.
///
/// # Errors
/// When it is not there, or there are too many processes.
pub fn spawn(command: &mut Command, ignored: &[Signal]) -> io::Result<Child> {
    let ignored: Vec<i32> = ignored.iter().map(|signal| signal.as_raw()).collect();
    let prepare = move || {
        reset_signals();
        for signal in &ignored {
            // SAFETY: to ignore a signal runs no code of this process.
            unsafe { libc::signal(*signal, libc::SIG_IGN) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec this makes system calls only; it takes no lock and no memory.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

impl AsFd for Binds {
    /// Readable when somebody waits; hung up (POLLHUP) when all of them have ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Binds {
    /// The next call. Waits for one; `None`: who called has given up.
    ///
    /// # Errors
    /// Never while there are programs.
    pub fn next(&self) -> io::Result<Option<Bind<'_>>> {
        // SAFETY: plain numbers, for which zero is a valid value, as the kernel demands.
        let mut call: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
        let (calls, recv) = (self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV);
        // SAFETY: `call` has the size that the kernel writes (`check_sizes`).
        if unsafe { libc::ioctl(calls, recv, &raw mut call) } != 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => Ok(None),
                _ => Err(error),
            };
        }
        let [socket, place, len, ..] = call.data.args;
        Ok(Some(Bind {
            binds: self,
            id: call.id,
            thread: call.pid,
            #[expect(clippy::cast_possible_truncation, reason = "it is an int, bind(2)")]
            socket: socket as i32,
            place,
            len: usize::try_from(len).unwrap_or(usize::MAX),
        }))
    }
}

impl Bind<'_> {
    /// The address; `None`: it is neither IPv4 nor IPv6.
    ///
    /// # Errors
    /// When the memory cannot be read: by other accounts, or because the program has ended.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        let (bytes, len) = self.read_address()?;
        Ok(parse(bytes.get(..len).unwrap_or_default()))
    }

    /// The address as it is in memory, and how many of these bytes count.
    fn read_address(&self) -> io::Result<([u8; ADDRESS_LEN], usize)> {
        let memory = std::fs::File::open(format!("/proc/{}/mem", self.thread))?;
        let mut bytes = [0; ADDRESS_LEN];
        let len = self.len.min(ADDRESS_LEN);
        memory.read_exact_at(bytes.get_mut(..len).unwrap_or_default(), self.place)?;
        self.still_waits()?;
        Ok((bytes, len))
    }

    /// The socket itself, as a second descriptor.
    ///
    /// # Errors
    /// When that is not allowed (pidfd_getfd(2)), or the program has ended.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        let process = Pid::from_raw(self.process()?).ok_or(io::ErrorKind::NotFound)?;
        let process = rustix::process::pidfd_open(process, PidfdFlags::empty())?;
        self.still_waits()?;
        let flags = PidfdGetfdFlags::empty();
        Ok(rustix::process::pidfd_getfd(process, self.socket, flags)?)
    }

    /// Lets the kernel bind to another address of the same family, which is written over that in
    /// the program's memory.
    ///
    /// # Errors
    /// As [`Bind::address`]; when the family is another. The call fails then.
    pub fn go_on_with(self, address: SocketAddr) -> io::Result<()> {
        match self.write_address(address) {
            Ok(()) => {
                self.go_on();
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// All or nothing: half an address could be one that others reach.
    fn write_address(&self, address: SocketAddr) -> io::Result<()> {
        let (old, len) = self.read_address()?;
        let mut new = old;
        let new = new.get_mut(..len).unwrap_or_default();
        let end = put(new, address).ok_or(io::ErrorKind::InvalidInput)?;
        let new = new.get(..end).unwrap_or_default();
        let path = format!("/proc/{}/mem", self.thread);
        let memory = std::fs::File::options().write(true).open(path)?;
        self.still_waits()?;
        let written = memory.write_at(new, self.place)?;
        if written == end {
            return Ok(());
        }
        let old = old.get(..written).unwrap_or_default();
        memory.write_all_at(old, self.place)?;
        Err(io::ErrorKind::WriteZero.into())
    }

    /// Lets the call succeed without the kernel's doing.
    pub fn done(self) {
        self.answer(0, 0);
    }

    /// Lets the call fail.
    pub fn failed(self, error: &io::Error) {
        self.answer(-error.raw_os_error().unwrap_or(libc::EADDRINUSE), 0);
    }

    /// Lets the kernel do what it does without us.
    pub fn go_on(self) {
        self.answer(0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    }

    fn answer(self, error: i32, flags: libc::c_ulong) {
        let mut answer = libc::seccomp_notif_resp {
            id: self.id,
            val: 0,
            error,
            flags: u32::try_from(flags).unwrap_or_default(),
        };
        let (calls, send) = (self.binds.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND);
        // SAFETY: `answer` has the size that the kernel reads (`check_sizes`). It fails when the
        // program has ended, which is as good as an answer.
        unsafe { libc::ioctl(calls, send, &raw mut answer) };
    }

    /// Whether it is still the same program that has this number.
    fn still_waits(&self) -> io::Result<()> {
        let (calls, valid) = (self.binds.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID);
        // SAFETY: reads eight bytes, which the id has.
        if unsafe { libc::ioctl(calls, valid, &raw const self.id) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// The number of the process, of which the caller is a thread.
    fn process(&self) -> io::Result<i32> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.thread))?;
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        let number = line.and_then(|number| number.trim().parse().ok());
        number.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// `struct sockaddr_in` (ip(7)) or `sockaddr_in6` (ipv6(7)): the family in the machine's order, the
/// port in the network's; then the address, which for IPv6 comes after four bytes of flow.
fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let ip: [u8; 4] = *rest.first_chunk()?;
            Some((ip, port).into())
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = *rest.get(4..)?.first_chunk()?;
            Some(SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, 0).into())
        }
        _ => None,
    }
}

/// Puts another address of the same family in the place of that in `bytes`, as [`parse`] reads
/// it, and leaves the rest; where it ends. `None`: the family is another.
fn put(bytes: &mut [u8], address: SocketAddr) -> Option<usize> {
    if parse(bytes)?.is_ipv6() != address.is_ipv6() {
        return None;
    }
    let (_family, rest) = bytes.split_first_chunk_mut::<2>()?;
    let (port, rest) = rest.split_first_chunk_mut()?;
    *port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(v4) => {
            *rest.first_chunk_mut()? = v4.ip().octets();
            Some(8)
        }
        SocketAddr::V6(v6) => {
            *rest.get_mut(4..)?.first_chunk_mut()? = v6.ip().octets();
            Some(24)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use crate::signals::Signals;

    #[test]
    fn a_program_inherits_no_signal_but_those_that_it_is_to_ignore() {
        let _taken = Signals::take(&[Signal::TERM, Signal::CHILD]).unwrap();
        let mut command = Command::new("grep");
        command.args(["-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
        command.stdout(Stdio::piped());
        let (program, _binds) = spawn_with_binds(&mut command, &[Signal::HUP]).unwrap();
        let output = program.wait_with_output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let masks: Vec<u64> = output
            .split_whitespace()
            .filter_map(|word| u64::from_str_radix(word, 16).ok())
            // Those above are for real-time programs and libraries of threads.
            .map(|mask| mask & 0x7fff_ffff)
            .collect();
        assert_eq!(masks, [0, 1], "{output}");
    }

    #[test]
    fn an_answer_is_what_the_program_gets() {
        let script = "
import errno, socket
first, second = socket.socket(), socket.socket()
first.bind(('192.0.2.1', 7))
assert first.getsockname() == ('0.0.0.0', 0)
try:
    second.bind(('192.0.2.1', 8))
except OSError as error:
    assert error.errno == errno.EMLINK
else:
    assert False
";
        let mut command = Command::new("python3");
        command.args(["-c", script]);
        let (mut program, binds) = spawn_with_binds(&mut command, &[]).unwrap();
        let call = binds.next().unwrap().unwrap();
        let address = call.address().unwrap();
        assert_eq!(address, Some(([192, 0, 2, 1], 7).into()));
        call.done();
        let call = binds.next().unwrap().unwrap();
        call.failed(&io::Error::from_raw_os_error(libc::EMLINK));
        assert!(program.wait().unwrap().success());
    }

    #[test]
    fn a_program_whose_calls_were_lost_on_the_way_is_ended() {
        let program = spawn(Command::new("sleep").arg("1000"), &[]).unwrap();
        let place = format!("/proc/{}", program.id());
        let lost = Received::Message(5, None);
        let watched = watched(Ok(program), Ok(lost), *b"calls\0\0\0");
        assert!(matches!(watched, Err(SpawnError::Watch(_))));
        assert!(!std::path::Path::new(&place).exists());
    }

    #[test]
    fn an_address_that_cannot_be_replaced_as_a_whole_is_refused() {
        // Its port lies in a page that can be written to, the rest in one that cannot.
        let script = "
import ctypes, mmap, os, socket, struct, tempfile
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
anonymous, shared, fixed = 0x20, 0x1, 0x10
address = struct.pack('=H', socket.AF_INET) + struct.pack('!H', 7) + bytes(12)
with tempfile.NamedTemporaryFile() as file:
    file.write(bytes(mmap.PAGESIZE))
    file.flush()
    closed = os.open(file.name, os.O_RDONLY)
pages = libc.mmap(None, 2 * mmap.PAGESIZE, 3, mmap.MAP_PRIVATE | anonymous, -1, 0)
second = pages + mmap.PAGESIZE
assert libc.mmap(second, mmap.PAGESIZE, mmap.PROT_READ, shared | fixed, closed, 0) == second
place = second - 4
ctypes.memmove(place, address, 4)
server = socket.socket()
assert libc.bind(server.fileno(), ctypes.c_void_p(place), len(address)) == -1, server
assert server.getsockname() == ('0.0.0.0', 0), server
assert ctypes.string_at(place, len(address)) == address
";
        let mut command = Command::new("python3");
        command.args(["-c", script]);
        let (mut program, binds) = spawn_with_binds(&mut command, &[]).unwrap();
        let call = binds.next().unwrap().unwrap();
        let asked = call.address().unwrap();
        assert_eq!(asked, Some(([0, 0, 0, 0], 7).into()));
        // A port that is free just now.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let there = ([127, 0, 0, 1], port).into();
        assert!(call.go_on_with(there).is_err());
        assert!(program.wait().unwrap().success());
    }
}
