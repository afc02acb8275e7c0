//! The account of one exchange: reserve before release, hand over what left, forget the rest.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::entry::{Entry, Ruling};
use super::limit::{Excess, KeyUse, Limit};
use super::shards::{Ledger, Locked, ShardList};
use super::{BudgetId, Dimension, KeyId};
use crate::engine::secret::Subject;
use crate::engine::time::Now;

/// Why a subject was not granted, or that all were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Everything asked was granted.
    Done,
    /// The next ask would exceed this budget on this key, which `people` already count under.
    Denied {
        /// The budget.
        budget: BudgetId,
        /// The key.
        key: KeyId,
        /// Its dimension.
        dimension: Dimension,
        /// How many people count under it now, pending ones included.
        people: u32,
    },
    /// The next ask may be granted at this unix millisecond; nothing of it is reserved.
    Wait {
        /// The pacing budget.
        budget: BudgetId,
        /// Unix milliseconds.
        until: u64,
    },
    /// The ledger has no room for a key of the next ask, and the account does not go on without.
    Full,
}

/// A budget that only tells, exceeded: the budget, the key, and how many people count under it.
pub type Told = (BudgetId, KeyId, u32);

/// The number of the exchange's own key among those that a person counts under; those that others share are the first.
const OWN: u16 = 14;
/// The number of the allowance.
const ALLOWANCE: u16 = 15;

/// The answer to one reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many asks were granted, from the first.
    pub granted: usize,
    /// What holds for the one after them.
    pub next: Next,
    /// Telling budgets that these grants exceeded, each told once an exchange.
    pub told: SmallVec<[Told; 2]>,
    /// Subjects that were new under some key.
    pub new_subjects: u32,
}

/// What one exchange has reserved and handed over under its keys.
pub struct Account {
    ledger: Arc<Ledger>,
    /// Keys that other exchanges share; those without a limit are the last, and only a hold may stand on them.
    keys: Vec<KeyUse>,
    /// How many of them have a limit.
    counted: usize,
    /// The exchange's own key.
    own: Option<(KeyUse, Entry)>,
    /// People within it are counted under it alone.
    allowance: Option<KeyUse>,
    shards: ShardList,
    /// Everything this exchange was granted: a repeat costs one look-up and no lock.
    granted: HashSet<u64>,
    /// Granted and not yet handed over, in order.
    waiting: VecDeque<Waiting>,
    asks_granted: u64,
    told: SmallVec<[BudgetId; 2]>,
    /// A key that finds no room goes uncounted; else what would count under it is refused.
    is_open_when_full: bool,
    /// Whether some key found no room for someone who was granted.
    is_uncounted: bool,
}

/// A subject that was granted and has not left.
#[derive(Clone, Copy)]
struct Waiting {
    /// The number of its ask within the exchange.
    ask: u64,
    subject: u64,
    /// A bit for each key that it counts under.
    under: u16,
}

impl Waiting {
    fn is_under(self, number: u16) -> bool {
        self.under & (1 << number) != 0
    }
}

impl Account {
    pub(super) fn new(ledger: Arc<Ledger>, mut keys: Vec<KeyUse>, allowance: Option<KeyUse>) -> Self {
        let own = keys
            .iter()
            .position(|used| used.dimension == Dimension::Exchange)
            .map(|at| {
                let used = keys.remove(at);
                let mut entry = Entry::new(Dimension::Exchange);
                entry.note_limits(&used.limits);
                (used, entry)
            });
        keys.sort_by_key(|used| used.limits.is_empty());
        let counted = keys.partition_point(|used| !used.limits.is_empty());
        let shards = Ledger::shards_of(keys.iter().take(counted).chain(&allowance));
        let (granted, waiting, told) = (HashSet::new(), VecDeque::new(), SmallVec::new());
        Self {
            ledger,
            keys,
            counted,
            own,
            allowance,
            shards,
            granted,
            waiting,
            asks_granted: 0,
            told,
            is_open_when_full: false,
            is_uncounted: false,
        }
    }

    /// A key that finds no room in the ledger goes uncounted from now on, and all others are ruled as ever. Without this
    /// the answer is then [`Next::Full`].
    pub fn open_when_full(&mut self) {
        self.is_open_when_full = true;
    }

    /// Whether someone was granted who is not counted under some key, because it found no room.
    pub fn is_uncounted(&self) -> bool {
        self.is_uncounted
    }

    /// The keys that other exchanges share, the allowance aside: those that count, and those that may only be held.
    pub fn keys(&self) -> &[KeyUse] {
        &self.keys
    }

    /// Whether some limit can refuse or delay: only then is anything held back.
    pub fn is_enforcing(&self) -> bool {
        self.keys
            .iter()
            .chain(self.own.iter().map(|(used, _)| used))
            .any(KeyUse::is_enforcing)
    }

    /// Distinct subjects granted to this exchange.
    pub fn people(&self) -> usize {
        self.granted.len()
    }

