//! The shape of a number in text: groups of digits, what stands between them and on both sides.
//!
//! ```text
//! +82 10-1234-5678이고      lead Plus, groups 82 | 10 | 1234 | 5678, gaps Blank, Hyphen, Hyphen
//! (212) 555-0123            lead Paren, groups 212 | 555 | 0123, gaps Paren, Hyphen
//! ```
//! It is read at most once per group of digits and holds at most [`DIGITS_MAX`] digits, so a haystack of nothing but
//! digits and separators still costs a constant per byte.

use super::bytes::{at, before, is_word};
use crate::engine::byte_set::ByteSet;

/// No identifier has more digits (a payment card has 19).
pub(super) const DIGITS_MAX: usize = 19;
/// No identifier is written in one piece of fewer digits.
const BARE_DIGITS_MIN: usize = 9;
/// But for a Japanese bank account.
const JAPANESE_ACCOUNT_DIGITS: usize = 7;
/// No identifier is written in more groups (`+33 6 12 34 56 78` has 6, one more for an odd grouping).
const GROUPS_MAX: usize = 8;

/// What stands before a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// A boundary.
    Open,
    /// A plus sign after a boundary.
    Plus,
    /// An opening parenthesis.
    Paren,
}

/// What stands between two groups of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gap {
    /// One `-` or dash, with a blank on both sides or on none.
    #[default]
    Hyphen,
    /// One `.`.
    Dot,
    /// One blank, of those that do not break a line too.
    Blank,
    /// A parenthesis, with or without a blank or a hyphen.
    Paren,
    /// One `/`.
    Slash,
}

#[derive(Clone, Copy, Default)]
struct Group {
    /// Digits of this group.
    len: u8,
    /// Digits of this group and those before it; <= `DIGITS_MAX`.
    total: u8,
    /// Where it ends, counted from the first digit.
    end: u8,
    /// What stands before it; meaningless for the first.
    gap: Gap,
}

/// A number as it stands in the text.
pub(super) struct Number<'h> {
    haystack: &'h [u8],
    /// The first digit.
    pub(super) first: usize,
    /// What stands before the first digit.
    pub(super) lead: Lead,
    digits: [u8; DIGITS_MAX],
    groups: [Group; GROUPS_MAX],
    count: usize,
}

/// The first groups of a [`Number`], when they have the asked lengths and end at a boundary.
#[derive(Clone, Copy)]
pub(super) struct Shape<'n> {
    /// The digits, without what stands between them.
    pub(super) digits: &'n [u8],
    /// Where the last group ends in the haystack.
    pub(super) end: usize,
}

impl<'h> Number<'h> {
    /// Reads the number whose first digit is at `first`; `None` where it is a part of a longer word or number.
    pub(super) fn read(haystack: &'h [u8], first: usize) -> Option<Self> {
        let lead = lead(haystack, first)?;
        let mut number = Self {
            haystack,
            first,
            lead,
            digits: [0; DIGITS_MAX],
            groups: [Group::default(); GROUPS_MAX],
            count: 0,
        };
        let (mut total, mut offset, mut gap) = (0, 0, Gap::default());
        while number.count < GROUPS_MAX {
            let Some(len) = number.copy_digits(offset, total) else {
                break;
            };
            (total, offset) = (total + len, offset + len);
            let end = offset;
            if let Some(group) = number.groups.get_mut(number.count) {
                *group = Group { len, total, end, gap };
            }
            number.count += 1;
            let Some((kind, width)) = gap_at(haystack, first + usize::from(offset)) else {
                break;
            };
            gap = kind;
            offset += width;
        }
        (number.count > 0).then_some(number)
    }

    /// Copies the group of digits `offset` bytes behind the first digit, and says how many it has; `total` are there
    /// already. `None` if there is no room for them.
    fn copy_digits(&mut self, offset: u8, total: u8) -> Option<u8> {
        let mut len = 0;
        while let digit @ b'0'..=b'9' = at(self.haystack, self.first + usize::from(offset + len)) {
            *self.digits.get_mut(usize::from(total + len))? = digit;
            len += 1;
        }
        Some(len)
    }

    /// The first byte, with a plus sign, or with a parenthesis that is closed behind the first group.
    pub(super) fn start(&self) -> usize {
        let parenthesised = self.lead == Lead::Paren && self.gap(1) == Some(Gap::Paren);
        self.first - usize::from(self.lead == Lead::Plus || parenthesised)
    }

