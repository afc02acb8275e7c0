//! What Envoy tells is read alike however its bytes were cut, or refused behind the same message.

use bytes::BytesMut;
use tidegate::ext_proc::messages::ProcessingRequest;
use tidegate::ext_proc::{Status, read};

/// Settings: the length of a slice.
pub(crate) fn ext_proc(data: &[u8]) {
    let Some(([slice], wire)) = super::settings(data) else {
        return;
    };
    let whole = told(wire, wire.len().max(1));
    for slice in [usize::from(slice) + 1, 1] {
        assert_eq!(told(wire, slice), whole, "in slices of {slice}");
    }
}

fn told(wire: &[u8], slice: usize) -> (Vec<ProcessingRequest>, Option<Status>, usize) {
    let (mut told, mut bytes) = (Vec::new(), BytesMut::new());
    for part in wire.chunks(slice) {
        bytes.extend_from_slice(part);
        loop {
            match read(&mut bytes) {
                Ok(Some(message)) => told.push(message),
                Ok(None) => break,
                // The stream ends with it: how much was read of what follows says nothing.
                Err(status) => return (told, Some(status), 0),
            }
        }
    }
    (told, None, bytes.len())
}