    /// Reserves `asks` in order; each is all of its subjects under all keys, or nothing. The answer names how many were
    /// granted. A denied ask adds nothing under any key.
    pub fn reserve(&mut self, asks: &[SmallVec<[Subject; 2]>], now: Now) -> Answer {
        let mut answer = Answer {
            granted: 0,
            next: Next::Done,
            told: SmallVec::new(),
            new_subjects: 0,
        };
        let ledger = Arc::clone(&self.ledger);
        let mut locked: Option<Locked<'_>> = None;
        for ask in asks {
            let fresh = self.fresh(ask);
            let reserved = if fresh.is_empty() {
                Ok(())
            } else {
                let locked = locked.get_or_insert_with(|| ledger.lock(&self.shards));
                self.reserve_one(locked, &fresh, now, &mut answer)
            };
            if let Err(next) = reserved {
                answer.next = next;
                break;
            }
            answer.granted += 1;
            self.asks_granted += 1;
        }
        answer
    }

    /// The subjects of `ask` that this exchange was not yet granted.
    fn fresh(&self, ask: &[Subject]) -> SmallVec<[u64; 2]> {
        let subjects = ask.iter().map(|subject| subject.0);
        let mut fresh: SmallVec<[u64; 2]> = subjects.filter(|subject| !self.granted.contains(subject)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh
    }

    /// Enters into the ledger the subjects of the first `asks` asks that were ever granted: their bytes leave now.
    pub fn hand_over(&mut self, asks: u64, now: Now) {
        let count = self.waiting.partition_point(|waiting| waiting.ask < asks);
        let leaving: SmallVec<[Waiting; 8]> = self.waiting.drain(..count).collect();
        if leaving.is_empty() {
            return;
        }
        let capacity = self.ledger.settings().exact_elements_max;
        let ledger = Arc::clone(&self.ledger);
        let mut locked = ledger.lock(&self.shards);
        self.each_waiting(&leaving, &mut locked, |entry, subject| {
            entry.show(subject, now, capacity);
        });
    }

    /// How many people count under `key` in `window` now: handed over, or about to be.
    pub fn people_under(&mut self, key: KeyId, window: u32, now: Now) -> u32 {
        if let Some((used, entry)) = &mut self.own
            && used.key == key
        {
            return entry.union(u32::MAX, now);
        }
        let mut locked = self.ledger.lock(&self.shards);
        if self.keys.iter().take(self.counted).any(|used| used.key == key) {
            locked.entry(key).map_or(0, |entry| entry.union(window, now))
        } else {
            0
        }
    }

    /// How many asks were ever granted.
    pub fn asks_granted(&self) -> u64 {
        self.asks_granted
    }

    /// How many subjects are granted and not yet handed over.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn reserve_one(
        &mut self,
        locked: &mut Locked<'_>,
        fresh: &[u64],
        now: Now,
        answer: &mut Answer,
    ) -> Result<(), Next> {
        let mut told: SmallVec<[Told; 2]> = SmallVec::new();
        let under = if self.fits_allowance(locked, fresh, now) {
            1 << ALLOWANCE
        } else {
            let (under, is_new) = self.rule_keys(locked, fresh, now, &mut told)?;
            answer.new_subjects += if is_new { fresh.len() as u32 } else { 0 };
            self.is_uncounted |= under.count_ones() as usize <= self.counted;
            under
        };
        let ask = self.asks_granted;
        let waiting = |subject: &u64| Waiting {
            ask,
            subject: *subject,
            under,
        };
        let added: SmallVec<[Waiting; 2]> = fresh.iter().map(waiting).collect();
        self.each_key(locked, under, |entry, used| pace(entry, used, fresh, now));
        if self.ledger.reserves() {
            self.each_waiting(&added, locked, Entry::pin);
        }
        self.granted.extend(fresh);
        self.waiting.extend(added);
        for told in told {
            if !self.told.contains(&told.0) {
                self.told.push(told.0);
                answer.told.push(told);
            }
        }
        Ok(())
    }

    /// The keys that grant all of `fresh`, a bit each, and whether anyone is new under one. All must, but for those that
    /// find no room where the account goes on without.
    fn rule_keys(
        &mut self,
        locked: &mut Locked<'_>,
        fresh: &[u64],
        now: Now,
        told: &mut SmallVec<[Told; 2]>,
    ) -> Result<(u16, bool), Next> {
        // All enter before one is ruled: a key that has no one yet may have to go again for the next.
        for used in self.keys.iter().take(self.counted) {
            locked.enter(&self.ledger, used, now);
        }
        let (mut under, mut is_new, mut wait) = (0, false, None);
        for (number, used) in (0_u16..).zip(self.keys.iter().take(self.counted)) {
            match locked.entry(used.key) {
                Some(entry) => {
                    is_new |= rule_all(entry, used, fresh, now, &mut wait, told)?;
                    under |= 1 << number;
                }
                None if self.is_open_when_full => {}
                None => return Err(Next::Full),
            }
        }
        if let Some((used, entry)) = &mut self.own {
            is_new |= rule_all(entry, used, fresh, now, &mut wait, told)?;
        }
        match wait {
            Some((budget, until)) => Err(Next::Wait { budget, until }),
            None => Ok((under | 1 << OWN, is_new)),
        }
    }

