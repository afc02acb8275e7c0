//! Telephone numbers: international, Korean and North American spellings. All normalise to E.164 with its plus sign.

use super::super::Normal;
use super::super::number::{Gap, Lead, Number, Shape};
use super::Candidate;
use super::numbering;
use super::plan::{self, Korean};

/// Digits of an international number (ITU-T E.164, 6.2.1); the shortest that is worth a finding.
const INTERNATIONAL_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// A number with a plus sign: the longest run of groups that is in use in its country.
pub(in crate::engine::detect) fn international(number: &Number<'_>) -> Option<Candidate> {
    if number.lead != Lead::Plus {
        return None;
    }
    (1..=number.groups()).rev().find_map(|count| {
        let shape = number
            .prefix(count)
            .filter(|shape| INTERNATIONAL_DIGITS.contains(&shape.digits.len()))?;
        // Between country code and area any gap may stand, and parentheses anywhere; the rest is written alike.
        let mut rest = (2..count)
            .filter_map(|index| number.gap(index))
            .filter(|gap| !matches!(gap, Gap::Paren | Gap::Slash));
        let alike = rest.next().is_none_or(|first| rest.all(|gap| gap == first));
        let normal = alike.then(|| international_normal(shape.digits))??;
        Some(Candidate {
            start: number.start(),
            end: shape.end,
            normal,
            weak: false,
        })
    })
}

/// The normal form of international `digits`, if the number is in use. Also what a national spelling becomes.
pub(super) fn international_normal(digits: &[u8]) -> Option<Normal> {
    let code = numbering::country(digits)?;
    let national = digits.get(code.len()..)?;
    let national = national
        .strip_prefix(b"0")
        .filter(|_| plan::drops_zero(code))
        .unwrap_or(national);
    is_in_use(code, national).then(|| e164(code, national))
}

/// Whether `national` digits, without their trunk prefix, are a number of country `code`.
pub(super) fn is_in_use(code: &[u8], national: &[u8]) -> bool {
    match code {
        b"82" => is_korean(national),
        b"1" => plan::is_north_american(national),
        _ => numbering::in_use(code, national),
    }
}

/// The lengths that [`is_in_use`] takes under `code`: bit n - 1 stands for n digits.
pub(super) fn lengths(code: &[u8]) -> u16 {
    match code {
        // An area of one to three digits and seven or eight behind it; ten.
        b"82" => 0b111_1000_0000,
        b"1" => 1 << 9,
        _ => numbering::lengths(code),
    }
}

/// Whether a Korean national number without its trunk 0 is in the plan.
fn is_korean(national: &[u8]) -> bool {
    let area = plan::korean_area_len(national);
    let split = national.split_at_checked(area);
    split.is_some_and(|(area, rest)| plan::korean(area, rest.len()).is_some() && !is_dummy(rest))
}

/// Whether a subscriber's digits are all zeros, as they stand in forms for any (`010-0000-0000`).
fn is_dummy(subscriber: &[u8]) -> bool {
    subscriber.iter().all(|digit| *digit == b'0')
}

pub(super) fn e164(code: &[u8], national: &[u8]) -> Normal {
    Normal::joined(&[b"+", code, national])
}

/// A number as it is dialled in Korea: `010-1234-5678`, `(02) 123-4567`. Without gaps, or with blanks in a fixed-line
/// number, it is weak. A numeric cell cannot hold the trunk 0, so there a mobile number may come without it.
pub(in crate::engine::detect) fn korean(number: &Number<'_>, numeric_cell: bool) -> Option<Candidate> {
    if number.lead == Lead::Plus {
        return None;
    }
    let found = |shape: Shape<'_>, normal, weak| {
        Some(Candidate {
            start: number.start(),
            end: shape.end,
            normal,
            weak,
        })
    };
    let first = number.first_len();
    if first >= 9 {
        let shape = number.shape(&[first])?;
        let national = match shape.digits {
            [b'0', national @ ..] => national,
            [b'1', b'0', ..] if numeric_cell && first == 10 => shape.digits,
            _ => return None,
        };
        return is_korean(national)
            .then(|| e164(b"82", national))
            .and_then(|normal| found(shape, normal, true));
    }
    if !matches!(first, 2..=4) {
        return None;
    }
    let shape = [[first, 4, 4], [first, 3, 4]]
        .iter()
        .find_map(|lens| number.shape(lens))?;
    let (area, rest) = shape.digits.split_at_checked(first)?;
    let kind = plan::korean(area.strip_prefix(b"0")?, rest.len()).filter(|_| !is_dummy(rest))?;
    let gap = number.gap(2).filter(|gap| *gap != Gap::Paren)?;
    let alike = number.gap(1) == Some(gap) || number.gap(1) == Some(Gap::Paren);
    let exchange = rest.first().is_some_and(|digit| *digit != b'0');
    let plausible = alike && (kind == Korean::Mobile || exchange);
    let weak = kind == Korean::Line && gap == Gap::Blank && number.gap(1) == Some(Gap::Blank);
    let national = shape.digits.get(1..)?;
    plausible
        .then(|| e164(b"82", national))
        .and_then(|normal| found(shape, normal, weak))
}

