//! What leaves: people enter the ledger, under the keys that granted them and under those that only tell.

use smallvec::SmallVec;

use super::super::entry::Entry;
use super::super::limit::{Elements, Excess, KeyUse};
use super::super::locked::{Locked, Place, ShardSet};
use super::super::reserve::window_of;
use super::super::shards::{Ledger, shard_of};
use super::super::slot::Granting;
use super::super::{Amounts, BudgetId, OverSum};
use super::{ALLOWANCE, Account, OWN, Told, Waiting, tell_once};
use crate::engine::time::Now;

/// Bytes that one exchange hands over before they are summed.
const UNSUMMED_BYTES_MAX: u64 = 64 << 10;

/// People who are shown under all keys that only tell at once, at most.
const TOLD_AT_ONCE_MAX: usize = 4;

/// What came of handing people over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Telling budgets that they exceeded, each told once an exchange.
    pub told: SmallVec<[Told; 2]>,
    /// People whom some key had not been shown.
    pub new_people: u32,
    /// Whether they must be on disk before they leave: where a refusing limit is nearly reached.
    pub durable: bool,
    /// Those of them whom the shared store confirmed, or the rule for when it is down.
    pub claimed: SmallVec<[u64; 8]>,
}

impl Account {
    /// Enters into the ledger the subjects of the first `asks` asks that were ever granted: their bytes leave now.
    pub fn hand_over(&mut self, asks: u64, now: Now) -> Handed {
        self.handed_asks = self.handed_asks.max(asks);
        let mut handed = Handed::default();
        let mut queue = std::mem::take(&mut self.queue);
        let waiting = queue.waiting_mut();
        let count = waiting.partition_point(|waiting| waiting.ask < asks);
        let leaving = waiting.get_mut(..count).unwrap_or_default();
        if !leaving.is_empty() {
            handed.durable = self.show_granted(leaving, now);
            let people = leaving.iter().filter(|one| one.elements == Elements::People);
            handed.claimed = self.claimed(people.map(|one| one.element));
            self.show_told(leaving, &mut handed.told, now);
            let is_new = |one: &&Waiting| one.is_new && one.elements == Elements::People;
            handed.new_people = leaving.iter().filter(is_new).count() as u32;
        }
        queue.leave(count);
        self.queue = queue;
        if let Some(beside) = &mut self.beside {
            beside.hand_over(asks, now);
        }
        handed
    }

    /// The limits on sums that are exceeded before this exchange adds to them; nobody is told of it by this.
    pub fn over(&self, now: Now) -> SmallVec<[OverSum; 1]> {
        self.ledger.add(&self.sums, Amounts::default(), now)
    }

    /// Sums what leaves now, each 64 KiB and when it `is_last`; the limits that are exceeded by it, in their order. Those that
    /// only tell are told once an exchange.
    pub fn sum(&mut self, amounts: Amounts, is_last: bool, now: Now) -> SmallVec<[OverSum; 1]> {
        if self.sums.is_empty() {
            return SmallVec::new();
        }
        let handed = if is_last { self.asks_granted } else { self.handed_asks };
        let records = handed.saturating_sub(self.summed_asks);
        (self.summed_asks, self.summed_at) = (self.summed_asks + records, now);
        self.unsummed.add(Amounts { records, ..amounts });
        if !is_last && self.unsummed.bytes < UNSUMMED_BYTES_MAX {
            return SmallVec::new();
        }
        let mut over = self.ledger.add(&self.sums, std::mem::take(&mut self.unsummed), now);
        over.retain(|over| over.refuses || !self.told.contains(&over.budget));
        self.told
            .extend(over.iter().filter(|over| !over.refuses).map(|over| over.budget));
        over
    }

    /// Shows what was granted under the keys that can refuse; whether there is a store, and someone counts where a limit is
    /// nearly reached.
    fn show_granted(&mut self, leaving: &mut [Waiting], now: Now) -> bool {
        let ledger = &*self.ledger;
        let keep = ledger.settings().exact_elements_max;
        let mut is_near = false;
        let keys = self.keys.iter().take(self.refusing).enumerate().zip(&self.places);
        let allowance = self
            .allowance
            .iter()
            .map(|used| (ALLOWANCE, used))
            .zip(self.places.last());
        for ((number, used), place) in keys.chain(allowance) {
            let counts = |one: &Waiting| one.counts(number, used.elements);
            if !leaving.iter().any(counts) {
                continue;
            }
            // Each for itself: until it is shown there what is granted counts.
            let mut shard = ledger.lock_shard(shard_of(used.key));
            let Some(at) = shard.keys.find_at(used.key, place.at) else {
                continue;
            };
            let at = (at, now.second(), ledger.carriers);
            let near = shard.showing(at, |entry| {
                show(entry, (leaving, Granting::Before), counts, now, keep);
                // Who was shown before may not be on disk yet either.
                ledger.is_stored() && is_nearly_reached(entry, used, now)
            });
            is_near |= near.unwrap_or_default();
        }
        for own in &mut self.own {
            let (used, entry) = &mut **own;
            let counts = |one: &Waiting| one.counts(OWN, used.elements);
            show(entry, (leaving, Granting::Before), counts, now, keep);
        }
        is_near
    }

