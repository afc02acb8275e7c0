//! Identity numbers of fixed shape: a table of spellings, found by the length of their first group of digits.
//!
//! ```text
//! 9  a digit      A  a letter      anything else  itself
//! ```
//! A group of digits asks one table for the spellings that have so many digits after so many letters; most have none.

use smallvec::SmallVec;

use super::super::Normal;
use super::super::bytes::{at, before, is_word};
use super::{Builtin, Candidate};

/// Letters before the first digit of a spelling (an Indian PAN has five).
const LETTERS_MAX: usize = 5;
/// Digits of the first group of a spelling (a Chinese id has eighteen).
const GROUP_MAX: usize = 18;

/// How much a spelling says by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// With its check digits, enough.
    Strong,
    /// Enough where it is the whole cell, and the cell is text.
    Cell,
    /// Much else looks so: a context word is needed.
    Weak,
}

use Builtin::{
    BrCpf, CnId, DeTaxId, EsDni, FrNir, GbNhs, GbNino, InAadhaar, InPan, JpMyNumber, KrBusiness, KrCustoms, KrDriver,
    KrPassport, TwId, UsItin,
};
use Weight::{Cell, Strong, Weak};

const SPELLINGS: [(Builtin, &[u8], Weight); 53] = [
    (KrPassport, b"A99999999", Weak),
    (KrPassport, b"A999A9999", Weak),
    (KrDriver, b"99-99-999999-99", Weak),
    (KrDriver, b"999999999999", Weak),
    (KrBusiness, b"999-99-99999", Strong),
    (KrBusiness, b"9999999999", Weak),
    (KrCustoms, b"A999999999999", Weak),
    (UsItin, b"999-99-9999", Weak),
    (UsItin, b"999 99 9999", Weak),
    (UsItin, b"999999999", Weak),
    (JpMyNumber, b"9999-9999-9999", Weak),
    (JpMyNumber, b"9999 9999 9999", Weak),
    (JpMyNumber, b"999999999999", Weak),
    (CnId, b"999999999999999999", Cell),
    (CnId, b"99999999999999999A", Cell),
    (CnId, b"999999 99999999 9999", Cell),
    (CnId, b"999999 99999999 999A", Cell),
    (CnId, b"999999-99999999-9999", Cell),
    (CnId, b"999999-99999999-999A", Cell),
    (TwId, b"A999999999", Weak),
    (TwId, b"AA99999999", Weak),
    (GbNino, b"AA999999A", Cell),
    (GbNino, b"AA 99 99 99 A", Strong),
    (GbNino, b"AA-99-99-99-A", Strong),
    (GbNino, b"AA 999999 A", Cell),
    (GbNhs, b"999 999 9999", Weak),
    (GbNhs, b"999-999-9999", Weak),
    (GbNhs, b"9999999999", Weak),
    (DeTaxId, b"99 999 999 999", Cell),
    (DeTaxId, b"99/999/999/999", Cell),
    (DeTaxId, b"99-999-999-999", Cell),
    (DeTaxId, b"99999999999", Weak),
    (FrNir, b"9 99 99 99 999 999 99", Strong),
    (FrNir, b"9 99 99 9A 999 999 99", Strong),
    (FrNir, b"9999999999999 99", Weak),
    (FrNir, b"999999A999999 99", Weak),
    (FrNir, b"999999999999999", Weak),
    (FrNir, b"999999A99999999", Weak),
    (EsDni, b"99999999A", Cell),
    (EsDni, b"99999999-A", Cell),
    (EsDni, b"99.999.999-A", Strong),
    (EsDni, b"99.999.999A", Strong),
    (EsDni, b"99999999 A", Weak),
    (EsDni, b"A9999999A", Cell),
    (EsDni, b"A-9999999-A", Strong),
    (EsDni, b"A9999999-A", Cell),
    (BrCpf, b"999.999.999-99", Strong),
    (BrCpf, b"999999999-99", Strong),
    (BrCpf, b"99999999999", Weak),
    (InAadhaar, b"9999 9999 9999", Weak),
    (InAadhaar, b"9999-9999-9999", Weak),
    (InAadhaar, b"999999999999", Weak),
    (InPan, b"AAAAA9999A", Weak),
];

