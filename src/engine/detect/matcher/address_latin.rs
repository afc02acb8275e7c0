//! Street addresses in Latin letters by their shape: a number, a street and a postal code, as Germany, France, Britain,
//! Canada, Spain, Brazil, India and Korea (in English) write them.
//!
//! ```text
//! 91, rue des Lilas 37551 Bourdon          number first: fr, gb, ca, in, kr
//! Lindenweg 12a, 12345 Musterstadt         number last: de, es, br
//! avenue de Caron, 32172 Bourdon           no number: fr, br
//! ```
//! A number without a street's name beside it is nothing here, so most numbers cost one look at a few bytes.

use super::super::bytes::before;
use super::Candidate;
use super::address_near::{
    CodesAhead, is_designator, is_opener, is_short_number, may_open_street, name_before, name_behind,
};
use super::address_words::{Word, Words, words_before};
use super::postcode::{is_canadian_code_joined, is_cep, is_royal_code};
use super::street::{ends_street, is_german_street, may_be_german_street};

/// Words from a house number to its postal code.
const WORDS_TO_CODE_MAX: usize = 12;
/// Words of a street's name before its number.
const STREET_WORDS_MAX: usize = 6;
/// Parts of what stands before a postal code, behind the one with the street: `Rua das Flores, Centro, 93597-414`.
const PARTS_MAX: usize = 2;
/// Words of a town's name behind a postal code.
const TOWN_WORDS_MAX: usize = 4;

/// What stands ahead in a haystack, kept for its numbers from its front to its end.
#[derive(Default)]
pub(in crate::engine::detect) struct Ahead<'h> {
    codes: CodesAhead,
    words: Words<'h>,
}

/// The address one of whose numbers begins at `first`. `ahead` is of the same haystack.
pub(in crate::engine::detect) fn find<'h>(
    haystack: &'h [u8],
    first: usize,
    ahead: &mut Ahead<'h>,
) -> Option<Candidate> {
    let previous = before(haystack, first);
    if !matches!(previous, 0 | b' ' | b'\n' | b',' | b':' | b'(' | b'/' | b'"' | b'>') {
        return None;
    }
    if !is_short_number(haystack, first) {
        return None;
    }
    // Tables, drawings and the like are numbers beside numbers.
    let (behind, name) = (name_behind(haystack, first), name_before(haystack, first));
    if behind.is_none() && name.is_none() {
        return None;
    }
    let is_german = name.is_some_and(may_be_german_street);
    let codes = ahead.codes.near(haystack, first);
    if behind.is_some_and(|behind| codes.telling || (codes.plain && may_open_street(behind))) {
        let words = ahead.words.from(haystack, first);
        let designator = name.filter(|name| may_designate(name));
        let start = designator.and_then(|_| designator_start(&words_before(haystack, first)));
        if let Some((start, end)) = number_first((start.unwrap_or(first), first), words) {
            return Some(Candidate::address(start..end, false));
        }
    }
    if name.is_none() || !(is_german || codes.plain) {
        return None;
    }
    let before = words_before(haystack, first);
    if !is_german {
        street_start(&before, PARTS_MAX)?;
    }
    let (start, end) = number_last(ahead.words.from(haystack, first), &before)?;
    Some(Candidate::address(start..end, false))
}

