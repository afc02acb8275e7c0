//! Sets of ASCII bytes, asked in a few instructions without a branch.

/// A set of bytes below 128.
#[derive(Clone, Copy)]
pub(in crate::engine) struct ByteSet {
    /// A bit for each byte below 64, and for each from there on.
    low: u64,
    high: u64,
}

impl ByteSet {
    /// Those of `bytes`; others than ASCII are left out.
    pub(in crate::engine) const fn of(mut bytes: &[u8]) -> Self {
        let mut set = Self { low: 0, high: 0 };
        while let [byte, rest @ ..] = bytes {
            match *byte {
                0..64 => set.low |= 1 << *byte,
                64..128 => set.high |= 1 << (*byte - 64),
                128.. => {}
            }
            bytes = rest;
        }
        set
    }

    /// Letters, digits and `bytes`.
    pub(in crate::engine) const fn alphanumeric_and(bytes: &[u8]) -> Self {
        let all = Self::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        let others = Self::of(bytes);
        Self {
            low: all.low | others.low,
            high: all.high | others.high,
        }
    }

    /// Whether `byte` is one of them.
    #[inline]
    pub(in crate::engine) const fn has(self, byte: u8) -> bool {
        let half = if byte & 64 == 0 { self.low } else { self.high };
        byte.is_ascii() && half >> (byte & 63) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_bytes_and_no_others() {
        let (few, many) = (ByteSet::of(b"\0<z\x7f\xff"), ByteSet::alphanumeric_and(b"-"));
        for byte in 0..=u8::MAX {
            assert_eq!(few.has(byte), b"\0<z\x7f".contains(&byte), "{byte}");
            assert_eq!(many.has(byte), byte.is_ascii_alphanumeric() || byte == b'-', "{byte}");
        }
    }
}
