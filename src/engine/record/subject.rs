//! From the identifiers of one record to the people behind it (the counting rule, 3).

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::{Item, Named};
use crate::engine::detect::{Category, Context, Key, Role, RuleSet};
use crate::engine::secret::{HashKey, Subject};

/// Values remembered per body to tell a footer or a shop from a person; the oldest knowledge is kept when full.
const COMMON_VALUES_MAX: usize = 4096;
/// Values remembered of a record that outgrew the hold-back.
const PIECE_VALUES_MAX: usize = 1024;
/// People of one record up to which the list itself is searched.
const LISTED_PEOPLE_MAX: usize = 16;

/// Values of one class that one person has in a record (`phone`, `phone2`, `phone3`): each further one is someone else, or an
/// object whose keys are people would be one.
const SIBLINGS_MAX: usize = 3;

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
        let mut values: SmallVec<[u64; 4]> = strong.map(|item| item.place.value).collect();
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
    /// Whether `value` comes back beside different people; remembers beside whom it stands now. `None` if too much was seen
    /// to know.
    fn is_common(&mut self, value: u64, strong: &Strong) -> Option<bool> {
        let Some(beside) = strong.beside(value) else {
            return Some(self.0.get(&value) == Some(&0));
        };
        let room = self.0.len() < COMMON_VALUES_MAX;
        match self.0.get_mut(&value) {
            Some(first) if *first == beside => Some(false),
            Some(first) => {
                *first = 0;
                Some(true)
            }
            None if room => {
                self.0.insert(value, beside);
                Some(false)
            }
            None => None,
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
    /// Values of its siblings that added none since.
    siblings: usize,
}

/// Who is known by this value, in its normal form.
pub(super) fn of_value(secret: &HashKey, category: Category, normal: &[u8]) -> Subject {
    hashed(secret.people(), category, normal)
}

/// The same under the key that is to take the place of the other, or had it; 0 without one.
pub(super) fn beside_value(secret: &HashKey, category: Category, normal: &[u8]) -> u64 {
    secret.beside().map_or(0, |beside| hashed(beside, category, normal).0)
}

fn hashed(key: &HashKey, category: Category, normal: &[u8]) -> Subject {
    Subject(key.hash64("tidegate subject 1", &[&[category as u8], normal]))
}

/// Everybody who may be known by `text`, the value of a field with this name: one for each identifier in it that can be a
/// record's primary one, under each key that people are hashed with.
pub fn subjects_of(text: &[u8], name: &Key, rules: &RuleSet, secret: &HashKey) -> SmallVec<[Subject; 2]> {
    let context = Context {
        key: name,
        ..Context::default()
    };
    let mut found = Vec::new();
    rules.scan(text, 0..text.len(), context, &mut found);
    let identifying = found.iter().filter(|finding| PRECEDENCE.contains(&finding.category));
    let keys = || std::iter::once(secret.people()).chain(secret.beside());
    identifying
        .flat_map(|finding| keys().map(|key| hashed(key, finding.category, finding.normal.as_bytes())))
        .collect()
}

/// Whose order `items` are about, by one value of theirs, and as what they name whom they show. Beside a recipient who has no role is
/// the buyer; without one it takes the word. Two values of one kind say nothing.
pub(super) fn order(items: &[Item]) -> (Option<Subject>, Named) {
    let strong = || items.iter().filter(|item| item.category.is_strong());
    let is_delivery = strong().any(|item| matches!(item.role, Role::Recipient | Role::Shipping));
    let has_name = items.iter().any(|item| item.category == Category::Name);
    let is_shops = !has_name && strong().next().is_some() && strong().all(|item| item.is_shops);
    let named = match (is_delivery, is_shops) {
        (true, _) => Named::Recipient,
        (false, true) => Named::Shop,
        (false, false) => Named::Alone,
    };
    if !is_delivery && !strong().any(|item| item.role == Role::Buyer) {
        return (None, named);
    }
    let is_buyer = |item: &&Item| item.role == Role::Buyer || (is_delivery && item.role == Role::None);
    let Some(category) = PRECEDENCE
        .into_iter()
        .find(|category| strong().filter(is_buyer).any(|item| item.category == *category))
    else {
        return (None, named);
    };
    let mut values = strong()
        .filter(is_buyer)
        .filter(|item| item.category == category)
        .map(|item| item.place.value);
    let buyer = values.next().filter(|first| values.all(|value| value == *first));
    (buyer.map(Subject), named)
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
    // A recipient is someone else, whatever identifies the others.
    let mut chosen = choose(items, has_name, common, &strong, |role| role != Role::Recipient);
    if items.iter().any(|item| item.role == Role::Recipient) {
        let recipients = choose(items, has_name, common, &strong, |role| role == Role::Recipient);
        join_recipients(items, &mut chosen, recipients);
    }
    join_namesakes(items, &mut chosen);
    let others = others(items, &chosen, common);
    let (mut people, others) = match pieces {
        None => (of_record(&chosen), others),
        Some(pieces) => (of_piece(&chosen, pieces), new_to(pieces, others)),
    };
    people.extend(others.into_iter().map(Subject));
    people
}

/// Adds the recipients to those who were `chosen` beside them. An address alone is no second person: without a role it is the
/// recipient's, and a recipient's that of whoever has it sent, unless there are names of both. So is an account, where nobody but
/// recipients has a name.
fn join_recipients<'i>(items: &[Item], chosen: &mut SmallVec<[&'i Item; 4]>, recipients: SmallVec<[&'i Item; 4]>) {
    let mut all_names = items.iter().filter(|item| item.category == Category::Name).peekable();
    let are_recipients = all_names.peek().is_some() && all_names.all(|item| item.role == Role::Recipient);
    let is_weak =
        |item: &&Item| item.category == Category::Address || item.category == Category::Account && are_recipients;
    let are_addresses = |chosen: &[&Item]| chosen.iter().all(is_weak);
    let is_nobody = |item: &&Item| item.role.person() == Role::None;
    let has_no_role = chosen.iter().all(is_nobody);
    let mut names = items.iter().filter(|item| item.category == Category::Name);
    let has_own_name = names.clone().any(|item| item.role == Role::Recipient)
        && (!has_no_role || names.any(|item| item.role != Role::Recipient));
    if is_one(chosen) && are_addresses(chosen) && has_no_role && !are_addresses(&recipients) {
        *chosen = recipients;
    } else if chosen.is_empty() || recipients.len() > 1 || !are_addresses(&recipients) || has_own_name {
        chosen.extend(recipients);
    }
}