/// Bit n: spelling n has so many letters, then so many digits.
static BY_HEAD: [[u64; GROUP_MAX + 1]; LETTERS_MAX + 1] = by_head();

/// Reads `SPELLINGS`, when the program is compiled.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates it: a spelling out of bounds does not compile"
)]
const fn by_head() -> [[u64; GROUP_MAX + 1]; LETTERS_MAX + 1] {
    let mut table = [[0; GROUP_MAX + 1]; LETTERS_MAX + 1];
    let mut index = 0;
    while index < SPELLINGS.len() {
        let (letters, digits) = head(SPELLINGS[index].1);
        table[letters][digits] |= 1 << index;
        index += 1;
    }
    table
}

/// What may stand right behind a spelling's first group of digits, as far as the spellings tell it apart.
const BEHIND: usize = 6;

/// Which of them `byte` is.
const fn behind(byte: u8) -> usize {
    match byte {
        b'-' => 0,
        b' ' => 1,
        b'.' => 2,
        b'/' => 3,
        b'A'..=b'Z' | b'a'..=b'z' => 4,
        _ => 5,
    }
}

/// Bit n: spelling n goes on so behind its first group of digits, or ends with it and may be followed so. Most groups of digits
/// fit no spelling but for their length, and one look at the byte behind them tells.
static BY_BEHIND: [u64; BEHIND] = by_behind();

/// Reads `SPELLINGS`, when the program is compiled.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates it: a spelling out of bounds does not compile"
)]
const fn by_behind() -> [u64; BEHIND] {
    let mut table = [0; BEHIND];
    let mut index = 0;
    while index < SPELLINGS.len() {
        let form = SPELLINGS[index].1;
        let mut at = 0;
        while form[at] != b'9' {
            at += 1;
        }
        while at < form.len() && form[at] == b'9' {
            at += 1;
        }
        let mut kind = 0;
        while kind < BEHIND {
            // A letter behind the last digit is of a longer word.
            let fits = if at < form.len() {
                kind == behind(form[at])
            } else {
                kind != behind(b'A')
            };
            if fits {
                table[kind] |= 1 << index;
            }
            kind += 1;
        }
        index += 1;
    }
    table
}

/// Letters before the first digit of `form` (a hyphen or a blank between them does not count), and how many digits are
/// together there.
const fn head(mut form: &[u8]) -> (usize, usize) {
    let (mut letters, mut digits) = (0, 0);
    while let [byte, rest @ ..] = form {
        match byte {
            b'A' if digits == 0 => letters += 1,
            b'9' => digits += 1,
            _ if digits == 0 => {}
            _ => break,
        }
        form = rest;
    }
    (letters, digits)
}

/// Whether a spelling may begin with a group of so many digits between the bytes `previous` and `next`: no more than a look, which
/// most groups do not pass.
#[inline]
pub(in crate::engine::detect) fn may_begin(previous: u8, digits: usize, next: u8) -> bool {
    let [plain, ..] = &BY_HEAD;
    let fitting = BY_BEHIND.get(behind(next)).copied().unwrap_or(0);
    let has_letters = previous.is_ascii_alphabetic() || matches!(previous, b' ' | b'-');
    has_letters || plain.get(digits).copied().unwrap_or(0) & fitting != 0
}

/// The identity numbers whose first group of digits is `first..end`, each offered with its matcher. `numeric_cell`: the
/// cell is a bare number.
pub(in crate::engine::detect) fn each(
    haystack: &[u8],
    first: usize,
    end: usize,
    numeric_cell: bool,
    mut offer: impl FnMut(Builtin, Candidate),
) {
    let previous = before(haystack, first);
    let joined = if previous.is_ascii_alphabetic() {
        letters_before(haystack, first, LETTERS_MAX)
    } else {
        0
    };
    let fitting = BY_BEHIND.get(behind(at(haystack, end))).copied().unwrap_or(0);
    let mut try_from = |letters: usize, start: usize| {
        let heads = BY_HEAD.get(letters).and_then(|lengths| lengths.get(end - first));
        let mut heads = heads.copied().unwrap_or(0) & fitting;
        while heads != 0 {
            let index = heads.trailing_zeros() as usize;
            heads &= heads - 1;
            let Some((builtin, form, weight)) = SPELLINGS.get(index) else {
                return;
            };
            if let Some(candidate) = spelled(haystack, start, form, *weight, numeric_cell) {
                offer(*builtin, candidate);
            }
        }
    };
    try_from(joined, first - joined);
    // `X-1234567-L`, `AB 12 34 56 C`.
    if joined == 0 && matches!(previous, b' ' | b'-') {
        let apart = letters_before(haystack, first - 1, 2);
        if (1..=2).contains(&apart) {
            try_from(apart, first - 1 - apart);
        }
    }
}

