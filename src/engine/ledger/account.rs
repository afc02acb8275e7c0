//! The account of one exchange: reserve before release, hand over what left, forget the rest.

mod granted;
mod hand_over;
mod order;
mod queue;
mod wanted;

use std::sync::Arc;

use granted::Granted;
pub use hand_over::Handed;
use order::{Order, take_own};
use queue::{Queue, Waiting};
use smallvec::{SmallVec, smallvec};
use wanted::name;

use super::entry::Entry;
use super::limit::{Allowed, Ask, Elements, KeyUse};
use super::locked::{Locked, Place, ShardSet};
use super::reserve::{List, Prefix, Stop, Wanted};
use super::shards::{Ledger, shard_of};
use super::strict::Strict;
use super::{Amounts, BudgetId, Dimension, KeyId, PublicPeople, SumUse};
use crate::engine::detect::FieldNames;
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
    /// The store that gateways share must confirm [`Account::claims`] first; nothing of the next ask is reserved.
    Confirm,
    /// The ledger has no room for a key of the next ask, and the account does not go on without.
    Full,
}

/// A budget that only tells, exceeded: the budget, the key, and how many people count under it.
pub type Told = (BudgetId, KeyId, u32);

/// Keys of one exchange that can refuse, at most.
pub const REFUSING_KEYS_MAX: usize = 62;
/// The bit of the exchange's own keys.
const OWN: usize = 62;
/// The bit of the allowance.
const ALLOWANCE: usize = 63;
/// The number of the first key of the exchange's own: those of shared ones are smaller.
const OWN_FIRST: usize = 1 << 16;

/// The answer to one reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many asks were granted, from the first.
    pub granted: usize,
    /// What holds for the one after them.
    pub next: Next,
    /// Telling budgets that these grants exceeded, each told once an exchange.
    pub told: SmallVec<[Told; 2]>,
}

/// What one exchange has reserved and handed over under its keys.
pub struct Account {
    ledger: Arc<Ledger>,
    /// Keys that other exchanges share: those that can refuse, those that only tell, and those without a limit, on which
    /// only a hold may stand.
    pub(super) keys: Vec<KeyUse>,
    /// Of each key that counts, and behind them of the allowance.
    places: SmallVec<[Place; 16]>,
    refusing: usize,
    counted: usize,
    /// The exchange's own keys: one for each condition and for each thing that is counted.
    own: SmallVec<[Box<(KeyUse, Entry)>; 1]>,
    /// People within it are counted under it alone.
    pub(super) allowance: Option<KeyUse>,
    allowed: Allowed,
    /// The shards of all keys that can refuse.
    shards: ShardSet,
    granted: Granted,
    /// How many of what it was granted are people.
    people: usize,
    /// Classes whose values some key counts.
    classes: SmallVec<[u8; 2]>,
    /// Granted and not yet handed over.
    queue: Queue,
    asks_granted: u64,
    told: SmallVec<[BudgetId; 2]>,
    /// Keys under which bytes, records or answers are summed.
    sums: Vec<SumUse>,
    /// Handed over, and not yet summed.
    unsummed: Amounts,
    /// Asks whose records are summed.
    summed_asks: u64,
    /// When something was last added to it.
    summed_at: Now,
    /// Asks that left.
    handed_asks: u64,
    pub(super) strict: Strict,
    /// Nobody's data: they count under no key.
    public: Option<Arc<PublicPeople>>,
    /// Whether its limits are a share of what is allowed.
    pub(super) is_divided: bool,
    /// A key that finds no room goes uncounted; else what would count under it is refused.
    is_open_when_full: bool,
    /// Whether some key found no room for someone who was granted.
    is_uncounted: bool,
    /// The same people under the keys that are kept up beside its own; it follows and decides nothing.
    pub(super) beside: Option<Box<Self>>,
}