/// Who orders for themselves is one person: where all names of a record are the same, whoever is `chosen` under one more of their roles
/// as one person is the first.
fn join_namesakes(items: &[Item], chosen: &mut SmallVec<[&Item; 4]>) {
    let names = || items.iter().filter(|item| item.category == Category::Name);
    let mut values = names().map(|name| name.place.value);
    let one = values.next();
    let is_namesake = values.all(|value| Some(value) == one);
    let Some(first) = chosen.first().map(|item| item.role.person()).filter(|_| is_namesake) else {
        return;
    };
    let has_name = |role: Role| names().any(|name| name.role.person() == role);
    let all = chosen.clone();
    let of = |role: Role| -> SmallVec<[&Item; 4]> {
        let all = all.iter().copied();
        all.filter(|item| item.role.person() == role).collect()
    };
    let is_known = |role: Role| has_name(role) && is_one(&of(role));
    if is_known(first) {
        chosen.retain(|item| item.role.person() == first || !is_known(item.role.person()));
    }
}

/// Whether `items` are what one object says of one person: `phone` and `phone2`, up to [`SIBLINGS_MAX`].
fn is_one(items: &[&Item]) -> bool {
    let is_sibling = |(at, item): (usize, &&Item)| {
        let mut before = items.iter().take(at);
        before.all(|known| {
            let is_same = known.place.value == item.place.value;
            is_same || known.object == item.object && known.field != item.field
        })
    };
    items.len() <= SIBLINGS_MAX && items.iter().enumerate().all(is_sibling)
}

/// Values of the strong classes that were not chosen, without the first [`SIBLINGS_MAX`] of each: one person has no more, and
/// whoever stands beside an e-mail address of theirs would else hide any number of phones.
fn others(items: &[Item], chosen: &[&Item], common: &Common) -> Vec<u64> {
    let mut all = Vec::new();
    for category in PRECEDENCE.into_iter().filter(|category| category.is_strong()) {
        let of_category = || items.iter().filter(|item| item.category == category);
        if of_category().count() <= SIBLINGS_MAX || chosen.iter().any(|item| item.category == category) {
            continue;
        }
        let mut seen = HashSet::new();
        let mut values = of_category().map(|item| item.place.value);
        let others = values
            .by_ref()
            .filter(|value| common.0.get(value) != Some(&0) && seen.insert(*value));
        all.extend(others.skip(SIBLINGS_MAX));
    }
    all
}

