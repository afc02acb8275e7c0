//! Validators: what tells an identifier from other digits. One checksum or numbering rule a file.

mod br_cpf;
mod cn_id;
mod date;
mod de_taxid;
mod es_dni;
mod fr_nir;
mod gb_nhs;
mod gb_nino;
mod iban;
mod in_aadhaar;
mod in_pan;
mod jp_mynumber;
mod kr_business;
mod kr_customs;
mod kr_driver;
mod kr_passport;
mod luhn;
mod rrn;
mod ssn;
mod tw_id;
mod us_itin;

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
    /// The check digits of a Brazilian CPF.
    BrCpf,
    /// Place, date and check character of a Chinese resident id.
    CnId,
    /// The digits and check digit of a German tax id.
    DeTaxId,
    /// The check letter of a Spanish DNI or NIE.
    EsDni,
    /// Sex, month and key of a French NIR.
    FrNir,
    /// The check digit of an NHS number.
    GbNhs,
    /// Prefix and suffix of a British national insurance number.
    GbNino,
    /// The check digit of an Aadhaar number.
    InAadhaar,
    /// The holder's letter of an Indian PAN.
    InPan,
    /// The check digit of a Japanese individual number.
    JpMyNumber,
    /// Parts and check digit of a Korean business registration.
    KrBusiness,
    /// The form of a Korean customs clearance code.
    KrCustoms,
    /// The office of a Korean driving licence.
    KrDriver,
    /// Kind and form of a Korean passport.
    KrPassport,
    /// The check digit of a Taiwanese id.
    TwId,
    /// The groups of a US ITIN.
    UsItin,
}

impl Named for Validator {
    const ALL: &'static [(&'static str, Self)] = &[
        ("luhn", Self::Luhn),
        ("mod97", Self::Mod97),
        ("rrn", Self::Rrn),
        ("rrn-date", Self::RrnDate),
        ("ssn", Self::Ssn),
        ("br-cpf", Self::BrCpf),
        ("cn-id", Self::CnId),
        ("de-taxid", Self::DeTaxId),
        ("es-dni", Self::EsDni),
        ("fr-nir", Self::FrNir),
        ("gb-nhs", Self::GbNhs),
        ("gb-nino", Self::GbNino),
        ("in-aadhaar", Self::InAadhaar),
        ("in-pan", Self::InPan),
        ("jp-mynumber", Self::JpMyNumber),
        ("kr-business", Self::KrBusiness),
        ("kr-customs", Self::KrCustoms),
        ("kr-driver", Self::KrDriver),
        ("kr-passport", Self::KrPassport),
        ("tw-id", Self::TwId),
        ("us-itin", Self::UsItin),
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
            Self::BrCpf => br_cpf::accepts(normal),
            Self::CnId => cn_id::accepts(normal),
            Self::DeTaxId => de_taxid::accepts(normal),
            Self::EsDni => es_dni::accepts(normal),
            Self::FrNir => fr_nir::accepts(normal),
            Self::GbNhs => gb_nhs::accepts(normal),
            Self::GbNino => gb_nino::accepts(normal),
            Self::InAadhaar => in_aadhaar::accepts(normal),
            Self::InPan => in_pan::accepts(normal),
            Self::JpMyNumber => jp_mynumber::accepts(normal),
            Self::KrBusiness => kr_business::accepts(normal),
            Self::KrCustoms => kr_customs::accepts(normal),
            Self::KrDriver => kr_driver::accepts(normal),
            Self::KrPassport => kr_passport::accepts(normal),
            Self::TwId => tw_id::accepts(normal),
            Self::UsItin => us_itin::accepts(normal),
        }
    }
}

impl Validator {
    /// Whether `normal`, which was accepted, also has a check digit that is right, or letters that are rare together: evidence
    /// that counts.
    pub(super) fn is_checked(self, normal: &[u8]) -> bool {
        match self {
            Self::Luhn
            | Self::Mod97
            | Self::BrCpf
            | Self::CnId
            | Self::DeTaxId
            | Self::EsDni
            | Self::FrNir
            | Self::GbNhs
            | Self::GbNino
            | Self::InAadhaar
            | Self::JpMyNumber
            | Self::KrBusiness
            | Self::TwId => true,
            // A time in milliseconds begins like a date of birth.
            Self::Rrn | Self::RrnDate => rrn::judge(normal) == Some(rrn::Verdict::Checked),
            // Nothing in them checks the rest; codes of coupons and products have these forms too.
            Self::InPan | Self::Ssn | Self::UsItin | Self::KrCustoms | Self::KrDriver | Self::KrPassport => false,
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

/// The values of exactly `N` digits.
fn digits<const N: usize>(number: &[u8]) -> Option<[u32; N]> {
    let bytes: &[u8; N] = number.try_into().ok()?;
    let all_digits = bytes.iter().all(u8::is_ascii_digit);
    all_digits.then(|| bytes.map(|digit| u32::from(digit - b'0')))
}

/// The sum of `digits`, each times its weight, as far as the weights go.
fn weighted<const N: usize>(digits: [u32; N], weights: impl Iterator<Item = u32>) -> u32 {
    digits
        .into_iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// Whether every digit is the same: a placeholder, whatever its check digit.
fn all_equal(digits: &[u32]) -> bool {
    digits.iter().all(|digit| Some(digit) == digits.first())
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
    fn numbers_that_others_publish_are_judged_as_they_judge_them() {
        let (mut judged, mut differing) = (0, Vec::new());
        for line in include_str!("vectors.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let (name, rest) = line.split_once(' ').expect("a validator");
            let (expected, number) = rest.split_once(' ').expect("a judgement and a number");
            let validator = Validator::by_name(name).expect(name);
            judged += 1;
            if validator.accepts(number.as_bytes()) != (expected == "yes") {
                differing.push(line);
            }
        }
        assert_eq!((judged, differing), (478, vec![]));
    }

    #[test]
    fn decimals() {
        let rows: [(&[u8], Option<u32>); 4] = [(b"042", Some(42)), (b"", None), (b"1x", None), (b"1234567890", None)];
        for (digits, expected) in rows {
            assert_eq!(decimal(digits), expected);
        }
    }
}
