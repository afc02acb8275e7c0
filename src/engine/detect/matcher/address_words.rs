//! The words around a house number: where they lie, and what of them an address may have.

use std::ops::Range;

use smallvec::SmallVec;

use super::super::bytes::valid_front;
use super::super::fold::is_alphanumeric;
use super::address_near::is_designator;
use super::postcode::begins_royal_code;
use crate::engine::byte_set::ByteSet;

/// Bytes behind a house number in which the rest of an address is looked for.
const AFTER_BYTES_MAX: usize = 128;
/// Bytes before a number in which the name of its street is looked for: what a segment shows before `within`.
const BEFORE_BYTES_MAX: usize = 64;
/// Words behind a house number.
const WORDS_MAX: usize = 16;
/// Words before it: the longest name of a street that anybody asks about.
const BEFORE_WORDS_MAX: usize = 6;

/// The words from a number on, for the numbers of a haystack from its front to its end: no word is read twice.
#[derive(Default)]
pub(super) struct Words<'h> {
    met: SmallVec<[Word<'h>; 2 * WORDS_MAX]>,
    /// How many of them stand before the number that was asked for last; they go when they are many.
    passed: usize,
    /// Where the next word may begin.
    from: usize,
    /// Whether a sentence ends there, or a byte stands there that no address has.
    is_ended: bool,
}

/// One word.
#[derive(Clone)]
pub(super) struct Word<'h> {
    /// The word, without the comma behind it.
    pub(super) text: &'h str,
    /// Its bytes in the haystack.
    pub(super) span: Range<usize>,
    /// Whether a comma or a line's end stands behind it.
    pub(super) parted: bool,
    is_capital: bool,
    digits: Digits,
}

/// The digits of a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Digits {
    None,
    Some,
    /// As the code of a British, Canadian or Indian address may have them.
    Code,
}

impl<'h> Words<'h> {
    /// The words from `first` on, up to the end of a sentence or a byte that no address has.
    pub(super) fn from(&mut self, haystack: &'h [u8], first: usize) -> &[Word<'h>] {
        let ahead = self.met.get(self.passed..).unwrap_or_default();
        self.passed += ahead.iter().take_while(|word| word.span.end <= first).count();
        match self.met.get_mut(self.passed).filter(|word| word.span.start <= first) {
            // `12/14`: the number may be the rest of a word.
            Some(word) => {
                if word.span.start != first {
                    let rest = word.text.get(first - word.span.start..).unwrap_or_default();
                    *word = Word::new(rest, first, word.parted);
                }
                if self.passed >= WORDS_MAX {
                    self.met.drain(..std::mem::take(&mut self.passed));
                }
            }
            None => {
                *self = Self {
                    from: first,
                    ..Self::default()
                }
            }
        }
        let end = first.saturating_add(AFTER_BYTES_MAX);
        while !self.is_ended && self.from < end && self.met.len() - self.passed < WORDS_MAX {
            self.read(haystack);
        }
        let words = self.met.get(self.passed..).unwrap_or_default();
        let within = words.iter().rev().skip_while(|word| word.span.end > end).count();
        words.get(..within).unwrap_or_default()
    }

    /// Reads one word and what stands behind it.
    fn read(&mut self, haystack: &'h [u8]) {
        let rest = haystack.get(self.from..).unwrap_or_default();
        let near = rest.get(..AFTER_BYTES_MAX).unwrap_or(rest);
        let length = near.iter().take_while(|byte| may_be_inner(**byte)).count();
        // What is as long as all that is looked through is no word.
        if length == AFTER_BYTES_MAX {
            self.is_ended = true;
            return;
        }
        let text = valid_front(near.get(..length).unwrap_or_default());
        let length = if text.is_ascii() {
            text.len()
        } else {
            text.find(|letter| !is_inner(letter)).unwrap_or(text.len())
        };
        let (word, ends) = without_stop(text.get(..length).unwrap_or_default());
        let behind = rest.get(length).map_or(' ', |byte| char::from(*byte));
        if !word.is_empty() {
            self.met.push(Word::new(word, self.from, is_parting(behind)));
        } else if let Some(last) = self.met.last_mut() {
            last.parted |= is_parting(behind);
        }
        self.is_ended = ends || !is_between(behind) || length >= rest.len();
        self.from += length + 1;
    }
}

