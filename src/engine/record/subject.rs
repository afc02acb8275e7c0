//! From the identifiers of one record to the people behind it (the counting rule, 3).

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::Item;
use crate::engine::detect::{Category, Role};
use crate::engine::secret::Subject;

/// Values remembered per body to tell a footer or a shop from a person; the oldest knowledge is kept when full.
const COMMON_VALUES_MAX: usize = 4096;
/// Values remembered of a record that outgrew the hold-back.
const PIECE_VALUES_MAX: usize = 1024;
/// People of one record up to which the list itself is searched.
const LISTED_PEOPLE_MAX: usize = 16;

/// In the order in which a record's primary identifier is chosen.
const PRECEDENCE: [Category; 5] = [
    Category::NationalId,
    Category::Email,
    Category::Phone,
    Category::Account,
    Category::Address,
];

/// The different strong identifiers of one record: read once, however many items are asked about.
struct Strong {
    /// In order, each once.
    values: SmallVec<[u64; 4]>,
    /// Their sum. The values are keyed hashes, so no sender can find two sets with one sum.
    sum: u64,
}

impl Strong {
    fn of(items: &[Item]) -> Self {
        let strong = items.iter().filter(|item| item.category.is_strong());
        let mut values: SmallVec<[u64; 4]> = strong.map(|item| item.value).collect();
        values.sort_unstable();
        values.dedup();
        let sum = values.iter().fold(0_u64, |sum, value| sum.wrapping_add(*value));
        Self { values, sum }
    }

    /// What stands for all of them but `value`, never 0; `None` if there is no other.
    fn beside(&self, value: u64) -> Option<u64> {
        let is_one = self.values.binary_search(&value).is_ok();
        let others = self.values.len() - usize::from(is_one);
        let sum = if is_one { self.sum.wrapping_sub(value) } else { self.sum };
        (others > 0).then_some(sum.max(1))
    }
}

/// What a body has shown of values that may identify nobody: value to the strong identifiers it first stood beside.
#[derive(Default)]
pub(super) struct Common(HashMap<u64, u64>);

impl Common {
    /// Whether `value` is known to come back beside different people; remembers beside whom it stands now.
    fn is_common(&mut self, value: u64, strong: &Strong) -> bool {
        let Some(beside) = strong.beside(value) else {
            return self.0.get(&value) == Some(&0);
        };
        let room = self.0.len() < COMMON_VALUES_MAX;
        match self.0.get_mut(&value) {
            Some(first) if *first == beside => false,
            Some(first) => {
                *first = 0;
                true
            }
            None => {
                if room {
                    self.0.insert(value, beside);
                }
                false
            }
        }
    }
}

/// The people of one record, each once, in the order in which they were added.
#[derive(Default)]
struct People {
    list: SmallVec<[Subject; 2]>,
    /// The same people, once there are too many to look through.
    set: HashSet<Subject>,
}

impl People {
    fn add(&mut self, person: Subject) {
        let is_new = if self.list.len() < LISTED_PEOPLE_MAX {
            !self.list.contains(&person)
        } else {
            if self.set.is_empty() {
                self.set.extend(self.list.iter().copied());
            }
            self.set.insert(person)
        };
        if is_new {
            self.list.push(person);
        }
    }
}

/// What the earlier pieces of one long record have shown.
#[derive(Default)]
pub(super) struct Pieces {
    values: HashSet<u64>,
    /// (category, object, field) of the last value that added a subject.
    last: Option<(Category, u32, u64)>,
}

