//! Who of a record is ordinary: sessions, and how many people each was shown in all of it.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use smallvec::SmallVec;

use super::Sighting;
use crate::engine::ledger::Dimension;

/// Sessions whose people are counted; more are counted as sessions that nobody looked at.
const SESSIONS_MAX: usize = 20_000_000;

/// A session with at most so many people is an ordinary one: somebody's own data, and a recipient's or two.
pub const ORDINARY_PEOPLE_MAX: usize = 3;

/// Sessions by number. Without one in the record the principal or the address is the session.
#[derive(Default)]
pub(super) struct Sessions {
    people: HashMap<u64, SmallVec<[u32; ORDINARY_PEOPLE_MAX]>>,
    /// Sightings of sessions past the bound.
    pub(super) unseen: u64,
    /// Tells sessions apart for one run.
    hasher: DefaultHashBuilder,
}

impl Sessions {
    /// Takes in whom a session is shown, or asks for; its number, where there is one within the bound.
    pub(super) fn note(&mut self, sighting: &Sighting) -> Option<u64> {
        let of = [Dimension::Session, Dimension::Principal, Dimension::Address];
        let value = of.into_iter().find_map(|dimension| sighting.value(dimension))?;
        let session = self.hasher.hash_one(value);
        if self.people.len() >= SESSIONS_MAX && !self.people.contains_key(&session) {
            self.unseen += 1;
            return None;
        }
        let people = self.people.entry(session).or_default();
        for person in &sighting.people {
            // One more than is ordinary says it all.
            if people.len() <= ORDINARY_PEOPLE_MAX && !people.contains(&(person.0 as u32)) {
                people.push(person.0 as u32);
            }
        }
        Some(session)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.people.len() as u64
    }

    /// How many of these are ordinary.
    pub(super) fn ordinary(&self, of: &HashSet<u64>) -> u64 {
        let few = |session: &&u64| {
            let people = self.people.get(*session);
            people.is_some_and(|people| people.len() <= ORDINARY_PEOPLE_MAX)
        };
        of.iter().filter(few).count() as u64
    }
}
