//! The shared table of keys: sharded, bounded, and never forgetting what an enforcing budget or a hold still needs.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::Account;
use super::carry::Carried;
use super::entry::Entry;
use super::holds::Holds;
use super::index::INDEXED_BYTES;
use super::keys::Keys;
use super::limit::KeyUse;
use super::locked::NOWHERE;
use super::room::Room;
use super::spill::Spilled;
use super::young::Young;
use super::{Dimension, KeyId, KeyView};
use crate::engine::problem::{Bounded, bounded};
use crate::engine::secret::{HashKey, PeopleMark};
use crate::engine::time::Now;

/// A power of two; two exchanges meet on a lock only when they share a shard.
pub(super) const SHARDS: usize = 256;

/// Bounds of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Bytes of all keys in memory. Default 1 GiB: 1,000,000 keys of ten people take 0.3. Against: a client that mints
    /// sessions until memory ends.
    pub bytes_max: usize,
    /// Distinct subjects kept under one key. Default 100,000; no refusing limit may be larger.
    pub exact_elements_max: usize,
    /// Sessions that the client may have made up, of one or two people, that are kept at rest in 24 bytes each. Default
    /// 1,000,000. The breach minted 44 million.
    pub young_sessions_max: usize,
    /// Keys of one dimension held at once. Default 100,000. Past it a hold falls on the next coarser key: the client's
    /// address, then its network.
    pub holds_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bytes_max: 1 << 30,
            exact_elements_max: 100_000,
            young_sessions_max: 1_000_000,
            holds_max: 100_000,
        }
    }
}

impl Settings {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            bytes_max: 1 << 20..=1 << 40,
            exact_elements_max: 1_024..=10_000_000,
            young_sessions_max: 0..=1_000_000_000,
            holds_max: 1..=10_000_000,
        })
    }
}

/// Some of the keys.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) keys: Keys,
    /// What carriers are to be told.
    pub(super) carried: Carried,
    /// That of the keys, of those at rest, and of the names of those on disk.
    pub(super) room: Room,
    young: Young,
    /// Keys that are on disk alone.
    pub(super) spilled: Spilled,
    /// The second in which a look at all keys made no room.
    pub(super) crowded: u32,
}

/// Bytes that a key takes of which nothing is known: its place, and its number in a table that is half full.
pub(super) const KEY_BYTES: usize = size_of::<Option<(KeyId, Entry)>>() + INDEXED_BYTES;

impl Shard {
    /// The place of a key, which is made where it is not here yet.
    #[inline]
    pub(super) fn insert(&mut self, key: KeyId, dimension: Dimension) -> u32 {
        let (place, is_made) = self.keys.find_or_insert(key, dimension);
        self.room.resize(0, if is_made { KEY_BYTES } else { 0 });
        place
    }

    /// The place of `key`, which wakes if it rests.
    #[inline]
    pub(super) fn find(&mut self, key: KeyId, dimension: Dimension) -> Option<u32> {
        let place = self.keys.find(key);
        if place.is_some() {
            return place;
        }
        self.wake(key, dimension)
    }

    /// The place of `key`, if it rested until now.
    fn wake(&mut self, key: KeyId, dimension: Dimension) -> Option<u32> {
        let people = self.young.wake(key)?;
        let window_max = self.young.window_max();
        let place = self.insert(key, dimension);
        if let Some(entry) = self.keys.at(place) {
            entry.seen.merge(&people, &[]);
            // Only such keys rest; until limits are noted again it must not go.
            (entry.enforced, entry.may_be_made_up, entry.window_max) = (true, true, window_max);
        }
        self.weigh(place);
        Some(place)
    }

    /// The place of `key`, which is made where there is none.
    pub(super) fn find_or_insert(&mut self, key: KeyId, dimension: Dimension) -> u32 {
        let place = self.find(key, dimension);
        place.unwrap_or_else(|| self.insert(key, dimension))
    }