    /// Whether a byte in hexadecimal and a blank stand before it: `a0 06 12 34 56 78` is a dump.
    pub(super) fn follows_byte(&self) -> bool {
        let text = self.haystack.get(..self.first).unwrap_or_default();
        let [.., high, low, b' '] = text else { return false };
        let is_byte = high.is_ascii_hexdigit() && low.is_ascii_hexdigit();
        is_byte && (high.is_ascii_digit() || low.is_ascii_digit())
    }

    /// Whether a slash stands before the first digit, or behind the first `len` bytes: the number is a part of a path.
    pub(super) fn is_in_path(&self, len: usize) -> bool {
        before(self.haystack, self.first) == b'/' || at(self.haystack, self.first + len) == b'/'
    }

    /// How many groups were read.
    pub(super) fn groups(&self) -> usize {
        self.count
    }

    /// Digits of the first group.
    pub(super) fn first_len(&self) -> usize {
        self.groups.first().map_or(0, |group| usize::from(group.len))
    }

    /// The first `lens.len()` groups, if they are of these lengths and a boundary follows.
    pub(super) fn shape(&self, lens: &[usize]) -> Option<Shape<'_>> {
        let groups = self.groups.get(..self.count)?.get(..lens.len())?;
        let fits = groups
            .iter()
            .zip(lens)
            .all(|(group, len)| usize::from(group.len) == *len);
        if fits { self.prefix(lens.len()) } else { None }
    }

    /// The first `count` groups, whatever their lengths, if a boundary follows.
    pub(super) fn prefix(&self, count: usize) -> Option<Shape<'_>> {
        let last = self.groups.get(..self.count)?.get(count.checked_sub(1)?)?;
        let digits = self.digits.get(..usize::from(last.total))?;
        let end = self.first + usize::from(last.end);
        ends(self.haystack, end).then_some(Shape { digits, end })
    }

    /// The gap before group `index` (from 1).
    pub(super) fn gap(&self, index: usize) -> Option<Gap> {
        self.groups
            .get(1..self.count)?
            .get(index.checked_sub(1)?)
            .map(|group| group.gap)
    }

    /// The one gap that stands before each of the groups `range`; `None` where they differ.
    pub(super) fn gap_of(&self, range: std::ops::Range<usize>) -> Option<Gap> {
        let first = self.gap(range.start)?;
        range
            .skip(1)
            .all(|index| self.gap(index) == Some(first))
            .then_some(first)
    }
}

/// Whether [`is_promising`] may say so of so many digits between two bytes: they are many, or what follows may be a gap.
#[inline]
pub(super) fn may_be_promising(previous: u8, digits: usize, next: u8) -> bool {
    const GAPS: ByteSet = ByteSet::of(b" -./()");
    digits >= JAPANESE_ACCOUNT_DIGITS || previous == b'+' || GAPS.has(next) || !next.is_ascii()
}

/// Whether any shape begins like the group of digits `first..end`: a look at its length and at the next group's, which
/// spares reading most dates, times, prices and counters.
pub(super) fn is_promising(haystack: &[u8], first: usize, end: usize) -> bool {
    let len = end - first;
    if before(haystack, first) == b'+' || len >= BARE_DIGITS_MIN {
        return len <= DIGITS_MAX;
    }
    let Some((_, width)) = gap_at(haystack, end) else {
        return len == JAPANESE_ACCOUNT_DIGITS;
    };
    let next_has = |digits: usize| at(haystack, end + usize::from(width) + digits - 1).is_ascii_digit();
    match (len, at(haystack, first)) {
        // A trunk prefix or an area, `82-10-…`, and four digits that are no year.
        (3, _) | (2, b'0' | b'8') | (4, b'3'..=b'9') => next_has(2),
        // Behind others more than a month or a day follows.
        (1, b'1') | (2 | 4 | 5, _) => next_has(3),
        (6, b'0') => next_has(5),
        (6, _) => next_has(7),
        _ => false,
    }
}

/// Whether a number may begin at `first`, and with what lead.
fn lead(haystack: &[u8], first: usize) -> Option<Lead> {
    let previous = before(haystack, first);
    let second = before(haystack, first.saturating_sub(1));
    match previous {
        b'+' => (!is_word(second) && second != b'/').then_some(Lead::Plus),
        b'(' => (!is_word(second)).then_some(Lead::Paren),
        // A part of a longer number or word: `3.2125550123`, `a-2125550123`; a masked one: `*1234`; money: `$1234`.
        b'-' | b'.' => (!is_word(second)).then_some(Lead::Open),
        b'*' | b'$' => None,
        _ => (!is_word(previous)).then_some(Lead::Open),
    }
}

