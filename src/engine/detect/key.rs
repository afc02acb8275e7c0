//! A field name, column header or label: the word that says what a value is, understood once for all values under it.

use super::RuleSet;
use super::context::Signs;

/// A field name and what its words say about the values under it.
pub struct Key {
    name: Vec<u8>,
    signs: Signs,
    wakes: bool,
}

impl Key {
    /// That of a value which has none.
    pub const NONE: &'static Self = &Self {
        name: Vec::new(),
        signs: Signs::NONE,
        wakes: false,
    };

    /// The name as it was written.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether every value under it is worth a search, whatever is in it: a context word of some rule is in the name.
    pub const fn wakes(&self) -> bool {
        self.wakes
    }

    /// Whether it is a word for some kind of value: `phone`, `email`.
    pub fn is_known(&self) -> bool {
        self.signs.speaks()
    }

    pub(super) fn signs(&self) -> &Signs {
        &self.signs
    }
}

impl RuleSet {
    /// Understands a field name.
    pub fn key(&self, name: &[u8]) -> Key {
        let signs = self.words.signs(name);
        Key {
            name: name.to_vec(),
            wakes: self.has_expressions() || signs.speaks(),
            signs,
        }
    }

    /// Whether there are expressions of the operator, which may find something anywhere.
    pub const fn has_expressions(&self) -> bool {
        self.lane.is_some()
    }
}