    /// Puts the key at `place` to rest if it may, and if fewer than `max` do.
    pub(super) fn rest(&mut self, place: u32, max: usize) {
        let Some((key, entry)) = self.keys.key(place).zip(self.keys.at(place)) else {
            return;
        };
        let people = if entry.may_rest() { entry.seen.since(0) } else { return };
        let (window, newest, weight) = (entry.window_max, entry.newest(), entry.weight as usize);
        let before = self.young.bytes();
        if self.young.rest(key, &people, window, max, newest) {
            self.keys.remove(place);
            self.room.resize(before + KEY_BYTES, self.young.bytes());
            self.room.weigh(weight, 0);
        }
    }

    /// Takes out those of the keys that may go that were seen longest ago, half of them.
    pub(super) fn take_older_half(&mut self, may_go: impl Fn(&Entry) -> bool, mut gone: impl FnMut(KeyId, &Entry)) {
        let leaving = self.keys.iter().filter(|(_, entry)| may_go(entry));
        let mut ages: Vec<u32> = leaving.map(|(_, entry)| entry.newest()).collect();
        let middle = ages.len() / 2;
        if middle == ages.len() {
            return;
        }
        let (_, &mut median, _) = ages.select_nth_unstable(middle);
        let room = &mut self.room;
        let leaves = |entry: &Entry| may_go(entry) && entry.newest() <= median;
        self.keys.extract_if(leaves, |key, entry| {
            room.resize(KEY_BYTES, 0);
            room.weigh(entry.weight as usize, 0);
            gone(key, &entry);
        });
    }

    /// Finds the key of an exchange, or makes it if there is room: its place is then `place`, at which it was found before.
    #[inline]
    pub(super) fn enter(&mut self, ledger: &Ledger, used: &KeyUse, place: &mut u32, now: Now) {
        // What could not be read back is as good as without room.
        if self.spilled.contains(used.key) {
            *place = NOWHERE;
            return;
        }
        if *place == NOWHERE || self.keys.of(used.key, *place).is_none() {
            // Where there is room for it anyway, one look both finds it and makes it.
            *place = if self.young.is_empty() && ledger.has_room(self, used.fallback.is_some()) {
                self.insert(used.key, used.dimension)
            } else {
                self.find_or_press(ledger, used, now)
            };
        }
        if let Some(entry) = self.keys.at(*place) {
            entry.note_limits(&used.limits);
            entry.may_be_made_up = used.fallback.is_some();
        }
    }

    /// The place of the key of an exchange; [`NOWHERE`] if there is no room to make it.
    #[cold]
    fn find_or_press(&mut self, ledger: &Ledger, used: &KeyUse, now: Now) -> u32 {
        match self.find(used.key, used.dimension) {
            Some(place) => place,
            None if ledger.make_room(self, used.fallback.is_some(), now) => self.insert(used.key, used.dimension),
            None => NOWHERE,
        }
    }

    /// What is known of the key at `place` takes another room.
    pub(super) fn weigh(&mut self, place: u32) {
        if let Some(entry) = self.keys.at(place) {
            weigh(&mut self.room, entry);
        }
    }

    /// Shows something to the key at `place`: its room is weighed, and `carriers` are to be told.
    #[inline]
    pub(super) fn showing<R>(
        &mut self,
        (place, second, carriers): (u32, u32, u8),
        show: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let entry = self.keys.at(place)?;
        let shown = show(entry);
        weigh(&mut self.room, entry);
        self.carried.note(entry, carriers, place, second);
        Some(shown)
    }
}

/// What is known of a key takes another room.
#[inline]
pub(super) fn weigh(room: &mut Room, entry: &mut Entry) {
    let bytes = entry.bytes();
    let before = std::mem::replace(&mut entry.weight, bytes as u32) as usize;
    if bytes != before {
        room.weigh(before, bytes);
    }
}

