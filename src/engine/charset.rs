//! Character sets that cannot be read yet, known by the mark that begins a body.

use smallvec::SmallVec;

/// The byte-order marks of UTF-16, with which that of UTF-32 in little-endian order begins, and of UTF-32 in big-endian
/// order (RFC 2781, 3.2; Unicode 16, table 23-7).
const MARKS: [&[u8]; 3] = [&[0xff, 0xfe], &[0xfe, 0xff], &[0, 0, 0xfe, 0xff]];
/// Bytes of the longest.
const MARK_BYTES_MAX: usize = 4;

/// Looks at the first bytes of one body.
#[derive(Default)]
pub(super) struct Charset {
    first: SmallVec<[u8; MARK_BYTES_MAX]>,
}

impl Charset {
    /// Whether the body, of which `text` is the next part, is in a character set that cannot be read: said once, with the
    /// part in which its mark ends.
    pub(super) fn is_unreadable(&mut self, text: &[u8]) -> bool {
        let missing = MARK_BYTES_MAX - self.first.len();
        let next = text.get(..missing).unwrap_or(text);
        next.iter().any(|byte| {
            self.first.push(*byte);
            MARKS.contains(&self.first.as_slice())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_however_it_is_cut() {
        for (body, expected) in [
            (&b"\xff\xfea\0"[..], true),
            (b"\xfe\xff\0a", true),
            (b"\0\0\xfe\xffa", true),
            (b"\xef\xbb\xbfa", false),
            (b"a\xff\xfe", false),
            (b"\xff", false),
        ] {
            for length in 1..=body.len() {
                let mut charset = Charset::default();
                let told = body.chunks(length).filter(|part| charset.is_unreadable(part)).count();
                assert_eq!(told, usize::from(expected), "{length}: {body:?}");
            }
        }
    }
}
