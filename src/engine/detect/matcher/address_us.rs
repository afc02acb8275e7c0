//! US street addresses: house number, words, a street suffix, and city, state and ZIP where they follow.

use super::super::Normal;
use super::super::bytes::{at, before, is_word};
use super::super::lexicon::SUFFIXES_US;
use super::Candidate;
use super::usps::{MILITARY, STATES, UNITS};

/// Digits of a house number.
const HOUSE_DIGITS_MAX: usize = 6;
/// Words from the house number to the suffix.
const STREET_WORDS_MAX: usize = 5;
/// Bytes of an address of the armed forces before its ZIP: what a segment shows before `within`.
const MILITARY_BYTES_MAX: usize = 64;
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
    if let Some(candidate) = military(haystack, first).filter(|_| house == 5) {
        return Some(candidate);
    }
    if house > HOUSE_DIGITS_MAX || at(haystack, first + house) != b' ' {
        return None;
    }
    let street = street_end(haystack, first + house)?;
    let unit = unit_end(haystack, street);
    let (end, weak) = locality_end(haystack, unit).map_or((unit, true), |end| (end, false));
    // Prose has `12 times for the same stream`; an address without a ZIP begins with a capital or a number.
    let (name, _) = word_after(haystack, first + house)?;
    if weak
        && !name
            .first()
            .is_some_and(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
    {
        return None;
    }
    Some(Candidate::address(first..end, weak))
}

/// `PSC 4535, Box 2931 APO AE 20021`, `USS Smith FPO AP 96601`: the ZIP at `first` stands behind a post office of the forces.
fn military(haystack: &[u8], first: usize) -> Option<Candidate> {
    let head = haystack.get(first.saturating_sub(MILITARY_BYTES_MAX)..first)?;
    let office = head.last_chunk::<7>()?;
    if !matches!(
        office,
        [b'A' | b'F' | b'D', b'P', b'O', b' ', b'A', b'A' | b'E' | b'P', b' ']
    ) {
        return None;
    }
    let starts = MILITARY
        .iter()
        .filter_map(|word| memchr::memmem::rfind(head, word.as_bytes()));
    let start = first - (head.len() - starts.max()?);
    let end = first + 5;
    (!is_word(before(haystack, start))).then(|| Candidate::address(start..end, false))
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
        // No suffix has a digit.
        let may_be_suffix = count > 0 && word.iter().all(u8::is_ascii_alphabetic);
        if may_be_suffix && SUFFIXES_US.has(Normal::lower(word).as_bytes()) {
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
        assert!(UNITS.is_sorted());
        assert!(is_state(b"NY") && is_state(b"WY") && !is_state(b"Y ") && !is_state(b"ZZ"));
    }

    #[test]
    fn addresses_of_the_armed_forces_are_found_at_their_zip() {
        for (text, expected) in [
            (
                "to PSC 4535, Box 2931\nAPO AE 20021.",
                Some("PSC 4535, Box 2931\nAPO AE 20021"),
            ),
            ("USNS Reyes\nFPO AP 42326", Some("USNS Reyes\nFPO AP 42326")),
            ("APO AE 20021", None),
            ("Unit 5 of the XPO AE 20021", None),
        ] {
            let zip = text.rfind(' ').expect("a blank") + 1;
            let found = find(text.as_bytes(), zip).and_then(|found| text.get(found.start..found.end));
            assert_eq!(found, expected, "{text}");
        }
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
            ("36257", None),
            ("12 times for the same delivery stream", None),
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
