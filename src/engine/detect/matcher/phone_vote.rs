//! Which telephone numbers that are too weak by themselves a column may lift.
//!
//! An id that is filled up with a zero (`0312004455`), the draw of a lottery (`04 12 23 35 41`) and the number of a section are
//! fixed lines of some country more often than not; the ranges of mobiles are few, and people's own numbers are there.

use smallvec::SmallVec;

/// Digits of the longest number that is judged (ITU-T E.164: fifteen, and the prefix 00).
const DIGITS_MAX: usize = 17;

/// What the digits begin with, and how many there are, trunk 0 included.
type Range = (&'static [u8], std::ops::RangeInclusive<usize>);

/// Ranges of mobile numbers in the national plans, by country.
const MOBILE: [Range; 16] = [
    // Korea (MSIT notice on telecommunication numbers): 010, and the older 011 and 016 to 019.
    (b"010", 11..=11),
    (b"011", 10..=11),
    (b"016", 10..=11),
    (b"017", 10..=11),
    (b"018", 10..=11),
    (b"019", 10..=11),
    // Japan (MIC numbering plan).
    (b"070", 11..=11),
    (b"080", 11..=11),
    (b"090", 11..=11),
    // Taiwan (NCC numbering plan).
    (b"09", 10..=10),
    // France (ARCEP decision 2018-0881).
    (b"06", 10..=10),
    (b"07", 10..=10),
    // Great Britain (Ofcom, National Telephone Numbering Plan).
    (b"07", 11..=11),
    // Germany (Bundesnetzagentur, numbering plan for mobile services): 016 and 017 are Korea's too.
    (b"015", 12..=12),
    (b"016", 11..=12),
    (b"017", 11..=12),
];

/// Whether the column of `text`, the spelling of a number that is in use, may lift it. Bare digits and pairs must be a
/// mobile's; a slash that is not German is an invoice's; other groups are the work of somebody who wrote a phone.
/// A JSON number has lost its trunk 0.
pub(in crate::engine::detect) fn may_vote(text: &[u8], numeric: bool) -> bool {
    let digits: SmallVec<[u8; DIGITS_MAX]> = text
        .iter()
        .copied()
        .filter(u8::is_ascii_digit)
        .take(DIGITS_MAX)
        .collect();
    let is_bare = digits.len() == text.len();
    if numeric {
        return is_bare && is_numeric_mobile(&digits);
    }
    if is_bare || is_pairs(text) {
        return is_mobile(&digits) && (is_bare || !super::national::is_dump(&digits));
    }
    let lens = groups(text);
    let is_dialled = match (text.first(), lens.as_slice()) {
        // A short number behind an area code is a part number as often.
        (Some(b'0'), [area, number]) => *number >= 7 || *area >= 5 || is_mobile(&digits),
        // The last is a Chinese mobile number.
        (Some(b'(' | b'0'), _) | (Some(b'1'), [3, 4, 4]) => true,
        (_, lens) => GROUPS.contains(&lens),
    };
    !text.contains(&b'/') && is_dialled
}

/// How mobile numbers look as JSON numbers: without their trunk 0, or with the code of their country.
const NUMERIC: [Range; 12] = [
    (b"10", 10..=10),
    (b"8210", 12..=12),
    (b"70", 10..=10),
    (b"80", 10..=10),
    (b"90", 10..=10),
    (b"8170", 12..=12),
    (b"8180", 12..=12),
    (b"8190", 12..=12),
    (b"13", 11..=11),
    (b"15", 11..=11),
    (b"18", 11..=11),
    (b"8613", 13..=13),
];

/// Digits of the groups of numbers that are dialled without a trunk 0: North America, China, Spain, Brazil, India.
const GROUPS: [&[usize]; 9] = [
    &[3, 3, 4],
    &[2, 5, 4],
    &[2, 4, 4],
    &[1, 3, 3, 4],
    &[5, 5],
    &[3, 3, 3],
    &[3, 2, 2, 2],
    &[2, 3, 2, 2],
    &[4, 3, 3],
];

/// Digits of each group of `text`.
fn groups(text: &[u8]) -> SmallVec<[usize; 8]> {
    let groups = text.split(|byte| !byte.is_ascii_digit());
    groups.map(<[u8]>::len).filter(|len| *len > 0).collect()
}

/// Mobiles of countries whose ranges are few, and numbers of the North American plan.
fn is_numeric_mobile(digits: &[u8]) -> bool {
    let in_range = |(prefix, lengths): &Range| digits.starts_with(prefix) && lengths.contains(&digits.len());
    NUMERIC.iter().any(in_range) || super::plan::is_north_american(digits)
}

fn is_mobile(digits: &[u8]) -> bool {
    MOBILE
        .iter()
        .any(|(prefix, lengths)| digits.starts_with(prefix) && lengths.contains(&digits.len()))
}

/// Whether `text` is pairs of digits alone, between blanks or dots.
fn is_pairs(text: &[u8]) -> bool {
    let mut groups = text.split(|byte| matches!(byte, b' ' | b'.'));
    groups.all(|group| matches!(group, [b'0'..=b'9', b'0'..=b'9']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_a_column_lifts() {
        let rows: [(&str, bool); 21] = [
            ("920-71-95416", false),
            ("0838 797233", false),
            ("0711 8566970", true),
            ("11-90000-0000", true),
            ("01000001234", true),
            ("09012345678", true),
            ("0900000000", true),
            ("0612345678", true),
            ("07400123456", true),
            ("015123456789", true),
            ("06 12 34 56 78", true),
            ("06.12.34.56.78", true),
            ("03-5000-0000", true),
            ("612 34 56 78", true),
            ("0312004455", false),
            ("0100000123", false),
            ("0033199001234", false),
            ("04 12 23 35 41", false),
            ("01.02.03.04.05", false),
            ("06.01.02.03.04", false),
            ("045/20240115", false),
        ];
        for (text, expected) in rows {
            assert_eq!(may_vote(text.as_bytes(), false), expected, "{text}");
        }
    }
}
