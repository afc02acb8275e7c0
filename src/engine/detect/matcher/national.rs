//! Telephone numbers as they are dialled at home, in the countries whose spellings are known. Korea and North America
//! have matchers of their own for what needs no context word; with one, they are here too.

use std::sync::LazyLock;

use super::super::Normal;
use super::super::number::{Gap, Lead, Number, Shape};
use super::Candidate;
use super::phone::{e164, international_normal, is_in_use, lengths};
use super::phone_slash::slashed;

/// Digits as dialled, with a trunk or an international prefix.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=16;
/// Numbers are read from at most so many groups: `00 33 6 12 34 56 78` has seven.
const GROUPS_MAX: usize = 7;

/// A country and how its numbers are dialled at home.
struct Home {
    code: &'static [u8],
    trunk: Trunk,
}

/// The 0 before a national number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trunk {
    /// Always dialled.
    Always,
    /// Before some numbers, or by some people.
    Sometimes,
    /// There is none.
    Never,
}

/// In the order in which a number that is in use in several is given to one.
const HOMES: [Home; 11] = [
    Home {
        code: b"82",
        trunk: Trunk::Always,
    },
    Home {
        code: b"1",
        trunk: Trunk::Never,
    },
    Home {
        code: b"81",
        trunk: Trunk::Always,
    },
    Home {
        code: b"886",
        trunk: Trunk::Always,
    },
    Home {
        code: b"86",
        trunk: Trunk::Sometimes,
    },
    Home {
        code: b"33",
        trunk: Trunk::Always,
    },
    Home {
        code: b"44",
        trunk: Trunk::Always,
    },
    Home {
        code: b"34",
        trunk: Trunk::Never,
    },
    Home {
        code: b"55",
        trunk: Trunk::Sometimes,
    },
    Home {
        code: b"91",
        trunk: Trunk::Sometimes,
    },
    Home {
        code: b"49",
        trunk: Trunk::Always,
    },
];

/// The lengths of their numbers, which most digits have not: bit n - 1 stands for n digits.
static LENGTHS: LazyLock<[u16; HOMES.len()]> = LazyLock::new(|| HOMES.map(|home| lengths(home.code)));

/// A spelling that tells the country.
struct Usual {
    code: &'static [u8],
    /// What the digits begin with.
    head: &'static [&'static [u8]],
    /// Digits of the groups.
    groups: &'static [usize],
    /// What stands between them; before the second group a parenthesis may, if the number begins with one.
    gaps: &'static [Gap],
    /// Whether much else is spelled so, so that it does not stand without a context word.
    weak: bool,
}

const HYPHEN: &[Gap] = &[Gap::Hyphen];
const BLANK: &[Gap] = &[Gap::Blank];
const EITHER: &[Gap] = &[Gap::Hyphen, Gap::Blank];
/// Mobile numbers of China begin with 13 to 19.
const CHINA_MOBILE: &[&[u8]] = &[b"13", b"14", b"15", b"17", b"18", b"19"];

/// The spellings of the countries' own directories and forms (ITU-T E.123 and national practice).
const USUAL: [Usual; 18] = [
    Usual {
        code: b"81",
        head: &[b"090", b"080", b"070", b"050"],
        groups: &[3, 4, 4],
        gaps: EITHER,
        weak: false,
    },
    Usual {
        code: b"81",
        head: &[b"03", b"06"],
        groups: &[2, 4, 4],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"81",
        head: &[b"0"],
        groups: &[3, 3, 4],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"81",
        head: &[b"0"],
        groups: &[4, 2, 4],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"886",
        head: &[b"09"],
        groups: &[4, 3, 3],
        gaps: EITHER,
        weak: false,
    },
    Usual {
        code: b"886",
        head: &[b"0"],
        groups: &[2, 4, 4],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"86",
        head: CHINA_MOBILE,
        groups: &[3, 4, 4],
        gaps: EITHER,
        weak: false,
    },
    Usual {
        code: b"86",
        head: &[b"0"],
        groups: &[3, 8],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"86",
        head: &[b"0"],
        groups: &[4, 8],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"86",
        head: &[b"0"],
        groups: &[4, 7],
        gaps: HYPHEN,
        weak: false,
    },
    Usual {
        code: b"33",
        head: &[b"0"],
        groups: &[2, 2, 2, 2, 2],
        gaps: &[Gap::Blank, Gap::Dot],
        // Five pairs are the draw of a lottery, readings or the number of a section too.
        weak: true,
    },
    Usual {
        code: b"44",
        head: &[b"02"],
        groups: &[3, 4, 4],
        gaps: BLANK,
        weak: false,
    },
    Usual {
        code: b"44",
        head: &[b"01"],
        groups: &[4, 3, 4],
        gaps: BLANK,
        weak: false,
    },
    Usual {
        code: b"44",
        head: &[b"01", b"07"],
        groups: &[5, 6],
        gaps: BLANK,
        weak: false,
    },
    Usual {
        code: b"44",
        head: &[b"07"],
        groups: &[5, 3, 3],
        gaps: BLANK,
        weak: false,
    },
    Usual {
        code: b"91",
        head: &[b"0"],
        groups: &[3, 4, 4],
        gaps: BLANK,
        weak: false,
    },
    Usual {
        code: b"91",
        head: &[b"0"],
        groups: &[6, 5],
        gaps: BLANK,
        weak: false,
    },
    Usual {
        code: b"91",
        head: &[b"0"],
        groups: &[4, 3, 4],
        gaps: BLANK,
        weak: false,
    },
];