/// The last words before `end`, from the last end of a sentence or byte that no address has, or from the last word that a
/// street's name can only begin with. Read backwards, since what stands nearest decides.
pub(super) fn words_before(haystack: &[u8], end: usize) -> SmallVec<[Word<'_>; BEFORE_WORDS_MAX]> {
    let (text, start) = text_before(haystack, end);
    let mut words = SmallVec::new();
    let (mut to, mut parted) = (text.len(), false);
    let letters = text.char_indices().rev().map(|(index, letter)| (index, Some(letter)));
    for (index, letter) in letters.chain([(0, None)]) {
        if letter.is_some_and(is_inner) {
            continue;
        }
        let from = index + letter.map_or(0, char::len_utf8);
        let (word, ends) = without_stop(text.get(from..to).unwrap_or_default());
        if ends {
            break;
        }
        if !word.is_empty() {
            let word = Word::new(word, start + from, parted);
            let goes_on = word.is_capital() || word.is_particle() || is_designator(word.text);
            words.push(word);
            parted = false;
            if !goes_on {
                break;
            }
        }
        if words.len() == BEFORE_WORDS_MAX || !letter.is_some_and(is_between) {
            break;
        }
        parted |= letter.is_some_and(is_parting);
        to = index;
    }
    words.reverse();
    words
}

impl<'h> Word<'h> {
    fn new(text: &'h str, start: usize, parted: bool) -> Self {
        let is_capital = match text.as_bytes().first() {
            Some(first) if first.is_ascii() => first.is_ascii_uppercase(),
            _ => text.starts_with(|letter: char| letter.is_alphabetic() && !letter.is_lowercase()),
        };
        let is_pin = || text.len() >= 6 && text.as_bytes().last().is_some_and(u8::is_ascii_digit);
        let digits = if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            Digits::None
        } else if is_pin() || (is_capital && begins_royal_code(text)) {
            Digits::Code
        } else {
            Digits::Some
        };
        Self {
            is_capital,
            digits,
            text,
            span: start..start + text.len(),
            parted,
        }
    }
}

impl Word<'_> {
    /// Begins with a capital, or with a letter of a script without case.
    pub(super) fn is_capital(&self) -> bool {
        self.is_capital
    }

    /// Has a digit.
    pub(super) fn has_digit(&self) -> bool {
        self.digits != Digits::None
    }

    /// Begins with a digit.
    pub(super) fn begins_with_digit(&self) -> bool {
        self.text.as_bytes().first().is_some_and(u8::is_ascii_digit)
    }

    /// So many digits and nothing else.
    pub(super) fn is_digits(&self, count: usize) -> bool {
        self.text.len() == count && self.text.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// `12`, `12-14`, `64/86`, `89A`, `33i`: begins with a digit, at most six of them.
    pub(super) fn is_house_number(&self) -> bool {
        let digits = self.text.bytes().filter(u8::is_ascii_digit).count();
        let letters = self.text.bytes().filter(u8::is_ascii_alphabetic).count();
        self.begins_with_digit() && digits <= 6 && letters <= 1 && self.text.len() <= 10 && !self.text.contains('.')
    }

    /// Whether the code of a British, Canadian or Indian address may begin with the word: `SW1A`, `K1A0A9`, `Sirsa-557707`.
    pub(super) fn may_be_code(&self) -> bool {
        self.digits == Digits::Code
    }

    /// A word between the names of streets and towns.
    pub(super) fn is_particle(&self) -> bool {
        is_particle(self.text)
    }
}

/// `de la`, `sur`, `am`.
pub(super) fn is_particle(word: &str) -> bool {
    matches!(
        word,
        "de" | "la"
            | "las"
            | "los"
            | "el"
            | "del"
            | "do"
            | "da"
            | "dos"
            | "das"
            | "du"
            | "des"
            | "le"
            | "les"
            | "en"
            | "sur"
            | "sous"
            | "et"
            | "y"
            | "e"
            | "am"
            | "an"
            | "der"
            | "dem"
            | "den"
            | "im"
            | "in"
            | "zum"
            | "zur"
            | "von"
            | "von-der"
            | "bei"
            | "of"
            | "the"
            | "on"
            | "upon"
            | "l"
            | "d"
            | "i"
            | "van"
    )
}

