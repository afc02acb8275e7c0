//! Bank accounts of countries without IBAN: a few groups of digits that only a key or a bank's name tells from others.

use super::super::Normal;
use super::super::number::{Gap, Lead, Number};
use super::Candidate;

/// Digits of an account: a Japanese one has seven, an Indian one up to eighteen, a Chinese one that is a card's nineteen.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=19;
/// Groups of an account (`123-456789-01-234` has four).
const GROUPS_MAX: usize = 4;

/// The account at the beginning of `number`; always weak.
pub(in crate::engine::detect) fn find(number: &Number<'_>) -> Option<Candidate> {
    if number.lead != Lead::Open {
        return None;
    }
    (1..=number.groups().min(GROUPS_MAX)).rev().find_map(|count| {
        let shape = number
            .prefix(count)
            .filter(|shape| DIGITS.contains(&shape.digits.len()))?;
        let gap = if count > 1 {
            number.gap_of(1..count)?
        } else {
            Gap::Hyphen
        };
        let is_date = count == 3 && (number.shape(&[4, 2, 2]).is_some() || number.shape(&[2, 2, 4]).is_some());
        (matches!(gap, Gap::Hyphen | Gap::Blank) && !is_date).then(|| Candidate {
            start: number.start(),
            end: shape.end,
            normal: Normal::new(shape.digits),
            weak: true,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        // Synthetic: counting digits.
        let rows = [
            ("110-123-456789", Some("110123456789")),
            ("1002-123-456789", Some("1002123456789")),
            ("123-456789-01-234", Some("12345678901234")),
            ("1234567", Some("1234567")),
            ("123456", None),
            ("2024-01-02", None),
            ("01-02-2024", None),
            ("110-123.456789", None),
            ("1234567890123456789", Some("1234567890123456789")),
            ("12345678901234567890", None),
        ];
        for (text, expected) in rows {
            let found = Number::read(text.as_bytes(), 0).and_then(|number| find(&number));
            let normal = found.map(|found| String::from_utf8_lossy(found.normal.as_bytes()).into_owned());
            assert_eq!(normal.as_deref(), expected, "{text}");
        }
    }
}
