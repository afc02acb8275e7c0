//! Whether what begins as a zlib stream does (RFC 1950, section 2.2), and nothing names, is one: two bytes may be those of a text.

use super::magic::{Kind, Seen};
use crate::engine::decode::{Coding, Decoder};

/// Bytes that are tried out: no text of so many can be unpacked.
const TRIED_BYTES: usize = 64;
/// Bytes unpacked at once.
const OUTPUT_BYTES: usize = 1024;

/// What begins with the two bytes of a zlib stream that has a window of 32 KiB, by how hard its writer tried; none of others.
/// `ends`: there is no more of it.
pub(super) fn zlib(first: &[u8], ends: bool) -> Option<Seen> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    match first {
        // These two are letters.
        [0x78, 0x5e, third, ..] if is_text(third) => None,
        [0x78] | [0x78, 0x5e] if !ends => Some(Seen::More),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => tried(first.get(..TRIED_BYTES).unwrap_or(first), ends),
        _ => None,
    }
}

fn tried(mut first: &[u8], ends: bool) -> Option<Seen> {
    let is_all = first.len() == TRIED_BYTES;
    let mut decoder = Decoder::new(Coding::Deflate)?;
    let mut output = [0; OUTPUT_BYTES];
    let mut is_begun = false;
    loop {
        let progress = decoder.step(first, &mut output).ok()?;
        first = first.get(progress.read..).unwrap_or_default();
        is_begun |= progress.written > 0;
        if decoder.finish().is_ok() {
            return Some(Seen::File(Kind::Coded(Coding::Deflate)));
        }
        if first.is_empty() && progress.written < output.len() {
            break;
        }
    }
    match (is_all, ends) {
        (true, _) => Some(Seen::File(Kind::Coded(Coding::Deflate))),
        (false, true) => is_begun.then_some(Seen::File(Kind::Coded(Coding::Deflate))),
        (false, false) => Some(Seen::More),
    }
}
