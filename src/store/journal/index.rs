//! The index of a segment that is closed: its seconds, and a Bloom filter of its keys, so that a question about one key reads few segments.
//!
//! ```text
//! 0..4    4..8   8..16    16..20  20..           the last 4
//! first   last   entries  keys    filter         bytes of this frame
//! ```

use super::bytes::Cursor;
use super::frame::FRAME_HEAD_BYTES;
use crate::engine::ledger::KeyId;

/// Bits of the filter for each key: one question in two hundred and fifty reads a segment in vain.
const BITS_A_KEY: usize = 12;
/// Bits that each key sets.
const PROBES: u64 = 8;

/// What is known of a closed segment without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// The first and the last second of its entries; the first is the larger where it has none.
    pub(super) seconds: [u32; 2],
    pub(super) entries: u64,
    pub(super) keys: u32,
    filter: Vec<u8>,
}

impl Index {
    pub(super) fn new<'k>(seconds: [u32; 2], entries: u64, keys: impl ExactSizeIterator<Item = &'k KeyId>) -> Self {
        let count = keys.len();
        let mut filter = vec![0; (count * BITS_A_KEY).div_ceil(8)];
        let bits = filter.len() as u64 * 8;
        for bit in keys.flat_map(|key| probes(key, bits)) {
            if let Some(byte) = filter.get_mut((bit / 8) as usize) {
                *byte |= 1 << (bit % 8);
            }
        }
        Self {
            seconds,
            entries,
            keys: u32::try_from(count).unwrap_or(u32::MAX),
            filter,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(24 + self.filter.len());
        content.extend_from_slice(&self.seconds[0].to_le_bytes());
        content.extend_from_slice(&self.seconds[1].to_le_bytes());
        content.extend_from_slice(&self.entries.to_le_bytes());
        content.extend_from_slice(&self.keys.to_le_bytes());
        content.extend_from_slice(&self.filter);
        let whole = content.len() + 4 + FRAME_HEAD_BYTES;
        content.extend_from_slice(&(whole as u32).to_le_bytes());
        content
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let (content, whole) = content.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*whole) as usize != content.len() + 4 + FRAME_HEAD_BYTES {
            return None;
        }
        let mut cursor = Cursor(content);
        Some(Self {
            seconds: [cursor.u32()?, cursor.u32()?],
            entries: cursor.u64()?,
            keys: cursor.u32()?,
            filter: cursor.0.to_vec(),
        })
    }

    /// Whether the segment may have `key`; if not, it has not.
    pub(super) fn may_have(&self, key: KeyId) -> bool {
        let bits = self.filter.len() as u64 * 8;
        let is_set = |bit: u64| {
            self.filter
                .get((bit / 8) as usize)
                .is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
        };
        bits > 0 && probes(&key, bits).all(is_set)
    }

    /// Whether something in it lies between these seconds, both included.
    pub(super) fn meets(&self, from: u32, to: u32) -> bool {
        let [first, last] = self.seconds;
        first <= last && first <= to && last >= from
    }
}

/// The bits of a key. It is a keyed hash: its halves are as good as two hashes of it.
fn probes(key: &KeyId, bits: u64) -> impl Iterator<Item = u64> {
    let half = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (one, other) = (
        half(key.0.get(..8).unwrap_or_default()),
        half(key.0.get(4..).unwrap_or_default()) | 1,
    );
    (0..PROBES).map(move |probe| one.wrapping_add(probe.wrapping_mul(other)) % bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Dimension;
    use crate::engine::secret::HashKey;

    #[test]
    fn a_filter_has_all_its_keys_and_few_others() {
        let secret = HashKey::new([7; 32]);
        let key = |number: u32| KeyId::new(&secret, Dimension::Session, &number.to_le_bytes(), b"");
        let keys: Vec<KeyId> = (0..10_000).map(key).collect();
        let index = Index::new([5, 9], 10_000, keys.iter());
        let index = Index::decode(&index.encode()).unwrap();
        assert!(keys.iter().all(|key| index.may_have(*key)));
        let others = (10_000..110_000).filter(|number| index.may_have(key(*number))).count();
        assert!(others < 600, "{others} of 100,000");
        for ((from, to), meets) in [((0, 4), false), ((0, 5), true), ((9, 20), true), ((10, 20), false)] {
            assert_eq!(index.meets(from, to), meets, "{from} to {to}");
        }
        assert!(!Index::new([1, 0], 0, [].iter()).may_have(key(1)));
    }
}
