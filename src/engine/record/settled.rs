//! Records that are settled: their places in order, and the values that somebody counts.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::subject;
use super::{Details, Item, Place, Record};
use crate::engine::detect::Category;
use crate::engine::ledger::Ask;
use crate::engine::secret::Subject;

/// Records that are settled and not yet taken.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) records: Vec<Record>,
    pub(super) details: Details,
}

impl Settled {
    pub(super) fn push(&mut self, start: u64, end: u64, items: &[Item], subjects: SmallVec<[Subject; 2]>) {
        // A name says something only about what stands beside it.
        if items.iter().all(|item| item.category == Category::Name) {
            return;
        }
        let mut places: SmallVec<[Place; 4]> = items.iter().map(|item| item.place).collect();
        if !places.is_sorted_by_key(|place| place.span) {
            places.sort_by_key(|place| place.span);
        }
        let (buyer, named) = subject::order(items);
        let counted = || {
            items
                .iter()
                .filter(|item| self.details.values.contains(item.place.class))
        };
        let beside = items.iter().any(|item| item.beside != 0);
        self.records.push(Record {
            start,
            end,
            places,
            values: counted().map(|item| (item.place.class, item.place.value)).collect(),
            beside: beside.then(|| {
                let values = counted().map(|item| (item.place.class.0, item.beside));
                Box::new(beside_of(items, &subjects, values.collect()))
            }),
            subjects,
            buyer,
            named,
            is_elsewhere: items.iter().any(|item| item.is_elsewhere),
            is_rough: false,
        });
    }
}

/// The people of a record, who are known by values of its `items`, under the other key; each at the same place.
fn beside_of(items: &[Item], subjects: &[Subject], values: Vec<(u8, u64)>) -> Ask {
    // Of two with one value the first counts.
    let known: HashMap<u64, u64> = items.iter().rev().map(|item| (item.place.value, item.beside)).collect();
    debug_assert!(
        subjects.iter().all(|person| known.contains_key(&person.0)),
        "a value is who is known by it"
    );
    let people = subjects
        .iter()
        .map(|person| Subject(known.get(&person.0).copied().unwrap_or(person.0)));
    Ask {
        values,
        ..people.collect()
    }
}
