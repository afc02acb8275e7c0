//! International bank account numbers: two letters, two check digits, and as many characters as the country has.

use smallvec::SmallVec;

use super::super::Normal;
use super::super::bytes::{at, before, is_word};
use super::super::validate::iban_length;
use super::Candidate;

/// The number whose check digits begin at `digit`, in one piece or in groups of four. Lower case is weak.
pub(in crate::engine::detect) fn find(haystack: &[u8], digit: usize) -> Option<Candidate> {
    let start = digit.checked_sub(2)?;
    let (first, second) = (at(haystack, start), at(haystack, start + 1));
    if !first.is_ascii_alphabetic() || !second.is_ascii_alphabetic() || is_word(before(haystack, start)) {
        return None;
    }
    let length = iban_length([first.to_ascii_uppercase(), second.to_ascii_uppercase()])?;
    let grouped = matches!(at(haystack, start + 4), b' ' | b'-').then(|| at(haystack, start + 4));
    let mut normal = SmallVec::<[u8; 40]>::new();
    let (mut end, mut lower) = (start, false);
    while normal.len() < length {
        let mut byte = at(haystack, end);
        if grouped == Some(byte) && normal.len().is_multiple_of(4) {
            end += 1;
            byte = at(haystack, end);
        } else if grouped.is_some() && normal.len().is_multiple_of(4) && !normal.is_empty() {
            return None;
        }
        if !byte.is_ascii_alphanumeric() {
            return None;
        }
        lower |= byte.is_ascii_lowercase();
        normal.push(byte.to_ascii_uppercase());
        end += 1;
    }
    let ends = !is_word(at(haystack, end));
    ends.then(|| Candidate {
        start,
        end,
        normal: Normal::new(&normal),
        weak: lower,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let rows = [
            ("GB82WEST12345698765432", Some(("GB82WEST12345698765432", false))),
            ("GB82 WEST 1234 5698 7654 32", Some(("GB82WEST12345698765432", false))),
            ("gb82west12345698765432", Some(("GB82WEST12345698765432", true))),
            ("GB82 WEST12345698765432", None),
            ("GB82WEST123456987654321", None),
            ("GB82WEST1234569876543", None),
            ("ZZ82WEST12345698765432", None),
        ];
        for (text, expected) in rows {
            let found = find(text.as_bytes(), 2);
            let found = found.map(|found| {
                (
                    String::from_utf8_lossy(found.normal.as_bytes()).into_owned(),
                    found.weak,
                )
            });
            let found = found.as_ref().map(|(normal, weak)| (normal.as_str(), *weak));
            assert_eq!(found, expected, "{text}");
        }
        assert!(find(b"xGB82WEST12345698765432", 3).is_none());
    }
}
