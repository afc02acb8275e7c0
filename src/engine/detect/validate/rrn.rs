//! Korean resident and foreigner registration numbers: date of birth, century digit and check digit.
//!
//! `YYMMDD-SNNNNNC`. S says century, sex and kind: 1-2 and 5-6 born 19xx, 3-4 and 7-8 born 20xx, 9 and 0 born 18xx;
//! 5-8 are foreigners. Numbers given out since October 2020 are random after S and have no check digit
//! (enforcement rule of the Resident Registration Act), so it is evidence and never a condition.

use super::{date, decimal};

/// The weights of the twelve digits before the check digit.
const WEIGHTS: [u32; 12] = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];

/// What a number with a possible date of birth shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::detect) enum Verdict {
    /// The check digit is right.
    Checked,
    /// Born since October 2020: it can have none.
    Uncheckable,
    /// The check digit is wrong; a number that was changed since October 2020 looks like this.
    Unchecked,
}

/// Judges thirteen `digits`; `None` where they hold no date of birth.
pub(in crate::engine::detect) fn judge(digits: &[u8]) -> Option<Verdict> {
    if digits.len() != 13 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (birth, rest) = digits.split_first_chunk::<6>()?;
    let (sign, check) = (*rest.first()?, *digits.last()?);
    let century = match sign {
        b'9' | b'0' => 1800,
        b'1' | b'2' | b'5' | b'6' => 1900,
        _ => 2000,
    };
    let birth = decimal(birth)?;
    let (year, month, day) = (century + birth / 10_000, birth / 100 % 100, birth % 100);
    if !date::exists(year, month, day) {
        return None;
    }
    let sum: u32 = digits
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    // A foreigner's check digit is two more than a resident's.
    let base = if (b'5'..=b'8').contains(&sign) { 13 } else { 11 };
    Some(if (base - sum % 11) % 10 == u32::from(check - b'0') {
        Verdict::Checked
    } else if (year, month) >= (2020, 10) {
        Verdict::Uncheckable
    } else {
        Verdict::Unchecked
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_signs_and_check_digits() {
        // All synthetic: dates with counting digits behind them.
        let rows: [(&[u8], Option<Verdict>); 9] = [
            (b"9001011234568", Some(Verdict::Checked)),
            (b"9001011234567", Some(Verdict::Unchecked)),
            (b"9001015234561", Some(Verdict::Checked)),
            (b"2101013234567", Some(Verdict::Uncheckable)),
            (b"9002301234568", None),
            (b"9013011234568", None),
            (b"0002293234567", Some(Verdict::Unchecked)),
            (b"1700000000000", None),
            (b"900101123456", None),
        ];
        for (digits, expected) in rows {
            assert_eq!(judge(digits), expected, "{}", String::from_utf8_lossy(digits));
        }
    }
}
