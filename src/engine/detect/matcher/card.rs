//! Payment cards: issuer ranges and lengths (ISO/IEC 7812), and the groupings that are embossed.

use super::super::Normal;
use super::super::number::{Gap, Lead, Number};
use super::Candidate;

/// Sixteen digits, and what schemes have that allow more.
const SIXTEEN: &[usize] = &[16];
const SIXTEEN_UP: &[usize] = &[16, 17, 18, 19];
/// What Maestro allows, from thirteen on.
const THIRTEEN_UP: &[usize] = &[13, 14, 15, 16, 17, 18, 19];

/// First six digits from and to (both included), lengths, and whether the range needs a context word because much else
/// begins so. The first that holds the six digits is the one.
const ISSUERS: [(u32, u32, &[usize], bool); 20] = [
    (220_000, 220_499, SIXTEEN, false),       // Mir
    (222_100, 272_099, SIXTEEN, false),       // Mastercard
    (300_000, 305_999, &[14], false),         // Diners Club
    (309_500, 309_599, &[14], false),         // Diners Club
    (340_000, 349_999, &[15], false),         // American Express
    (352_800, 358_999, SIXTEEN_UP, false),    // JCB
    (360_000, 369_999, &[14], false),         // Diners Club
    (370_000, 379_999, &[15], false),         // American Express
    (380_000, 399_999, &[14], false),         // Diners Club
    (400_000, 499_999, &[13, 16, 19], false), // Visa
    (500_000, 509_999, THIRTEEN_UP, true),    // Maestro, RuPay, Elo
    (510_000, 559_999, SIXTEEN, false),       // Mastercard
    (560_000, 589_999, THIRTEEN_UP, true),    // Maestro
    (601_100, 601_199, SIXTEEN_UP, false),    // Discover
    (600_000, 619_999, SIXTEEN_UP, true),     // RuPay, Hipercard, Maestro
    (620_000, 629_999, SIXTEEN_UP, false),    // UnionPay
    (630_000, 643_999, THIRTEEN_UP, true),    // Maestro
    (644_000, 659_999, SIXTEEN_UP, false),    // Discover, RuPay
    (670_000, 679_999, THIRTEEN_UP, true),    // Maestro
    (940_000, 979_999, SIXTEEN, true),        // Korean domestic cards, Troy
];

/// The groupings: four by four with what is left, American Express, Diners Club.
const GROUPINGS: [&[usize]; 6] = [
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[6, 13],
];

/// The card at the beginning of `number`. Other lengths than 14 to 16 are weak, and so are bare digits in a numeric cell.
pub(in crate::engine::detect) fn find(number: &Number<'_>, numeric_cell: bool) -> Option<Candidate> {
    if number.lead == Lead::Plus {
        return None;
    }
    let bare = number.first_len();
    let shape = if bare >= 13 {
        number.shape(&[bare])?
    } else {
        grouped(number)?
    };
    let odd = !matches!(shape.digits.len(), 14..=16) || (bare >= 13 && numeric_cell);
    let weak = issuer(shape.digits)? || odd;
    Some(Candidate {
        start: number.start(),
        end: shape.end,
        normal: Normal::new(shape.digits),
        weak,
    })
}

/// The longest grouping that fits, with the same hyphen or blank everywhere.
fn grouped<'n>(number: &'n Number<'_>) -> Option<super::super::number::Shape<'n>> {
    if number.first_len() != 4 {
        return None;
    }
    let fits = |lens: &&[usize]| {
        let gap = number.gap_of(1..lens.len());
        if matches!(gap, Some(Gap::Hyphen | Gap::Blank)) {
            number.shape(lens)
        } else {
            None
        }
    };
    GROUPINGS.iter().filter_map(fits).max_by_key(|shape| shape.digits.len())
}

/// Whether the issuer's range needs a context word; `None` if no issuer has this range and length.
fn issuer(digits: &[u8]) -> Option<bool> {
    let head = digits
        .first_chunk::<6>()
        .filter(|head| matches!(head, [b'2'..=b'6' | b'9', ..]))?;
    let head = head.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    ISSUERS
        .iter()
        .find(|(from, to, ..)| (*from..=*to).contains(&head))
        .filter(|(_, _, lengths, _)| lengths.contains(&digits.len()))
        .map(|(.., weak)| *weak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_issuers() {
        let rows = [
            ("4111111111111111", Some(false)),
            ("4111 1111 1111 1111", Some(false)),
            ("4111-1111-1111-1111", Some(false)),
            ("3782 822463 10005", Some(false)),
            ("378282246310005", Some(false)),
            ("3056 930902 5904", Some(false)),
            ("6011000990139424", Some(false)),
            ("6759649826438453", Some(true)),
            ("4222222222222", Some(true)),
            ("4111 1111-1111 1111", None),
            ("41111111 11111111", None),
            ("490154203237518", None),
            ("1700000000000", None),
            ("9999999999999999", None),
            ("411111111111111a", None),
        ];
        for (text, expected) in rows {
            let found =
                Number::read(text.as_bytes(), 0).and_then(|number| find(&number, false).map(|found| found.weak));
            assert_eq!(found, expected, "{text}");
        }
        let number = Number::read(b"4111111111111111", 0).expect("a number");
        assert_eq!(find(&number, true).map(|found| found.weak), Some(true));
    }
}
