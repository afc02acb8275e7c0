//! Words around a value that tell what it is: in the key of its cell, or in the text before it.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, BuildError, Match};
use smallvec::SmallVec;

use super::RuleId;
use super::bytes::{at, before};
use super::vocabulary::Vocabulary;

/// How far before a value a context word may begin, in bytes; less than the 64 that a segment shows before `within`.
pub(super) const LOOK_BACK_BYTES_MAX: usize = 48;
/// How far beyond a value the words are looked for at once, where values stand close to one another.
const LOOK_AHEAD_BYTES: usize = 256;
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

    fn remove(&mut self, rule: RuleId) {
        if let Some(word) = self.0.get_mut(usize::from(rule.0) / 64) {
            *word &= !(1 << (rule.0 % 64));
        }
    }

    fn contains(&self, rule: RuleId) -> bool {
        self.0
            .get(usize::from(rule.0) / 64)
            .is_some_and(|word| word >> (rule.0 % 64) & 1 == 1)
    }
}

/// What the words of one text say. The last word decides, as the head of a compound stands last: `order_phone` is a
/// phone, `phone_verified_at` is a time.
#[derive(Clone, Copy)]
pub(super) struct Signs {
    context: Rules,
    veto: Rules,
    /// The rules of which any veto word is there, the last or not.
    doubt: Rules,
}

impl Signs {
    /// Those of no text.
    pub(super) const NONE: Self = Self {
        context: Rules::NONE,
        veto: Rules::NONE,
        doubt: Rules::NONE,
    };

    /// Whether no word of any rule is there.
    #[cfg(test)]
    pub(super) fn are_none(&self) -> bool {
        let sets = [&self.context, &self.veto, &self.doubt];
        sets.iter().all(|set| set.0.iter().all(|word| *word == 0))
    }

    /// Whether a context word of any rule is there.
    pub(super) fn speaks(&self) -> bool {
        self.context.0.iter().any(|word| *word != 0)
    }

    /// Whether the last word on `rule` speaks for its values.
    pub(super) fn speak_for(&self, rule: RuleId) -> bool {
        self.context.contains(rule)
    }

    /// Whether the last word on `rule` speaks against them.
    pub(super) fn speak_against(&self, rule: RuleId) -> bool {
        self.veto.contains(rule)
    }

    /// Whether a veto word of `rule` is anywhere: a product's name is a name, and no person's.
    pub(super) fn doubt(&self, rule: RuleId) -> bool {
        self.doubt.contains(rule)
    }

    fn hear(&mut self, rule: RuleId, meaning: Meaning) {
        let (gains, loses) = match meaning {
            Meaning::Context => (&mut self.context, &mut self.veto),
            Meaning::Veto => {
                self.doubt.insert(rule);
                (&mut self.veto, &mut self.context)
            }
        };
        gains.insert(rule);
        loses.remove(rule);
    }
}

/// The words of all rules, as one automaton.
pub(super) struct Words {
    automaton: AhoCorasick,
    vocabulary: Vocabulary,
    meanings: Vec<Vec<(RuleId, Meaning)>>,
    /// Bytes of the longest word.
    word_bytes_max: usize,
}