impl Account {
    pub(super) fn new(ledger: Arc<Ledger>, mut keys: Vec<KeyUse>, allowance: Option<KeyUse>) -> Self {
        let order = Order::of(&keys);
        let own = if order.has_own {
            take_own(&mut keys)
        } else {
            SmallVec::new()
        };
        if !order.is_kept {
            keys.sort_by_key(|used| (used.limits.is_empty(), !used.is_enforcing()));
        }
        let refusing = order.refusing.min(REFUSING_KEYS_MAX);
        let shards = ShardSet::of(keys.iter().take(refusing).chain(&allowance));
        let mut places = smallvec![Place::UNKNOWN; order.counted];
        let refuse = keys.iter().take(refusing);
        for (used, place) in refuse.zip(&mut places) {
            *place = Place::of(used.key, &shards);
        }
        if let Some(used) = &allowance {
            places.push(Place::of(used.key, &shards));
        }
        Self {
            ledger,
            keys,
            places,
            refusing,
            counted: order.counted,
            own,
            allowance,
            allowed: Allowed::default(),
            shards,
            granted: Granted::default(),
            people: 0,
            classes: order.classes,
            queue: Queue::default(),
            asks_granted: 0,
            told: SmallVec::new(),
            sums: Vec::new(),
            unsummed: Amounts::default(),
            summed_asks: 0,
            summed_at: Now::default(),
            handed_asks: 0,
            strict: Strict::new(order.is_strict),
            public: None,
            is_divided: false,
            is_open_when_full: false,
            is_uncounted: false,
            beside: None,
        }
    }

    /// Sums what is handed over under these keys too.
    #[must_use]
    pub fn summing(mut self, sums: Vec<SumUse>) -> Self {
        self.sums = sums;
        self
    }

    /// A key that finds no room in the ledger goes uncounted from now on, and all others are ruled as ever. Without this
    /// the answer is then [`Next::Full`].
    pub fn open_when_full(&mut self) {
        self.is_open_when_full = true;
    }

    /// Whether someone was granted who is not counted under some key, because it found no room.
    pub fn is_uncounted(&self) -> bool {
        self.is_uncounted || self.beside.as_ref().is_some_and(|beside| beside.is_uncounted)
    }

    /// The keys that other exchanges share, the allowance aside: those that count, and those that may only be held.
    pub fn keys(&self) -> &[KeyUse] {
        &self.keys
    }

    /// Whether some limit can refuse or delay: only then is anything held back.
    pub fn is_enforcing(&self) -> bool {
        self.refusing > 0 || self.own.iter().any(|own| own.0.is_enforcing())
    }

    /// Classes whose values some key counts, by their number.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The fields of which its allowance is, if it is of some alone.
    pub const fn fields(&self) -> Option<&Arc<FieldNames>> {
        self.allowed.fields.as_ref()
    }

    /// Distinct subjects granted to this exchange.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Of the first `asks` asks that were ever granted, who leaves next and counts inside the allowance alone.
    pub fn allowed(&self, asks: u64) -> impl Iterator<Item = Subject> {
        let leaving = self
            .queue
            .waiting()
            .iter()
            .take_while(move |waiting| waiting.ask < asks);
        leaving
            .filter(|waiting| waiting.is_under(ALLOWANCE))
            .map(|waiting| Subject(waiting.element))
    }

    /// How many asks were ever granted.
    pub fn asks_granted(&self) -> u64 {
        self.asks_granted
    }

    /// How many people and values are granted and not yet handed over.
    pub fn waiting(&self) -> usize {
        self.queue.waiting().len()
    }

