//! US social security numbers: `AAA-GG-SSSS`.

use super::super::Normal;
use super::super::number::{Gap, Lead, Number};
use super::Candidate;

/// The number at the beginning of `number`. Nine digits with blanks or without anything between them are weak.
pub(in crate::engine::detect) fn find(number: &Number<'_>) -> Option<Candidate> {
    if number.lead == Lead::Plus {
        return None;
    }
    let (shape, weak) = match number.first_len() {
        3 => match number.gap_of(1..3)? {
            Gap::Hyphen => (number.shape(&[3, 2, 4])?, false),
            Gap::Blank => (number.shape(&[3, 2, 4])?, true),
            Gap::Dot | Gap::Paren | Gap::Slash => return None,
        },
        _ => (number.shape(&[9])?, true),
    };
    Some(Candidate {
        start: number.start(),
        end: shape.end,
        normal: Normal::new(shape.digits),
        weak,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let rows = [
            ("123-45-6789", Some(false)),
            ("123 45 6789", Some(true)),
            ("123456789", Some(true)),
            ("123.45.6789", None),
            ("123-45-67890", None),
            ("123-456-789", None),
        ];
        for (text, expected) in rows {
            let found = Number::read(text.as_bytes(), 0).and_then(|number| find(&number).map(|found| found.weak));
            assert_eq!(found, expected, "{text}");
        }
    }
}
