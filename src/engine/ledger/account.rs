//! The account of one exchange: reserve before release, hand over what left, forget the rest.

mod hand_over;

use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

pub use hand_over::Handed;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::entry::Entry;
use super::limit::{Ask, Elements, KeyUse};
use super::reserve::{List, Prefix, Stop, Wanted};
use super::shards::{Ledger, Locked, Place, ShardList, shard_of};
use super::strict::Strict;
use super::subject_hash::{SubjectHasher, spread};
use super::{Amounts, BudgetId, Dimension, KeyId, SumUse};
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
    refusing: usize,
    counted: usize,
    /// The exchange's own keys: one for each condition and for each thing that is counted.
    own: SmallVec<[Box<(KeyUse, Entry)>; 1]>,
    /// People within it are counted under it alone.
    pub(super) allowance: Option<KeyUse>,
    /// The shards of all keys that can refuse.
    shards: ShardList,
    /// Everything this exchange was granted: a repeat costs one look-up and no lock.
    granted: HashSet<u64, BuildHasherDefault<SubjectHasher>>,
    /// How many of it are people.
    people: usize,
    /// Classes whose values some key counts.
    classes: SmallVec<[u8; 2]>,
    /// Granted and not yet handed over, in order.
    waiting: VecDeque<Waiting>,
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
    /// Whether its limits are a share of what is allowed.
    pub(super) is_divided: bool,
    /// A key that finds no room goes uncounted; else what would count under it is refused.
    is_open_when_full: bool,
    /// Whether some key found no room for someone who was granted.
    is_uncounted: bool,
}

/// An element that was granted and has not left.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    /// The number of its ask within the exchange.
    ask: u64,
    elements: Elements,
    pub(super) element: u64,
    /// A bit for each key that it was granted under.
    under: u64,
}

impl Waiting {
    fn is_under(self, bit: usize) -> bool {
        self.under & (1 << bit) != 0
    }

    /// Whether it is one of the `elements` of the keys with this bit.
    fn counts(self, bit: usize, elements: Elements) -> bool {
        self.elements == elements && self.is_under(bit)
    }
}