/// Whose order `items` are about, by one value of theirs, and whether a recipient stands among them. Beside a recipient
/// who has no role is the buyer; without one it takes the word. Two values of one kind say nothing.
pub(super) fn order(items: &[Item]) -> (Option<Subject>, bool) {
    let strong = || items.iter().filter(|item| item.category.is_strong());
    let is_delivery = strong().any(|item| matches!(item.role, Role::Recipient | Role::Shipping));
    let is_buyer = |item: &&Item| item.role == Role::Buyer || (is_delivery && item.role == Role::None);
    let Some(category) = PRECEDENCE
        .into_iter()
        .find(|category| strong().filter(is_buyer).any(|item| item.category == *category))
    else {
        return (None, is_delivery);
    };
    let mut values = strong()
        .filter(is_buyer)
        .filter(|item| item.category == category)
        .map(|item| item.value);
    let buyer = values.next().filter(|first| values.all(|value| value == *first));
    (buyer.map(Subject), is_delivery)
}

/// The people behind `items`. `has_name`: the record has a name, so that an address may identify. `pieces`: what the same
/// record showed before, if it outgrew the hold-back.
pub(super) fn subjects(
    items: &[Item],
    has_name: bool,
    common: &mut Common,
    pieces: Option<&mut Pieces>,
) -> SmallVec<[Subject; 2]> {
    let has_name = has_name || items.iter().any(|item| item.category == Category::Name);
    let strong = Strong::of(items);
    let mut chosen: SmallVec<[&Item; 4]> = SmallVec::new();
    for category in PRECEDENCE {
        if category == Category::Address && !has_name {
            continue;
        }
        let of_category = items.iter().filter(|item| item.category == category);
        chosen = of_category
            .filter(|item| !(item.role.may_be_common() && common.is_common(item.value, &strong)))
            .collect();
        if !chosen.is_empty() {
            break;
        }
    }
    let mut people = People::default();
    let mut fields: SmallVec<[(Role, u32, u64); 2]> = SmallVec::new();
    match pieces {
        None => {
            for item in chosen {
                // `phone` and `phone2` of one person are one; several values within one field are several people.
                let role = item.role.person();
                match fields.iter().find(|(known, _, _)| *known == role) {
                    Some((_, object, field)) if (*object, *field) != (item.object, item.field) => {}
                    Some(_) => people.add(Subject(item.value)),
                    None => {
                        fields.push((role, item.object, item.field));
                        people.add(Subject(item.value));
                    }
                }
            }
        }
        Some(pieces) => {
            for item in chosen {
                let new = !pieces.values.contains(&item.value);
                let sibling = pieces.last.is_some_and(|(category, object, field)| {
                    category == item.category && object == item.object && field != item.field
                });
                if new && !sibling {
                    pieces.last = Some((item.category, item.object, item.field));
                    people.add(Subject(item.value));
                }
                if pieces.values.len() < PIECE_VALUES_MAX {
                    pieces.values.insert(item.value);
                }
            }
        }
    }
    people.list
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;
    use crate::engine::detect::{ClassId, Span};

    fn mails(values: impl IntoIterator<Item = u64>) -> Vec<Item> {
        let item = |value| Item {
            place: Place {
                span: Span { start: 0, end: 1 },
                class: ClassId(0),
                number: false,
            },
            category: Category::Email,
            value,
            role: Role::None,
            field: 1,
            object: 1,
            is_named: false,
        };
        values.into_iter().map(item).collect()
    }

    fn people(items: &[Item], common: &mut Common) -> Vec<u64> {
        let people = subjects(items, false, common, None);
        people.iter().map(|person| person.0).collect()
    }

    #[test]
    fn every_value_of_a_long_record_is_one_person() {
        let values: Vec<u64> = (1..=8_000).collect();
        let twice = mails(values.iter().chain(&values).copied());
        assert_eq!(people(&twice, &mut Common::default()), values);
    }

    #[test]
    fn what_comes_back_beside_others_is_nobody_in_any_order() {
        let mut common = Common::default();
        for (values, expected) in [
            (vec![7, 100, 200], vec![7, 100, 200]),
            (vec![200, 7, 100, 7], vec![200, 7, 100]),
            (vec![7, 5000], vec![5000]),
            (vec![7], vec![]),
            (vec![5000], vec![5000]),
        ] {
            assert_eq!(people(&mails(values.clone()), &mut common), expected, "{values:?}");
        }
    }
}