/// All keys of one gateway.
pub struct Ledger {
    shards: Box<[Mutex<Shard>]>,
    /// Bytes that large keys take of all shards.
    pub(super) large: Arc<AtomicUsize>,
    settings: Settings,
    pub(super) holds: Holds,
    /// Entries with a revocation. One that ended counts until it is swept.
    pub(super) revocations: AtomicUsize,
    /// This start of this gateway, among those that count bytes: even.
    pub(super) node: u64,
    /// A bit for each carrier that is to be told of changes.
    pub(super) carriers: u8,
    pub(super) evicted: AtomicU64,
    /// Keys that are on disk alone.
    pub(super) spilled: AtomicUsize,
    /// Whether what is about to be shown counts.
    reserves: bool,
    /// What tells keys that are kept up beside others from those, while people are hashed with two keys.
    apart: Option<PeopleMark>,
    /// Since which unix second those are kept up at the last gateway that began.
    beside_since: AtomicU32,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(settings: Settings) -> Self {
        let large = Arc::default();
        let shard = |_| {
            Mutex::new(Shard {
                room: Room::new(&large),
                ..Shard::default()
            })
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            large,
            settings,
            holds: Holds::default(),
            revocations: AtomicUsize::new(0),
            node: 0,
            carriers: 0,
            evicted: AtomicU64::new(0),
            spilled: AtomicUsize::new(0),
            reserves: true,
            apart: None,
            beside_since: AtomicU32::new(0),
        }
    }

    /// A mutant for tests, which must notice it: it counts what left and forgets what is about to. No gateway uses it.
    #[doc(hidden)]
    pub fn without_reservations(settings: Settings) -> Self {
        Self {
            reserves: false,
            ..Self::new(settings)
        }
    }

    /// Keeps up beside each key one whose people are hashed with the other key of `secret`, if it has two; before it is shared.
    pub fn keep_beside(&mut self, secret: &HashKey) {
        let beside = secret.beside_mark();
        self.apart = beside.map(|beside| secret.people_mark().apart(beside));
    }

    /// Some gateway keeps up keys beside others since the unix second `second` only: the latest counts.
    pub fn began_beside(&self, second: u32) {
        self.beside_since.fetch_max(second, Ordering::Relaxed);
    }

    /// Since which unix second all gateways that told of it do; 0 where none did.
    pub fn beside_since(&self) -> u32 {
        self.beside_since.load(Ordering::Relaxed)
    }

    /// What tells keys that are kept up beside others from those.
    pub(super) fn apart(&self) -> Option<PeopleMark> {
        self.apart
    }

    /// Whether what is granted counts before it leaves.
    pub(super) fn reserves(&self) -> bool {
        self.reserves
    }

    /// Opens an account for one exchange under `keys`; people within `allowance` count under it alone. A key that the
    /// client may have made up and that finds no room is that of the address for this exchange, its holds included.
    pub fn open(self: &Arc<Self>, keys: Vec<KeyUse>, allowance: Option<KeyUse>, now: Now) -> Account {
        let beside = self.apart.map(|apart| {
            let keys = keys.iter().filter_map(|used| used.beside(apart)).collect();
            let allowance = allowance.as_ref().and_then(|used| used.beside(apart));
            Box::new(self.open_under(keys, allowance, now))
        });
        let mut account = self.open_under(keys, allowance, now);
        account.beside = beside;
        account
    }

    fn open_under(self: &Arc<Self>, mut keys: Vec<KeyUse>, allowance: Option<KeyUse>, now: Now) -> Account {
        for used in &mut keys {
            self.fall_back(used, now);
        }
        self.keep_at_hand(&keys, now);
        Account::new(Arc::clone(self), keys, allowance)
    }

    /// How many keys of telling budgets were dropped to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How many keys are in memory.
    pub fn len(&self) -> usize {
        let len = |shard: &Shard| shard.keys.len() + shard.young.len();
        (0..SHARDS).map(|at| len(&self.lock_shard(at))).sum()
    }

