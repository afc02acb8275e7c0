//! Bytes of text: neighbours and ASCII classes.
//!
//! Boundaries are ASCII on purpose: a Korean particle follows a value without a blank (`kim@example.com입니다`), and a
//! Unicode word boundary would lose it.

/// The byte at `index`; NUL, which belongs to no class, past the end.
#[inline]
pub(super) fn at(haystack: &[u8], index: usize) -> u8 {
    haystack.get(index).copied().unwrap_or(0)
}

/// The byte before `index`; NUL at the beginning.
#[inline]
pub(super) fn before(haystack: &[u8], index: usize) -> u8 {
    index.checked_sub(1).map_or(0, |index| at(haystack, index))
}

/// ASCII letter, digit or underscore.
#[inline]
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What of `text` is UTF-8, from its front on.
pub(super) fn valid_front(text: &[u8]) -> &str {
    match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let front = text.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(front).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_never_leave_the_haystack() {
        assert_eq!(
            (at(b"ab", 1), at(b"ab", 2), before(b"ab", 0), before(b"ab", 2)),
            (b'b', 0, 0, b'b')
        );
    }
}
