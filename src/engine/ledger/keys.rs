//! The keys of one shard in places that do not move, so that several can be worked on under one lock.

use super::entry::Entry;
use super::index::{Index, Things};
use super::{Dimension, KeyId};

/// Places made at once: a list that doubles would move every key and be half empty.
const CHUNK: usize = 256;

/// Keys by place.
#[derive(Default)]
pub(super) struct Keys {
    index: Index,
    chunks: Chunks,
    /// Places that were ever made.
    made: u32,
    /// Those without a key.
    free: Vec<u32>,
}

/// All places of a chunk are there from the start, so that memory is waited for where it costs least.
#[derive(Default)]
struct Chunks(Vec<Box<[Known]>>);

/// A place, and what is known of the key in it.
type Known = Option<(KeyId, Entry)>;

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of `key`.
    #[inline]
    pub(super) fn find(&self, key: KeyId) -> Option<u32> {
        let is = |place| self.key(place) == Some(key);
        self.index.find(hash(key), &self.chunks, is)
    }

    /// As [`Index::first`], and the same of the place that a new key is given.
    #[inline]
    pub(super) fn first(&self, key: KeyId) -> u32 {
        let is_taken = self.chunks.at(self.next()).is_some();
        self.index.first(hash(key)) ^ u32::from(is_taken)
    }

    pub(super) fn get(&self, key: KeyId) -> Option<&Entry> {
        let (_, entry) = self.chunks.at(self.find(key)?)?;
        Some(entry)
    }

    /// The second of the last sighting of `key`, if it is there.
    pub(super) fn newest(&self, key: KeyId) -> Option<u32> {
        self.get(key).map(Entry::newest)
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

    /// The place of `key`, and whether it was made just now.
    #[inline]
    pub(super) fn find_or_insert(&mut self, key: KeyId, dimension: Dimension) -> (u32, bool) {
        let (chunks, next) = (&self.chunks, self.next());
        let is = |known| chunks.at(known).is_some_and(|(known, _)| *known == key);
        if let Some(known) = self.index.find_or_insert(hash(key), next, chunks, is) {
            return (known, false);
        }
        if next == self.made {
            self.made += 1;
            if next as usize / CHUNK == self.chunks.0.len() {
                self.chunks.0.push((0..CHUNK).map(|_| None).collect());
            }
        } else {
            self.free.pop();
        }
        if let Some(slot) = self.slot(next) {
            *slot = Some((key, Entry::new(dimension)));
        }
        (next, true)
    }

    /// The place of the next key that is made.
    fn next(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.made)
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
        for place in 0..self.made {
            let slot = self.slot(place);
            let Some((key, entry)) = slot.and_then(|slot| slot.take_if(|(_, entry)| leaves(entry))) else {
                continue;
            };
            self.index.remove(hash(key), place);
            self.free.push(place);
            gone(key, entry);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, &Entry)> {
        let places = self.chunks.0.iter().flat_map(|chunk| &**chunk).flatten();
        places.map(|(key, entry)| (*key, entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (KeyId, &mut Entry)> {
        let places = self.chunks.0.iter_mut().flat_map(|chunk| &mut **chunk).flatten();
        places.map(|(key, entry)| (*key, entry))
    }

    #[inline]
    fn slot(&mut self, place: u32) -> Option<&mut Known> {
        let chunk = self.chunks.0.get_mut(place as usize / CHUNK)?;
        chunk.get_mut(place as usize % CHUNK)
    }

    pub(super) fn key(&self, place: u32) -> Option<KeyId> {
        self.chunks.at(place).map(|(key, _)| *key)
    }
}

impl Chunks {
    #[inline]
    fn at(&self, place: u32) -> Option<&(KeyId, Entry)> {
        let chunk = self.0.get(place as usize / CHUNK)?;
        chunk.get(place as usize % CHUNK)?.as_ref()
    }
}

impl Things for Chunks {
    fn first(&self) -> u32 {
        0
    }

    fn each(&self) -> impl Iterator<Item = (u32, u32)> {
        let places = self.0.iter().flat_map(|chunk| &**chunk).zip(0..);
        places.filter_map(|(known, place)| Some((place, hash(known.as_ref()?.0))))
    }
}

/// A key is a hash; its first byte chooses the shard, so that these are its last.
fn hash(key: KeyId) -> u32 {
    let last = key.0.last_chunk().copied();
    u32::from_le_bytes(last.unwrap_or_default())
}
