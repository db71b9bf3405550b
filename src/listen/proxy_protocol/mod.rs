//! The header of the PROXY protocol, versions 1 and 2, with which a proxy that only passes bytes
//! says whose they are. Sections are those of HAProxy's `proxy-protocol.txt`.
//!
//! It is read to its last byte and no further, so that what follows is still in the socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;

use crate::runtime::Stream;

/// What version 2 begins with (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with (§2.1).
const WORD: &[u8] = b"PROXY ";
/// Longest line of version 1, with its end (§2.1).
const MAX_LINE: usize = 107;
/// Most bytes that follow the 16 of version 2: addresses and what proxies add to them.
const MAX_REST: usize = 4096;
/// Shortest header of both versions, and so what may be read before the version is known.
const SHORTEST: usize = 12;

/// TLS was spoken with the proxy (§2.2.6), and the bit that says that it was the client.
const TLV_TLS: u8 = 0x20;
const CLIENT_TLS: u8 = 0x01;

/// What a header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Whose connection it is, and whether they spoke TLS with the proxy.
    From { client: SocketAddr, tls: bool },
    /// The proxy's own connection, or one of which it does not know whose.
    Unknown,
}

/// Why a header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("it does not begin with a header of the PROXY protocol")]
    NoHeader,
    #[error("its header of the PROXY protocol is too long")]
    TooLong,
    #[error("its header of the PROXY protocol is malformed")]
    Malformed,
}

/// A header that could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error(transparent)]
    Bad(#[from] BadHeader),
    #[error(transparent)]
    Lost(#[from] io::Error),
}

/// Reads the header. The caller gives it a deadline.
pub(super) async fn read(stream: &mut Stream) -> Result<Header, HeaderError> {
    let mut start = [0; SHORTEST];
    let mut have = 0;
    while have < SHORTEST {
        let read = stream
            .read(start.get_mut(have..).unwrap_or_default())
            .await?;
        have += read;
        let so_far = start.get(..have).unwrap_or_default();
        // At once, so that nobody who speaks something else waits for the deadline.
        if !SIGNATURE.starts_with(so_far) && !begins_line(so_far) {
            return Err(BadHeader::NoHeader.into());
        }
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    if start == SIGNATURE {
        version_2(stream).await
    } else {
        version_1(stream, &start).await
    }
}

fn begins_line(so_far: &[u8]) -> bool {
    let len = so_far.len().min(WORD.len());
    so_far.get(..len) == WORD.get(..len)
}

async fn version_1(stream: &mut Stream, start: &[u8]) -> Result<Header, HeaderError> {
    let mut line = start.to_vec();
    // One by one: nothing says how long it is.
    while !line.ends_with(b"\r\n") {
        if line.len() >= MAX_LINE {
            return Err(BadHeader::TooLong.into());
        }
        line.push(stream.read_u8().await?);
    }
    Ok(line_of_version_1(&line)?)
}

/// `PROXY TCP4 from to port port`, with its end (§2.1).
fn line_of_version_1(line: &[u8]) -> Result<Header, BadHeader> {
    let line = std::str::from_utf8(line).map_err(|_| BadHeader::Malformed)?;
    let line = line.strip_suffix("\r\n").ok_or(BadHeader::Malformed)?;
    let fields: Vec<&str> = line.split(' ').collect();
    if let ["PROXY", "UNKNOWN", ..] = fields.as_slice() {
        return Ok(Header::Unknown);
    }
    let ["PROXY", family, from, to, from_port, to_port] = fields.as_slice() else {
        return Err(BadHeader::Malformed);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match *family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let port = |text: &str| -> Option<u16> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| fits)
    };
    let ends = || {
        let (client, _) = (address(from)?, address(to)?);
        let (client_port, _) = (port(from_port)?, port(to_port)?);
        Some(SocketAddr::new(client, client_port))
    };
    let client = ends().ok_or(BadHeader::Malformed)?;
    Ok(Header::From { client, tls: false })
}

async fn version_2(stream: &mut Stream) -> Result<Header, HeaderError> {
    let command = stream.read_u8().await?;
    let family = stream.read_u8().await?;
    let len = usize::from(stream.read_u16().await?);
    if len > MAX_REST {
        return Err(BadHeader::TooLong.into());
    }
    let mut rest = vec![0; len];
    stream.read_exact(&mut rest).await?;
    Ok(rest_of_version_2(command, family, &rest)?)
}

/// What follows the signature and the length (§2.2).
fn rest_of_version_2(command: u8, family: u8, rest: &[u8]) -> Result<Header, BadHeader> {
    match command {
        0x20 => return Ok(Header::Unknown), // LOCAL: whatever follows does not count
        0x21 => {}
        _ => return Err(BadHeader::Malformed),
    }
    // Addresses of both ends, then both ports; this one's first.
    let (client, more) = match family {
        0x00 => return Ok(Header::Unknown),
        0x11 => {
            let (ends, more) = rest.split_first_chunk::<12>().ok_or(BadHeader::Malformed)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *ends;
            let port = u16::from_be_bytes([high, low]);
            (SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)), more)
        }
        0x21 => {
            let (ends, more) = rest.split_first_chunk::<36>().ok_or(BadHeader::Malformed)?;
            let from = ends.first_chunk::<16>().ok_or(BadHeader::Malformed)?;
            let [.., high, low, _, _] = *ends;
            let port = u16::from_be_bytes([high, low]);
            (SocketAddr::from((Ipv6Addr::from(*from), port)), more)
        }
        // A client at a unix socket of the proxy's has no address.
        0x31 if rest.len() >= 216 => return Ok(Header::Unknown),
        _ => return Err(BadHeader::Malformed),
    };
    let tls = has_client_tls(more);
    Ok(Header::From { client, tls })
}

/// Looks through what proxies add: a kind, two bytes of length, the value, again and again.
fn has_client_tls(mut more: &[u8]) -> bool {
    while let Some(([kind, high, low], rest)) = more.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, rest)) = rest.split_at_checked(len) else {
            return false;
        };
        if *kind == TLV_TLS {
            return value.first().is_some_and(|client| client & CLIENT_TLS != 0);
        }
        more = rest;
    }
    false
}

#[cfg(test)]
mod tests;