    /// Reserves `asks` in order; each is all of its people and values under all keys, or nothing. The answer names how many
    /// were granted. A denied ask adds nothing under any key.
    pub fn reserve(&mut self, asks: &[Ask], now: Now) -> Answer {
        let mut wanted = self.wanted(asks, now);
        let mut prefix = Prefix::of(asks.len(), self.ledger.reserves());
        if !wanted.is_empty() {
            let ledger = Arc::clone(&self.ledger);
            let mut locked = ledger.lock(&self.shards);
            let allowed = self.allow(&mut locked, asks, &mut wanted, now);
            self.enter(&mut locked, now);
            self.rule(&mut locked, &wanted, &mut prefix, now);
            if self.strict.is_asked {
                self.claim(&mut locked, &wanted, &mut prefix, now);
            }
            self.commit(&mut locked, (&allowed, &wanted), &prefix, now);
        }
        self.asks_granted += u64::from(prefix.end);
        if let Some(mut beside) = self.beside.take() {
            let granted = asks.iter().take(prefix.end as usize);
            let asks: Vec<Ask> = granted.map(|ask| self.beside_of(ask, now)).collect();
            beside.reserve(&asks, now);
            self.beside = Some(beside);
        }
        let told = prefix.told.iter().filter(|(ask, _)| *ask < prefix.end);
        Answer {
            granted: prefix.end as usize,
            next: prefix.stop.map_or(Next::Done, |stop| self.next(stop)),
            told: tell_once(&mut self.told, told.map(|(_, told)| *told)),
        }
    }

    /// How many people count under `key` in `window` now: handed over, or about to be.
    pub fn people_under(&mut self, key: KeyId, window: u32, now: Now) -> u32 {
        if let Some(own) = self.own.iter_mut().find(|own| own.0.key == key) {
            return own.1.people(u32::MAX, now);
        }
        let mut shard = self.ledger.lock_shard(shard_of(key));
        let is_counted = self.keys.iter().take(self.counted).any(|used| used.key == key);
        let entry = shard.keys.get_mut(key).filter(|_| is_counted);
        entry.map_or(0, |entry| entry.people(window, now))
    }

    /// Finds the keys that can refuse, or makes them; one without room is nowhere.
    fn enter(&mut self, locked: &mut Locked<'_>, now: Now) {
        let keys = || self.keys.iter().take(self.refusing);
        locked.prefetch(keys().zip(&self.places));
        for (used, place) in keys().zip(&mut self.places) {
            locked.enter(&self.ledger, used, place, now);
        }
    }

    /// The keys that can refuse: their number, and where they are. One that has no one yet may have had to go again for a
    /// later one.
    pub(super) fn refusing(&self) -> impl Iterator<Item = (usize, &KeyUse, Place)> {
        let keys = self.keys.iter().take(self.refusing).enumerate();
        keys.zip(&self.places)
            .map(|((number, used), place)| (number, used, *place))
    }

    fn rule(&mut self, locked: &mut Locked<'_>, ordinary: &Wanted, prefix: &mut Prefix, now: Now) {
        for (number, used, place) in self.refusing() {
            let wanted = ordinary.of(used.elements);
            let Some((first, _)) = wanted.first() else { continue };
            if let Some(entry) = locked.at(used.key, place) {
                prefix.rule(entry, number, used, wanted, now);
            } else if !self.is_open_when_full || locked.is_spilled(used.key, place) {
                // On disk is a count, which a stream that slept for long must not pass by.
                prefix.stop(*first, Stop::Full);
            }
        }
        for (number, own) in (OWN_FIRST..).zip(&mut self.own) {
            let (used, entry) = &mut **own;
            prefix.rule(entry, number, used, ordinary.of(used.elements), now);
        }
    }

    /// Grants what is in the prefix, under all of its keys.
    fn commit(&mut self, locked: &mut Locked<'_>, (allowed, ordinary): (&List, &Wanted), prefix: &Prefix, now: Now) {
        let (mut under, mut is_uncounted) = (1 << OWN, false);
        for (number, used, place) in self.refusing() {
            let granted = prefix.granted(ordinary.of(used.elements));
            let grant = |entry: &mut Entry| prefix.grant(entry, number, granted, now);
            match locked.weighing(used.key, place, grant) {
                Some(()) => under |= 1 << number,
                None => is_uncounted |= !granted.is_empty(),
            }
        }
        self.is_uncounted |= is_uncounted;
        for (number, own) in (OWN_FIRST..).zip(&mut self.own) {
            let (used, entry) = &mut **own;
            prefix.grant(entry, number, prefix.granted(ordinary.of(used.elements)), now);
        }
        if let Some((used, place)) = self.allowance.as_ref().zip(self.places.last()) {
            let grant = |entry: &mut Entry| prefix.grant(entry, ALLOWANCE, prefix.granted(allowed), now);
            _ = locked.weighing(used.key, *place, grant);
        }
        self.await_leaving((Elements::People, allowed, 1 << ALLOWANCE), prefix);
        for (elements, list) in ordinary.lists() {
            self.await_leaving((elements, list, under), prefix);
        }
        // Each list is in order, but not all of them together.
        let waiting = self.queue.waiting_mut();
        if !waiting.is_sorted_by_key(|waiting| waiting.ask) {
            waiting.sort_by_key(|waiting| waiting.ask);
        }
    }

