//! Answers a program's call of bind(2): our port becomes the other one.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use deskway_osuser::Bind;
use rustix::io::Errno;
use rustix::net::{SocketType, sockopt};

/// What became of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// Not about our port.
    Left,
    Moved,
    /// The error that the program got, or that hindered us.
    Failed(io::Error),
}

/// Whatever address was asked for, it becomes one that nobody else reaches.
pub(super) fn answer(bind: Bind<'_>, old_port: u16, new_port: u16) -> Answer {
    let asked = match bind.address() {
        Ok(Some(asked)) if asked.port() == old_port => asked,
        Ok(_) => {
            bind.go_on();
            return Answer::Left;
        }
        Err(_) => {
            // Another account's program, whose memory is closed to us, or one that has ended.
            bind.go_on();
            return Answer::Left;
        }
    };
    match bind.socket() {
        Ok(socket) => bind_for(bind, &socket, asked, new_port),
        Err(_) => rewrite(bind, asked, new_port),
    }
}

fn bind_for(bind: Bind<'_>, socket: &OwnedFd, asked: SocketAddr, new_port: u16) -> Answer {
    if sockopt::socket_type(socket) != Ok(SocketType::STREAM) {
        bind.go_on();
        return Answer::Left;
    }
    let only = sockopt::ipv6_v6only(socket).unwrap_or(true);
    match rustix::net::bind(socket, &other(asked, new_port, only)) {
        Ok(()) => {
            bind.done();
            Answer::Moved
        }
        // A signal broke off the call that we had answered, and this is the second try.
        Err(Errno::INVAL) if is_bound(socket, new_port) => {
            bind.done();
            Answer::Moved
        }
        Err(error) => {
            let error = io::Error::from(error);
            bind.failed(&error);
            Answer::Failed(error)
        }
    }
}

/// Where the socket cannot be had (as in some containers), the program's own bytes are changed.
fn rewrite(bind: Bind<'_>, asked: SocketAddr, new_port: u16) -> Answer {
    match bind.go_on_with(other(asked, new_port, true)) {
        Ok(()) => Answer::Moved,
        Err(error) => Answer::Failed(error),
    }
}

/// An IPv6 socket that is for IPv4 too gets the IPv4 address.
fn other(asked: SocketAddr, port: u16, v6_only: bool) -> SocketAddr {
    match asked {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, port).into(),
        SocketAddr::V6(_) if v6_only => (Ipv6Addr::LOCALHOST, port).into(),
        SocketAddr::V6(_) => (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port).into(),
    }
}

fn is_bound(socket: &OwnedFd, port: u16) -> bool {
    let address = rustix::net::getsockname(socket).map(SocketAddr::try_from);
    matches!(address, Ok(Ok(address)) if address.port() == port)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use deskway_osuser::spawn_with_binds;

    use super::*;

    #[test]
    fn a_socket_that_cannot_be_had_is_moved_by_its_address() {
        let script = "
import socket, sys
for family, where in (socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::'):
    server = socket.socket(family)
    server.bind((where, 1))
    assert server.getsockname()[0] in ('127.0.0.1', '::1'), server.getsockname()
    assert server.getsockname()[1] == int(sys.argv[1]), server.getsockname()
";
        let port = std::net::TcpListener::bind("[::1]:0");
        let port = port.unwrap().local_addr().unwrap().port();
        let mut command = Command::new("python3");
        command.args(["-c", script, &port.to_string()]);
        let (mut program, binds) = spawn_with_binds(&mut command, &[]).unwrap();
        for _ in 0..2 {
            let bind = binds.next().unwrap().unwrap();
            let asked = bind.address().unwrap().unwrap();
            assert!(matches!(rewrite(bind, asked, port), Answer::Moved));
        }
        assert!(program.wait().unwrap().success());
    }
}
