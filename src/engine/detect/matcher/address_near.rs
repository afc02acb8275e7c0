//! What stands near a number that a street address may have: asked of every number, and of most the only thing.

use std::ops::Range;

use memchr::memchr_iter;

use super::super::bytes::before;
use super::address_words::{is_particle, may_be_inner};
use super::street::begins_street;

/// Bytes from a number on in which its postal code ends.
const CODE_BYTES_MAX: usize = 128;
/// Bytes from a number on in which the name of a street behind it begins.
const STREET_BEGINS_BYTES_MAX: usize = 24;
/// Bytes of a house number or postal code, a full stop behind it included: `12-14/16b.`, `93597-414.`
const NUMBER_BYTES_MAX: usize = 12;
/// Bytes before and behind a number that are read for the words beside it.
const WORD_BYTES_MAX: usize = 64;

/// The next byte of a haystack at which a postal code or the ending of a Korean road stands, found once for many numbers.
#[derive(Default)]
pub(super) struct CodeAhead {
    /// What was looked through, and the first such byte in it.
    seen: Range<usize>,
    found: Option<usize>,
}

impl CodeAhead {
    /// Whether what every address here ends with may stand at or behind `first`: a postal code (five or eight digits there,
    /// four or more behind, or a letter beside a digit as in `K1A 0A9`), or the ending of a Korean road (`-ro`).
    pub(super) fn has_code(&mut self, haystack: &[u8], first: usize) -> bool {
        let rest = haystack.get(first..).unwrap_or_default();
        let own = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        matches!(own, 5 | 8) || self.stands_in(haystack, first + own..first + CODE_BYTES_MAX)
    }

    /// Whether such a byte stands in `range`, which begins behind digits.
    fn stands_in(&mut self, haystack: &[u8], range: Range<usize>) -> bool {
        let is_known = self.seen.contains(&range.start) && self.found.is_none_or(|found| found >= range.start);
        if !is_known {
            *self = Self {
                seen: range.start..range.start,
                found: None,
            };
        }
        if self.found.is_none() && self.seen.end < range.end {
            let end = range.end.min(haystack.len());
            self.found = first_of_code(haystack, self.seen.end..end);
            self.seen.end = end;
        }
        self.found.is_some_and(|found| found < range.end)
    }
}

/// The first byte in `range` that ends four digits, stands beside a digit as a letter or the other way about, or ends `-r`, `-g`
/// or `-d`.
fn first_of_code(haystack: &[u8], range: Range<usize>) -> Option<usize> {
    let near = haystack.get(range.start.saturating_sub(3)..range.start)?;
    let mut digits = near.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let mut previous = before(haystack, range.start);
    for (place, byte) in haystack.get(range.clone())?.iter().enumerate() {
        let is_one = if byte.is_ascii_digit() {
            digits += 1;
            digits > 3 || previous.is_ascii_alphabetic()
        } else {
            digits = 0;
            let is_ending = previous == b'-' && matches!(byte, b'r' | b'g' | b'd');
            byte.is_ascii_alphabetic() && (previous.is_ascii_digit() || is_ending)
        };
        if is_one {
            return Some(range.start + place);
        }
        previous = *byte;
    }
    None
}

/// Whether the word behind the number at `first` may be of a street's name: all but a few begin with a capital.
pub(super) fn has_name_behind(haystack: &[u8], first: usize) -> bool {
    let rest = haystack.get(first..).unwrap_or_default();
    let number = number_bytes(rest);
    let between = rest.iter().skip(number).take_while(|byte| is_between(**byte)).count();
    let rest = rest.get(number + between..).unwrap_or_default();
    match rest.first() {
        Some(b'a'..=b'z') => {
            let word = first_word(rest);
            word.iter().any(u8::is_ascii_digit)
                || matches!(word, b"bis" | b"ter" | b"quater")
                || has_korean_road(rest)
                || std::str::from_utf8(word).is_ok_and(begins_street)
        }
        Some(first) if first.is_ascii_alphabetic() || !first.is_ascii() => between > 0,
        Some(first) if may_be_inner(*first) => between > 0 && has_word(rest),
        _ => false,
    }
}

/// Whether the word at `first` is no longer than a house number or a postal code.
pub(super) fn is_short_number(haystack: &[u8], first: usize) -> bool {
    number_bytes(haystack.get(first..).unwrap_or_default()) <= NUMBER_BYTES_MAX
}

/// The length of the word at the front, or more than any number has.
fn number_bytes(text: &[u8]) -> usize {
    let near = text.get(..=NUMBER_BYTES_MAX).unwrap_or(text);
    near.iter().take_while(|byte| may_be_inner(**byte)).count()
}

