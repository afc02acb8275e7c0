//! US street addresses, first version: house number, words, a street suffix, and city, state and ZIP where they follow.

use super::super::bytes::{at, before, is_word};
use super::usps::{STATES, SUFFIXES, UNITS};
use super::{Candidate, address_key};

/// Digits of a house number.
const HOUSE_DIGITS_MAX: usize = 6;
/// Words from the house number to the suffix.
const STREET_WORDS_MAX: usize = 5;
/// Bytes of one word.
const WORD_BYTES_MAX: usize = 20;
/// Words of a city's name.
const CITY_WORDS_MAX: usize = 3;

/// The address whose house number begins at `first`. Without a ZIP behind it, it is weak.
pub(in crate::engine::detect) fn find(haystack: &[u8], first: usize) -> Option<Candidate> {
    let previous = before(haystack, first);
    if is_word(previous) || matches!(previous, b'-' | b'.' | b'/' | b':' | b'$' | b'#' | b'+' | b'*') {
        return None;
    }
    let house = haystack
        .get(first..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if house > HOUSE_DIGITS_MAX || at(haystack, first + house) != b' ' {
        return None;
    }
    let street = street_end(haystack, first + house)?;
    let unit = unit_end(haystack, street);
    let (end, weak) = locality_end(haystack, unit).map_or((unit, true), |end| (end, false));
    let text = haystack.get(first..end)?;
    Some(Candidate {
        start: first,
        end,
        normal: address_key(text),
        weak,
    })
}

/// The end of the last suffix among the next words; at least one word stands before it.
fn street_end(haystack: &[u8], mut index: usize) -> Option<usize> {
    let mut end = None;
    for count in 0..=STREET_WORDS_MAX {
        let Some((word, next)) = word_after(haystack, index) else {
            break;
        };
        index = next;
        if count == 0 && !word.iter().any(u8::is_ascii_alphabetic) {
            return None;
        }
        if count > 0 && is_listed(&SUFFIXES, word) {
            end = Some(index + usize::from(at(haystack, index) == b'.'));
        }
        index += usize::from(at(haystack, index) == b'.');
    }
    let end = end?;
    // A direction may follow the suffix: `Pennsylvania Ave NW`.
    let direction = word_after(haystack, end)
        .filter(|(word, _)| matches!(*word, b"N" | b"S" | b"E" | b"W" | b"NE" | b"NW" | b"SE" | b"SW"));
    Some(direction.map_or(end, |(_, next)| next))
}

/// The word behind one blank or line feed, and where it ends.
fn word_after(haystack: &[u8], index: usize) -> Option<(&[u8], usize)> {
    let (b' ' | b'\n', rest) = haystack.get(index..)?.split_first()? else {
        return None;
    };
    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'\'' | b'-');
    let len = rest.iter().take(WORD_BYTES_MAX + 1).take_while(is_letter).count();
    let word = rest
        .get(..len)
        .filter(|word| !word.is_empty() && len <= WORD_BYTES_MAX)?;
    Some((word, index + 1 + len))
}

/// The end of `, Apt 4B`, `#12` and the like behind `index`; `index` where there is none.
fn unit_end(haystack: &[u8], index: usize) -> usize {
    let behind_comma = index + usize::from(at(haystack, index) == b',');
    let sharp = |index: usize| {
        let rest = haystack.get(index..)?.strip_prefix(b" ")?.strip_prefix(b"#")?;
        let len = rest.iter().take(8).take_while(|byte| is_word(**byte)).count();
        (len > 0).then_some(index + 2 + len)
    };
    let named = |index: usize| {
        let (_, next) = word_after(haystack, index).filter(|(word, _)| is_listed(&UNITS, word))?;
        let next = next + usize::from(at(haystack, next) == b'.');
        let number = word_after(haystack, next).filter(|(word, _)| word.len() <= 8);
        number.map(|(_, next)| next).or_else(|| sharp(next))
    };
    named(behind_comma).or_else(|| sharp(behind_comma)).unwrap_or(index)
}

/// The end of `, City, ST 12345-6789` behind `index`. The commas may be missing; city and state may not.
fn locality_end(haystack: &[u8], index: usize) -> Option<usize> {
    let mut index = index + usize::from(at(haystack, index) == b',');
    for _ in 0..=CITY_WORDS_MAX {
        let (word, next) = word_after(haystack, index)?;
        if let Some(end) = is_state(word).then(|| zip_end(haystack, next)).flatten() {
            return Some(end);
        }
        if word.iter().any(u8::is_ascii_digit) {
            return None;
        }
        index = next + usize::from(matches!(at(haystack, next), b',' | b'.'));
    }
    None
}

fn zip_end(haystack: &[u8], index: usize) -> Option<usize> {
    let index = index + usize::from(at(haystack, index) == b',');
    let (word, end) = word_after(haystack, index)?;
    let digits = |part: &[u8], len| part.len() == len && part.iter().all(u8::is_ascii_digit);
    let (zip, extension) = word.split_at_checked(5)?;
    let good =
        digits(zip, 5) && (extension.is_empty() || extension.strip_prefix(b"-").is_some_and(|four| digits(four, 4)));
    (good && !is_word(at(haystack, end))).then_some(end)
}

fn is_state(word: &[u8]) -> bool {
    word.len() == 2 && STATES.as_bytes().chunks(3).any(|state| state.get(..2) == Some(word))
}

/// Whether a sorted list has `word`, whatever its letter case.
fn is_listed(list: &[&str], word: &[u8]) -> bool {
    list.binary_search_by(|entry| entry.bytes().cmp(word.iter().map(u8::to_ascii_lowercase)))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(SUFFIXES.is_sorted() && UNITS.is_sorted());
        assert!(is_state(b"NY") && is_state(b"WY") && !is_state(b"Y ") && !is_state(b"ZZ"));
    }

    #[test]
    fn addresses() {
        let rows: &[(&str, Option<(&str, bool)>)] = &[
            (
                "350 Fifth Ave, New York, NY 10118",
                Some(("350 Fifth Ave, New York, NY 10118", false)),
            ),
            (
                "1600 Pennsylvania Ave. NW, Washington, DC 20500-0001",
                Some(("1600 Pennsylvania Ave. NW, Washington, DC 20500-0001", false)),
            ),
            (
                "12 Main Street Apt 4B, Springfield, IL 62701.",
                Some(("12 Main Street Apt 4B, Springfield, IL 62701", false)),
            ),
            (
                "221 N 5th St, #12, Austin TX 78701",
                Some(("221 N 5th St, #12, Austin TX 78701", false)),
            ),
            ("12 Main St", Some(("12 Main St", true))),
            ("12 minutes from here", None),
            ("3 items", None),
            ("2024-01-02 Main St", None),
            ("1234567 Main St", None),
            ("5 St", None),
        ];
        for (text, expected) in rows {
            let found = find(text.as_bytes(), 0);
            let found = found.map(|found| (text.get(found.start..found.end).expect("ASCII"), found.weak));
            assert_eq!(found, *expected, "{text}");
        }
    }
}
