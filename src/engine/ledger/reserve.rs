//! How much of a batch fits under one key: all its limits look at the asks in their order, one key after another.

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::account::Told;
use super::entry::Entry;
use super::limit::{Elements, Excess, KeyUse, Limit};
use super::{BudgetId, Dimension};
use crate::engine::time::Now;

/// Elements of one kind, each with the number of its ask, ascending.
pub(super) type List = SmallVec<[(u32, u64); 4]>;

/// What of a batch its exchange was not granted yet.
#[derive(Default)]
pub(super) struct Wanted {
    people: List,
    /// By class; nearly always none.
    values: Vec<(u8, List)>,
}

impl Wanted {
    /// Those of one kind.
    #[inline]
    pub(super) fn of(&self, elements: Elements) -> &[(u32, u64)] {
        match elements {
            Elements::People => &self.people,
            Elements::Values(wanted) => {
                let mut lists = self.values.iter();
                lists.find(|(class, _)| *class == wanted).map_or(&[], |(_, list)| list)
            }
        }
    }

    #[inline]
    pub(super) fn push(&mut self, elements: Elements, ask: u32, element: u64) {
        match elements {
            Elements::People => self.people.push((ask, element)),
            Elements::Values(wanted) => match self.values.iter_mut().find(|(class, _)| *class == wanted) {
                Some((_, list)) => list.push((ask, element)),
                None => self.values.push((wanted, List::from_slice(&[(ask, element)]))),
            },
        }
    }

    /// Each kind of which there is something.
    pub(super) fn lists(&self) -> impl Iterator<Item = (Elements, &[(u32, u64)])> {
        let values = self.values.iter();
        let values = values.map(|(class, list)| (Elements::Values(*class), &list[..]));
        let people = (Elements::People, &self.people[..]);
        std::iter::once(people)
            .chain(values)
            .filter(|(_, list)| !list.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists().next().is_none()
    }

    /// Takes out the people of the asks that are in `allowed`, ascending. Their values stay: an allowance is of people.
    pub(super) fn take_out(&mut self, allowed: &[(u32, u64)]) {
        let is_allowed = |ask: u32| allowed.binary_search_by_key(&ask, |(allowed, _)| *allowed).is_ok();
        self.people.retain(|(ask, _)| !is_allowed(*ask));
        // Someone may be there twice, inside of it and outside.
        let mut seen = HashSet::with_capacity(self.people.len());
        self.people.retain(|(_, person)| seen.insert(*person));
    }
}

/// Why a batch ends before one of its asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It would exceed this limit of the key with this number, under which so many people are.
    Denied(usize, Limit, u32),
    /// The pace of this budget grants again at this unix millisecond.
    Wait(BudgetId, u64),
    /// A key of it has no room.
    Full,
    /// The shared store must confirm it first.
    Confirm,
}

/// How far a batch is granted, over the keys that were looked at so far.
pub(super) struct Prefix {
    /// Whether what is granted counts at once; only a test's mutant does without.
    reserves: bool,
    /// The first ask that is not granted.
    pub(super) end: u32,
    pub(super) stop: Option<Stop>,
    /// Limits that only tell and are exceeded by an ask: its number, and what is told.
    pub(super) told: SmallVec<[(u32, Told); 2]>,
    /// Paces that move for an ask: its number, the number of the key, the budget and its interval.
    pub(super) paced: SmallVec<[(u32, usize, BudgetId, u64); 1]>,
}

impl Prefix {
    pub(super) fn of(asks: usize, reserves: bool) -> Self {
        Self {
            reserves,
            end: asks as u32,
            stop: None,
            told: SmallVec::new(),
            paced: SmallVec::new(),
        }
    }

    /// The batch ends before `ask`, unless it does so already. Of two reasons at one ask a refusal is told rather than a
    /// wait, the first refusal, and the longest wait.
    pub(super) fn stop(&mut self, ask: u32, stop: Stop) {
        let is_first = ask < self.end || (ask == self.end && self.stop.is_none());
        let is_stronger = ask == self.end
            && match (self.stop, stop) {
                (Some(Stop::Wait(_, until)), Stop::Wait(_, other)) => other > until,
                (Some(Stop::Wait(..)), Stop::Denied(..) | Stop::Full) => true,
                _ => false,
            };
        if is_first || is_stronger {
            (self.end, self.stop) = (ask, Some(stop));
        }
    }

