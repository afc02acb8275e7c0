//! The field names of one body, each understood once.

use std::cell::Cell;
use std::sync::Arc;

use super::vote::Vote;
use crate::engine::byte_set::ByteSet;
use crate::engine::detect::{Key, OrderSigns, RuleSet, is_data};

/// Different field names that are remembered; later ones are understood anew each time. Some 400 bytes each.
const FIELDS_MAX: usize = 256;
/// Places of the table, a power of two: at most half are taken.
const SLOTS: usize = 2 * FIELDS_MAX;
/// Bytes of a field name that are understood.
const NAME_BYTES_MAX: usize = 64;

/// A field name and what it says.
pub(super) struct Field {
    pub(super) key: Arc<Key>,
    /// A number of its own, but for collisions, which only blur map from struct: names are not secret.
    pub(super) hash: u64,
    /// What its cells have shown so far.
    pub(super) vote: Cell<Vote>,
    /// The one that came after it last time, and whether its name stands for itself in every kind of text.
    next: u16,
    is_plain: bool,
}

/// What begins an escape in any kind of text.
const ESCAPES: ByteSet = ByteSet::of(b"\\\"%+&<'\n");

impl Field {
    fn new(rules: &RuleSet, name: &[u8], hash: u64) -> Self {
        Self {
            key: rules.key(name),
            hash,
            vote: Cell::default(),
            next: 0,
            is_plain: !name.iter().any(|byte| ESCAPES.has(*byte)),
        }
    }
}

/// A field of a [`Fields`], or one that found no place there.
#[derive(Default)]
pub(super) enum FieldRef {
    /// No field.
    #[default]
    None,
    /// A name that is data (an identifier, a date): it says nothing. Its hash.
    Data(u64),
    Known(u16),
    Own(Box<Field>),
}

