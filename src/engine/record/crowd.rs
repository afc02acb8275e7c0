//! Whether a body shows a crowd: many people who have no buyer in common. One buyer's own order history is none, however
//! many recipients are in it, and a list of shops names nobody.

use hashbrown::HashMap;

use super::{Named, Record};
use crate::engine::secret::Subject;

/// So many different people in one body, without one common buyer, are bulk.
pub const BULK_PEOPLE: usize = 10;

/// People of one body that are told apart; later ones are not counted. 24 bytes each.
const PEOPLE_MAX: usize = 1 << 20;

/// The people of one body, and for whose orders each of them was named.
#[derive(Default)]
pub struct Crowd {
    people: HashMap<Subject, Known>,
    /// The only buyer of the body so far.
    buyer: Option<Subject>,
    /// Whether there are several.
    is_shop: bool,
}

/// As what a person was named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// For themselves, or for the orders of several.
    Alone,
    /// Only as the recipient of an order; of whom, if that was said.
    Recipient(Option<Subject>),
}

impl Crowd {
    /// Adds what one record shows.
    pub fn add(&mut self, record: &Record) {
        if let Some(buyer) = record.buyer {
            self.is_shop |= self.buyer.is_some_and(|known| known != buyer);
            self.buyer.get_or_insert(buyer);
        }
        let named = match record.named {
            Named::Shop => return,
            Named::Recipient => Known::Recipient(record.buyer),
            Named::Alone => Known::Alone,
        };
        for person in &record.subjects {
            let has_room = self.people.len() < PEOPLE_MAX;
            match self.people.get_mut(person) {
                Some(known) if *known == named => {}
                Some(known) => *known = Known::Alone,
                None if has_room => {
                    self.people.insert(*person, named);
                }
                None => {}
            }
        }
    }

    /// How many different people there are.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// How many there are if all whom one buyer has sent something to count as that buyer: who has the most of them. `is_own`: the body
    /// says that the orders are those of who is asking.
    pub fn without_common_buyer(&self, is_own: bool) -> usize {
        let asking = Subject(0);
        let mut sent: HashMap<Subject, usize> = HashMap::new();
        for named in self.people.values() {
            let buyer = match named {
                Known::Alone => None,
                Known::Recipient(None) if self.is_shop => None,
                // Who is named nowhere near is the body's only buyer, if there is one.
                Known::Recipient(None) => self.buyer.or_else(|| is_own.then_some(asking)),
                Known::Recipient(buyer) => *buyer,
            };
            if let Some(buyer) = buyer {
                *sent.entry(buyer).or_default() += 1;
            }
        }
        let most = sent.values().max().copied().unwrap_or_default();
        self.people.len() - most.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;

    fn record(people: &[u64], buyer: Option<u64>, is_delivery: bool) -> Record {
        Record {
            start: 0,
            end: 1,
            subjects: people.iter().copied().map(Subject).collect(),
            places: SmallVec::new(),
            values: Vec::new(),
            beside: None,
            buyer: buyer.map(Subject),
            named: if is_delivery { Named::Recipient } else { Named::Alone },
            is_elsewhere: false,
            is_rough: false,
        }
    }

    fn counts(records: impl Iterator<Item = Record>) -> (usize, usize) {
        let mut crowd = Crowd::default();
        records.for_each(|record| crowd.add(&record));
        (crowd.people(), crowd.without_common_buyer(false))
    }

    #[test]
    fn one_buyer_with_many_recipients_is_no_crowd() {
        let own = (10..30).map(|n| record(&[1, n], Some(1), true));
        assert_eq!(counts(own), (21, 1));
        let nested = (10..30).map(|n| record(&[n], None, true));
        assert_eq!(counts(nested.chain([record(&[1], Some(1), false)])), (21, 2));
    }

    #[test]
    fn who_asks_for_their_own_orders_is_no_crowd() {
        let mut crowd = Crowd::default();
        let gifts = (10..30).map(|n| record(&[n], None, true));
        gifts.for_each(|record| crowd.add(&record));
        assert_eq!(
            (crowd.without_common_buyer(false), crowd.without_common_buyer(true)),
            (20, 1)
        );
        crowd.add(&record(&[1], Some(1), false));
        crowd.add(&record(&[2], Some(2), false));
        assert_eq!(crowd.without_common_buyer(true), 22, "a shop's orders are of many");
    }

    #[test]
    fn shops_are_no_crowd() {
        let shops = (10..30).map(|n| Record {
            named: Named::Shop,
            ..record(&[n], None, false)
        });
        assert_eq!(counts(shops), (0, 0));
    }

    #[test]
    fn many_buyers_or_none_are_a_crowd() {
        let shop = (10..30).map(|n| record(&[n, n + 100], Some(n), true));
        assert_eq!(counts(shop), (40, 39));
        let list = (10..30).map(|n| record(&[n], None, false));
        assert_eq!(counts(list), (20, 20));
        let parcels = (10..30).map(|n| record(&[n], None, true));
        assert_eq!(counts(parcels), (20, 20));
    }
}