/// Those that no earlier piece has shown.
fn new_to(pieces: &mut Pieces, values: Vec<u64>) -> Vec<u64> {
    let mut is_new = |value: &u64| {
        let is_known = pieces.values.contains(value);
        if pieces.values.len() < PIECE_VALUES_MAX {
            pieces.values.insert(*value);
        }
        !is_known
    };
    values.into_iter().filter(|value| is_new(value)).collect()
}

/// The identifiers that tell who stands under the roles that are `meant`: those of the first class in the precedence that
/// has one which is nobody's in common.
fn choose<'i>(
    items: &'i [Item],
    has_name: bool,
    common: &mut Common,
    strong: &Strong,
    meant: fn(Role) -> bool,
) -> SmallVec<[&'i Item; 4]> {
    let mut unknown = SmallVec::new();
    for category in PRECEDENCE {
        if category == Category::Address && !has_name {
            continue;
        }
        let of_category = items
            .iter()
            .filter(|item| item.category == category && meant(item.role));
        let (mut own, mut sure) = (SmallVec::<[&Item; 4]>::new(), false);
        for item in of_category {
            let may_be = item.role.may_be_common();
            let is_common = if may_be {
                common.is_common(item.place.value, strong)
            } else {
                Some(false)
            };
            sure |= is_common == Some(false);
            if is_common != Some(true) {
                own.push(item);
            }
        }
        if sure {
            return own;
        }
        if !own.is_empty() && (category.is_strong() || unknown.is_empty()) {
            unknown = own;
        }
    }
    // Too much was seen to know whether they are common: the last strong ones in the precedence are so least often.
    unknown
}

/// The people of a whole record. `phone` and `phone2` of one object are one, up to [`SIBLINGS_MAX`]; values within one field
/// and values of two objects are several people, or a sender who names the objects could show three for one.
fn of_record(chosen: &[&Item]) -> SmallVec<[Subject; 2]> {
    struct Seen {
        role: Role,
        place: (u32, u64),
        siblings: SmallVec<[u64; SIBLINGS_MAX]>,
    }
    let mut people = People::default();
    let mut roles: SmallVec<[Seen; 2]> = SmallVec::new();
    for item in chosen {
        let (role, place) = (item.role.person(), (item.object, item.field));
        let Some(seen) = roles.iter_mut().find(|seen| seen.role == role) else {
            let siblings = SmallVec::from_slice(&[item.place.value]);
            roles.push(Seen { role, place, siblings });
            people.add(Subject(item.place.value));
            continue;
        };
        if place.0 != seen.place.0 || place.1 == seen.place.1 {
            people.add(Subject(item.place.value));
        } else if seen.siblings.contains(&item.place.value) {
            // Shown once more.
        } else if seen.siblings.len() < SIBLINGS_MAX {
            seen.siblings.push(item.place.value);
        } else {
            people.add(Subject(item.place.value));
        }
    }
    people.list
}

/// The people whom a piece of a record that outgrew the hold-back adds to those of the pieces before it.
fn of_piece(chosen: &[&Item], pieces: &mut Pieces) -> SmallVec<[Subject; 2]> {
    let mut people = People::default();
    for item in chosen {
        let is_new = !pieces.values.contains(&item.place.value);
        let is_sibling = pieces.last.is_some_and(|(category, object, field)| {
            category == item.category && object == item.object && field != item.field
        });
        if is_new && is_sibling && pieces.siblings + 1 < SIBLINGS_MAX {
            pieces.siblings += 1;
        } else if is_new {
            pieces.last = Some((item.category, item.object, item.field));
            pieces.siblings = 0;
            people.add(Subject(item.place.value));
        }
        if pieces.values.len() < PIECE_VALUES_MAX {
            pieces.values.insert(item.place.value);
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
                value,
            },
            category: Category::Email,
            beside: 0,
            role: Role::None,
            field: 1,
            object: 1,
            is_named: false,
            is_shops: false,
            is_elsewhere: false,
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