/// The text before `end` that a street's name may lie in, and where it begins.
fn text_before(haystack: &[u8], end: usize) -> (&str, usize) {
    let mut start = end.saturating_sub(BEFORE_BYTES_MAX);
    // A window that begins inside a word, or inside a letter, loses it.
    if start > 0 {
        let window = haystack.get(start..end).unwrap_or_default();
        let blank = window.iter().position(|byte| *byte == b' ' || *byte == b'\n');
        start += blank.unwrap_or(window.len());
    }
    let window = haystack.get(start..end).unwrap_or_default();
    if let Ok(text) = std::str::from_utf8(window) {
        return (text, start);
    }
    let text = window
        .utf8_chunks()
        .last()
        .filter(|chunk| chunk.invalid().is_empty())
        .map_or("", |chunk| chunk.valid());
    (text, end - text.len())
}

/// The word without the full stop that ends a sentence, and whether it does.
fn without_stop(word: &str) -> (&str, bool) {
    if word.as_bytes().last() != Some(&b'.') {
        return (word, false);
    }
    let bare = word.trim_end_matches('.');
    let long = bare.chars().count() > 4 && !bare.ends_with("str");
    if long || bare.bytes().any(|byte| byte.is_ascii_digit()) {
        (bare, true)
    } else {
        (word, false)
    }
}

/// What stands between the words of an address.
fn is_between(letter: char) -> bool {
    letter == ' ' || is_parting(letter)
}

/// What parts them.
fn is_parting(letter: char) -> bool {
    matches!(letter, ',' | '\n' | '\r')
}

/// ASCII that stands inside words of addresses.
const INNER: ByteSet = ByteSet::alphanumeric_and(b"'-./#&");

/// Whether what stands inside words of addresses may have the byte.
pub(super) const fn may_be_inner(byte: u8) -> bool {
    !byte.is_ascii() || INNER.has(byte)
}

/// What stands inside words of addresses.
fn is_inner(letter: char) -> bool {
    if letter.is_ascii() {
        INNER.has(letter as u8)
    } else {
        is_alphanumeric(letter) || matches!(letter, '’' | 'º' | 'ª' | '°')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::testing::Chance;

    fn texts(words: &[Word<'_>]) -> String {
        let words = words
            .iter()
            .map(|word| format!("{}{}", word.text, if word.parted { "," } else { "" }));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_go_to_the_end_of_the_sentence() {
        let rows = [
            (
                "9, chemin Laure Jacques\n91203 Teixeira. Tel: 1",
                "9, chemin Laure Jacques, 91203 Teixeira",
            ),
            ("12 Main St. Apt. 4B (rear)", "12 Main St. Apt. 4B"),
            ("5 Caf\u{e9} R\u{ed}o; x", "5 Caf\u{e9} R\u{ed}o"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(texts(Words::default().from(text.as_bytes(), 0)), expected, "{text}");
        }
    }

    #[test]
    fn words_are_read_once_and_as_one_reads_them_who_begins_at_each() {
        let mut chance = Chance(11);
        for length in 0..600 {
            let text = [
                chance.runs(b"7a /,.R;", length),
                "é’x 5".into(),
                chance.runs(b"7a ", length),
            ]
            .concat();
            let mut ahead = Words::default();
            for first in (0..text.len()).filter(|first| text[*first].is_ascii_digit()) {
                let expected = texts(Words::default().from(&text, first));
                assert_eq!(texts(ahead.from(&text, first)), expected, "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn words_before_begin_after_the_last_stop() {
        let text = "Lives there. Ship to: Rua das Flores, 21";
        assert_eq!(texts(&words_before(text.as_bytes(), text.len() - 2)), "Rua das Flores,");
        let long = format!("{} Rua das Flores, ", "ab".repeat(60));
        assert_eq!(texts(&words_before(long.as_bytes(), long.len())), "Rua das Flores,");
        assert!(words_before(b"", 0).is_empty());
        assert_eq!(texts(&words_before(b"A B C D E F G,\n H ", 18)), "C D E F G, H");
        assert_eq!(texts(&words_before(b"A b de la C, flat ", 18)), "b de la C, flat");
        assert_eq!(texts(&words_before(b"Rua A \xff Rua B ", 14)), "Rua B");
    }
}