/// Whether a number may end at `end`: no letter and no further part of a number follows, other than an extension
/// (`555-0123x45`).
fn ends(haystack: &[u8], end: usize) -> bool {
    let next = at(haystack, end);
    let after = at(haystack, end + 1);
    match next {
        b'-' | b'.' => !after.is_ascii_digit() && after != b'*',
        b'*' | b'%' => false,
        b'x' => after.is_ascii_digit(),
        _ => !is_word(next),
    }
}

/// The gap at `index` and its width, if a digit follows it.
fn gap_at(haystack: &[u8], index: usize) -> Option<(Gap, u8)> {
    let (first, second) = (at(haystack, index), at(haystack, index + 1));
    let (gap, width) = match (first, second) {
        (b'-', _) => (Gap::Hyphen, 1),
        (b'.', _) => (Gap::Dot, 1),
        (b'/', _) => (Gap::Slash, 1),
        (b' ', b'-') if at(haystack, index + 2) == b' ' => (Gap::Hyphen, 3),
        (b' ', b'(') | (b')', b' ' | b'-') => (Gap::Paren, 2),
        (b'(' | b')', _) => (Gap::Paren, 1),
        (b' ', _) => (Gap::Blank, 1),
        (0xc2, 0xa0) => (Gap::Blank, 2),
        // Narrow blanks, and hyphens and dashes: U+2009, U+202F; U+2010, U+2011, U+2013.
        (0xe2, 0x80) => match at(haystack, index + 2) {
            0x89 | 0xaf => (Gap::Blank, 3),
            0x90 | 0x91 | 0x93 => (Gap::Hyphen, 3),
            _ => return None,
        },
        _ => return None,
    };
    at(haystack, index + usize::from(width))
        .is_ascii_digit()
        .then_some((gap, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        // text, first digit, lengths asked, digits found
        let rows: &[(&str, usize, &[usize], Option<&str>)] = &[
            ("010-1234-5678이고", 0, &[3, 4, 4], Some("01012345678")),
            ("(212) 555-0123", 1, &[3, 3, 4], Some("2125550123")),
            ("+1 (212) 555-0123", 1, &[1, 3, 3, 4], Some("12125550123")),
            ("212-555-0123-7", 0, &[3, 3, 4], None),
            ("212-555-0123a", 0, &[3, 3, 4], None),
            ("a212-555-0123", 1, &[3, 3, 4], None),
            ("1.212-555-0123", 2, &[3, 3, 4], None),
            ("212-555-0123.", 0, &[3, 3, 4], Some("2125550123")),
            ("12345678901234567890", 0, &[20], None),
            ("010 - 1234 - 5678", 0, &[3, 4, 4], Some("01012345678")),
            ("06\u{202f}12\u{a0}34", 0, &[2, 2, 2], Some("061234")),
            ("030/1234567", 0, &[3, 7], Some("0301234567")),
            ("212-555-0123x45", 0, &[3, 3, 4], Some("2125550123")),
        ];
        for (text, first, lens, expected) in rows {
            let number = Number::read(text.as_bytes(), *first);
            let shape = number.as_ref().and_then(|number| number.shape(lens));
            assert_eq!(shape.map(|shape| shape.digits), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn dates_and_times_are_not_worth_reading() {
        let rows = [
            ("2024-01-02", false),
            ("04:05", false),
            ("12.50", false),
            ("123.4", false),
            ("4111 1111", true),
            ("900101-1234568", true),
            ("1-212-555-0123", true),
            ("02-555-0123", true),
            ("123456789", true),
            ("12345678901234567890", false),
        ];
        for (text, expected) in rows {
            let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
            assert_eq!(is_promising(text.as_bytes(), 0, end), expected, "{text}");
        }
    }

    #[test]
    fn leads_and_gaps() {
        let number = Number::read(b"+82 10-1234-5678", 1).expect("a number");
        assert_eq!(
            (number.start(), number.lead, number.groups(), number.first_len()),
            (0, Lead::Plus, 4, 2)
        );
        assert_eq!(
            (number.gap(1), number.gap_of(2..4), number.gap_of(1..4)),
            (Some(Gap::Blank), Some(Gap::Hyphen), None)
        );
        assert!(Number::read(b"x+8210", 2).is_none());
    }
}