impl Account {
    pub(super) fn new(ledger: Arc<Ledger>, mut keys: Vec<KeyUse>, allowance: Option<KeyUse>) -> Self {
        let own = keys
            .extract_if(.., |used| used.dimension == Dimension::Exchange)
            .map(|used| {
                let mut entry = Entry::new(Dimension::Exchange);
                entry.note_limits(&used.limits);
                Box::new((used, entry))
            });
        let own: SmallVec<[_; 1]> = own.collect();
        let mut classes = SmallVec::new();
        for used in keys.iter().chain(own.iter().map(|own| &own.0)) {
            if let Elements::Values(class) = used.elements
                && !classes.contains(&class)
            {
                classes.push(class);
            }
        }
        keys.sort_by_key(|used| (used.limits.is_empty(), !used.is_enforcing()));
        let refusing = keys.partition_point(KeyUse::is_enforcing).min(REFUSING_KEYS_MAX);
        let counted = keys.partition_point(|used| !used.limits.is_empty());
        let shards = Ledger::shards_of(keys.iter().take(refusing).chain(&allowance));
        Self {
            ledger,
            keys,
            refusing,
            counted,
            own,
            allowance,
            shards,
            granted: HashSet::default(),
            people: 0,
            classes,
            waiting: VecDeque::new(),
            asks_granted: 0,
            told: SmallVec::new(),
            sums: Vec::new(),
            unsummed: Amounts::default(),
            summed_asks: 0,
            summed_at: Now::default(),
            handed_asks: 0,
            strict: Strict::default(),
            is_divided: false,
            is_open_when_full: false,
            is_uncounted: false,
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
        self.is_uncounted
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

    /// Distinct subjects granted to this exchange.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Of the first `asks` asks that were ever granted, who leaves next and counts inside the allowance alone.
    pub fn allowed(&self, asks: u64) -> impl Iterator<Item = Subject> {
        let leaving = self.waiting.iter().take_while(move |waiting| waiting.ask < asks);
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
        self.waiting.len()
    }

    /// Reserves `asks` in order; each is all of its people and values under all keys, or nothing. The answer names how many
    /// were granted. A denied ask adds nothing under any key.
    pub fn reserve(&mut self, asks: &[Ask], now: Now) -> Answer {
        let wanted = self.wanted(asks);
        let mut prefix = Prefix::of(asks.len(), self.ledger.reserves());
        if !wanted.is_empty() {
            let ledger = Arc::clone(&self.ledger);
            let mut locked = ledger.lock(&self.shards);
            let (allowed, ordinary) = self.split(&mut locked, wanted, now);
            let places = self.enter(&mut locked, now);
            self.rule(&mut locked, &places, &ordinary, &mut prefix, now);
            self.claim(&mut locked, &places, &ordinary, &mut prefix, now);
            self.commit(&mut locked, &places, (&allowed, &ordinary), &prefix, now);
        }
        self.asks_granted += u64::from(prefix.end);
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

    /// What `asks` want that this exchange was not yet granted; from now on it is, until it turns out otherwise.
    fn wanted(&mut self, asks: &[Ask]) -> Wanted {
        let mut wanted = Wanted::default();
        for (number, ask) in (0..).zip(asks) {
            let people = ask.people.iter().map(|person| (Elements::People, person.0));
            let values = ask.values.iter().filter(|(class, _)| self.classes.contains(class));
            let values = values.map(|(class, value)| (Elements::Values(*class), *value));
            let asked = people.chain(values);
            for (elements, element) in
                asked.filter(|(elements, element)| self.granted.insert(name(*elements, *element)))
            {
                wanted.push(elements, number, element);
            }
        }
        wanted
    }

    /// The people of asks that fit into the allowance whole, and all else.
    fn split(&self, locked: &mut Locked<'_>, wanted: Wanted, now: Now) -> (List, Wanted) {
        let mut place = |used| locked.enter(&self.ledger, used, now);
        let Some((used, place)) = self.allowance.as_ref().and_then(|used| Some((used, place(used)?))) else {
            return (List::new(), wanted);
        };
        let Some(entry) = locked.at(place) else {
            return (List::new(), wanted);
        };
        let mut allowed = List::new();
        for subjects in wanted
            .of(Elements::People)
            .chunk_by(|(one, _), (other, _)| one == other)
        {
            let before = allowed.len();
            allowed.extend_from_slice(subjects);
            let mut prefix = Prefix::of(usize::MAX, true);
            prefix.rule(entry, ALLOWANCE, used, &allowed, now);
            if prefix.stop.is_some() {
                allowed.truncate(before);
            }
        }
        let ordinary = wanted.without(&allowed);
        (allowed, ordinary)
    }

    /// The places of the keys that can refuse; none for one without room.
    fn enter(&self, locked: &mut Locked<'_>, now: Now) -> SmallVec<[Option<Place>; 8]> {
        let keys = || self.keys.iter().take(self.refusing);
        let places: SmallVec<[_; 8]> = keys().map(|used| locked.enter(&self.ledger, used, now)).collect();
        // A key that has no one yet may have had to go again for a later one.
        let still = |(used, place): (&KeyUse, &Option<Place>)| place.filter(|place| locked.is_of(*place, used.key));
        keys().zip(&places).map(still).collect()
    }

    fn rule(
        &mut self,
        locked: &mut Locked<'_>,
        places: &[Option<Place>],
        ordinary: &Wanted,
        prefix: &mut Prefix,
        now: Now,
    ) {
        for (number, (used, place)) in self.keys.iter().zip(places).enumerate() {
            let wanted = ordinary.of(used.elements);
            let Some((first, _)) = wanted.first() else { continue };
            if let Some(entry) = place.and_then(|place| locked.at(place)) {
                prefix.rule(entry, number, used, wanted, now);
            } else if !self.is_open_when_full || locked.is_spilled(used.key) {
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
    fn commit<'w>(
        &mut self,
        locked: &mut Locked<'_>,
        places: &[Option<Place>],
        (allowed, ordinary): (&'w List, &'w Wanted),
        prefix: &Prefix,
        now: Now,
    ) {
        let second = now.second();
        let reserves = self.ledger.reserves();
        let granted = |list: &'w [(u32, u64)]| {
            let granted = list.partition_point(|(ask, _)| *ask < prefix.end);
            list.get(..granted).unwrap_or_default()
        };
        let grant = |entry: &mut Entry, number: usize, elements: Elements| {
            for (_, element) in granted(ordinary.of(elements)).iter().filter(|_| reserves) {
                entry.seen.grant(*element, second);
            }
            let paced = prefix.paced.iter();
            for (_, _, budget, interval) in paced.filter(|(ask, at, ..)| *ask < prefix.end && *at == number) {
                entry.pace(*budget, *interval, now);
            }
        };
        let mut under = 1 << OWN;
        for ((number, used), place) in self.keys.iter().enumerate().zip(places) {
            let Some(place) = *place else {
                self.is_uncounted |= !granted(ordinary.of(used.elements)).is_empty();
                continue;
            };
            if let Some(entry) = locked.at(place) {
                under |= 1 << number;
                grant(entry, number, used.elements);
            }
            locked.weigh(place);
        }
        for (number, own) in (OWN_FIRST..).zip(&mut self.own) {
            let (used, entry) = &mut **own;
            grant(entry, number, used.elements);
        }
        if let Some(entry) = self.allowance.as_ref().and_then(|used| locked.find(used.key)) {
            let allowed = granted(allowed).iter().filter(|_| reserves);
            allowed.for_each(|(_, subject)| entry.seen.grant(*subject, second));
        }
        let before = self.waiting.len();
        let lists = ordinary.lists().map(|(elements, list)| (elements, list, under));
        let allowed = (Elements::People, &allowed[..], 1 << ALLOWANCE);
        for (elements, list, under) in lists.chain([allowed]) {
            let taken = granted(list);
            let refused = list.get(taken.len()..).unwrap_or_default();
            for (_, element) in refused {
                self.granted.remove(&name(elements, *element));
            }
            if elements == Elements::People {
                self.people += taken.len();
            }
            self.waiting.extend(taken.iter().map(|(ask, element)| Waiting {
                ask: self.asks_granted + u64::from(*ask),
                elements,
                element: *element,
                under,
            }));
        }
        // Each list is in order, but not all of them together.
        let fresh = self.waiting.make_contiguous().get_mut(before..).unwrap_or_default();
        if !fresh.is_sorted_by_key(|waiting| waiting.ask) {
            fresh.sort_by_key(|waiting| waiting.ask);
        }
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
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.unsummed != Amounts::default() {
            // Nobody is left whom it could be told.
            let _over = self.ledger.add(&self.sums, self.unsummed, self.summed_at);
        }
        let ledger = Arc::clone(&self.ledger);
        let made_up = || {
            self.keys
                .iter()
                .take(self.refusing)
                .filter(|used| used.fallback.is_some())
        };
        if self.waiting.is_empty() && made_up().next().is_none() {
            return;
        }
        let mut locked = ledger.lock(&self.shards);
        let keys = self.keys.iter().take(self.refusing).enumerate();
        for (number, used) in keys.chain(self.allowance.iter().map(|used| (ALLOWANCE, used))) {
            let granted = self
                .waiting
                .iter()
                .filter(|waiting| waiting.counts(number, used.elements));
            if let Some(entry) = locked.find(used.key).filter(|_| ledger.reserves()) {
                granted.for_each(|waiting| entry.seen.withdraw(waiting.element));
            }
        }
        made_up().for_each(|used| locked.rest(used.key, &ledger));
    }
}

/// What stands for an element among all that an exchange was granted: a value may be that by which someone is known.
fn name(elements: Elements, element: u64) -> u64 {
    match elements {
        Elements::People => element,
        Elements::Values(class) => element ^ spread(u64::from(class) + 1),
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
