//! Which names of a body say nothing of their values, of persons or of orders: asked once, and found again in a few
//! instructions.
//!
//! Objects of one kind have the same names in the same order, so that each remembered name remembers what came after it.

use std::ops::Range;

use super::Sink;
use super::columns::is_heading;
use super::labels::is_label;
use super::name::Name;

/// Names that are remembered, a power of two. 64 bytes each.
const NAMES_MAX: usize = 128;
/// With the quote before it a name of so many bytes is one word.
const BYTES_MAX: usize = 15;
/// Names longer than that which are remembered, a power of two, each at the place that its bytes choose.
const LONG_NAMES_MAX: usize = 128;
/// Still longer names are asked about each time.
const LONG_BYTES_MAX: usize = 64;

/// Names, each at one of the two places that its bytes choose.
#[derive(Default)]
pub(super) struct PlainNames {
    /// Empty until there is one.
    places: Vec<Known>,
    /// The place of the last one found.
    last: usize,
    long: Vec<KnownLong>,
}

/// A name that is longer than a word, and its number, if it is plain.
#[derive(Clone, Default)]
struct KnownLong {
    name: Vec<u8>,
    number: Option<u64>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    /// The quote before it and its bytes, the last of them highest; 0 is none.
    bytes: u128,
    /// Where they are.
    mask: u128,
    /// Its number, if it is plain.
    number: Option<u64>,
    /// The place of the one that came after it.
    next: usize,
}

impl PlainNames {
    /// Whether the name that ends before `end`, in which nothing is escaped, is the one to be expected, and plain. A quote
    /// stands before each name of `chunk`.
    #[inline]
    pub(super) fn goes_on(&mut self, chunk: &[u8], end: usize) -> bool {
        let Some(next) = self.places.get(self.last).map(|last| last.next) else {
            return false;
        };
        let (Some(known), Some(word)) = (self.places.get(next), word_before(chunk, end)) else {
            return false;
        };
        let is_it = word & known.mask == known.bytes && known.number.is_some();
        if is_it {
            self.last = next;
        }
        is_it
    }

    /// The number of the name that is this range of `chunk`, if it is plain.
    #[inline]
    pub(super) fn find(&mut self, chunk: &[u8], range: &Range<usize>, sink: &mut impl Sink) -> Option<u64> {
        let Some((bytes, mask)) = quoted(chunk, range) else {
            return self.find_long(chunk.get(range.clone())?, sink);
        };
        let next = self.places.get(self.last).map_or(0, |last| last.next);
        if let Some(known) = self.places.get(next)
            && known.bytes == bytes
        {
            self.last = next;
            return known.number;
        }
        self.search(bytes, mask, chunk.get(range.clone())?, sink)
    }

    /// Whether a name that stands by itself says nothing, as one that is empty does.
    pub(super) fn is_plain(&mut self, name: &Name, sink: &mut impl Sink) -> bool {
        let name = name.as_slice();
        name.is_empty() || self.find(name, &(0..name.len()), sink).is_some()
    }

    /// The same of a name that was not to be expected.
    fn search(&mut self, bytes: u128, mask: u128, name: &[u8], sink: &mut impl Sink) -> Option<u64> {
        let first = place(bytes);
        let is_it = |known: &Known| known.bytes == bytes;
        let known = [first, first ^ 1]
            .into_iter()
            .find(|place| self.places.get(*place).is_some_and(is_it));
        let place = known.unwrap_or_else(|| {
            // An array under such a name is looked at, and so is what may say what another member is.
            let is_looked_at = is_heading(name) || is_label(name);
            self.learn(bytes, mask, sink.plain(name).filter(|_| !is_looked_at), first)
        });
        if let Some(last) = self.places.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        self.places.get(place)?.number
    }

    /// The number of a name that is no word, if it is plain.
    fn find_long(&mut self, name: &[u8], sink: &mut impl Sink) -> Option<u64> {
        if !(1..=LONG_BYTES_MAX).contains(&name.len()) {
            return sink.plain(name);
        }
        if self.long.is_empty() {
            self.long.resize(LONG_NAMES_MAX, KnownLong::default());
        }
        let (words, rest) = name.as_chunks::<8>();
        let length = (name.len() as u64) << 56 | rest.first().copied().map_or(0, u64::from);
        let mixed = words.iter().fold(length, |mixed, word| {
            (mixed ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
        let known = self.long.get_mut((mixed >> 32) as usize % LONG_NAMES_MAX)?;
        if known.name != name {
            known.number = sink.plain(name);
            known.name.clear();
            known.name.extend_from_slice(name);
        }
        known.number
    }

    /// Remembers a name; returns its place.
    fn learn(&mut self, bytes: u128, mask: u128, number: Option<u64>, first: usize) -> usize {
        if self.places.is_empty() {
            self.places.resize(NAMES_MAX, Known::default());
        }
        let is_taken = self.places.get(first).is_some_and(|known| known.bytes != 0);
        let place = first ^ usize::from(is_taken);
        if let Some(known) = self.places.get_mut(place) {
            *known = Known {
                bytes,
                mask,
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

/// The bytes of a name and a quote before them, and where they are, if it is one to remember.
#[inline]
fn quoted(chunk: &[u8], name: &Range<usize>) -> Option<(u128, u128)> {
    let length = name.len();
    if !(1..=BYTES_MAX).contains(&length) {
        return None;
    }
    let mask = u128::MAX << (8 * (BYTES_MAX - length));
    if let Some(word) = word_before(chunk, name.end) {
        let quote = mask & !(mask << 8);
        return Some((word & (mask << 8) | quote & QUOTES, mask));
    }
    let mut bytes = [b'"'; BYTES_MAX + 1];
    bytes
        .get_mut(BYTES_MAX + 1 - length..)?
        .copy_from_slice(chunk.get(name.clone())?);
    Some((u128::from_le_bytes(bytes) & mask, mask))
}

/// A quote in each byte.
const QUOTES: u128 = u128::from_le_bytes([b'"'; BYTES_MAX + 1]);

/// The sixteen bytes before `end`.
#[inline]
fn word_before(chunk: &[u8], end: usize) -> Option<u128> {
    let bytes = chunk.get(end.checked_sub(BYTES_MAX + 1)?..)?.first_chunk()?;
    Some(u128::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::testing::Chance;
    use crate::engine::structure::testing::Listener;

    #[test]
    fn a_plain_name_is_known_by_all_its_bytes() {
        let mut chance = Chance(5);
        for names in [3, 1_000] {
            let texts: Vec<Vec<u8>> = (0..names).map(|number| chance.text(b"wxyz", number % 70)).collect();
            let mut plain = PlainNames::default();
            for _ in 0..5_000 {
                let name = &texts[chance.below(names)];
                let text = [b"\"", &name[..], b"\":1"].concat();
                let expected = Listener.plain(name);
                assert!(!plain.goes_on(&text, 1 + name.len()) || expected.is_some());
                let found = plain.find(&text, &(1..1 + name.len()), &mut Listener);
                assert_eq!(found, expected, "{}", name.escape_ascii());
            }
        }
    }
}
