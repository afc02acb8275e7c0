//! What an exchange asks for that it was not granted yet, and what of it its allowance takes.

use std::sync::Arc;

use super::super::limit::{Allowed, Ask, Elements};
use super::super::locked::Locked;
use super::super::reserve::{List, Prefix, Wanted};
use super::super::subject_hash::spread;
use super::super::{PublicPeople, not_public};
use super::{ALLOWANCE, Account};
use crate::engine::time::Now;

impl Account {
    /// Counts nobody who is public.
    #[must_use]
    pub fn sparing(mut self, public: &Arc<PublicPeople>) -> Self {
        self.public = (!public.is_empty()).then(|| Arc::clone(public));
        self
    }

    /// What `ask` is under the other key of people, without those who are public.
    pub(super) fn beside_of(&self, ask: &Ask, now: Now) -> Ask {
        let Some(beside) = &ask.beside else {
            return Ask::default();
        };
        let counted = not_public(self.public.as_deref(), ask, now);
        Ask {
            values: beside.values.clone(),
            classes: ask.classes,
            is_elsewhere: ask.is_elsewhere,
            ..counted.filter_map(|(_, beside)| beside).collect()
        }
    }

    /// Has the allowance take nobody of whom anything but this is told.
    #[must_use]
    pub fn allowing(mut self, allowed: Allowed) -> Self {
        let beside = self.beside.take();
        self.beside = beside.map(|beside| Box::new(beside.allowing(allowed.clone())));
        self.allowed = allowed;
        self
    }

    /// What `asks` want that this exchange was not yet granted; from now on it is, until it turns out otherwise.
    pub(super) fn wanted(&mut self, asks: &[Ask], now: Now) -> Wanted {
        let mut wanted = Wanted::default();
        let public = self.public.clone();
        self.granted.reserve(asks.len());
        for (number, ask) in (0..).zip(asks) {
            // Of whom more is told than the allowance is for is asked for once more.
            let is_outside = !self.allowed.takes(ask);
            let people = not_public(public.as_deref(), ask, now).map(|(person, _)| (Elements::People, person.0));
            let values = ask.values.iter().filter(|(class, _)| self.classes.contains(class));
            let values = values.map(|(class, value)| (Elements::Values(*class), *value));
            let asked = people.chain(values);
            for (elements, element) in
                asked.filter(|(elements, element)| self.granted.insert(name(*elements, *element, is_outside)))
            {
                wanted.push(elements, number, element);
            }
        }
        wanted
    }

    /// Takes out of `wanted` the people of asks that fit into the allowance whole.
    pub(super) fn allow(&mut self, locked: &mut Locked<'_>, asks: &[Ask], wanted: &mut Wanted, now: Now) -> List {
        let mut allowed = List::new();
        let Some((used, place)) = self.allowance.as_ref().zip(self.places.last_mut()) else {
            return allowed;
        };
        locked.enter(&self.ledger, used, place, now);
        let Some(entry) = locked.at(used.key, *place) else {
            return allowed;
        };
        let people = wanted.of(Elements::People);
        for subjects in people.chunk_by(|(one, _), (other, _)| one == other) {
            let ask = subjects.first().and_then(|(ask, _)| asks.get(*ask as usize));
            if !ask.is_some_and(|ask| self.allowed.takes(ask)) {
                continue;
            }
            let before = allowed.len();
            allowed.extend_from_slice(subjects);
            let mut prefix = Prefix::of(usize::MAX, true);
            prefix.rule(entry, ALLOWANCE, used, &allowed, now);
            if prefix.stop.is_some() {
                allowed.truncate(before);
            }
        }
        wanted.take_out(&allowed);
        allowed
    }
}

/// What stands for no class in a name.
const OUTSIDE: u64 = 1 << 16;

/// What stands for an element among all that an exchange was granted: a value may be that by which someone is known, and of someone
/// more may be told than an allowance is for.
pub(super) fn name(elements: Elements, element: u64, is_outside: bool) -> u64 {
    match elements {
        Elements::People if is_outside => element ^ spread(OUTSIDE),
        Elements::People => element,
        Elements::Values(class) => element ^ spread(u64::from(class) + 1),
    }
}
