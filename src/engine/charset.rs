//! Character sets that cannot be read yet, known by the mark that begins a body.

/// The byte-order marks of UTF-16, and of UTF-32 in little-endian order (RFC 2781, 3.2; Unicode 16, table 23-7).
const MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// Looks at the first bytes of one body.
#[derive(Default)]
pub(super) struct Charset {
    first: [u8; 2],
    seen: usize,
}

impl Charset {
    /// Whether the body, of which `text` is the next part, is in a character set that cannot be read.
    pub(super) fn is_unreadable(&mut self, text: &[u8]) -> bool {
        if self.seen == self.first.len() {
            return false;
        }
        for (byte, place) in text.iter().zip(self.first.iter_mut().skip(self.seen)) {
            *place = *byte;
            self.seen += 1;
        }
        self.seen == self.first.len() && MARKS.contains(&self.first)
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
