//! The keyed hash that stands for a value, so that the value itself never rests.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use zeroize::Zeroizing;

/// Whose data it is where no route says so.
pub const DEFAULT_TENANT: &str = "default";

/// The 256-bit key of all subject, key and credential hashes of one gateway. Zeroised when dropped. People have a key of their own
/// once theirs was replaced, and two while it is.
#[derive(Clone)]
pub struct HashKey {
    own: Zeroizing<[u8; 32]>,
    people: Option<Arc<Self>>,
    beside: Option<Arc<Self>>,
    /// What a key of one run hashes with.
    passing: Option<[DefaultHashBuilder; 2]>,
}

/// Which key people are hashed with, without saying anything of it; all zero where it is the [`HashKey`] itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeopleMark(pub [u8; 12]);

impl PeopleMark {
    /// What tells two of them apart.
    #[must_use]
    pub fn apart(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
        self
    }
}

impl HashKey {
    /// A key from 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self {
            own: Zeroizing::new(bytes),
            people: None,
            beside: None,
            passing: None,
        }
    }

    /// A key of one run, for what is counted in it and told apart: its hashes are quick and hide nothing, so that nobody's data
    /// may be kept or sent by them.
    pub fn passing() -> Self {
        Self {
            passing: Some(<[DefaultHashBuilder; 2]>::default()),
            ..Self::new([0; 32])
        }
    }

    /// Hashes people with `people`, if that is another key, and `beside` it with one that is to take its place or had it.
    #[must_use]
    pub fn hashing_people(mut self, people: Option<Self>, beside: Option<Self>) -> Self {
        (self.people, self.beside) = (people.map(Arc::new), beside.map(Arc::new));
        self
    }

    /// The key with which people are hashed.
    pub fn people(&self) -> &Self {
        self.people.as_deref().unwrap_or(self)
    }

    /// The one with which they are hashed as well, while one takes the place of the other.
    pub fn beside(&self) -> Option<&Self> {
        self.beside.as_deref()
    }

    /// Which key people are hashed with.
    pub fn people_mark(&self) -> PeopleMark {
        self.mark_of(self.people())
    }

    /// Which one they are hashed with as well.
    pub fn beside_mark(&self) -> Option<PeopleMark> {
        self.beside().map(|beside| self.mark_of(beside))
    }

    fn mark_of(&self, key: &Self) -> PeopleMark {
        let mut mark = PeopleMark::default();
        if key.own != self.own {
            let hash = key.hash("tidegate people 1", &[]);
            mark.0.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        }
        mark
    }

    /// The bytes that [`HashKey::new`] was given.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.own
    }

    /// The key of one tenant: what is hashed for another can be neither compared with it nor taken for it. That of
    /// [`DEFAULT_TENANT`] is this one.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Self {
        if tenant == DEFAULT_TENANT {
            return self.clone();
        }
        let of_tenant = |key: &Option<Arc<Self>>| key.as_ref().map(|key| Arc::new(key.of_tenant(tenant)));
        Self {
            people: of_tenant(&self.people),
            beside: of_tenant(&self.beside),
            ..Self::new(self.hash("tidegate tenant 1", &[tenant.as_bytes()]))
        }
    }

    /// The keyed BLAKE3 hash of `parts` under `domain`; each part is length-prefixed, so that no two lists collide.
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        if let Some(passing) = &self.passing {
            return passing_hash(passing, domain, parts);
        }
        // One short message in one call: an incremental hasher costs more to set up than what is hashed here.
        let mut message = Message::default();
        let is_short = message.put(domain.as_bytes())
            && parts
                .iter()
                .all(|part| message.put(&(part.len() as u64).to_le_bytes()) && message.put(part));
        if is_short {
            return *blake3::keyed_hash(&self.own, message.bytes()).as_bytes();
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.own);
        hasher.update(domain.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// The first 64 bits of [`HashKey::hash`].
    pub fn hash64(&self, domain: &str, parts: &[&[u8]]) -> u64 {
        if let Some([first, _]) = &self.passing {
            return passing_hash64(first, domain, parts);
        }
        let hash = self.hash(domain, parts);
        hash.iter()
            .take(8)
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The hash of a key of one run: 128 bits of it, and nothing behind them.
fn passing_hash(with: &[DefaultHashBuilder; 2], domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (place, with) in hash.chunks_exact_mut(8).zip(with) {
        place.copy_from_slice(&passing_hash64(with, domain, parts).to_le_bytes());
    }
    hash
}

/// Half of them.
fn passing_hash64(with: &DefaultHashBuilder, domain: &str, parts: &[&[u8]]) -> u64 {
    let mut hasher = with.build_hasher();
    hasher.write(domain.as_bytes());
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

/// Bytes of a message that is hashed in one call.
const MESSAGE_BYTES_MAX: usize = 192;

/// A short message under way.
struct Message {
    bytes: [u8; MESSAGE_BYTES_MAX],
    length: usize,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            bytes: [0; MESSAGE_BYTES_MAX],
            length: 0,
        }
    }
}

impl Message {
    /// Adds `part`, if there is room.
    fn put(&mut self, part: &[u8]) -> bool {
        let end = self.length + part.len();
        let Some(place) = self.bytes.get_mut(self.length..end) else {
            return false;
        };
        place.copy_from_slice(part);
        self.length = end;
        true
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The person behind a record: a keyed, tenant-scoped 64-bit hash of the record's primary identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_one_run_tells_apart_what_every_key_does() {
        let (one, other) = (HashKey::passing(), HashKey::passing());
        let long = [7; 300];
        let lists: [&[&[u8]]; 5] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[&long], &[]];
        let hashes: Vec<u64> = lists.iter().map(|parts| one.hash64("domain", parts)).collect();
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(one.clone().hash64("domain", lists[at]), *hash);
            assert_ne!(one.hash64("another", lists[at]), *hash);
            assert_ne!(other.hash64("domain", lists[at]), *hash);
            assert_eq!(hashes.iter().filter(|another| *another == hash).count(), 1);
        }
        let tenant = one.of_tenant("shop");
        assert_eq!(tenant.hash("domain", &[]), one.of_tenant("shop").hash("domain", &[]));
    }
}
