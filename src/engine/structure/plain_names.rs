//! Which names of a body say nothing of their values, of persons or of orders: asked once, and found again in a few
//! instructions.
//!
//! Objects of one kind have the same names in the same order, so that each remembered name remembers what came after it.

use std::ops::Range;

use super::Sink;

/// Names that are remembered, a power of two. 64 bytes each.
const NAMES_MAX: usize = 128;
/// Longer names are not remembered.
const BYTES_MAX: usize = 16;

/// Names, each at one of the two places that its bytes choose.
#[derive(Default)]
pub(super) struct PlainNames {
    /// Empty until there is one.
    places: Vec<Known>,
    /// The place of the last one found.
    last: usize,
}

#[derive(Clone, Copy, Default)]
struct Known {
    /// Its bytes, padded with zeros.
    bytes: u128,
    /// 0 is none.
    length: usize,
    /// Its number, if it is plain.
    number: Option<u64>,
    /// The place of the one that came after it.
    next: usize,
}

impl PlainNames {
    /// The number of the name that is this range of `chunk`, if it is plain.
    #[inline]
    pub(super) fn find(&mut self, chunk: &[u8], range: &Range<usize>, sink: &impl Sink) -> Option<u64> {
        let length = range.len();
        let Some(bytes) = padded(chunk, range) else {
            return sink.plain(chunk.get(range.clone())?);
        };
        let next = self.places.get(self.last).map_or(0, |last| last.next);
        if let Some(known) = self.places.get(next)
            && known.bytes == bytes
            && known.length == length
        {
            self.last = next;
            return known.number;
        }
        self.search(bytes, length, chunk.get(range.clone())?, sink)
    }

    /// The same of a name that was not to be expected.
    fn search(&mut self, bytes: u128, length: usize, name: &[u8], sink: &impl Sink) -> Option<u64> {
        let first = place(bytes);
        let is_it = |known: &Known| known.bytes == bytes && known.length == length;
        let known = [first, first ^ 1]
            .into_iter()
            .find(|place| self.places.get(*place).is_some_and(is_it));
        let place = match known {
            Some(place) => place,
            None => self.learn(bytes, length, sink.plain(name), first),
        };
        if let Some(last) = self.places.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        self.places.get(place)?.number
    }

    /// Remembers a name; returns its place.
    fn learn(&mut self, bytes: u128, length: usize, number: Option<u64>, first: usize) -> usize {
        if self.places.is_empty() {
            self.places.resize(NAMES_MAX, Known::default());
        }
        let is_taken = self.places.get(first).is_some_and(|known| known.length > 0);
        let place = first ^ usize::from(is_taken);
        if let Some(known) = self.places.get_mut(place) {
            *known = Known {
                bytes,
                length,
                number,
                next: place,
            };
        }
        place
    }
}

fn place(bytes: u128) -> usize {
    let mixed = (bytes as u64 ^ ((bytes >> 64) as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % NAMES_MAX
}

/// The bytes of a name, padded with zeros, if it is one to remember.
#[inline]
fn padded(chunk: &[u8], range: &Range<usize>) -> Option<u128> {
    let length = range.len();
    if !(1..=BYTES_MAX).contains(&length) {
        return None;
    }
    let beyond = 8 * (BYTES_MAX - length) as u32;
    if let Some(bytes) = chunk.get(range.start..).and_then(<[u8]>::first_chunk) {
        return Some(u128::from_le_bytes(*bytes) << beyond >> beyond);
    }
    let mut bytes = [0; BYTES_MAX];
    bytes.get_mut(..length)?.copy_from_slice(chunk.get(range.clone())?);
    Some(u128::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::testing::Chance;
    use crate::engine::structure::{Cell, Container};

    /// Calls names plain whose first byte is not `x`, and gives each a number.
    struct Listener;

    impl Sink for Listener {
        fn open(&mut self, _: Container, _: u64) {}
        fn close(&mut self, _: u64) {}
        fn key(&mut self, _: &Cell<'_>) -> bool {
            true
        }
        fn plain(&self, name: &[u8]) -> Option<u64> {
            let number = || name.iter().fold(1, |number, byte| number * 5 + u64::from(byte - b'w'));
            (name.first() != Some(&b'x')).then(number)
        }
        fn passed(&mut self, _: u64, _: u32) {}
        fn is_map(&self) -> bool {
            false
        }
        fn cell(&mut self, _: &Cell<'_>) {}
        fn skipped(&mut self, _: u64) {}
        fn line(&mut self, _: u64) {}
    }

    #[test]
    fn a_plain_name_is_known_by_all_its_bytes() {
        let mut chance = Chance(5);
        for names in [3, 1_000] {
            let texts: Vec<Vec<u8>> = (0..names).map(|number| chance.text(b"wxyz", number % 21)).collect();
            let mut plain = PlainNames::default();
            for _ in 0..5_000 {
                let name = &texts[chance.below(names)];
                let text = [b"\"", &name[..], b"\":1"].concat();
                let found = plain.find(&text, &(1..1 + name.len()), &Listener);
                assert_eq!(found, Listener.plain(name), "{}", name.escape_ascii());
            }
        }
    }
}
