//! The PROXY protocol: what a load balancer says of the client before the first byte of it (haproxy, `proxy-protocol.txt`,
//! versions 1 and 2). Everything that it says stands before TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// With which a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 1, with its line end.
const LINE_BYTES_MAX: usize = 107;
/// Bytes of addresses and further fields of version 2: what is known takes less than 500.
const REST_BYTES_MAX: usize = 2_048;

/// Reads the header off `stream`, and nothing behind it: the client's address, or none where the load balancer speaks for
/// itself (`LOCAL`) or does not say (`UNKNOWN`, a socket of no network).
///
/// # Errors
/// Those of the stream; [`io::ErrorKind::InvalidData`] for what is no such header.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    // The shortest of version 1 has more.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_binary(stream).await;
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX {
            return Err(invalid());
        }
        line.push(stream.read_u8().await?);
    }
    parse_line(&line).ok_or_else(invalid)
}

async fn read_binary<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST_BYTES_MAX {
        return Err(invalid());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    parse_binary(command, family, &rest).ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`; none for what is no line, or no address.
#[expect(clippy::option_option, reason = "whether it is a header, and whether it says who")]
fn parse_line(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let mut address = || {
        words
            .next()?
            .parse::<IpAddr>()
            .ok()
            .filter(|address| is_of(*address, family))
    };
    let (source, _) = (address()?, address()?);
    let port = words.next()?.parse().ok()?;
    words.next()?.parse::<u16>().ok()?;
    words.next().is_none().then_some(Some(SocketAddr::new(source, port)))
}

fn is_of(address: IpAddr, family: &str) -> bool {
    match address {
        IpAddr::V4(_) => family == "TCP4",
        IpAddr::V6(_) => family == "TCP6",
    }
}

/// Version and command, family and protocol, then source, destination and both ports; what follows is not looked at.
#[expect(clippy::option_option, reason = "whether it is a header, and whether it says who")]
fn parse_binary(command: u8, family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
    match command {
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    match family {
        0x11 => {
            let (source, rest) = rest.split_first_chunk::<4>()?;
            let (_, ports) = rest.split_first_chunk::<4>()?;
            Some(Some(SocketAddr::new(Ipv4Addr::from(*source).into(), port(ports)?)))
        }
        0x21 => {
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (_, ports) = rest.split_first_chunk::<16>()?;
            Some(Some(SocketAddr::new(Ipv6Addr::from(*source).into(), port(ports)?)))
        }
        // Unspecified, datagrams, and sockets of one machine.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Some(None),
        _ => None,
    }
}

fn port(ports: &[u8]) -> Option<u16> {
    let (source, rest) = ports.split_first_chunk::<2>()?;
    rest.first_chunk::<2>().map(|_| u16::from_be_bytes(*source))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of `bytes` that come one by one, and what is left of them.
    fn parsed(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut stream = bytes;
            let read = read(&mut stream).await;
            (read, stream.to_vec())
        })
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn both_versions_name_the_client_and_leave_the_rest_alone() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
        let mut v6 = [0; 36];
        v6[15] = 1;
        v6[33] = 80;
        for (header, client) in [
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
                Some("192.0.2.1:56324"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n".to_vec(),
                Some("[2001:db8::1]:56324"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (binary(0x21, 0x11, &v4), Some("192.0.2.1:56324")),
            (
                binary(0x21, 0x11, &[&v4[..], b"\x04\0\x03abc"].concat()),
                Some("192.0.2.1:56324"),
            ),
            (binary(0x21, 0x21, &v6), Some("[::1]:80")),
            (binary(0x20, 0x00, b""), None),
            (binary(0x21, 0x31, &[0; 216]), None),
        ] {
            let (read, left) = parsed(&[&header[..], b"GET / HTTP/1.1\r\n"].concat());
            assert_eq!(
                read.unwrap(),
                client.map(|client| client.parse().unwrap()),
                "{header:?}"
            );
            assert_eq!(left, b"GET / HTTP/1.1\r\n");
            for end in 0..header.len() {
                assert!(parsed(&header[..end]).0.is_err(), "cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 99999 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n".to_vec(),
            b"PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
            [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(),
            binary(0x11, 0x11, &[0; 12]),
            binary(0x21, 0x11, &[0; 11]),
            binary(0x21, 0x55, &[0; 12]),
            binary(0x21, 0x11, &[0; 3_000]),
        ] {
            assert!(parsed(&bytes).0.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), rest in any::<[u8; 40]>(), family in any::<u8>()) {
            drop(parsed(&bytes));
            drop(parsed(&binary(0x21, family, &rest)));
        }
    }
}