/// A number as it is dialled in North America: `(212) 555-0123`, `1-212-555-0123`. Without gaps or with blanks, or in an
/// area that is not in use, it is weak.
pub(in crate::engine::detect) fn north_american(number: &Number<'_>) -> Option<Candidate> {
    let first = number.first_len();
    let (shape, area, strong) = match (number.lead, first) {
        (Lead::Plus, _) => return None,
        (_, 10 | 11) => (number.shape(&[first])?, 0, false),
        (_, 1) => {
            let shape = number.shape(&[1, 3, 3, 4])?;
            (
                shape,
                1,
                number.gap_of(1..4) == Some(Gap::Hyphen) || number.gap(2) == Some(Gap::Paren),
            )
        }
        (Lead::Paren, 3) if number.gap(1) == Some(Gap::Paren) => (number.shape(&[3, 3, 4])?, 0, true),
        (_, 3) => {
            let gap = number.gap_of(1..3)?;
            (number.shape(&[3, 3, 4])?, 0, matches!(gap, Gap::Hyphen | Gap::Dot))
        }
        _ => return None,
    };
    if area == 1 || first == 11 {
        shape.digits.strip_prefix(b"1")?;
    }
    let national = shape.digits.get(usize::from(area == 1 || first == 11)..)?;
    let normal = plan::is_north_american(national).then(|| e164(b"1", national))?;
    Some(Candidate {
        start: number.start(),
        end: shape.end,
        normal,
        weak: !strong || !numbering::in_use(b"1", national),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Find = fn(&Number<'_>) -> Option<Candidate>;

    fn check(find: Find, rows: &[(&str, Option<(&str, bool)>)]) {
        for (text, expected) in rows {
            let first = text.find(|letter: char| letter.is_ascii_digit()).expect("a digit");
            let found = Number::read(text.as_bytes(), first).and_then(|number| find(&number));
            let found = found.map(|found| {
                (
                    String::from_utf8_lossy(found.normal.as_bytes()).into_owned(),
                    found.weak,
                )
            });
            assert_eq!(
                found.as_ref().map(|(normal, weak)| (normal.as_str(), *weak)),
                *expected,
                "{text}"
            );
        }
    }

    #[test]
    fn internationals() {
        check(
            international,
            &[
                ("+82 10-0000-1234", Some(("+821000001234", false))),
                ("+82-10-0000-1234", Some(("+821000001234", false))),
                ("+82 (0)10-0000-1234", Some(("+821000001234", false))),
                ("+821000001234", Some(("+821000001234", false))),
                ("+1 (212) 555-0123", Some(("+12125550123", false))),
                ("+1 212 555 0123 2024", Some(("+12125550123", false))),
                ("+44 20 7946 0123", Some(("+442079460123", false))),
                ("+33 1 99 00 12 34", Some(("+33199001234", false))),
                ("+39 06 1234 5678", Some(("+390612345678", false))),
                ("+1 112 555 0123", None),
                ("+0900", None),
                ("+20240101", None),
                ("+999123456789", None),
            ],
        );
    }

    #[test]
    fn koreans() {
        check(
            |number| korean(number, false),
            &[
                ("010-0000-1234", Some(("+821000001234", false))),
                ("010.0000.1234", Some(("+821000001234", false))),
                ("010 0000 1234", Some(("+821000001234", false))),
                ("011-000-1234", Some(("+82110001234", false))),
                ("02-555-0123", Some(("+8225550123", false))),
                ("(02) 555-0123", Some(("+8225550123", false))),
                ("02)555-0123", Some(("+8225550123", false))),
                ("031 555 0123", Some(("+82315550123", true))),
                ("0505-555-0123", Some(("+825055550123", false))),
                ("01000001234", Some(("+821000001234", true))),
                ("1000001234", None),
                ("010-0000.1234", None),
                ("020-0000-1234", None),
                ("1588-0000", None),
                ("02-055-0123", None),
            ],
        );
        check(
            |number| korean(number, true),
            &[("1000001234", Some(("+821000001234", true)))],
        );
    }

    #[test]
    fn north_americans() {
        check(
            north_american,
            &[
                ("212-555-0123", Some(("+12125550123", false))),
                ("(212) 555-0123", Some(("+12125550123", false))),
                ("(212)555-0123", Some(("+12125550123", false))),
                ("212.555.0123", Some(("+12125550123", false))),
                ("1-212-555-0123", Some(("+12125550123", false))),
                ("1 (212) 555-0123", Some(("+12125550123", false))),
                ("212 555 0123", Some(("+12125550123", true))),
                ("2125550123", Some(("+12125550123", true))),
                ("12125550123", Some(("+12125550123", true))),
                ("212-555-012", None),
                ("112-555-0123", None),
                ("212-155-0123", None),
                ("(212-555-0123)", Some(("+12125550123", false))),
                ("2-212-555-0123", None),
                ("22125550123", None),
            ],
        );
    }
}
