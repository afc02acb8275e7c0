//! A question over ICAP is read alike however its bytes were cut, or refused by the same rule.

use bytes::BytesMut;
use http::Method;
use tidegate::icap::{Chunks, HeadReader, IcapFault, Piece, read_request, read_response};
use tidegate::proxy::framing::HeadLimits;

const LIMITS: HeadLimits = HeadLimits {
    header_bytes_max: 1_024,
    headers_max: 16,
};

/// What was read of a question.
#[derive(Debug, Default, PartialEq)]
struct Read {
    head: String,
    http: Vec<bool>,
    body: Vec<u8>,
    /// Where a preview ended that was not all.
    previewed: Option<usize>,
    is_whole: bool,
    fault: Option<IcapFault>,
    /// Bytes behind it.
    behind: usize,
}

/// Settings: the length of a slice.
pub(crate) fn icap(data: &[u8]) {
    let Some(([slice], wire)) = super::settings(data) else {
        return;
    };
    let whole = read(wire, wire.len().max(1));
    let slice = usize::from(slice) + 1;
    assert_eq!(read(wire, slice), whole, "in slices of {slice}");
    assert_eq!(read(wire, 1), whole, "byte by byte");
}

fn read(wire: &[u8], slice: usize) -> Read {
    let mut read = Read::default();
    let mut parts = wire.chunks(slice);
    let mut bytes = BytesMut::new();
    let result = question(&mut parts, &mut bytes, &mut read);
    read.fault = result.err();
    read.behind = bytes.len() + parts.map(<[u8]>::len).sum::<usize>();
    if read.fault.is_some() {
        // A refusal ends the connection: how much was read of what follows says nothing.
        read.behind = 0;
    }
    read
}

fn question<'w>(
    parts: &mut impl Iterator<Item = &'w [u8]>,
    bytes: &mut BytesMut,
    read: &mut Read,
) -> Result<(), IcapFault> {
    let mut reader = HeadReader::new(LIMITS);
    let head = loop {
        if let Some((length, head)) = reader.push(bytes)? {
            drop(bytes.split_to(length));
            break head;
        }
        let Some(part) = parts.next() else { return Ok(()) };
        bytes.extend_from_slice(part);
    };
    read.head = format!(
        "{:?} {:?} {:?} {:?}",
        head.method, head.service, head.encapsulated, head.preview
    );
    while bytes.len() < head.encapsulated.head_bytes() {
        let Some(part) = parts.next() else { return Ok(()) };
        bytes.extend_from_slice(part);
    }
    for (length, is_request) in [(head.encapsulated.request, true), (head.encapsulated.response, false)] {
        let http = bytes.split_to(length.unwrap_or(0));
        let is_read = if is_request {
            read_request(&http, LIMITS).is_ok()
        } else {
            read_response(&http, &Method::GET, LIMITS).is_ok()
        };
        read.http.push(is_read);
    }
    let mut chunks = if head.encapsulated.has_body {
        Chunks::new(head.preview)
    } else {
        Chunks::none()
    };
    loop {
        match chunks.next(bytes)? {
            Some(Piece::Data(data)) => read.body.extend_from_slice(&data),
            Some(Piece::PreviewEnd) => {
                assert!(
                    head.preview.is_some_and(|most| read.body.len() as u64 <= most),
                    "no more than was announced"
                );
                read.previewed = Some(read.body.len());
                chunks.go_on();
            }
            Some(Piece::End) => {
                read.is_whole = true;
                return Ok(());
            }
            None => {
                let Some(part) = parts.next() else { return Ok(()) };
                bytes.extend_from_slice(part);
            }
        }
    }
}
