//! A question over ICAP says the same in any chunks, with any preview, however its bytes are cut, and no byte behind it is taken.

use bytes::BytesMut;
use proptest::prelude::*;
use tidegate::icap::{Chunks, HeadReader, Piece, read_request, read_response};
use tidegate::proxy::framing::HeadLimits;

use super::config;

const LIMITS: HeadLimits = HeadLimits {
    header_bytes_max: 1_024,
    headers_max: 16,
};
const REQUEST: &[u8] = b"GET https://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n";
/// What is sent ahead.
const NEXT: &[u8] = b"OPTIONS icap://a/respmod ICAP/1.0\r\n\r\n";

fn chunked(body: &[u8], chunk_bytes: usize, end: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in body.chunks(chunk_bytes) {
        wire.extend_from_slice(format!("{:X};a=b\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(end);
    wire
}

fn wire(body: &[u8], chunk_bytes: usize, preview: Option<usize>) -> Vec<u8> {
    let (request, both) = (REQUEST.len(), REQUEST.len() + RESPONSE.len());
    let announced = preview.map_or_else(String::new, |bytes| format!("Preview: {bytes}\r\n"));
    let mut wire = format!(
        "RESPMOD icap://a/respmod ICAP/1.0\r\n{announced}Encapsulated: req-hdr=0, res-hdr={request}, res-body={both}\r\n\r\n"
    )
    .into_bytes();
    wire.extend_from_slice(REQUEST);
    wire.extend_from_slice(RESPONSE);
    let last: &[u8] = b"0\r\n\r\n";
    match preview.filter(|bytes| *bytes < body.len()) {
        Some(bytes) => {
            wire.extend(chunked(&body[..bytes], chunk_bytes, last));
            wire.extend(chunked(&body[bytes..], chunk_bytes, last));
        }
        None if preview.is_some() => wire.extend(chunked(body, chunk_bytes, b"0; ieof\r\n\r\n")),
        None => wire.extend(chunked(body, chunk_bytes, last)),
    }
    wire.extend_from_slice(NEXT);
    wire
}

/// The body, and what is behind it.
fn read(wire: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<u8>) {
    let mut parts = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().map(|cut| cut % wire.len()) {
        if cut > at {
            parts.push(&wire[at..cut]);
            at = cut;
        }
    }
    parts.push(&wire[at..]);
    let mut parts = parts.into_iter();
    let (mut reader, mut bytes) = (HeadReader::new(LIMITS), BytesMut::new());
    let head = loop {
        match reader.push(&bytes).unwrap() {
            Some((length, head)) => {
                drop(bytes.split_to(length));
                break head;
            }
            None => bytes.extend_from_slice(parts.next().unwrap()),
        }
    };
    while bytes.len() < head.encapsulated.head_bytes() {
        bytes.extend_from_slice(parts.next().unwrap());
    }
    let request = read_request(&bytes.split_to(head.encapsulated.request.unwrap()), LIMITS).unwrap();
    read_response(
        &bytes.split_to(head.encapsulated.response.unwrap()),
        &request.method,
        LIMITS,
    )
    .unwrap();
    let (mut chunks, mut body) = (Chunks::new(head.preview), Vec::new());
    loop {
        match chunks.next(&mut bytes).unwrap() {
            Some(Piece::Data(data)) => body.extend_from_slice(&data),
            Some(Piece::PreviewEnd) => chunks.go_on(),
            Some(Piece::End) => break,
            None => bytes.extend_from_slice(parts.next().unwrap()),
        }
    }
    parts.for_each(|part| bytes.extend_from_slice(part));
    (body, bytes.to_vec())
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_question_is_read_alike_however_it_is_cut(
        body in prop::collection::vec(any::<u8>(), 0..600),
        chunk_bytes in 1_usize..200,
        preview in prop::option::of(0_usize..700),
        mut cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let wire = wire(&body, chunk_bytes, preview);
        for cut in &mut cuts {
            *cut %= wire.len();
        }
        cuts.sort_unstable();
        let (read, behind) = read(&wire, &cuts);
        prop_assert_eq!(read, body);
        prop_assert_eq!(behind, NEXT);
    }
}
