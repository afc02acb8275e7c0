//! The hashes that stand for credentials, and the tokens that were verified already: bounded.

use std::sync::{Arc, Mutex, PoisonError};

use super::token::Verified;
use crate::engine::births::CredentialId;
use crate::engine::generations::Generations;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

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

/// Whether this is in the form of a JWT.
pub(super) fn has_token_form(value: &[u8]) -> bool {
    signing_input(value).is_some()
}

/// The first 16 bytes of a hash.
pub(super) fn fingerprint(hash: &[u8; 32]) -> CredentialId {
    CredentialId(*hash.first_chunk().expect("a hash has 32 bytes"))
}

/// `header.payload` of `header.payload.signature`.
fn signing_input(value: &[u8]) -> Option<&[u8]> {
    let [header, payload] = parts(value).filter(|_| value.starts_with(b"ey"))?;
    value.get(..header + 1 + payload)
}

/// The lengths of the first two of three parts in base64url.
fn parts(value: &[u8]) -> Option<[usize; 2]> {
    let mut parts = value.split(|byte| *byte == b'.').map(<[u8]>::len);
    let lengths = [parts.next()?, parts.next()?, parts.next()?];
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
    let [header, payload, _] = lengths;
    let is_token = parts.next().is_none() && !lengths.contains(&0) && value.iter().all(base64url);
    is_token.then_some([header, payload])
}

/// Tokens whose signature was found good, so that a repeat costs one look-up. The key covers the whole token, signature
/// included: a good payload under a bad signature is never found here.
pub(super) struct VerifiedTokens([Mutex<Generations<CredentialId, Arc<Verified>>>; SHARDS]);

impl VerifiedTokens {
    pub(super) fn new(verified_tokens_max: usize) -> Self {
        Self(std::array::from_fn(|_| {
            Mutex::new(Generations::new(verified_tokens_max / SHARDS))
        }))
    }

    /// The verified content of a token that is valid at `now`.
    pub(super) fn get(&self, token: &CredentialId, now: Now) -> Option<Arc<Verified>> {
        let shard = self.shard(token).lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(token).filter(|verified| verified.is_valid_at(now)).cloned()
    }

    pub(super) fn insert(&self, token: CredentialId, verified: Arc<Verified>) {
        self.shard(&token)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token, verified);
    }

    fn shard(&self, token: &CredentialId) -> &Mutex<Generations<CredentialId, Arc<Verified>>> {
        let [first, ..] = token.0;
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
