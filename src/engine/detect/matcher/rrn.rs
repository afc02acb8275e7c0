//! Korean resident and foreigner registration numbers: `YYMMDD-SNNNNNN`.

use super::super::Normal;
use super::super::number::{Gap, Lead, Number};
use super::super::validate::{RrnVerdict, judge_rrn};
use super::Candidate;

/// The number at the beginning of `number`. It stands by itself only with its hyphen and a right check digit. All else
/// needs a context word, and then a date of birth is enough: a number changed since October 2020 has no check digit.
pub(in crate::engine::detect) fn find(number: &Number<'_>) -> Option<Candidate> {
    if number.lead == Lead::Plus {
        return None;
    }
    let bare = number.first_len() == 13;
    let shape = if bare {
        number.shape(&[13])?
    } else {
        number.shape(&[6, 7])?
    };
    let gap = number.gap(1).filter(|_| !bare);
    if !bare && !matches!(gap, Some(Gap::Hyphen | Gap::Blank)) {
        return None;
    }
    let weak = judge_rrn(shape.digits)? != RrnVerdict::Checked || gap != Some(Gap::Hyphen);
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
            ("900101-1234568", Some(false)),
            ("900101-1234567", Some(true)),
            ("210101-3234567", Some(true)),
            ("9001011234568", Some(true)),
            ("9001011234567", Some(true)),
            ("2101013234567", Some(true)),
            ("901301-1234568", None),
            ("900101 1234568", Some(true)),
            ("1700000000000", None),
        ];
        for (text, expected) in rows {
            let found = Number::read(text.as_bytes(), 0).and_then(|number| find(&number).map(|found| found.weak));
            assert_eq!(found, expected, "{text}");
        }
    }
}
