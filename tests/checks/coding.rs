//! A decoder gives the same bytes however its input and its output are cut, and never writes past its buffer.

use tidegate::engine::decode::{Coding, DecodeError, Decoder};

/// As `Content-Encoding` names them.
const CODINGS: [&str; 8] = [
    "gzip",
    "deflate",
    "br",
    "zstd",
    "gzip, gzip",
    "deflate, br",
    "br, gzip, zstd",
    "gzip, deflate, gzip, deflate, gzip",
];
/// A bomb is read no further.
const DECODED_BYTES_MAX: usize = 1 << 20;

/// Settings: coding, length of a slice, length of the output.
pub(crate) fn decode(data: &[u8]) {
    let Some(([coding, slice, output], coded)) = super::settings(data) else {
        return;
    };
    let listed = CODINGS[usize::from(coding) % CODINGS.len()];
    let coding = Coding::from_header(listed.as_bytes()).expect("what can be undone");
    let whole = decode_all(coding, coded, coded.len().max(1), 16 << 10);
    let split = decode_all(coding, coded, usize::from(slice) + 1, usize::from(output) + 1);
    // How much has come is measured by the bytes that were given.
    if [whole.as_ref().err(), split.as_ref().err()].contains(&Some(&DecodeError::Ratio)) {
        return;
    }
    match (whole, split) {
        (Ok(whole), Ok(split)) => {
            let shared = whole.len().min(split.len()).min(DECODED_BYTES_MAX);
            let is_cut = whole.len() >= DECODED_BYTES_MAX && split.len() >= DECODED_BYTES_MAX;
            assert!(
                is_cut || whole.len() == split.len(),
                "{coding:?}: {} and {}",
                whole.len(),
                split.len()
            );
            assert!(whole[..shared] == split[..shared], "{coding:?}: other bytes");
        }
        (whole, split) => assert_eq!(
            whole.is_ok(),
            split.is_ok(),
            "{coding:?}: {:?} {:?}",
            whole.err(),
            split.err()
        ),
    }
}

fn decode_all(coding: Coding, coded: &[u8], slice: usize, output: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(coding).expect("these codings have a decoder");
    let (mut plain, mut buffer) = (Vec::new(), vec![0; output]);
    for mut rest in coded.chunks(slice) {
        loop {
            let progress = decoder.step(rest, &mut buffer)?;
            plain.extend_from_slice(&buffer[..progress.written]);
            rest = &rest[progress.read..];
            if plain.len() >= DECODED_BYTES_MAX {
                return Ok(plain);
            }
            if rest.is_empty() && progress.written < buffer.len() {
                break;
            }
            assert!(progress.read + progress.written > 0, "{coding:?} stands still");
        }
    }
    decoder.finish().map(|()| plain)
}
