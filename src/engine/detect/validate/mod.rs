//! Validators: what tells an identifier from other digits. One checksum or numbering rule a file.

mod iban;
mod luhn;
mod rrn;
mod ssn;

use super::hint::Named;

pub(super) use iban::length as iban_length;
pub(super) use rrn::Verdict as RrnVerdict;
pub(super) use rrn::judge as judge_rrn;

/// A test of a value's normal form, which a rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validator {
    /// The check digit of payment cards (ISO/IEC 7812-1, annex B).
    Luhn,
    /// The check digits of an IBAN and its country's length (ISO 13616).
    Mod97,
    /// Date of birth and century digit of a Korean registration number; the check digit where there must be one.
    Rrn,
    /// Date of birth and century digit alone: numbers issued since October 2020 have no check digit.
    RrnDate,
    /// The areas, groups and serials that were ever given out as US social security numbers.
    Ssn,
}

impl Named for Validator {
    const ALL: &'static [(&'static str, Self)] = &[
        ("luhn", Self::Luhn),
        ("mod97", Self::Mod97),
        ("rrn", Self::Rrn),
        ("rrn-date", Self::RrnDate),
        ("ssn", Self::Ssn),
    ];
}

impl Validator {
    /// Whether `normal` (digits, or an upper-case IBAN) passes.
    pub(super) fn accepts(self, normal: &[u8]) -> bool {
        match self {
            Self::Luhn => luhn::accepts(normal),
            Self::Mod97 => iban::accepts(normal),
            Self::Rrn => matches!(
                rrn::judge(normal),
                Some(rrn::Verdict::Checked | rrn::Verdict::Uncheckable)
            ),
            Self::RrnDate => rrn::judge(normal).is_some(),
            Self::Ssn => ssn::accepts(normal),
        }
    }
}

/// The value of decimal `digits`, at most nine of them; `None` for anything else.
fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0u32, |value, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + u32::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_no_validator_takes_nonsense() {
        for (index, (name, validator)) in Validator::ALL.iter().enumerate() {
            assert!(Validator::ALL.iter().skip(index + 1).all(|(other, _)| other != name));
            for nonsense in [
                &b""[..],
                b"abc",
                &[0xff; 16],
                b"0000000000000000000000000000000000000000",
            ] {
                let zeros_pass_luhn = *validator == Validator::Luhn && nonsense.iter().all(u8::is_ascii_digit);
                assert!(
                    !validator.accepts(nonsense) || (zeros_pass_luhn && !nonsense.is_empty()),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn decimals() {
        let rows: [(&[u8], Option<u32>); 4] = [(b"042", Some(42)), (b"", None), (b"1x", None), (b"1234567890", None)];
        for (digits, expected) in rows {
            assert_eq!(decimal(digits), expected);
        }
    }
}
