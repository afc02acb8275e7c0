//! The hash of what is a keyed hash already: subjects, and the names of keys.

use std::hash::Hasher;

/// Spreads 64 bits over the low and the high ones, which a table looks at: what is counted beside subjects need not be as
/// even.
pub(super) fn spread(number: u64) -> u64 {
    (number ^ number >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The hasher of an exchange's own set.
#[derive(Default)]
pub(super) struct SubjectHasher(u64);

impl Hasher for SubjectHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = spread(number);
    }
}
