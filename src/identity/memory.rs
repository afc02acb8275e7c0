//! What identity remembers under keyed hashes: credentials seen being issued, and tokens already verified. Both bounded.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::HashMap;

use super::token::Verified;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// The keyed hash that stands for a credential.
pub(super) type Fingerprint = [u8; 16];

/// Tokens are spread over this many locks.
const SHARDS: usize = 16;

/// The hash of a credential, for births and listed keys.
pub(super) fn credential_hash(key: &HashKey, value: &[u8]) -> [u8; 32] {
    key.hash("tidegate credential 1", &[stable_part(value)])
}

/// The part of a credential that its bearer cannot vary. Of something in the form of a JWT only the signing input
/// counts (RFC 7515, section 5.1): the signature is malleable, so a copy with another one is the same token.
pub(super) fn stable_part(value: &[u8]) -> &[u8] {
    signing_input(value).unwrap_or(value)
}

/// The first 16 bytes of a hash.
pub(super) fn fingerprint(hash: &[u8; 32]) -> Fingerprint {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// `header.payload` of `header.payload.signature`.
fn signing_input(value: &[u8]) -> Option<&[u8]> {
    let mut parts = value.split(|byte| *byte == b'.');
    let lengths = [parts.next()?.len(), parts.next()?.len(), parts.next()?.len()];
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
    if parts.next().is_some() || lengths.contains(&0) || !value.iter().all(base64url) || !value.starts_with(b"ey") {
        return None;
    }
    value.get(..lengths[0] + 1 + lengths[1])
}

/// A map of at most `2 * half_max` entries that forgets its older half when the younger one is full: no per-entry
/// time, no scan, and a flood of junk costs the flooder as much as us.
struct Generations<V> {
    young: HashMap<Fingerprint, V>,
    old: HashMap<Fingerprint, V>,
    half_max: usize,
}

impl<V> Generations<V> {
    fn new(entries_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half_max: (entries_max / 2).max(1),
        }
    }

    fn get(&self, key: &Fingerprint) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn insert(&mut self, key: Fingerprint, value: V) {
        if self.young.len() >= self.half_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// Credentials that were seen being issued. A forgotten one is unknown again, which nothing ever acts on.
pub(super) struct Births(RwLock<Generations<()>>);

impl Births {
    pub(super) fn new(issued_tokens_max: usize) -> Self {
        Self(RwLock::new(Generations::new(issued_tokens_max)))
    }

    pub(super) fn record(&self, credential: Fingerprint) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(credential, ());
    }

    pub(super) fn contains(&self, credential: &Fingerprint) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(credential)
            .is_some()
    }
}

/// Tokens whose signature was found good, so that a repeat costs one look-up. The key covers the whole token, signature
/// included: a good payload under a bad signature is never found here.
pub(super) struct VerifiedTokens([Mutex<Generations<Arc<Verified>>>; SHARDS]);

impl VerifiedTokens {
    pub(super) fn new(verified_tokens_max: usize) -> Self {
        Self(std::array::from_fn(|_| {
            Mutex::new(Generations::new(verified_tokens_max / SHARDS))
        }))
    }

    /// The verified content of a token that is valid at `now`.
    pub(super) fn get(&self, token: &Fingerprint, now: Now) -> Option<Arc<Verified>> {
        let shard = self.shard(token).lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(token).filter(|verified| verified.is_valid_at(now)).cloned()
    }

    pub(super) fn insert(&self, token: Fingerprint, verified: Arc<Verified>) {
        self.shard(&token)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token, verified);
    }

    fn shard(&self, token: &Fingerprint) -> &Mutex<Generations<Arc<Verified>>> {
        let [first, ..] = *token;
        self.0
            .get(usize::from(first) % SHARDS)
            .expect("the remainder is smaller than the number of shards")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HashKey {
        HashKey::new([7; 32])
    }

    fn print(n: u64) -> Fingerprint {
        fingerprint(&key().hash("test", &[&n.to_le_bytes()]))
    }

    #[test]
    fn memory_is_bounded_and_the_newest_half_is_never_forgotten() {
        let births = Births::new(100);
        for n in 0..10_000 {
            births.record(print(n));
            let newest = n.saturating_sub(49)..=n;
            assert!(newest.rev().step_by(7).all(|m| births.contains(&print(m))));
        }
        assert!((0..10_000).filter(|n| births.contains(&print(*n))).count() <= 100);
    }

    #[test]
    fn only_the_signing_input_of_a_token_counts() {
        let hash = |value: &str| credential_hash(&key(), value.as_bytes());
        assert_eq!(hash("eyJh.eyJz.c2ln"), hash("eyJh.eyJz.b3Ro"));
        assert_ne!(hash("eyJh.eyJz.c2ln"), hash("eyJh.eyJx.c2ln"));
        for (one, other) in [
            ("ab.cd.ef", "ab.cd.eg"),
            ("ey.b.c.d", "ey.b.c.e"),
            ("ey..x", "ey..y"),
            ("ey.!.x", "ey.!.y"),
        ] {
            assert_ne!(hash(one), hash(other), "{one} is no token");
        }
    }
}