/// The field names of one body.
pub(super) struct Fields {
    known: Vec<Field>,
    /// One more than an index in `known`; 0 is free.
    slots: Vec<u16>,
    /// The last that was found.
    last: u16,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self {
            known: Vec::new(),
            slots: Vec::new(),
            last: 0,
        }
    }

    /// The field whose name is written `name`, if it is the one that came here last time: records of one kind have the same
    /// names in the same order.
    #[inline]
    pub(super) fn expected(&mut self, name: &[u8]) -> Option<FieldRef> {
        let next = self.known.get(usize::from(self.last))?.next;
        let field = self.known.get(usize::from(next))?;
        if !field.is_plain || field.key.name() != name {
            return None;
        }
        self.last = next;
        Some(FieldRef::Known(next))
    }

    /// The field called `name`.
    pub(super) fn find(&mut self, rules: &RuleSet, name: &[u8]) -> FieldRef {
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        let hash = hash(name);
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, 0);
        }
        let slot = self.slot(name, hash);
        let place = self.slots.get(slot).copied().unwrap_or_default();
        if let Some(index) = place.checked_sub(1) {
            return self.came(index);
        }
        if is_data(name) {
            return FieldRef::Data(hash);
        }
        let field = Field::new(rules, name, hash);
        match self.slots.get_mut(slot).filter(|_| self.known.len() < FIELDS_MAX) {
            Some(place) => {
                self.known.push(field);
                *place = self.known.len() as u16;
                let index = *place - 1;
                self.came(index)
            }
            None => FieldRef::Own(Box::new(field)),
        }
    }

    /// A field came, after the last that did.
    fn came(&mut self, index: u16) -> FieldRef {
        if let Some(last) = self.known.get_mut(usize::from(self.last)) {
            last.next = index;
        }
        self.last = index;
        FieldRef::Known(index)
    }

    /// The slot of the field called `name`, or the free one that would be. Half of them are free, so the search ends.
    fn slot(&self, name: &[u8], hash: u64) -> usize {
        let is_called = |field: &Field| field.hash == hash && field.key.name() == name;
        let mut slot = hash as usize % SLOTS;
        while let Some(index) = self.slots.get(slot).and_then(|place| place.checked_sub(1))
            && !self.known.get(usize::from(index)).is_some_and(is_called)
        {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    /// What a field says; nothing if there is none.
    pub(super) fn get<'f>(&'f self, field: &'f FieldRef) -> Option<&'f Field> {
        match field {
            FieldRef::None | FieldRef::Data(_) => None,
            FieldRef::Known(index) => self.known.get(usize::from(*index)),
            FieldRef::Own(field) => Some(field),
        }
    }

    /// The number of a field.
    pub(super) fn hash(&self, field: &FieldRef) -> u64 {
        match field {
            FieldRef::None => 0,
            FieldRef::Data(hash) => *hash,
            FieldRef::Known(_) | FieldRef::Own(_) => self.get(field).map_or(0, |field| field.hash),
        }
    }
}

/// The number of a field that says nothing of its values, and what it says of orders: its name is no data, and what rules
/// know of it is not about values.
pub(super) fn plain(rules: &RuleSet, name: &[u8]) -> Option<(u64, OrderSigns)> {
    // What it says stands behind its escapes.
    let is_escaped = memchr::memchr(b'\\', name).is_some();
    let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
    let orders = (!is_escaped && !is_data(name)).then(|| rules.plain(name))??;
    Some((hash(name), orders))
}

/// A quick hash of a short text, which anybody can collide: its length and its words, folded by multiplications.
pub(super) fn hash(name: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
        (product as u64) ^ (product >> 64) as u64
    };
    let (words, rest) = name.as_chunks::<8>();
    let last = rest
        .iter()
        .fold(name.len() as u64, |word, byte| word << 8 | u64::from(*byte));
    words
        .iter()
        .fold(mix(0, last), |hash, word| mix(hash, u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::detect::Role;

    #[test]
    fn a_name_is_understood_once_and_too_many_are_understood_all_the_same() {
        let rules = RuleSet::builtin();
        let mut fields = Fields::new();
        for round in 0..2 {
            for number in 0..2 * FIELDS_MAX {
                let name = format!("buyer_phone_x{number}");
                let field = fields.find(&rules, name.as_bytes());
                assert_eq!(
                    matches!(field, FieldRef::Known(_)),
                    number < FIELDS_MAX,
                    "round {round}"
                );
                let field = fields.get(&field).expect("a field");
                assert_eq!(
                    (field.key.name(), field.key.role()),
                    (name.as_bytes(), Some(Role::Buyer))
                );
            }
        }
    }

    #[test]
    fn the_field_that_comes_next_is_the_one_that_its_name_finds() {
        let rules = RuleSet::builtin();
        let mut fields = Fields::new();
        let names = [
            "name",
            "phone",
            "e\\u002dmail",
            "phone",
            "name",
            "",
            "order_id",
            "name",
            "phone",
        ];
        let mut expected = 0;
        for name in names.iter().cycle().take(50) {
            let known = fields.expected(name.as_bytes());
            expected += usize::from(known.is_some());
            let field = known.unwrap_or_else(|| fields.find(&rules, name.as_bytes()));
            let field = fields.get(&field).expect("a field");
            assert_eq!(field.key.name(), name.as_bytes());
        }
        assert!((10..40).contains(&expected), "{expected}");
    }

    #[test]
    fn names_of_every_length_have_hashes_of_their_own() {
        let text: Vec<u8> = (0..100).collect();
        let mut hashes: Vec<u64> = (0..100).map(|length| hash(&text[..length])).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 100);
    }

    #[test]
    fn a_name_that_is_data_says_nothing() {
        let mut fields = Fields::new();
        let field = fields.find(&RuleSet::builtin(), b"buyer@mail.example");
        assert!(matches!(field, FieldRef::Data(_)) && fields.get(&field).is_none());
        assert_ne!(fields.hash(&field), 0);
    }
}