/// How many letters stand right before `end`; one more than `max` where there are more.
fn letters_before(haystack: &[u8], end: usize, max: usize) -> usize {
    let window = haystack.get(end.saturating_sub(max + 1)..end).unwrap_or_default();
    window
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count()
}

/// The text at `start`, if it is written like `form` and stands by itself.
fn spelled(haystack: &[u8], start: usize, form: &[u8], weight: Weight, numeric_cell: bool) -> Option<Candidate> {
    let end = start + form.len();
    let text = haystack.get(start..end)?;
    // Of a longer number another of its bytes stands there: most fail so.
    if is_word(at(haystack, end)) {
        return None;
    }
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_alphabetic(),
        mark => byte == mark,
    };
    // The first group of digits fits: most fail near the end.
    if !text.iter().zip(form).rev().all(fits) {
        return None;
    }
    let blanks = form.contains(&b' ');
    if !begins(haystack, start, blanks) || !ends(haystack, end, blanks) {
        return None;
    }
    let lower = text.iter().any(u8::is_ascii_lowercase);
    let mut normal = SmallVec::<[u8; 24]>::new();
    for byte in text.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        normal.push(byte.to_ascii_uppercase());
    }
    let outside = [haystack.get(..start)?, haystack.get(end..)?];
    let is_cell = outside.iter().all(|text| text.trim_ascii().is_empty());
    let weak = match weight {
        Strong => lower,
        Cell => lower || numeric_cell || !is_cell,
        Weak => true,
    };
    Some(Candidate {
        start,
        end,
        normal: Normal::new(&normal),
        weak,
    })
}

/// Whether no word and no other part of a number stands before `start`.
fn begins(haystack: &[u8], start: usize, blanks: bool) -> bool {
    let (previous, second) = (before(haystack, start), before(haystack, start.saturating_sub(1)));
    match previous {
        b'-' | b'.' | b'/' | b'+' => !is_word(second),
        b' ' => !blanks || !second.is_ascii_digit(),
        b'*' | b'$' | b'#' => false,
        _ => !is_word(previous),
    }
}

