//! Word lists: lines of a text file, in a table that is made when the first word is looked up.

use std::sync::OnceLock;

use hashbrown::HashMap;

/// A list of words, one a line, sorted by their bytes, each with what stands behind it and a blank.
pub(super) struct Lexicon {
    text: &'static str,
    words: OnceLock<HashMap<&'static [u8], &'static [u8]>>,
}

/// Given names in Latin letters, folded (Faker's lists, see NOTICE).
pub(super) static GIVEN: Lexicon = Lexicon::new(include_str!("tables/given.txt"));
/// Surnames in Latin letters, folded (Faker's lists, see NOTICE).
pub(super) static SURNAMES: Lexicon = Lexicon::new(include_str!("tables/surnames.txt"));
/// Chinese surnames, simplified and traditional.
pub(super) static SURNAMES_ZH: Lexicon = Lexicon::new(include_str!("tables/surnames_zh.txt"));
/// Japanese surnames.
pub(super) static SURNAMES_JA: Lexicon = Lexicon::new(include_str!("tables/surnames_ja.txt"));
/// Cities, counties and districts of Korea.
pub(super) static DISTRICTS_KR: Lexicon = Lexicon::new(include_str!("tables/districts_kr.txt"));
/// Street suffixes of the United States and Canada, as written (USPS Publication 28, appendix C1).
pub(super) static SUFFIXES_US: Lexicon = Lexicon::new(include_str!("tables/suffixes_us.txt"));

/// Words of field names that speak of people's names, and of other things: with a tag each.
pub(super) static NAME_KEYS: Lexicon = Lexicon::new(include_str!("tables/name_keys.txt"));
/// Words with which a field name with `address` speaks of something else, or of a property of one.
pub(super) static ADDRESS_KEY_OTHERS: Lexicon = Lexicon::new(include_str!("tables/address_key_others.txt"));
/// Words that stand where a name would: of forms, of firms.
pub(super) static NAME_STOPS: Lexicon = Lexicon::new(include_str!("tables/name_stops.txt"));
/// Words with which streets' names begin in French, Spanish, Portuguese and Italian, folded.
pub(super) static STREET_OPENERS: Lexicon = Lexicon::new(include_str!("tables/street_openers.txt"));

impl Lexicon {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            words: OnceLock::new(),
        }
    }

    /// Whether the list has `word`, byte for byte.
    pub(super) fn has(&self, word: &[u8]) -> bool {
        self.tag(word).is_some()
    }

    /// What stands behind `word` and a blank on its line: nothing, or its tag.
    pub(super) fn tag(&self, word: &[u8]) -> Option<&'static [u8]> {
        let words = self.words.get_or_init(|| {
            let lines = self.text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
            lines.map(|(word, tag)| (word.as_bytes(), tag.as_bytes())).collect()
        });
        words.get(word).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_every_list_is_found_and_nothing_else() {
        let lists = [
            &GIVEN,
            &SURNAMES,
            &SURNAMES_ZH,
            &SURNAMES_JA,
            &DISTRICTS_KR,
            &SUFFIXES_US,
            &NAME_KEYS,
            &NAME_STOPS,
            &STREET_OPENERS,
            &ADDRESS_KEY_OTHERS,
        ];
        for list in lists {
            let words: Vec<&str> = list.text.lines().filter_map(|line| line.split(' ').next()).collect();
            assert!(words.is_sorted() && words.windows(2).all(|pair| pair[0] != pair[1]));
            assert!(words.iter().all(|word| list.has(word.as_bytes())));
            assert!(!list.has(b"") && !list.has(b"zzzzz") && !list.has(b"\n"));
        }
        assert_eq!(NAME_KEYS.tag(b"customer"), Some(&b"role"[..]));
        assert!(GIVEN.has(b"maria") && !GIVEN.has(b"mari\na") && SURNAMES_JA.has("佐藤".as_bytes()));
    }
}
