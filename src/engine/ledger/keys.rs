//! The keys of one shard in places that do not move, so that several can be worked on under one lock.

use super::KeyId;
use super::entry::Entry;
use super::index::Index;

/// Places made at once: a list that doubles would move every key and be half empty.
const CHUNK: usize = 256;

/// Keys by place.
#[derive(Default)]
pub(super) struct Keys {
    index: Index,
    chunks: Vec<Vec<Option<(KeyId, Entry)>>>,
    /// Places that were ever made.
    made: u32,
    /// Those without a key.
    free: Vec<u32>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of `key`.
    #[inline]
    pub(super) fn find(&self, key: KeyId) -> Option<u32> {
        self.index.find(hash(key), |place| self.key(place) == Some(key))
    }

    pub(super) fn get(&self, key: KeyId) -> Option<&Entry> {
        let (_, entry) = place(&self.chunks, self.find(key)?)?;
        Some(entry)
    }

    pub(super) fn get_mut(&mut self, key: KeyId) -> Option<&mut Entry> {
        let place = self.find(key)?;
        self.at(place)
    }

    /// The entry at a place, if there is one.
    #[inline]
    pub(super) fn at(&mut self, place: u32) -> Option<&mut Entry> {
        let (_, entry) = self.slot(place)?.as_mut()?;
        Some(entry)
    }

    /// The entry of `key`, if it is at `place`.
    #[inline]
    pub(super) fn of(&mut self, key: KeyId, place: u32) -> Option<&mut Entry> {
        let (_, entry) = self.slot(place)?.as_mut().filter(|(known, _)| *known == key)?;
        Some(entry)
    }

    /// The place of `key`, which was at `place` before.
    #[inline]
    pub(super) fn find_at(&mut self, key: KeyId, place: u32) -> Option<u32> {
        match self.of(key, place) {
            Some(_) => Some(place),
            None => self.find(key),
        }
    }

    /// The place of a key that is not here yet.
    #[inline]
    pub(super) fn insert(&mut self, key: KeyId, entry: Entry) -> u32 {
        let place = self.free.pop().unwrap_or(self.made);
        if place == self.made {
            self.made += 1;
            if (place as usize).is_multiple_of(CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.push(Some((key, entry)));
            }
        } else if let Some(slot) = self.slot(place) {
            *slot = Some((key, entry));
        }
        self.index.insert(hash(key), place);
        place
    }

    /// Takes out the key at a place.
    pub(super) fn remove(&mut self, place: u32) {
        let Some((key, _)) = self.slot(place).and_then(Option::take) else {
            return;
        };
        self.index.remove(hash(key), place);
        self.free.push(place);
    }

    /// Takes out the keys that `leaves` names.
    pub(super) fn extract_if(&mut self, mut leaves: impl FnMut(&Entry) -> bool, mut gone: impl FnMut(KeyId, Entry)) {
        for (place, slot) in (0..).zip(self.chunks.iter_mut().flatten()) {
            let Some((key, entry)) = slot.take_if(|(_, entry)| leaves(entry)) else {
                continue;
            };
            self.index.remove(hash(key), place);
            self.free.push(place);
            gone(key, entry);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, &Entry)> {
        let places = self.chunks.iter().flatten().flatten();
        places.map(|(key, entry)| (*key, entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (KeyId, &mut Entry)> {
        let places = self.chunks.iter_mut().flatten().flatten();
        places.map(|(key, entry)| (*key, entry))
    }

    #[inline]
    fn slot(&mut self, place: u32) -> Option<&mut Option<(KeyId, Entry)>> {
        let chunk = self.chunks.get_mut(place as usize / CHUNK)?;
        chunk.get_mut(place as usize % CHUNK)
    }

    pub(super) fn key(&self, place: u32) -> Option<KeyId> {
        self::place(&self.chunks, place).map(|(key, _)| *key)
    }
}

fn place(chunks: &[Vec<Option<(KeyId, Entry)>>], place: u32) -> Option<&(KeyId, Entry)> {
    chunks
        .get(place as usize / CHUNK)?
        .get(place as usize % CHUNK)?
        .as_ref()
}

/// A key is a hash; its first byte chooses the shard, so that these are its last.
fn hash(key: KeyId) -> u32 {
    let last = key.0.last_chunk().copied();
    u32::from_le_bytes(last.unwrap_or_default())
}
