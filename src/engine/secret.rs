//! The keyed hash that stands for a value, so that the value itself never rests.

use smallvec::SmallVec;
use zeroize::Zeroizing;

/// The 256-bit key of all subject, key and credential hashes of one gateway. Zeroised when dropped.
#[derive(Clone)]
pub struct HashKey(Zeroizing<[u8; 32]>);

impl HashKey {
    /// A key from 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The keyed BLAKE3 hash of `parts` under `domain`; each part is length-prefixed, so that no two lists collide.
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        // One short message in one call: an incremental hasher costs more to set up than what is hashed here.
        let mut message: SmallVec<[u8; 192]> = SmallVec::from_slice(domain.as_bytes());
        for part in parts {
            message.extend_from_slice(&(part.len() as u64).to_le_bytes());
            message.extend_from_slice(part);
        }
        *blake3::keyed_hash(&self.0, &message).as_bytes()
    }

    /// The first 64 bits of [`HashKey::hash`].
    pub fn hash64(&self, domain: &str, parts: &[&[u8]]) -> u64 {
        let hash = self.hash(domain, parts);
        hash.iter()
            .take(8)
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The person behind a record: a keyed, tenant-scoped 64-bit hash of the record's primary identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(pub u64);
