//! Every word that any reader of field names knows, in one automaton: a name without any of them says nothing.

use aho_corasick::{AhoCorasick, BuildError};

use super::context::is_word;
use super::key_words::KeyWords;
use super::matcher::{self, OPAQUE_WORDS};
use super::{part, role};

/// The words of one rule set.
pub(super) struct Vocabulary {
    automaton: AhoCorasick,
    /// So many of them are the rules' and those of parts, which count only where they are words; the others do inside words too.
    of_rules: usize,
}

impl Vocabulary {
    /// `words` are those of the rules, in every spelling; letter case of ASCII does not matter.
    ///
    /// # Errors
    /// When the words are too many for the automaton's state numbers.
    pub(super) fn new<'w>(words: impl Iterator<Item = &'w str>) -> Result<Self, BuildError> {
        let mut all: Vec<&str> = words.collect();
        for word in part::words() {
            all.push(word);
        }
        let of_rules = all.len();
        for word in role::words().chain(OPAQUE_WORDS) {
            all.push(word);
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(all)?;
        Ok(Self { automaton, of_rules })
    }

    /// Whether `name` may say anything; it may yet turn out to say nothing.
    pub(super) fn knows(&self, name: &[u8]) -> bool {
        let letters = || name.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        let is_opaque = || {
            if name.is_ascii() {
                letters() == 1
            } else {
                matcher::is_opaque(&KeyWords::of(name))
            }
        };
        let mut found = self.automaton.find_overlapping_iter(name);
        found.any(|word| word.pattern().as_usize() >= self.of_rules || is_word(name, word.start(), word.end()))
            || is_opaque()
    }
}
