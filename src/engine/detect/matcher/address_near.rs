//! What stands near a number that a street address may have: asked of every number, and of most the only thing.

use std::ops::Range;

use memchr::memchr_iter;

use super::address_words::{is_particle, may_be_inner};
use super::street::begins_street;
use crate::engine::byte_set::ByteSet;

/// Bytes from a number on in which its postal code ends.
const CODE_BYTES_MAX: usize = 128;
/// Bytes before the one that tells a code, in which it began.
const CODE_BEGINS_BYTES: usize = 5;
/// Bytes from a number on in which the name of a street behind it begins.
const STREET_BEGINS_BYTES_MAX: usize = 24;
/// Bytes of a house number or postal code, a full stop behind it included: `12-14/16b.`, `93597-414.`
const NUMBER_BYTES_MAX: usize = 12;
/// Bytes before and behind a number that are read for the words beside it.
const WORD_BYTES_MAX: usize = 64;

/// Where postal codes and the endings of Korean roads stand in a haystack, read once for many numbers.
#[derive(Default)]
pub(super) struct CodesAhead {
    /// What was looked through, and the last byte in it that ends a code of digits alone, or tells of another code.
    seen: Range<usize>,
    plain: Option<usize>,
    telling: Option<usize>,
}

/// What an address may end with that begins or ends with a number. Not a code of four digits, which only a German street has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Codes {
    /// The number itself, which has five or eight digits, or a code of five or more, or of four before a hyphen and more.
    pub(super) plain: bool,
    /// Six digits, as in India, a digit before a capital (`SW1A 1AA`, `K1A 0A9`), or the ending of a Korean road (`-ro`).
    pub(super) telling: bool,
}

impl CodesAhead {
    /// What stands at or behind the number that begins at `first`.
    pub(super) fn near(&mut self, haystack: &[u8], first: usize) -> Codes {
        let rest = haystack.get(first..).unwrap_or_default();
        let own = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let range = first + own..haystack.len().min(first + CODE_BYTES_MAX);
        let is_next = (self.seen.start..=self.seen.end).contains(&range.start) && self.seen.end <= range.end;
        if !is_next {
            *self = Self {
                seen: range.start..range.start,
                ..Self::default()
            };
        }
        self.read(haystack, self.seen.end..range.end);
        let stands = |last: Option<usize>| last.is_some_and(|last| last >= range.start);
        Codes {
            plain: matches!(own, 5 | 8) || stands(self.plain),
            telling: stands(self.telling),
        }
    }

    /// Looks through `range`, which begins where the last ended.
    fn read(&mut self, haystack: &[u8], range: Range<usize>) {
        let from = range.start.saturating_sub(CODE_BEGINS_BYTES);
        let (mut digits, mut before_hyphen, mut previous) = (0, 0, b' ');
        for (index, byte) in (from..).zip(haystack.get(from..range.end).unwrap_or_default()) {
            let (plain, telling) = if byte.is_ascii_digit() {
                digits += 1;
                (digits > 4 || std::mem::take(&mut before_hyphen) > 3, digits > 5)
            } else {
                before_hyphen = std::mem::take(&mut digits) * u32::from(*byte == b'-');
                let is_ending = previous == b'-' && matches!(byte, b'r' | b'g' | b'd');
                (
                    false,
                    is_ending || (byte.is_ascii_uppercase() && previous.is_ascii_digit()),
                )
            };
            if plain && index >= range.start {
                self.plain = Some(index);
            }
            if telling && index >= range.start {
                self.telling = Some(index);
            }
            previous = *byte;
        }
        self.seen.end = range.end.max(self.seen.end);
    }
}

/// What stands behind the number at `first`, if its first word may be of a street's name: all but a few begin with a capital.
pub(super) fn name_behind(haystack: &[u8], first: usize) -> Option<&[u8]> {
    let rest = haystack.get(first..)?;
    let number = number_bytes(rest);
    let between = rest.iter().skip(number).take_while(|byte| is_between(**byte)).count();
    let rest = rest.get(number + between..)?;
    let is_name = match rest.first()? {
        b'a'..=b'z' => {
            let word = first_word(rest);
            word.iter().any(u8::is_ascii_digit) || has_korean_road(rest) || may_open_street(rest)
        }
        first if first.is_ascii_alphabetic() || !first.is_ascii() => between > 0,
        first if may_be_inner(*first) => between > 0 && has_word(rest),
        _ => false,
    };
    is_name.then_some(rest)
}