    /// Shows what was granted under the keys that only tell.
    fn show_told(&mut self, leaving: &mut [Waiting], news: &mut SmallVec<[Told; 2]>, now: Now) {
        // Many people are shown under one key after the other, so that nobody waits long for one that all share.
        let at_once = if leaving.len() > TOLD_AT_ONCE_MAX {
            1
        } else {
            usize::MAX
        };
        let ledger = &*self.ledger;
        let told = self.refusing..self.counted;
        let keys = self.keys.get(told.clone()).unwrap_or_default();
        let places = self.places.get_mut(told).unwrap_or_default();
        for (keys, places) in keys.chunks(at_once).zip(places.chunks_mut(at_once)) {
            let shards = ShardSet::of(keys.iter());
            let mut locked = ledger.lock(&shards);
            for (used, place) in keys.iter().zip(&mut *places) {
                place.lock = Place::of(used.key, &shards).lock;
            }
            locked.prefetch(keys.iter().zip(&*places));
            for (used, place) in keys.iter().zip(places) {
                locked.enter(ledger, used, place, now);
                match tell(ledger, &mut locked, (used, *place), leaving, now) {
                    Some(told) => tell_more(&mut self.told, told, news),
                    None => self.is_uncounted = true,
                }
            }
        }
    }
}

/// Shows those of `leaving` that count under a key that only tells; the limits that they exceed, or `None` if the key is nowhere.
#[inline]
fn tell(
    ledger: &Ledger,
    locked: &mut Locked<'_>,
    (used, place): (&KeyUse, Place),
    leaving: &mut [Waiting],
    now: Now,
) -> Option<SmallVec<[Told; 1]>> {
    let keep = ledger.settings().exact_elements_max;
    let at = (place.at, now.second(), ledger.carriers);
    locked.shard(place)?.showing(at, |entry| {
        let is_near = is_near(entry, used, leaving.len() as u32, now);
        let before = if is_near {
            people(entry, used, now)
        } else {
            SmallVec::new()
        };
        let counts = |one: &Waiting| one.elements == used.elements && !one.is_under(ALLOWANCE);
        show(entry, (leaving, Granting::None), counts, now, keep);
        if is_near {
            exceeded(entry, used, &before, now)
        } else {
            SmallVec::new()
        }
    })
}

/// Adds to `news` those of `told` that this exchange has not been told of: nearly always none.
#[inline]
fn tell_more(known: &mut SmallVec<[BudgetId; 2]>, told: SmallVec<[Told; 1]>, news: &mut SmallVec<[Told; 2]>) {
    if !told.is_empty() {
        news.extend(tell_once(known, told.into_iter()));
    }
}

/// Whether so many more people may exceed some limit: nearly never.
#[inline]
fn is_near(entry: &mut Entry, used: &KeyUse, more: u32, now: Now) -> bool {
    let mut told = used.limits.iter().filter(|limit| limit.excess == Excess::Told);
    told.any(|limit| {
        let people = entry.people(limit.window, now);
        people.saturating_add(more) > entry.allowed(limit, now)
    })
}

/// How many people count under each limit.
#[cold]
fn people(entry: &mut Entry, used: &KeyUse, now: Now) -> SmallVec<[u32; 2]> {
    let limits = used.limits.iter();
    limits.map(|limit| entry.people(limit.window, now)).collect()
}

/// Limits that are exceeded now, and by more people than `before`.
#[cold]
fn exceeded(entry: &mut Entry, used: &KeyUse, before: &[u32], now: Now) -> SmallVec<[Told; 1]> {
    let mut told = SmallVec::new();
    for (limit, before) in used.limits.iter().zip(before) {
        let people = entry.people(limit.window, now);
        if people > *before && people > entry.allowed(limit, now) {
            told.push((limit.budget, used.key, people));
        }
    }
    told
}

/// Shows those of `leaving` that count under the key of `entry`, and notes whom it had not been shown.
#[inline]
fn show(
    entry: &mut Entry,
    (leaving, granting): (&mut [Waiting], Granting),
    counts: impl Fn(&Waiting) -> bool,
    now: Now,
    keep: usize,
) {
    let shown = leaving.iter_mut().filter(|one| counts(one));
    let shown = shown.map(|one| (one.element, &mut one.is_new));
    entry.seen.show(shown, now.second(), granting);
    entry.forget(now, keep);
}

/// Whether four fifths of a refusing limit are reached.
fn is_nearly_reached(entry: &mut Entry, used: &KeyUse, now: Now) -> bool {
    used.limits.iter().any(|limit| {
        let people = u64::from(entry.people(window_of(used, limit), now));
        limit.excess != Excess::Told && people * 5 >= u64::from(entry.allowed(limit, now)) * 4
    })
}
