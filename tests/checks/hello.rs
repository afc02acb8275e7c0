//! A `ClientHello` is the same however its bytes arrive, and whatever stands behind it.

use tidegate::tls::{HELLO_BYTES_MAX, Peek, Transport, ja4, peek};

/// Settings: length of a slice.
pub(crate) fn client_hello(data: &[u8]) {
    let Some(([slice], wire)) = super::settings(data) else {
        return;
    };
    let whole = peek(wire);
    for end in (0..wire.len()).step_by(usize::from(slice) + 1) {
        let part = peek(&wire[..end]);
        assert!(part == Ok(Peek::More) || part == whole, "at {end}");
    }
    let longer = [wire, &[0x17; HELLO_BYTES_MAX]].concat();
    match whole {
        Ok(Peek::More) => assert_ne!(peek(&longer), Ok(Peek::More), "there is an end"),
        Ok(Peek::Hello(_)) | Err(_) => assert_eq!(peek(&longer), whole, "what comes next says nothing"),
    }
    if let Ok(Peek::Hello(hello)) = whole {
        let print = ja4(&hello, Transport::Tcp);
        let parts: Vec<usize> = print.split('_').map(str::len).collect();
        assert_eq!(parts, [10, 12, 12], "{print}");
        assert!(print.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    }
}
