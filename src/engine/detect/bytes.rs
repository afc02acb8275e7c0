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

/// What a haystack holds, from one branch-free pass: enough to leave most cells at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// ASCII digits in it.
    pub(super) digits: usize,
    /// Whether it has an `@`.
    pub(super) at_sign: bool,
    /// Whether it has a blank.
    pub(super) blank: bool,
    /// Whether it has a byte that is not ASCII.
    pub(super) high: bool,
}

impl Census {
    /// Counts `haystack`, in blocks short enough for a byte-wide counter, so that the compiler can use vectors.
    pub(super) fn of(haystack: &[u8]) -> Self {
        let mut census = Self::default();
        for block in haystack.chunks(128) {
            let (mut digits, mut at_sign, mut blank, mut high) = (0u8, 0u8, 0u8, 0u8);
            for &byte in block {
                digits = digits.wrapping_add(u8::from(byte.wrapping_sub(b'0') < 10));
                at_sign |= u8::from(byte == b'@');
                blank |= u8::from(byte == b' ');
                high |= byte;
            }
            census.digits += usize::from(digits);
            census.at_sign |= at_sign != 0;
            census.blank |= blank != 0;
            census.high |= high >= 0x80;
        }
        census
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

    #[test]
    fn census_counts_over_block_borders() {
        let text = "7 ".repeat(200);
        let expected = Census {
            digits: 200,
            at_sign: false,
            blank: true,
            high: false,
        };
        assert_eq!(Census::of(text.as_bytes()), expected);
        let census = Census::of("kim@예".as_bytes());
        assert_eq!(
            (census.digits, census.at_sign, census.blank, census.high),
            (0, true, false, true)
        );
    }
}