    /// What of a list is granted waits from now on; the rest is as if it had not been asked for.
    fn await_leaving(&mut self, (elements, list, under): (Elements, &[(u32, u64)], u64), prefix: &Prefix) {
        let granted = prefix.granted(list);
        for (_, element) in list.get(granted.len()..).unwrap_or_default() {
            self.granted.remove(name(elements, *element, false));
            self.granted.remove(name(elements, *element, true));
        }
        if elements == Elements::People {
            self.people += granted.len();
        }
        let first = self.asks_granted;
        self.queue.extend(granted.iter().map(|(ask, element)| Waiting {
            ask: first + u64::from(*ask),
            elements,
            element: *element,
            under,
            is_new: false,
        }));
    }

    fn next(&self, stop: Stop) -> Next {
        match stop {
            Stop::Wait(budget, until) => Next::Wait { budget, until },
            Stop::Full => Next::Full,
            Stop::Confirm => Next::Confirm,
            Stop::Denied(number, limit, people) => {
                let own = number.checked_sub(OWN_FIRST).and_then(|number| self.own.get(number));
                let used = own.map(|own| &own.0).or_else(|| self.keys.get(number));
                used.map_or(Next::Full, |used| Next::Denied {
                    budget: limit.budget,
                    key: used.key,
                    dimension: used.dimension,
                    people,
                })
            }
        }
    }

    /// Ends the exchange; the room of its keys, for another.
    pub fn close(mut self) -> Vec<KeyUse> {
        self.end();
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys
    }

    fn end(&mut self) {
        let unsummed = std::mem::take(&mut self.unsummed);
        if unsummed != Amounts::default() {
            // Nobody is left whom it could be told.
            let _over = self.ledger.add(&self.sums, unsummed, self.summed_at);
        }
        let is_made_up = |used: &KeyUse| used.fallback.is_some();
        let mut keys = self.keys.iter().take(self.refusing);
        if self.queue.waiting().is_empty() && !keys.any(is_made_up) {
            return;
        }
        let (ledger, queue) = (Arc::clone(&self.ledger), std::mem::take(&mut self.queue));
        let mut locked = ledger.lock(&self.shards);
        let allowance = self.allowance.iter().zip(self.places.last());
        let allowance = allowance.map(|(used, place)| (ALLOWANCE, used, *place));
        for (number, used, place) in self.refusing().chain(allowance) {
            let Some(shard) = locked.shard(place) else { continue };
            let Some(at) = shard.keys.find_at(used.key, place.at) else {
                continue;
            };
            let granted = queue.waiting().iter();
            let granted = granted.filter(|waiting| waiting.counts(number, used.elements));
            if let Some(entry) = shard.keys.at(at).filter(|_| ledger.reserves()) {
                granted.for_each(|waiting| entry.seen.withdraw(waiting.element));
            }
            if is_made_up(used) && number != ALLOWANCE {
                let max = ledger.resting_max(shard);
                shard.rest(at, max);
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.end();
    }
}

/// Those of `told` that this exchange has not been told of.
fn tell_once(known: &mut SmallVec<[BudgetId; 2]>, told: impl Iterator<Item = Told>) -> SmallVec<[Told; 2]> {
    let mut news = SmallVec::new();
    for told in told {
        if !known.contains(&told.0) {
            known.push(told.0);
            news.push(told);
        }
    }
    news
}