/// Whether a street's name may begin with the first word of `text`, or behind it: `12 bis rue`.
pub(super) fn may_open_street(text: &[u8]) -> bool {
    let word = first_word(text);
    matches!(word, b"bis" | b"ter" | b"quater")
        || std::str::from_utf8(word).map_or(true, |word| !word.is_ascii() || is_opener(word))
}

/// Whether a street's name may begin with `word`; single letters only with their full stop or slash.
pub(super) fn is_opener(word: &str) -> bool {
    let is_whole = word.len() > 2 || matches!(word, "Av" | "Bd" | "av" | "bd" | "R." | "C." | "C/" | "Tv");
    is_whole && !word.starts_with(|first: char| first.is_ascii_digit()) && begins_street(word)
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

/// The word before `first`, if it may be the last of a street's name, or say what kind of number it is.
pub(super) fn name_before(haystack: &[u8], first: usize) -> Option<&[u8]> {
    let start = first.saturating_sub(WORD_BYTES_MAX);
    let near = haystack.get(start..first).unwrap_or_default();
    let between = near.iter().rev().take_while(|byte| is_between(**byte)).count();
    let near = near.get(..near.len() - between).unwrap_or_default();
    let length = near.iter().rev().take_while(|byte| may_be_inner(**byte)).count();
    let word = near.get(near.len() - length..).unwrap_or_default();
    let is_name = match word.first()? {
        b'a'..=b'z' => {
            std::str::from_utf8(word).is_ok_and(|word| is_particle(word) || is_designator(word) || begins_street(word))
        }
        first => !first.is_ascii() || first.is_ascii_alphabetic(),
    };
    is_name.then_some(word)
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
    // Few words begin as any of these.
    const BEGINNINGS: ByteSet = ByteSet::of(b"fsauhnpdrFSAUHNPDR");
    if !word.as_bytes().first().is_some_and(|first| BEGINNINGS.has(*first)) {
        return false;
    }
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
    use super::super::super::bytes::{at, before};
    use super::*;
    use crate::engine::block::testing::Chance;

    #[test]
    fn numbers_beside_numbers_cost_one_look() {
        for text in ["12", "", "12: x", "3 days", "12 34"] {
            assert!(name_behind(text.as_bytes(), 0).is_none(), "{text}");
        }
        for text in ["1 2 3 4 5 ", "M 10, ", "12 ", "in days ", ""] {
            assert!(name_before(text.as_bytes(), text.len()).is_none(), "{text}");
        }
        for (text, opens) in [
            ("12a, rue", true),
            ("5 \u{c9}", true),
            ("12 bis rue", true),
            ("12 teheran-ro", false),
            ("12 Main", false),
        ] {
            let name = name_behind(text.as_bytes(), 0).expect("a name");
            assert_eq!(may_open_street(name), opens, "{text}");
        }
        for (text, name) in [("1 Rua,\n", "Rua"), ("C/ ", "C/"), ("flat ", "flat")] {
            assert_eq!(
                name_before(text.as_bytes(), text.len()),
                Some(name.as_bytes()),
                "{text}"
            );
        }
    }

    /// Whether the byte ends a code of digits, and whether it tells of another code.
    fn is_of_code(haystack: &[u8], index: usize) -> (bool, bool) {
        let (byte, previous) = (at(haystack, index), before(haystack, index));
        let end = |digits: usize, end: Option<usize>| {
            let digits = end.and_then(|end| haystack.get(end.checked_sub(digits)?..end));
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        };
        match byte {
            b'0'..=b'9' => {
                let is_behind = previous == b'-' && end(4, index.checked_sub(1));
                (is_behind || end(4, Some(index)), end(5, Some(index)))
            }
            b'A'..=b'Z' => (false, previous.is_ascii_digit()),
            _ => (false, previous == b'-' && matches!(byte, b'r' | b'g' | b'd')),
        }
    }

    #[test]
    fn codes_ahead_are_found_once_and_as_a_plain_reader_finds_them() {
        let mut chance = Chance(17);
        for length in 0..400 {
            let text = chance.runs(b"7 -rxA", length);
            let mut codes = CodesAhead::default();
            let is_digit = |index: usize| at(&text, index).is_ascii_digit();
            for first in (0..length).filter(|first| is_digit(*first) && !before(&text, *first).is_ascii_digit()) {
                let own = (first..length).take_while(|index| is_digit(*index)).count();
                let behind = || (first + own..length.min(first + CODE_BYTES_MAX)).map(|at| is_of_code(&text, at));
                let expected = Codes {
                    plain: matches!(own, 5 | 8) || behind().any(|(plain, _)| plain),
                    telling: behind().any(|(_, telling)| telling),
                };
                assert_eq!(codes.near(&text, first), expected, "{}", text.escape_ascii());
            }
        }
    }
}