    /// Those of `wanted` that are granted.
    #[inline]
    pub(super) fn granted<'w>(&self, wanted: &'w [(u32, u64)]) -> &'w [(u32, u64)] {
        let granted = wanted.partition_point(|(ask, _)| *ask < self.end);
        wanted.get(..granted).unwrap_or_default()
    }

    /// What the limits of the key with `number` say to the asks.
    #[inline]
    pub(super) fn rule(&mut self, entry: &mut Entry, number: usize, used: &KeyUse, wanted: &[(u32, u64)], now: Now) {
        for limit in &used.limits {
            let (people, allowed) = (entry.people(window_of(used, limit), now), entry.allowed(limit, now));
            // Far from the limit it does not matter who is known.
            if people.saturating_add(wanted.len() as u32) > allowed {
                let walk = Walk::of(entry, (used, limit), (people, allowed), now);
                self.walk(walk, entry, (number, used), wanted);
            }
        }
    }

    /// What one limit says to each of the asks.
    #[cold]
    fn walk(&mut self, mut walk: Walk<'_>, entry: &Entry, key: (usize, &KeyUse), wanted: &[(u32, u64)]) {
        let asks = wanted.chunk_by(|(one, _), (other, _)| one == other);
        let mut asks = asks.filter_map(|subjects| Some((subjects.first()?.0, subjects)));
        _ = asks.all(|(ask, subjects)| {
            let new = walk.new_of(entry, subjects);
            new == 0 || (ask <= self.end && walk.take(self, key, ask, new))
        });
    }

    /// Grants these under the key with `number`, whose paces move.
    #[inline]
    pub(super) fn grant(&self, entry: &mut Entry, number: usize, granted: &[(u32, u64)], now: Now) {
        if self.reserves {
            entry
                .seen
                .grant(granted.iter().map(|(_, element)| *element), now.second());
        }
        let paced = self.paced.iter();
        for (_, _, budget, interval) in paced.filter(|(ask, at, ..)| *ask < self.end && *at == number) {
            entry.pace(*budget, *interval, now);
        }
    }
}

/// One limit on its way through the asks.
struct Walk<'l> {
    limit: &'l Limit,
    /// People from this second on count.
    from: u32,
    /// People under the key, those of the asks so far among them.
    people: u32,
    allowed: u32,
    /// The millisecond from which the pace grants.
    paced_until: u64,
    is_exact: bool,
    is_told: bool,
    now: Now,
}

impl<'l> Walk<'l> {
    fn of(entry: &Entry, (used, limit): (&KeyUse, &'l Limit), (people, allowed): (u32, u32), now: Now) -> Self {
        let from = now.second().saturating_sub(window_of(used, limit));
        Self {
            limit,
            from,
            people,
            allowed,
            paced_until: entry.paced_until(limit.budget),
            is_exact: entry.seen.is_exact(from),
            is_told: false,
            now,
        }
    }

    /// How many of `subjects` do not count yet.
    fn new_of(&self, entry: &Entry, subjects: &[(u32, u64)]) -> u32 {
        // Who is known under a limit that an estimate rules, nobody can say.
        let is_guess = !self.is_exact && self.limit.people >= entry.exact_people();
        let is_new = |subject: u64| is_guess || entry.seen.last(subject).is_none_or(|last| last < self.from);
        subjects.iter().filter(|(_, subject)| is_new(*subject)).count() as u32
    }

    /// Whether the walk goes on behind `ask`, which brings so many new people.
    fn take(&mut self, prefix: &mut Prefix, (number, used): (usize, &KeyUse), ask: u32, new: u32) -> bool {
        let after = self.people.saturating_add(new);
        match self.limit.excess {
            _ if after <= self.allowed => {}
            Excess::Told if self.is_told => {}
            Excess::Told => {
                self.is_told = true;
                prefix.told.push((ask, (self.limit.budget, used.key, after)));
            }
            // Only an allowance is asked whether one that is kept up has room.
            Excess::Refused | Excess::Kept { .. } => {
                prefix.stop(ask, Stop::Denied(number, *self.limit, self.people));
                return false;
            }
            Excess::Paced { .. } if self.now.millis() < self.paced_until => {
                prefix.stop(ask, Stop::Wait(self.limit.budget, self.paced_until));
                return false;
            }
            Excess::Paced { interval_ms } => {
                self.paced_until = self.now.millis().saturating_add(interval_ms.max(1));
                prefix.paced.push((ask, number, self.limit.budget, interval_ms));
            }
        }
        if prefix.reserves {
            self.people = after;
        }
        true
    }
}

/// An exchange key has no window: everything it was shown counts.
pub(super) fn window_of(used: &KeyUse, limit: &Limit) -> u32 {
    if used.dimension == Dimension::Exchange {
        u32::MAX
    } else {
        limit.window
    }
}
