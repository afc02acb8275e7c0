//! Any bytes begin with a header of the PROXY protocol or are refused; what follows it is left alone, and a part of it is no header.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tidegate::proxy::read_proxy_header;

/// Bytes of the longest header that is read: of version 2, with its further fields.
const HEADER_BYTES_MAX: usize = 16 + 2_048;

/// No settings: all bytes are what a load balancer sends.
pub(crate) fn proxy_header(data: &[u8]) {
    let (read, taken) = read_from(data);
    let Ok(client) = read else { return };
    assert!((15..=HEADER_BYTES_MAX).contains(&taken) && taken <= data.len());
    let header = data.get(..taken).expect("it was taken of them");
    for behind in [&b""[..], b"GET / HTTP/1.1\r\n", b"PROXY UNKNOWN\r\n", &[0xff; 64]] {
        let (again, taken_again) = read_from(&[header, behind].concat());
        assert_eq!(
            (again.ok(), taken_again),
            (Some(client), taken),
            "what follows says something of the client"
        );
    }
    for end in 0..taken {
        let part = header.get(..end).expect("it is shorter");
        assert!(read_from(part).0.is_err(), "a part of {end} bytes is a header");
    }
}

/// What is read of bytes that are all there, and how many of them were taken.
fn read_from(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, usize) {
    let mut stream = bytes;
    let read = {
        let mut reading = pin!(read_proxy_header(&mut stream));
        match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("bytes that are there are waited for"),
        }
    };
    (read, bytes.len() - stream.len())
}