/// `91, rue des Lilas 37551 Bourdon`, `Flat 7, Stewart Greens, East Ash M2K 6HP`, `37/30, Dayal Street, Surat 314389`.
/// It begins at `start`, with what designates its number, which begins at `first`.
fn number_first((start, first): (usize, usize), words: &[Word<'_>]) -> Option<(usize, usize)> {
    let (number, rest) = words.split_first().filter(|(number, _)| number.is_house_number())?;
    let rest = match rest.split_first() {
        Some((word, rest)) if matches!(word.text, "bis" | "ter" | "quater") => rest,
        _ => rest,
    };
    let street = rest.first()?;
    if let Some(end) = korean_end(rest) {
        return Some((first, end));
    }
    let french = is_opener(street.text);
    if !(french || street.is_capital() || street.has_digit()) {
        return None;
    }
    if !french && !rest.iter().take(WORDS_TO_CODE_MAX).any(Word::may_be_code) {
        return None;
    }
    // `775353, Bugs 755647`: what stands before a PIN is no number of six digits.
    let short = !number.is_digits(6);
    let indic = || !street.text.is_ascii() && street.text.chars().all(|letter| !letter.is_lowercase());
    // Whether a name was passed, and a word that a street ends with; the words in which that was looked for.
    let (mut named, mut ends, mut asked) = (false, number.parted || start < first || indic(), 0);
    for (index, word) in rest.iter().enumerate().take(WORDS_TO_CODE_MAX) {
        let (capital, digit) = (word.is_capital(), word.has_digit());
        if french && index >= 2 && word.is_digits(5) {
            return Some((first, town_end(rest, index)?));
        }
        let is_code = named && word.may_be_code();
        if is_code && index >= 2 && is_canadian_code_joined(word.text) {
            return Some((start, word.span.end));
        }
        let next = rest.get(index + 1).filter(|_| is_code && index >= 2);
        if let Some(code) = next.filter(|next| is_royal_code(word.text, next.text)) {
            return Some((start, code.span.end));
        }
        if is_code && short && is_pin(word) {
            let unasked = rest.get(asked..index).unwrap_or_default();
            ends = ends || unasked.iter().any(|word| ends_street(word.text));
            asked = index;
            if ends {
                return Some((start, word.span.end));
            }
        }
        // `Pune - 411051`
        let is_dash = || word.text == "-" && rest.get(index + 1).is_some_and(is_pin);
        if !(capital || digit || (index == 0 && french) || word.is_particle() || is_dash()) {
            return None;
        }
        named |= capital && !digit;
    }
    None
}

/// `Lindenweg 12a, 12345 Musterstadt`, `Calle Mayor 3 Piso 2, 28004 Madrid`, `Rua das Flores, 21, Centro, 93597-414`; or no
/// number, and the first word is the postal code.
fn number_last(words: &[Word<'_>], before: &[Word<'_>]) -> Option<(usize, usize)> {
    let code_first = |number: &Word<'_>| number.is_digits(8) || is_cep(number.text);
    let (number, rest) = words
        .split_first()
        .filter(|(number, _)| number.is_house_number() || code_first(number))?;
    let last = before.last()?;
    if is_german_street(last.text) && !last.parted {
        // `12 b`
        let letter = rest
            .first()
            .is_some_and(|word| word.text.len() == 1 && word.text.is_ascii() && !word.has_digit());
        let rest = rest.get(usize::from(letter)..)?;
        let code = rest.first().filter(|code| code.is_digits(5) || code.is_digits(4))?;
        let start = german_start(before)?;
        return Some((start, town_end(rest, 0).filter(|end| *end > code.span.end)?));
    }
    let start = street_start(before, if code_first(number) { PARTS_MAX } else { 0 })?;
    let code = code_behind(words)?;
    let end = town_end(words, code)?;
    // A code that no number stands before has a town behind it.
    (code > 0 || end > number.span.end).then_some((start, end))
}

/// Which of the words from a number on is a postal code: itself, or one behind names, doors and floors.
fn code_behind(words: &[Word<'_>]) -> Option<usize> {
    let is_code = |word: &Word<'_>| word.is_digits(5) || word.is_digits(8) || is_cep(word.text);
    for (index, word) in words.iter().enumerate().take(1 + WORDS_TO_CODE_MAX) {
        if is_code(word) {
            return Some(index);
        }
        let parts = || is_floor(word.text) || word.text == "-";
        if index > 0 && !(word.is_capital() || word.has_digit() || parts() || word.is_particle()) {
            return None;
        }
    }
    None
}

/// Words of the floor or the door in Spain and Brazil, which are written small.
fn is_floor(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    matches!(
        word,
        "piso" | "puerta" | "planta" | "esc" | "bajo" | "apto" | "apt" | "ap" | "casa" | "bloco" | "sala"
    )
}

/// Where a street's name begins whose first word says `street`; everything behind that is a name or a particle, in at most
/// `parts` parts more.
fn street_start(before: &[Word<'_>], mut parts: usize) -> Option<usize> {
    let mut start = None;
    // `Calle Mayor nº 3`
    let before = before
        .split_last()
        .filter(|(last, _)| matches!(last.text.trim_end_matches('.'), "nº" | "n°" | "núm"))
        .map_or(before, |(_, rest)| rest);
    for (back, word) in before.iter().rev().enumerate().take(STREET_WORDS_MAX) {
        if back > 0 && word.parted {
            if parts == 0 {
                break;
            }
            parts -= 1;
        }
        if back > 0 && is_opener(word.text) {
            start = Some(word.span.start);
        }
        if !(word.is_capital() || word.is_particle()) {
            break;
        }
    }
    start
}

/// `Lange` of `Lange Straße`, or the compound itself.
fn german_start(before: &[Word<'_>]) -> Option<usize> {
    let (last, rest) = before.split_last()?;
    let whole = last.is_capital() && last.text.chars().count() > 7;
    let adjective = rest.last().filter(|word| word.is_capital() && !word.parted && !whole);
    last.is_capital().then(|| adjective.unwrap_or(last).span.start)
}

/// The end of the town behind the postal code `words[code]`: capitals on the same line, and a Brazilian state.
fn town_end(words: &[Word<'_>], code: usize) -> Option<usize> {
    let mut last = words.get(code)?;
    for word in words.iter().skip(code + 1).take(TOWN_WORDS_MAX + 2) {
        let town = word.is_capital() || word.is_particle() || word.text == "/" || word.text == "-";
        if last.parted || !town {
            break;
        }
        last = word;
    }
    Some(last.span.end)
}

/// Whether the word before a number may be a designator; one that is not ASCII may only end with it.
fn may_designate(name: &[u8]) -> bool {
    std::str::from_utf8(name).map_or(true, |name| !name.is_ascii() || is_designator(name))
}

/// Where `Flat`, `H.No.`, `Plot No.` before a number begins.
fn designator_start(before: &[Word<'_>]) -> Option<usize> {
    let mut start = None;
    for word in before.iter().rev().take(2) {
        if !is_designator(word.text) || word.parted {
            break;
        }
        start = Some(word.span.start);
    }
    start
}

/// `152, Teheran-ro, Gangnam-gu, Seoul`: a romanised road and a district (rules of the Road Name Address Act's guide).
fn korean_end(words: &[Word<'_>]) -> Option<usize> {
    let is_road = |word: &Word<'_>| {
        // Most words end otherwise than all of these.
        word.text.ends_with(['o', 'l'])
            && ["-ro", "-gil", "-daero"]
                .iter()
                .any(|ending| word.text.ends_with(ending))
    };
    let is_district = |word: &Word<'_>| {
        ["-gu", "-si", "-gun", "-do"]
            .iter()
            .any(|ending| word.text.ends_with(ending))
    };
    let road = words.iter().take(3).position(is_road)?;
    let rest = words.get(road + 1..)?;
    let district = rest.iter().take(4).position(is_district)?;
    let mut last = rest.get(district)?;
    for word in rest.iter().skip(district + 1).take(4) {
        let tail = word.is_capital() || word.is_digits(5);
        if !last.parted || !tail {
            break;
        }
        last = word;
    }
    Some(last.span.end)
}

/// An Indian PIN: six digits, behind a blank or joined to its town (`Sirsa-557707`).
fn is_pin(word: &Word<'_>) -> bool {
    let Some((town, code)) = word.text.as_bytes().split_last_chunk::<6>() else {
        return false;
    };
    let is_joined = || town.ends_with(b"-") && word.text.starts_with(char::is_uppercase);
    code.iter().all(u8::is_ascii_digit) && (town.is_empty() || is_joined())
}

#[cfg(test)]
mod tests {
    use super::super::super::bytes::at;
    use super::*;

    fn found(text: &str) -> Option<&str> {
        let digits = |index: usize| at(text.as_bytes(), index).is_ascii_digit();
        let mut firsts =
            (0..text.len()).filter(|index| digits(*index) && !before(text.as_bytes(), *index).is_ascii_digit());
        let mut ahead = Ahead::default();
        let found = firsts.find_map(|first| find(text.as_bytes(), first, &mut ahead))?;
        text.get(found.start..found.end)
    }

    #[test]
    fn addresses() {
        let rows = [
            (
                "au 91, rue des Lilas\n37551 Bourdon-sur-Lac. Tel",
                "91, rue des Lilas\n37551 Bourdon-sur-Lac",
            ),
            ("12 bis avenue Foch 75016 Paris", "12 bis avenue Foch 75016 Paris"),
            (
                "to Flat 7 Stephanie Plains South Ash B3U 1NY. We",
                "Flat 7 Stephanie Plains South Ash B3U 1NY",
            ),
            (
                "10 Downing Street, London SW1A 2AA",
                "10 Downing Street, London SW1A 2AA",
            ),
            (
                "111 Wellington St, Ottawa, ON K1A 0A9",
                "111 Wellington St, Ottawa, ON K1A 0A9",
            ),
            (
                "H.No. 24, Parmer Begusarai-150537.",
                "H.No. 24, Parmer Begusarai-150537",
            ),
            ("37/30, Dayal Street, Surat 314389", "37/30, Dayal Street, Surat 314389"),
            ("Lindenweg 12a, 12345 Musterstadt", "Lindenweg 12a, 12345 Musterstadt"),
            ("an Lange Straße 5\n04589 Bad Ort", "Lange Straße 5\n04589 Bad Ort"),
            (
                "Calle Mayor 3 Piso 2, 28004 Madrid",
                "Calle Mayor 3 Piso 2, 28004 Madrid",
            ),
            (
                "en Pasaje de Arcelia 151, Santa Cruz, 42066. T",
                "Pasaje de Arcelia 151, Santa Cruz, 42066",
            ),
            (
                "Rua das Flores, 21, Centro, 93597-414 Sales / PI",
                "Rua das Flores, 21, Centro, 93597-414 Sales / PI",
            ),
            ("an Kochstr. 9284, 72027 Ort geliefert", "Kochstr. 9284, 72027 Ort"),
            (
                "133 Justin Crescent\nLake Ash, PE V3R4K1",
                "133 Justin Crescent\nLake Ash, PE V3R4K1",
            ),
            (
                "Alameda Cardoso, 35\n1396-135 Lagos",
                "Alameda Cardoso, 35\n1396-135 Lagos",
            ),
            ("avenue de Caron, 32172 Bourdon", "avenue de Caron, 32172 Bourdon"),
            (
                "152, Teheran-ro, Gangnam-gu, Seoul",
                "152, Teheran-ro, Gangnam-gu, Seoul",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(found(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn doors_floors_and_dashes_are_parts_of_it() {
        for text in [
            "Lindenweg 12 b, 12345 Musterstadt",
            "Plaza del Carmen nº 21, 28050 Madrid",
            "Paseo Real 25 piso 9, 28026 Madrid",
            "Av. Paulista, 2096 - Apto 21 - Centro, Campinas - SP, 13567-988",
            "H.No. 5, Powai, Mumbai, Maharashtra - 400078",
        ] {
            assert_eq!(found(text), Some(text));
        }
    }

    #[test]
    fn other_numbers() {
        let rows = [
            "see route 12 and 34567 others",
            "Dell 27 Monitor P2723",
            "12, 13 and 123456",
            "Version 4 Build 12345 Release",
            "Place 5 of 12345 Runners",
            "on 12 Mar 2024 10:00",
            "3 Apples, 123456 Pears",
            "Python Bug 775353, Fork Bugs 755647",
            "42, 19740, 14974, 230, 1795, 700245",
            "2015 Audi Sport A1 5DR",
            "15 Inch Laptop Core I5 8TH",
            "12 Volt Power Supply B12 3CV",
            "7 Days Trial Offer D1A 2B3",
        ];
        for text in rows {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