    /// Bytes that the keys in memory take.
    pub fn bytes(&self) -> usize {
        let own: usize = (0..SHARDS).map(|at| self.lock_shard(at).room.own()).sum();
        own + self.large.load(Ordering::Relaxed)
    }

    /// Whether no key is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One key, with the people in each of the `windows` (seconds) that are asked of its dimension.
    pub fn key<'w>(&self, key: KeyId, windows: &dyn Fn(Dimension) -> &'w [u32], now: Now) -> Option<KeyView> {
        let mut shard = self.lock_shard(shard_of(key));
        let place = shard.find(key, Dimension::Session)?;
        let entry = shard.keys.at(place).filter(|entry| entry.counts_people())?;
        Some(view(key, entry, windows, now))
    }

    /// Up to `limit` keys of `dimension` (or all), those with most people first.
    pub fn keys<'w>(
        &self,
        dimension: Option<Dimension>,
        limit: usize,
        windows: &dyn Fn(Dimension) -> &'w [u32],
        now: Now,
    ) -> Vec<KeyView> {
        let mut views = Vec::new();
        for at in 0..SHARDS {
            let mut shard = self.lock_shard(at);
            let matching = shard
                .keys
                .iter_mut()
                .filter(|(_, entry)| dimension.is_none_or(|wanted| entry.dimension == wanted))
                .filter(|(_, entry)| entry.counts_people());
            views.extend(matching.map(|(key, entry)| view(key, entry, windows, now)));
            // Keeps the list bounded while it grows.
            if views.len() > limit.saturating_mul(4) {
                most_people_first(&mut views, limit);
            }
        }
        most_people_first(&mut views, limit);
        views
    }

    /// So many more keys are on disk alone.
    pub(super) fn note_spilled(&self, more: usize) {
        self.spilled.fetch_add(more, Ordering::AcqRel);
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives `used` the key of its address if it may be made up and finds no room.
    fn fall_back(&self, used: &mut KeyUse, now: Now) {
        let Some(fallback) = used.fallback else { return };
        let mut shard = self.lock_shard(shard_of(used.key));
        let has_room = |shard: &mut Shard| {
            self.has_room(shard, true)
                || shard.find(used.key, used.dimension).is_some()
                || self.make_room(shard, true, now)
        };
        if shard.spilled.contains(used.key) || !has_room(&mut shard) {
            (used.key, used.fallback) = (fallback, None);
        }
    }

    /// A shard of a ledger that nobody else has.
    pub(super) fn own_shard(&mut self, at: usize) -> &mut Shard {
        let shard = self.shards.get_mut(at);
        let shard = shard.expect("a shard number is masked to the number of shards");
        shard.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard, unless somebody works on it.
    pub(super) fn try_lock_shard(&self, at: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(at)?.try_lock().ok()
    }

    #[inline]
    pub(super) fn lock_shard(&self, at: usize) -> MutexGuard<'_, Shard> {
        let shard = self
            .shards
            .get(at)
            .expect("a shard number is masked to the number of shards");
        // Every critical section leaves the shard consistent at each step; a panic elsewhere must not stop counting.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn shard_of(key: KeyId) -> usize {
    let [first, ..] = key.0;
    usize::from(first) % SHARDS
}

fn view<'w>(key: KeyId, entry: &mut Entry, windows: &dyn Fn(Dimension) -> &'w [u32], now: Now) -> KeyView {
    let windows = windows(entry.dimension).iter();
    KeyView {
        key,
        dimension: entry.dimension,
        people: windows.map(|window| (*window, entry.people(*window, now))).collect(),
        pending: entry.seen.pinned(),
        last_seen: entry.newest(),
        held_until: entry.held(now).map_or(0, |hold| hold.until),
    }
}

fn most_people_first(views: &mut Vec<KeyView>, limit: usize) {
    let people = |view: &KeyView| view.people.iter().map(|(_, people)| *people).max().unwrap_or(0);
    views.sort_by_key(|view| std::cmp::Reverse(people(view)));
    views.truncate(limit);
}
