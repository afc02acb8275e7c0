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

/// In the order in which a record's primary identifier is chosen.
const PRECEDENCE: [Category; 5] = [
    Category::NationalId,
    Category::Email,
    Category::Phone,
    Category::Account,
    Category::Address,
];

/// What a body has shown of values that may identify nobody: value to the strong identifiers it first stood beside.
#[derive(Default)]
pub(super) struct Common(HashMap<u64, u64>);

impl Common {
    /// Whether `item` is known to come back beside different people; remembers beside whom it stands now.
    fn is_common(&mut self, item: &Item, items: &[Item]) -> bool {
        let others = items
            .iter()
            .filter(|other| other.category.is_strong() && other.value != item.value);
        let mut others: SmallVec<[u64; 4]> = others.map(|other| other.value).collect();
        others.sort_unstable();
        others.dedup();
        if others.is_empty() {
            return self.0.get(&item.value) == Some(&0);
        }
        let beside = others
            .iter()
            .fold(1_u64, |sum, value| sum.wrapping_mul(31).wrapping_add(*value))
            .max(1);
        let room = self.0.len() < COMMON_VALUES_MAX;
        match self.0.get_mut(&item.value) {
            Some(first) if *first == beside => false,
            Some(first) => {
                *first = 0;
                true
            }
            None => {
                if room {
                    self.0.insert(item.value, beside);
                }
                false
            }
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
    let mut chosen: SmallVec<[&Item; 4]> = SmallVec::new();
    for category in PRECEDENCE {
        if category == Category::Address && !has_name {
            continue;
        }
        let of_category = items.iter().filter(|item| item.category == category);
        chosen = of_category
            .filter(|item| !(item.role.may_be_common() && common.is_common(item, items)))
            .collect();
        if !chosen.is_empty() {
            break;
        }
    }
    let mut people: SmallVec<[Subject; 2]> = SmallVec::new();
    let mut fields: SmallVec<[(Role, u32, u64); 2]> = SmallVec::new();
    let mut add = |item: &Item| {
        if !people.contains(&Subject(item.value)) {
            people.push(Subject(item.value));
        }
    };
    match pieces {
        None => {
            for item in chosen {
                // `phone` and `phone2` of one person are one; several values within one field are several people.
                let role = item.role.person();
                match fields.iter().find(|(known, _, _)| *known == role) {
                    Some((_, object, field)) if (*object, *field) != (item.object, item.field) => {}
                    _ => {
                        fields.push((role, item.object, item.field));
                        add(item);
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
                    add(item);
                }
                if pieces.values.len() < PIECE_VALUES_MAX {
                    pieces.values.insert(item.value);
                }
            }
        }
    }
    people
}
