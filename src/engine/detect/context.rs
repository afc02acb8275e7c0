//! Words around a value that tell what it is: in the key of its cell, or in the text before it.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, BuildError};

use super::RuleId;
use super::bytes::{at, before};

/// How far before a value a context word may begin, in bytes; less than the 64 that a segment shows before `within`.
pub(super) const LOOK_BACK_BYTES_MAX: usize = 48;
/// A bit for each rule.
const SIGN_WORDS: usize = super::set::RULES_MAX / 64;

/// A set of rules.
#[derive(Clone, Copy)]
struct Rules([u64; SIGN_WORDS]);

impl Rules {
    const NONE: Self = Self([0; SIGN_WORDS]);

    fn insert(&mut self, rule: RuleId) {
        if let Some(word) = self.0.get_mut(usize::from(rule.0) / 64) {
            *word |= 1 << (rule.0 % 64);
        }
    }

    fn contains(&self, rule: RuleId) -> bool {
        self.0
            .get(usize::from(rule.0) / 64)
            .is_some_and(|word| word >> (rule.0 % 64) & 1 == 1)
    }
}

/// What the words of one text say.
#[derive(Clone, Copy)]
pub(super) struct Signs {
    context: Rules,
    veto: Rules,
}

impl Signs {
    /// Those of no text.
    pub(super) const NONE: Self = Self {
        context: Rules::NONE,
        veto: Rules::NONE,
    };

    /// Whether a context word of any rule is there.
    pub(super) fn speaks(&self) -> bool {
        self.context.0.iter().any(|word| *word != 0)
    }

    /// Whether a context word of `rule` is there.
    pub(super) fn speak_for(&self, rule: RuleId) -> bool {
        self.context.contains(rule)
    }

    /// Whether a veto word of `rule` is there.
    pub(super) fn veto(&self, rule: RuleId) -> bool {
        self.veto.contains(rule)
    }

    /// Whether a veto word of `rule` is there, and no context word.
    pub(super) fn speak_against(&self, rule: RuleId) -> bool {
        self.veto.contains(rule) && !self.context.contains(rule)
    }
}

/// The words of all rules, as one automaton.
pub(super) struct Words {
    automaton: AhoCorasick,
    meanings: Vec<Vec<(RuleId, Meaning)>>,
}

/// What a word says about a rule's values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is one.
    Context,
    /// It is something else.
    Veto,
}

impl Words {
    /// Builds the automaton; letter case of ASCII does not matter.
    ///
    /// # Errors
    /// When the words are too many for the automaton's state numbers.
    pub(super) fn new<'a>(words: impl Iterator<Item = (&'a str, RuleId, Meaning)>) -> Result<Self, BuildError> {
        let mut index = HashMap::new();
        let (mut patterns, mut meanings) = (Vec::new(), Vec::<Vec<_>>::new());
        for (word, rule, meaning) in words {
            let word = word.to_ascii_lowercase();
            let number = *index.entry(word.clone()).or_insert_with(|| {
                patterns.push(word);
                meanings.push(Vec::new());
                meanings.len() - 1
            });
            if let Some(meanings) = meanings.get_mut(number) {
                meanings.push((rule, meaning));
            }
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&patterns)?;
        Ok(Self { automaton, meanings })
    }

    /// What the words in `text` say.
    pub(super) fn signs(&self, text: &[u8]) -> Signs {
        let mut signs = Signs::NONE;
        for found in self.automaton.find_overlapping_iter(text) {
            if !is_word(text, found.start(), found.end()) {
                continue;
            }
            for (rule, meaning) in self.meanings.get(found.pattern().as_usize()).into_iter().flatten() {
                match meaning {
                    Meaning::Context => signs.context.insert(*rule),
                    Meaning::Veto => signs.veto.insert(*rule),
                }
            }
        }
        signs
    }
}

/// Whether `text[start..end]` is a word of its own: `tel` in `custTel` and `tel_no`, not in `hotel`. A long word may be
/// joined on one side (`useremail`, `phonenumber`); one that is not ASCII may stand anywhere, as Korean compounds do.
fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    const LONG: usize = 5;
    let (first, last) = (at(text, start), before(text, end));
    if !first.is_ascii() {
        return true;
    }
    let (previous, next) = (before(text, start), at(text, end));
    let starts = !previous.is_ascii_alphabetic() || (previous.is_ascii_lowercase() && first.is_ascii_uppercase());
    let plural = next == b's' && !at(text, end + 1).is_ascii_alphabetic();
    let ends = plural || !next.is_ascii_alphabetic() || (last.is_ascii_lowercase() && next.is_ascii_uppercase());
    (starts && ends) || (end - start >= LONG && (starts || ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_by_themselves_in_keys_of_every_style() {
        let list = [("tel", 0), ("phone", 0), ("전화", 0), ("card", 1)];
        let words = Words::new(
            list.into_iter()
                .map(|(word, rule)| (word, RuleId(rule), Meaning::Context)),
        );
        let words = words.expect("few words");
        let rows = [
            ("tel", 0, true),
            ("custTel", 0, true),
            ("TEL_NO", 0, true),
            ("hotel", 0, false),
            ("telemetry", 0, false),
            ("phones", 0, true),
            ("phonenumber", 0, true),
            ("mobilephone", 0, true),
            ("집전화번호", 0, true),
            ("discarded", 1, false),
            ("cards", 1, true),
            ("tel", 1, false),
        ];
        for (key, rule, expected) in rows {
            assert_eq!(
                words.signs(key.as_bytes()).speak_for(RuleId(rule)),
                expected,
                "{key} {rule}"
            );
        }
    }

    #[test]
    fn a_context_word_outweighs_a_veto() {
        let rule = RuleId(511);
        let list = [("card", Meaning::Context), ("order", Meaning::Veto)];
        let words = Words::new(list.into_iter().map(|(word, meaning)| (word, rule, meaning))).expect("few words");
        for (key, expected) in [("order_no", true), ("order_card", false), ("other", false)] {
            assert_eq!(words.signs(key.as_bytes()).speak_against(rule), expected, "{key}");
        }
    }
}