/// A number as it is dialled at home: the longest run of groups that is in use. A spelling that much else has is weak.
pub(in crate::engine::detect) fn find(number: &Number<'_>, numeric_cell: bool) -> Option<Candidate> {
    // Three, two and four digits are a social security number's, whatever country would have them.
    if number.lead == Lead::Plus || number.shape(&[3, 2, 4]).is_some() {
        return None;
    }
    (1..=number.groups().min(GROUPS_MAX)).rev().find_map(|count| {
        let shape = number
            .prefix(count)
            .filter(|shape| DIGITS.contains(&shape.digits.len()))?;
        if let Some((normal, weak)) = usual(number, count, shape) {
            return Some(candidate(number, shape, normal, weak));
        }
        if let Some((normal, weak)) = slashed(number, count, shape.digits) {
            return Some(candidate(number, shape, normal, weak));
        }
        // One digit before the area is the North American trunk prefix, whose matcher is another.
        if number.first_len() == 1 {
            return None;
        }
        let normal = dialled(shape.digits, numeric_cell)?;
        let strong = is_brazilian(number, count, normal.as_bytes());
        Some(candidate(number, shape, normal, !strong))
    })
}

fn candidate(number: &Number<'_>, shape: Shape<'_>, normal: Normal, weak: bool) -> Candidate {
    Candidate {
        start: number.start(),
        end: shape.end,
        normal,
        weak,
    }
}

/// The number in the country in which its spelling is usual, and whether the spelling is weak.
fn usual(number: &Number<'_>, count: usize, shape: Shape<'_>) -> Option<(Normal, bool)> {
    if count < 2 || (number.groups() > count && number.gap(count) == number.gap(count - 1)) {
        return None;
    }
    let inner = number.gap_of(if count > 2 { 2..count } else { 1..2 })?;
    let alike = number.gap(1) == Some(inner) || (number.lead == Lead::Paren && number.gap(1) == Some(Gap::Paren));
    USUAL
        .iter()
        .filter(|usual| alike && usual.groups.len() == count && usual.gaps.contains(&inner))
        .filter(|usual| number.shape(usual.groups).is_some())
        .filter(|usual| usual.head.iter().any(|head| shape.digits.starts_with(head)))
        .filter(|_| !is_dump(shape.digits) || !matches!(inner, Gap::Blank | Gap::Dot))
        .filter(|_| inner != Gap::Blank || !number.follows_byte())
        .find_map(|usual| {
            let national = shape.digits.strip_prefix(b"0").unwrap_or(shape.digits);
            is_in_use(usual.code, national).then(|| (e164(usual.code, national), usual.weak))
        })
}

/// Whether most pairs of digits begin with 0: small numbers of two digits each, as in a dump of bytes or the number of a
/// section (`01.02.03.04.05`).
pub(super) fn is_dump(digits: &[u8]) -> bool {
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().filter(|[tens, _]| *tens == b'0').count() > 3
}