/// Whether two letters in a row, or a byte that is not ASCII, stand among the first bytes.
fn has_word(text: &[u8]) -> bool {
    let near = text.get(..STREET_BEGINS_BYTES_MAX).unwrap_or(text);
    let mut after_letter = false;
    near.iter().any(|byte| {
        let is_letter = byte.is_ascii_alphabetic();
        !byte.is_ascii() || (std::mem::replace(&mut after_letter, is_letter) && is_letter)
    })
}

/// Whether a word that ends like a romanised Korean road stands among the first bytes.
fn has_korean_road(text: &[u8]) -> bool {
    let near = text.get(..WORD_BYTES_MAX).unwrap_or(text);
    memchr_iter(b'-', near).any(|hyphen| matches!(near.get(hyphen + 1), Some(b'r' | b'g' | b'd')))
}

/// Whether the word before `first` may be the last of a street's name, or say what kind of number it is.
pub(super) fn has_name_before(haystack: &[u8], first: usize) -> bool {
    let start = first.saturating_sub(WORD_BYTES_MAX);
    let near = haystack.get(start..first).unwrap_or_default();
    let between = near.iter().rev().take_while(|byte| is_between(**byte)).count();
    let near = near.get(..near.len() - between).unwrap_or_default();
    let length = near.iter().rev().take_while(|byte| may_be_inner(**byte)).count();
    let word = near.get(near.len() - length..).unwrap_or_default();
    match word.first() {
        Some(b'a'..=b'z') => {
            std::str::from_utf8(word).is_ok_and(|word| is_particle(word) || is_designator(word) || begins_street(word))
        }
        Some(first) => !first.is_ascii() || first.is_ascii_alphabetic(),
        None => false,
    }
}

fn first_word(text: &[u8]) -> &[u8] {
    let near = text.get(..WORD_BYTES_MAX).unwrap_or(text);
    let length = near.iter().take_while(|byte| may_be_inner(**byte)).count();
    near.get(..length).unwrap_or_default()
}

/// What stands between them.
const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\n' | b'\r')
}

/// Whether a word says what kind of number comes.
pub(super) fn is_designator(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    let known = [
        "flat",
        "studio",
        "apartment",
        "apt",
        "unit",
        "h.no",
        "house",
        "no",
        "plot",
        "door",
        "d.no",
        "shop",
        "floor",
        "room",
        "nº",
        "n°",
        "núm",
    ];
    known.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::super::super::bytes::at;
    use super::*;
    use crate::engine::block::testing::Chance;

    #[test]
    fn numbers_beside_numbers_cost_one_look() {
        for text in ["12", "", "12: x", "3 days", "12 34"] {
            assert!(!has_name_behind(text.as_bytes(), 0), "{text}");
        }
        for text in ["1 2 3 4 5 ", "M 10, ", "12 ", "in days ", ""] {
            assert!(!has_name_before(text.as_bytes(), text.len()), "{text}");
        }
        assert!(has_name_behind(b"12a, rue", 0) && has_name_behind("5 \u{c9}".as_bytes(), 0));
        assert!(has_name_behind(b"12 bis rue", 0) && has_name_behind(b"12 teheran-ro", 0));
        assert!(has_name_before(b"1 Rua,\n", 7) && has_name_before(b"C/ ", 3) && has_name_before(b"flat ", 5));
    }

    /// Whether the byte ends four digits, stands beside a digit as a letter or the other way about, or ends `-r`, `-g` or `-d`.
    fn is_of_code(haystack: &[u8], index: usize) -> bool {
        let (byte, previous) = (at(haystack, index), before(haystack, index));
        if byte.is_ascii_digit() {
            let three = || haystack.get(index.saturating_sub(3)..index).unwrap_or_default();
            previous.is_ascii_alphabetic()
                || (previous.is_ascii_digit() && index >= 3 && three().iter().all(u8::is_ascii_digit))
        } else {
            byte.is_ascii_alphabetic()
                && (previous.is_ascii_digit() || (previous == b'-' && matches!(byte, b'r' | b'g' | b'd')))
        }
    }

    #[test]
    fn codes_ahead_are_found_once_and_as_a_plain_reader_finds_them() {
        let mut chance = Chance(17);
        for length in 0..300 {
            let text = chance.runs(b"7 -rxA", length);
            let mut codes = CodeAhead::default();
            for first in (0..length)
                .filter(|first| at(&text, *first).is_ascii_digit() && !before(&text, *first).is_ascii_digit())
            {
                let own = text[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let end = length.min(first + CODE_BYTES_MAX);
                let stands = (first + own..end).any(|index| is_of_code(&text, index));
                let expected = matches!(own, 5 | 8) || stands;
                assert_eq!(codes.has_code(&text, first), expected, "{}", text.escape_ascii());
            }
        }
    }
}
