//! How HTTP/2 is opened has one fingerprint however its bytes arrive, within its bound.

use tidegate::identity::{OPENING_BYTES_MAX, Opening};

/// Settings: length of a slice.
pub(crate) fn http2_opening(data: &[u8]) {
    let Some(([slice], wire)) = super::settings(data) else {
        return;
    };
    let whole = Opening::default().push(wire);
    let mut opening = Opening::default();
    let cut = wire
        .chunks(usize::from(slice) + 1)
        .find_map(|chunk| opening.push(chunk));
    assert_eq!(cut, whole);
    let longer = [wire, &[0; OPENING_BYTES_MAX]].concat();
    let ended = Opening::default().push(&longer).expect("there is an end");
    assert!(whole.is_none_or(|whole| whole == ended), "what comes next says nothing");
    let parts: Vec<usize> = ended.split('_').map(str::len).collect();
    assert_eq!(parts, [2, 2, 12], "{ended}");
}
