//! Where a value of JSON ends, however it is cut: brackets are counted, but for those in strings.

use memchr::memchr2;

use crate::engine::byte_set::ByteSet;

/// How deep in brackets a piece of JSON is.
#[derive(Default)]
pub(in crate::engine) struct Balance {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Balance {
    /// Whether no bracket is open.
    pub(in crate::engine) const fn is_closed(&self) -> bool {
        self.depth == 0
    }

    /// The number of bytes up to and with the bracket that closes the first one.
    pub(in crate::engine) fn end(&mut self, part: &[u8]) -> Option<usize> {
        let mut at = usize::from(std::mem::take(&mut self.escaped));
        while let Some(rest) = part.get(at..) {
            let next = if self.in_string {
                memchr2(b'"', b'\\', rest)
            } else {
                rest.iter().position(|byte| TELLING.has(*byte))
            };
            let place = next?;
            at += place + 1;
            match rest.get(place) {
                Some(b'"') => self.in_string = !self.in_string,
                Some(b'\\') if at < part.len() => at += 1,
                Some(b'\\') => self.escaped = true,
                Some(b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                _ if self.depth <= 1 => {
                    self.depth = 0;
                    return Some(at);
                }
                _ => self.depth -= 1,
            }
        }
        None
    }
}

/// Brackets and quotes: what tells in JSON outside strings.
const TELLING: ByteSet = ByteSet::of(b"\"{}[]");
