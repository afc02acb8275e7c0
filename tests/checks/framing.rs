//! Where messages begin and end does not depend on how the bytes were cut, and a refusal is final.

use tidegate::proxy::framing::{Asked, Fault, Framing, HeadLimits, Request, Response, Role};

const ASKED: [Asked; 4] = [Asked::Content, Asked::Head, Asked::Upgrade, Asked::Connect];
const LIMITS: HeadLimits = HeadLimits {
    header_bytes_max: 1_024,
    headers_max: 16,
};

/// Settings: which direction, length of a slice.
pub(crate) fn framing(data: &[u8]) {
    let Some(([direction, slice], wire)) = super::settings(data) else {
        return;
    };
    let slice = usize::from(slice) + 1;
    match direction % 5 {
        4 => compare(|| Framing::new(Request::default(), LIMITS), wire, slice),
        asked => compare(|| awaiting(ASKED[usize::from(asked)]), wire, slice),
    }
}

fn awaiting(asked: Asked) -> Framing<Response> {
    let mut framing = Framing::new(Response::default(), LIMITS);
    framing.role_mut().ask(asked);
    framing
}

fn compare<R: Role>(new: impl Fn() -> Framing<R>, wire: &[u8], slice: usize) {
    let whole = read(new(), wire, wire.len().max(1));
    assert!(whole.0 <= wire.len(), "no more is in order than there is");
    assert_eq!(read(new(), wire, slice), whole, "in slices of {slice}");
    assert_eq!(read(new(), wire, 1), whole, "byte by byte");
}

/// How many bytes are in order, and what is wrong with the next.
fn read<R: Role>(mut framing: Framing<R>, wire: &[u8], slice: usize) -> (usize, Option<Fault>) {
    let mut valid = 0;
    for end in (slice..wire.len() + slice).step_by(slice) {
        match framing.push(&wire[valid..end.min(wire.len())]) {
            Ok(taken) => valid += taken,
            Err(refused) => {
                let again = framing.push(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(
                    again.map_err(|refused| refused.fault),
                    Err(refused.fault),
                    "a refusal is final"
                );
                return (valid + refused.valid, Some(refused.fault));
            }
        }
    }
    (valid, None)
}
