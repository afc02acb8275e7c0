//! A field name, column header or label: the word that says what a value is, understood once for all values under it.

use super::context::Signs;
use super::key_words::KeyWords;
use super::matcher::{self, Builtin, Keyed, NameKey};
use super::{RuleId, RuleSet};

/// A field name and what its words say about the values under it.
pub struct Key {
    name: Vec<u8>,
    signs: Signs,
    /// What it says that its whole cells are, by the rules that think so.
    keyed: Vec<(RuleId, Keyed)>,
    wakes: bool,
}

impl Key {
    /// That of a value which has none.
    pub const NONE: &'static Self = &Self {
        name: Vec::new(),
        signs: Signs::NONE,
        keyed: Vec::new(),
        wakes: false,
    };

    /// The name as it was written.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether every value under it is worth a search, whatever is in it: the name has a context word of a rule that
    /// searches, or says what its whole cells are.
    pub const fn wakes(&self) -> bool {
        self.wakes
    }

    /// Whether what stands under it is a person's name, or a part of one.
    pub fn names_person(&self) -> bool {
        self.keyed
            .iter()
            .any(|(_, keyed)| matches!(keyed, Keyed::Name(NameKey::Full | NameKey::Part)))
    }

    pub(super) fn signs(&self) -> &Signs {
        &self.signs
    }

    pub(super) fn keyed(&self) -> &[(RuleId, Keyed)] {
        &self.keyed
    }
}

impl RuleSet {
    /// Understands a field name.
    pub fn key(&self, name: &[u8]) -> Key {
        let signs = self.words.signs(name);
        let words = KeyWords::of(name);
        let opaque = matcher::is_opaque(&words);
        let speaks = |builtin: Builtin, rule: RuleId| {
            (signs.speak_for(rule) && !signs.veto(rule)) || (opaque && builtin == Builtin::PersonName)
        };
        let keyed: Vec<_> = self
            .keyed_rules()
            .filter(|(builtin, rule)| speaks(*builtin, *rule))
            .filter_map(|(builtin, rule)| Some((rule, Keyed::of(builtin, &words)?)))
            .collect();
        let searches = || self.searching_rules().any(|rule| signs.speak_for(rule));
        Key {
            name: name.to_vec(),
            wakes: self.has_expressions() || !keyed.is_empty() || (signs.speaks() && searches()),
            signs,
            keyed,
        }
    }

    /// Whether there are expressions of the operator, which may find something anywhere.
    pub const fn has_expressions(&self) -> bool {
        self.lane.is_some()
    }
}