/// The number in the first country in which it is in use, however it is spelled.
fn dialled(digits: &[u8], numeric_cell: bool) -> Option<Normal> {
    if let Some(international) = digits.strip_prefix(b"00") {
        return international_normal(international);
    }
    let trunk = digits.strip_prefix(b"0");
    let at_home = HOMES.iter().zip(&*LENGTHS).find_map(|(home, lengths)| {
        let national = match (home.trunk, trunk) {
            (Trunk::Always | Trunk::Sometimes, Some(national)) => national,
            (Trunk::Sometimes | Trunk::Never, None) => digits,
            // A number in a numeric cell has lost its 0.
            (Trunk::Always, None) if numeric_cell && digits.len() >= 9 => digits,
            _ => return None,
        };
        let may_be = u32::from(*lengths) << 1 >> national.len() & 1 == 1;
        (may_be && is_in_use(home.code, national)).then(|| e164(home.code, national))
    });
    at_home.or_else(|| {
        // The country code without its plus sign: `82-10-…`, `447400123456`.
        let home = HOMES.iter().find(|home| digits.starts_with(home.code))?;
        international_normal(digits).filter(|_| digits.len() > home.code.len() + 8)
    })
}

/// `(11) 91234-5678` and `11 91234-5678`: two kinds of gap at two places.
fn is_brazilian(number: &Number<'_>, count: usize, normal: &[u8]) -> bool {
    let hyphen = count == 3 && number.gap(2) == Some(Gap::Hyphen) && normal.starts_with(b"+55");
    let area = match number.gap(1) {
        Some(Gap::Paren) => number.lead == Lead::Paren,
        Some(Gap::Blank) => number.shape(&[2, 5, 4]).is_some(),
        _ => false,
    };
    hyphen && area && (number.shape(&[2, 5, 4]).is_some() || number.shape(&[2, 4, 4]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numeric: bool, rows: &[(&str, Option<(&str, bool)>)]) {
        for (text, expected) in rows {
            let first = text.find(|letter: char| letter.is_ascii_digit()).expect("a digit");
            let found = Number::read(text.as_bytes(), first).and_then(|number| find(&number, numeric));
            let found = found.map(|found| {
                let normal = String::from_utf8_lossy(found.normal.as_bytes()).into_owned();
                (normal, found.weak)
            });
            let found = found.as_ref().map(|(normal, weak)| (normal.as_str(), *weak));
            assert_eq!(found, *expected, "{text}");
        }
    }

    /// Numbers set aside for fiction, and the examples of the plans' own metadata.
    #[test]
    fn usual_spellings_stand_by_themselves() {
        check(
            false,
            &[
                ("090-1234-5678", Some(("+819012345678", false))),
                ("(03) 5000-0000", Some(("+81350000000", false))),
                ("0900-000-000", Some(("+886900000000", false))),
                ("138-0000-0000", Some(("+8613800000000", false))),
                ("138 0000 0000", Some(("+8613800000000", false))),
                ("020 7946 0123", Some(("+442079460123", false))),
                ("07400 123456", Some(("+447400123456", false))),
                ("0161 496 0000", Some(("+441614960000", false))),
                ("(11) 90000-0000", Some(("+5511900000000", false))),
                ("030/23125000", Some(("+493023125000", false))),
                ("0221/9123456", Some(("+492219123456", false))),
            ],
        );
    }

    #[test]
    fn other_spellings_are_weak() {
        check(
            false,
            &[
                ("09012345678", Some(("+819012345678", true))),
                // Korea has it as 053-649-0012, France, where it is kept for fiction, as 05 36 49 00 12.
                ("0536490012", Some(("+82536490012", true))),
                ("612 34 56 78", Some(("+34612345678", true))),
                ("90000 00000", Some(("+919000000000", true))),
                ("821000001234", Some(("+821000001234", true))),
                ("82-10-0000-1234", Some(("+821000001234", true))),
                ("0082 10 0000 1234", Some(("+821000001234", true))),
                ("030/20240115", Some(("+493020240115", true))),
                ("0221/150124", Some(("+49221150124", true))),
                ("1700000000000", None),
                ("1611308634312", None),
                ("2024-01-02", None),
                ("01 99 00 12 34", Some(("+33199001234", true))),
                ("01.99.00.12.34", Some(("+33199001234", true))),
                ("03 06 05 08 07", Some(("+33306050807", true))),
                ("01.02.03.04.05", Some(("+33102030405", true))),
                ("04 12 23 35 41", Some(("+33412233541", true))),
                ("09 15 30 45 00", Some(("+33915304500", true))),
                ("123-45-6789", None),
                ("12345678", None),
                ("1.800.555.0199", None),
            ],
        );
        check(true, &[("1000001234", Some(("+821000001234", true)))]);
    }
}