    /// Whether all of `fresh` fit into the allowance.
    fn fits_allowance(&self, locked: &mut Locked<'_>, fresh: &[u64], now: Now) -> bool {
        let Some(used) = &self.allowance else { return false };
        locked.enter(&self.ledger, used, now);
        let Some(entry) = locked.entry(used.key) else {
            return false;
        };
        used.limits
            .iter()
            .all(|limit| rule(entry, used, limit, fresh, now).0 == Ruling::Granted)
    }

    /// `act` on each of the keys in `under` but the allowance.
    fn each_key(&mut self, locked: &mut Locked<'_>, under: u16, mut act: impl FnMut(&mut Entry, &KeyUse)) {
        for (number, used) in (0_u16..).zip(self.keys.iter().take(self.counted)) {
            if under & (1 << number) != 0
                && let Some(entry) = locked.entry(used.key)
            {
                act(entry, used);
            }
        }
        if under & (1 << OWN) != 0
            && let Some((used, entry)) = &mut self.own
        {
            act(entry, used);
        }
    }

    /// `act` on every key under which each of `subjects` counts; the exchange's own key last, if it is asked for.
    fn each_waiting(&mut self, subjects: &[Waiting], locked: &mut Locked<'_>, mut act: impl FnMut(&mut Entry, u64)) {
        let mut on = |entry: &mut Entry, number: u16| {
            let counted = subjects.iter().filter(|waiting| waiting.is_under(number));
            counted.for_each(|waiting| act(entry, waiting.subject));
        };
        let allowance = self.allowance.iter().map(|used| (ALLOWANCE, used));
        let keys = (0_u16..).zip(self.keys.iter().take(self.counted));
        for (number, used) in keys.chain(allowance) {
            if let Some(entry) = locked.entry(used.key) {
                on(entry, number);
            }
        }
        if let Some((_, entry)) = &mut self.own {
            on(entry, OWN);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let waiting: SmallVec<[Waiting; 8]> = self.waiting.drain(..).collect();
        if waiting.is_empty() {
            return;
        }
        let ledger = Arc::clone(&self.ledger);
        let mut locked = ledger.lock(&self.shards);
        self.own = None;
        self.each_waiting(&waiting, &mut locked, Entry::unpin);
    }
}

/// What all limits of one key say; collects the longest wait and what is to be told. `Ok(true)`: some subject is new.
fn rule_all(
    entry: &mut Entry,
    used: &KeyUse,
    fresh: &[u64],
    now: Now,
    wait: &mut Option<(BudgetId, u64)>,
    told: &mut SmallVec<[Told; 2]>,
) -> Result<bool, Next> {
    let mut is_new = false;
    for limit in &used.limits {
        let (ruling, people, new) = rule(entry, used, limit, fresh, now);
        is_new |= new > 0;
        match ruling {
            Ruling::Told => told.push((limit.budget, used.key, people + new)),
            Ruling::Refused => return Err(denied(used, limit, people)),
            Ruling::Wait(until) if wait.is_none_or(|(_, other)| until > other) => *wait = Some((limit.budget, until)),
            Ruling::Granted | Ruling::Wait(_) => {}
        }
    }
    Ok(is_new)
}

fn denied(used: &KeyUse, limit: &Limit, people: u32) -> Next {
    Next::Denied {
        budget: limit.budget,
        key: used.key,
        dimension: used.dimension,
        people,
    }
}

/// What `limit` says to the subjects of one ask, the people who count now, and how many of the ask are new.
fn rule(entry: &mut Entry, used: &KeyUse, limit: &Limit, fresh: &[u64], now: Now) -> (Ruling, u32, u32) {
    let window = window_of(used, limit);
    let new = fresh
        .iter()
        .filter(|subject| !entry.knows(**subject, window, now))
        .count() as u32;
    if new == 0 {
        return (Ruling::Granted, 0, 0);
    }
    let people = entry.union(window, now);
    // The last of several new subjects decides for all: an ask is whole or nothing.
    (entry.rule(limit, people + new - 1, now), people, new)
}

/// Moves the paces of one key for the subjects granted above the free people.
fn pace(entry: &mut Entry, used: &KeyUse, fresh: &[u64], now: Now) {
    for limit in used
        .limits
        .iter()
        .filter(|limit| matches!(limit.excess, Excess::Paced { .. }))
    {
        let (_, people, new) = rule(entry, used, limit, fresh, now);
        if new > 0 && people + new > limit.people {
            entry.pace(limit, now);
        }
    }
}

/// An exchange key has no window: everything it was shown counts.
fn window_of(used: &KeyUse, limit: &Limit) -> u32 {
    if used.dimension == Dimension::Exchange {
        u32::MAX
    } else {
        limit.window
    }
}