/// The words of one text, looked for once where several values ask for those before them.
#[derive(Default)]
pub(super) struct Heard {
    /// Where in the text all words were found, and they, by their ends.
    seen: Range<usize>,
    found: SmallVec<[Match; 8]>,
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
        let spelled = words.flat_map(|(word, rule, meaning)| {
            let spellings = spellings(&word.to_ascii_lowercase()).collect::<Vec<_>>();
            spellings.into_iter().map(move |spelling| (spelling, (rule, meaning)))
        });
        for (spelling, meaning) in spelled {
            let number = *index.entry(spelling.clone()).or_insert(patterns.len());
            if number == patterns.len() {
                patterns.push(spelling);
                meanings.push(Vec::new());
            }
            if let Some(meanings) = meanings.get_mut(number) {
                meanings.push(meaning);
            }
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&patterns)?;
        let vocabulary = Vocabulary::new(patterns.iter().map(String::as_str))?;
        Ok(Self {
            automaton,
            vocabulary,
            meanings,
            word_bytes_max: patterns.iter().map(String::len).max().unwrap_or_default(),
        })
    }

    /// Every word that any reader of names knows.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// What the words in `text` say.
    pub(super) fn signs(&self, text: &[u8]) -> Signs {
        self.said(text, self.automaton.find_overlapping_iter(text))
    }

    /// What the words in `text[place]` say, of a text whose values ask one after the other.
    pub(super) fn signs_in(&self, text: &[u8], place: Range<usize>, heard: &mut Heard) -> Signs {
        // Only where values stand close to one another it is worth while to look beyond this one.
        let ahead = if heard.seen.contains(&place.start) {
            LOOK_AHEAD_BYTES
        } else {
            *heard = Heard::default();
            heard.seen = place.start..place.start;
            0
        };
        let known = heard.seen.end;
        if known < place.end {
            // What is not seen yet, and of what is seen the beginnings of words.
            let begin = known.saturating_sub(self.word_bytes_max).max(heard.seen.start);
            let end = place.end.saturating_add(ahead).min(text.len());
            heard.found.retain(|found| found.start() >= place.start);
            let unseen = self
                .automaton
                .find_overlapping_iter(text.get(begin..end).unwrap_or_default());
            let unseen = unseen
                .map(|found| Match::new(found.pattern(), begin + found.start()..begin + found.end()))
                .filter(|found| found.end() > known);
            heard.found.extend(unseen);
            heard.seen = place.start..end;
        }
        let within = heard
            .found
            .iter()
            .filter(|found| found.start() >= place.start && found.end() <= place.end);
        let within =
            within.map(|found| Match::new(found.pattern(), found.start() - place.start..found.end() - place.start));
        self.said(text.get(place.clone()).unwrap_or_default(), within)
    }

    /// What the words say that were found in `text`, by their ends and of one end the longest first.
    fn said(&self, text: &[u8], words: impl Iterator<Item = Match>) -> Signs {
        let mut signs = Signs::NONE;
        // Of the words that end at one place the automaton tells the longest first, and it decides: in `smartphone`
        // there is no phone.
        let (mut end, mut heard) = (0, Rules::NONE);
        for found in words {
            if !is_word(text, found.start(), found.end()) {
                continue;
            }
            if found.end() != end {
                (end, heard) = (found.end(), Rules::NONE);
            }
            let meanings = self.meanings.get(found.pattern().as_usize()).into_iter().flatten();
            for (rule, meaning) in meanings.filter(|(rule, _)| !heard.contains(*rule)) {
                signs.hear(*rule, *meaning);
            }
            for (rule, _) in self.meanings.get(found.pattern().as_usize()).into_iter().flatten() {
                heard.insert(*rule);
            }
        }
        signs
    }
}

/// How a word of several parts is spelled in keys: `tax id`, `tax_id`, `tax-id`, `tax.id`, `taxId`.
fn spellings(word: &str) -> impl Iterator<Item = String> {
    let joints: &[&str] = if word.contains(' ') {
        &[" ", "_", "-", ".", ""]
    } else {
        &[" "]
    };
    joints.iter().map(move |joint| word.replace(' ', joint))
}

/// Whether `text[start..end]` is a word of its own: `tel` in `custTel` and `tel_no`, not in `hotel`. A long word may be
/// joined on one side (`useremail`, `phonenumber`); one that is not ASCII may stand anywhere, as Korean compounds do.
pub(super) fn is_word(text: &[u8], start: usize, end: usize) -> bool {
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
    fn the_last_word_decides_and_of_two_that_end_together_the_longer() {
        let rule = RuleId(511);
        let list = [
            ("card", Meaning::Context),
            ("card no", Meaning::Context),
            ("order", Meaning::Veto),
            ("no", Meaning::Veto),
            ("postcard", Meaning::Veto),
        ];
        let words = Words::new(list.into_iter().map(|(word, meaning)| (word, rule, meaning))).expect("few words");
        let rows = [
            ("order_no", false, true),
            ("order_card", true, false),
            ("card_order", false, true),
            ("cardNo", true, false),
            ("CARD-NO", true, false),
            ("postcard", false, true),
            ("other", false, false),
        ];
        for (key, speaks_for, speaks_against) in rows {
            let signs = words.signs(key.as_bytes());
            assert_eq!(
                (signs.speak_for(rule), signs.speak_against(rule)),
                (speaks_for, speaks_against),
                "{key}"
            );
        }
    }
}