/// Whether no word and no other part of a number stands at `end`.
fn ends(haystack: &[u8], end: usize, blanks: bool) -> bool {
    let (next, after) = (at(haystack, end), at(haystack, end + 1));
    match next {
        b'-' | b'.' | b'/' => !is_word(after) && after != b'*',
        b' ' => !blanks || !after.is_ascii_digit(),
        b'*' | b'%' => false,
        _ => !is_word(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::testing::Chance;

    /// Where spellings stand whose first group of digits is `first..end`, each tried.
    fn tried(text: &[u8], first: usize, end: usize) -> Vec<(usize, usize)> {
        let joined = letters_before(text, first, LETTERS_MAX);
        let apart = letters_before(text, first.saturating_sub(1), 2);
        let is_apart = joined == 0 && matches!(before(text, first), b' ' | b'-') && (1..=2).contains(&apart);
        let mut found = Vec::new();
        for (letters, start) in [
            (joined, Some(first - joined)),
            (apart, (first - 1).checked_sub(apart).filter(|_| is_apart)),
        ] {
            let fits = SPELLINGS
                .iter()
                .filter(|(_, form, _)| head(form) == (letters, end - first));
            let starts = fits.filter_map(|(_, form, weight)| spelled(text, start?, form, *weight, false));
            found.extend(starts.map(|candidate| (candidate.start, candidate.end)));
        }
        found
    }

    #[test]
    fn the_bytes_around_the_digits_hide_no_spelling() {
        let mut chance = Chance(29);
        for length in (2..60).cycle().take(6_000) {
            let text = [b"x", &chance.runs(b"99A -./1a", length)[..]].concat();
            let is_digit = |index: &usize| at(&text, *index).is_ascii_digit();
            for first in (1..text.len()).filter(|first| is_digit(first) && !is_digit(&(first - 1))) {
                let end = (first..text.len()).find(|index| !is_digit(index)).unwrap_or(text.len());
                let mut found = Vec::new();
                let mut keep = |_, candidate: Candidate| found.push((candidate.start, candidate.end));
                each(&text, first, end, false, &mut keep);
                let tried = tried(&text, first, end);
                assert_eq!(found, tried, "{}", text.escape_ascii());
                assert!(found.is_empty() || may_begin(before(&text, first), end - first, at(&text, end)));
            }
        }
    }

    fn found(text: &str, numeric: bool) -> Vec<(Builtin, String, bool)> {
        let bytes = text.as_bytes();
        let mut all = Vec::new();
        let is_first = |at: &usize| bytes[*at].is_ascii_digit() && !before(bytes, *at).is_ascii_digit();
        for first in (0..bytes.len()).filter(is_first) {
            let end = (first..bytes.len()).find(|at| !bytes[*at].is_ascii_digit());
            let mut keep = |builtin, candidate: Candidate| {
                let normal = String::from_utf8_lossy(candidate.normal.as_bytes()).into_owned();
                all.push((builtin, normal, candidate.weak));
            };
            each(bytes, first, end.unwrap_or(bytes.len()), numeric, &mut keep);
        }
        all
    }

    /// A text, and the first id in it: matcher, normal form, whether it is weak.
    type Row = (&'static str, Option<(Builtin, &'static str, bool)>);

    #[test]
    fn shapes() {
        // Synthetic: the check digits are the validators' work.
        let rows: &[Row] = &[
            ("123.456.789-09", Some((BrCpf, "12345678909", false))),
            ("cpf 123.456.789-09,", Some((BrCpf, "12345678909", false))),
            ("X-1234567-L", Some((EsDni, "X1234567L", false))),
            ("12.345.678-Z", Some((EsDni, "12345678Z", false))),
            ("12345678z", Some((EsDni, "12345678Z", true))),
            ("12345678Z", Some((EsDni, "12345678Z", false))),
            ("nr 12345678Z", Some((EsDni, "12345678Z", true))),
            ("AB 12 34 56 C", Some((GbNino, "AB123456C", false))),
            ("AB123456C", Some((GbNino, "AB123456C", false))),
            ("1 85 05 78 006 084 91", Some((FrNir, "185057800608491", false))),
            ("1 85 05 2A 006 084 91", Some((FrNir, "185052A00608491", false))),
            // A time in milliseconds and a column of two digits have this form too.
            ("1795712345631 42 GET", Some((FrNir, "179571234563142", true))),
            ("253072A073004 43", Some((FrNir, "253072A07300443", true))),
            ("ABCPE1234F", Some((InPan, "ABCPE1234F", true))),
            ("11010519491231002X", Some((CnId, "11010519491231002X", false))),
            ("no 110105194912310021 of", Some((CnId, "110105194912310021", true))),
            ("B200000004", Some((TwId, "B200000004", true))),
            ("P202411260001", Some((KrCustoms, "P202411260001", true))),
            ("1234 5678 9012 3456", None),
            ("0.12345678Z", None),
            ("#12345678Z", None),
            ("ABCDEF1234F", None),
            ("DAB 12 34 56 C", None),
            ("99.12.345.678-Z", None),
        ];
        for (text, expected) in rows {
            let all = found(text, false);
            let first = all
                .first()
                .map(|(builtin, normal, weak)| (*builtin, normal.as_str(), *weak));
            assert_eq!(first, *expected, "{text}");
        }
        let weights: Vec<_> = found("12345678901", true).into_iter().map(|(.., weak)| weak).collect();
        assert_eq!(weights, [true, true]);
    }
}
