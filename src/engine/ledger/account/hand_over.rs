//! What leaves: people enter the ledger, under the keys that granted them and under those that only tell.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::super::entry::Entry;
use super::super::limit::{Elements, Excess, KeyUse, Limit};
use super::super::reserve::window_of;
use super::super::shards::shard_of;
use super::super::slot::Granting;
use super::super::{Amounts, OverSum};
use super::{ALLOWANCE, Account, OWN, Told, Waiting, tell_once};
use crate::engine::time::Now;

/// Bytes that one exchange hands over before they are summed.
const UNSUMMED_BYTES_MAX: u64 = 64 << 10;

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
        let count = self.waiting.partition_point(|waiting| waiting.ask < asks);
        let leaving: SmallVec<[Waiting; 8]> = self.waiting.drain(..count).collect();
        self.handed_asks = self.handed_asks.max(asks);
        let mut handed = Handed::default();
        if leaving.is_empty() {
            return handed;
        }
        let mut is_new: SmallVec<[bool; 8]> = smallvec![false; leaving.len()];
        handed.durable = self.show_granted(&leaving, &mut is_new, now);
        let people = || leaving.iter().filter(|waiting| waiting.elements == Elements::People);
        handed.claimed = self.claimed(people().map(|waiting| waiting.element));
        for number in self.refusing..self.counted {
            let told = self.show_told(number, &leaving, &mut is_new, now);
            handed.told.extend(tell_once(&mut self.told, told.into_iter()));
        }
        let new = leaving.iter().zip(&is_new).filter(|(_, is_new)| **is_new);
        handed.new_people = new.filter(|(one, _)| one.elements == Elements::People).count() as u32;
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
    fn show_granted(&mut self, leaving: &[Waiting], is_new: &mut [bool], now: Now) -> bool {
        let ledger = Arc::clone(&self.ledger);
        let keep = ledger.settings().exact_elements_max;
        let mut locked = ledger.lock(&self.shards);
        let mut is_near = false;
        let keys = self.keys.iter().take(self.refusing).enumerate();
        for (number, used) in keys.chain(self.allowance.iter().map(|used| (ALLOWANCE, used))) {
            let Some(place) = locked.place(used.key) else { continue };
            let Some(entry) = locked.at(place) else { continue };
            let counted = leaving.iter().map(|one| (*one, one.counts(number, used.elements)));
            show(entry, (counted, Granting::Before), is_new, now, keep);
            // Who was shown before may not be on disk yet either.
            let counts = leaving.iter().any(|one| one.counts(number, used.elements));
            let mut limits = used.limits.iter();
            is_near |= counts && limits.any(|limit| is_nearly_reached(entry, used, limit, now));
            locked.changed(&ledger, place, now);
        }
        for own in &mut self.own {
            let (used, entry) = &mut **own;
            let counted = leaving.iter().map(|one| (*one, one.counts(OWN, used.elements)));
            show(entry, (counted, Granting::Before), is_new, now, keep);
        }
        is_near && ledger.is_stored()
    }

    /// Shows what was granted under a key that only tells, locked for itself: nobody waits for it.
    fn show_told(&mut self, number: usize, leaving: &[Waiting], is_new: &mut [bool], now: Now) -> SmallVec<[Told; 2]> {
        let mut told = SmallVec::new();
        let Some(used) = self.keys.get(number) else { return told };
        let keep = self.ledger.settings().exact_elements_max;
        let mut locked = self.ledger.lock(&smallvec![shard_of(used.key)]);
        let place = locked.enter(&self.ledger, used, now);
        let Some((place, entry)) = place.and_then(|place| Some((place, locked.at(place)?))) else {
            self.is_uncounted = true;
            return told;
        };
        let before: SmallVec<[u32; 2]> = used
            .limits
            .iter()
            .map(|limit| entry.people(limit.window, now))
            .collect();
        let counts = |one: &Waiting| one.elements == used.elements && !one.is_under(ALLOWANCE);
        let counted = leaving.iter().map(|one| (*one, counts(one)));
        show(entry, (counted, Granting::None), is_new, now, keep);
        for (limit, before) in used.limits.iter().zip(before) {
            let people = entry.people(limit.window, now);
            if people > before && people > entry.allowed(limit, now) {
                told.push((limit.budget, used.key, people));
            }
        }
        locked.changed(&self.ledger, place, now);
        told
    }
}

/// Shows those of `leaving` that count under the key of `entry`, and notes whom it had not been shown.
fn show(
    entry: &mut Entry,
    (leaving, granting): (impl Iterator<Item = (Waiting, bool)>, Granting),
    is_new: &mut [bool],
    now: Now,
    keep: usize,
) {
    for ((waiting, _), is_new) in leaving.zip(is_new).filter(|((_, counts), _)| *counts) {
        *is_new |= entry.seen.show(waiting.element, now.second(), granting);
    }
    entry.forget(now, keep);
}

/// Whether four fifths of a refusing limit are reached.
fn is_nearly_reached(entry: &mut Entry, used: &KeyUse, limit: &Limit, now: Now) -> bool {
    let people = u64::from(entry.people(window_of(used, limit), now));
    limit.excess != Excess::Told && people * 5 >= u64::from(entry.allowed(limit, now)) * 4
}
