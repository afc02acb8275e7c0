//! The keyed hash that stands for a value, so that the value itself never rests.

use zeroize::Zeroizing;

/// Whose data it is where no route says so.
pub const DEFAULT_TENANT: &str = "default";

/// The 256-bit key of all subject, key and credential hashes of one gateway. Zeroised when dropped.
#[derive(Clone)]
pub struct HashKey(Zeroizing<[u8; 32]>);

impl HashKey {
    /// A key from 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key of one tenant: what is hashed for another can be neither compared with it nor taken for it. That of
    /// [`DEFAULT_TENANT`] is this one.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Self {
        if tenant == DEFAULT_TENANT {
            return self.clone();
        }
        Self::new(self.hash("tidegate tenant 1", &[tenant.as_bytes()]))
    }

    /// The keyed BLAKE3 hash of `parts` under `domain`; each part is length-prefixed, so that no two lists collide.
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        // One short message in one call: an incremental hasher costs more to set up than what is hashed here.
        let mut message = Message::default();
        let is_short = message.put(domain.as_bytes())
            && parts
                .iter()
                .all(|part| message.put(&(part.len() as u64).to_le_bytes()) && message.put(part));
        if is_short {
            return *blake3::keyed_hash(&self.0, message.bytes()).as_bytes();
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(domain.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
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
