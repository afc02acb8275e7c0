//! The frames of WebSocket are read alike however their bytes were cut, or refused at the same place.

use bytes::BytesMut;
use tidegate::proxy::framing::Fault;
use tidegate::proxy::websocket::{Event, FrameReader, From, Opcode};

/// What was read.
#[derive(Debug, Default, PartialEq)]
struct Read {
    /// Messages and control frames, in the order of their ends.
    whole: Vec<(Opcode, Vec<u8>)>,
    /// The message under way.
    begun: Vec<u8>,
    fault: Option<Fault>,
}

/// Settings: who sends and whether messages may be deflated, the length of a slice.
pub(crate) fn websocket(data: &[u8]) {
    let Some(([sender, slice], wire)) = super::settings(data) else {
        return;
    };
    let whole = read(sender, wire, wire.len().max(1));
    for slice in [usize::from(slice) + 1, 1] {
        let split = read(sender, wire, slice);
        // How much comes of how little is measured as it comes.
        if sender & 2 != 0 && (split.fault.is_some() || whole.fault.is_some()) {
            continue;
        }
        assert_eq!(
            (&split.whole, split.fault),
            (&whole.whole, whole.fault),
            "in slices of {slice}"
        );
        // Of a message that breaks, more may have been read before its fault was.
        assert!(
            whole.fault.is_some() || split.begun == whole.begun,
            "in slices of {slice}"
        );
    }
}

fn read(sender: u8, wire: &[u8], slice: usize) -> Read {
    let from = if sender & 1 == 0 { From::Server } else { From::Client };
    let mut reader = FrameReader::new(from, sender & 2 != 0);
    let (mut read, mut buffer) = (Read::default(), BytesMut::new());
    for part in wire.chunks(slice) {
        buffer.extend_from_slice(part);
        loop {
            match reader.next(&mut buffer) {
                Ok(None) => break,
                Ok(Some(event)) => take(&mut read, event),
                Err(fault) => {
                    read.fault = Some(fault);
                    return read;
                }
            }
        }
    }
    read
}

fn take(read: &mut Read, event: Event) {
    match event {
        Event::Data { opcode, bytes, last } => {
            read.begun.extend_from_slice(&bytes);
            if last {
                read.whole.push((opcode, std::mem::take(&mut read.begun)));
            }
        }
        Event::Control { opcode, payload } => {
            assert!(payload.len() <= 125, "a control frame is short");
            read.whole.push((opcode, payload.to_vec()));
        }
    }
}
